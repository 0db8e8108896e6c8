//! Brings images into the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::docker::{Engine, EngineImage, intake};
use crate::model::{ClusterKind, Digest, ImageRef};
use crate::oci;
use crate::tools::{ToolError, Tools};

use super::containerd::Containerd;
use super::delta::{self, Delta};
use super::facade::{self, Learnt};
use super::link::{self, NodeLink};
use super::nodes::{self, MachineIds, Node};
use super::size::{self, Choice};
use super::traces::Traces;
use super::{LoadError, containerd, import, tidy};

/// How often a load begins again because a node dropped a layer, or its link broke, meanwhile.
const ATTEMPTS: usize = 3;

/// Brings images into the nodes of one cluster. Cloning is cheap; all clones share the links to
/// the nodes, which are opened when they are first needed and close with the last clone.
#[derive(Debug, Clone)]
pub struct Loader {
    inner: Arc<Inner>,
}

type Link = Arc<OnceCell<Arc<NodeLink>>>;

#[derive(Debug)]
struct Inner {
    engine: Engine,
    kind: ClusterKind,
    tools: Tools,
    /// By container ID. Whoever comes while a link is being opened waits for it.
    links: Mutex<BTreeMap<String, Link>>,
    learnt: Learnt,
    /// By what the nodes are known, where their names alone do not say enough.
    machine_ids: Option<MachineIds>,
    checked: OnceCell<()>,
}

/// What a load moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Bytes that went to each node that lacked them.
    pub sent_bytes: u64,
    /// Bytes of the whole image.
    pub total_bytes: u64,
}

impl Loader {
    /// A loader for the cluster that `kind` names. Nothing is asked yet.
    #[must_use]
    pub fn new(engine: &Engine, kind: &ClusterKind, tools: &Tools) -> Self {
        Self::of(engine, kind, tools, None)
    }

    /// The same, into nodes alone whose `machine_ids` by name are these: the Engine may have
    /// another cluster of the same name.
    #[must_use]
    pub fn into_nodes(
        engine: &Engine,
        kind: &ClusterKind,
        tools: &Tools,
        machine_ids: BTreeMap<String, String>,
    ) -> Self {
        Self::of(engine, kind, tools, Some(machine_ids))
    }

