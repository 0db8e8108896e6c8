//! The way to the cluster, and the guard: wharf acts on the cluster that was meant, or not at all.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{failure, filtered, mended, times_told};
use crate::support::{Project, StandIn, Wharf, get, kubectl, output, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn the_way_to_the_cluster_is_mended_step_by_step() {
    let project = Project::hello();
    let path = project.home().join("kubeconfig");
    let mut known = kubeconfig();
    let server = text(&known, "/clusters/0/cluster/server").to_owned();
    let server = server.strip_prefix("https://").expect("it speaks TLS");
    let mut api = StandIn::tcp(server.parse().expect("it is an address"));
    set(&mut known, "/clusters/0/cluster/server", &format!("https://{}", api.address()));
    // A cluster on another machine, which does not answer.
    let remote = json!({"server": format!("https://{}:1", own_address())});
    push(&mut known, "/clusters", json!({"name": "remote", "cluster": remote}));
    let user = text(&known, "/users/0/name").to_owned();
    let staging = json!({"name": "staging", "context": {"cluster": "remote", "user": user}});
    push(&mut known, "/contexts", staging);
    let context = text(&known, "/contexts/0/name").to_owned();

    let mut wharf = Wharf::start_with(&project, &["dev"], |command| {
        command.env("KUBECONFIG", &path);
    });
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    error: no kubeconfig with a context was found
      looked in `HOME/kubeconfig`
    help: make a local cluster: `kind create cluster`
    [wharf::cluster::no_kubeconfig]
    ");

    set(&mut known, "/current-context", &context.replacen("kind", "knid", 1));
    write(&path, &known);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    error: the kubeconfig has no context `knid-wharf-test`
    help: did you mean `kind-wharf-test`?
    [wharf::cluster::no_such_context]
    ");

    set(&mut known, "/current-context", "staging");
    write(&path, &known);
    let told = failure(&mut wharf, &project).replace(&own_address(), "ADDRESS");
    insta::assert_snapshot!(told, @r#"
    error: context `staging` is not a local cluster, and nobody allowed it
      it leads to https://ADDRESS:1
    help: allow it this once: `--context staging`
    help: allow it always: `cluster: {allow: ["staging"]}` in wharf.yaml
    [wharf::cluster::not_allowed]
    "#);
    let status = |more: &[&str]| {
        let mut wharf = Wharf::start_with(&project, &[&["status"], more].concat(), |command| {
            command.env("KUBECONFIG", &path);
        });
        let code = wharf.wait().code();
        let reports = wharf.reports();
        let refused = reports.iter().any(|report| report["code"] == "wharf::cluster::not_allowed");
        (code, refused)
    };
    assert_eq!(status(&[]), (Some(2), true));
    assert_eq!(status(&["--context", "staging"]), (Some(1), false), "it was asked for by name");

    let config = "images:\n  hello: {command: ./build.sh, inputs: [app.py]}\nreleases:\n  hello: {chart: chart}\n\
                  forward: [service/hello]\n";
    let build = "#!/bin/sh\necho \"$KUBECONFIG\" > given\ndocker build -t \"$IMAGE\" .\n";
    project.write("build.sh", build);
    output("chmod", &["+x", &project.folder().join("build.sh").display().to_string()]);
    project.write("wharf.yaml", &format!("{config}cluster: {{allow: [\"stag*\"]}}\n"));
    let told = failure(&mut wharf, &project).replace(&own_address(), "ADDRESS");
    insta::assert_snapshot!(told, @r"
    error: cluster `staging` does not answer at https://ADDRESS:1
      Connection refused (os error 111)
    help: check the network, the VPN, and the context
    [wharf::cluster::unreachable]
    ");

    set(&mut known, "/current-context", &context);
    write(&path, &known);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    error: cluster `kind-wharf-test` does not answer at https://127.0.0.1:PORT
      Connection refused (os error 111)
    help: start its node if it is stopped: `docker start wharf-test-control-plane`
    help: make it if it is gone: `kind create cluster --name wharf-test`
    [wharf::cluster::unreachable]
    ");
    api.start();
    let port = wharf.port("service/hello");
    mended(&mut wharf);
    assert_eq!(private_files(&project), [0o600], "nobody else can read it");
    assert_child_is_pinned(&project);

    api.stop();
    let note = wharf.next("that the cluster is away", |report| {
        (report["report"] == "note").then(|| report["text"].as_str().map(str::to_owned))?
    });
    insta::assert_snapshot!(filtered(&note, &project), @"the cluster does not answer; waiting for it");
    project.edit("app.py", "hello from wharf", "hello again");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed: cluster `kind-wharf-test` does not answer at https://127.0.0.1:PORT
      Connection refused (os error 111)
    help: start its node if it is stopped: `docker start wharf-test-control-plane`
    help: make it if it is gone: `kind create cluster --name wharf-test`
    [wharf::cluster::unreachable]
    ");
    api.start();
    mended(&mut wharf);
    wait_for("the edit", || (get(port, "/")? == "hello again").then_some(()));
    assert_eq!(times_told(&wharf, "wharf::cluster::unreachable"), 3);
    assert_eq!(times_told(&wharf, "wharf::cluster::not_allowed"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
    assert!(private_files(&project).is_empty());
}

#[test]
#[ignore = "needs a cluster"]
fn a_context_that_was_mistyped_is_not_waited_for() {
    let project = Project::web();
    let path = project.home().join("kubeconfig");
    let known = kubeconfig();
    write(&path, &known);
    let typo = text(&known, "/contexts/0/name").replacen("kind", "knid", 1);
    let mut wharf = Wharf::start_with(&project, &["dev", "--context", &typo], |command| {
        command.env("KUBECONFIG", &path);
    });
    assert_eq!(wharf.wait().code(), Some(2));
    let told = wharf.reports().into_iter().find(|told| told["report"] == "failed");
    insta::assert_snapshot!(super::shown(&told.expect("it is told"), &project), @r"
    error: the kubeconfig has no context `knid-wharf-test`
    help: did you mean `kind-wharf-test`?
    [wharf::cluster::no_such_context]
    ");
}

#[test]
#[ignore = "needs a cluster"]
fn a_cluster_that_looks_remote_is_used_once_it_is_allowed() {
    let project = Project::web();
    let path = project.home().join("kubeconfig");
    let config = "images: {web: {}}\nreleases: {web: {chart: chart}}\nforward: [service/web]\n";
    project.write("wharf.yaml", config);
    // As a cloud's: neither the name nor the address says that it is a cluster of this machine.
    let mut known = kubeconfig();
    let address =
        kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}"]);
    set(&mut known, "/contexts/0/name", "shop-eu");
    set(&mut known, "/current-context", "shop-eu");
    set(&mut known, "/clusters/0/cluster/server", &format!("https://{address}:6443"));
    write(&path, &known);
    let with = |args: &[&str]| {
        Wharf::start_with(&project, args, |command| {
            command.env("KUBECONFIG", &path);
        })
    };
    let mut wharf = with(&["dev"]);
    let told = failure(&mut wharf, &project).replace(&address, "ADDRESS");
    insta::assert_snapshot!(told, @r#"
    error: context `shop-eu` is not a local cluster, and nobody allowed it
      it leads to https://ADDRESS:6443
    help: allow it this once: `--context shop-eu`
    help: allow it always: `cluster: {allow: ["shop-eu"]}` in wharf.yaml
    [wharf::cluster::not_allowed]
    "#);
    let namespace = || kubectl(&["get", "namespace", project.namespace(), "--ignore-not-found"]);
    assert_eq!(namespace(), "", "nothing was done there");
    project.write("wharf.yaml", &format!("{config}cluster: {{allow: [\"shop-*\"]}}\n"));
    let port = wharf.port("service/web");
    mended(&mut wharf);
    let page = project.read("www/index.html");
    wait_for("the page", || (get(port, "/")? == page).then_some(()));
    assert_eq!(wharf.interrupt(), Some(0));

    project.write("wharf.yaml", config);
    let mut wharf = with(&["deploy", "--context", "shop-eu"]);
    assert_eq!(wharf.wait().code(), Some(0), "{:?}", wharf.reports());
    let mut wharf = with(&["delete"]);
    assert_eq!(wharf.wait().code(), Some(2), "it must be allowed for this too");
    let mut wharf = with(&["delete", "--context", "shop-eu"]);
    assert_eq!(wharf.wait().code(), Some(0), "{:?}", wharf.reports());

    // The cluster of the same name on another machine: its nodes are not this Engine's.
    let proxy = Proxy::start();
    let mut api = StandIn::tcp(proxy.address.parse().expect("it is an address"));
    known["clusters"][0]["cluster"] = json!({"server": format!("http://{}", api.address())});
    write(&path, &known);
    let id = kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo.machineID}"]);
    api.change(&id, &"0".repeat(id.len()));
    let mut wharf = with(&["dev"]);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: kind cluster `wharf-test` of this Docker Engine is not the one that the context leads to
      container `wharf-test-control-plane` is no node of it, so no image goes there
    help: point DOCKER_HOST at the Engine that runs it, or name a `registry`
    [wharf::load::other_cluster]
    ");
    assert_ne!(wharf.round(), 0);
    assert_eq!(wharf.told("web", "delivered"), 0);
    assert_eq!(wharf.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn another_cluster_behind_the_same_address_is_left_alone() {
    let project = Project::hello();
    let proxy = Proxy::start();
    let mut api = StandIn::tcp(proxy.address.parse().expect("it is an address"));
    let mut known = kubeconfig();
    let context = text(&known, "/contexts/0/name").to_owned();
    let cluster = json!({"server": format!("http://{}", api.address())});
    known["clusters"][0]["cluster"] = cluster;
    let path = project.home().join("kubeconfig");
    write(&path, &known);
    api.start();
    let mut wharf = Wharf::start_with(&project, &["dev"], |command| {
        command.env("KUBECONFIG", &path);
    });
    assert_eq!(wharf.round(), 0);
    // What controllers change by themselves, such as a pod's state, does not count.
    let seen = || {
        let look = |objects: &str, version: &str| {
            let columns = format!(
                "jsonpath={{range .items[*]}}{{.kind}} {{.metadata.name}} {{.metadata.uid}} \
                 {{.metadata.{version}}}{{\"\\n\"}}{{end}}"
            );
            kubectl(&["get", objects, "-n", project.namespace(), "-o", &columns])
        };
        look("deployment,service,pod", "generation") + &look("secret,configmap", "resourceVersion")
    };
    let before = seen();

    let uid = kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    api.change(&uid, "00000000-0000-4000-8000-000000000000");
    // What is saved now must not go there.
    project.edit("app.py", "hello from wharf", "hello again");
    let told = wharf.next("that it is another cluster", |report| {
        (report["code"] == "wharf::cluster::identity_changed").then(|| report.clone())
    });
    insta::assert_snapshot!(super::shown(&told, &project).replace(&context, "CONTEXT"), @r"
    error: context `CONTEXT` leads to another cluster than at the start
      another cluster answers at http://127.0.0.1:PORT
    help: start wharf again if `CONTEXT` is meant as it is now
    [wharf::cluster::identity_changed]
    ");
    let left = wharf.next("the end", |report| {
        (report["report"] == "stopped").then(|| report["leftovers"].as_array().map(Vec::len))?
    });
    assert_eq!(wharf.wait().code(), Some(1));
    assert!(left > 0, "what was made there is named");
    assert_eq!(seen(), before, "nothing there was touched");

    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0), "on the cluster that was meant it can be taken back");
}

/// A build command of the project's own was led to the private file, not to the person's.
fn assert_child_is_pinned(project: &Project) {
    let given = project.read("given");
    assert!(
        given.trim().starts_with(project.home().join("run").to_str().expect("text")),
        "{given}"
    );
}

/// The modes of the session's private kubeconfigs.
fn private_files(project: &Project) -> Vec<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = project.home().join("run/wharf");
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("kubeconfig-"));
    let modes = files.map(|file| file.metadata().expect("it is there").permissions().mode());
    modes.map(|mode| mode & 0o777).collect()
}

/// `kubectl proxy`: the API in the clear, so that a stand-in can change what it says.
struct Proxy {
    child: Child,
    address: String,
}

impl Proxy {
    fn start() -> Self {
        let mut command = Command::new("kubectl");
        let command = command.args(["proxy", "--port=0"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self { child, address }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The testbed's kubeconfig: one context, everything inlined.
fn kubeconfig() -> Value {
    let raw = kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
    serde_json::from_str(&raw).expect("it is JSON")
}

fn text<'a>(known: &'a Value, pointer: &str) -> &'a str {
    known.pointer(pointer).and_then(Value::as_str).expect("it is there")
}

fn set(known: &mut Value, pointer: &str, to: &str) {
    *known.pointer_mut(pointer).expect("it is there") = to.into();
}

fn push(known: &mut Value, pointer: &str, item: Value) {
    let list = known.pointer_mut(pointer).and_then(Value::as_array_mut);
    list.expect("it is a list").push(item);
}

/// Replaces the file at once, as kubectl does.
fn write(path: &Path, known: &Value) {
    let next = path.with_extension("next");
    std::fs::write(&next, known.to_string()).expect("it can be written");
    std::fs::rename(&next, path).expect("it can be replaced");
}

/// An address of this machine that is no loopback.
fn own_address() -> String {
    let nodes =
        kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}"]);
    let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).expect("a socket can be made");
    // Nothing is sent: this only asks which way leads there.
    socket.connect((nodes.as_str(), 9)).expect("the node is near");
    socket.local_addr().expect("it has an address").ip().to_string()
}
