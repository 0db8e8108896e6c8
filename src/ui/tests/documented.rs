//! `docs/json.md` tells programs of every report and every field that they may meet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// Every sort of report. A new one fails to compile in [`sort`] until it is named here too.
const SORTS: [&str; 38] = [
    "started",
    "changed",
    "round",
    "watching",
    "waiting",
    "leaving",
    "undone",
    "stopped",
    "artifact · unchanged",
    "artifact · building",
    "artifact · step",
    "artifact · built",
    "artifact · cancelled",
    "artifact · delivered",
    "artifact · failed",
    "release · unchanged",
    "release · drifted",
    "release · deploying",
    "release · hook",
    "release · deployed",
    "release · patched",
    "release · recorded",
    "release · settling",
    "release · answers",
    "release · live",
    "release · rolled_back",
    "release · failed",
    "forward · open",
    "forward · closed",
    "forward · failed",
    "log",
    "pod",
    "failed",
    "warning",
    "note",
    "trace",
    "check",
    "data",
];

/// The place of a report's sort in [`SORTS`].
fn sort(report: &Report) -> &'static str {
    let index = match report {
        Report::Started { .. } => 0,
        Report::Changed { .. } => 1,
        Report::Round { .. } => 2,
        Report::Watching { .. } => 3,
        Report::Waiting { .. } => 4,
        Report::Leaving => 5,
        Report::Undone { .. } => 6,
        Report::Stopped { .. } => 7,
        Report::Artifact { news, .. } => match news {
            ArtifactNews::Unchanged { .. } => 8,
            ArtifactNews::Building { .. } => 9,
            ArtifactNews::Step { .. } => 10,
            ArtifactNews::Built { .. } => 11,
            ArtifactNews::Cancelled => 12,
            ArtifactNews::Delivered { .. } => 13,
            ArtifactNews::Failed(_) => 14,
        },
        Report::Release { news, .. } => match news {
            ReleaseNews::Unchanged { .. } => 15,
            ReleaseNews::Drifted { .. } => 16,
            ReleaseNews::Deploying { .. } => 17,
            ReleaseNews::Hook { .. } => 18,
            ReleaseNews::Deployed { .. } => 19,
            ReleaseNews::Patched { .. } => 20,
            ReleaseNews::Recorded { .. } => 21,
            ReleaseNews::Settling { .. } => 22,
            ReleaseNews::Answers { .. } => 23,
            ReleaseNews::Live { .. } => 24,
            ReleaseNews::RolledBack { .. } => 25,
            ReleaseNews::Failed(_) => 26,
        },
        Report::Forward { news, .. } => match news {
            ForwardNews::Open { .. } => 27,
            ForwardNews::Closed => 28,
            ForwardNews::Failed(_) => 29,
        },
        Report::Log(_) => 30,
        Report::Pod { .. } => 31,
        Report::Failed(_) => 32,
        Report::Warning { .. } => 33,
        Report::Note { .. } => 34,
        Report::Trace { .. } => 35,
        Report::Check(_) => 36,
        Report::Data { .. } => 37,
    };
    SORTS[index]
}

/// The fields of each section of the document, by its heading without backticks.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../../docs/json.md");
    let mut fields = BTreeMap::new();
    for section in text.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').expect("a section has a body");
        // The first table is the one of fields.
        let rows = body.lines().skip_while(|line| !line.starts_with('|'));
        let rows = rows.take_while(|line| line.starts_with('|'));
        let names = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
        let mut names: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
        if body.contains("the fields of `failed`") {
            let failure = ["what", "why", "help", "code", "kind", "snippet"];
            names.extend(failure.map(str::to_owned));
        }
        fields.insert(heading.replace('`', ""), names);
    }
    fields
}

#[test]
fn every_report_and_every_field_is_in_the_document() {
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for report in every_report() {
        let Value::Object(fields) = serde_json::to_value(&report).unwrap() else {
            panic!("a report is an object: {report:?}");
        };
        let names = fields.keys().filter(|name| !["report", "news"].contains(&name.as_str()));
        told.entry(sort(&report)).or_default().extend(names.cloned());
    }
    let snippet = || "snippet".to_owned();
    // Only failures of files have one; which of them the samples hold does not matter.
    for (name, fields) in &mut told {
        if name.ends_with("failed") {
            fields.insert(snippet());
        }
    }
    let documented = documented();
    for name in SORTS {
        let fields = told.get(name).unwrap_or_else(|| panic!("no sample of `{name}`"));
        assert_eq!(documented.get(name), Some(fields), "docs/json.md on `{name}`");
    }
    let known: BTreeSet<&str> = SORTS.into();
    let foreign: Vec<_> = documented.keys().filter(|name| !known.contains(name.as_str())).collect();
    assert_eq!(foreign, [""; 0], "docs/json.md tells of what there is not");
}