    fn of(
        engine: &Engine,
        kind: &ClusterKind,
        tools: &Tools,
        machine_ids: Option<MachineIds>,
    ) -> Self {
        let inner = Inner {
            engine: engine.clone(),
            kind: kind.clone(),
            tools: tools.clone(),
            links: Mutex::default(),
            learnt: Learnt::default(),
            machine_ids,
            checked: OnceCell::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Opens the links to the nodes, so that the first load need not, and clears away what an
    /// earlier wharf that was killed has left in the Engine.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when there is no such cluster, or a node does not run.
    pub async fn connect(&self) -> Result<(), LoadError> {
        let open = async {
            let nodes = self.nodes().await?;
            futures::future::join_all(nodes.iter().map(|node| self.link(node))).await;
            Ok(())
        };
        tokio::join!(open, intake::sweep(&self.inner.engine)).0
    }

    /// The nodes that do not have `image`, asked themselves, all at once.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when there is no such cluster, or a node does not run or answer.
    pub async fn missing(&self, image: &ImageRef) -> Result<Vec<String>, LoadError> {
        Ok(self.lacking(image).await?.into_iter().map(|node| node.name).collect())
    }

    /// The nodes of the cluster that was meant.
    async fn nodes(&self) -> Result<Vec<Node>, LoadError> {
        let Inner { engine, kind, machine_ids, checked, .. } = &*self.inner;
        let nodes = nodes::of(engine, kind).await?;
        if let Some(known) = machine_ids {
            checked.get_or_try_init(|| nodes::check(engine, kind, &nodes, known)).await?;
        }
        Ok(nodes)
    }

    async fn lacking(&self, image: &ImageRef) -> Result<Vec<Node>, LoadError> {
        let nodes = self.nodes().await?;
        let has = nodes.iter().map(|node| self.has(node, image));
        let has = futures::future::try_join_all(has).await?;
        Ok(nodes.into_iter().zip(has).filter(|(_, has)| !has).map(|(node, _)| node).collect())
    }

    async fn has(&self, node: &Node, image: &ImageRef) -> Result<bool, LoadError> {
        let name = image.without_digest().full();
        // A link that was held open for long may have broken; a new one tells.
        for _ in 0..2 {
            let Ok(link) = self.link(node).await else { break };
            match has_whole(link.records(), &name).await {
                Ok(has) => return Ok(has),
                Err(status) => {
                    tracing::debug!(node = node.name, %status, "asked in vain for an image");
                    self.drop_link(node);
                }
            }
        }
        import::has(&self.inner.engine, node, image).await
    }

    /// Brings `image` from the Engine into every node that lacks it.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the Engine does not have it, or a node does not take it; no node is
    /// left with a record of an image that cannot run.
    pub async fn load(
        &self,
        image: &ImageRef,
        cancel: &CancellationToken,
    ) -> Result<Loaded, LoadError> {
        let traces = Traces::default();
        let loaded = cancel.run_until_cancelled(self.load_into_nodes(image, &traces)).await;
        // What succeeded is kept by its record; what did not must be gone.
        let failed = !matches!(loaded, Some(Ok(_)));
        tokio::join!(traces.untag(&self.inner.engine), traces.release(failed));
        loaded.unwrap_or_else(|| Err(LoadError::Cancelled { image: image.clone() }))
    }

    async fn load_into_nodes(
        &self,
        image: &ImageRef,
        traces: &Traces,
    ) -> Result<Loaded, LoadError> {
        let engine = &self.inner.engine;
        let name = image.without_digest().to_string();
        let (found, lacking) = tokio::join!(engine.image(&name), self.lacking(image));
        let Some(found) = found? else {
            return Err(LoadError::NoImage { image: image.clone() });
        };
        let lacking = lacking?;
        let total_bytes = found.size_bytes;
        if lacking.is_empty() {
            return Ok(Loaded { sent_bytes: 0, total_bytes });
        }
        match self.by_delta(image, &found, &lacking, traces).await {
            Ok(sent_bytes) => return Ok(Loaded { sent_bytes, total_bytes }),
            Err(error @ LoadError::NoSpace { .. }) => return Err(error),
            Err(error) => {
                let why = error.failure();
                tracing::debug!(%image, what = why.what, why = ?why.why, "the whole image is sent");
            }
        }
        let sent_bytes = match import::into_nodes(engine, &lacking, image, total_bytes).await {
            Ok(sent_bytes) => sent_bytes,
            Err(error @ LoadError::NoSpace { .. }) => return Err(error),
            // A command that ends early may show as a broken connection as well as by its code.
            Err(error) => {
                tracing::warn!(%image, %error, "import failed, trying the cluster's own tool");
                self.by_tool(image, error).await?;
                total_bytes
            }
        };
        if let Some(node) = self.lacking(image).await?.into_iter().next() {
            let why = "it says that it took the image, and does not have it".to_owned();
            return Err(LoadError::Refused { node: node.name, image: image.clone(), why });
        }
        let claimed = lacking.iter().map(|node| self.claim(node, image));
        futures::future::join_all(claimed).await;
        Ok(Loaded { sent_bytes, total_bytes })
    }

    /// Says of an image that went over whole that it is wharf's, so that it leaves in its turn,
    /// and lets those leave whose turn it is.
    async fn claim(&self, node: &Node, image: &ImageRef) {
        if let Err(error) = import::claim(&self.inner.engine, node, image).await {
            tracing::debug!(node = node.name, %error, "an image will have to be removed by hand");
        }
        let Ok(link) = self.link(node).await else { return };
        let Ok(layers) = link.layers(&self.inner.engine, node).await else { return };
        tidied(node, layers, image).await;
    }

    /// Sends what is missing, where that is little; returns the bytes sent to the node that
    /// lacked most.
    async fn by_delta(
        &self,
        image: &ImageRef,
        found: &EngineImage,
        nodes: &[Node],
        traces: &Traces,
    ) -> Result<u64, LoadError> {
        let chain = oci::chain_ids(&found.diff_ids);
        let mut attempt = 1;
        loop {
            let (node, status) = match self.try_delta(image, found, &chain, nodes, traces).await {
                Ok(sent_bytes) => return Ok(sent_bytes),
                Err(Trouble::Other(error)) => return Err(error),
                Err(Trouble::Node(node, status)) => (node, status),
            };
            if containerd::is_out_of_space(&status) {
                return Err(import::refusal(&node, image, status.message()));
            }
            // A layer that was there a moment ago may have been removed as garbage.
            let may_pass = containerd::is_missing(&status) || link::is_broken(&status);
            if attempt == ATTEMPTS || !may_pass {
                return Err(import::refusal(&node, image, status.message()));
            }
            tracing::debug!(node = node.name, %status, attempt, "loading begins again");
            if link::is_broken(&status) {
                self.drop_link(&node);
            }
            attempt += 1;
        }
    }

    async fn try_delta(
        &self,
        image: &ImageRef,
        found: &EngineImage,
        chain: &[Digest],
        nodes: &[Node],
        traces: &Traces,
    ) -> Result<u64, Trouble> {
        let at = |node: &Node| {
            let node = node.clone();
            move |status| Trouble::Node(node, status)
        };
        let there = nodes.iter().map(|node| async move {
            let link = self.link(node).await.map_err(Trouble::Other)?;
            let layers = link.layers(&self.inner.engine, node).await.map_err(Trouble::Other)?;
            let layers = layers.clone();
            let there = delta::layers_there(&layers, chain).await.map_err(at(node))?;
            Ok::<_, Trouble>((node, layers, there))
        });
        let there = futures::future::try_join_all(there).await?;
        let fewest = there.iter().map(|(_, _, there)| *there).min().unwrap_or(0);
        let wanted: BTreeSet<Digest> = found.diff_ids[fewest..].iter().cloned().collect();
        let layers = if wanted.is_empty() {
            BTreeMap::new()
        } else {
            let name = image.without_digest().to_string();
            let history = self.inner.engine.history(&name).await.map_err(LoadError::from)?;
            if let Choice::Whole { why } = size::choose(&history, found, wanted.len()) {
                return Err(LoadError::NoLayers { image: image.clone(), why }.into());
            }
            let fetched =
                facade::fetch(&self.inner.engine, image, &wanted, &self.inner.learnt, traces);
            // The nodes have nothing else to do meanwhile.
            let tidied = there.iter().map(|(node, layers, _)| tidied(node, layers, image));
            let (fetched, _) = tokio::join!(fetched, futures::future::join_all(tidied));
            fetched?
        };
        tracing::debug!(
            %image, layers = chain.len(), there = fewest, came = layers.len(),
            "only what the nodes lack is sent"
        );
        let delta = Delta { name: image, image: found, chain, layers: &layers };
        let writes = there.iter().map(|(node, layers, there)| {
            let written = delta.write(layers, *there, traces);
            async move { written.await.map_err(at(node)) }
        });
        let (sent, ()) =
            tokio::join!(futures::future::try_join_all(writes), traces.untag(&self.inner.engine));
        Ok(sent?.into_iter().max().unwrap_or(0))
    }

    async fn link(&self, node: &Node) -> Result<Arc<NodeLink>, LoadError> {
        let link = Arc::clone(self.links().entry(node.id.clone()).or_default());
        let open = async || NodeLink::open(&self.inner.engine, node).await.map(Arc::new);
        link.get_or_try_init(open).await.cloned()
    }

    fn drop_link(&self, node: &Node) {
        self.links().remove(&node.id);
    }

    fn links(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Link>> {
        self.inner.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets kind or k3d do it, where they are installed; otherwise the first error stands.
    async fn by_tool(&self, image: &ImageRef, first: LoadError) -> Result<(), LoadError> {
        let name = image.without_digest().to_string();
        let command = match &self.inner.kind {
            ClusterKind::Kind { name: cluster } => self.inner.tools.command("kind").args([
                "load",
                "docker-image",
                &name,
                "--name",
                cluster,
            ]),
            ClusterKind::K3d { name: cluster } => {
                self.inner.tools.command("k3d").args(["image", "import", &name, "-c", cluster])
            }
            _ => return Err(first),
        };
        match command.run().await {
            Ok(_) => Ok(()),
            Err(ToolError::Missing { .. }) => Err(first),
            Err(error) => {
                tracing::warn!(%image, %error, "the cluster's own tool failed too");
                Err(first)
            }
        }
    }
}

/// Why a delta could not be sent.
enum Trouble {
    /// A node said no.
    Node(Node, Status),
    Other(LoadError),
}

impl From<LoadError> for Trouble {
    fn from(error: LoadError) -> Self {
        Self::Other(error)
    }
}

/// Lets older images of `image`'s repository leave the node; that they stay hinders nobody.
async fn tidied(node: &Node, layers: &Containerd, image: &ImageRef) {
    if let Err(status) = tidy::tidy(layers, image).await {
        tracing::debug!(node = node.name, %status, "old images stay");
    }
}

/// Whether there is a record of the image, and what it names is there too.
async fn has_whole(node: &containerd::Containerd, name: &str) -> Result<bool, Status> {
    let Some(target) = node.image(name).await?.and_then(|image| image.target) else {
        return Ok(false);
    };
    node.has_content(&target.digest).await
}
