//! Decisions: what is taken back, what is pruned, what drift is called, what Helm's words mean.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};
use kube::api::DynamicObject;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

use super::record::{Part, Recorded};
use super::said_by_helm::{Circumstances, explain};
use super::*;
use crate::model::{Chart, HelmSource, ManifestSource, Undo, WaitRule};
use crate::tools::ToolError;

fn namespace() -> Namespace {
    Namespace::parse("shop").unwrap()
}

fn helm_source() -> HelmSource {
    HelmSource {
        packaging: crate::model::Packaging::default(),
        secret_values: vec![],
        chart: Chart::Path("/chart".into()),
        values: Vec::new(),
        set: BTreeMap::new(),
        image_values: BTreeMap::new(),
        flags: Vec::new(),
        rollback_on_failure: false,
        skip_crds: false,
    }
}

fn plan(source: ReleaseSource, objects: &[(&str, &str)]) -> Plan {
    let object = |(kind, name): &(&str, &str)| {
        let api =
            if *kind == "CustomResourceDefinition" { "apiextensions.k8s.io/v1" } else { "v1" };
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}})
    };
    let (crds, objects): (Vec<Value>, Vec<Value>) =
        objects.iter().map(object).partition(|value| value["kind"] == "CustomResourceDefinition");
    Plan {
        release: Release {
            name: ReleaseName::parse("api").unwrap(),
            namespace: None,
            source,
            after: std::collections::BTreeSet::new(),
            wait: WaitRule::default(),
            alterations: crate::model::Alterations::default(),
            hooks: crate::model::Hooks::default(),
        },
        namespace: namespace(),
        objects,
        hooks: Vec::new(),
        crds,
        values: None,
        post_renderer: None,
        fingerprint: "now".to_owned(),
        images: BTreeMap::new(),
        keep_data: false,
        standing: false,
        may_repair: false,
    }
}

fn manifests(objects: &[(&str, &str)]) -> Plan {
    plan(ReleaseSource::Manifests(ManifestSource::Files(Vec::new())), objects)
}

fn chart(objects: &[(&str, &str)]) -> Plan {
    plan(ReleaseSource::Helm(helm_source()), objects)
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some(namespace()),
        name: name.to_owned(),
    }
}

fn recorded(kind: &str, name: &str) -> Recorded {
    Recorded {
        object: object(kind, name),
        part: Part::Object,
        made: true,
        uid: "1".to_owned(),
        generation: None,
        replicas: None,
        content: String::new(),
        passing: false,
    }
}

fn record(inventory: Vec<Recorded>) -> ReleaseRecord {
    ReleaseRecord { inventory, fingerprint: "before".to_owned(), ..ReleaseRecord::default() }
}

/// The steps in words, oldest first.
fn steps(found: &Found, plan: &Plan, options: UndoOptions) -> String {
    let project = ProjectName::parse("shop").unwrap();
    let step = |step: Undo| match step {
        Undo::Namespace { namespace } => format!("namespace {namespace}"),
        Undo::Record { .. } => "record".to_owned(),
        Undo::Objects { objects, .. } => {
            objects.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
        }
        Undo::HelmRelease { extras, .. } => {
            let extras: Vec<String> = extras.iter().map(ToString::to_string).collect();
            ["helm".to_owned()].into_iter().chain(extras).collect::<Vec<_>>().join("+")
        }
        Undo::Manifests { .. } => "back".to_owned(),
        Undo::HelmRollback { revision, .. } => format!("rollback {revision}"),
        Undo::File { path } => path.display().to_string(),
    };
    let steps = undo_for(found, plan, &project, options).unwrap();
    steps.into_iter().map(step).collect::<Vec<_>>().join(", ")
}

#[test]
fn of_claims_only_those_that_go_are_named() {
    let mut plan = manifests(&[("PersistentVolumeClaim", "cache")]);
    plan.objects.push(json!({
        "apiVersion": "v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"replicas": 2, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
    }));
    let check = |found: &Found, plan: &Plan, expected: &[&str]| {
        assert_eq!(claims_that_go(found, plan).unwrap(), expected);
    };
    let empty = Found { namespace_exists: true, ..Found::default() };
    check(&empty, &plan, &["cache", "those of statefulset/db"]);
    let older = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let before = BTreeMap::from([(object("PersistentVolumeClaim", "cache"), "1".to_owned())]);
        let older_claims = BTreeMap::from([(object("StatefulSet", "db"), names)]);
        Found { before, older_claims, ..empty.clone() }
    };
    let but = "those of statefulset/db but data-db-0, which is older";
    check(&older(&["data-db-0"]), &plan, &[but]);
    check(&older(&["data-db-0", "data-db-1"]), &plan, &[]);
    plan.keep_data = true;
    check(&empty, &plan, &[]);
}

