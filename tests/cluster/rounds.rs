//! What is seen of each round: when new connections go to the new version, when Kubernetes calls
//! it ready, and why it never does.

use crate::support::{Project, Wharf, get};

#[test]
#[ignore = "needs a cluster"]
fn each_round_says_when_it_was_live_and_when_it_was_ready() {
    let project = Project::hello();
    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/hello");
    assert_eq!(wharf.round(), 0);

    project.edit("app.py", "hello from wharf", "hello again");
    let answered = wharf.next("the new version", |report| {
        let answers = report["report"] == "release" && report["news"] == "answers";
        answers.then(|| (report["target"].clone(), report["seconds"].as_f64()))
    });
    assert_eq!(answered.0, "service/hello");
    // From this moment on no connection goes to the old version.
    assert_eq!(get(port, "/").as_deref(), Some("hello again"));
    let round = wharf
        .next("the end of a round", |report| (report["report"] == "round").then(|| report.clone()));
    let [live, ready, total] =
        ["live_seconds", "ready_seconds", "seconds"].map(|name| round[name].as_f64());
    assert_eq!((round["failed"].as_u64(), live), (Some(0), answered.1), "{round}");
    assert!(live <= ready && ready <= total && total.is_some(), "{round}");

    // The forward reaches what listens on the loopback alone; kubelet's probe does not.
    let server = ["ThreadingHTTPServer((\"\"", "ThreadingHTTPServer((\"127.0.0.1\""];
    project.edit("app.py", server[0], server[1]);
    wharf.next("why it is not ready", |report| {
        let what = report["what"].as_str().filter(|_| report["report"] == "pod")?;
        what.starts_with("is reachable, not ready: its readiness probe").then_some(())
    });
    assert_eq!(wharf.round(), 1);
    let helped = wharf
        .reports()
        .iter()
        .any(|report| report["news"] == "failed" && report["help"].to_string().contains("0.0.0.0"));
    assert!(helped, "the failure says what to do: {:#?}", wharf.reports());
    assert_eq!(get(port, "/").as_deref(), Some("hello again"), "it is reachable all the same");
    project.edit("app.py", server[1], server[0]);
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.interrupt(), Some(0));
}
