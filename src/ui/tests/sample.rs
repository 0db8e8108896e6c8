//! Reports as a session tells them.

use super::*;

pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(super) fn image(text: &str) -> ImageRef {
    ImageRef::parse(text).unwrap()
}

pub(super) fn artifact(name: &str, news: ArtifactNews) -> Report {
    Report::Artifact { name: ArtifactName::parse(name).unwrap(), news }
}

pub(super) fn release(name: &str, news: ReleaseNews) -> Report {
    Report::Release { name: ReleaseName::parse(name).unwrap(), news }
}

fn building(name: &str, why: &str) -> Report {
    artifact(name, ArtifactNews::Building { image: image("x:1"), why: why.into() })
}

fn step(name: &str, step: &str, cached: bool, took: Option<f64>) -> Report {
    let (done, took) = (took.is_some(), took.map(secs));
    artifact(name, ArtifactNews::Step { step: step.into(), cached, done, took })
}

fn built(name: &str, tag: &str, took: f64) -> Report {
    let image = image(&format!("{name}:{tag}"));
    artifact(name, ArtifactNews::Built { image, took: secs(took), cached: (3, 4) })
}

fn loaded(name: &str, tag: &str, took: f64, sent_bytes: u64) -> Report {
    let image = image(&format!("{name}:{tag}"));
    let (how, total_bytes, took) = ("loaded", 212_000_000, secs(took));
    artifact(name, ArtifactNews::Delivered { image, how, sent_bytes, total_bytes, took })
}

fn changed(path: &str) -> Report {
    Report::Changed { paths: vec![path.into()], count: 1, ignored: false }
}

fn round(took: f64, failed: usize, first: bool) -> Report {
    Report::Round { took: secs(took), live: None, ready: None, failed, first }
}

/// A round whose new version answered and was ready after so many seconds.
fn lap(took: f64, live: f64, ready: f64) -> Report {
    let (live, ready) = (Some(secs(live)), Some(secs(ready)));
    Report::Round { took: secs(took), live, ready, failed: 0, first: false }
}

fn answers(took: f64) -> Report {
    let target = "service/web".to_owned();
    release("shop", ReleaseNews::Answers { target, took: secs(took) })
}

fn deployed(revision: u32, took: f64) -> Report {
    let (revision, took) = (Some(revision), secs(took));
    release("shop", ReleaseNews::Deployed { revision, pruned: vec![], took })
}

fn live(took: f64) -> Report {
    release("shop", ReleaseNews::Live { took: secs(took) })
}

fn forward(target: &str, port: u16, remote: &str) -> Report {
    let local = ([127, 0, 0, 1], port).into();
    let remote = remote.to_owned();
    Report::Forward { target: target.into(), news: ForwardNews::Open { local, remote } }
}

pub(super) fn start() -> Vec<Report> {
    vec![
        Report::Started {
            project: "shop".into(),
            context: "kind-dev".into(),
            namespace: "shop".into(),
            artifacts: 3,
            releases: 2,
            artifact_names: ["api", "base", "web"]
                .map(|name| ArtifactName::parse(name).unwrap())
                .into(),
            release_names: ["db", "shop"].map(|name| ReleaseName::parse(name).unwrap()).into(),
            asked_for: vec![],
            file: Some("wharf.yaml".into()),
        },
        building("base", "first build"),
        artifact(
            "api",
            ArtifactNews::Unchanged { image: image("api:3f2a9c01b7de4410"), found: "nodes" },
        ),
        Report::Waiting { name: "web".into(), why: "`base`".into() },
        step("base", "[build 1/2] FROM alpine:3.20", true, Some(0.0)),
        step("base", "[build 2/2] RUN apk add curl", false, Some(2.2)),
        built("base", "9c01b7de44103f2a", 3.1),
        building("web", "base image `base` changed"),
        built("web", "77aa01c2d3e4f506", 1.9),
        loaded("web", "77aa01c2d3e4f506", 0.31, 31_000_000),
        release("db", ReleaseNews::Unchanged { revision: Some(3) }),
        release("shop", ReleaseNews::Deploying { why: "image `web` changed".into() }),
        release(
            "shop",
            ReleaseNews::Hook { hook: "job/migrate".into(), state: "running", took: None },
        ),
        release(
            "shop",
            ReleaseNews::Hook {
                hook: "job/migrate".into(),
                state: "succeeded",
                took: Some(secs(0.6)),
            },
        ),
        deployed(8, 1.2),
        release(
            "shop",
            ReleaseNews::Settling { waits: vec!["deployment/web: 0 of 2 ready".into()] },
        ),
        live(2.3),
        forward("service/web", 8080, "http"),
        forward("deployment/api", 19000, "9000"),
        round(7.42, 0, true),
        Report::Watching { files: 1214 },
    ]
}

