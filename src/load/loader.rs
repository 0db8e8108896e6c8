//! Brings images into the nodes.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::docker::Engine;
use crate::model::{ClusterKind, ImageRef};
use crate::tools::{ToolError, Tools};

use super::nodes::{self, Node};
use super::{LoadError, import};

/// Brings images into the nodes of one cluster. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Loader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    kind: ClusterKind,
    tools: Tools,
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
        let inner = Inner { engine: engine.clone(), kind: kind.clone(), tools: tools.clone() };
        Self { inner: Arc::new(inner) }
    }

    /// The nodes that do not have `image`, asked themselves, all at once.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when there is no such cluster, or a node does not run or answer.
    pub async fn missing(&self, image: &ImageRef) -> Result<Vec<String>, LoadError> {
        Ok(self.lacking(image).await?.into_iter().map(|node| node.name).collect())
    }

    async fn lacking(&self, image: &ImageRef) -> Result<Vec<Node>, LoadError> {
        let nodes = nodes::of(&self.inner.engine, &self.inner.kind).await?;
        let answers = nodes.iter().map(|node| import::has(&self.inner.engine, node, image));
        let has = futures::future::try_join_all(answers).await?;
        Ok(nodes.into_iter().zip(has).filter(|(_, has)| !has).map(|(node, _)| node).collect())
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
        let loaded = cancel.run_until_cancelled(self.load_into_nodes(image)).await;
        loaded.unwrap_or_else(|| Err(LoadError::Cancelled { image: image.clone() }))
    }

    async fn load_into_nodes(&self, image: &ImageRef) -> Result<Loaded, LoadError> {
        let engine = &self.inner.engine;
        let name = image.without_digest().to_string();
        let Some(found) = engine.image(&name).await? else {
            return Err(LoadError::NoImage { image: image.clone() });
        };
        let lacking = self.lacking(image).await?;
        if lacking.is_empty() {
            return Ok(Loaded { sent_bytes: 0, total_bytes: found.size_bytes });
        }
        let sent_bytes = match import::into_nodes(engine, &lacking, image, found.size_bytes).await {
            Ok(sent_bytes) => sent_bytes,
            Err(error @ LoadError::Refused { .. }) => {
                tracing::warn!(%image, %error, "import refused, trying the cluster's own tool");
                self.by_tool(image, error).await?;
                found.size_bytes
            }
            Err(error) => return Err(error),
        };
        if let Some(node) = self.lacking(image).await?.into_iter().next() {
            let why = "it says that it took the image, and does not have it".to_owned();
            return Err(LoadError::Refused { node: node.name, image: image.clone(), why });
        }
        Ok(Loaded { sent_bytes, total_bytes: found.size_bytes })
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
