//! Failures on the way into the cluster: what the API server refuses, hooks, releases that a
//! killed Helm has left.

use std::process::{Command, Stdio};

use super::{failure, failures, filtered, mended, times_told};
use crate::support::{Project, Wharf, bring, kubectl, output, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn what_the_cluster_refuses_and_what_a_killed_helm_leaves() {
    let project = Project::web();
    bring("busybox:1.36");
    project.write("extra/map.yaml", &map("key: value"));
    project.write("wharf.yaml", CONFIG);
    project.write("chart/templates/migrate.yaml", HOOK);
    killed_helm(&project);

    let mut wharf = Wharf::start(&project, &["dev"]);
    let told = failure(&mut wharf, &project);
    let clock = regex::Regex::new(r"\d\d:\d\d:\d\d UTC").expect("it is a pattern");
    insta::assert_snapshot!(clock.replace(&told, "TIME"), @r"
    web  failed: release `web` is pending-install: another operation has not ended
      it has been so since TIME
      its Helm was killed, or runs on another machine
    help: if nobody works on it any more: `helm uninstall web -n NAMESPACE`
    [wharf::deploy::pending]
    ");
    assert_ne!(wharf.round(), 0);
    // As it was told, and nothing is saved: it goes on by itself.
    output("helm", &["uninstall", "web", "-n", project.namespace()]);
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::deploy::pending"), 1);

    project.edit("chart/templates/web.yaml", "containerPort: 8080", "containerPort: 80800");
    project.write("extra/map.yaml", &map("key: value").replace("extra", "Extra_1"));
    let told = failures(&mut wharf, &project, 2);
    insta::assert_snapshot!(told["web"], @r"
    web  failed: deployment/web of `web` is not valid
      in chart/templates/web.yaml
      spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 80800: must be between 1 and 65535, inclusive
    [wharf::deploy::invalid]
    ");
    insta::assert_snapshot!(told["extra"], @r#"
    extra  failed: configmap/Extra_1 of `extra` is not valid
      in extra/map.yaml:1
      metadata.name: Invalid value: "Extra_1": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (such as 'example.com')
    [wharf::deploy::invalid]
    "#);
    assert_ne!(wharf.round(), 0);

    project.edit("chart/templates/web.yaml", "containerPort: 80800", "containerPort: http");
    project.write("extra/map.yaml", &map("key: 12"));
    let told = failures(&mut wharf, &project, 2);
    insta::assert_snapshot!(told["web"], @r"
    web  failed: deployment/web of `web` is not valid
      in chart/templates/web.yaml
      spec.template.spec.containers.ports.containerPort: expected a number, got a string
    help: see what belongs there: `kubectl explain deployment.spec.template.spec.containers.ports.containerPort`
    [wharf::deploy::invalid]
    ");
    insta::assert_snapshot!(told["extra"], @r#"
    extra  failed: configmap/extra of `extra` is not valid
      in extra/map.yaml:1
      data.key: expected string, got 12
    help: write it in quotes: `key: "…"`
    [wharf::deploy::invalid]
    "#);
    assert_ne!(wharf.round(), 0);

    project.write("extra/map.yaml", &map("key: value").replace("\ndata:", "\ndta:"));
    insta::assert_snapshot!(failures(&mut wharf, &project, 1)["extra"], @r"
    extra  failed: configmap/extra of `extra` is not valid
      in extra/map.yaml:1
      dta: there is no such field
    help: see what belongs there: `kubectl explain configmap`
    [wharf::deploy::invalid]
    ");
    assert_ne!(wharf.round(), 0);

    project.write("extra/map.yaml", &map("key: \"12\""));
    project.edit("chart/templates/web.yaml", "containerPort: http", "containerPort: 8080");
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::deploy::invalid"), 5);

    project.edit("chart/templates/migrate.yaml", "exit 0", "echo table users is locked; exit 3");
    let told = failure(&mut wharf, &project);
    insta::assert_snapshot!(told, @r"
    web  failed: hook `job/migrate` of `web` failed
      in chart/templates/migrate.yaml
      container `migrate` exited with code 3
      migrating
      table users is locked
    [wharf::deploy::hook]
    ");
    assert_ne!(wharf.round(), 0);
    project.edit("chart/templates/migrate.yaml", "exit 3", "exit 0");
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::deploy::hook"), 1);

    // Whoever deletes the namespace is told so, and gets it back with what belongs into it.
    let namespace = ["delete", "namespace", project.namespace(), "--wait=false"];
    kubectl(&namespace);
    let told = wharf.next("that the namespace is gone", |told| {
        (told["report"] == "warning").then(|| format!("{}\nhelp: {}", told["text"], told["help"]))
    });
    insta::assert_snapshot!(filtered(&told, &project), @r#"
    "namespace `NAMESPACE` was deleted, with all that is in it"
    help: "once it is gone, everything in it is deployed again"
    "#);
    mended(&mut wharf);
    let all = kubectl(&[
        "get",
        "deployment/web",
        "configmap/extra",
        "-n",
        project.namespace(),
        "-o",
        "name",
    ]);
    assert_eq!(all, "deployment.apps/web\nconfigmap/extra\n");
    assert_eq!(wharf.interrupt(), Some(0));
}

/// Leaves release `web` as `pending-install`: its Helm is killed while a hook runs.
fn killed_helm(project: &Project) {
    let chart = project.folder().join("chart").display().to_string();
    let command = "--set=hook=sleep 1000";
    let install =
        ["install", "web", &chart, "-n", project.namespace(), "--create-namespace", command];
    let mut helm = Command::new("helm");
    let mut helm = helm.args(install).stdout(Stdio::null()).spawn().expect("helm starts");
    wait_for("the hook of the other Helm", || {
        let get =
            ["get", "job/migrate", "-n", project.namespace(), "--ignore-not-found", "-o", "name"];
        (!kubectl(&get).is_empty()).then_some(())
    });
    helm.kill().and_then(|()| helm.wait()).expect("it can be killed");
}

fn map(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra}}\ndata:\n  {data}\n")
}

const CONFIG: &str = "images: {web: {context: .}}\nreleases: {web: {chart: chart}}\n\
                      manifests: {extra: extra/*.yaml}\n";

/// A hook that runs a command of the values, where they have one.
const HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
        - name: migrate
          image: busybox:1.36
          command: [sh, -c, "echo migrating; {{ .Values.hook | default `true` }}; exit 0"]
"#;
