//! Claims that StatefulSets make: which are a set's, and which were there before it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::manifest::Manifest;
use super::{DeployError, live};
use crate::cluster::Cluster;
use crate::model::{Namespace, ObjectRef};

/// Whether `claim` is called as those that a StatefulSet `name` with this content makes: template,
/// set and ordinal.
#[must_use]
pub fn is_claim_of(claim: &str, set: &Value, name: &str) -> bool {
    templates(set).any(|template| {
        claim
            .strip_prefix(&format!("{template}-{name}-"))
            .is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
    })
}

/// How many claims a StatefulSet with this content makes.
pub(super) fn count(set: &Value) -> usize {
    let replicas = set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    templates(set).count().saturating_mul(usize::try_from(replicas).unwrap_or(usize::MAX))
}

fn templates(set: &Value) -> impl Iterator<Item = &str> {
    let templates = set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    templates.into_iter().flatten().filter_map(|template| template["metadata"]["name"].as_str())
}

/// The claims of StatefulSets among `manifests` that are older than the set, or are there without
/// it: an earlier one left them, and so will this one.
pub(super) async fn older(
    cluster: &Cluster,
    manifests: &[Manifest],
) -> Result<BTreeMap<ObjectRef, Vec<String>>, DeployError> {
    let sets = manifests.iter().filter(|one| one.object.kind == "StatefulSet");
    let sets: Vec<&Manifest> = sets.filter(|set| templates(&set.value).next().is_some()).collect();
    let live = live::read(cluster, sets.iter().map(|set| &set.object)).await?;
    let mut claims: BTreeMap<&Namespace, Vec<PersistentVolumeClaim>> = BTreeMap::new();
    let mut older = BTreeMap::new();
    for set in sets {
        let Some(namespace) = &set.object.namespace else { continue };
        if !claims.contains_key(namespace) {
            let api = Api::namespaced(cluster.client(), namespace.as_str());
            let all = api.list(&ListParams::default()).await;
            claims.insert(namespace, all.map_err(|error| cluster.explain(error))?.items);
        }
        let made = live.get(&set.object).and_then(|live| live.metadata.creation_timestamp.clone());
        let is_older = |claim: &&PersistentVolumeClaim| {
            made.is_none() || claim.metadata.creation_timestamp < made
        };
        let of_set = claims[namespace].iter().filter(is_older);
        let names = of_set.filter_map(|claim| claim.metadata.name.clone());
        let names: Vec<String> =
            names.filter(|claim| is_claim_of(claim, &set.value, &set.object.name)).collect();
        if !names.is_empty() {
            older.insert(set.object.clone(), names);
        }
    }
    Ok(older)
}
