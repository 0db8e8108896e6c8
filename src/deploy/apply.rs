//! Server-side apply of plain and kustomized manifests.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::look::Found;
use super::manifest::{self, Manifest};
use super::{
    DeployError, DeployScope, MANAGER, Plan, Removal, live, order, ownership, refusal, remove,
    said_by_helm,
};
use crate::cluster::said;
use crate::model::ObjectRef;

/// How many objects of one rank are applied side by side.
const AT_ONCE: usize = 8;

/// How long the server may take to serve a kind that was just defined; it takes a second.
const ESTABLISHED_LIMIT: Duration = Duration::from_secs(30);

/// How long an object that must be made anew may take to go: the usual grace period of its pods,
/// and some more.
const GONE_LIMIT: Duration = Duration::from_secs(90);

/// How often an apply is repeated when others write to the same object in between.
const TRIES: usize = 5;

/// Applies everything in `plan`, in order, and returns what is there.
pub(super) async fn apply(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    cancel: &CancellationToken,
) -> Result<Vec<ObjectRef>, DeployError> {
    let mut manifests = manifest::parse(&plan.crds)?;
    manifests.extend(manifest::parse(&plan.objects)?);
    let mut applied = Vec::new();
    for mut group in order::in_order(manifests, |manifest| &manifest.object) {
        if cancel.is_cancelled() {
            return Err(DeployError::Cancelled { release: plan.release.name.clone() });
        }
        // Kinds that the group before defined are known by now.
        manifest::settle_namespaces(&mut group, &plan.namespace, &scope.cluster).await?;
        let one = |manifest: Manifest| async move {
            apply_one(scope, plan, found, &manifest).await.map(|()| manifest.object)
        };
        let objects: Vec<ObjectRef> = futures::stream::iter(group.into_iter().map(one))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        applied.extend(objects);
    }
    Ok(applied)
}

async fn apply_one(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    manifest: &Manifest,
) -> Result<(), DeployError> {
    let object = &manifest.object;
    let Some(api) = scope.cluster.api(object).await? else {
        return Err(DeployError::NoSuchKind {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
            name: object.name.clone(),
        });
    };
    let one = One { scope, plan, api, manifest, is_ours: found.made(object) };
    one.apply().await?;
    if order::rank(object) == order::DEFINITIONS {
        one.until_established().await?;
    }
    Ok(())
}

/// One object on its way into the cluster.
struct One<'a> {
    scope: &'a DeployScope,
    plan: &'a Plan,
    api: Api<DynamicObject>,
    manifest: &'a Manifest,
    /// wharf made it; otherwise it is new or was there before.
    is_ours: bool,
}

