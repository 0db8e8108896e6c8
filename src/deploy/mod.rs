//! Brings a release into the cluster: `helm upgrade --install`, or server-side apply.
//!
//! Comes in: a [`Plan`], rendered objects and what they were made from. Goes out: what was
//! deployed, recorded in the cluster itself. In between: [`look`] (what is there, whose it is,
//! what others did to it), [`survey`] (which of the plan's objects exist), [`undo_for`] (how it
//! will be taken back), and the two that change something: [`deploy`], and [`swap`] where nothing
//! but images differs (which [`swap_for`] finds out). Knows nothing of how images are built or
//! manifests rendered, and does not wait for pods.

mod act;
mod apply;
mod drift;
mod error;
mod helm;
mod helm_claims;
mod hooks;
mod left;
mod let_stay;
mod live;
mod look;
mod manifest;
mod order;
mod ownership;
mod prune;
mod record;
mod refusal;
mod remove;
mod said_by_helm;
mod set_claims;
mod storage;
mod swap;
#[cfg(test)]
mod tests;
mod undo;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::model::{
    ArtifactName, ImageRef, Namespace, ObjectRef, ProjectName, Release, ReleaseName, ReleaseSource,
};

pub use act::{Deployed, deploy};
pub use error::DeployError;
pub use helm::{Helm, go_back, is_helm_running, refuse_pending, roll_back};
pub use helm_claims::keep_claims;
pub use left::put_back;
pub use let_stay::{has_only_to_stay, let_stay};
pub use look::{Found, look, survey};
pub use order::{in_order, is_built_in};
pub use record::{LeftAs, Part, ProjectRecord, Recorded, ReleaseRecord};
pub use remove::{Removal, remove};
pub use set_claims::is_claim_of;
pub use storage::{HelmObjects, HelmStatus, helm_objects};
pub use swap::{Installed, Swap, installed, swap, swap_for};
pub use undo::{UndoOptions, claims_that_go, kept, owed, undo_for};

/// The name under which wharf owns fields and labels objects.
pub const MANAGER: &str = "wharf";

/// Where releases are deployed, and for which project.
#[derive(Debug, Clone)]
pub struct DeployScope {
    /// The cluster.
    pub cluster: Cluster,
    /// Whose record is read and written.
    pub project: ProjectName,
}

impl DeployScope {
    /// Reads the project's records in all namespaces.
    ///
    /// # Errors
    ///
    /// [`DeployError`] when the server does not answer.
    pub async fn records(&self) -> Result<BTreeMap<Namespace, ProjectRecord>, DeployError> {
        record::read_all(self).await
    }

    /// Takes `release` out of the record of `namespace`.
    ///
    /// # Errors
    ///
    /// [`DeployError`] when the server does not answer.
    pub async fn forget(
        &self,
        namespace: &Namespace,
        release: &ReleaseName,
    ) -> Result<(), DeployError> {
        // While it is in the record, what is kept of it can still be found.
        left::forget(self, namespace, release).await?;
        record::update(self, namespace, |record| {
            record.releases.remove(release);
        })
        .await
    }
}

/// What is to be deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The release as it was configured.
    pub release: Release,
    /// Where it goes.
    pub namespace: Namespace,
    /// Its objects as rendered; for Helm only to know what will be there.
    pub objects: Vec<Value>,
    /// A chart's hooks.
    pub hooks: Vec<Value>,
    /// A chart's `crds/`, or the definitions among plain manifests.
    pub crds: Vec<Value>,
    /// A tree of values that Helm gets after the values files.
    pub values: Option<Value>,
    /// What Helm pipes its manifests through.
    pub post_renderer: Option<PostRenderer>,
    /// Of everything that it was rendered from.
    pub fingerprint: String,
    /// The project's images in it.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Claims of its StatefulSets stay when it is taken back.
    pub keep_data: bool,
    /// It is meant to stay after the session.
    pub standing: bool,
    /// An operation on it that never ended was wharf's own, and that wharf is dead.
    pub may_repair: bool,
}

impl Plan {
    /// Whether Helm installs it.
    #[must_use]
    pub fn is_helm(&self) -> bool {
        matches!(self.release.source, ReleaseSource::Helm(_))
    }

    /// The object with the release's namespace filled in where it names none and is of a kind
    /// that is known to live in one.
    fn placed(&self, mut object: ObjectRef) -> ObjectRef {
        if object.namespace.is_none() && !order::is_cluster_wide(&object) {
            object.namespace = Some(self.namespace.clone());
        }
        object
    }
}

/// A program that Helm pipes its manifests through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostRenderer {
    /// Helm 3: an executable and its arguments.
    Program {
        /// The executable.
        path: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Helm 4: a plugin in a private folder.
    Plugin {
        /// The plugin's name.
        name: String,
        /// What `HELM_PLUGINS` is set to.
        folder: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
}
