//! Each failure that a person meets, made for real while `wharf dev` runs or starts: what is said,
//! and that the same session goes on once the cause is mended.

mod building;
mod charts;
mod deploying;
mod disk;
mod guard;
mod rendering;
mod settling;
mod surroundings;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Project, Wharf};

/// The next failure that is told, as a person reads it: what, the place, why, help, code. What
/// differs from run to run is replaced.
fn failure(wharf: &mut Wharf, project: &Project) -> String {
    let report = wharf.next("a failure", |report| is_failure(report).then(|| report.clone()));
    shown(&report, project)
}

/// The next failures of so many images or releases, by name.
fn failures(wharf: &mut Wharf, project: &Project, count: usize) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    while told.len() < count {
        let report = wharf.next("a failure", |report| is_failure(report).then(|| report.clone()));
        let name = report["name"].as_str().unwrap_or_default().to_owned();
        let before = told.insert(name, shown(&report, project));
        assert_eq!(before, None, "each is told once");
    }
    told
}

/// How often a failure with this code was told so far.
fn times_told(wharf: &Wharf, code: &str) -> usize {
    let all = wharf.reports();
    all.iter().filter(|report| is_failure(report) && report["code"] == code).count()
}

/// Waits for a round in which nothing failed.
fn mended(wharf: &mut Wharf) {
    while wharf.round() != 0 {}
}

fn is_failure(report: &Value) -> bool {
    report["report"] == "failed" || report["news"] == "failed"
}

/// A failure's report as text.
fn shown(report: &Value, project: &Project) -> String {
    let text = |key: &str| report[key].as_str().unwrap_or_default().to_owned();
    let lines = |key: &str, before: &str| {
        let all = report[key].as_array().cloned().unwrap_or_default();
        let all = all.iter().filter_map(Value::as_str).flat_map(str::lines);
        all.map(|line| format!("{before}{line}\n")).collect::<String>()
    };
    // As on a terminal, whose it is stands in front, once.
    let whose = ["name", "target"].map(text).concat();
    let what = text("what");
    let mut shown = match what.strip_prefix(&format!("`{whose}` ")) {
        Some(what) => format!("{whose}  {what}\n"),
        None if whose.is_empty() => format!("error: {what}\n"),
        None => format!("{whose}  failed: {what}\n"),
    };
    let snippet = text("snippet");
    shown += &snippet.lines().map(|line| format!("{line}\n")).collect::<String>();
    shown += &lines("why", "  ");
    shown += &lines("help", "help: ");
    shown += &format!("[{}]", text("code"));
    filtered(&shown, project)
}

/// Replaces what differs from run to run: folders, the namespace, content tags, ports.
fn filtered(text: &str, project: &Project) -> String {
    let folder = project.folder().display().to_string();
    let home = project.home().display().to_string();
    let text = text.replace(&folder, "PROJECT").replace(&home, "HOME");
    let text = text.replace(project.namespace(), "NAMESPACE");
    let pattern = |pattern| regex::Regex::new(pattern).expect("it is a pattern");
    let text = pattern(r":[0-9a-f]{16}\b").replace_all(&text, ":TAG");
    let text = pattern(r"state/wharf/([a-z0-9-]+)-[0-9a-f]{12}").replace_all(&text, "STATE/$1");
    pattern(r"127\.0\.0\.1:\d+").replace_all(&text, "127.0.0.1:PORT").into_owned()
}
