//! Rounds on disk, in numbers and as drawn.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::model::ProjectName;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn span(stage: Stage, name: &str, from: u64, to: u64) -> Span {
    Span { stage, name: name.into(), step: None, from: millis(from), to: millis(to) }
}

fn round(at: u64, took: u64) -> Round {
    let step = Span { step: Some("[4/4] COPY . .".into()), ..span(Stage::Step, "web", 60, 160) };
    Round {
        at: format!("2026-11-25T15:07:{at:02}Z"),
        context: "kind-dev".into(),
        paths: vec!["app.py".into()],
        count: 1,
        failed: 0,
        took: millis(took),
        live: Some(millis(took - 400)),
        ready: Some(millis(took)),
        spans: vec![
            span(Stage::Event, "", 0, 1),
            span(Stage::Quiet, "", 1, 31),
            span(Stage::Hash, "web", 32, 40),
            step,
            span(Stage::Build, "web", 42, 200),
            span(Stage::Patch, "shop", 300, 340),
            span(Stage::Answered, "shop", 340, took - 400),
            span(Stage::Ready, "shop", took - 400, took),
        ],
    }
}

fn project() -> ProjectName {
    ProjectName::parse("shop").unwrap()
}

#[test]
fn the_last_rounds_are_there_again_and_never_more_than_fifty() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("shop-0123456789ab");
    fs::create_dir(&folder).unwrap();
    // Neither another project nor one whose name begins the same is meant.
    fs::create_dir(base.path().join("shop-two-0123456789ab")).unwrap();
    Store::open(&base.path().join("shop-two-0123456789ab")).add(round(0, 700)).unwrap();
    let store = Store::open(&folder);
    for nth in 0..55 {
        store.add(round(nth, 1000 + nth)).unwrap();
    }
    let rounds = read(base.path(), &project());
    assert_eq!((rounds.len(), &rounds[0]), (50, &round(5, 1005)));
    Store::open(&folder).add(round(58, 900)).unwrap();
    let rounds = read(base.path(), &project());
    assert_eq!((rounds.len(), rounds.last()), (50, Some(&round(58, 900))));
}

#[test]
fn what_is_damaged_is_passed_over_and_replaced() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("shop-0123456789ab");
    fs::create_dir(&folder).unwrap();
    let whole = serde_json::to_string(&round(1, 900)).unwrap();
    for (text, there) in [
        ("", 0),
        ("{\"version\": 1, \"rounds\": [", 0),
        ("[]", 0),
        ("{\"version\": 1, \"rounds\": {}}", 0),
        (&format!("{{\"version\": 2, \"rounds\": [{whole}]}}"), 0),
        (&format!("{{\"version\": 1, \"rounds\": [{whole}, {{\"at\": 7}}, {whole}]}}"), 2),
        (&format!("{{\"version\": 1, \"rounds\": [{}]}}", whole.replace("0.9", "-1")), 0),
    ] {
        fs::write(folder.join("rounds.json"), text).unwrap();
        assert_eq!(read(base.path(), &project()).len(), there, "{text}");
        Store::open(&folder).add(round(3, 900)).unwrap();
        assert_eq!(read(base.path(), &project()).len(), there + 1, "{text}");
    }
    let mode = fs::metadata(folder.join("rounds.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_that_cannot_be_written_costs_the_round_alone() {
    let base = tempfile::tempdir().unwrap();
    let store = Store::open(&base.path().join("gone"));
    assert!(store.add(round(1, 900)).is_err());
    fs::create_dir(base.path().join("gone")).unwrap();
    store.add(round(2, 900)).unwrap();
    assert_eq!(load(base.path()), 2, "the one before is still known");
}

fn load(base: &std::path::Path) -> usize {
    let text = fs::read_to_string(base.join("gone/rounds.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["rounds"].as_array().unwrap().len()
}

#[test]
fn medians_are_of_rounds_in_which_nothing_failed() {
    let mut rounds: Vec<Round> = (1..=20).map(|nth| round(nth, 1000 * nth)).collect();
    let failed = Round { failed: 1, ..round(21, 90_000) };
    rounds.push(failed.clone());
    let summaries = summaries(&rounds);
    let of = |name: &str, stage: bool| {
        let mut found = summaries.iter();
        let found = found.find(|one| one.name == name && one.stage.is_some() == stage).unwrap();
        [found.min, found.p50, found.p95].map(|took| took.as_millis())
    };
    assert_eq!(of("total", false), [1000, 10_000, 19_000]);
    assert_eq!(of("to live", false), [600, 9600, 18_600]);
    assert_eq!(of("ready", true), [400, 400, 400]);
    assert_eq!(of("build", true), [158, 158, 158]);
    assert!(summaries.iter().all(|one| one.count == 20 && one.name != "step"));
    assert_eq!(slowest(&summaries).unwrap().name, "answered");
    assert_eq!(super::summaries(&[failed]), []);
    let one = super::summaries(&[round(1, 1000)]);
    assert!(one.iter().all(|one| one.min == one.p50 && one.p50 == one.p95));
}

#[test]
fn a_round_is_drawn_to_the_width_of_the_terminal() {
    let text = |columns| {
        let text = waterfall(&round(21, 1600), columns);
        let (head, rows) = text.split_once('\n').unwrap();
        assert!(head.ends_with("  app.py   total 1.60s (live 1.20s, ready 1.60s)"), "{head}");
        assert!(rows.lines().all(|row| drawn(row) <= columns), "{rows}");
        rows.to_owned()
    };
    let expected = [
        "  event             0.001s  ▏",
        "  quiet             0.030s  █",
        "  hash      web     0.008s   ▏",
        "  build     web      0.16s   ██████",
        "    [4/4] COPY . .   0.10s    ▒▒▒",
        "  patch     shop    0.040s            █",
        "  answered  shop     0.86s             ████████████████████████████",
        "  ready     shop     0.40s                                         █████████████",
    ];
    assert_eq!(text(80).lines().collect::<Vec<_>>(), expected);
    for columns in [40, 120, 200] {
        text(columns);
    }
    let long = "RUN ".repeat(80);
    let mut wide = round(1, 1600);
    wide.spans[3].step = Some(long);
    for columns in [40, 80, 200] {
        let text = waterfall(&wide, columns);
        let rows = text.lines().skip(1);
        assert!(rows.into_iter().all(|row| drawn(row) <= columns), "{text}");
    }
}

#[test]
fn names_pick_the_rounds_that_concern_them() {
    let part = round(1, 1600).part(|name| name == "web").unwrap();
    assert_eq!(part.spans.len(), 5);
    assert_eq!(round(1, 1600).part(|name| name == "db"), None);
}

fn drawn(row: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(row)
}
