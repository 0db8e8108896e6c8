//! `docs/json.md` tells programs of every report and every field that they may meet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// Every sort of report. A new one fails to compile in [`sort`] until it is named here too.
const SORTS: [&str; 39] = [
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
    "artifact · sending",
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
            ArtifactNews::Sending { .. } => 13,
            ArtifactNews::Delivered { .. } => 14,
            ArtifactNews::Failed(_) => 15,
        },
        Report::Release { news, .. } => match news {
            ReleaseNews::Unchanged { .. } => 16,
            ReleaseNews::Drifted { .. } => 17,
            ReleaseNews::Deploying { .. } => 18,
            ReleaseNews::Hook { .. } => 19,
            ReleaseNews::Deployed { .. } => 20,
            ReleaseNews::Patched { .. } => 21,
            ReleaseNews::Recorded { .. } => 22,
            ReleaseNews::Settling { .. } => 23,
            ReleaseNews::Answers { .. } => 24,
            ReleaseNews::Live { .. } => 25,
            ReleaseNews::RolledBack { .. } => 26,
            ReleaseNews::Failed(_) => 27,
        },
        Report::Forward { news, .. } => match news {
            ForwardNews::Open { .. } => 28,
            ForwardNews::Closed => 29,
            ForwardNews::Failed(_) => 30,
        },
        Report::Log(_) => 31,
        Report::Pod { .. } => 32,
        Report::Failed(_) => 33,
        Report::Warning { .. } => 34,
        Report::Note { .. } => 35,
        Report::Trace { .. } => 36,
        Report::Check(_) => 37,
        Report::Data { .. } => 38,
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
