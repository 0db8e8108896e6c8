//! One image or release on its way: what it does, what it has done, as one line.

use std::time::Duration;

use crate::model::ImageRef;

use super::amount::{bytes, seconds, several};
use super::line::{Line, Tone};

/// What happens at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doing {
    pub(super) verb: &'static str,
    pub(super) detail: String,
    /// When it began, on the clock of the `ui` task; absent where waiting is no work.
    pub(super) since: Option<Duration>,
}

/// What has been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    Unchanged { detail: String },
    Built { image: ImageRef, took: Duration },
    Delivered { how: &'static str, sent_bytes: u64, total_bytes: u64, took: Duration },
    Deployed { revision: Option<u32>, pruned: usize, hooks: Vec<String>, took: Duration },
    Patched { took: Duration },
    Answers { target: String, took: Duration },
    Settled { took: Duration },
}

/// Which sort of thing a row is about; the same name may stand for one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Artifact,
    Release,
}

/// One image or release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) sort: Sort,
    pub(super) name: String,
    pub(super) doing: Option<Doing>,
    pub(super) done: Vec<Done>,
    /// Hooks that ended since the last deploy began, such as `migrate hook 0.6s`.
    pub(super) hooks: Vec<String>,
    /// When its new version answered, counted from the save.
    pub(super) live: Option<Duration>,
}

/// How much of a step is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// `loaded 0.08s, 12 KB of 212 MB`
    Sizes,
    /// `loaded 0.08s`
    Times,
    /// `loaded`
    Words,
}

/// Width of the verb's column and of the time's.
const VERB: usize = 11;
const TIME: usize = 7;

/// Between two details.
const GAP: &str = "   ";

impl Row {
    pub(super) fn new(sort: Sort, name: &str) -> Self {
        let (done, hooks) = (Vec::new(), Vec::new());
        Self { sort, name: name.to_owned(), doing: None, done, hooks, live: None }
    }

    /// Whether nothing was done, because nothing had to be.
    pub(super) fn is_unchanged(&self) -> bool {
        matches!(self.done[..], [] | [Done::Unchanged { .. }])
    }

    /// Everything that was done, as a table's row: `web     built      1.9s   web:77aa…`.
    ///
    /// Where it is not narrower than `room`, it goes without the sizes of what was delivered.
    pub(super) fn result_within(&self, width: usize, room: usize) -> Option<Line> {
        [Detail::Sizes, Detail::Times]
            .into_iter()
            .filter_map(|detail| self.table_row(width, detail))
            .reduce(|with, without| if with.columns() < room { with } else { without })
    }

    /// The same, as wide as it gets.
    pub(super) fn result(&self, width: usize) -> Option<Line> {
        self.table_row(width, Detail::Sizes)
    }

    fn table_row(&self, width: usize, detail: Detail) -> Option<Line> {
        let start = Line::new().column(Tone::Strong, &self.name, width).and("  ");
        let (first, rest) = self.done.split_first()?;
        let mut line = match first {
            Done::Unchanged { detail } => row(start, Tone::Faint, "unchanged", None, detail),
            Done::Built { image, took } => {
                row(start, Tone::Good, "built", Some(*took), &image.to_string())
            }
            Done::Delivered { how, sent_bytes, total_bytes, took } => {
                row(start, Tone::Good, how, Some(*took), &sizes(*sent_bytes, *total_bytes))
            }
            Done::Deployed { revision, pruned, hooks, took } => {
                let detail = deployed(*revision, *pruned, hooks);
                row(start, Tone::Good, "deployed", Some(*took), &detail)
            }
            Done::Patched { took } => row(start, Tone::Good, "patched", Some(*took), ""),
            Done::Answers { target, took } => row(start, Tone::Good, "live", Some(*took), target),
            Done::Settled { took } => row(start, Tone::Good, "settled", Some(*took), ""),
        };
        for done in rest {
            line = line.and(GAP).and(done.brief(detail));
        }
        Some(line)
    }

    /// What happens at the moment, as a row of the same table.
    pub(super) fn progress(&self, width: usize, now: Duration) -> Option<Line> {
        let Some(doing) = &self.doing else { return self.result(width) };
        let start = Line::new().column(Tone::Strong, &self.name, width).and("  ");
        let ran = doing.since.map(|since| now.saturating_sub(since));
        // A count that has just begun would only flicker.
        let ran = ran.filter(|ran| *ran >= Duration::from_millis(500));
        let live = self.live.map(|live| format!("live after {}; ", seconds(live)));
        let detail = format!("{}{}", live.unwrap_or_default(), doing.detail);
        Some(row(start, Tone::Busy, doing.verb, ran, &detail).faint())
    }

    /// What was done in a round, step by step.
    pub(super) fn steps(&self, detail: Detail) -> Vec<String> {
        // How long it settled is part of the round's own time.
        let done = self.done.iter().filter(|done| !matches!(done, Done::Settled { .. }));
        done.map(|done| done.brief(detail)).collect()
    }
}

impl Done {
    fn brief(&self, detail: Detail) -> String {
        let timed = |word: &str, took: Duration| match detail {
            Detail::Words => word.to_owned(),
            Detail::Times | Detail::Sizes => format!("{word} {}", seconds(took)),
        };
        match self {
            Self::Unchanged { .. } => "unchanged".to_owned(),
            Self::Built { took, .. } => timed("built", *took),
            Self::Delivered { how, sent_bytes, total_bytes, took } => {
                let sizes = sizes(*sent_bytes, *total_bytes);
                let comma = if sizes.is_empty() { "" } else { ", " };
                match detail {
                    Detail::Sizes => format!("{how} {}{comma}{sizes}", seconds(*took)),
                    Detail::Times | Detail::Words => timed(how, *took),
                }
            }
            Self::Deployed { took, .. } => timed("deployed", *took),
            Self::Patched { took } => timed("patched", *took),
            Self::Answers { took, .. } => timed("live", *took),
            Self::Settled { took } => timed("settled", *took),
        }
    }
}

fn row(start: Line, tone: Tone, verb: &str, took: Option<Duration>, detail: &str) -> Line {
    let took = took.map(seconds).unwrap_or_default();
    start.column(tone, verb, VERB).column(Tone::Plain, &took, TIME).and(detail)
}

/// The line of something that is neither: `web     forwarded         http://127.0.0.1:8080`.
pub(super) fn other(name: &str, width: usize, tone: Tone, verb: &str, detail: &str) -> Line {
    row(Line::new().column(Tone::Strong, name, width).and("  "), tone, verb, None, detail)
}

/// One step of a row, as a row of its own.
pub(super) fn single(name: &str, width: usize, done: Done) -> Line {
    let row = Row { done: vec![done], ..Row::new(Sort::Artifact, name) };
    row.result(width).unwrap_or_default()
}

fn sizes(sent_bytes: u64, total_bytes: u64) -> String {
    match (sent_bytes, total_bytes) {
        (0, 0) => String::new(),
        // The whole image: its archive is a little larger than what it holds.
        (sent, total) if sent >= total => bytes(sent),
        (sent, total) => format!("{} of {}", bytes(sent), bytes(total)),
    }
}

fn deployed(revision: Option<u32>, pruned: usize, hooks: &[String]) -> String {
    let mut details = Vec::new();
    if let Some(revision) = revision {
        details.push(format!("revision {revision}"));
    }
    if pruned > 0 {
        details.push(format!("{} pruned", several(pruned, "object")));
    }
    if !hooks.is_empty() {
        details.push(format!("({})", hooks.join(", ")));
    }
    details.join(GAP)
}
