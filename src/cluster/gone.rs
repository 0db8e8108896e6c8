//! Waiting for objects: until one is gone, until one is as wanted.

use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::wait::{Condition, await_condition, conditions};

use super::{Cluster, ClusterError};
use crate::model::ObjectRef;

impl Cluster {
    /// Waits, by watching, until `object` is gone; at once where its kind is not served. With a
    /// `uid`, another object of the same name counts as gone.
    ///
    /// It waits for as long as it takes: the caller limits the time.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn until_gone(
        &self,
        object: &ObjectRef,
        uid: Option<&str>,
    ) -> Result<(), ClusterError> {
        let Some(api) = self.metadata(object).await? else { return Ok(()) };
        let uid = match uid {
            Some(uid) => uid.to_owned(),
            None => {
                let found = api.get_metadata_opt(&object.name).await;
                match found.map_err(|error| self.explain(error))? {
                    Some(found) => found.metadata.uid.unwrap_or_default(),
                    None => return Ok(()),
                }
            }
        };
        let gone = await_condition(api, &object.name, conditions::is_deleted(&uid)).await;
        gone.map(|_| ()).map_err(|error| self.explain_watch(error))
    }

    /// Waits, by watching, until `condition` holds for `object`.
    ///
    /// It waits for as long as it takes: the caller limits the time.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer.
    pub async fn until(
        &self,
        object: &ObjectRef,
        condition: impl Condition<DynamicObject>,
    ) -> Result<(), ClusterError> {
        let Some(api) = self.api(object).await? else { return Ok(()) };
        let reached = await_condition(api, &object.name, condition).await;
        reached.map(|_| ()).map_err(|error| self.explain_watch(error))
    }

    /// Like [`Cluster::api`], for the metadata alone.
    async fn metadata(
        &self,
        object: &ObjectRef,
    ) -> Result<Option<Api<PartialObjectMeta<DynamicObject>>>, ClusterError> {
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

    fn explain_watch(&self, error: kube::runtime::wait::Error) -> ClusterError {
        let kube::runtime::wait::Error::ProbeFailed(error) = error;
        match error {
            kube::runtime::watcher::Error::InitialListFailed(error)
            | kube::runtime::watcher::Error::WatchStartFailed(error)
            | kube::runtime::watcher::Error::WatchFailed(error) => self.explain(error),
            kube::runtime::watcher::Error::WatchError(status) => {
                self.explain(kube::Error::Api(status))
            }
            other @ kube::runtime::watcher::Error::NoResourceVersion => {
                self.explain(kube::Error::Service(Box::new(other)))
            }
        }
    }
}
