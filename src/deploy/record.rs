//! What wharf has deployed, recorded in the cluster itself.
//!
//! One Secret per project and namespace, `wharf.<project>`, holds for each release what it was
//! made from and what it made. It serves the unchanged run, pruning, and taking things back from
//! another machine or without a journal.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams, Preconditions};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{DeployError, DeployScope, MANAGER, live};
use crate::cluster::{Cluster, is_gone};
use crate::model::{ArtifactName, ImageRef, Namespace, ObjectRef, ProjectName, ReleaseName, Undo};

/// Where the record lies in the Secret.
const KEY: &str = "record";

/// The label that all of Kubernetes' tools understand.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label that tells projects apart.
const PROJECT: &str = "wharf/project";

/// How often a write is tried that other machines came before.
const TRIES: usize = 8;

/// Releases of one process that are recorded at the same time would only run into each other.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// The record of one project in one namespace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectRecord {
    /// wharf made the namespace.
    pub made_namespace: bool,
    /// What is deployed.
    pub releases: BTreeMap<ReleaseName, ReleaseRecord>,
}

/// The record of one release.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseRecord {
    /// Of everything that it was rendered from; empty while it is being deployed.
    pub fingerprint: String,
    /// The project's images in it.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Helm's revision; absent for plain manifests.
    pub revision: Option<u32>,
    /// The project's images in Helm's newest revision, where other ones run: its history lags
    /// behind until an upgrade records what runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lagging: Option<BTreeMap<ArtifactName, ImageRef>>,
    /// It is a Helm release.
    pub helm: bool,
    /// It stays when the session ends: `run` left it there.
    pub standing: bool,
    /// It was there before wharf came.
    pub found: bool,
    /// Helm's revision when wharf came.
    pub found_revision: Option<u32>,
    /// The manifests that `run` had applied are kept in a Secret of their own. Helm keeps those of
    /// its releases itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub manifests_kept: bool,
    /// How `run` had left it, while a session that will go again works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<LeftAs>,
    /// The claims of its StatefulSets stay when it goes.
    pub keep_data: bool,
    /// Its objects.
    pub inventory: Vec<Recorded>,
}

/// What a release was made from when `run` left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAs {
    /// Of everything that it was rendered from.
    pub fingerprint: String,
    /// The project's images in it.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Helm's revision.
    pub revision: u32,
}

/// One object of a release, as it was right after deploying.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// What it is to the release.
    #[serde(default)]
    pub part: Part,
    /// wharf made it; otherwise it was there before.
    #[serde(default)]
    pub made: bool,
    /// Its UID; empty before it exists.
    #[serde(default)]
    pub uid: String,
    /// `metadata.generation`, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// `spec.replicas`, where the kind has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// A short hash of its content.
    #[serde(default)]
    pub content: String,
    /// It goes by itself when it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passing: bool,
}

impl Recorded {
    /// As much of its manifest as a wait for it needs.
    #[must_use]
    pub fn outline(&self) -> serde_json::Value {
        let mut outline = self.object.to_value();
        if self.passing {
            outline["spec"] = serde_json::json!({ "ttlSecondsAfterFinished": 0 });
        }
        outline
    }
}

/// What an object is to its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// One of its objects.
    #[default]
    Object,
    /// A Helm hook: comes and goes with operations.
    Hook,
    /// From a chart's `crds/`: Helm installs it and never touches it again.
    Definition,
}

/// The Secret's name.
#[must_use]
pub(super) fn name(project: &ProjectName) -> String {
    format!("wharf.{project}")
}

/// The name of the Secret that holds the manifests of `release` as `run` had left them. A
/// project's name has no dot.
#[must_use]
pub(super) fn name_of_left(record: &str, release: &ReleaseName) -> String {
    format!("{record}.{release}")
}

/// The labels of every Secret that belongs to the project.
#[must_use]
pub(super) fn labels(scope: &DeployScope) -> BTreeMap<String, String> {
    let labels = [(MANAGED_BY, MANAGER), (PROJECT, scope.project.as_str())];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

impl ProjectRecord {
    /// How everything in it that wharf made is taken back, oldest first.
    #[must_use]
    pub fn undo(&self, project: &ProjectName, namespace: &Namespace, keep_data: bool) -> Vec<Undo> {
        let mut steps = Vec::new();
        if self.made_namespace {
            steps.push(Undo::Namespace { namespace: namespace.clone() });
        }
        for (release, record) in &self.releases {
            steps.push(Undo::Record {
                namespace: namespace.clone(),
                name: name(project),
                release: release.clone(),
            });
            steps.extend(record.undo(release, namespace, keep_data));
        }
        steps
    }
}

impl ReleaseRecord {
    /// How what wharf made of it is taken back; `None` where it was there before wharf.
    #[must_use]
    pub fn undo(
        &self,
        release: &ReleaseName,
        namespace: &Namespace,
        keep_data: bool,
    ) -> Option<Undo> {
        let (release, claims) = (release.clone(), !keep_data && !self.keep_data);
        let made = |wanted: fn(Part) -> bool| -> Vec<ObjectRef> {
            let recorded = self.inventory.iter();
            recorded
                .filter(|recorded| recorded.made && wanted(recorded.part))
                .map(|recorded| recorded.object.clone())
                .collect()
        };
        if !self.helm {
            let objects = made(|_| true);
            return (!objects.is_empty()).then_some(Undo::Objects { release, objects, claims });
        }
        let extras = made(|part| part != Part::Object);
        let namespace = namespace.clone();
        (!self.found).then_some(Undo::HelmRelease { release, namespace, extras, claims })
    }
}

impl Recorded {
    /// Records the object as it is.
    pub(super) fn see(&mut self, live: &DynamicObject) {
        self.uid = live.metadata.uid.clone().unwrap_or_default();
        self.generation = live.metadata.generation;
        self.replicas = live::replicas(live);
        self.content = live::content(live);
    }
}

/// Reads the record of `namespace`; an absent one is empty, and so is one that cannot be read:
/// everything in it can be found again by a deploy.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or Secrets may not be read.
pub(super) async fn read(
    scope: &DeployScope,
    namespace: &Namespace,
) -> Result<ProjectRecord, DeployError> {
    let secret = api(scope, namespace).get_opt(&name(&scope.project)).await;
    let secret = secret.map_err(|error| scope.cluster.explain(error))?;
    Ok(secret.as_ref().and_then(decode).unwrap_or_default())
}

/// Reads the project's records in all namespaces, or only in the session's own where Secrets of
/// the others may not be listed.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer.
pub(super) async fn read_all(
    scope: &DeployScope,
) -> Result<BTreeMap<Namespace, ProjectRecord>, DeployError> {
    let wanted = format!("{MANAGED_BY}={MANAGER},{PROJECT}={}", scope.project);
    let secrets = Api::<Secret>::all(scope.cluster.client());
    let secrets = match secrets.list(&ListParams::default().labels(&wanted)).await {
        Ok(secrets) => secrets.items,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let namespace = scope.cluster.namespace();
            let record = read(scope, namespace).await?;
            return Ok(BTreeMap::from([(namespace.clone(), record)]));
        }
        Err(error) => return Err(scope.cluster.explain(error).into()),
    };
    let record = |secret: Secret| {
        let namespace = Namespace::parse(secret.metadata.namespace.as_deref()?).ok()?;
        Some((namespace, decode(&secret)?))
    };
    Ok(secrets.into_iter().filter_map(record).collect())
}

