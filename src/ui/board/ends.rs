//! The session's first line and its last ones.

use std::time::Duration;

use crate::model::Leftover;
use crate::report::Report;

use super::super::amount::{seconds, several};
use super::super::line::{Line, Tone};
use super::{Board, plain};

impl Board {
    pub(super) fn started(&mut self, report: &Report) -> Vec<Line> {
        let Report::Started {
            project,
            context,
            namespace,
            artifacts,
            releases,
            artifact_names,
            release_names,
            asked_for,
            file,
        } = report
        else {
            return Vec::new();
        };
        // So that the table keeps its columns from the first row on.
        artifact_names.iter().for_each(|name| self.widen(name.as_str()));
        release_names.iter().for_each(|name| self.widen(name.as_str()));
        // What the start waited for has come.
        self.waiting.clear();
        let place = if context.is_empty() {
            String::new()
        } else {
            format!(" on {context}, namespace {namespace}")
        };
        let file = file.as_deref().unwrap_or("no wharf.yaml, inferred from the folder");
        let what = match (asked_for.as_slice(), *releases) {
            ([], 0) => several(*artifacts, "image"),
            ([], releases) => {
                format!("{}, {}", several(*artifacts, "image"), several(releases, "release"))
            }
            (names, _) => names.join(", "),
        };
        let text = format!("{place}: {what} ({file})");
        vec![Line::of(Tone::Strong, plain(project)).and(plain(&text))]
    }

    pub(super) fn leaving(&mut self) -> Vec<Line> {
        // What has been done is told; what was going on is given up.
        for row in &mut self.rows {
            row.doing = None;
        }
        let mut lines = self.flush();
        lines.push(Line::of(Tone::Faint, "stopping; ctrl+c again leaves at once"));
        lines
    }

    pub(super) fn stopped(
        &mut self,
        took: Duration,
        leftovers: &[Leftover],
        kept: &[String],
    ) -> Vec<Line> {
        let mut lines = self.flush();
        let total = seconds(took);
        let kept =
            if kept.is_empty() { String::new() } else { format!(" (kept: {})", kept.join(", ")) };
        if leftovers.is_empty() {
            let text = format!("stopped in {total}; nothing left behind{}", plain(&kept));
            lines.push(Line::of(Tone::Good, text));
            return lines;
        }
        let things = several(leftovers.len(), "thing");
        let text = format!("stopped in {total}; {things} left behind{}", plain(&kept));
        lines.push(Line::of(Tone::Bad, text));
        for leftover in leftovers {
            lines.push(
                Line::new()
                    .and("  ")
                    .with(Tone::Strong, plain(&leftover.what))
                    .and(format!(": {}", plain(&leftover.why))),
            );
            lines.push(
                Line::new().and("    remove it: ").with(Tone::Strong, plain(&leftover.by_hand)),
            );
        }
        lines
    }
}
