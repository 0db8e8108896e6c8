//! The end of a round: what was done since the save, or that nothing had to be.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::amount::{seconds, several};
use super::super::line::{Line, Tone};
use super::super::row::{Row, Sort};
use super::Board;

/// The end of a round that changed nothing.
const NOTHING: &str = "nothing to do: what runs is up to date";

impl Board {
    pub(super) fn round(&mut self, took: Duration, failed: usize, first: bool) -> Vec<Line> {
        self.first = false;
        if failed == 0 {
            self.live.append(&mut self.delivered);
        }
        self.waiting.clear();
        let total = seconds_of_round(took);
        let unchanged = std::mem::take(&mut self.unchanged);
        let idled = !std::mem::take(&mut self.acted) && failed == 0 && !first;
        let hold = self.manner.hold;
        let (idle, rows): (Vec<Row>, Vec<Row>) =
            std::mem::take(&mut self.rows).into_iter().partition(Row::is_unchanged);
        if idled {
            // Somebody saved what is there already; that nothing happens deserves a word.
            let line = idle.first().and_then(|row| row.result(self.width));
            return vec![line.unwrap_or_else(|| Line::of(Tone::Faint, NOTHING))];
        }
        if let (false, true, 0, Some(line)) = (first, hold, failed, self.small_round(&rows, &total))
        {
            return vec![line];
        }
        let mut lines = self.results(&rows);
        if first {
            lines.splice(0..0, self.results(&idle));
        }
        if !hold {
            lines.clear();
        }
        lines.push(match failed {
            0 if first => {
                Line::of(Tone::Good, format!("done in {total}")).and(as_before(&unchanged))
            }
            0 => Line::of(Tone::Good, format!("total {total}")),
            failed => Line::of(Tone::Bad, format!("{failed} failed, after {total}")),
        });
        lines
    }

    /// A round of one image and one release, or less, in one line.
    fn small_round(&self, rows: &[Row], total: &str) -> Option<Line> {
        let few = |sort| rows.iter().filter(|row| row.sort == sort).count() <= 1;
        if rows.is_empty() || !few(Sort::Artifact) || !few(Sort::Release) {
            return None;
        }
        let mut ordered: Vec<&Row> = rows.iter().collect();
        ordered.sort_by_key(|row| row.sort == Sort::Release);
        let room = self.columns.unwrap_or(usize::MAX);
        [true, false]
            .into_iter()
            .map(|sizes| self.in_one_line(&ordered, total, sizes))
            .find(|line| line.columns() < room)
    }

    fn in_one_line(&self, rows: &[&Row], total: &str, sizes: bool) -> Line {
        let steps: Vec<String> = rows.iter().flat_map(|row| row.steps(sizes)).collect();
        let line = Line::new().column(Tone::Strong, &rows[0].name, self.width).and("  ");
        line.and(steps.join(" · ")).and("   ").with(Tone::Good, format!("total {total}"))
    }
}

/// How much was as it is wanted: `; unchanged: 4 images, 1 release`.
fn as_before(unchanged: &BTreeSet<(Sort, String)>) -> String {
    let count = |wanted| unchanged.iter().filter(|(sort, _)| *sort == wanted).count();
    let counts: Vec<String> = [(Sort::Artifact, "image"), (Sort::Release, "release")]
        .into_iter()
        .filter(|(sort, _)| count(*sort) > 0)
        .map(|(sort, name)| several(count(sort), name))
        .collect();
    if counts.is_empty() { String::new() } else { format!("; unchanged: {}", counts.join(", ")) }
}

/// A round's length: hundredths matter longer here, since people compare them.
fn seconds_of_round(took: Duration) -> String {
    let exact = took.as_secs_f64();
    if exact < 9.995 { format!("{exact:.2}s") } else { seconds(took) }
}
