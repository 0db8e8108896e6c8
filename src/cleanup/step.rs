//! One step back, in two parts: telling things to go, and waiting until they are gone.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::claims::{self, Claims};
use super::{CleanupError, Journal, namespace};
use crate::cluster::{Cluster, end_orphans};
use crate::deploy;
use crate::deploy::{DeployError, DeployScope, Removal};
use crate::model::{Namespace, ObjectRef, ProjectName, ReleaseName, Undo};
use crate::report::Report;
use crate::tools::ToolError;

/// How long Helm may take to uninstall, `pre-delete` hooks included.
const UNINSTALL_LIMIT: Duration = Duration::from_secs(90);

/// How long each of its hooks may take: a chart whose hook cannot run must still go.
const HOOK_SECONDS: u32 = 60;

/// How long waiting is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many objects are asked for, deleted or waited for side by side.
const AT_ONCE: usize = 32;

/// How long instances of a kind may take to go before the program that sees to them is told to go
/// as well.
const INSTANCE_LIMIT: Duration = Duration::from_secs(20);

/// The kind whose objects define further kinds.
const DEFINITION: &str = "CustomResourceDefinition";

/// The kind by which a pod's data outlives it.
const CLAIM: &str = "PersistentVolumeClaim";

/// Under which names wharf and the Helm that it runs make objects.
const MAKERS: [&str; 2] = [deploy::MANAGER, "helm"];

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
    journal: &Journal,
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<Option<String>, CleanupError> {
    match step {
        Undo::Namespace { namespace } => namespace::remove(cluster, namespace, tell).await,
        Undo::Record { namespace, name, release } => {
            forget(cluster, namespace, name, release).await?;
            Ok(None)
        }
        other => {
            let begun = begin(other, cluster, journal).await?;
            finish(other, begun, cluster, tell).await
        }
    }
}

/// Tells what the step is about to go.
pub(super) async fn begin(
    step: &Undo,
    cluster: &Cluster,
    journal: &Journal,
) -> Result<Begun, CleanupError> {
    if let Undo::HelmRelease { release, namespace, .. }
    | Undo::HelmRollback { release, namespace, .. } = step
    {
        // It would make again what is about to go.
        end_orphans("helm", &[release.as_str(), namespace.as_str()]).await;
    }
    match step {
        Undo::HelmRelease { release, namespace, extras, claims } => {
            deploy::keep_claims(cluster, namespace, release, !claims).await?;
            let helm = deploy::helm_objects(cluster, namespace, release).await?;
            let (mut extras, known) = split_claims(extras);
            extras.extend(helm.hooks);
            extras.sort();
            extras.dedup();
            let claims = claims::of(cluster, &helm.objects, known, *claims).await?;
            remember(step, &claims, journal)?;
            uninstall(cluster, release, namespace, extras, helm.objects, claims).await
        }
        Undo::Objects { release, objects, claims } => {
            delete_all(step, release, objects, *claims, cluster, journal).await
        }
        Undo::HelmRollback { release, namespace, revision } => {
            roll_back(cluster, release, namespace, *revision).await
        }
        Undo::Manifests { release, namespace, name } => {
            put_back(cluster, release, namespace, name).await
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
    }
    remove_all(cluster, begun.then.clone()).await?;
    until_gone(cluster, step.release(), &begun.then, tell).await?;
    begun.claims.remove(cluster).await?;
    Ok(begun.done)
}

/// Claims that an earlier try has found, when their StatefulSets were still there, are among the
/// objects of its step.
fn split_claims(objects: &[ObjectRef]) -> (Vec<ObjectRef>, Vec<ObjectRef>) {
    objects.iter().cloned().partition(|object| object.kind != CLAIM)
}

/// Puts the claims on disk: once the StatefulSets are gone, nothing else tells whose they are.
fn remember(step: &Undo, claims: &Claims, journal: &Journal) -> Result<(), CleanupError> {
    let mut step = step.clone();
    let (Undo::HelmRelease { extras: objects, .. } | Undo::Objects { objects, .. }) = &mut step
    else {
        return Ok(());
    };
    let new = claims.claims.iter().filter(|claim| !objects.contains(claim)).cloned();
    let new: Vec<ObjectRef> = new.collect();
    if new.is_empty() {
        return Ok(());
    }
    objects.extend(new);
    journal.remember(&[step])
}

async fn uninstall(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &Namespace,
    extras: Vec<ObjectRef>,
    mut leaving: Vec<ObjectRef>,
    claims: Claims,
) -> Result<Begun, CleanupError> {
    let was_there = run_helm(cluster, release, namespace).await?;
    let (then, hooks): (Vec<ObjectRef>, Vec<ObjectRef>) =
        extras.into_iter().partition(|extra| extra.kind == DEFINITION);
    // Hooks stay behind, running or not.
    let hooks = made_by_us(cluster, hooks).await?;
    remove_all(cluster, hooks.clone()).await?;
    leaving.extend(hooks);
    let then = made_by_us(cluster, then).await?;
    let done = was_there.then(|| format!("uninstalled {release}"));
    Ok(Begun { leaving, then, claims, done })
}

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
    let cancel = CancellationToken::new();
    match deploy::go_back(cluster, release, namespace, revision, &cancel).await {
        Ok(()) => {
            let done = Some(format!("rolled {release} back to revision {revision}"));
            Ok(Begun { done, ..Begun::default() })
        }
        // Whoever removed it meanwhile wanted it gone.
        Err(DeployError::Helm { source, .. }) if is_not_found(&source) => Ok(Begun::default()),
        Err(error) => Err(error.into()),
    }
}

