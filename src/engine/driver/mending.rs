//! When to try again what failed for an outside reason. Pure: told the time, it answers with one.

use std::time::{Duration, Instant};

/// Whoever starts Docker or a cluster is not kept waiting for long after it answers.
const FIRST: Duration = Duration::from_secs(1);

/// What is tried may be a request to a registry, which counts them.
const LAST: Duration = Duration::from_secs(8);

/// How often it was tried, and when it will be again.
#[derive(Debug, Default)]
pub(super) struct Mending {
    tries: u32,
    due: Option<Instant>,
}

impl Mending {
    /// When to try again, while something waits for it. Other events do not put it off.
    pub(super) fn due(&mut self, waits: bool, now: Instant) -> Option<Instant> {
        if !waits {
            self.due = None;
            return None;
        }
        let pause = (FIRST * 2_u32.saturating_pow(self.tries)).min(LAST);
        Some(*self.due.get_or_insert(now + pause))
    }

    /// It is being tried.
    pub(super) fn tried(&mut self) {
        // Beyond the longest pause more tries make no difference.
        self.tries = (self.tries + 1).min(8);
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_other_events_do_not_put_them_off() {
        let now = Instant::now();
        let mut mending = Mending::default();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let due = mending.due(true, now).expect("it waits");
            assert_eq!(mending.due(true, now + Duration::from_millis(500)), Some(due));
            pauses.push((due - now).as_secs());
            mending.tried();
            assert_eq!(mending.due(false, now), None, "while it is being tried");
        }
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    }
}
