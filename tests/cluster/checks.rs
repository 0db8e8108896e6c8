//! A project in Skaffold's style with what runs beside the loop: tests of an image, verifications
//! in Docker and in the cluster, a custom action; kpt's functions and a rule for images.

use serde_json::Value;

use crate::support::{Inventory, Project, Wharf, kubectl, output};

const SKAFFOLD: &str = r#"apiVersion: skaffold/v4beta14
kind: Config
metadata: {name: checked}
build: {artifacts: [{image: ck/app, context: app}]}
test:
- image: ck/app
  custom: [{command: "docker run --rm --name wharf-check-test-$$ $IMAGE cat /www/index.html >>$TESTED", timeoutSeconds: 120}]
manifests:
  rawYaml: [k8s/*.yaml]
  transform:
  - {name: set-annotations, configMap: ["example.com/team:blue"]}
  - {name: apply-setters, configMap: ["mode:bright"]}
  validate: [{name: kubeval}]
resourceSelector: {deny: [{groupKind: CronJob.batch, image: [".*"]}]}
verify:
- name: here
  container: {name: here, image: ck/app, command: [cat], args: [/www/index.html]}
- name: there
  timeout: 120
  container:
    name: there
    image: ck/app
    command: [sh, -c, "wget -qO- http://$HOST && hostname"]
    env: [{name: HOST, value: web}]
  executionMode:
    kubernetesCluster: {overrides: '{"spec": {"hostname": "named"}}'}
customActions:
- name: good
  containers: [{name: say, image: ck/app, command: [sh, -c, "echo said $WORD"]}]
- name: bad
  executionMode: {kubernetesCluster: {}}
  containers: [{name: fail, image: ck/app, command: [sh, -c, "echo no; exit 7"]}]
- name: quick
  containers:
  - {name: fail, image: ck/app, command: [sh, -c, "exit 3"]}
  - {name: wait, image: ck/app, command: [sleep, "600"]}
"#;

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: ck/app
        env:
        - name: MODE
          value: dark # kpt-set: ${mode}
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: never}
spec:
  schedule: '0 0 31 2 *'
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: ck/app}]}}}}
";

#[test]
#[ignore = "needs a cluster"]
fn what_runs_beside_the_loop_runs_to_its_end() {
    let mut project = Project::of(
        "checked",
        &[
            ("skaffold.yaml", SKAFFOLD),
            (
                "app/Dockerfile",
                "FROM busybox:1.36\nCOPY www /www\n\
                 CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n",
            ),
            ("k8s/web.yaml", WEB),
        ],
    );
    let mark = project.namespace().to_owned();
    project.write("app/www/index.html", &format!("page of {mark}\n"));
    let tested = project.home().join("tested.log");
    project.set_variable("TESTED", &tested.display().to_string());
    let before = Inventory::take(&project);
    let tags = project.home().join("tags.json").display().to_string();
    let run = |args: &[&str]| {
        let (status, reports) = Wharf::run(&project, args);
        (status.code(), reports)
    };
    let done = |args: &[&str]| {
        let (code, reports) = run(args);
        assert_eq!(code, Some(0), "{args:?}: {reports:#?}");
        reports
    };
    let log = || std::fs::read_to_string(&tested).unwrap_or_default();

    done(&["run"]);
    assert_eq!(log(), format!("page of {mark}\n"), "the test runs once its image is built");
    assert_eq!(of("deploy/web", "{.metadata.annotations.example\\.com/team}", &mark), "blue");
    assert_eq!(of("deploy/web", "{..containers[0].env[0].value}", &mark), "bright");
    assert!(of("deploy/web", "{..containers[0].image}", &mark).starts_with("ck/app:"));
    assert_eq!(of("cronjob/never", "{..containers[0].image}", &mark), "ck/app");

    done(&["build", "--file-output", &tags]);
    let told = done(&["test", "-a", &tags]);
    assert_eq!(log(), format!("page of {mark}\npage of {mark}\n"), "{told:#?}");
    let told = done(&["verify", "-a", &tags]);
    for line in [
        format!("here | page of {mark}"),
        format!("there | page of {mark}"),
        "there | named".to_owned(),
    ] {
        assert!(says(&told, &line), "`{line}`: {told:#?}");
    }
    let env = project.home().join("env").display().to_string();
    std::fs::write(&env, "WORD=hello\n").expect("it is written");
    let told = done(&["exec", "good", "-a", &tags, "--env-file", &env]);
    assert!(says(&told, "say | said hello"), "{told:#?}");
    let (code, told) = run(&["exec", "bad", "-a", &tags]);
    assert_eq!(code, Some(1), "{told:#?}");
    assert!(says(&told, "fail | no") && failure(&told).contains("1 of 1 failed: bad"), "{told:#?}");
    let (code, told) = run(&["exec", "quick", "-a", &tags]);
    assert_eq!(code, Some(1), "the first failure ends the other: {told:#?}");
    assert!(failure(&told).contains("quick/fail"), "{told:#?}");
    let (code, told) = run(&["exec", "none"]);
    assert_eq!(code, Some(2), "{told:#?}");
    assert!(failure(&told).contains("no custom action named `none`"), "{told:#?}");
    done(&["delete"]);
    for file in [&tags, &env, &tested.display().to_string()] {
        let _ = std::fs::remove_file(file);
    }
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
    let left = output("docker", &["ps", "-a", "--filter", "name=wharf-check-.*quick", "-q"]);
    assert_eq!(left, "", "containers are left");
}

fn of(object: &str, path: &str, namespace: &str) -> String {
    kubectl(&["get", object, "-n", namespace, "-o", &format!("jsonpath={path}")])
}

/// Whether a note is `text`.
fn says(reports: &[Value], text: &str) -> bool {
    let notes = reports.iter().filter(|report| report["report"] == "note");
    notes.filter_map(|note| note["text"].as_str()).any(|note| note == text)
}

/// What the command failed of.
fn failure(reports: &[Value]) -> String {
    let failed = reports.iter().rev().find(|report| report["report"] == "failed");
    failed.map(ToString::to_string).unwrap_or_default()
}
