//! The deploy itself: the one function here that changes the cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace as ApiNamespace;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio_util::sync::CancellationToken;

use super::look::Found;
use super::manifest::{self, Manifest};
use super::record::{self, LeftAs, Part, Recorded, ReleaseRecord};
use super::{
    DeployError, DeployScope, Installed, MANAGER, Plan, apply, helm, left, live, prune, storage,
};
use crate::cluster::Cluster;
use crate::model::{Namespace, ObjectRef, ReleaseName};
use crate::report::ReleaseNews;

/// How long a namespace that is on its way out may take to go.
const NAMESPACE_LIMIT: Duration = Duration::from_secs(120);

/// What a deploy did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deployed {
    /// Helm's revision; absent for plain manifests.
    pub revision: Option<u32>,
    /// Objects that the manifests no longer name and that were deleted.
    pub pruned: Vec<ObjectRef>,
    /// What the release consists of, hooks left out.
    pub inventory: Vec<Recorded>,
    /// Objects that are not as the record had them before.
    pub changed: Vec<ObjectRef>,
    /// What a later [`super::swap`] starts from; absent where Helm did not say what it installed.
    pub installed: Option<Installed>,
    /// The manifests that `run` applied are too large to be kept, so that a session which works on
    /// them cannot put them back.
    pub too_large_to_keep: bool,
}

