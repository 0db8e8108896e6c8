//! The unchanged run does nothing: no build, no load, no Helm, no write to the cluster.

use serde_json::Value;

use crate::support::{ApiCount, EngineCount, HelmCount, Project, Wharf, helm_4, kubectl};

#[test]
#[ignore = "needs a cluster"]
fn shop_unchanged_does_nothing() {
    let mut project = Project::shop();
    let helm = HelmCount::start(&mut project);
    check(project, &helm);
}

#[test]
#[ignore = "needs a cluster"]
fn with_helm_4_unchanged_does_nothing() {
    let mut project = Project::hello();
    let helm = HelmCount::with(&mut project, &helm_4());
    check(project, &helm);
}

/// Runs a project, and again, and again without what wharf remembers, and from another folder.
fn check(mut project: Project, helm: &HelmCount) {
    let api = ApiCount::start(&mut project);
    let engine = EngineCount::start(&mut project);
    let (status, reports) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0), "{reports:#?}");
    let work = engine.take_work();
    let counts = |part: &str| work.iter().any(|request| request.contains(part));
    assert!(counts("/session") || counts("/build"), "builds are counted: {work:#?}");
    assert!(counts("/images/"), "loads are counted: {work:#?}");
    assert!(helm.take().iter().any(|call| call.starts_with("upgrade ")), "Helm is counted");
    assert!(!api.take_writes().is_empty(), "writes are counted");

    let unchanged = |project: &Project, how: &str| {
        let before = standing(project);
        let (status, reports) = Wharf::run(project, &["run"]);
        assert_eq!(status.code(), Some(0), "{how}: {reports:#?}");
        assert_eq!(helm.take(), Vec::<String>::new(), "{how}: Helm");
        assert_eq!(api.take_writes(), Vec::<String>::new(), "{how}: writes");
        assert_eq!(engine.take_work(), Vec::<String>::new(), "{how}: builds and loads");
        let news = ["building", "built", "delivered", "deploying", "drifted"];
        let done = reports.iter().filter(|report| news.iter().any(|news| report["news"] == *news));
        assert_eq!(done.collect::<Vec<_>>(), Vec::<&Value>::new(), "{how}: told");
        assert_eq!(standing(project), before, "{how}: the namespace");
    };
    unchanged(&project, "again");
    std::fs::remove_dir_all(project.home().join("state")).expect("there is a state");
    std::fs::remove_dir_all(project.home().join("cache")).ok();
    unchanged(&project, "without its state");
    let copy = project.copy();
    unchanged(&copy, "from another folder");

    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0));
}

/// Everything in the project's namespace as it was last written: by whom and how often. What the
/// cluster itself notes down about its state may come late, and is left out.
fn standing(project: &Project) -> Vec<String> {
    let namespace = project.namespace();
    let fields = "{.kind} {.metadata.name} {.metadata.uid} {.metadata.generation}";
    let restarts = "{range .status.containerStatuses[*]} {.containerID} {.restartCount}{end}";
    let writes = "{range .metadata.managedFields[?(@.subresource!=\"status\")]} \
                  {.manager}={.time}{end}";
    let path = format!("jsonpath={{range .items[*]}}{fields}{restarts}{writes}{{\"\\n\"}}{{end}}");
    let kinds = "deployments,statefulsets,replicasets,jobs,pods,services,secrets,configmaps,\
                 serviceaccounts,persistentvolumeclaims";
    let listed =
        kubectl(&["get", kinds, "-n", namespace, "--show-managed-fields", "-o", path.as_str()]);
    let lines: Vec<String> = listed.lines().map(str::to_owned).collect();
    assert!(lines.iter().any(|line| line.starts_with("Secret wharf.")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("Pod ")), "{lines:#?}");
    lines
}
