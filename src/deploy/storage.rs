//! Helm's own memory of a release: one Secret per revision, read without Helm.
//!
//! The labels of `sh.helm.release.v1.NAME.vN` say name, status and version; the payload is
//! base64 of gzip of JSON:
//! <https://github.com/helm/helm/blob/main/pkg/storage/driver/secrets.go>.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use serde_json::Value;

use super::{DeployError, manifest};
use crate::cluster::Cluster;
use crate::model::{Namespace, ObjectRef, ReleaseName};

/// The newest revision of a Helm release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmStatus {
    /// Which revision.
    pub revision: u32,
    /// Helm's word: `deployed`, `failed`, `pending-upgrade`, `uninstalling` …
    pub status: String,
    /// When its status last changed.
    pub since: Option<Timestamp>,
    /// The newest revision that was deployed in full.
    pub last_good: Option<u32>,
}

impl HelmStatus {
    /// Whether an operation began and has not ended.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status.starts_with("pending-") || self.status == "uninstalling"
    }
}

/// Asks for the newest revision of `release`.
pub(super) async fn status(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<Option<HelmStatus>, DeployError> {
    let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(cluster.client(), namespace.as_str());
    let wanted = ListParams::default().labels(&format!("owner=helm,name={release}"));
    let revisions = api.list_metadata(&wanted).await.map_err(|error| cluster.explain(error))?;
    let revisions = revisions.items.into_iter().filter_map(|secret| {
        let labels = secret.metadata.labels?;
        let revision = labels.get("version")?.parse().ok()?;
        let changed = labels.get("modifiedAt").or_else(|| labels.get("createdAt"));
        let changed = changed.and_then(|seconds| seconds.parse().ok());
        let since = changed
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .or(secret.metadata.creation_timestamp.map(|time| time.0));
        Some((revision, labels.get("status")?.clone(), since))
    });
    Ok(newest(revisions.collect()))
}

fn newest(mut revisions: Vec<(u32, String, Option<Timestamp>)>) -> Option<HelmStatus> {
    revisions.sort_by_key(|(revision, ..)| *revision);
    let good = |(_, status, _): &&(u32, String, Option<Timestamp>)| {
        matches!(status.as_str(), "deployed" | "superseded")
    };
    let last_good = revisions.iter().rev().find(good).map(|(revision, ..)| *revision);
    let (revision, status, since) = revisions.pop()?;
    Some(HelmStatus { revision, status, since, last_good })
}

/// What the newest revision of a Helm release consists of, without what the chart asks Helm to
/// keep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HelmObjects {
    /// What `helm uninstall` deletes.
    pub objects: Vec<ObjectRef>,
    /// What it leaves behind.
    pub hooks: Vec<ObjectRef>,
}

/// Reads what the newest revision of a Helm release consists of; nothing where there is no such
/// release.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or Secrets may not be read.
pub async fn helm_objects(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<HelmObjects, DeployError> {
    let Some(newest) = newest_release(cluster, namespace, release).await? else {
        return Ok(HelmObjects::default());
    };
    let named = async |mut values: Vec<Value>| {
        values.retain(|value| !manifest::is_kept_by_helm(value));
        let mut manifests = manifest::parse(&values)?;
        manifest::settle_namespaces(&mut manifests, namespace, cluster).await?;
        Ok::<_, DeployError>(manifests.into_iter().map(|manifest| manifest.object).collect())
    };
    Ok(HelmObjects {
        objects: named(objects_of(&newest)).await?,
        hooks: named(hooks_of(&newest)).await?,
    })
}

/// Whether the newest revision was made by server-side apply, as Helm 4 does with what it has
/// installed itself. Its fields are then owned, and others' changes to them are conflicts.
pub(super) async fn is_server_side(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<bool, DeployError> {
    let newest = newest_release(cluster, namespace, release).await?;
    Ok(newest.is_some_and(|newest| is_applied_by_server(&newest)))
}

/// The same of a release, as Helm stores or tells it.
pub(super) fn is_applied_by_server(release: &Value) -> bool {
    release["apply_method"] == "ssa"
}

/// The revision of a release, as Helm stores or tells it.
pub(super) fn revision_of(release: &Value) -> Option<u32> {
    release["version"].as_u64().and_then(|revision| u32::try_from(revision).ok())
}

/// The newest revision as Helm stores it.
pub(super) async fn newest_release(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<Option<Value>, DeployError> {
    let Some(newest) = status(cluster, namespace, release).await? else { return Ok(None) };
    let api: Api<Secret> = Api::namespaced(cluster.client(), namespace.as_str());
    let name = secret_name(release, newest.revision);
    let secret = api.get_opt(&name).await.map_err(|error| cluster.explain(error))?;
    Ok(secret.and_then(|secret| decode(&secret.data?.get("release")?.0)))
}

/// The name of the Secret of a revision.
pub(super) fn secret_name(release: &ReleaseName, revision: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// The payload of a revision's Secret.
pub(super) fn encode(release: &Value) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = packed.write_all(release.to_string().as_bytes()).and_then(|()| packed.finish());
    let packed = packed.expect("memory can be written to");
    base64::prelude::BASE64_STANDARD.encode(packed).into_bytes()
}

pub(super) fn decode(payload: &[u8]) -> Option<Value> {
    let packed = base64::prelude::BASE64_STANDARD.decode(payload).ok()?;
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The objects in `manifest` of a release, as Helm's JSON shows it.
pub(super) fn objects_of(release: &Value) -> Vec<Value> {
    documents(release["manifest"].as_str().unwrap_or_default())
}

/// The hooks of a release, as Helm's JSON shows it.
pub(super) fn hooks_of(release: &Value) -> Vec<Value> {
    let hooks = release["hooks"].as_array().into_iter().flatten();
    hooks.flat_map(|hook| documents(hook["manifest"].as_str().unwrap_or_default())).collect()
}

/// Reads a stream of YAML as Helm wrote it. What cannot be read is left out: Helm has applied it
/// by then, and it is only to be remembered.
fn documents(text: &str) -> Vec<Value> {
    let parsed = parts(text).into_iter().filter_map(|part| object(&part));
    parsed.collect()
}

/// A stream of YAML, document by document.
pub(super) fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

/// One document, if it can be read.
pub(super) fn object(part: &str) -> Option<Value> {
    let options = serde_saphyr::options! { budget: None, legacy_octal_numbers: true };
    let parsed = serde_saphyr::from_str_with_options::<Value>(part, options).ok();
    parsed.filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_revision_counts_and_the_last_good_one_is_known() {
        let revisions = [(2, "deployed"), (10, "pending-upgrade"), (1, "superseded")];
        let revisions = revisions.map(|(revision, status)| (revision, status.to_owned(), None));
        let found = newest(revisions.to_vec()).unwrap();
        assert_eq!((found.revision, found.last_good), (10, Some(2)));
        assert!(found.is_pending());
        assert_eq!(newest(Vec::new()), None);
    }

    #[test]
    fn manifests_are_read_document_by_document() {
        let manifest = "---\n# Source: a\nkind: A\n---\n\n---\nkind: B\nx: [\n---\nkind: C\n";
        let kinds = objects_of(&serde_json::json!({ "manifest": manifest }));
        let kinds: Vec<&str> = kinds.iter().filter_map(|object| object["kind"].as_str()).collect();
        assert_eq!(kinds, ["A", "C"]);
    }
}