#[test]
fn what_a_chart_asks_helm_to_keep_is_said_to_stay() {
    let keep = json!({"helm.sh/resource-policy": "keep"});
    let mut plan = chart(&[("PersistentVolumeClaim", "cache"), ("ConfigMap", "a")]);
    plan.objects.push(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "annotations": keep},
    }));
    plan.objects.push(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "reader", "annotations": keep},
    }));
    let found = Found::default();
    assert_eq!(claims_that_go(&found, &plan).unwrap(), ["cache"]);
    let policy = "by helm.sh/resource-policy";
    let data = format!("persistentvolumeclaim/data {policy}");
    let reader = format!("clusterrole/reader {policy}");
    assert_eq!(kept(&found, &plan), ["namespace shop", &data, &reader]);
    // Plain manifests are wharf's own to take back.
    plan.release.source = ReleaseSource::Manifests(ManifestSource::Files(Vec::new()));
    assert_eq!(claims_that_go(&found, &plan).unwrap(), ["cache", "data"]);
    assert_eq!(kept(&found, &plan), Vec::<String>::new());
}

#[test]
fn a_sets_claims_are_known_by_their_names() {
    let set = json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
    let check = |claim: &str, expected: bool| {
        assert_eq!(is_claim_of(claim, &set, "db"), expected, "{claim}");
    };
    check("data-db-0", true);
    check("data-db-12", true);
    check("data-db-old", false);
    check("data-db-old-0", false);
    check("logs-db-0", false);
}

#[test]
fn only_what_was_not_there_before_is_taken_back() {
    let check = |found: &Found, plan: &Plan, expected: &str| {
        assert_eq!(steps(found, plan, UndoOptions::default()), expected);
    };
    let two = manifests(&[("ConfigMap", "a"), ("ConfigMap", "b")]);
    let empty = Found { namespace_exists: true, ..Found::default() };
    check(&Found::default(), &two, "namespace shop, record, configmap/a+configmap/b");
    check(&empty, &two, "record, configmap/a+configmap/b");

    let before = BTreeMap::from([(object("ConfigMap", "a"), "7".to_owned())]);
    check(&Found { before, ..empty.clone() }, &two, "record, configmap/b");

    // A session that was cut off had made `a` and `c`.
    let made = record(vec![recorded("ConfigMap", "a"), recorded("ConfigMap", "c")]);
    let crashed = Found { record: Some(made.clone()), made_namespace: true, ..empty.clone() };
    check(&crashed, &two, "namespace shop, record, configmap/a+configmap/b+configmap/c");

    // `run` had left them there.
    let run = ReleaseRecord { standing: true, manifests_kept: true, ..made };
    let left = Found { record: Some(run.clone()), ..crashed };
    check(&left, &two, "back, configmap/b");
    check(&left, &Plan { standing: true, ..two.clone() }, "configmap/b");
    // Its manifests were too large to be kept.
    let run = ReleaseRecord { manifests_kept: false, ..run };
    check(&Found { record: Some(run), ..left }, &two, "configmap/b");

    let own = manifests(&[("Namespace", "extra"), ("ConfigMap", "a")]);
    check(&empty, &own, "record, namespace extra, configmap/a");
}

#[test]
fn a_helm_release_is_uninstalled_unless_it_was_there_before() {
    let plain = UndoOptions::default();
    let back = UndoOptions { roll_back: true, ..plain };
    let empty = Found { namespace_exists: true, ..Found::default() };
    let plan = chart(&[("CustomResourceDefinition", "widgets.example.com")]);
    let definition = "customresourcedefinition/widgets.example.com";
    assert_eq!(steps(&empty, &plan, plain), format!("record, helm+{definition}"));

    let status = |revision| HelmStatus {
        revision,
        status: "deployed".to_owned(),
        since: None,
        last_good: Some(revision),
    };
    let theirs = Found { helm: Some(status(3)), installed_by_other: Some(3), ..empty.clone() };
    assert_eq!(steps(&theirs, &plan, plain), "record");
    assert_eq!(steps(&theirs, &plan, back), "record, rollback 3");
    let remembered = UndoOptions { remembered: true, ..plain };
    assert_eq!(steps(&theirs, &plan, remembered), format!("record, helm+{definition}"));

    let entry = ReleaseRecord { helm: true, ..record(Vec::new()) };
    let run = ReleaseRecord { standing: true, ..entry.clone() };
    let run = Found { helm: Some(status(5)), record: Some(run), ..empty.clone() };
    assert_eq!(steps(&run, &plan, plain), "rollback 5");
    let standing = Plan { standing: true, ..plan.clone() };
    assert_eq!(steps(&run, &standing, back), "", "`run` leaves what it makes");
    // The session before this one found revision 3 and was cut off at revision 6.
    let cut_off = ReleaseRecord { found: true, found_revision: Some(3), ..entry };
    let cut_off = Found { helm: Some(status(6)), record: Some(cut_off), ..empty };
    assert_eq!(steps(&cut_off, &plan, back), "record, rollback 3");
}

