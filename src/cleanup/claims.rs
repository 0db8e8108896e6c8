//! Data that outlives what made it: claims of StatefulSets, their volumes, instances of kinds.

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::{CleanupError, step};
use crate::cluster::Cluster;
use crate::deploy;
use crate::deploy::Removal;
use crate::model::{Namespace, ObjectRef};

/// How long a claim or volume may take to go once nobody uses it.
const LIMIT: Duration = Duration::from_secs(60);

/// Claims and volumes that go with a release.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) claims: Vec<ObjectRef>,
    volumes: Vec<ObjectRef>,
}

/// Finds the claims that StatefulSets among `objects` have made, where they are wanted, besides
/// those that are `known` already, and the volumes that vanish with any of them. Asked before
/// anything goes.
pub(super) async fn of(
    cluster: &Cluster,
    objects: &[ObjectRef],
    known: Vec<ObjectRef>,
    wanted: bool,
) -> Result<Claims, CleanupError> {
    let mut found = Claims::default();
    let claims = objects.iter().filter(|object| object.kind == "PersistentVolumeClaim");
    for object in claims.chain(&known) {
        if let Some(claim) = get(cluster, object).await? {
            found.volumes.extend(volume_named(cluster, &claim.data).await?);
        }
    }
    if wanted {
        found.claims = known;
    }
    for object in objects {
        if object.kind == "StatefulSet" && wanted {
            let Some(set) = get(cluster, object).await? else { continue };
            let Some(namespace) = &object.namespace else { continue };
            let api =
                Api::<PersistentVolumeClaim>::namespaced(cluster.client(), namespace.as_str());
            let all = api.list(&ListParams::default()).await;
            for claim in all.map_err(|error| cluster.explain(error))? {
                let name = claim.metadata.name.clone().unwrap_or_default();
                // One that is older than the set was left by an earlier one, with its data.
                let is_newer = claim.metadata.creation_timestamp >= set.metadata.creation_timestamp;
                if is_newer && deploy::is_claim_of(&name, &set.data, &object.name) {
                    let value = serde_json::to_value(&claim).unwrap_or_default();
                    found.volumes.extend(volume_named(cluster, &value).await?);
                    let claim = ObjectRef {
                        api_version: "v1".to_owned(),
                        kind: "PersistentVolumeClaim".to_owned(),
                        namespace: Some(namespace.clone()),
                        name,
                    };
                    if !found.claims.contains(&claim) {
                        found.claims.push(claim);
                    }
                }
            }
        }
    }
    Ok(found)
}

async fn get(cluster: &Cluster, object: &ObjectRef) -> Result<Option<DynamicObject>, CleanupError> {
    let Some(api) = cluster.api(object).await? else { return Ok(None) };
    Ok(api.get_opt(&object.name).await.map_err(|error| cluster.explain(error))?)
}

/// The volume of a claim, where it is deleted with it.
async fn volume_named(cluster: &Cluster, claim: &Value) -> Result<Option<ObjectRef>, CleanupError> {
    let Some(name) = step::text(claim, "/spec/volumeName") else { return Ok(None) };
    let found = Api::<PersistentVolume>::all(cluster.client()).get_opt(name).await;
    // Volumes are cluster-wide; who may not see them need not wait for them.
    let policy = found.ok().flatten().and_then(|volume| volume.spec);
    let goes = policy
        .is_some_and(|spec| spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete"));
    Ok(goes.then(|| ObjectRef {
        api_version: "v1".to_owned(),
        kind: "PersistentVolume".to_owned(),
        namespace: None,
        name: name.to_owned(),
    }))
}

impl Claims {
    /// Deletes the claims and waits until they and their volumes are gone.
    pub(super) async fn remove(&self, cluster: &Cluster) -> Result<(), CleanupError> {
        for claim in &self.claims {
            let removal = Removal { wait: Some(LIMIT), ..Removal::default() };
            deploy::remove(cluster, claim, &removal).await?;
        }
        for volume in &self.volumes {
            let gone = tokio::time::timeout(LIMIT, cluster.until_gone(volume, None)).await;
            let still_there =
                || CleanupError::StillThere { what: volume.to_string(), limit: LIMIT };
            gone.map_err(|_| still_there())??;
        }
        Ok(())
    }
}

/// Refuses to delete a definition while objects of its kind are there: they are somebody else's,
/// and would be deleted with it.
pub(super) async fn refuse_foreign_instances(
    cluster: &Cluster,
    definition: &ObjectRef,
) -> Result<(), CleanupError> {
    if definition.kind != "CustomResourceDefinition" {
        return Ok(());
    }
    let Some(live) = get(cluster, definition).await? else { return Ok(()) };
    let Some(kind) = step::text(&live.data, "/spec/names/kind") else { return Ok(()) };
    let Some(group) = step::text(&live.data, "/spec/group") else { return Ok(()) };
    let versions = live.data.pointer("/spec/versions").and_then(Value::as_array);
    let stored = versions.into_iter().flatten().find(|version| version["storage"] == true);
    let Some(version) = stored.and_then(|version| step::text(version, "/name")) else {
        return Ok(());
    };
    let found = cluster.api_resource(&format!("{group}/{version}"), kind).await?;
    let Some((resource, _)) = found else { return Ok(()) };
    let api = Api::<DynamicObject>::all_with(cluster.client(), &resource);
    let all = api.list_metadata(&ListParams::default().limit(3)).await;
    let all = all.map_err(|error| cluster.explain(error))?;
    let named: Vec<String> = all
        .items
        .into_iter()
        .filter(|object| object.metadata.deletion_timestamp.is_none())
        .map(|object| {
            let name = object.metadata.name.unwrap_or_default();
            let namespace =
                object.metadata.namespace.as_deref().and_then(|n| Namespace::parse(n).ok());
            match namespace {
                Some(namespace) => format!("{}/{name} in {namespace}", kind.to_lowercase()),
                None => format!("{}/{name}", kind.to_lowercase()),
            }
        })
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    Err(CleanupError::Foreign(format!("others use it: {}", named.join(", "))))
}
