//! The fast way: other images in what runs, without Helm.
//!
//! Where a rendered release differs from what is installed in its images alone, its workloads are
//! changed through the API at once, as Helm itself would have changed them: with Helm's field
//! manager, by Helm's way of applying. Helm's history then lags behind what runs until a
//! `helm upgrade` to the same images records it; the project's record says that it does.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::look::Found;
use super::manifest::{self, Manifest};
use super::record::{self, Part, ReleaseRecord};
use super::{DeployError, DeployScope, MANAGER, Plan, live, storage};
use crate::model::{ArtifactName, ImageRef, Namespace, ObjectRef, ReleaseName, hook_events};

/// Under this name Helm owns fields: its program's name.
const HELM: &str = "helm";

/// How many objects are changed side by side.
const AT_ONCE: usize = 8;

/// A release as it was installed last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// Helm's revision; absent for plain manifests.
    pub revision: Option<u32>,
    /// It was applied by the server, and its fields are owned.
    pub server_side: bool,
    /// The project's images in it.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Its objects as rendered, without hooks.
    pub objects: Vec<Value>,
}

/// What is to change in an installed release, and nothing but images.
#[derive(Debug, Clone, PartialEq)]
pub struct Swap {
    changes: Vec<Change>,
    /// What Helm's newest revision has, where that will not be what runs.
    lagging: Option<BTreeMap<ArtifactName, ImageRef>>,
    /// The release as it is afterwards.
    pub after: Installed,
}

/// One object with other images.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    manifest: Manifest,
    /// Where the pods' specification lies in it.
    pods: &'static [&'static str],
    /// The list, the container, its image.
    images: Vec<(&'static str, String, String)>,
}

impl Swap {
    /// What runs goes on until its replacement does, so that it does not matter when a new pod
    /// has to wait for its image: Deployments that let none of their pods go before.
    #[must_use]
    pub fn is_bridged(&self) -> bool {
        let is_scaled = |manifest: &Manifest| {
            self.after.objects.iter().any(|object| {
                object["kind"] == "HorizontalPodAutoscaler"
                    && object["spec"]["scaleTargetRef"]["name"] == *manifest.object.name
            })
        };
        self.changes.iter().all(|change| {
            let manifest = &change.manifest;
            manifest.object.kind == "Deployment"
                && max_unavailable(&manifest.value, is_scaled(manifest)) == Some(0)
        })
    }

    /// Helm's history will not say what runs.
    #[must_use]
    pub fn lags(&self) -> bool {
        self.lagging.is_some()
    }
}

/// Reads what Helm has installed, where its newest revision is what `record` says that runs.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or Secrets may not be read.
pub async fn installed(
    scope: &DeployScope,
    release: &ReleaseName,
    namespace: &Namespace,
    record: &ReleaseRecord,
) -> Result<Option<Installed>, DeployError> {
    if !record.helm || record.lagging.is_some() {
        return Ok(None);
    }
    let newest = storage::newest_release(&scope.cluster, namespace, release).await?;
    Ok(newest.map(|newest| Installed {
        revision: storage::revision_of(&newest),
        server_side: storage::is_applied_by_server(&newest),
        images: record.images.clone(),
        objects: storage::objects_of(&newest),
    }))
}

/// What the fast way would change; otherwise why it is not open.
///
/// # Errors
///
/// The reason, for the developers' log.
pub fn swap_for(plan: &Plan, found: &Found, installed: &Installed) -> Result<Swap, String> {
    let refused = |why: &str| Err(why.to_owned());
    let Some(record) = &found.record else { return refused("nothing is recorded") };
    if record.fingerprint != plan.fingerprint {
        return refused("more than images changed in its files");
    }
    if !found.drift.is_empty() {
        return Err(format!("it is not as it was left: {}", found.drift.join("; ")));
    }
    if record.standing && !plan.standing && record.left.is_none() {
        return refused("how `run` had left it is not recorded yet");
    }
    if installed.images != record.images {
        return refused("what is installed is not known");
    }
    if let Some(source) = plan.helm_source() {
        if source.rollback_on_failure {
            return refused("it is rolled back when it fails");
        }
        if plan.hooks.iter().any(runs_first) {
            return refused("it has a hook that runs before an upgrade");
        }
        let newest = found.helm.as_ref().filter(|helm| helm.status == "deployed");
        if record.revision.is_none()
            || installed.revision != record.revision
            || newest.map(|helm| helm.revision) != record.revision
        {
            return refused("Helm's newest revision is not what is installed");
        }
    }
    let changes = changes(&installed.objects, &plan.objects)?;
    if changes.is_empty() {
        return refused("no image of a workload changes");
    }
    // Back to what Helm has: then its history is true again.
    let history = record.lagging.as_ref().unwrap_or(&record.images);
    let lagging = (plan.is_helm() && *history != plan.images).then(|| history.clone());
    let after = Installed {
        images: plan.images.clone(),
        objects: plan.objects.clone(),
        ..installed.clone()
    };
    Ok(Swap { changes, lagging, after })
}

