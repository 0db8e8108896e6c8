//! Failures of what was deployed: it is in the cluster and does not become ready.

use super::{failures, mended, times_told};
use crate::support::{Project, Wharf, bring, kubectl, output, part};

/// Each release, and what keeps its pod from being ready.
const BROKEN: [(&str, &str); 11] = [
    ("crash", "command: [sh, -c, \"echo opening the database; echo no DATABASE_URL; exit 4\"]"),
    ("host", "image: no-such.invalid/team/worker:1"),
    ("never", "image: worker:1, imagePullPolicy: Never"),
    ("lacking", "image: REGISTRY/acme/lacking:1"),
    ("node", "nodeSelector: {disk: fast}"),
    ("memory", "resources: {requests: {memory: 900Gi}}"),
    ("probe", "readinessProbe: {httpGet: {port: 80, path: /ready}, periodSeconds: 1}"),
    ("claim", "volume: fast-ssd"),
    ("key", "env: [{name: URL, valueFrom: {configMapKeyRef: {name: settings, key: ulr}}}]"),
    ("login", "env: [{name: URL, valueFrom: {secretKeyRef: {name: login, key: pasword}}}]"),
    ("secret", "envFrom: [{secretRef: {name: passwords}}]"),
];

#[test]
#[ignore = "needs a cluster"]
fn what_is_deployed_and_does_not_become_ready() {
    bring("busybox:1.36");
    let registry = part("registry").remove("WHARF_REGISTRY").expect("it is exported");
    let project = Project::of("broken", &[]);
    let releases = BROKEN.map(|(name, _)| match name {
        // Whoever waits for ever is told what for, and that its time is over.
        "probe" => format!("  {name}: {{files: {name}.yaml, wait: {{timeout: 20s}}}}\n"),
        _ => format!("  {name}: {name}.yaml\n"),
    });
    project.write("wharf.yaml", &format!("manifests:\n{}", releases.concat()));
    for (name, fault) in BROKEN {
        project
            .write(&format!("{name}.yaml"), &worker(name, &fault.replace("REGISTRY", &registry)));
    }
    let mut wharf = Wharf::start(&project, &["dev"]);
    let pod = regex::Regex::new(r"-[0-9a-f]{6,10}-[a-z0-9]{5}\b").expect("it is a pattern");
    let address = regex::Regex::new(r"\b10\.\d+\.\d+\.\d+\b").expect("it is a pattern");
    let cluster = kubectl(&["config", "current-context"]).trim().replace("kind-", "");
    let told = failures(&mut wharf, &project, BROKEN.len());
    let shown = |name: &str| {
        let text = pod.replace_all(&told[name], "-POD");
        let text = text.replace(&cluster, "CLUSTER");
        address.replace_all(&text, "ADDRESS").into_owned()
    };
    insta::assert_snapshot!(shown("crash"), @r"
    crash  failed: deployment/crash: container `crash` exited with code 4
      opening the database
      no DATABASE_URL
    [wharf::observe::crash_loop]
    ");
    insta::assert_snapshot!(shown("host"), @r#"
    host  failed: deployment/host: container `host`: image `no-such.invalid/team/worker:1` cannot be pulled: no-such.invalid is out of reach: no such host
    help: check the name of `no-such.invalid/team/worker:1`, and whether the node reaches its registry; if the project builds it, name it as an image in wharf.yaml
    help: if Docker has it, bring it to the nodes: `kind load docker-image no-such.invalid/team/worker:1 --name CLUSTER`
    [wharf::observe::image_not_pulled]
    "#);
    insta::assert_snapshot!(shown("lacking"), @r"
    lacking  failed: deployment/lacking: container `lacking`: image `127.0.0.1:PORT/acme/lacking:1` cannot be pulled: not found
    help: check the name and tag of `127.0.0.1:PORT/acme/lacking:1`; if the project builds it, name it as an image in wharf.yaml
    help: if Docker has it, bring it to the nodes: `kind load docker-image 127.0.0.1:PORT/acme/lacking:1 --name CLUSTER`
    [wharf::observe::image_not_pulled]
    ");
    insta::assert_snapshot!(shown("never"), @r"
    never  failed: deployment/never: container `never`: image `worker:1` is not on the node, and `imagePullPolicy: Never` forbids to pull it
    help: name an image that the project builds, or use `IfNotPresent`
    help: if Docker has it, bring it to the nodes: `kind load docker-image worker:1 --name CLUSTER`
    [wharf::observe::image_not_pulled]
    ");
    insta::assert_snapshot!(shown("node"), @r"
    node  failed: deployment/node: unschedulable: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector
    help: no node has the labels that `nodeSelector` or `affinity` asks for: `kubectl get nodes --show-labels`
    [wharf::observe::unschedulable]
    ");
    insta::assert_snapshot!(shown("memory"), @r"
    memory  failed: deployment/memory: unschedulable: 0/1 nodes are available: 1 Insufficient memory
    help: lower `resources.requests`, or free room: `kubectl describe nodes` shows who holds it
    [wharf::observe::unschedulable]
    ");
    insta::assert_snapshot!(shown("probe"), @r#"
    probe  failed: not ready after 20 s
      deployment/probe: pod probe-POD waits for its readiness probe (Get "http://ADDRESS:80/ready": dial tcp ADDRESS:80: connect: connection refused)
    help: give it longer with `wait: {timeout: …}` of the release, or wait for less with `wait: false`
    [wharf::observe::too_late]
    "#);
    insta::assert_snapshot!(shown("claim"), @r#"
    claim  failed: claim/data is unbound: storageclass.storage.k8s.io "fast-ssd" not found
      deployment/claim waits for it
    help: name an existing class in `spec.storageClassName` of claim `data`: `kubectl get storageclass`
    [wharf::observe::unbound_claim]
    "#);
    insta::assert_snapshot!(shown("key"), @r"
    key  failed: deployment/key: container `key` cannot start: couldn't find key ulr in ConfigMap NAMESPACE/settings
    help: add `ulr` to it, or name a key that it has: `kubectl describe configmap settings -n NAMESPACE`
    [wharf::observe::missing]
    ");
    insta::assert_snapshot!(shown("login"), @r"
    login  failed: deployment/login: container `login` cannot start: couldn't find key pasword in Secret NAMESPACE/login
    help: add `pasword` to it, or name a key that it has: `kubectl describe secret login -n NAMESPACE`
    [wharf::observe::missing]
    ");
    insta::assert_snapshot!(shown("secret"), @r#"
    secret  failed: deployment/secret: container `secret` cannot start: secret "passwords" not found
    help: add secret `passwords` to the manifests, or make it: `kubectl create secret generic passwords -n NAMESPACE --from-literal=KEY=VALUE`
    [wharf::observe::missing]
    "#);
    assert_eq!(wharf.round(), BROKEN.len() as u64);

    // At once, long before it is called a failure, with the program's own last lines.
    let all = wharf.reports();
    let crash = all.iter().find(|told| told["report"] == "pod" && told["container"] == "crash");
    let crash = crash.expect("the crash is told");
    insta::assert_snapshot!(crash["what"].as_str().unwrap_or_default(), @"exited with code 4");
    assert_eq!(crash["last_lines"], serde_json::json!(["opening the database", "no DATABASE_URL"]));

    // What somebody else puts right is noticed without a save.
    let add = "{\"stringData\": {\"pasword\": \"x\"}}";
    kubectl(&["patch", "secret", "login", "-n", project.namespace(), "--type=merge", "-p", add]);
    wharf.next("that the key is there", |told| {
        (told["name"] == "login" && told["news"] == "live").then_some(())
    });
    assert_eq!(wharf.round(), BROKEN.len() as u64 - 1);

    for (name, _) in BROKEN {
        project.write(&format!("{name}.yaml"), &worker(name, ""));
    }
    mended(&mut wharf);
    for (name, _) in BROKEN {
        let ready = ["get", &format!("deployment/{name}"), "-n", project.namespace(), "-o"];
        let ready = kubectl(&[&ready[..], &["jsonpath={.status.readyReplicas}"]].concat());
        assert_eq!(ready, "1", "{name}");
    }
    assert_eq!(times_told(&wharf, "wharf::observe::crash_loop"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}

/// Kubelet looks again minutes later; the next `wharf run` does not take the last look for news.
#[test]
#[ignore = "needs a cluster"]
fn an_image_that_somebody_brings_is_found_by_the_next_run() {
    let image = format!("brought-{}:1", std::process::id());
    let project = Project::of("brought", &[]);
    project.write("wharf.yaml", "manifests: {tool: tool.yaml}\n");
    project.write("tool.yaml", &worker("tool", &format!("image: \"{image}\"")));
    let (status, told) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(1));
    assert!(told.iter().any(|told| told["code"] == "wharf::observe::image_not_pulled"), "{told:?}");

    output("docker", &["tag", "busybox:1.36", &image]);
    bring(&image);
    let (status, told) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0), "{told:?}");
    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0));
    output("docker", &["rmi", &image]);
}

/// A Deployment that runs, but for `fault`, and a ConfigMap for it.
fn worker(name: &str, fault: &str) -> String {
    let of = |key: &str, otherwise: &str| match fault.strip_prefix(&format!("{key}: ")) {
        Some(_) => String::new(),
        None => otherwise.to_owned(),
    };
    let (claim, mount, volumes) = match fault.strip_prefix("volume: ") {
        Some(class) => (
            format!(
                "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\n\
                 spec: {{accessModes: [ReadWriteOnce], storageClassName: {class}, \
                 resources: {{requests: {{storage: 1Mi}}}}}}\n"
            ),
            ", volumeMounts: [{name: data, mountPath: /data}]",
            "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]",
        ),
        None => (String::new(), "", ""),
    };
    let in_pod = if fault.starts_with("nodeSelector") { fault } else { volumes };
    let in_container = match fault {
        "" => String::new(),
        _ if !in_pod.is_empty() => String::new(),
        fault => format!(", {fault}"),
    };
    let settings = match name {
        "key" => {
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {url: x}\n"
        }
        "login" => {
            "---\napiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: x}\n"
        }
        _ => "",
    };
    let image = of("image", ", image: \"busybox:1.36\"");
    let command = of("command", ", command: [sleep, \"10000\"]");
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         terminationGracePeriodSeconds: 0\n      {in_pod}\n      \
         containers:\n        - {{name: {name}{image}{command}{mount}{in_container}}}\n{settings}{claim}"
    )
}