pub(super) fn in_progress() -> Vec<Report> {
    let mut reports = start()[..7].to_vec();
    reports.extend([
        building("web", "base image `base` changed"),
        step("web", "[2/5] RUN pip install -r requirements.txt", false, None),
        release("db", ReleaseNews::Settling { waits: vec!["statefulset/db: 0 of 1 ready".into()] }),
        Report::Waiting { name: "shop".into(), why: "`db`".into() },
    ]);
    reports
}

pub(super) fn small_round() -> Vec<Report> {
    vec![
        round(1.0, 0, true),
        changed("services/web/cart.py"),
        building("web", "services/web/cart.py changed"),
        built("web", "88", 0.11),
        loaded("web", "88", 0.08, 12_000),
        release("shop", ReleaseNews::Deploying { why: "image `web` changed".into() }),
        deployed(9, 0.2),
        answers(0.62),
        live(0.84),
        lap(1.1, 0.62, 1.1),
        // A save that changed nothing in the end.
        changed("services/web/cart.py"),
        artifact("web", ArtifactNews::Unchanged { image: image("web:88"), found: "nodes" }),
        round(0.02, 0, false),
    ]
}

pub(super) fn large_round() -> Vec<Report> {
    vec![
        round(1.0, 0, true),
        Report::Changed {
            paths: ["a.py", "b.py", "c.py", "d.py"].map(String::from).into(),
            count: 2000,
            ignored: false,
        },
        building("web", "a.py changed"),
        building("api", "b.py changed"),
        artifact("web", ArtifactNews::Cancelled),
        built("api", "99", 0.5),
        building("web", "c.py changed"),
        built("web", "88", 0.11),
        loaded("web", "88", 0.08, 12_000),
        loaded("api", "99", 0.08, 12_000),
        deployed(9, 0.2),
        answers(11.6),
        live(0.84),
        lap(12.3, 11.6, 12.3),
    ]
}

pub(super) fn build_failure() -> Failure {
    let what = "Dockerfile:7 `RUN pip install -r requirements.txt` exited with 1";
    Failure::work("wharf::build::step_failed", what)
        .because("ERROR: No matching distribution found for flaks==3.0")
        .help("the full log: `wharf logs --build api`")
}

pub(super) fn failed_round() -> Vec<Report> {
    vec![
        loaded("api", "3f2a9c01b7de4410", 0.08, 12_000),
        round(1.0, 0, true),
        changed("services/api/main.py"),
        building("api", "services/api/main.py changed"),
        artifact("api", ArtifactNews::Failed(build_failure())),
        round(1.2, 1, false),
    ]
}

pub(super) fn troubles() -> Vec<Report> {
    let snippet = " --> wharf.yaml:3:5\n  |\n3 |     contxt: services/api\n  |     ^^^^^^";
    let workload = WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: crate::model::Namespace::parse("shop").unwrap(),
        name: "worker".into(),
    };
    vec![
        Report::Failed(
            Failure::request("wharf::config::unknown_key", "unknown key `contxt`")
                .snippet(snippet)
                .help("did you mean `context`?"),
        ),
        Report::Failed(Failure::bug("a task panicked").because("index out of bounds")),
        release(
            "shop",
            ReleaseNews::Failed(
                Failure::work("wharf::deploy::refused", "the API server refused service `web`")
                    .because("spec.ports[0].port: Invalid value: 99999")
                    .because("must be between 1 and 65535"),
            ),
        ),
        release(
            "shop",
            ReleaseNews::Drifted { what: vec!["deployment/web was scaled to 0".into()] },
        ),
        release("shop", ReleaseNews::RolledBack { revision: 7 }),
        Report::Forward {
            target: "service/web".into(),
            news: ForwardNews::Failed(
                Failure::work("wharf::observe::port_taken", "port 8080 is taken")
                    .because("process 4711 (nginx) listens on it")
                    .help("end it, or set `local:` of this forward to another port"),
            ),
        },
        Report::Pod {
            workload: Some(workload.clone()),
            pod: "worker-7d9f-x2kqz".into(),
            container: Some("worker".into()),
            what: "crashed with status 1, 3 restarts".into(),
            last_lines: vec!["Traceback (most recent call last):".into(), "KeyError: 'DB'".into()],
            mended: false,
        },
        Report::Pod {
            workload: Some(workload),
            pod: "worker-7d9f-x2kqz".into(),
            container: None,
            what: String::new(),
            last_lines: vec![],
            mended: true,
        },
        Report::Note { text: "wrote wharf.yaml".into() },
        Report::Warning {
            text: "the limit of watches is reached; looking every 2 s instead".into(),
            help: Some("sudo sysctl fs.inotify.max_user_watches=524288".into()),
        },
        Report::Watching { files: 1 },
    ]
}

