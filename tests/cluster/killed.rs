//! What a killed session leaves: the next command explains it, makes it good, or lets it stay.

use serde_json::Value;

use crate::support::{HelmCount, Inventory, Project, Wharf, kubectl, output, pods};

/// Hooks before and after, in the order of their weights; the second runs a command of the values.
const HOOKS: &str = r#"{{- range $name, $hook := dict
  "first" (list "pre-install,pre-upgrade" "-5" "true")
  "second" (list "pre-install,pre-upgrade" "5" .Values.hook)
  "third" (list "post-install,post-upgrade" "0" "true") }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  annotations: {helm.sh/hook: "{{ index $hook 0 }}", helm.sh/hook-weight: "{{ index $hook 1 }}"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
        - {name: hook, image: "busybox:1.36", command: [sh, -c, "{{ index $hook 2 }}"]}
{{- end }}
"#;

#[test]
#[ignore = "needs a cluster"]
fn a_release_whose_helm_was_killed_with_its_session_is_explained_and_repaired() {
    let project = Project::web();
    project.write("chart/templates/hooks.yaml", HOOKS);
    let values = project.read("chart/values.yaml");
    let hook = |command: &str| {
        project.write("chart/values.yaml", &format!("{values}hook: {command}\n"));
    };
    let before = Inventory::take(&project);
    let status = || {
        let status = output("helm", &["status", "web", "-n", project.namespace(), "-o", "json"]);
        let status: Value = serde_json::from_str(&status).expect("it is JSON");
        status["info"]["status"].as_str().map(str::to_owned).expect("it has a status")
    };

    hook("sleep 1000");
    let wharf = Wharf::start(&project, &["dev"]);
    kill_in_the_second_hook(wharf);
    assert_eq!(status(), "pending-install");

    hook("true");
    let mut wharf = Wharf::start(&project, &["dev"]);
    let why = "a killed Helm left it pending-install; first it is uninstalled";
    assert_eq!(reason(&mut wharf), why);
    assert_eq!(wharf.round(), 0);
    assert_eq!(status(), "deployed");
    let hooks = ["first", "second", "third"].into_iter();
    let ran = hooks.flat_map(|name| ["running", "succeeded"].map(|how| format!("{name} {how}")));
    assert_eq!(hooks_told(&wharf), ran.collect::<Vec<_>>(), "as they run");

    hook("sleep 1000");
    kill_in_the_second_hook(wharf);
    assert_eq!(status(), "pending-upgrade");

    hook("true");
    let mut wharf = Wharf::start(&project, &["dev"]);
    let why = "a killed Helm left it pending-upgrade; first it goes back to revision 1";
    assert_eq!(reason(&mut wharf), why);
    assert_eq!(wharf.round(), 0);
    assert_eq!(status(), "deployed");

    hook("sleep 1000");
    kill_in_the_second_hook(wharf);
    assert_eq!(status(), "pending-upgrade");
    let (ended, told) = Wharf::run(&project, &["delete"]);
    assert_eq!(ended.code(), Some(0), "{told:#?}");
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}

/// Kills wharf and its Helm together while a hook runs.
fn kill_in_the_second_hook(mut wharf: Wharf) {
    wharf.next("the second hook", |told| {
        (told["hook"] == "job/second" && told["state"] == "running").then_some(())
    });
    let mut all = vec!["-s".to_owned(), "KILL".to_owned(), wharf.id().to_string()];
    let helm = children(wharf.id(), "helm");
    assert_eq!(helm.len(), 1, "Helm runs the hook");
    all.extend(helm);
    output("kill", &all.iter().map(String::as_str).collect::<Vec<_>>());
    wharf.wait();
}

/// The processes of this name that `parent` has started.
fn children(parent: u32, name: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("there is a table of processes").flatten();
    let ids = all.filter_map(|process| process.file_name().into_string().ok());
    let is_one = |id: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let Some((start, rest)) = stat.rsplit_once(')') else { return false };
        let comes_from = rest.split_whitespace().nth(1).and_then(|id| id.parse().ok());
        start.ends_with(&format!("({name}")) && comes_from == Some(parent)
    };
    ids.filter(is_one).collect()
}

/// Why the release is deployed.
fn reason(wharf: &mut Wharf) -> String {
    wharf.next("the reason", |told| {
        (told["news"] == "deploying").then(|| told["why"].as_str().map(str::to_owned))?
    })
}

fn hooks_told(wharf: &Wharf) -> Vec<String> {
    let reports = wharf.reports();
    let hooks = reports.iter().filter(|told| told["news"] == "hook");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    hooks
        .map(|told| {
            format!("{} {}", text(&told["hook"]).trim_start_matches("job/"), text(&told["state"]))
        })
        .collect()
}

#[test]
#[ignore = "needs a cluster"]
fn what_run_finds_as_a_killed_session_left_it_stays_from_then_on() {
    let mut project = Project::web();
    let helm = HelmCount::start(&mut project);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {key: of-run}\n";
    project.write("extra.yaml", map);
    let config = "images: {web: {context: .}}\nreleases: {web: {chart: chart}}\n\
                  manifests: {extra: extra.yaml}\n";
    project.write("wharf.yaml", config);
    project.write(".dockerignore", "*\n!www\n");
    let before = Inventory::take(&project);
    let standing = || {
        let objects = ["get", "deployment/web", "configmap/extra", "-n", project.namespace()];
        let fields = "jsonpath={range .items[*]}{.metadata.uid} {.data.key}{\"\\n\"}{end}";
        (kubectl(&[&objects[..], &["-o", fields]].concat()), pods(&project))
    };

    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    wharf.signal("KILL");
    wharf.wait();
    drop(wharf);
    let made = standing();

    helm.take();
    let (ended, told) = Wharf::run(&project, &["run"]);
    assert_eq!(ended.code(), Some(0), "{told:#?}");
    let calls = helm.take();
    let operates = |call: &&String| !call.starts_with("template ") && !call.starts_with("version ");
    assert_eq!(calls.iter().find(operates), None, "nothing but the record changes");
    let (_, told) = Wharf::run(&project, &["run"]);
    let deploys = |told: &[Value]| told.iter().filter(|told| told["news"] == "deploying").count();
    assert_eq!((deploys(&told), helm.take()), (0, vec![]), "{told:#?}");
    assert_eq!(standing(), made);

    // A session on it leaves it as `run` did, also one that knows of no other.
    for state_is_lost in [false, true] {
        if state_is_lost {
            std::fs::remove_dir_all(project.home().join("state")).expect("the state is there");
        }
        let mut wharf = Wharf::start(&project, &["dev"]);
        assert_eq!(wharf.round(), 0);
        assert_eq!(deploys(&wharf.reports()), 0);
        if state_is_lost {
            project.edit("extra.yaml", "of-run", "of-dev");
            assert_eq!(wharf.round(), 0);
            assert!(standing().0.contains("of-dev"));
            project.edit("extra.yaml", "of-dev", "of-run");
        }
        assert_eq!(wharf.interrupt(), Some(0));
        assert_eq!(standing(), made);
    }
    let (ended, told) = Wharf::run(&project, &["delete"]);
    assert_eq!(ended.code(), Some(0), "{told:#?}");
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}
