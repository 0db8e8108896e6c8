//! The cluster that the session works on: kubeconfig context, client, pinned identity.
//!
//! Comes in: a context to use, the environment's `KUBECONFIG`. Goes out: a [`Cluster`], the one
//! handle that everything above talks to Kubernetes with. It acts only on the context that it was
//! started with: that context is copied into a private kubeconfig, which the client and every
//! child process use, and the cluster's identity is remembered, so that another cluster behind
//! the same address is noticed. Knows nothing of releases, images or pods.

mod discovery;
mod error;
mod exec;
mod gone;
mod identity;
mod kind;
mod kubeconfig;
mod nodes;
mod orphans;
mod perhaps;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::{ClusterIdentity, ClusterKind, ContextName, Delivery, Namespace};
use crate::tools::Tools;

pub use discovery::Resource;
pub use error::{ClusterError, is_gone, said};
pub use exec::{Ran, exec};
pub use kind::may_use;
pub use nodes::Node;
pub use orphans::end_orphans;
pub use perhaps::{NoCluster, Perhaps};

/// How long a connection may take to come up. A local cluster needs milliseconds, and refuses at
/// once when it is stopped; the rest is for a remote one behind a slow line, and for a machine
/// whose every core builds something.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long the first answers may take in all; retries after a busy server are included.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The same where a login plugin runs first and may ask the person something.
const LOGIN_LIMIT: Duration = Duration::from_secs(120);

/// Which cluster to connect to, and what may be done without asking.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// The context; absent: kubeconfig's current one.
    pub context: Option<ContextName>,
    /// `context` was given by `--context`, which is permission enough.
    pub from_flag: bool,
    /// The namespace; absent: the context's own, else `default`.
    pub namespace: Option<Namespace>,
    /// Globs of contexts that may be used although they are not local.
    pub allow: Vec<String>,
    /// Where the private kubeconfig is written; made with mode 0700 where it is missing.
    pub runtime_dir: PathBuf,
}

/// The names of the contexts that may be chosen; none where the kubeconfig cannot be read.
#[must_use]
pub fn contexts(tools: &Tools) -> Vec<String> {
    let merged = kubeconfig::read(tools).ok();
    let contexts = merged.into_iter().flat_map(|merged| merged.contexts);
    contexts.map(|context| context.name).collect()
}

/// A context that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// It is the one that is used where none is named.
    pub is_current: bool,
    /// It needs no `--context`: it looks local, or the configuration allows it.
    pub is_free: bool,
}

/// The contexts that may be chosen, with `allow` of the configuration; none where the kubeconfig
/// cannot be read. No cluster is asked.
#[must_use]
pub fn choices(tools: &Tools, allow: &[String]) -> Vec<Choice> {
    let Ok(merged) = kubeconfig::read(tools) else { return Vec::new() };
    let choice = |name: &String| {
        let context = ContextName::parse(name).ok();
        let pinned = context.as_ref().and_then(|name| kubeconfig::pin(&merged, Some(name)).ok());
        let is_free = pinned.is_some_and(|pinned| {
            kind::by_kubeconfig(&pinned).may_be_local()
                || kind::is_permitted(&pinned.context, false, allow)
        });
        let is_current = merged.current_context.as_ref() == Some(name);
        Choice { name: name.clone(), is_current, is_free }
    };
    merged.contexts.iter().map(|context| choice(&context.name)).collect()
}

/// The cluster of this session. Cloning is cheap; all clones are the same cluster.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    context: ContextName,
    server: String,
    namespace: Namespace,
    kind: ClusterKind,
    /// Name and address of the context say of which kind it is, not the nodes alone.
    kind_is_plain: bool,
    identity: ClusterIdentity,
    tools: Tools,
    private: Mutex<Option<tempfile::TempPath>>,
    private_path: PathBuf,
    discovery: Mutex<Option<Arc<kube::Discovery>>>,
}

