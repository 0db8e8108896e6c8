//! `examples/monorepo`: many services, of which an edit concerns one.

use serde_json::Value;

use crate::support::{HelmCount, Project, Wharf, get, pods, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn of_six_services_an_edit_concerns_one() {
    check(6, 3);
}

#[test]
#[ignore = "needs a cluster"]
fn of_thirty_services_an_edit_concerns_one_soak() {
    check(30, 5);
}

fn check(services: usize, per_team: usize) {
    let mut project = Project::monorepo(services, per_team);
    let helm = HelmCount::start(&mut project);
    let (status, reports) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0), "{reports:#?}");
    assert_eq!(names(&reports, "built").len(), services);
    assert_eq!(names(&reports, "live").len(), services.div_ceil(per_team));
    let before = pods(&project);
    assert_eq!(before.len(), services, "{before:?}");
    helm.take();

    let (status, reports) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0), "{reports:#?}");
    assert_eq!(names(&reports, "built"), Vec::<&str>::new());
    assert_eq!(names(&reports, "deploying"), Vec::<&str>::new());
    assert_eq!(helm.take(), Vec::<String>::new());

    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/s01");
    assert_eq!(wharf.round(), 0);
    assert_eq!(helm.take(), Vec::<String>::new());
    let told = wharf.reports().len();
    project.edit("services/s01/www/index.html", "of team1", "of the first team");
    wait_for("the edit", || get(port, "/")?.contains("s01 of the first team").then_some(()));
    assert_eq!(wharf.round(), 0);
    let reports = wharf.reports();
    assert_eq!(names(&reports[told..], "built"), ["monorepo/s01"]);
    assert_eq!(names(&reports[told..], "deployed"), ["team1"]);
    let calls = helm.take();
    assert_eq!(calls.iter().filter(|call| call.starts_with("upgrade ")).count(), 1, "{calls:?}");
    let other = |call: &&String| {
        (2..=services.div_ceil(per_team)).any(|team| call.contains(&format!("team{team}")))
    };
    assert_eq!(calls.iter().find(other), None);
    let mut after = pods(&project);
    assert_ne!(after.remove("s01"), before.get("s01").cloned());
    assert!(after.iter().all(|(name, uids)| before.get(name) == Some(uids)), "{after:?}");

    // What `run` had left goes back to how it was left.
    assert_eq!(wharf.interrupt(), Some(0));
    let (status, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0));
    assert_eq!(pods(&project).len(), 0);
}

/// What was told of, with the given news, in the order of names.
fn names<'a>(reports: &'a [Value], news: &str) -> Vec<&'a str> {
    let of_these = reports.iter().filter(|report| report["news"] == news);
    let mut names: Vec<&str> = of_these.filter_map(|report| report["name"].as_str()).collect();
    names.sort_unstable();
    names
}
