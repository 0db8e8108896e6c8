//! A project in Skaffold's style: three documents, one in a module of its own; artifacts that
//! require others, one with a custom builder; a release, manifests and a kustomization by profile;
//! hooks here and in containers; a tag policy. Up, an edit, away; then built, rendered and applied.

use serde_json::Value;

use crate::support::{Inventory, Project, Wharf, free_port, get, kubectl, output, wait_for};

const SKAFFOLD: &str = r#"apiVersion: skaffold/v4beta11
kind: Config
metadata: {name: front}
requires: [{path: back}]
build:
  tagPolicy: {envTemplate: {template: "v-{{.MARK}}"}}
  artifacts:
  - {image: sk/base, context: base}
  - image: sk/web
    context: web
    requires: [{image: sk/base, alias: BASE}]
    hooks:
      before: [{command: [sh, -c, "echo before $SKAFFOLD_IMAGE_REPO >>$HOOKS"]}]
      after: [{command: [sh, -c, "echo after $SKAFFOLD_IMAGE_REPO >>$HOOKS"]}]
  - image: sk/tool
    context: tool
    requires: [{image: sk/base, alias: BASE}]
    custom:
      buildCommand: docker build -q -t "$IMAGE" --build-arg BASE="$BASE" "$BUILD_CONTEXT"
      dependencies: {paths: [.]}
deploy:
  helm:
    hooks:
      before: [{host: {command: [sh, -c, "echo deploying to $SKAFFOLD_NAMESPACES >>$HOOKS"]}}]
      after: [{container: {podName: "web-*", containerName: web, command: [cat, /www/index.html]}}]
    releases:
    - name: web
      chartPath: chart
      setValueTemplates:
        image.repository: "{{.IMAGE_REPO_sk_web}}"
        image.tag: "{{.IMAGE_TAG_sk_web}}"
        version: "{{.IMAGE_TAG_sk_web}}"
        tool: "{{.IMAGE_FULLY_QUALIFIED_sk_tool}}"
portForward: [{resourceType: service, resourceName: web, port: 80, localPort: PORT}]
---
apiVersion: skaffold/v2beta29
kind: Config
metadata: {name: settings}
deploy: {kustomize: {paths: [overlay/usual]}}
profiles: [{name: other, deploy: {kustomize: {paths: [overlay/other]}}}]
"#;

const CHART: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      initContainers: [{name: tool, image: "{{ .Values.tool }}"}]
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          env: [{name: VERSION, value: "{{ .Values.version }}"}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
"#;

const WORKER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: worker, image: sk/worker}]
";

