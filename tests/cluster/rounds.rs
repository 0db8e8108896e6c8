//! What is seen of each round: when new connections go to the new version, when Kubernetes calls
//! it ready, and why it never does.

use serde_json::Value;

use crate::support::{Project, Wharf, get, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn each_round_says_when_it_was_live_and_when_it_was_ready() {
    let project = Project::hello();
    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/hello");
    assert_eq!(wharf.round(), 0);

    project.edit("app.py", "hello from wharf", "hello again");
    let round = wharf
        .next("the end of a round", |report| (report["report"] == "round").then(|| report.clone()));
    assert_eq!(get(port, "/").as_deref(), Some("hello again"));
    let [live, ready, total] =
        ["live_seconds", "ready_seconds", "seconds"].map(|name| round[name].as_f64());
    assert_eq!(round["failed"], 0, "{round}");
    assert!(live <= ready && ready <= total && ready.is_some(), "{round}");
    // Where kubelet is the first to see that it is ready, the port's own look ends after the round.
    wait_for("the new version to answer", || {
        let answers = |report: &Value| {
            report["news"] == "answers"
                && report["target"] == "service/hello"
                && (live.is_none() || report["seconds"].as_f64() == live)
        };
        wharf.reports().iter().any(answers).then_some(())
    });

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
