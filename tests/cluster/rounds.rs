//! What is seen of each round: when new connections go to the new version, when Kubernetes calls
//! it ready and why it never does, and how long each stage took.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::Value;

use crate::support::{Project, Wharf, get, said, wait_for};

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
    assert!(live <= ready && ready <= total && live.is_some(), "{round}");
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

    // While it runs, anybody may look back; the failed round is shown and does not count.
    let traced = trace(&project, 3);
    let spans = traced["rounds"][0]["spans"].as_array().expect("a round has stages");
    let stages = ["event", "quiet", "hash", "build", "transfer", "render", "patch"];
    for stage in stages.into_iter().chain(["scheduled", "sandbox", "started", "answered", "ready"])
    {
        assert!(spans.iter().any(|span| span["stage"] == stage), "no {stage}: {traced:#}");
    }
    assert!(spans.iter().all(|span| span["from"].as_f64() <= span["to"].as_f64()), "{traced:#}");
    assert_eq!(traced["rounds"][1]["failed"], 1);
    let total = traced["stages"].as_array().and_then(|stages| stages.last().cloned());
    assert_eq!(total.map(|total| total["count"].clone()), Some(2.into()), "{traced:#}");
    let text = said(&project, &["trace", "hello", "--last", "1"]);
    assert!(text.contains("patch     hello") && text.contains("p50"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(wharf.interrupt(), Some(0));
}

/// What `wharf trace` says once there are so many rounds: each is kept beside the loop.
fn trace(project: &Project, rounds: usize) -> Value {
    wait_for("the rounds", || {
        let (status, told) = Wharf::run(project, &["trace", "--last", "50"]);
        assert_eq!(status.code(), Some(0), "{told:#?}");
        let data = told.iter().find(|report| report["what"] == "trace")?["data"].clone();
        (data["rounds"].as_array().map_or(0, Vec::len) == rounds).then_some(data)
    })
}

#[test]
#[ignore = "needs a cluster"]
fn a_benchmark_edits_measures_and_leaves_the_file_as_it_was() {
    let project = Project::hello();
    let path = project.folder().join("app.py");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let look = || {
        let meta = fs::metadata(&path).expect("it is there");
        let times = (meta.mtime(), meta.mtime_nsec());
        (fs::read(&path).expect("it can be read"), meta.permissions().mode(), times, meta.ino())
    };
    let before = look();
    let (status, told) = Wharf::run(&project, &["bench", "--edit", "app.py:2"]);
    assert_eq!(status.code(), Some(0), "{told:#?}");
    assert_eq!(look(), before);
    let data = told.iter().find(|report| report["what"] == "bench").expect("it is told");
    let data = &data["data"];
    assert_eq!((&data["edits"], data["rounds"].as_array().map(Vec::len)), (&2.into(), Some(2)));
    assert!(data["slowest"].is_string() && data["stages"].to_string().contains("p95"), "{data:#}");

    // Killed in the middle of an edit, it leaves the way back to whoever comes next.
    let mut wharf = Wharf::start(&project, &["bench", "--edit", "app.py:50"]);
    wharf.next("an edit", |report| (report["report"] == "changed").then_some(()));
    wharf.signal("KILL");
    wharf.wait();
    assert_ne!(look(), before, "nobody has put it back");
    let mut wharf = Wharf::start(&project, &["bench", "--edit", "app.py:50"]);
    wharf.next("an edit", |report| (report["report"] == "changed").then_some(()));
    let mended = wharf.reports().iter().any(|report| {
        report["text"].as_str().is_some_and(|text| text.contains("as it was before"))
    });
    assert!(mended, "{:#?}", wharf.reports());
    // Interrupted, it puts the file back itself.
    wharf.signal("TERM");
    assert_eq!(wharf.wait().code(), Some(130));
    assert_eq!(look(), before);
}