/// Whether Helm runs a hook before it changes anything.
fn runs_first(hook: &Value) -> bool {
    hook_events(hook).is_some_and(|events| events.contains(&"pre-upgrade"))
}

/// The objects whose images differ, where nothing else does.
fn changes(before: &[Value], after: &[Value]) -> Result<Vec<Change>, String> {
    let named = |objects: &[Value]| -> Result<BTreeMap<ObjectRef, Manifest>, String> {
        let manifests = manifest::parse(objects).map_err(|error| error.to_string())?;
        let count = manifests.len();
        let named: BTreeMap<_, _> =
            manifests.into_iter().map(|one| (one.object.clone(), one)).collect();
        if named.len() == count { Ok(named) } else { Err("an object is there twice".to_owned()) }
    };
    let mut before = named(before)?;
    let mut changes = Vec::new();
    for (object, manifest) in named(after)? {
        let Some(old) = before.remove(&object) else { return Err(format!("{object} is new")) };
        if old.value == manifest.value {
            continue;
        }
        let pods = pods_in(&object).ok_or_else(|| format!("{object} differs"))?;
        if without_images(&old.value, pods) != without_images(&manifest.value, pods) {
            return Err(format!("{object} differs in more than its images"));
        }
        let old = images(&old.value, pods);
        let images = images(&manifest.value, pods).into_iter().filter(|one| !old.contains(one));
        let images: Vec<_> = images.collect();
        changes.push(Change { manifest, pods, images });
    }
    match before.into_keys().next() {
        Some(gone) => Err(format!("{gone} goes")),
        None => Ok(changes),
    }
}

/// Where a workload keeps its pods' specification, among the kinds whose image can be changed.
fn pods_in(object: &ObjectRef) -> Option<&'static [&'static str]> {
    match (object.api_version.as_str(), object.kind.as_str()) {
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet") => {
            Some(&["spec", "template", "spec"])
        }
        ("batch/v1", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// How many pods a Deployment may lack while it is rolled out; `None` where it replaces them all
/// at once, or somebody else says how many there are and it is a part of these.
///
/// As the Deployment controller has it: a quarter unless told, rounded down.
fn max_unavailable(deployment: &Value, is_scaled: bool) -> Option<u64> {
    let spec = &deployment["spec"];
    if !matches!(spec["strategy"]["type"].as_str(), None | Some("RollingUpdate")) {
        return None;
    }
    let given = match &spec["strategy"]["rollingUpdate"]["maxUnavailable"] {
        Value::Null => "25%",
        Value::Number(number) => return number.as_u64(),
        given => given.as_str()?,
    };
    let percent: u64 = given.strip_suffix('%')?.parse().ok()?;
    if is_scaled && percent > 0 {
        return None;
    }
    let replicas = spec["replicas"].as_u64().unwrap_or(1);
    Some(replicas * percent / 100)
}

/// The lists of containers in a pod's specification.
const LISTS: [&str; 2] = ["containers", "initContainers"];

fn images(object: &Value, pods: &[&str]) -> Vec<(&'static str, String, String)> {
    let Some(spec) = object.pointer(&format!("/{}", pods.join("/"))) else { return Vec::new() };
    let in_list = |list: &'static str| {
        let containers = spec[list].as_array().into_iter().flatten();
        containers.filter_map(move |container| {
            let text = |key: &str| container[key].as_str().map(str::to_owned);
            Some((list, text("name")?, text("image")?))
        })
    };
    LISTS.into_iter().flat_map(in_list).collect()
}

fn without_images(object: &Value, pods: &[&str]) -> Value {
    let mut object = object.clone();
    if let Some(spec) = object.pointer_mut(&format!("/{}", pods.join("/"))) {
        for list in LISTS {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                if let Some(container) = container.as_object_mut().filter(|one| {
                    // Without a name a patch could not say which one it means.
                    one.get("name").is_some_and(Value::is_string)
                }) {
                    container.remove("image");
                }
            }
        }
    }
    object
}

