//! Flags of commands, one after the other on one project: each does what it says.

use serde_json::Value;

use crate::support::{Project, Wharf, free_port, get, kubectl, output, wait_for};

const MANIFEST: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: flags}
spec:
  selector: {matchLabels: {app: flags}}
  template:
    metadata: {labels: {app: flags}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: flags
        image: flags
        readinessProbe: {exec: {command: [test, -f, /tmp/ready]}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: flags}
spec:
  selector: {app: flags}
  ports: [{port: 80, targetPort: 8080}]
";

fn project() -> Project {
    let project = Project::of("flags", &[("k8s/flags.yaml", MANIFEST)]);
    let config = format!(
        "images: {{flags: {{}}}}\nmanifests: [k8s/flags.yaml]\nlogs: false\n\
         forward: [service/flags: '{}:80']\n",
        free_port()
    );
    project.write("wharf.yaml", &config);
    project.write("Dockerfile", &dockerfile(&project, "while :; do sleep 1; done"));
    project
}

/// A server that says so in its log, once `first` is done.
fn dockerfile(project: &Project, first: &str) -> String {
    let mark = project.namespace();
    let serve = "touch /tmp/ready; exec httpd -f -p 8080 -h /www";
    format!(
        "FROM busybox:1.36\nRUN mkdir /www && echo page of {mark} >/www/index.html\n\
         CMD [\"sh\", \"-c\", \"echo started {mark}; {first}; {serve}\"]\n"
    )
}

#[test]
#[ignore = "needs a cluster"]
fn each_flag_does_what_it_says() {
    let project = project();
    let mark = project.namespace();
    let done = |args: &[&str]| {
        let (status, reports) = Wharf::run(&project, args);
        assert_eq!(status.code(), Some(0), "{args:?}: {reports:#?}");
        reports
    };
    let built = |reports: &[Value]| -> Option<Vec<u64>> {
        let built = reports.iter().find(|report| report["news"] == "built")?;
        let cached = built["cached"].as_array().expect("steps from the cache, and all");
        Some(cached.iter().filter_map(Value::as_u64).collect())
    };

    // It does not wait for what never becomes ready.
    let reports = done(&["run", "--wait=false"]);
    assert!(built(&reports).is_some(), "{reports:#?}");
    let ready = "jsonpath={.status.readyReplicas}";
    assert_eq!(kubectl(&["get", "deploy/flags", "-n", mark, "-o", ready]), "");

    project.write("Dockerfile", &dockerfile(&project, ":"));
    let images = project.home().join("images.json").display().to_string();
    let reports = done(&["build", "--file-output", &images]);
    assert!(built(&reports).is_some(), "{reports:#?}");
    let text = std::fs::read_to_string(&images).expect("it was written");
    let text: Value = serde_json::from_str(&text).expect("it is JSON");
    let image = text["images"]["flags"].as_str().expect("the image is there").to_owned();
    assert_eq!(built(&done(&["build"])), None, "it is there");
    let afresh = built(&done(&["build", "--no-cache"])).expect("it is built anew");
    assert_eq!(afresh[0], 0, "no step comes from the cache: {afresh:?}");

    let rendered = done(&["render", "--images", &images]);
    let rendered = rendered.iter().find(|report| report["report"] == "data").expect("manifests");
    assert!(rendered["data"].as_str().unwrap_or_default().contains(&image), "{rendered}");
    // What is given is not built, whatever the Dockerfile says meanwhile.
    project.write("Dockerfile", "FROM busybox:1.36\nRUN exit 1\n");
    let reports = done(&["deploy", "--images", &images]);
    assert_eq!(built(&reports), None, "{reports:#?}");
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl(&["get", "deploy/flags", "-n", mark, "-o", path]), image);
    project.write("Dockerfile", &dockerfile(&project, ":"));

    // `logs: false` is about what the loop shows by itself.
    let line = format!("started {mark}");
    let says = |report: &Value| report["report"] == "log" && report["text"] == line.as_str();
    assert!(done(&["logs"]).iter().any(says), "the line is there");
    let mut logs = Wharf::start(&project, &["logs", "-f"]);
    logs.next("the log line", |report| says(report).then_some(()));
    assert_eq!(logs.interrupt(), Some(0));

    let doctor = Wharf::run(&project, &["doctor"]).1;
    for name in ["project", "docker", "contexts", "context", "cluster", "kind", "nodes", "clock"] {
        let check = doctor.iter().find(|report| report["name"] == name);
        let check = check.unwrap_or_else(|| panic!("{name}: {doctor:#?}"));
        assert_ne!(check["state"], "fail", "{check}");
    }
    assert!(!doctor.iter().any(|report| report["name"] == "helm"), "no release is Helm's");

    project.edit("wharf.yaml", "logs: false\n", "");
    project.write("Dockerfile", &dockerfile(&project, "echo another"));
    let mut run = Wharf::start(&project, &["run", "--tail", "--port-forward"]);
    let port = run.port("service/flags");
    let page = format!("page of {mark}");
    wait_for("the page", || (get(port, "/")? == page).then_some(()));
    let says = |report: &Value| report["report"] == "log" && report["text"] == "another";
    wait_for("the log", || run.reports().iter().any(says).then_some(()));
    assert_eq!(run.interrupt(), Some(0), "it stays until it is told to end");
    let stands = kubectl(&["get", "deploy/flags", "-n", mark, "-o", path]);
    assert!(
        stands.starts_with("flags:") && stands != image,
        "and what it deployed stands: {stands}"
    );
    done(&["delete"]);

    let data = Project::of(
        "data",
        &[
            ("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n"),
            ("wharf.yaml", "images: {data: {}}\n"),
        ],
    );
    let (status, reports) = Wharf::run(&data, &["build", "--platform", "linux/arm64"]);
    assert_eq!(status.code(), Some(0), "{reports:#?}");
    let told = reports.iter().find(|report| report["report"] == "data").expect("the references");
    let image = told["data"]["images"]["data"].as_str().expect("it is there").to_owned();
    let architecture =
        output("docker", &["image", "inspect", &image, "--format", "{{.Architecture}}"]);
    assert_eq!(architecture.trim(), "arm64");
}