const BACK: &str = "apiVersion: skaffold/v2beta20
kind: Config
metadata: {name: back}
build: {artifacts: [{image: sk/worker}]}
deploy: {kubectl: {manifests: [k8s/*.yaml]}}
";

fn overlay(value: &str) -> String {
    format!(
        "configMapGenerator: [{{name: settings, literals: [mode={value}]}}]\n\
         generatorOptions: {{disableNameSuffixHash: true}}\n"
    )
}

fn project(port: u16) -> Project {
    let (usual, other) = (overlay("usual"), overlay("other"));
    let mut project = Project::of(
        "front",
        &[
            ("skaffold.yaml", &SKAFFOLD.replace("PORT", &port.to_string())),
            ("base/Dockerfile", "FROM busybox:1.36\nCOPY kit /kit\n"),
            (
                "web/Dockerfile",
                "ARG BASE\nFROM ${BASE}\nCOPY www /www\n\
                 CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n",
            ),
            ("tool/Dockerfile", "ARG BASE\nFROM ${BASE}\nCMD [\"cat\", \"/kit\"]\n"),
            ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"),
            ("chart/values.yaml", "{}\n"),
            ("chart/templates/web.yaml", CHART),
            ("overlay/usual/kustomization.yaml", &usual),
            ("overlay/other/kustomization.yaml", &other),
            ("back/skaffold.yaml", BACK),
            ("back/Dockerfile", "FROM busybox:1.36\nCOPY loop /loop\nCMD [\"sh\", \"/loop\"]\n"),
            ("back/k8s/worker.yaml", WORKER),
        ],
    );
    let mark = project.namespace().to_owned();
    project.write("base/kit", &mark);
    project.write("web/www/index.html", &format!("first of {mark}"));
    project.write("back/loop", &format!("echo {mark}\nexec sleep 100000\n"));
    project.set_variable("MARK", &mark);
    let hooks = project.home().join("hooks.log");
    project.set_variable("HOOKS", &hooks.display().to_string());
    project
}

#[test]
#[ignore = "needs a cluster"]
fn a_project_of_skaffold_runs_as_it_is() {
    let port = free_port();
    let project = project(port);
    let mark = project.namespace();
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev", "-p", "other", "--trigger=notify"]);
    assert_eq!(wharf.round(), 0);
    assert_eq!(get(port, "/"), Some(format!("first of {mark}")));
    assert_eq!(of("configmap/settings", "{.data.mode}", mark), "other");
    assert_eq!(of("deploy/worker", "{.status.readyReplicas}", mark), "1");
    let image = of("deploy/web", "{..containers[0].image}", mark);
    let version = of("deploy/web", "{..containers[0].env[0].value}", mark);
    assert_eq!(image, format!("sk/web:{version}"));
    assert!(of("deploy/web", "{..initContainers[0].image}", mark).starts_with("sk/tool:"));
    let hooks = || std::fs::read_to_string(project.home().join("hooks.log")).unwrap_or_default();
    let deploying = format!("deploying to {mark}\n");
    assert_eq!(hooks(), format!("before sk/web\nafter sk/web\n{deploying}"));
    assert!(says(&wharf.reports(), &format!("first of {mark}")), "the hook in the container");
    let also = format!("sk/web:v-{mark}");
    let id = |image: &str| output("docker", &["image", "inspect", "-f", "{{.Id}}", image]);
    assert_eq!(id(&also), id(&image));

    project.write("web/www/index.html", &format!("second of {mark}"));
    wait_for("the edit", || get(port, "/")?.starts_with("second").then_some(()));
    assert_eq!(wharf.round(), 0);
    assert_ne!(of("deploy/web", "{..containers[0].env[0].value}", mark), version);
    assert_eq!(hooks().matches("deploying").count(), 2);
    assert!(says(&wharf.reports(), &format!("second of {mark}")), "the hook after the edit");
    assert_eq!(wharf.interrupt(), Some(0));
    let _ = std::fs::remove_file(project.home().join("hooks.log"));
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());

    one_step_after_the_other(&project);
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}

/// As a pipeline does it: build, render with what was built, apply, delete.
fn one_step_after_the_other(project: &Project) {
    let tags = project.home().join("tags.json");
    let all = project.home().join("all.yaml");
    let (tags, all) = (tags.display().to_string(), all.display().to_string());
    let done = |args: &[&str]| {
        let (status, reports) = Wharf::run(project, args);
        assert!(status.success(), "{args:?}: {reports:#?}");
        reports
    };
    done(&["build", "--file-output", &tags, "--cache-artifacts=true", "-v", "warn"]);
    let text = std::fs::read_to_string(&tags).expect("the file is written");
    let built: Value = serde_json::from_str(&text).expect("it is JSON");
    let names: Vec<&str> = built["builds"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|build| build["imageName"].as_str())
        .collect();
    assert_eq!(names, ["sk/base", "sk/tool", "sk/web", "sk/worker"]);
    done(&["deploy", "-a", &tags, "-m", "back", "--status-check"]);
    assert_eq!(of("deploy/worker", "{.status.readyReplicas}", project.namespace()), "1");
    done(&["delete"]);
    done(&["render", "--build-artifacts", &tags, "-m", "settings", "-o", &all]);
    done(&["apply", &all]);
    assert_eq!(of("configmap/settings", "{.data.mode}", project.namespace()), "usual");
    done(&["delete"]);
}

fn of(object: &str, path: &str, namespace: &str) -> String {
    kubectl(&["get", object, "-n", namespace, "-o", &format!("jsonpath={path}")])
}

/// Whether a note has `text`.
fn says(reports: &[Value], text: &str) -> bool {
    let notes = reports.iter().filter(|report| report["report"] == "note");
    notes.filter_map(|note| note["text"].as_str()).any(|note| note.contains(text))
}
