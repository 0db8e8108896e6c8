//! What a load makes that must not outlive it: names in the Engine, leases on nodes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::docker::Engine;
use crate::model::ImageRef;

use super::containerd::Containerd;

/// How long clearing up may take; a lease that stays ends by itself.
const CLEAR_LIMIT: Duration = Duration::from_secs(5);

/// Traces of one load. Each is written down before it is made.
#[derive(Debug, Default)]
pub(super) struct Traces {
    tags: Mutex<Vec<ImageRef>>,
    leases: Mutex<Vec<(Containerd, String)>>,
}

impl Traces {
    pub(super) fn will_tag(&self, name: &ImageRef) {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
    }

    pub(super) fn will_lease(&self, containerd: &Containerd, id: &str) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.push((containerd.clone(), id.to_owned()));
    }

    /// Takes the names away again.
    pub(super) async fn untag(&self, engine: &Engine) {
        let tags = std::mem::take(&mut *self.tags.lock().unwrap_or_else(PoisonError::into_inner));
        for tag in tags {
            let untagged = tokio::time::timeout(CLEAR_LIMIT, engine.untag(&tag, true)).await;
            if !matches!(untagged, Ok(Ok(()))) {
                tracing::warn!(%tag, "a name stays in the Engine");
            }
        }
    }

    /// Ends the leases; with `sync`, what only they kept is gone afterwards.
    pub(super) async fn release(&self, sync: bool) {
        let leases =
            std::mem::take(&mut *self.leases.lock().unwrap_or_else(PoisonError::into_inner));
        let releases = leases.iter().map(|(containerd, id)| async move {
            let released = containerd.delete_lease(id, sync);
            match tokio::time::timeout(CLEAR_LIMIT, released).await {
                Ok(Ok(())) => {}
                Ok(Err(status)) if super::containerd::is_missing(&status) => {}
                _ => tracing::warn!(lease = id, "a lease stays on a node until it expires"),
            }
        });
        futures::future::join_all(releases).await;
    }
}