impl One<'_> {
    async fn apply(&self) -> Result<(), DeployError> {
        let object = &self.manifest.object;
        let name = &object.name;
        let mut force = false;
        for _ in 0..TRIES {
            let live = self.api.get_opt(name).await.map_err(|error| self.refused(error))?;
            if let Some(live) = &live
                && live::is_leaving(live)
            {
                self.until_gone(live.metadata.uid.as_deref()).await?;
                continue;
            }
            if let Some(live) = &live
                && (self.is_ours || force)
            {
                force = true;
                if self.take_over(live).await? == Race::Lost {
                    continue;
                }
            }
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                force,
                field_validation: Some(ValidationDirective::Strict),
                ..PatchParams::default()
            };
            let patch = Patch::Apply(&self.manifest.value);
            let Err(error) = self.api.patch(name, &params, &patch).await else { return Ok(()) };
            let kube::Error::Api(status) = &error else { return Err(self.refused(error)) };
            match status.code {
                409 => {
                    let entries = live.as_ref().map(managed).unwrap_or_default();
                    match ownership::conflicts(status) {
                        // What a person applied by hand is the project's own.
                        Some(_) if !force && ownership::may_take_over(status, entries) => {
                            force = true;
                        }
                        Some((manager, fields)) => {
                            return Err(DeployError::Conflict {
                                release: self.plan.release.name.clone(),
                                object: object.clone(),
                                manager,
                                fields,
                            });
                        }
                        // Others wrote in between.
                        None => {}
                    }
                }
                422 if said_by_helm::is_immutable(&status.message) && self.may_be_made_anew() => {
                    let uid = live.and_then(|live| live.metadata.uid);
                    let removal = Removal { uid, wait: Some(GONE_LIMIT), ..Removal::default() };
                    remove(&self.scope.cluster, object, &removal).await?;
                }
                _ => return Err(self.refused(error)),
            }
        }
        Err(DeployError::TooSlow {
            what: format!("applying {object}"),
            limit: GONE_LIMIT,
            help: format!("somebody else keeps changing it: `kubectl get {} -w`", object.by_hand()),
        })
    }

    /// Gives the fields that client-side tools own to wharf.
    async fn take_over(&self, live: &DynamicObject) -> Result<Race, DeployError> {
        let Some(entries) = ownership::taken_over(managed(live)) else { return Ok(Race::Won) };
        let patch = json!({ "metadata": {
            "managedFields": entries,
            // Refused where others wrote in between.
            "resourceVersion": live.metadata.resource_version,
        }});
        let params = PatchParams::default();
        match self.api.patch(&self.manifest.object.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => Ok(Race::Won),
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                Ok(Race::Lost)
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Whether it can be deleted and made again without losing anything: its pods come back, and
    /// claims stay where they are.
    fn may_be_made_anew(&self) -> bool {
        let kinds = [
            "Job",
            "Pod",
            "Deployment",
            "DaemonSet",
            "ReplicaSet",
            "StatefulSet",
            "RoleBinding",
            "ClusterRoleBinding",
            "ConfigMap",
            "Secret",
        ];
        self.is_ours && kinds.contains(&self.manifest.object.kind.as_str())
    }

    async fn until_gone(&self, uid: Option<&str>) -> Result<(), DeployError> {
        let object = &self.manifest.object;
        let gone = self.scope.cluster.until_gone(object, uid);
        match tokio::time::timeout(GONE_LIMIT, gone).await {
            Ok(gone) => Ok(gone?),
            Err(_) => Err(DeployError::TooSlow {
                what: format!("waiting for the old {object} to go"),
                limit: GONE_LIMIT,
                help: format!("see what holds it: `kubectl get {} -o yaml`", object.by_hand()),
            }),
        }
    }

    async fn until_established(&self) -> Result<(), DeployError> {
        let object = &self.manifest.object;
        let established = |live: Option<&DynamicObject>| {
            let conditions = live.and_then(|live| live.data.pointer("/status/conditions"));
            let conditions = conditions.and_then(Value::as_array).into_iter().flatten();
            conditions
                .into_iter()
                .any(|one| one["type"] == "Established" && one["status"] == "True")
        };
        match tokio::time::timeout(ESTABLISHED_LIMIT, self.scope.cluster.until(object, established))
            .await
        {
            Ok(reached) => Ok(reached?),
            Err(_) => Err(DeployError::TooSlow {
                what: format!("establishing {object}"),
                limit: ESTABLISHED_LIMIT,
                help: format!("see why: `kubectl describe {}`", object.by_hand()),
            }),
        }
    }

    /// Names a refusal by what a person can do.
    fn refused(&self, error: kube::Error) -> DeployError {
        let object = self.manifest.object.clone();
        let release = self.plan.release.name.clone();
        let kube::Error::Api(status) = &error else {
            return self.scope.cluster.explain(error).into();
        };
        let what = object.short();
        match status.code {
            401 | 403 => self.scope.cluster.explain(error).into(),
            404 if status.message.contains("namespaces ") => DeployError::NoSuchNamespace {
                namespace: object.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
                object,
            },
            400 | 422 if said_by_helm::is_immutable(&status.message) => DeployError::Immutable {
                release,
                what,
                why: said(&error),
                by_hand: format!("kubectl delete {}", object.by_hand()),
            },
            400 | 422 | 500 => DeployError::Invalid { release, what, why: plain(&reasons(status)) },
            _ => DeployError::Refused { release, object, source: Box::new(error) },
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Race {
    Won,
    Lost,
}

fn managed(live: &DynamicObject) -> &[ManagedFieldsEntry] {
    live.metadata.managed_fields.as_deref().unwrap_or_default()
}

fn plain(reasons: &[String]) -> Vec<String> {
    reasons.iter().map(|reason| refusal::plain(reason)).collect()
}

/// The server's causes, one line each, else its message.
fn reasons(status: &kube::core::Status) -> Vec<String> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice());
    let reasons: Vec<String> = causes
        .into_iter()
        .flatten()
        .map(|cause| match cause.field.as_str() {
            "" => cause.message.clone(),
            field => format!("{field}: {}", cause.message),
        })
        .take(3)
        .collect();
    if !reasons.is_empty() {
        return reasons;
    }
    // failed to create typed patch object (shop/x; /v1, Kind=ConfigMap): .dta: field not declared
    let message = match status.message.split_once("failed to create typed patch object (") {
        Some((_, rest)) => rest.split_once("): ").map_or(rest, |(_, message)| message),
        None => &status.message,
    };
    vec![message.trim_start_matches('.').to_owned()]
}
