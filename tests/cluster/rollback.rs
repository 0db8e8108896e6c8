//! `rollbackOnFailure`: what does not become ready makes room for what ran before.

use std::path::Path;

use serde_json::Value;

use crate::support::{HelmCount, Inventory, Project, Wharf, get, helm_4, output, wait_for};

/// A hook that fails at once, after everything is in place.
const FAILING_HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: after
  annotations: {helm.sh/hook: "post-install,post-upgrade"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
        - {name: hook, image: "busybox:1.36", command: [sh, -c, "echo no such table; exit 3"]}
"#;

#[test]
#[ignore = "needs a cluster"]
fn what_fails_is_rolled_back_with_helm_3() {
    let real = output("sh", &["-c", "command -v helm"]);
    check(Path::new(real.trim()));
}

#[test]
#[ignore = "needs a cluster"]
fn what_fails_is_rolled_back_with_helm_4() {
    check(&helm_4());
}

fn check(program: &Path) {
    let mut project = Project::web();
    let _helm = HelmCount::with(&mut project, program);
    let config = "images: {web: {context: .}}\nforward: [service/web]\n\
                  releases: {web: {chart: chart, rollbackOnFailure: true}}\n";
    project.write("wharf.yaml", config);
    project.write(".dockerignore", "*\n!www\n");
    let before = Inventory::take(&project);
    let serves = |port: u16, text: &str| {
        wait_for(text, || get(port, "/")?.ends_with(text).then_some(()));
    };
    let history = || {
        let history = ["history", "web", "-n", project.namespace(), "-o", "json"];
        let history = output(program.to_str().expect("it is text"), &history);
        let history: Vec<Value> = serde_json::from_str(&history).expect("it is JSON");
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let line = |one: &Value| format!("{}: {}", text(one, "status"), text(one, "description"));
        history.iter().map(line).collect::<Vec<_>>()
    };

    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    serves(port, "first");

    let dockerfile = project.read("Dockerfile");
    project.write("www/index.html", "second");
    project.write("Dockerfile", &dockerfile.replace("\"httpd\"", "\"no-such-program\""));
    let failure = wharf.next("the failure", |told| {
        (told["news"] == "failed").then(|| told["what"].as_str().map(str::to_owned))?
    });
    assert!(failure.contains("container `web` cannot start"), "{failure}");
    let revision = wharf.next("the way back", |told| {
        (told["news"] == "rolled_back").then(|| told["revision"].as_u64())?
    });
    assert_eq!(revision, 1);
    assert_eq!(wharf.round(), 1);
    serves(port, "first");
    let first = "superseded: Install complete";
    let second = "superseded: Upgrade complete";
    assert_eq!(history(), [first, second, "deployed: Rollback to 1"]);

    // What was rolled back is left alone until something is saved.
    project.write("Dockerfile", &dockerfile);
    assert_eq!(wharf.round(), 0);
    serves(port, "second");
    let back = "superseded: Rollback to 1";
    assert_eq!(history(), [first, second, back, "deployed: Upgrade complete"]);
    assert_eq!(wharf.told("web", "deployed"), 3);

    // What Helm itself gives up leaves a failed revision, and goes back as well.
    let hook = project.folder().join("chart/templates/hook.yaml");
    std::fs::write(&hook, FAILING_HOOK).expect("a file can be written");
    wharf.next("the failure", |told| (told["news"] == "failed").then_some(()));
    let revision = wharf.next("the way back", |told| {
        (told["news"] == "rolled_back").then(|| told["revision"].as_u64())?
    });
    assert_eq!(revision, 4);
    assert_eq!(wharf.round(), 1);
    serves(port, "second");
    let all = history();
    let [.., failed, last] = &all[..] else { panic!("{all:?}") };
    assert!(failed.starts_with("failed: ") && last == "deployed: Rollback to 4", "{all:?}");
    assert_eq!(wharf.interrupt(), Some(0));
    std::fs::remove_file(&hook).expect("it is there");
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}