proptest! {
    /// Whatever a session makes of what `run` had left: nothing that `run` made or that was there
    /// before is deleted on the way back, everything new is, and the rest is put back.
    #[test]
    fn a_session_on_what_run_left_takes_back_only_its_own(
        run in names(), before in names(), wanted in names(), cut_off in names(),
    ) {
        let mut inventory: Vec<Recorded> =
            run.iter().map(|name| recorded("ConfigMap", name)).collect();
        // A session that was cut off has recorded more, and its journal knows of that.
        inventory.extend(cut_off.difference(&run).map(|name| recorded("ConfigMap", name)));
        let entry = ReleaseRecord { standing: true, manifests_kept: true, ..record(inventory) };
        let known = |name: &String| run.contains(name) || cut_off.contains(name);
        let before = before.iter().filter(|name| !known(name));
        let found = Found {
            namespace_exists: true,
            record: Some(entry),
            before: before.map(|name| (object("ConfigMap", name), "7".to_owned())).collect(),
            ..Found::default()
        };
        let objects: Vec<(&str, &str)> =
            wanted.iter().map(|name| ("ConfigMap", name.as_str())).collect();
        let is_new = |name: &&String| {
            !known(name) && !found.before.contains_key(&object("ConfigMap", name))
        };
        let new: Vec<String> =
            wanted.iter().filter(is_new).map(|name| format!("configmap/{name}")).collect();
        let expected = if new.is_empty() { "back".into() } else { format!("back, {}", new.join("+")) };
        let options = UndoOptions::default();
        prop_assert_eq!(steps(&found, &manifests(&objects), options), expected);
    }
}

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-f]", 0..5)
}

#[test]
fn only_own_objects_that_no_release_names_are_pruned() {
    let mut theirs = recorded("ConfigMap", "theirs");
    theirs.made = false;
    let old = ["kept", "moved", "dropped"].map(|name| recorded("ConfigMap", name));
    let mut old = old.to_vec();
    old.push(theirs);
    old.push(recorded("Namespace", "extra"));
    let found = Found { record: Some(record(old)), ..Found::default() };
    let mut project = ProjectRecord::default();
    let other = record(vec![recorded("ConfigMap", "moved")]);
    project.releases.insert(ReleaseName::parse("other").unwrap(), other);
    let wanted = [object("ConfigMap", "kept")].into_iter().collect();
    let surplus = prune::surplus(&found, &project, &manifests(&[]), &wanted);
    let names: Vec<String> = surplus.iter().map(|(object, _)| object.to_string()).collect();
    assert_eq!(names, ["configmap/dropped", "namespace/extra"]);
}

#[test]
fn what_others_build_on_comes_first() {
    let names = ["Deployment", "Widget", "Namespace", "Service", "ConfigMap", "ServiceAccount"];
    let objects: Vec<ObjectRef> = names.iter().map(|kind| object(kind, "x")).collect();
    let kinds: Vec<String> =
        in_order(objects, |object| object).into_iter().flatten().map(|one| one.kind).collect();
    let expected = ["Namespace", "ServiceAccount", "ConfigMap", "Service", "Deployment", "Widget"];
    assert_eq!(kinds, expected);
}

fn entry(manager: &str, seconds: i64, fields: Value) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Update".to_owned()),
        time: jiff::Timestamp::from_second(seconds).ok().map(Time),
        fields_v1: Some(FieldsV1(fields)),
        ..ManagedFieldsEntry::default()
    }
}

fn live(value: Value, entries: Vec<ManagedFieldsEntry>) -> DynamicObject {
    let mut live: DynamicObject = serde_json::from_value(value).unwrap();
    live.metadata.uid = Some("1".to_owned());
    live.metadata.managed_fields = Some(entries);
    live
}

