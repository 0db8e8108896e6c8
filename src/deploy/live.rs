//! Objects as they are in the cluster.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::DeployError;
use crate::cluster::Cluster;
use crate::model::{Namespace, ObjectRef};

/// How many requests run side by side.
const AT_ONCE: usize = 16;

/// From how many objects of one kind on a list is cheaper than asking for each.
const LIST_FROM: usize = 4;

/// Reads those of `objects` that exist.
pub(super) async fn read(
    cluster: &Cluster,
    objects: impl IntoIterator<Item = &ObjectRef>,
) -> Result<BTreeMap<ObjectRef, DynamicObject>, DeployError> {
    let mut by_kind: BTreeMap<(String, String, Option<Namespace>), Vec<ObjectRef>> =
        BTreeMap::new();
    for object in objects {
        let key = (object.api_version.clone(), object.kind.clone(), object.namespace.clone());
        let group = by_kind.entry(key).or_default();
        if !group.contains(object) {
            group.push(object.clone());
        }
    }
    let requests = by_kind.into_values().flat_map(|group| {
        if group.len() >= LIST_FROM {
            vec![group]
        } else {
            group.into_iter().map(|object| vec![object]).collect()
        }
    });
    let found: Vec<Vec<(ObjectRef, DynamicObject)>> =
        futures::stream::iter(requests.map(|group| ask(cluster, group)))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Asks for objects of one kind and namespace.
async fn ask(
    cluster: &Cluster,
    group: Vec<ObjectRef>,
) -> Result<Vec<(ObjectRef, DynamicObject)>, DeployError> {
    let Some(first) = group.first() else { return Ok(Vec::new()) };
    let Some(api) = cluster.api(first).await? else { return Ok(Vec::new()) };
    if group.len() == 1 {
        let found = api.get_opt(&first.name).await.map_err(|error| cluster.explain(error))?;
        return Ok(found.map(|found| (first.clone(), found)).into_iter().collect());
    }
    let all = api.list(&ListParams::default()).await.map_err(|error| cluster.explain(error))?;
    let mut by_name: BTreeMap<String, DynamicObject> = all
        .items
        .into_iter()
        .filter_map(|found| Some((found.metadata.name.clone()?, found)))
        .collect();
    let found = group.into_iter().filter_map(|object| {
        let found = by_name.remove(&object.name)?;
        Some((object, found))
    });
    Ok(found.collect())
}

/// `spec.replicas`, where the kind has it.
pub(super) fn replicas(live: &DynamicObject) -> Option<i64> {
    live.data.pointer("/spec/replicas").and_then(Value::as_i64)
}

/// A short hash over what a person can have meant: everything but metadata, status, the number
/// of replicas (told apart) and what controllers fill in once.
pub(super) fn content(live: &DynamicObject) -> String {
    let mut content = live.data.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.remove("status");
    }
    if let Some(spec) = content.get_mut("spec").and_then(Value::as_object_mut) {
        for filled_in in ["replicas", "volumeName"] {
            spec.remove(filled_in);
        }
    }
    content.sort_all_objects();
    let digest = crate::model::Digest::of(content.to_string().as_bytes());
    digest.as_str().trim_start_matches("sha256:")[..16].to_owned()
}

/// Whether it is on its way out.
pub(super) fn is_leaving(live: &DynamicObject) -> bool {
    live.metadata.deletion_timestamp.is_some()
}
