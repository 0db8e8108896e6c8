//! Which kinds the server knows.

use std::sync::{Arc, PoisonError};

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::{Discovery, Scope, verbs};

use super::{Cluster, ClusterError};
use crate::model::ObjectRef;

/// A kind as the server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// How it is addressed.
    pub api: ApiResource,
    /// Its objects live in namespaces.
    pub namespaced: bool,
}

impl Cluster {
    /// Finds how objects of a kind are addressed, and whether they live in namespaces.
    ///
    /// What the server knows is asked once and kept; a kind that is not among it is looked for
    /// once more, since it may have been defined in the meantime.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn api_resource(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<(ApiResource, bool)>, ClusterError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let wanted = GroupVersionKind::gvk(group, version, kind);
        let find = |discovery: &Discovery| {
            let (api, capabilities) = discovery.resolve_gvk(&wanted)?;
            Some((api, capabilities.scope == Scope::Namespaced))
        };
        if let Some(found) = self.known().as_deref().and_then(find) {
            return Ok(Some(found));
        }
        Ok(find(self.discover().await?.as_ref()))
    }

    /// A client for the one object's kind and namespace; `None` where the server does not know
    /// the kind.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn api(
        &self,
        object: &ObjectRef,
    ) -> Result<Option<Api<DynamicObject>>, ClusterError> {
        let Some((resource, namespaced)) =
            self.api_resource(&object.api_version, &object.kind).await?
        else {
            return Ok(None);
        };
        let namespace = object.namespace.as_ref().unwrap_or_else(|| self.namespace());
        Ok(Some(if namespaced {
            Api::namespaced_with(self.client(), namespace.as_str(), &resource)
        } else {
            Api::all_with(self.client(), &resource)
        }))
    }

    /// Every kind whose objects can be listed, in its group's preferred version.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn resources(&self) -> Result<Vec<Resource>, ClusterError> {
        let discovery = self.discover().await?;
        let resources = discovery.groups_alphabetical().into_iter().flat_map(|group| {
            group.recommended_resources().into_iter().filter_map(|(api, capabilities)| {
                let namespaced = capabilities.scope == Scope::Namespaced;
                let listable = capabilities.supports_operation(verbs::LIST);
                listable.then_some(Resource { api, namespaced })
            })
        });
        Ok(resources.collect())
    }

    /// Every `group/version` and `group/version/Kind` that the server serves, as Helm's
    /// `--api-versions` takes them, sorted.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn api_versions(&self) -> Result<Vec<String>, ClusterError> {
        let discovery = match self.known() {
            Some(known) => known,
            None => self.discover().await?,
        };
        let mut all = std::collections::BTreeSet::new();
        for group in discovery.groups() {
            for version in group.versions() {
                for (api, _) in group.versioned_resources(version) {
                    all.insert(format!("{}/{}", api.api_version, api.kind));
                    all.insert(api.api_version);
                }
            }
        }
        Ok(all.into_iter().collect())
    }

    /// The server's version, such as `v1.36.3`.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn version(&self) -> Result<String, ClusterError> {
        let version = self.client().apiserver_version().await;
        Ok(version.map_err(|error| self.explain(error))?.git_version)
    }

    fn known(&self) -> Option<Arc<Discovery>> {
        self.inner.discovery.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn discover(&self) -> Result<Arc<Discovery>, ClusterError> {
        let run = Discovery::new(self.client()).run_aggregated().await;
        let found = match run {
            Ok(found) => found,
            // Servers before Kubernetes 1.26 answer group by group only.
            Err(_) => {
                Discovery::new(self.client()).run().await.map_err(|error| self.explain(error))?
            }
        };
        let found = Arc::new(found);
        *self.inner.discovery.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }
}
