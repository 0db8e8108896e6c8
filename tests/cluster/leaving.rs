//! Leaving at any moment, by any way: the cluster, the Engine, ports and processes are as before.

use crate::support::{Inventory, Project, Wharf, get, kubectl, output, said, wait_for};

/// A service whose build, hook and start can each be made to last.
struct Slow {
    build: bool,
    hook: bool,
    start: bool,
}

const QUICK: Slow = Slow { build: false, hook: false, start: false };

fn project(slow: &Slow) -> Project {
    let project = Project::hello();
    if slow.build {
        let dockerfile = project.read("Dockerfile");
        let stamp = std::process::id();
        project.write("Dockerfile", &format!("{dockerfile}RUN echo {stamp} && sleep 300\n"));
    }
    if slow.hook {
        project.write(
            "chart/templates/hook.yaml",
            r#"apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}-migrate"
  annotations: {helm.sh/hook: "pre-install,pre-upgrade"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: migrate
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          command: ["sleep", "300"]
"#,
        );
    }
    if slow.start {
        project.edit("chart/templates/deployment.yaml", "/healthz", "/never?");
        project.edit("app.py", "self.send_response(200)", "self.send_response(503)");
    }
    project
}

/// Brings a session to a moment, leaves, and compares.
fn check(
    slow: &Slow,
    moment: impl FnOnce(&mut Wharf),
    leave: impl FnOnce(&mut Wharf) -> Option<i32>,
) {
    let project = project(slow);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start_in_terminal(&project, &["dev"]);
    moment(&mut wharf);
    assert_eq!(leave(&mut wharf), Some(0));
    drop(wharf);
    assert_nothing_since(&before, &project);
}

fn assert_nothing_since(before: &Inventory, project: &Project) {
    Inventory::take(project).assert_same(before);
}

fn ctrl_c(wharf: &mut Wharf) -> Option<i32> {
    wharf.press(b"\x03");
    wharf.wait().code()
}

fn news(wharf: &mut Wharf, what: &str, report: &str, news: &str) {
    wharf.next(what, |told| (told["report"] == report && told["news"] == news).then_some(()));
}

#[test]
#[ignore = "needs a cluster"]
fn ctrl_c_during_a_build() {
    let slow = Slow { build: true, ..QUICK };
    let moment = |wharf: &mut Wharf| {
        wharf.next("the sleeping step", |told| {
            let sleeps = told["step"].as_str().is_some_and(|step| step.contains("sleep 300"));
            (told["news"] == "step" && sleeps).then_some(())
        });
    };
    check(&slow, moment, ctrl_c);
}

#[test]
#[ignore = "needs a cluster"]
fn ctrl_c_during_a_load() {
    let slow = project(&QUICK);
    let dockerfile = slow.read("Dockerfile");
    slow.write("Dockerfile", &format!("{dockerfile}RUN head -c 300000000 /dev/urandom > /big\n"));
    let before = Inventory::take(&slow);
    let mut wharf = Wharf::start_in_terminal(&slow, &["dev"]);
    let image = wharf.next("the build", |told| {
        (told["news"] == "built").then(|| told["image"].as_str().map(str::to_owned))?
    });
    let node = kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]);
    let imports = || output("docker", &["top", &node, "-eo", "pid,args"]).contains("images import");
    wait_for("the load", || imports().then_some(()));
    assert_eq!(ctrl_c(&mut wharf), Some(0));
    let told = wharf.reports();
    assert!(told.iter().all(|report| report["news"] != "delivered"), "it came in between");
    assert!(told.iter().all(|report| report["news"] != "deploying"));
    drop(wharf);
    wait_for("the node's import ended", || (!imports()).then_some(()));
    let has = format!("name==docker.io/library/{image}");
    let listed =
        output("docker", &["exec", &node, "ctr", "-n", "k8s.io", "images", "ls", "-q", &has]);
    assert_eq!(listed, "", "no node believes that it has the image");
    assert_nothing_since(&before, &slow);
    output("docker", &["rmi", &image]);
}

#[test]
#[ignore = "needs a cluster"]
fn ctrl_c_while_a_hook_runs() {
    let slow = Slow { hook: true, ..QUICK };
    let moment = |wharf: &mut Wharf| {
        wharf.next("the running hook", |told| {
            (told["news"] == "hook" && told["state"] == "running").then_some(())
        });
    };
    check(&slow, moment, ctrl_c);
}

#[test]
#[ignore = "needs a cluster"]
fn ctrl_c_while_it_settles() {
    let slow = Slow { start: true, ..QUICK };
    check(&slow, |wharf| news(wharf, "the wait", "release", "settling"), ctrl_c);
}

#[test]
#[ignore = "needs a cluster"]
fn ctrl_c_when_all_is_quiet() {
    check(&QUICK, |wharf| assert_eq!(wharf.round(), 0), ctrl_c);
}