/// Deploys `plan` and records it. What [`super::undo_for`] said must be on disk by now.
///
/// `found` is from [`super::look`] and [`super::survey`]. It does not wait for pods.
///
/// # Errors
///
/// [`DeployError`] for each of the failures that a person meets; the record then says that the
/// release is not as it should be, so that the next deploy does it again.
pub async fn deploy(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    tell: &(dyn Fn(ReleaseNews) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Deployed, DeployError> {
    let made_namespace = make_namespace(scope, plan, found).await?;
    let intended = intended(scope, plan, found).await?;
    write(scope, plan, &intended, made_namespace).await?;

    let mut done = intended;
    let mut deployed = Deployed::default();
    if let Some(source) = plan.helm_source() {
        if let Some(status) = found.helm.as_ref().filter(|status| status.is_pending()) {
            helm::repair(scope, plan, status, cancel).await?;
        }
        let upgraded = helm::upgrade(scope, plan, source, tell, cancel).await?;
        done.revision = upgraded.revision;
        deployed.revision = upgraded.revision;
        if !upgraded.objects.is_empty() {
            let mut parts = placed(scope, plan, &upgraded.objects, Part::Object, found).await?;
            parts.extend(placed(scope, plan, &upgraded.hooks, Part::Hook, found).await?);
            parts.extend(done.inventory.into_iter().filter(|one| one.part == Part::Definition));
            done.inventory = parts;
            deployed.installed = Some(Installed {
                revision: upgraded.revision,
                server_side: upgraded.server_side,
                images: plan.images.clone(),
                objects: upgraded.objects,
            });
        }
    } else {
        let applied = apply::apply(scope, plan, found, cancel).await?;
        let wanted: BTreeSet<ObjectRef> = applied.iter().cloned().collect();
        deployed.pruned = prune::prune(scope, plan, found, &wanted).await?;
        // Kinds that this deploy defined were taken for namespaced before.
        done.inventory =
            applied.into_iter().map(|object| recorded(object, Part::Object, found)).collect();
        deployed.installed = Some(Installed {
            revision: None,
            server_side: true,
            images: plan.images.clone(),
            objects: plan.objects.clone(),
        });
        if plan.standing {
            done.manifests_kept = left::keep(scope, plan).await?;
            deployed.too_large_to_keep = !done.manifests_kept;
        }
    }

    done.inventory = with_passing(done.inventory, plan);
    read_anew(scope, &mut done.inventory).await?;
    done.fingerprint.clone_from(&plan.fingerprint);
    write(scope, plan, &done, made_namespace).await?;
    let before = |one: &Recorded| found.recorded(&one.object).cloned();
    let is_changed = |one: &&Recorded| {
        one.part == Part::Object
            && before(one).is_none_or(|before| {
                before.generation != one.generation || before.content != one.content
            })
    };
    let changed = done.inventory.iter().filter(is_changed);
    deployed.changed = changed.map(|one| one.object.clone()).collect();
    let parts = done.inventory.into_iter();
    deployed.inventory = parts.filter(|one| one.part != Part::Hook).collect();
    Ok(deployed)
}

/// Records objects as they are.
async fn read_anew(scope: &DeployScope, inventory: &mut [Recorded]) -> Result<(), DeployError> {
    let live = live::read(&scope.cluster, inventory.iter().map(|one| &one.object)).await?;
    for one in inventory {
        let Some(live) = live.get(&one.object) else { continue };
        one.see(live);
    }
    Ok(())
}

/// Records that `release` went back to `revision`: as `run` had left it, where that was this
/// revision, else as something that the next deploy has to look after.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer.
pub(super) async fn went_back(
    cluster: &Cluster,
    namespace: &Namespace,
    release: &ReleaseName,
    revision: u32,
) -> Result<(), DeployError> {
    for project in record::projects_with(cluster, namespace, release).await? {
        let scope = DeployScope { cluster: cluster.clone(), project };
        let recorded = record::read(&scope, namespace).await?.releases.remove(release);
        let Some(mut recorded) = recorded else { continue };
        recorded.fingerprint.clear();
        recorded.lagging = None;
        let left = recorded.left.clone().filter(|left| left.revision == revision);
        if let Some(left) = left {
            let newest = storage::status(cluster, namespace, release).await?;
            let helm = storage::helm_objects(cluster, namespace, release).await?;
            // What Helm keeps on request is no reason to deploy again.
            recorded
                .inventory
                .retain(|one| one.part != Part::Object || helm.objects.contains(&one.object));
            read_anew(&scope, &mut recorded.inventory).await?;
            recorded.revision = newest.map(|newest| newest.revision);
            recorded.fingerprint = left.fingerprint;
            recorded.images = left.images;
            recorded.left = None;
        }
        record::update(&scope, namespace, |project| {
            project.releases.insert(release.clone(), recorded.clone());
        })
        .await?;
    }
    Ok(())
}

/// Makes the namespace where it is missing; `true` where wharf made it, now or earlier.
async fn make_namespace(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
) -> Result<bool, DeployError> {
    if found.namespace_exists && !found.namespace_leaving {
        return Ok(found.made_namespace);
    }
    let object = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: plan.namespace.to_string(),
    };
    if found.namespace_leaving {
        let gone = scope.cluster.until_gone(&object, None);
        match tokio::time::timeout(NAMESPACE_LIMIT, gone).await {
            Ok(gone) => gone?,
            Err(_) => {
                return Err(DeployError::TooSlow {
                    what: format!("waiting for the old namespace `{}` to go", plan.namespace),
                    limit: NAMESPACE_LIMIT,
                    help: format!("see what holds it: `kubectl describe {}`", object.by_hand()),
                });
            }
        }
    }
    let labels = [("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned())];
    let namespace = ApiNamespace {
        metadata: ObjectMeta {
            name: Some(plan.namespace.to_string()),
            labels: Some(labels.into_iter().collect()),
            ..ObjectMeta::default()
        },
        ..ApiNamespace::default()
    };
    let post = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    match Api::all(scope.cluster.client()).create(&post, &namespace).await {
        Ok(_) => Ok(true),
        // Another release of the project, or somebody else, came first.
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Ok(record::read(scope, &plan.namespace).await?.made_namespace)
        }
        Err(error) => Err(scope.cluster.explain(error).into()),
    }
}

/// The record as it is before the act: everything that may come to be, nothing said to be done.
async fn intended(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
) -> Result<ReleaseRecord, DeployError> {
    let before = found.record.as_ref();
    let mut inventory = placed(scope, plan, &plan.objects, Part::Object, found).await?;
    inventory.extend(placed(scope, plan, &plan.hooks, Part::Hook, found).await?);
    let crds = if plan.is_helm() { Part::Definition } else { Part::Object };
    inventory.extend(placed(scope, plan, &plan.crds, crds, found).await?);
    // What is to be pruned stays recorded until it is.
    for old in before.into_iter().flat_map(|record| &record.inventory) {
        if !inventory.iter().any(|one| one.object == old.object) {
            inventory.push(old.clone());
        }
    }
    Ok(ReleaseRecord {
        fingerprint: String::new(),
        images: plan.images.clone(),
        revision: before.and_then(|record| record.revision),
        lagging: None,
        helm: plan.is_helm(),
        standing: plan.standing || before.is_some_and(|record| record.standing),
        found: match before {
            Some(record) => record.found,
            None => found.installed_by_other.is_some() && !plan.may_repair,
        },
        found_revision: match before {
            Some(record) => record.found_revision,
            None => found.helm.as_ref().and_then(|helm| helm.last_good),
        },
        manifests_kept: before.is_some_and(|record| record.manifests_kept),
        left: before.filter(|record| record.standing && !plan.standing).and_then(left_as),
        keep_data: plan.keep_data,
        inventory,
    })
}

/// How `run` left a release, as far as it is known.
fn left_as(before: &ReleaseRecord) -> Option<LeftAs> {
    if before.left.is_some() || before.fingerprint.is_empty() {
        return before.left.clone();
    }
    Some(LeftAs {
        fingerprint: before.fingerprint.clone(),
        images: before.images.clone(),
        revision: before.revision?,
    })
}

async fn placed(
    scope: &DeployScope,
    plan: &Plan,
    values: &[serde_json::Value],
    part: Part,
    found: &Found,
) -> Result<Vec<Recorded>, DeployError> {
    let mut manifests: Vec<Manifest> = manifest::parse(values)?;
    manifest::settle_namespaces(&mut manifests, &plan.namespace, &scope.cluster).await?;
    let recorded = manifests.into_iter().map(|manifest| {
        let passing = goes_by_itself(&manifest);
        Recorded { passing, ..recorded(manifest.object, part, found) }
    });
    Ok(recorded.collect())
}

fn recorded(object: ObjectRef, part: Part, found: &Found) -> Recorded {
    let before = found.recorded(&object);
    Recorded {
        part,
        made: before.map_or(!found.before.contains_key(&object), |recorded| recorded.made),
        // Until it is read anew, so that an interrupted deploy still knows its objects.
        uid: before.map(|recorded| recorded.uid.clone()).unwrap_or_default(),
        generation: None,
        replicas: None,
        content: String::new(),
        passing: false,
        object,
    }
}

fn goes_by_itself(manifest: &Manifest) -> bool {
    manifest.object.kind == "Job"
        && manifest.value.pointer("/spec/ttlSecondsAfterFinished").is_some()
}

fn with_passing(inventory: Vec<Recorded>, plan: &Plan) -> Vec<Recorded> {
    let manifests = manifest::parse(&plan.objects).unwrap_or_default();
    let passing: BTreeSet<(String, String)> = manifests
        .iter()
        .filter(|manifest| goes_by_itself(manifest))
        .map(|manifest| (manifest.object.kind.clone(), manifest.object.name.clone()))
        .collect();
    let mark = |one: Recorded| {
        let passing = passing.contains(&(one.object.kind.clone(), one.object.name.clone()));
        Recorded { passing, ..one }
    };
    inventory.into_iter().map(mark).collect()
}

async fn write(
    scope: &DeployScope,
    plan: &Plan,
    release: &ReleaseRecord,
    made_namespace: bool,
) -> Result<(), DeployError> {
    record::update(scope, &plan.namespace, |project| {
        project.made_namespace |= made_namespace;
        project.releases.insert(plan.release.name.clone(), release.clone());
    })
    .await
}
