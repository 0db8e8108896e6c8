//! Deletes objects and waits until they are gone, pods included.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Preconditions, PropagationPolicy};

use super::live;
use crate::cluster::{Cluster, ClusterError, is_gone};
use crate::model::ObjectRef;

/// How an object is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// Only the object with this UID; another one of the same name stays.
    pub uid: Option<String>,
    /// It goes after all that it owns, so that its absence means that its pods are gone too;
    /// otherwise it goes at once and they follow.
    pub foreground: bool,
    /// Return only when it is gone, after this long at most. Implies `foreground`.
    pub wait: Option<Duration>,
}

/// Deletes `object`; one that is not there is removed already.
///
/// # Errors
///
/// [`ClusterError`] when the server refuses, or [`ClusterError::Slow`] when the object is still
/// there after the time given.
pub async fn remove(
    cluster: &Cluster,
    object: &ObjectRef,
    removal: &Removal,
) -> Result<(), ClusterError> {
    let Some(api) = cluster.api(object).await? else { return Ok(()) };
    let found = api.get_opt(&object.name).await.map_err(|error| cluster.explain(error))?;
    let Some(found) = found else { return Ok(()) };
    let uid = found.metadata.uid.clone();
    if removal.uid.is_some() && removal.uid != uid {
        return Ok(());
    }
    if !live::is_leaving(&found) {
        match api.delete(&object.name, &parameters(&found, removal)).await {
            Ok(_) => {}
            Err(error) if is_gone(&error) => return Ok(()),
            // Another object took its place in between.
            Err(kube::Error::Api(status)) if status.code == 409 && removal.uid.is_some() => {
                return Ok(());
            }
            Err(error) => return Err(cluster.explain(error)),
        }
    }
    let Some(limit) = removal.wait else { return Ok(()) };
    tokio::time::timeout(limit, cluster.until_gone(object, uid.as_deref()))
        .await
        .unwrap_or_else(|_| Err(ClusterError::Slow { what: format!("deleting {object}"), limit }))
}

fn parameters(found: &DynamicObject, removal: &Removal) -> DeleteParams {
    let policy = if removal.foreground || removal.wait.is_some() {
        PropagationPolicy::Foreground
    } else {
        PropagationPolicy::Background
    };
    DeleteParams {
        propagation_policy: Some(policy),
        preconditions: Some(Preconditions {
            uid: found.metadata.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    }
}
