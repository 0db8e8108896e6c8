//! When the next edit is due: decided from what the session tells, and from the time that passes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::model::ReleaseName;
use crate::report::{ReleaseNews, Report};

/// How long nothing may have happened before the next edit.
const QUIET: Duration = Duration::from_secs(1);
/// How long Helm's record of the round before is waited for.
const RECORD: Duration = Duration::from_secs(60);
/// When an edit has led to nothing for so long, it never will.
const IDLE: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing yet.
    None,
    /// The edit of this number, from 1.
    Edit(usize),
    /// The edit has led to nothing.
    Idle,
    /// The start or a round has failed.
    Failed,
    /// All edits are done, or something asks for the end.
    Leave,
}

/// Where the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    /// The last round is over since then, and so long nothing has happened.
    Resting {
        since: Instant,
        last: Instant,
    },
    /// Edited then; the session may not have noticed yet.
    Edited(Instant),
    /// The session works on the edit.
    Noticed,
    Leaving,
}

/// Leads from edit to edit.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    times: usize,
    done: usize,
    phase: Phase,
    /// Releases whose last round Helm has still to record, which takes a processor away.
    unrecorded: BTreeSet<ReleaseName>,
}

impl Pace {
    pub(super) fn new(times: usize) -> Self {
        Self { times, done: 0, phase: Phase::Starting, unrecorded: BTreeSet::new() }
    }

    /// Whether a round that ends now is that of an edit.
    pub(super) fn is_edited(&self) -> bool {
        matches!(self.phase, Phase::Edited(_) | Phase::Noticed)
    }

    /// When [`Pace::is_due`] has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resting { last, .. } if self.unrecorded.is_empty() => Some(last + QUIET),
            Phase::Resting { since, .. } => Some(since + RECORD),
            Phase::Edited(at) => Some(at + IDLE),
            Phase::Starting | Phase::Noticed | Phase::Leaving => None,
        }
    }

    /// The time has come.
    pub(super) fn is_due(&mut self) -> Step {
        match self.phase {
            Phase::Resting { .. } if self.done == self.times => Step::Leave,
            Phase::Resting { .. } => Step::Edit(self.done + 1),
            Phase::Edited(_) => Step::Idle,
            Phase::Starting | Phase::Noticed | Phase::Leaving => Step::None,
        }
    }

    /// The edit was made.
    pub(super) fn edited(&mut self, now: Instant) {
        self.phase = Phase::Edited(now);
    }

    /// Nothing more is done.
    pub(super) fn leaves(&mut self) {
        self.phase = Phase::Leaving;
    }

    /// Takes into account what the session tells.
    pub(super) fn hears(&mut self, report: &Report, now: Instant) -> Step {
        match report {
            Report::Release { name, news: ReleaseNews::Patched { lags: true, .. } } => {
                self.unrecorded.insert(name.clone());
            }
            Report::Release {
                name,
                news:
                    ReleaseNews::Recorded { .. } | ReleaseNews::Deployed { .. } | ReleaseNews::Failed(_),
            } => {
                self.unrecorded.remove(name);
            }
            _ => {}
        }
        if let Phase::Resting { last, .. } = &mut self.phase {
            if !matches!(report, Report::Log(_) | Report::Trace { .. }) {
                *last = now;
            }
            return Step::None;
        }
        match (self.phase, report) {
            (Phase::Leaving, _) => Step::None,
            (_, Report::Round { failed: 1.., .. }) => Step::Failed,
            (Phase::Starting, Report::Round { .. }) => self.rests(now),
            (Phase::Edited(_), Report::Changed { .. }) => {
                self.phase = Phase::Noticed;
                Step::None
            }
            (Phase::Edited(_) | Phase::Noticed, Report::Round { .. }) => {
                self.done += 1;
                self.rests(now)
            }
            _ => Step::None,
        }
    }

    fn rests(&mut self, now: Instant) -> Step {
        self.phase = Phase::Resting { since: now, last: now };
        // What Helm has to record belongs to a round that was measured; nobody waits for the last.
        if self.done == self.times { Step::Leave } else { Step::None }
    }
}