/// Changes the images of what runs and records it.
///
/// # Errors
///
/// [`DeployError`] when an object is not as it was found, or the server refuses. Some objects may
/// have been changed by then; the record does not know it, so that the next look sees a drift.
pub async fn swap(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    swap: &Swap,
) -> Result<(), DeployError> {
    let mut changes = Vec::new();
    for change in &swap.changes {
        let mut manifests = vec![change.manifest.clone()];
        manifest::settle_namespaces(&mut manifests, &plan.namespace, &scope.cluster).await?;
        let manifests = manifests.into_iter();
        changes.extend(manifests.map(|manifest| Change { manifest, ..change.clone() }));
    }
    let one = |change: Change| async move {
        let live = change_one(scope, plan, found, swap, &change).await?;
        Ok::<_, DeployError>((change.manifest.object, live))
    };
    let changed: Vec<(ObjectRef, DynamicObject)> =
        futures::stream::iter(changes.into_iter().map(one))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
    record::update(scope, &plan.namespace, |project| {
        let Some(release) = project.releases.get_mut(&plan.release.name) else { return };
        release.images.clone_from(&plan.images);
        release.lagging.clone_from(&swap.lagging);
        for (object, live) in &changed {
            let is_it =
                |one: &&mut record::Recorded| one.object == *object && one.part == Part::Object;
            if let Some(one) = release.inventory.iter_mut().find(is_it) {
                one.see(live);
            }
        }
    })
    .await
}

async fn change_one(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    swap: &Swap,
    change: &Change,
) -> Result<DynamicObject, DeployError> {
    let object = &change.manifest.object;
    let overtaken =
        || DeployError::Overtaken { release: plan.release.name.clone(), object: object.clone() };
    let recorded = found.recorded(object).filter(|recorded| !recorded.uid.is_empty());
    let recorded = recorded.ok_or_else(overtaken)?;
    let api = scope.cluster.api(object).await?.ok_or_else(overtaken)?;
    let (manager, patch, force) = if !plan.is_helm() {
        let value = with_uid(change.manifest.value.clone(), &recorded.uid);
        (MANAGER, Patch::Apply(value), found.made(object))
    } else if swap.after.server_side {
        let value = with_uid(as_helm_applies(&change.manifest.value, plan), &recorded.uid);
        (HELM, Patch::Apply(value), true)
    } else {
        (HELM, Patch::Strategic(with_uid(change.images_alone(), &recorded.uid)), false)
    };
    let params =
        PatchParams { field_manager: Some(manager.to_owned()), force, ..PatchParams::default() };
    let live = match api.patch(&object.name, &params, &patch).await {
        Ok(live) => live,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
            return Err(overtaken());
        }
        Err(source @ kube::Error::Api(_)) => {
            let (release, object) = (plan.release.name.clone(), object.clone());
            return Err(DeployError::Refused { release, object, source: Box::new(source) });
        }
        Err(error) => return Err(scope.cluster.explain(error).into()),
    };
    // One step further than it was left: nobody else changed it in between.
    let steps = live.metadata.generation.zip(recorded.generation).map(|(now, then)| now - then);
    if steps.is_some_and(|steps| steps > 1) || live::is_leaving(&live) {
        return Err(overtaken());
    }
    Ok(live)
}

/// Lets the server refuse, should the object have been made anew meanwhile.
fn with_uid(mut value: Value, uid: &str) -> Value {
    value["metadata"]["uid"] = uid.into();
    value
}

