//! The clock of a round: when it was saved, when what it deployed answered and was ready.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::ReleaseName;
use crate::report::Report;

use super::super::{Effect, Event};
use super::saves::Save;

/// Measures one round after the other.
pub(super) struct Stopwatch {
    /// The save (or the start) that the round counts from.
    began: Instant,
    /// The first save that has not led to anything yet.
    pending: Option<Instant>,
    /// What the round deploys.
    deployed: BTreeMap<ReleaseName, Moments>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    /// New connections go to it.
    live: Option<Instant>,
    /// Kubernetes calls it ready.
    ready: Option<Instant>,
}

/// How long a round took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lap {
    pub(super) took: Duration,
    pub(super) live: Option<Duration>,
    pub(super) ready: Option<Duration>,
}

impl Stopwatch {
    /// Starts with the command.
    pub(super) fn new(began: Instant) -> Self {
        Self { began, pending: None, deployed: BTreeMap::new() }
    }

    /// How long the round has been going on at `at`.
    pub(super) fn since_save(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    /// Something was saved. The round counts from there once that leads to anything.
    pub(super) fn saved(&mut self, save: &Save) {
        let Save { written, sign, looked, .. } = save;
        tracing::debug!(event = ?(*sign - *written), quiet = ?(*looked - *sign), "a save");
        self.pending.get_or_insert(*written);
    }

    /// Notes what is about to be done.
    pub(super) fn does(&mut self, effect: &Effect, now: Instant) {
        match effect {
            Effect::BeginRound => {
                self.began = self.pending.unwrap_or(now);
                self.deployed.clear();
            }
            // The last save has led to something: the round counts from it.
            Effect::Tell(Report::Changed { .. }) => {
                self.began = self.pending.take().unwrap_or(self.began);
            }
            Effect::Deploy { release, .. } | Effect::Patch { release, .. } => {
                self.deployed.insert(release.clone(), Moments::default());
            }
            _ => {}
        }
    }

    /// Notes what has happened.
    pub(super) fn hears(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Settled { release, result: Ok(_), .. } => {
                if let Some(moments) = self.deployed.get_mut(release) {
                    moments.ready = Some(now);
                }
            }
            // The last of several local ports counts.
            Event::Answered { release, took, .. } => {
                let at = self.began + *took;
                if let Some(moments) = self.deployed.get_mut(release) {
                    moments.live = moments.live.max(Some(at));
                }
            }
            _ => {}
        }
    }

    /// The round is over.
    pub(super) fn lap(&mut self, now: Instant) -> Lap {
        self.pending = None;
        let deployed = std::mem::take(&mut self.deployed);
        let all_ready = deployed.values().map(|moments| moments.ready).collect::<Option<Vec<_>>>();
        let ready = all_ready.and_then(|ready| ready.into_iter().max());
        let live = deployed.values().filter_map(|moments| moments.live).max();
        let since = |at: Instant| self.since_save(at);
        Lap { took: since(now), live: live.map(since), ready: ready.map(since) }
    }
}