#[test]
#[ignore = "needs a cluster"]
fn sigterm() {
    let project = project(&QUICK);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    wharf.signal("TERM");
    assert_eq!(wharf.wait().code(), Some(0));
    drop(wharf);
    assert_nothing_since(&before, &project);
}

#[test]
#[ignore = "needs a cluster"]
fn the_terminal_is_gone() {
    let project = project(&QUICK);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start_in_terminal(&project, &["dev"]);
    let port = wharf.port("service/hello");
    assert_eq!(wharf.round(), 0);
    // The terminal ends, and with it everything wharf could write to.
    wharf.signal("KILL");
    wharf.wait();
    drop(wharf);
    wait_for("the port closed", || get(port, "/").is_none().then_some(()));
    wait_for("everything gone", || {
        Inventory::take(&project).since(&before).is_empty().then_some(())
    });
    assert_nothing_since(&before, &project);
}

#[test]
#[ignore = "needs a cluster"]
fn a_second_ctrl_c_leaves_at_once_and_names_what_is_left() {
    let project = project(&QUICK);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start_in_terminal(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    wharf.press(b"\x03");
    wharf.next("the way out", |told| (told["report"] == "leaving").then_some(()));
    wharf.press(b"\x03");
    assert_eq!(wharf.wait().code(), Some(130));
    let left = wharf.next("what is left", |told| {
        (told["report"] == "stopped").then(|| told["leftovers"].as_array().cloned())?
    });
    assert!(!left.is_empty());
    assert!(left.iter().all(|left| !left["by_hand"].as_str().unwrap_or_default().is_empty()));
    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0));
    assert_nothing_since(&before, &project);
}

#[test]
#[ignore = "needs a cluster"]
fn delete_finishes_after_kill_9() {
    let project = project(&QUICK);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    wharf.signal("KILL");
    wharf.wait();
    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0));
    // The private kubeconfig of a process that was killed goes with the next start.
    assert_nothing_since(&before, &project);
}

#[test]
#[ignore = "needs a cluster"]
fn delete_finishes_after_kill_9_in_a_hook() {
    let project = project(&Slow { hook: true, ..QUICK });
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    wharf.next("the running hook", |told| {
        (told["news"] == "hook" && told["state"] == "running").then_some(())
    });
    wharf.signal("KILL");
    wharf.wait();
    drop(wharf);
    let (status, told) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0), "{told:#?}");
    assert_nothing_since(&before, &project);
}

#[test]
#[ignore = "needs a cluster"]
fn the_next_dev_takes_over_what_kill_9_left() {
    let project = project(&QUICK);
    let before = Inventory::take(&project);
    for state_is_lost in [false, true] {
        let mut wharf = Wharf::start(&project, &["dev"]);
        assert_eq!(wharf.round(), 0);
        wharf.signal("KILL");
        wharf.wait();
        drop(wharf);
        if state_is_lost {
            std::fs::remove_dir_all(project.home().join("state")).expect("the state is there");
        }
        let mut next = Wharf::start(&project, &["dev"]);
        assert_eq!(next.round(), 0);
        assert!(next.reports().iter().all(|report| report["news"] != "deploying"));
        assert_eq!(next.interrupt(), Some(0));
        drop(next);
        assert_nothing_since(&before, &project);
    }
}

#[test]
#[ignore = "needs a cluster"]
fn what_was_there_before_stays() {
    let project = project(&QUICK);
    kubectl(&["create", "namespace", project.namespace()]);
    let create = ["create", "configmap", "mine", "-n", project.namespace(), "--from-literal=a=b"];
    kubectl(&create);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.interrupt(), Some(0));
    drop(wharf);
    assert_nothing_since(&before, &project);
}

#[test]
#[ignore = "needs a cluster"]
fn cleanup_can_be_declined() {
    let project = project(&QUICK);
    let mut wharf = Wharf::start(&project, &["dev", "--cleanup=false"]);
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.interrupt(), Some(0));
    let ready = [
        "get",
        "deployment",
        "hello",
        "-n",
        project.namespace(),
        "-o",
        "jsonpath={.status.readyReplicas}",
    ];
    assert_eq!(kubectl(&ready), "1");
    // It is left as `run` leaves it: neither a `run` nor a session that goes again changes that.
    let (status, told) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0));
    assert!(told.iter().all(|report| report["news"] != "deploying"), "{told:#?}");
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.interrupt(), Some(0));
    assert_eq!(kubectl(&ready), "1");
    // Whoever looks in the wrong place is told the right one.
    let place = project.namespace();
    let told = said(&project, &["delete", "-n", "default"]);
    assert!(told.contains("nothing of `hello` is left in namespace default on"), "{told}");
    let way = format!("a `hello` is deployed in namespace {place}: `wharf delete -n {place}`");
    assert!(told.contains(&way), "{told}");
    let told = said(&project, &["status", "-n", "default"]);
    let way = format!("one is in namespace {place}: `wharf status -n {place}`");
    assert!(told.contains(&way), "{told}");
    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0));
}