pub(super) fn leaving(leftovers: bool) -> Vec<Report> {
    let leftover = Leftover {
        what: "release `shop` in namespace `dev`".into(),
        why: "no answer within 60 s".into(),
        by_hand: "helm uninstall shop -n dev".into(),
    };
    vec![
        building("api", "services/api/main.py changed"),
        Report::Leaving,
        Report::Undone { what: "uninstalled `shop`".into() },
        Report::Forward { target: "service/web".into(), news: ForwardNews::Closed },
        Report::Stopped {
            took: secs(1.3),
            leftovers: if leftovers { vec![leftover] } else { vec![] },
            kept: vec!["db".into(), "namespace shop".into()],
        },
    ]
}

pub(super) fn verbose() -> Vec<Report> {
    vec![
        step("web", "[2/5] RUN pip install", false, Some(2.2)),
        step("web", "[1/5] FROM python:3.11-slim", true, Some(0.0)),
        Report::Changed { paths: vec!["README.md".into()], count: 1, ignored: true },
        Report::Forward { target: "service/web".into(), news: ForwardNews::Closed },
        Report::Trace { text: "DEBUG wharf::docker: connected".into() },
    ]
}

fn log(replica: Option<&str>, container: Option<&str>, text: &str, remark: bool) -> Report {
    Report::Log(LogLine {
        workload: "web".into(),
        replica: replica.map(Into::into),
        container: container.map(Into::into),
        prefix: None,
        stamp: "2026-11-21T10:00:00.000000001Z".into(),
        text: text.into(),
        remark,
    })
}

pub(super) fn data() -> Vec<Report> {
    vec![
        log(None, None, "10.244.0.7 GET /cart 200", false),
        log(Some("x2kqz"), None, "\u{1b}[32mready\u{1b}[0m", false),
        log(None, Some("proxy"), "listening", false),
        log(None, None, "3 lines were lost: kubelet had dropped them", true),
        Report::Data {
            what: "images",
            text: "api:1f3c\n".into(),
            data: serde_json::json!({"images": {"api": "api:1f3c"}}),
        },
        Report::Check(Check {
            name: "docker".into(),
            state: CheckState::Ok,
            what: "Engine 20.10.24".into(),
            help: vec![],
        }),
        Report::Check(Check {
            name: "helm".into(),
            state: CheckState::Fail,
            what: "it is not on the PATH".into(),
            help: vec!["install Helm 3 or 4".into()],
        }),
    ]
}

pub(super) fn without_helm() -> Vec<Report> {
    let (changed, took) = (vec![], secs(0.4));
    vec![
        release("shop", ReleaseNews::Patched { lags: true, took: secs(0.05) }),
        answers(0.62),
        lap(1.1, 0.62, 1.1),
        release("shop", ReleaseNews::Recorded { revision: Some(10), changed, took }),
    ]
}

pub(super) fn every_report() -> Vec<Report> {
    let mut all = start();
    all.extend(large_round());
    all.extend(failed_round());
    all.extend(troubles());
    all.extend(leaving(true));
    all.extend(verbose());
    all.extend(data());
    all.extend(without_helm());
    let (sent_bytes, total_bytes) = (4_200_000, 31_000_000);
    all.push(artifact("web", ArtifactNews::Sending { sent_bytes, total_bytes }));
    all
}
