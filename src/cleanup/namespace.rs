//! Removing a namespace that wharf made, unless others have moved in.

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{DynamicObject, ListParams, PartialObjectMeta};

use super::CleanupError;
use crate::cluster::{Cluster, Resource};
use crate::deploy;
use crate::deploy::Removal;
use crate::model::{Namespace, ObjectRef};
use crate::report::Report;

/// How many kinds are listed side by side.
const AT_ONCE: usize = 16;

/// How many of the others' objects are named.
const NAMED: usize = 3;

/// Deletes `namespace` and waits until it is gone. One that others have things in stays, and
/// that is said.
///
/// Even an empty one takes five seconds, since Kubernetes lets other API servers hear of it first:
/// `namespaceDeletionGracePeriod` in its namespace controller. It is waited for all the same: what
/// is deployed next would run into a namespace that refuses new objects.
pub(super) async fn remove(
    cluster: &Cluster,
    namespace: &Namespace,
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<Option<String>, CleanupError> {
    let object = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: namespace.to_string(),
    };
    let Some(api) = cluster.api(&object).await? else { return Ok(None) };
    let found = api.get_metadata_opt(&object.name).await;
    let Some(found) = found.map_err(|error| cluster.explain(error))? else { return Ok(None) };
    if found.metadata.deletion_timestamp.is_none() {
        let mut foreign = foreign(cluster, namespace).await?;
        if !foreign.is_empty() {
            let more = foreign.len().saturating_sub(NAMED);
            foreign.truncate(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            tell(Report::Note {
                text: format!("namespace {namespace} stays: {}{more} is in it", foreign.join(", ")),
            });
            return Ok(None);
        }
        deploy::remove(cluster, &object, &Removal { foreground: true, ..Removal::default() })
            .await?;
    }
    cluster.until_gone(&object, found.metadata.uid.as_deref()).await?;
    Ok(Some(format!("deleted namespace {namespace}")))
}

/// What is in `namespace` that Kubernetes did not put there itself.
async fn foreign(cluster: &Cluster, namespace: &Namespace) -> Result<Vec<String>, CleanupError> {
    let resources = cluster.resources().await?.into_iter();
    let resources = resources.filter(|resource| resource.namespaced && !is_passing(resource));
    let found: Vec<Vec<String>> =
        futures::stream::iter(resources.map(|resource| list(cluster, namespace, resource)))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Kinds that come and go by themselves, and views of other kinds.
fn is_passing(resource: &Resource) -> bool {
    let kind = resource.api.kind.as_str();
    matches!(kind, "Event" | "Lease" | "Endpoints") || resource.api.group == "metrics.k8s.io"
}

async fn list(
    cluster: &Cluster,
    namespace: &Namespace,
    resource: Resource,
) -> Result<Vec<String>, CleanupError> {
    let api =
        Api::<DynamicObject>::namespaced_with(cluster.client(), namespace.as_str(), &resource.api);
    let objects = match api.list_metadata(&ListParams::default()).await {
        Ok(objects) => objects,
        // An extension that is out of order, or a kind that just went.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405 | 503) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(cluster.explain(error).into()),
    };
    let kind = resource.api.kind.as_str();
    let foreign = objects.items.into_iter().filter(|object| !is_kubernetes_own(kind, object));
    let named = foreign.map(|object| {
        format!("{}/{}", kind.to_lowercase(), object.metadata.name.unwrap_or_default())
    });
    Ok(named.collect())
}

/// Whether every namespace has it, or it goes with something else that is listed.
fn is_kubernetes_own(kind: &str, object: &PartialObjectMeta<DynamicObject>) -> bool {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let is_owned =
        object.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    let is_leaving = object.metadata.deletion_timestamp.is_some();
    match (kind, name) {
        ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt") => true,
        ("Secret", name) if name.starts_with("default-token-") => true,
        _ => is_owned || is_leaving,
    }
}
