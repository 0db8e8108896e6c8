//! The end of a round in one line: what was saved, what was done, and how long it took until new
//! connections went to it and until Kubernetes called it ready.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::amount::{seconds, several};
use super::super::line::{Line, Tone};
use super::super::row::{Detail, Row, Sort};
use super::Board;

/// The end of a round that changed nothing.
const NOTHING: &str = "nothing to do: what runs is up to date";

/// What was saved, in words of two lengths.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) long: String,
    pub(super) short: String,
}

/// How long a round took, counted from the save.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lap {
    pub(super) took: Duration,
    pub(super) live: Option<Duration>,
    pub(super) ready: Option<Duration>,
}

impl Cause {
    pub(super) fn line(&self) -> Line {
        Line::of(Tone::Faint, format!("{} changed", self.long))
    }
}

impl Lap {
    /// `total 1.10s (live 0.62s, ready 1.10s)`.
    fn total(self) -> String {
        let moments = [("live", self.live), ("ready", self.ready)];
        let moments = moments.into_iter().filter_map(|(word, moment)| Some((word, moment?)));
        let moments = moments.map(|(word, moment)| format!("{word} {}", seconds_of_round(moment)));
        let moments: Vec<String> = moments.collect();
        let total = format!("total {}", seconds_of_round(self.took));
        if moments.is_empty() { total } else { format!("{total} ({})", moments.join(", ")) }
    }
}

impl Board {
    pub(super) fn round(&mut self, lap: Lap, failed: usize, first: bool) -> Vec<Line> {
        self.first = false;
        if failed == 0 {
            self.live.append(&mut self.delivered);
        }
        self.waiting.clear();
        let unchanged = std::mem::take(&mut self.unchanged);
        let idled = !std::mem::take(&mut self.acted) && failed == 0 && !first;
        let hold = self.manner.hold;
        let (idle, rows): (Vec<Row>, Vec<Row>) =
            std::mem::take(&mut self.rows).into_iter().partition(Row::is_unchanged);
        if idled {
            // Somebody saved what is there already; that nothing happens deserves a word.
            let cause = self.cause.take().filter(|_| hold);
            let cause = cause.map(|cause| format!("{} changed; ", cause.long));
            return vec![Line::of(Tone::Faint, format!("{}{NOTHING}", cause.unwrap_or_default()))];
        }
        if !first && failed == 0 {
            let line = self.in_one_line(&rows, lap);
            let cause = self.cause.take();
            return match line {
                Some(line) => vec![line],
                None => {
                    let total = Line::of(Tone::Good, lap.total());
                    let rows = if hold { self.results(&rows) } else { Vec::new() };
                    let cause = cause.filter(|_| hold).map(|cause| cause.line());
                    cause.into_iter().chain(rows).chain([total]).collect()
                }
            };
        }
        let mut lines = Vec::new();
        if hold {
            lines.extend(self.cause.take().map(|cause| cause.line()));
            lines.extend(if first { self.results(&idle) } else { Vec::new() });
            lines.extend(self.results(&rows));
        }
        self.cause = None;
        let took = seconds_of_round(lap.took);
        lines.push(match failed {
            0 => Line::of(Tone::Good, format!("done in {took}")).and(as_before(&unchanged)),
            failed => Line::of(Tone::Bad, format!("{failed} failed, after {took}")),
        });
        lines
    }

    /// The whole round in the longest form that fits; nothing where none does.
    fn in_one_line(&self, rows: &[Row], lap: Lap) -> Option<Line> {
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by_key(|row| row.sort == Sort::Release);
        let few = |sort| rows.iter().filter(|row| row.sort == sort).count() <= 1;
        let is_small = !rows.is_empty() && few(Sort::Artifact) && few(Sort::Release);
        let long = self.cause.as_ref().map(|cause| cause.long.as_str());
        let short = self.cause.as_ref().map(|cause| cause.short.as_str());
        let room = self.columns.unwrap_or(usize::MAX);
        let forms: &[(Detail, Option<&str>)] = match (is_small, self.manner.hold) {
            // How long each step took stands above.
            (_, false) => &[(Detail::Words, long)],
            (true, true) => &[
                (Detail::Sizes, long),
                (Detail::Times, long),
                (Detail::Times, short),
                (Detail::Words, short),
            ],
            (false, true) => &[(Detail::Words, long), (Detail::Words, short)],
        };
        let lines = forms.iter().map(|(detail, cause)| {
            let cause = cause.map(|cause| format!("{cause}: ")).unwrap_or_default();
            let (start, done) = if is_small {
                let steps = rows.iter().flat_map(|row| row.steps(*detail)).collect::<Vec<_>>();
                let joint = if *detail == Detail::Words { ", " } else { " · " };
                let start = Line::new().column(Tone::Strong, &rows[0].name, self.width).and("  ");
                (start, steps.join(joint))
            } else {
                (Line::new(), summary(&rows))
            };
            start.and(cause).and(done).and("   ").with(Tone::Good, lap.total())
        });
        let mut lines = lines.filter(|line| !rows.is_empty() && line.columns() < room);
        lines.next()
    }
}

/// What was done to many things: `api, web built, loaded · shop patched`.
fn summary(rows: &[&Row]) -> String {
    let mut groups: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for row in rows {
        let steps = row.steps(Detail::Words);
        match groups.iter_mut().find(|(_, known)| *known == steps) {
            Some((names, _)) => names.push(&row.name),
            None => groups.push((vec![&row.name], steps)),
        }
    }
    let groups = groups.into_iter().map(|(names, steps)| {
        let names = names.join(", ");
        format!("{names} {}", steps.join(", "))
    });
    groups.collect::<Vec<_>>().join(" · ")
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
