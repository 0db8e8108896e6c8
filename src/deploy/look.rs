//! Looking before acting: what is there, whose it is, and whether it is as it was left.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace as ApiNamespace;
use kube::Api;

use super::manifest::{self, Manifest};
use super::record::{self, ReleaseRecord};
use super::storage::{self, HelmStatus};
use super::{DeployError, DeployScope, Plan, drift, live, set_claims};
use crate::model::{Namespace, ObjectRef, Release, ReleaseSource};

/// What there is of a release before it is deployed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// What wharf recorded when it last deployed it.
    pub record: Option<ReleaseRecord>,
    /// What others did to it since, one line each.
    pub drift: Vec<String>,
    /// Helm's own view; absent where there is no such release, or for plain manifests.
    pub helm: Option<HelmStatus>,
    /// The namespace is there.
    pub namespace_exists: bool,
    /// The record says that wharf made the namespace.
    pub made_namespace: bool,
    /// The namespace is on its way out.
    pub namespace_leaving: bool,
    /// The revision of a Helm release that somebody else installed.
    pub installed_by_other: Option<u32>,
    /// Objects of the plan that exist and are not recorded as this release's, with their UIDs;
    /// filled by [`survey`].
    pub before: BTreeMap<ObjectRef, String>,
    /// Claims that are older than the StatefulSet that will use them, by the set; filled by
    /// [`survey`].
    pub older_claims: BTreeMap<ObjectRef, Vec<String>>,
}

impl Found {
    /// Whether what runs was made from `fingerprint` and is as it was left.
    #[must_use]
    pub fn is_current(&self, fingerprint: &str) -> bool {
        let recorded = self.record.as_ref().is_some_and(|record| record.fingerprint == fingerprint);
        recorded && self.drift.is_empty()
    }

    /// Whether the record says that wharf made the object.
    pub(super) fn made(&self, object: &ObjectRef) -> bool {
        self.recorded(object).is_some_and(|recorded| recorded.made)
    }

    pub(super) fn recorded(&self, object: &ObjectRef) -> Option<&record::Recorded> {
        let mut inventory = self.record.iter().flat_map(|record| &record.inventory);
        inventory.find(|recorded| recorded.object == *object)
    }
}

/// Looks at what there is of `release`, and that the cluster is still the one that is meant.
/// Changes nothing, starts no process.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or may not be asked.
pub async fn look(
    scope: &DeployScope,
    release: &Release,
    namespace: &Namespace,
) -> Result<Found, DeployError> {
    let cluster = &scope.cluster;
    let is_helm = matches!(release.source, ReleaseSource::Helm(_));
    let helm = async {
        if is_helm { storage::status(cluster, namespace, &release.name).await } else { Ok(None) }
    };
    let (same, place, recorded, helm) = tokio::join!(
        cluster.verify(),
        place(scope, namespace),
        record::read(scope, namespace),
        helm
    );
    same?;
    let ((namespace_exists, namespace_leaving), mut project, helm) = (place?, recorded?, helm?);
    let helm = helm.filter(|status| status.status != "uninstalled");
    let mut record = project.releases.remove(&release.name);
    if record.as_ref().is_some_and(|record| record.helm != is_helm) {
        // The same name now means something else; what it made before is pruned as foreign.
        record = None;
    }

    let mut drift = Vec::new();
    if let Some(record) = record.as_ref().filter(|record| !record.fingerprint.is_empty()) {
        drift.extend(helm_drift(record, helm.as_ref(), release.name.as_str()));
        let objects = record.inventory.iter().map(|recorded| &recorded.object);
        let live = live::read(cluster, objects).await?;
        let changes = record.inventory.iter();
        drift.extend(changes.filter_map(|one| drift::of(one, live.get(&one.object))));
    }
    let installed_by_other =
        helm.as_ref().filter(|_| record.is_none()).map(|status| status.revision);
    Ok(Found {
        record,
        drift,
        helm,
        namespace_exists,
        made_namespace: project.made_namespace,
        namespace_leaving,
        installed_by_other,
        before: BTreeMap::new(),
        older_claims: BTreeMap::new(),
    })
}

/// Whether the namespace is there, and whether it is on its way out. A user who may not ask is
/// taken to know that it is there.
async fn place(scope: &DeployScope, namespace: &Namespace) -> Result<(bool, bool), DeployError> {
    let api = Api::<ApiNamespace>::all(scope.cluster.client());
    match api.get_opt(namespace.as_str()).await {
        Ok(None) => Ok((false, false)),
        Ok(Some(found)) => Ok((true, found.metadata.deletion_timestamp.is_some())),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok((true, false)),
        Err(error) => Err(scope.cluster.explain(error).into()),
    }
}

fn helm_drift(record: &ReleaseRecord, helm: Option<&HelmStatus>, name: &str) -> Option<String> {
    if !record.helm {
        return None;
    }
    let Some(helm) = helm else { return Some(format!("release `{name}` was uninstalled")) };
    if helm.status != "deployed" {
        return Some(format!("release `{name}` is {}", helm.status));
    }
    let revision = record.revision.filter(|revision| *revision != helm.revision)?;
    Some(format!("release `{name}` went from revision {revision} to {}", helm.revision))
}

/// Looks for objects of `plan` that are there already and are not recorded as this release's.
///
/// # Errors
///
/// [`DeployError`] when a manifest has no name or the server does not answer.
pub async fn survey(
    scope: &DeployScope,
    plan: &Plan,
    found: &mut Found,
) -> Result<(), DeployError> {
    let mut manifests: Vec<Manifest> = Vec::new();
    for values in [&plan.objects, &plan.hooks, &plan.crds] {
        manifests.extend(manifest::parse(values)?);
    }
    manifest::settle_namespaces(&mut manifests, &plan.namespace, &scope.cluster).await?;
    found.older_claims = set_claims::older(&scope.cluster, &manifests).await?;
    let unknown: Vec<ObjectRef> = manifests
        .into_iter()
        .map(|manifest| manifest.object)
        .filter(|object| found.recorded(object).is_none())
        .collect();
    let live = live::read(&scope.cluster, &unknown).await?;
    found.before = live
        .into_iter()
        // What is on its way out will be gone before it is made again.
        .filter(|(_, live)| !live::is_leaving(live))
        .map(|(object, live)| (object, live.metadata.uid.unwrap_or_default()))
        .collect();
    Ok(())
}