#[test]
fn drift_is_called_what_it_is() {
    let spec = |replicas: i64, image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"},
            "spec": {"replicas": replicas, "image": image}})
    };
    let mut known = recorded("Deployment", "api");
    known.generation = Some(1);
    known.replicas = Some(1);
    known.content = live::content(&live(spec(1, "a"), Vec::new()));
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let image = json!({"f:spec": {"f:template": {"f:containers": {
        "k:{\"name\":\"api\"}": {"f:image": {}}}}}});
    let check = |now: Option<DynamicObject>, expected: Option<&str>| {
        assert_eq!(drift::of(&known, now.as_ref()).as_deref(), expected);
    };
    check(None, Some("deployment/api was deleted"));
    check(Some(live(spec(1, "a"), Vec::new())), None);
    check(
        Some(live(spec(3, "a"), vec![entry("kubectl", 1, replicas.clone())])),
        Some("deployment/api was scaled from 1 to 3 by kubectl"),
    );
    // An autoscaler does its job.
    check(Some(live(spec(3, "a"), vec![entry("kube-controller-manager", 1, replicas)])), None);
    check(
        Some(live(spec(1, "b"), vec![entry("kubectl-edit", 1, image.clone())])),
        Some("deployment/api was changed by kubectl-edit (spec.template.containers[api].image)"),
    );
    check(Some(live(spec(1, "b"), vec![entry("cert-manager-cainjector", 1, image)])), None);
    let mut anew = live(spec(1, "a"), Vec::new());
    anew.metadata.uid = Some("2".to_owned());
    check(Some(anew), Some("deployment/api was deleted and made again"));
}

#[test]
fn what_client_side_tools_own_becomes_wharfs() {
    let mut ours = entry(MANAGER, 1, json!({"f:data": {"f:a": {}}}));
    ours.operation = Some("Apply".to_owned());
    let theirs = entry("kubectl-client-side-apply", 2, json!({"f:data": {"f:b": {}}}));
    let other = entry("kube-controller-manager", 3, json!({"f:status": {}}));

    let both = ownership::taken_over(&[ours.clone(), theirs.clone(), other.clone()]).unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].fields_v1.as_ref().unwrap().0, json!({"f:data": {"f:a": {}, "f:b": {}}}));

    let alone = ownership::taken_over(&[theirs, other.clone()]).unwrap();
    assert_eq!(alone[1].manager.as_deref(), Some(MANAGER));
    assert_eq!(alone[1].operation.as_deref(), Some("Apply"));
    assert!(ownership::taken_over(&[ours, other]).is_none());
}

#[test]
fn what_helm_says_is_understood() {
    let check = |said: &str, expected: &str| {
        let error = ToolError::Failed {
            command: "helm upgrade".to_owned(),
            status: "status 1".to_owned(),
            code: Some(1),
            output_tail: said.lines().map(str::to_owned).collect(),
        };
        let (release, source) = (ReleaseName::parse("api").unwrap(), helm_source());
        let known = Circumstances {
            release: &release,
            namespace: &namespace(),
            source: &source,
            failed_hook: None,
        };
        let failure = explain(error, known).failure();
        let lines: Vec<String> = [failure.what].into_iter().chain(failure.why).collect();
        assert_eq!(lines.join(" | "), expected);
    };
    check(
        "WARNING: x\nError: UPGRADE FAILED: cannot patch \"db\" with kind StatefulSet: \
         StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for \
         fields other than 'replicas' are forbidden",
        "statefulset/db of `api` cannot be changed in place | spec: Forbidden: updates to \
         statefulset spec for fields other than 'replicas' are forbidden",
    );
    check(
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
        "release `api` is pending: another operation has not ended | its Helm was killed, or \
         runs on another machine",
    );
    check(
        "Error: execution error at (shop/templates/a.yaml:3:4): set a password",
        "the chart of `api` does not render: shop/templates/a.yaml:3:4 | set a password",
    );
    check(
        "Error: UPGRADE FAILED: pre-upgrade hooks failed: 1 error occurred:\n\t* job migrate \
         failed: BackoffLimitExceeded\n\n",
        "hook `job/migrate` of `api` failed | job migrate failed: BackoffLimitExceeded",
    );
    check(
        "Error: Kubernetes cluster unreachable",
        "`api` could not be deployed | `helm upgrade` ended with status 1 | Error: Kubernetes \
         cluster unreachable",
    );
}