/// Changes the record of `namespace`. `change` may run several times: when another release of the
/// project was recorded in between, it starts from what is there by then. Nothing is written when
/// nothing changes; a record without releases is removed.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or Secrets may not be written.
pub(super) async fn update(
    scope: &DeployScope,
    namespace: &Namespace,
    change: impl Fn(&mut ProjectRecord) + Send,
) -> Result<(), DeployError> {
    let api = api(scope, namespace);
    let name = name(&scope.project);
    let _turn = ONE_AT_A_TIME.acquire().await;
    for _ in 0..TRIES {
        let found = api.get_opt(&name).await.map_err(|error| scope.cluster.explain(error))?;
        let before = found.as_ref().and_then(decode);
        let mut record = before.clone().unwrap_or_default();
        change(&mut record);
        if before.as_ref() == Some(&record) || (found.is_none() && record.releases.is_empty()) {
            return Ok(());
        }
        let post = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = match &found {
            Some(found) if record.releases.is_empty() => {
                let version = found.metadata.resource_version.clone();
                let params = DeleteParams {
                    preconditions: Some(Preconditions { resource_version: version, uid: None }),
                    ..DeleteParams::default()
                };
                api.delete(&name, &params).await.map(|_| ())
            }
            Some(found) => {
                let mut secret = secret(scope, &record);
                secret.metadata.resource_version = found.metadata.resource_version.clone();
                api.replace(&name, &post, &secret).await.map(|_| ())
            }
            None => api.create(&post, &secret(scope, &record)).await.map(|_| ()),
        };
        match written {
            Ok(()) => return Ok(()),
            // Somebody else came first, or the Secret was removed meanwhile.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) if found.is_some() && is_gone(&error) => {}
            Err(error) => return Err(scope.cluster.explain(error).into()),
        }
    }
    Err(DeployError::RecordBusy { namespace: namespace.clone(), name })
}

/// The projects whose record in `namespace` has `release`.
pub(super) async fn projects_with(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<Vec<ProjectName>, DeployError> {
    let api = Api::<Secret>::namespaced(cluster.client(), namespace.as_str());
    let wanted = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER},{PROJECT}"));
    let secrets = api.list(&wanted).await.map_err(|error| cluster.explain(error))?;
    let secrets = secrets.items.into_iter().filter(|secret| {
        decode(secret).is_some_and(|record| record.releases.contains_key(release))
    });
    let project = |secret: Secret| {
        let labels = secret.metadata.labels?;
        ProjectName::parse(labels.get(PROJECT)?).ok()
    };
    Ok(secrets.filter_map(project).collect())
}

fn api(scope: &DeployScope, namespace: &Namespace) -> Api<Secret> {
    Api::namespaced(scope.cluster.client(), namespace.as_str())
}

fn secret(scope: &DeployScope, record: &ProjectRecord) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name(&scope.project)),
            labels: Some(labels(scope)),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(encode(record)))])),
        ..Secret::default()
    }
}

/// Packed JSON: a Secret holds 1 MiB, and an inventory of hundreds of objects packs well.
fn encode(record: &ProjectRecord) -> Vec<u8> {
    let json = serde_json::to_vec(record).expect("a record has only string keys");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&json).and_then(|()| packed.finish()).expect("memory can be written to")
}

fn decode(secret: &Secret) -> Option<ProjectRecord> {
    let ByteString(bytes) = secret.data.as_ref()?.get(KEY)?;
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_or_broken_record_is_no_record() {
        let secret = |bytes: &[u8]| Secret {
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes.to_vec()))])),
            ..Secret::default()
        };
        assert_eq!(decode(&Secret::default()), None);
        assert_eq!(decode(&secret(b"not packed")), None);
        let record = ProjectRecord { made_namespace: true, ..ProjectRecord::default() };
        assert_eq!(decode(&secret(&encode(&record))), Some(record));
    }
}
