//! One step back, in two parts: telling things to go, and waiting until they are gone.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::claims::{self, Claims};
use super::{CleanupError, namespace};
use crate::cluster::Cluster;
use crate::deploy;
use crate::deploy::{DeployScope, Removal};
use crate::model::{Namespace, ObjectRef, ProjectName, ReleaseName, Undo};
use crate::report::Report;
use crate::tools::ToolError;

/// How long Helm may take to uninstall, `pre-delete` hooks included.
const UNINSTALL_LIMIT: Duration = Duration::from_secs(90);

/// How long each of its hooks may take: a chart whose hook cannot run must still go.
const HOOK_SECONDS: u32 = 60;

/// How long waiting is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many objects are waited for side by side.
const AT_ONCE: usize = 32;

/// What has been told to go.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Waited for until they are gone.
    leaving: Vec<ObjectRef>,
    /// Deleted when those are gone.
    then: Vec<ObjectRef>,
    claims: Claims,
    /// What is said when all is gone; nothing where nothing was there.
    done: Option<String>,
}

/// Both parts of a step that needs no waiting for others.
pub(super) async fn run(
    step: &Undo,
    cluster: &Cluster,
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<Option<String>, CleanupError> {
    match step {
        Undo::Namespace { namespace } => namespace::remove(cluster, namespace, tell).await,
        Undo::Record { namespace, name, release } => {
            forget(cluster, namespace, name, release).await?;
            Ok(None)
        }
        other => {
            let begun = begin(other, cluster).await?;
            finish(other, begun, cluster, tell).await
        }
    }
}

/// Tells what the step is about to go.
pub(super) async fn begin(step: &Undo, cluster: &Cluster) -> Result<Begun, CleanupError> {
    match step {
        Undo::HelmRelease { release, namespace, extras, claims } => {
            uninstall(cluster, release, namespace, extras, *claims).await
        }
        Undo::Objects { release, objects, claims } => {
            delete_all(cluster, release, objects, *claims).await
        }
        Undo::HelmRollback { release, namespace, revision } => {
            roll_back(cluster, release, namespace, *revision).await
        }
        Undo::File { path } => {
            let removed = match std::fs::symlink_metadata(path) {
                Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
                Ok(_) => std::fs::remove_file(path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(Begun::default()),
            }
        }
        Undo::Namespace { .. } | Undo::Record { .. } => Ok(Begun::default()),
    }
}

/// Waits until what was told to go is gone, pods included, and removes what stayed behind.
pub(super) async fn finish(
    step: &Undo,
    begun: Begun,
    cluster: &Cluster,
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<Option<String>, CleanupError> {
    until_gone(cluster, step.release(), &begun.leaving, tell).await?;
    for object in &begun.then {
        claims::refuse_foreign_instances(cluster, object).await?;
        remove(cluster, object).await?;
    }
    until_gone(cluster, step.release(), &begun.then, tell).await?;
    begun.claims.remove(cluster).await?;
    Ok(begun.done)
}

async fn uninstall(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &Namespace,
    extras: &[ObjectRef],
    with_claims: bool,
) -> Result<Begun, CleanupError> {
    let mut objects = deploy::helm_objects(cluster, namespace, release).await?;
    objects.extend(extras.iter().filter(|extra| extra.kind != DEFINITION).cloned());
    let claims = claims::of(cluster, &objects, with_claims).await?;
    let was_there = run_helm(cluster, release, namespace).await?;
    // Hooks stay behind, running or not.
    for hook in extras.iter().filter(|extra| extra.kind != DEFINITION) {
        remove(cluster, hook).await?;
    }
    let definitions = extras.iter().filter(|extra| extra.kind == DEFINITION).cloned();
    Ok(Begun {
        leaving: objects,
        then: definitions.collect(),
        claims,
        done: was_there.then(|| format!("uninstalled {release}")),
    })
}

/// The kind whose objects define further kinds.
const DEFINITION: &str = "CustomResourceDefinition";

/// `helm uninstall`; `false` where there was nothing to uninstall.
async fn run_helm(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &Namespace,
) -> Result<bool, CleanupError> {
    let command = |more: &[&str]| {
        let command = cluster.tools().command("helm").args([
            "uninstall",
            release.as_str(),
            "--namespace",
            namespace.as_str(),
            // An object goes after its pods then, so that its absence means theirs.
            "--cascade",
            "foreground",
        ]);
        command.args(more).time_limit(UNINSTALL_LIMIT).run()
    };
    let timeout = format!("{HOOK_SECONDS}s");
    let first = command(&["--timeout", &timeout]).await;
    let last = match first {
        Err(error) if is_not_found(&error) => return Ok(false),
        // A hook that fails must not keep the rest there.
        Err(error) if says(&error, "hook") => command(&["--no-hooks"]).await,
        other => other,
    };
    match last {
        Ok(_) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn is_not_found(error: &ToolError) -> bool {
    says(error, "release: not found") || says(error, "already deleted")
}

fn says(error: &ToolError, words: &str) -> bool {
    error.output_tail().iter().any(|line| line.contains(words))
}

async fn roll_back(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &Namespace,
    revision: u32,
) -> Result<Begun, CleanupError> {
    let revision = revision.to_string();
    let words = ["rollback", release.as_str(), &revision, "--namespace", namespace.as_str()];
    let command = cluster.tools().command("helm").args(words);
    match command.time_limit(UNINSTALL_LIMIT).run().await {
        Ok(_) => {
            let done = Some(format!("rolled {release} back to revision {revision}"));
            Ok(Begun { done, ..Begun::default() })
        }
        // Whoever removed it meanwhile wanted it gone.
        Err(error) if is_not_found(&error) => Ok(Begun::default()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes objects, what came last first. Instances of a kind are gone before its definition is
/// deleted, since their controller may have to see to them.
async fn delete_all(
    cluster: &Cluster,
    release: &ReleaseName,
    objects: &[ObjectRef],
    with_claims: bool,
) -> Result<Begun, CleanupError> {
    let mut ours = Vec::new();
    for object in objects {
        let stays = object.kind == "PersistentVolumeClaim" && !with_claims;
        if !stays && is_ours(cluster, object).await? {
            ours.push(object.clone());
        }
    }
    let claims = claims::of(cluster, &ours, with_claims).await?;
    let groups = deploy::in_order(ours.clone(), |object| object);
    let mut leaving = Vec::new();
    let mut then = Vec::new();
    for group in groups.into_iter().rev() {
        for object in group {
            if object.kind == DEFINITION {
                then.push(object);
            } else {
                remove(cluster, &object).await?;
                leaving.push(object);
            }
        }
    }
    let done = match ours.len() {
        0 => None,
        1 => Some(format!("deleted {} of {release}", ours[0])),
        count => Some(format!("deleted {count} objects of {release}")),
    };
    Ok(Begun { leaving, then, claims, done })
}

/// Whether wharf made the object that is there: another one of the same name is somebody else's.
async fn is_ours(cluster: &Cluster, object: &ObjectRef) -> Result<bool, CleanupError> {
    let Some(api) = cluster.api(object).await? else { return Ok(false) };
    let found = api.get_metadata_opt(&object.name).await;
    let found = found.map_err(|error| cluster.explain(error))?;
    let entries = found.and_then(|found| found.metadata.managed_fields).unwrap_or_default();
    Ok(entries.iter().any(|entry| entry.manager.as_deref() == Some(deploy::MANAGER)))
}

async fn remove(cluster: &Cluster, object: &ObjectRef) -> Result<(), CleanupError> {
    // In the foreground, so that an object goes after its pods; the waiting comes later.
    let removal = Removal { uid: None, foreground: true, wait: None };
    Ok(deploy::remove(cluster, object, &removal).await?)
}

/// Waits until all of `objects` are gone, and says what it waits for when that takes a while.
async fn until_gone(
    cluster: &Cluster,
    release: Option<&ReleaseName>,
    objects: &[ObjectRef],
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<(), CleanupError> {
    let left = std::sync::Mutex::new(objects.iter().map(ToString::to_string).collect::<Vec<_>>());
    let going = futures::stream::iter(objects.iter().map(|object| async {
        cluster.until_gone(object, None).await?;
        let mut left = left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = object.to_string();
        left.retain(|other| *other != name);
        Ok::<(), CleanupError>(())
    }));
    let going = going.buffer_unordered(AT_ONCE).try_collect::<()>();
    tokio::pin!(going);
    if let Ok(gone) = tokio::time::timeout(PATIENCE, &mut going).await {
        return gone;
    }
    let waiting = left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join(", ");
    if let Some(release) = release {
        let why = format!("{waiting} to end");
        tell(Report::Waiting { name: release.to_string(), why });
    }
    going.await
}

async fn forget(
    cluster: &Cluster,
    namespace: &Namespace,
    name: &str,
    release: &ReleaseName,
) -> Result<(), CleanupError> {
    let project = name.strip_prefix("wharf.").and_then(|name| ProjectName::parse(name).ok());
    let Some(project) = project else { return Ok(()) };
    let scope = DeployScope { cluster: cluster.clone(), project };
    Ok(scope.forget(namespace, release).await?)
}

/// A pointer into an object, as text.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}
