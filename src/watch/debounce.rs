//! When to look: after a short quiet, and in any case not long after the first sign.

use std::time::{Duration, Instant};

/// No sign for so long means that a save is complete. Editors write in steps a few milliseconds
/// apart; the clock that stamps files moves every 10 ms at the slowest, and after this quiet it
/// has moved on.
pub(super) const QUIET: Duration = Duration::from_millis(30);

/// A file that is written without a pause is looked at after this long.
pub(super) const LONGEST: Duration = Duration::from_millis(400);

/// How often it is looked whether a checkout that is under way has ended.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// A lock that a killed `git` left behind holds nothing up for longer.
pub(super) const BUSY_LONGEST: Duration = Duration::from_secs(10);

/// Collects signs of changes. Knows no clock: it is told the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Debouncer {
    first: Option<Instant>,
    last: Option<Instant>,
    not_before: Option<Instant>,
}

impl Debouncer {
    /// Something may have changed.
    pub(super) fn touch(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When the first sign came that has not led to a look yet.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// When to look; `None` while there is no sign.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        let due = (last + QUIET).min(first + LONGEST);
        Some(self.not_before.map_or(due, |not_before| due.max(not_before)))
    }

    /// Whether it is time to look. `is_busy` says that somebody rewrites many files at this
    /// moment, which is waited for, up to a limit.
    pub(super) fn is_due(&mut self, now: Instant, is_busy: impl FnOnce() -> bool) -> bool {
        let (Some(due), Some(first)) = (self.due(), self.first) else { return false };
        if now < due {
            return false;
        }
        if now < first + BUSY_LONGEST && is_busy() {
            self.not_before = Some(now + BUSY_PAUSE);
            return false;
        }
        true
    }

    /// Whether somebody was waited for as long as that makes sense.
    pub(super) fn has_waited(&self, now: Instant) -> bool {
        self.not_before.is_some() && self.first.is_some_and(|first| now >= first + BUSY_LONGEST)
    }

    /// Looking begins: what is told from here on belongs to the next look.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