async fn put_back(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &Namespace,
    name: &str,
) -> Result<Begun, CleanupError> {
    let Some(scope) = scope(cluster, name) else { return Ok(Begun::default()) };
    let cancel = CancellationToken::new();
    let was_there = deploy::put_back(&scope, namespace, release, &cancel).await?;
    let done = was_there.then(|| format!("put {release} back as `wharf run` had left it"));
    Ok(Begun { done, ..Begun::default() })
}

/// Deletes objects, what came last first. Instances of a kind are gone before its definition is
/// deleted, since their controller may have to see to them.
async fn delete_all(
    step: &Undo,
    release: &ReleaseName,
    objects: &[ObjectRef],
    with_claims: bool,
    cluster: &Cluster,
    journal: &Journal,
) -> Result<Begun, CleanupError> {
    let (others, claimed) = split_claims(objects);
    let ours = made_by_us(cluster, others).await?;
    let claimed = if with_claims { claimed } else { Vec::new() };
    let claims = claims::of(cluster, &ours, claimed, with_claims).await?;
    remember(step, &claims, journal)?;
    let done = match ours.len() {
        0 => None,
        1 => Some(format!("deleted {} of {release}", ours[0])),
        count => Some(format!("deleted {count} objects of {release}")),
    };
    let (then, ours): (Vec<ObjectRef>, Vec<ObjectRef>) =
        ours.into_iter().partition(|object| object.kind == DEFINITION);
    for group in deploy::in_order(ours.clone(), |object| object).into_iter().rev() {
        remove_all(cluster, group.clone()).await?;
        if group.iter().all(|object| !deploy::is_built_in(object)) {
            // What their controllers do not see to in time is waited for with the rest.
            let mut gone: Vec<BoxFuture<'_, _>> = Vec::new();
            for object in &group {
                gone.push(Box::pin(cluster.until_gone(object, None)));
            }
            let _ = tokio::time::timeout(INSTANCE_LIMIT, futures::future::join_all(gone)).await;
        }
    }
    Ok(Begun { leaving: ours, then, claims, done })
}

/// Those that are there and that wharf or its Helm made: another one of the same name is somebody
/// else's.
async fn made_by_us(
    cluster: &Cluster,
    objects: Vec<ObjectRef>,
) -> Result<Vec<ObjectRef>, CleanupError> {
    let asked = objects.into_iter().map(|object| async move {
        let Some(api) = cluster.api(&object).await? else { return Ok(None) };
        let found = api.get_metadata_opt(&object.name).await;
        let found = found.map_err(|error| cluster.explain(error))?;
        let Some(found) = found else { return Ok(None) };
        let entries = found.metadata.managed_fields.unwrap_or_default();
        let managers = entries.iter().filter(|entry| entry.subresource.is_none());
        let mut managers = managers.filter_map(|entry| entry.manager.as_deref()).peekable();
        // Whoever makes an object that has nothing but a name, such as a ServiceAccount, owns no
        // field of it.
        let is_bare = managers.peek().is_none();
        Ok((is_bare || managers.any(|manager| MAKERS.contains(&manager))).then_some(object))
    });
    let found: Vec<Option<ObjectRef>> = futures::stream::iter(asked)
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await
        .map_err(|error: CleanupError| error)?;
    Ok(found.into_iter().flatten().collect())
}

/// Tells objects to go, after what they own; the waiting comes later.
async fn remove_all(cluster: &Cluster, objects: Vec<ObjectRef>) -> Result<(), CleanupError> {
    let removals = objects.into_iter().map(|object| async move {
        let removal = Removal { uid: None, foreground: true, wait: None };
        Ok::<(), CleanupError>(deploy::remove(cluster, &object, &removal).await?)
    });
    futures::stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await
}

/// Waits until all of `objects` are gone, and says what it waits for when that takes a while.
async fn until_gone(
    cluster: &Cluster,
    release: Option<&ReleaseName>,
    objects: &[ObjectRef],
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<(), CleanupError> {
    let left = std::sync::Mutex::new(objects.iter().map(ToString::to_string).collect::<Vec<_>>());
    let left_ref = &left;
    let mut waits: Vec<BoxFuture<'_, Result<(), CleanupError>>> = Vec::new();
    for object in objects {
        waits.push(Box::pin(async move {
            cluster.until_gone(object, None).await?;
            let mut left = left_ref.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let name = object.to_string();
            left.retain(|other| *other != name);
            Ok(())
        }));
    }
    let going = futures::stream::iter(waits).buffer_unordered(AT_ONCE).try_collect::<()>();
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
    let Some(scope) = scope(cluster, name) else { return Ok(()) };
    Ok(scope.forget(namespace, release).await?)
}

/// The project whose record is called `name`.
fn scope(cluster: &Cluster, name: &str) -> Option<DeployScope> {
    let project = ProjectName::parse(name.strip_prefix("wharf.")?).ok()?;
    Some(DeployScope { cluster: cluster.clone(), project })
}

/// A pointer into an object, as text.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}
