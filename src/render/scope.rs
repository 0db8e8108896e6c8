//! What rendering needs to know of its surroundings.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::model::{Delivery, Namespace, Release};
use crate::tools::Tools;

use super::error::RenderError;
use super::helm::{self, Helm};

/// What rendering needs to know; no cluster is asked.
#[derive(Debug, Clone)]
pub struct RenderScope {
    /// Where helm and kustomize are found, and the environment they get.
    pub tools: Tools,
    /// The cluster's version such as `v1.33.1`, for `.Capabilities`; absent: Helm's own idea.
    pub kube_version: Option<String>,
    /// What the cluster serves, as `group/version` and `group/version/Kind`, for `.Capabilities`.
    pub api_versions: Vec<String>,
    /// Where releases go that name no namespace.
    pub namespace: Namespace,
    /// By which way images reach the cluster.
    pub delivery: Delivery,
    /// A folder that temporary files may be put into.
    pub folder: PathBuf,
    helm: Arc<OnceCell<Helm>>,
}

impl RenderScope {
    /// A scope without a cluster: add what is known of one.
    #[must_use]
    pub fn new(tools: Tools, namespace: Namespace, delivery: Delivery, folder: PathBuf) -> Self {
        let (kube_version, api_versions, helm) = (None, Vec::new(), Arc::default());
        Self { tools, kube_version, api_versions, namespace, delivery, folder, helm }
    }

    /// The Helm on the `PATH`. A missing one is looked for again the next time.
    ///
    /// # Errors
    ///
    /// As [`Helm::detect`].
    pub async fn helm(&self) -> Result<&Helm, RenderError> {
        self.helm.get_or_try_init(|| Helm::detect(&self.tools)).await
    }

    pub(super) fn namespace_of<'a>(&'a self, release: &'a Release) -> &'a Namespace {
        helm::namespace(release, &self.namespace)
    }
}
