//! Whether the cluster behind the address is still the one that the session began with.

use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::WatchParams;
use kube::core::{PartialObjectMeta, WatchEvent};

use super::kubeconfig::Pinned;
use super::{ANSWER_LIMIT, Cluster, ClusterError};
use crate::model::ClusterIdentity;

/// The namespace whose UID stands for the cluster: it is there from the start, for as long as
/// the cluster is.
const KUBE_SYSTEM: &str = "kube-system";

/// How long to wait before a server that does not answer is asked again; doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Asks for the cluster's identity.
pub(super) async fn ask(
    client: &kube::Client,
    pinned: &Pinned,
) -> Result<ClusterIdentity, kube::Error> {
    match uid(client).await {
        Ok(uid) => Ok(ClusterIdentity::KubeSystem(uid)),
        Err(kube::Error::Api(status)) if status.code == 403 || status.code == 404 => {
            Ok(ClusterIdentity::Server { url: pinned.server.clone(), ca_hash: pinned.ca_hash() })
        }
        Err(error) => Err(error),
    }
}

async fn uid(client: &kube::Client) -> Result<String, kube::Error> {
    let namespace = Api::<Namespace>::all(client.clone()).get(KUBE_SYSTEM).await?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}

impl Cluster {
    /// Checks that the cluster is still the one that the session began with.
    ///
    /// # Errors
    ///
    /// [`ClusterError::IdentityChanged`] when another one answers, any other when none does.
    pub async fn verify(&self) -> Result<(), ClusterError> {
        // The address and CA are pinned; a server that fits both is taken for the same one.
        let ClusterIdentity::KubeSystem(expected) = self.identity() else { return Ok(()) };
        let asked = tokio::time::timeout(ANSWER_LIMIT, uid(&self.inner.client)).await;
        let changed = || ClusterError::IdentityChanged {
            context: self.context().clone(),
            server: self.server().to_owned(),
        };
        match asked {
            Ok(Ok(uid)) if uid == *expected => Ok(()),
            Ok(Ok(_)) => Err(changed()),
            Ok(Err(error)) => match self.explain(error) {
                // The pinned CA and user were good at the start.
                ClusterError::Untrusted { .. } | ClusterError::Unauthorized { .. } => {
                    Err(changed())
                }
                other => Err(other),
            },
            Err(_) => Err(ClusterError::slow(self.context(), self.server(), ANSWER_LIMIT)),
        }
    }

    /// Waits until another cluster answers behind the same address, and returns only then.
    ///
    /// A server that does not answer is asked again, and `reachable` hears `false`, once; when
    /// the same cluster is back, it hears `true`.
    pub async fn changed(&self, reachable: impl Fn(bool)) -> ClusterError {
        let mut pause = FIRST_PAUSE;
        let mut is_there = true;
        loop {
            match self.verify().await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    if !std::mem::replace(&mut is_there, true) {
                        reachable(true);
                    }
                    // Ends with the connection, which is when another cluster may come.
                    self.watch_kube_system().await;
                }
                Err(error @ ClusterError::IdentityChanged { .. }) => return error,
                Err(_) => {
                    if std::mem::replace(&mut is_there, false) {
                        reachable(false);
                    }
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Follows the namespace until the stream ends, for whatever reason.
    async fn watch_kube_system(&self) {
        let expected = match self.identity() {
            ClusterIdentity::KubeSystem(uid) => uid.clone(),
            ClusterIdentity::Server { .. } => return std::future::pending().await,
        };
        // One plain request: a watcher that begins anew by itself would hide that its connection
        // ended, and ask another cluster for what comes after a version that is none of its own.
        let watch = WatchParams::default().fields(&format!("metadata.name={KUBE_SYSTEM}"));
        let api = Api::<Namespace>::all(self.client());
        let Ok(stream) = api.watch_metadata(&watch, "0").await else { return };
        // Any error, and any other UID, is a reason to look again.
        let is_same = |event: &WatchEvent<PartialObjectMeta<Namespace>>| match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                object.metadata.uid.as_deref() == Some(&expected)
            }
            WatchEvent::Bookmark(_) => true,
            WatchEvent::Deleted(_) | WatchEvent::Error(_) => false,
        };
        let mut stream = std::pin::pin!(stream);
        while let Ok(Some(event)) = stream.try_next().await {
            if !is_same(&event) {
                return;
            }
        }
    }
}
