//! Which lines were seen before a stream broke.
//!
//! The API takes up a log again at a whole second (`sinceTime`), so that lines come twice. They
//! are told apart by their nanosecond stamp and their text, and by how often the same came before.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// How far back a stream is taken up. Lines of stdout and stderr may stand in the file slightly
/// out of the order of their stamps, and kubelet drops each line that is older than asked for.
const OVERLAP: Duration = Duration::from_secs(2);

/// What is remembered of the lines of one container.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// How often each line of the last seconds was seen.
    recent: BTreeMap<Mark, u32>,
    /// The largest stamp seen.
    newest: Option<Timestamp>,
    /// How often each recent line has come again since the stream was taken up.
    again: BTreeMap<Mark, u32>,
    /// Whether any of them has.
    overlaps: bool,
}

/// A line, as far as lines must be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// When the runtime got it.
    pub(super) stamp: Timestamp,
    /// Hash of its whole text.
    pub(super) text: u64,
}

impl Seen {
    /// Begins anew after a break. Returns the second to ask for; absent: from the beginning.
    pub(super) fn take_up(&mut self) -> Option<Timestamp> {
        self.again.clear();
        self.overlaps = self.newest.is_none();
        let newest = self.newest?;
        let from = newest.checked_sub(OVERLAP).unwrap_or(newest);
        // Whole seconds, downwards: a rounded one would leave lines out.
        Timestamp::from_second(from.as_second()).ok()
    }

    /// Whether a line is new; it is remembered.
    pub(super) fn is_new(&mut self, mark: Mark) -> bool {
        let seen = self.recent.get(&mark).copied().unwrap_or(0);
        let again = self.again.entry(mark).or_insert(0);
        *again += 1;
        if *again <= seen {
            self.overlaps = true;
            return false;
        }
        self.recent.insert(mark, seen + 1);
        self.advance(mark.stamp);
        true
    }

    /// Whether something that was seen before has come again: a log file that holds it holds
    /// everything after it. If not, kubelet has begun a new file, and lines may be missing.
    pub(super) fn has_overlap(&self) -> bool {
        self.overlaps
    }

    /// Forgets lines that no stream will bring again.
    fn advance(&mut self, stamp: Timestamp) {
        if self.newest.is_some_and(|newest| stamp <= newest) {
            return;
        }
        let before = self.newest.replace(stamp);
        let is_new_second = before.is_some_and(|before| before.as_second() != stamp.as_second());
        if is_new_second && let Ok(oldest) = stamp.checked_sub(OVERLAP + Duration::from_secs(1)) {
            let oldest = Mark { stamp: oldest, text: 0 };
            self.recent = self.recent.split_off(&oldest);
            self.again = self.again.split_off(&oldest);
        }
    }
}