/// An object as Helm 4 applies it: whole, and marked as the release's.
fn as_helm_applies(value: &Value, plan: &Plan) -> Value {
    let mut value = value.clone();
    let mut mark = |kind: &str, key: &str, mark: &str| {
        let marks = &mut value["metadata"][kind];
        if !marks.is_object() {
            *marks = json!({});
        }
        marks[key] = mark.into();
    };
    mark("labels", "app.kubernetes.io/managed-by", "Helm");
    mark("annotations", "meta.helm.sh/release-name", plan.release.name.as_str());
    mark("annotations", "meta.helm.sh/release-namespace", plan.namespace.as_str());
    value
}

impl Change {
    /// The images by container, and nothing else.
    fn images_alone(&self) -> Value {
        let mut spec = json!({});
        for (list, name, image) in &self.images {
            let containers = &mut spec[*list];
            if containers.is_null() {
                *containers = json!([]);
            }
            if let Some(containers) = containers.as_array_mut() {
                containers.push(json!({ "name": name, "image": image }));
            }
        }
        self.pods.iter().rev().fold(spec, |inner, key| json!({ *key: inner }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(image: &str, replicas: u32) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "replicas": replicas,
            "template": {"spec": {
                "initContainers": [{"name": "wait", "image": "busybox:1"}],
                "containers": [{"name": "web", "image": image}, {"name": "side", "image": "envoy:1"}],
            }},
        }})
    }

    fn map(value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": value}})
    }

    fn said(before: &[Value], after: &[Value]) -> String {
        match changes(before, after) {
            Err(why) => why,
            Ok(changes) => {
                let changes: Vec<String> =
                    changes.iter().map(|change| change.images_alone().to_string()).collect();
                changes.join("\n")
            }
        }
    }

    #[test]
    fn only_images_may_differ() {
        let before = [deployment("web:1", 1), map("a")];
        let patch =
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}"#;
        assert_eq!(said(&before, &[map("a"), deployment("web:2", 1)]), patch);
        assert_eq!(said(&before, &before), "");
        assert_eq!(
            said(&before, &[map("a"), deployment("web:2", 2)]),
            "deployment/web differs in more than its images"
        );
        assert_eq!(said(&before, &[map("b"), deployment("web:2", 1)]), "configmap/m differs");
        assert_eq!(said(&before, &[deployment("web:2", 1)]), "configmap/m goes");
        assert_eq!(said(&before[..1], &[map("a"), deployment("web:2", 1)]), "configmap/m is new");
        let twice = [deployment("web:2", 1), deployment("web:2", 1)];
        assert_eq!(said(&before[..1], &twice), "an object is there twice");
    }

    #[test]
    fn a_job_is_never_changed() {
        let job = |image: &str| {
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}})
        };
        assert_eq!(said(&[job("a:1")], &[job("a:2")]), "job/once differs");
    }

    #[test]
    fn a_rollout_that_keeps_every_pod_bridges_the_wait() {
        let lacks = |spec: Value, is_scaled| max_unavailable(&json!({ "spec": spec }), is_scaled);
        let rolls = |max: Value, replicas: u32| {
            let strategy =
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max}});
            json!({"replicas": replicas, "strategy": strategy})
        };
        assert_eq!(lacks(json!({}), false), Some(0));
        assert_eq!(lacks(json!({"replicas": 3}), false), Some(0));
        assert_eq!(lacks(json!({"replicas": 4}), false), Some(1));
        assert_eq!(lacks(json!({}), true), None);
        assert_eq!(lacks(rolls(json!(0), 9), true), Some(0));
        assert_eq!(lacks(rolls(json!("0%"), 9), true), Some(0));
        assert_eq!(lacks(rolls(json!(1), 1), false), Some(1));
        assert_eq!(lacks(rolls(json!("50%"), 2), false), Some(1));
        assert_eq!(lacks(rolls(json!("much"), 2), false), None);
        assert_eq!(lacks(json!({"strategy": {"type": "Recreate"}}), false), None);
    }

    #[test]
    fn a_hook_before_an_upgrade_is_told_from_others() {
        let hook = |events: &str| json!({"metadata": {"annotations": {"helm.sh/hook": events}}});
        assert!(runs_first(&hook("pre-install, pre-upgrade")));
        assert!(!runs_first(&hook("pre-install,post-upgrade")));
        assert!(!runs_first(&json!({})));
    }
}
