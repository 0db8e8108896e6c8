//! Plain manifests as `run` had left them, so that a session that works on them can go back.
//!
//! Helm keeps what it has installed itself. For manifests wharf does the same in the same way: a
//! Secret beside the record, one per release, since manifests may hold secrets of their own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{DeployError, DeployScope, MANAGER, Plan, act, look, manifest, record};
use crate::cluster::is_gone;
use crate::model::{
    ArtifactName, ImageRef, ManifestSource, Namespace, Release, ReleaseName, ReleaseSource,
    WaitRule,
};

/// Where the manifests lie in the Secret: a packed `List`, as `kubectl apply` takes it.
const MANIFESTS: &str = "manifests";

/// Where it says what they were made from.
const ORIGIN: &str = "origin";

/// How large packed manifests may be. A Secret holds 1 MiB in all.
const MAX_BYTES: usize = 1_000_000;

/// What manifests were made from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Origin {
    fingerprint: String,
    images: BTreeMap<ArtifactName, ImageRef>,
    keep_data: bool,
}

/// Keeps what was just applied; `false` where it is too large for that.
pub(super) async fn keep(scope: &DeployScope, plan: &Plan) -> Result<bool, DeployError> {
    let packed = pack(plan)?;
    if packed.len() > MAX_BYTES {
        forget(scope, &plan.namespace, &plan.release.name).await?;
        return Ok(false);
    }
    let origin = Origin {
        fingerprint: plan.fingerprint.clone(),
        images: plan.images.clone(),
        keep_data: plan.keep_data,
    };
    let origin = serde_json::to_vec(&origin).expect("an origin has only string keys");
    let name = record::name_of_left(&record::name(&scope.project), &plan.release.name);
    let parts = [(MANIFESTS, packed), (ORIGIN, origin)];
    let parts = parts.into_iter().map(|(key, bytes)| (key.to_owned(), ByteString(bytes)));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(record::labels(scope)),
            ..ObjectMeta::default()
        },
        data: Some(parts.collect()),
        ..Secret::default()
    };
    let params = PatchParams::apply(MANAGER).force();
    let written = api(scope, &plan.namespace).patch(&name, &params, &Patch::Apply(&secret)).await;
    written.map_err(|error| scope.cluster.explain(error))?;
    Ok(true)
}

/// Removes what was kept, if anything was.
pub(super) async fn forget(
    scope: &DeployScope,
    namespace: &Namespace,
    release: &ReleaseName,
) -> Result<(), DeployError> {
    let name = record::name_of_left(&record::name(&scope.project), release);
    match api(scope, namespace).delete(&name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(scope.cluster.explain(error).into()),
    }
}

/// Applies again what `run` had left of `release`, removes what came since, and records it as
/// `run` had; `false` where somebody has removed it meanwhile, since whoever did wanted it gone.
///
/// # Errors
///
/// [`DeployError`] as for a deploy.
pub async fn put_back(
    scope: &DeployScope,
    namespace: &Namespace,
    release: &ReleaseName,
    cancel: &CancellationToken,
) -> Result<bool, DeployError> {
    let name = record::name_of_left(&record::name(&scope.project), release);
    let secret = api(scope, namespace).get_opt(&name).await;
    let secret = secret.map_err(|error| scope.cluster.explain(error))?;
    let release = Release {
        name: release.clone(),
        namespace: Some(namespace.clone()),
        source: ReleaseSource::Manifests(ManifestSource::Files(Vec::new())),
        after: std::collections::BTreeSet::new(),
        wait: WaitRule::default(),
        alterations: crate::model::Alterations::default(),
        hooks: crate::model::Hooks::default(),
    };
    let mut found = look::look(scope, &release, namespace).await?;
    let stands = found.record.as_ref().is_some_and(|record| record.standing);
    let Some((origin, objects)) = secret.as_ref().filter(|_| stands).and_then(unpack) else {
        return Ok(false);
    };
    let plan = Plan {
        release,
        namespace: namespace.clone(),
        objects,
        hooks: Vec::new(),
        crds: Vec::new(),
        values: None,
        post_renderer: None,
        fingerprint: origin.fingerprint,
        images: origin.images,
        keep_data: origin.keep_data,
        standing: true,
        may_repair: false,
    };
    look::survey(scope, &plan, &mut found).await?;
    act::deploy(scope, &plan, &found, &|_| {}, cancel).await?;
    Ok(true)
}

fn api(scope: &DeployScope, namespace: &Namespace) -> Api<Secret> {
    Api::namespaced(scope.cluster.client(), namespace.as_str())
}

fn pack(plan: &Plan) -> Result<Vec<u8>, DeployError> {
    let mut items = manifest::parse(&plan.crds)?;
    items.extend(manifest::parse(&plan.objects)?);
    let items: Vec<Value> = items.into_iter().map(|manifest| manifest.value).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = packed.write_all(list.as_bytes()).and_then(|()| packed.finish());
    Ok(packed.expect("memory can be written to"))
}

fn unpack(secret: &Secret) -> Option<(Origin, Vec<Value>)> {
    let data = secret.data.as_ref()?;
    let origin = serde_json::from_slice(&data.get(ORIGIN)?.0).ok()?;
    let mut list = Vec::new();
    flate2::read::GzDecoder::new(data.get(MANIFESTS)?.0.as_slice()).read_to_end(&mut list).ok()?;
    let list: Value = serde_json::from_slice(&list).ok()?;
    Some((origin, list["items"].as_array()?.clone()))
}
