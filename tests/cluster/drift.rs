//! Manifests while a session runs: what they no longer name goes, what cannot be changed is made
//! anew, and what somebody else does is seen, said and set right.

use serde_json::Value;

use crate::support::{Project, Wharf, kubectl, wait_for};

const WORKER: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 1
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: worker, image: "busybox:1.36", command: [sleep, "10000"]}]
"#;

const JOB: &str = r#"apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers: [{name: once, image: "busybox:1.36", command: [echo, "one"]}]
"#;

/// As [`JOB`], but gone as soon as it is done.
fn passing() -> String {
    let passing = JOB.replace("name: once", "name: passing");
    passing.replace("spec:\n  template", "spec:\n  ttlSecondsAfterFinished: 0\n  template")
}

fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: value}}\n")
}

#[test]
#[ignore = "needs a cluster"]
fn manifests_are_what_runs_whoever_changes_either() {
    let project = Project::of(
        "loose",
        &[
            ("wharf.yaml", "manifests: {all: all/*.yaml}\n"),
            ("all/worker.yaml", WORKER),
            ("all/once.yaml", JOB),
            ("all/passing.yaml", &passing()),
            ("all/kept.yaml", &map("kept")),
            ("all/dropped.yaml", &map("dropped")),
        ],
    );
    let namespace = project.namespace();
    let ask = |object: &str, path: &str| {
        let path = format!("jsonpath={{{path}}}");
        kubectl(&["get", object, "-n", namespace, "--ignore-not-found", "-o", &path])
    };
    let mut wharf = Wharf::start_in_terminal(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    wait_for("the Job that goes by itself", || {
        ask("job/passing", ".metadata.name").is_empty().then_some(())
    });
    let (job, kept) = (ask("job/once", ".metadata.uid"), ask("cm/kept", ".metadata.uid"));

    // Dropped from the manifests, so it goes.
    std::fs::remove_file(project.folder().join("all/dropped.yaml")).expect("it can be removed");
    let pruned = wharf.next("what is pruned", |told| {
        (told["news"] == "deployed").then(|| told["pruned"].to_string())
    });
    assert!(pruned.contains("dropped"), "{pruned}");
    assert_eq!(wharf.round(), 0);
    assert_eq!(ask("cm/dropped", ".metadata.name"), "");
    assert_eq!(ask("job/once", ".metadata.uid"), job, "what did not change is left alone");

    // Nobody misses what went by itself.
    assert_eq!(ask("job/passing", ".metadata.name"), "");
    assert_eq!(wharf.reports().iter().find(|told| told["news"] == "drifted"), None);
    let mut status = Wharf::start(&project, &["status"]);
    assert_eq!(status.wait().code(), Some(0), "{:?}", status.reports());
    assert!(!format!("{:?}", status.reports()).contains("passing"), "{:?}", status.reports());

    // A Job's template cannot be changed, so it is made anew and runs.
    project.edit("all/once.yaml", "one\"]", "two\"]");
    assert_eq!(wharf.round(), 0);
    assert_ne!(ask("job/once", ".metadata.uid"), job);
    assert_eq!(ask("job/once", ".status.succeeded"), "1");
    wait_for("what it prints", || {
        wharf.reports().iter().any(|told| told["text"] == "two").then_some(())
    });

    // Somebody scales: said at once, set right with the next round.
    let drifted = |wharf: &mut Wharf, what: &str| {
        wharf.next(what, |told| {
            let lines: Vec<&str> =
                told["what"].as_array()?.iter().filter_map(Value::as_str).collect();
            (told["news"] == "drifted").then(|| lines.join("; "))
        })
    };
    kubectl(&["scale", "deployment/worker", "-n", namespace, "--replicas=2"]);
    let said = drifted(&mut wharf, "that it was scaled");
    assert!(said.contains("deployment/worker was scaled from 1 to 2"), "{said}");
    wharf.press(b"r");
    assert_eq!(wharf.round(), 0);
    assert_eq!(ask("deployment/worker", ".spec.replicas"), "1");

    // Somebody deletes: the same; and what no pod shows is found by the round itself.
    kubectl(&["delete", "deployment/worker", "cm/kept", "-n", namespace]);
    let said = drifted(&mut wharf, "that it was deleted");
    assert!(said.contains("deployment/worker was deleted"), "{said}");
    wharf.press(b"r");
    let said = drifted(&mut wharf, "that more was deleted");
    assert!(said.contains("configmap/kept was deleted"), "{said}");
    assert_eq!(wharf.round(), 0);
    wait_for("it runs again", || {
        (ask("deployment/worker", ".status.readyReplicas") == "1").then_some(())
    });
    assert_ne!(ask("cm/kept", ".metadata.uid"), kept);
    wharf.press(b"\x03");
    assert_eq!(wharf.wait().code(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn a_namespace_without_workloads_is_missed_as_well() {
    let map = map("only");
    let project =
        Project::of("maps", &[("wharf.yaml", "manifests: {all: all.yaml}\n"), ("all.yaml", &map)]);
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    for _ in 0..2 {
        kubectl(&["delete", "namespace", project.namespace()]);
        let told = wharf.next("that it was deleted", |told| {
            (told["report"] == "warning").then(|| told["text"].as_str().map(str::to_owned))?
        });
        let namespace = project.namespace();
        assert_eq!(told, format!("namespace `{namespace}` was deleted, with all that is in it"));
        let why = wharf.next("the reason", |told| {
            (told["news"] == "deploying").then(|| told["why"].as_str().map(str::to_owned))?
        });
        assert_eq!(why, "its namespace was deleted");
        assert_eq!(wharf.round(), 0);
        kubectl(&["get", "configmap/only", "-n", namespace]);
    }
    // A save is not the reason for what comes later.
    project.edit("all.yaml", "value", "other");
    let why = wharf.next("the reason", |told| {
        (told["news"] == "deploying").then(|| told["why"].as_str().map(str::to_owned))?
    });
    assert_eq!(why, "its chart, values or manifests changed");
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.interrupt(), Some(0));
}
