//! Claims in a chart's templates, which `helm uninstall` would delete with the data in them.
//!
//! Helm keeps what is annotated so in its own memory of the release, whatever the live object
//! says: <https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource>.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{DeployError, DeployScope, MANAGER, record, storage};
use crate::cluster::Cluster;
use crate::model::{Namespace, ReleaseName};

/// The kind by which a pod's data outlives it.
const CLAIM: &str = "PersistentVolumeClaim";

/// Lets Helm leave claims alone when it uninstalls `release`: with `all` every one, otherwise those
/// that were there before wharf. Returns their names.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or Secrets may not be changed.
pub async fn keep_claims(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
    all: bool,
) -> Result<Vec<String>, DeployError> {
    let Some(mut newest) = storage::newest_release(cluster, namespace, release).await? else {
        return Ok(Vec::new());
    };
    let found = match all {
        true => BTreeSet::new(),
        false => found_before(cluster, namespace, release).await?,
    };
    let manifest = newest["manifest"].as_str().unwrap_or_default();
    let (manifest, kept) = keeping(manifest, |name| all || found.contains(name));
    let revision = newest["version"].as_u64().and_then(|revision| u32::try_from(revision).ok());
    let Some(revision) = revision.filter(|_| !kept.is_empty()) else { return Ok(kept) };
    newest["manifest"] = manifest.into();
    let data = k8s_openapi::ByteString(storage::encode(&newest));
    let patch = json!({ "data": { "release": data } });
    let api: Api<Secret> = Api::namespaced(cluster.client(), namespace.as_str());
    let name = storage::secret_name(release, revision);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patched = api.patch(&name, &params, &Patch::Merge(patch)).await;
    patched.map_err(|error| cluster.explain(error))?;
    Ok(kept)
}

/// Claims of the release that wharf's record says it did not make.
async fn found_before(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<BTreeSet<String>, DeployError> {
    let mut found = BTreeSet::new();
    for project in record::projects_with(cluster, namespace, release).await? {
        let scope = DeployScope { cluster: cluster.clone(), project };
        let recorded = record::read(&scope, namespace).await?.releases.remove(release);
        let inventory = recorded.into_iter().flat_map(|record| record.inventory);
        let claims = inventory.filter(|one| one.object.kind == CLAIM && !one.made);
        found.extend(claims.map(|one| one.object.name));
    }
    Ok(found)
}

/// The manifest with an annotation on the claims that are `wanted`, and their names.
fn keeping(manifest: &str, wanted: impl Fn(&str) -> bool) -> (String, Vec<String>) {
    let mut kept = Vec::new();
    let parts = storage::parts(manifest).into_iter().map(|part| {
        let claim = storage::object(&part).filter(|object| object["kind"] == CLAIM);
        let Some(mut claim) = claim else { return part };
        let name = claim.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if !wanted(name) {
            return part;
        }
        kept.push(name.to_owned());
        let Some(metadata) = claim["metadata"].as_object_mut() else { return part };
        let annotations = metadata.entry("annotations").or_insert(Value::Null);
        if annotations.is_null() {
            *annotations = json!({});
        }
        annotations["helm.sh/resource-policy"] = "keep".into();
        format!("{claim}\n")
    });
    let parts: Vec<String> = parts.collect();
    (parts.join("---\n"), kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wanted_claims_are_kept_and_the_rest_stays_as_it_is() {
        let manifest = "---\n# Source: a\nkind: ConfigMap\n---\nkind: PersistentVolumeClaim\n\
                        metadata: {name: data}\n---\nkind: PersistentVolumeClaim\n\
                        metadata:\n  name: cache\n  annotations:\n";
        let (changed, kept) = keeping(manifest, |name| name == "cache");
        assert_eq!(kept, ["cache"]);
        let annotated = r#"{"kind":"PersistentVolumeClaim","metadata":{"name":"cache","annotations":{"helm.sh/resource-policy":"keep"}}}"#;
        let (head, tail) = manifest.rsplit_once("---\n").unwrap();
        assert!(tail.contains("cache"));
        assert_eq!(changed, format!("{head}---\n{annotated}\n"));
        assert_eq!(keeping(manifest, |_| false), (manifest.to_owned(), vec![]));
    }
}