impl Cluster {
    /// Reads the kubeconfig, checks that the context may be used, and connects.
    ///
    /// `tools` gives `KUBECONFIG` and `HOME`. Nothing is sent to a cluster that is neither local
    /// nor allowed.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] for each of: no kubeconfig, no such context, a context that needs
    /// permission, a server that does not answer, one that refuses the user.
    pub async fn connect(options: &ClusterOptions, tools: &Tools) -> Result<Self, ClusterError> {
        let merged = kubeconfig::read(tools)?;
        let pinned = kubeconfig::pin(&merged, options.context.as_ref())?;
        let guess = kind::by_kubeconfig(&pinned);
        let explicit = kind::is_permitted(&pinned.context, options.from_flag, &options.allow);
        if !explicit && !guess.may_be_local() {
            may_use(&pinned.context, &ClusterKind::Remote, &pinned.server, false, &[])?;
        }

        let private = kubeconfig::write(&pinned.config, &options.runtime_dir)?;
        let client = client(&pinned).await?;
        let limit = if pinned.runs_a_plugin() { LOGIN_LIMIT } else { ANSWER_LIMIT };
        let asked = async { tokio::join!(identity::ask(&client, &pinned), nodes::list(&client)) };
        let (identity, nodes) = tokio::time::timeout(limit, asked)
            .await
            .map_err(|_| ClusterError::silent(&pinned, guess.kind(), limit))?;
        let identity = identity.map_err(|error| {
            ClusterError::of(&pinned.context, &pinned.server, guess.kind(), error)
        })?;
        let kind = guess.confirmed_by(nodes.ok().as_deref());
        may_use(&pinned.context, &kind, &pinned.server, options.from_flag, &options.allow)?;

        let tools = perhaps::pinned_to(tools, private.as_os_str());
        let inner = Inner {
            client,
            namespace: options.namespace.clone().unwrap_or_else(|| pinned.namespace.clone()),
            context: pinned.context,
            server: pinned.server,
            kind_is_plain: *guess.kind() == kind,
            kind,
            identity,
            tools,
            private_path: private.to_path_buf(),
            private: Mutex::new(Some(private)),
            discovery: Mutex::new(None),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A client of the pinned cluster. It has no read timeout, so that watches and log streams
    /// may be silent for as long as they like.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.inner.client.clone()
    }

    /// The context that was chosen at the start.
    #[must_use]
    pub fn context(&self) -> &ContextName {
        &self.inner.context
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// The namespace of everything that does not say otherwise.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    /// Which kind of cluster it is.
    #[must_use]
    pub fn kind(&self) -> &ClusterKind {
        &self.inner.kind
    }

    /// Whether the context's name and address alone say which cluster of this machine it is.
    /// Otherwise only its nodes say who made them, which may have been on another machine.
    #[must_use]
    pub fn is_plainly_its_kind(&self) -> bool {
        self.inner.kind_is_plain
    }

    /// What makes it this cluster and no other.
    #[must_use]
    pub fn identity(&self) -> &ClusterIdentity {
        &self.inner.identity
    }

    /// Tools whose children talk to the pinned cluster.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.inner.tools
    }

    /// The private kubeconfig; it is gone after [`Cluster::close`].
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.inner.private_path
    }

    /// By which way images get there, given the configured registry.
    #[must_use]
    pub fn delivery(&self, registry: Option<&str>) -> Delivery {
        kind::delivery(self.kind(), registry)
    }

    /// Names an API error of this cluster for what a person can do about it.
    #[must_use]
    pub fn explain(&self, error: kube::Error) -> ClusterError {
        ClusterError::of(self.context(), self.server(), self.kind(), error)
    }

    /// Removes the private kubeconfig. Dropping the last clone does the same.
    pub fn close(&self) {
        self.inner.private.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
impl Cluster {
    /// A cluster whose server is `client`'s service, for tests.
    pub(crate) fn fake(client: kube::Client) -> Self {
        let name = |text| Namespace::parse(text).expect("a namespace");
        let inner = Inner {
            client,
            context: ContextName::parse("kind-fake").expect("a context"),
            server: "https://127.0.0.1:6443".to_owned(),
            namespace: name("default"),
            kind: ClusterKind::Kind { name: "fake".to_owned() },
            kind_is_plain: true,
            identity: ClusterIdentity::KubeSystem("first".to_owned()),
            tools: Tools::new(std::collections::BTreeMap::new()),
            private: Mutex::new(None),
            private_path: PathBuf::new(),
            discovery: Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({} at {})", self.inner.context, self.inner.server)
    }
}

async fn client(pinned: &kubeconfig::Pinned) -> Result<kube::Client, ClusterError> {
    let options = kube::config::KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(pinned.config.clone(), &options)
        .await
        .map_err(|source| ClusterError::BadKubeconfig { path: None, source: Box::new(source) })?;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = None;
    if kind::is_loopback(&pinned.host()) {
        // A proxy of the environment does not lead back to this machine.
        config.proxy_url = None;
    }
    kube::Client::try_from(config).map_err(|error| {
        ClusterError::of(&pinned.context, &pinned.server, &ClusterKind::Remote, error)
    })
}
