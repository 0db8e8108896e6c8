//! A round: from a save until nothing runs. It is told only when it leads to something.

use crate::engine::artifact::ArtifactState;
use crate::engine::effect::{Effect, Exit};
use crate::engine::goal::Goal;
use crate::engine::release::ReleaseState;
use crate::report::{Failure, FailureKind, Report};

use super::forwards::Local;
use super::{Phase, Session};

/// Some of the paths that were saved, and how many they are.
pub(super) type Paths = (Vec<String>, usize);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Round {
    pub(super) open: bool,
    pub(super) first: bool,
    /// A save that has not led to anything yet; told when it does.
    pub(super) untold: Option<Paths>,
    /// Something of it was told, so its end is.
    pub(super) told: bool,
    /// Nobody asked for this round: it is told only when it mends something.
    pub(super) quiet: bool,
    /// How many things had failed when the last round ended.
    pub(super) failed_before: usize,
}

impl Session {
    pub(super) fn open_round(&mut self, cause: Option<Paths>, effects: &mut Vec<Effect>) {
        if !self.round.open {
            effects.push(Effect::BeginRound);
            self.round.told = cause.is_none();
        }
        self.retry_forwards();
        self.round.quiet &= self.round.open;
        self.round.open = true;
        if let Some((paths, count)) = cause {
            let (untold, counted) = self.round.untold.get_or_insert_default();
            let before = untold.len();
            for path in paths {
                if !untold.contains(&path) {
                    untold.push(path);
                }
            }
            // The same file, saved again and again, is one.
            *counted += if untold.len() == before { 0 } else { count };
        }
    }

    /// Opens a round that nobody asked for.
    pub(super) fn open_quiet_round(&mut self, effects: &mut Vec<Effect>) {
        let was_open = self.round.open;
        self.open_round(None, effects);
        self.round.quiet |= !was_open;
    }

    /// What follows is news, whatever it leads to.
    pub(super) fn tell_at_once(&mut self, effects: &mut Vec<Effect>) {
        self.round.told = true;
        effects.extend(self.round.untold.take().map(changed));
    }

    /// A save is told only when it leads to something, and before that.
    pub(super) fn tell_cause(&mut self, before: usize, effects: &mut Vec<Effect>) {
        let leads_to_something = effects[before..].iter().any(|effect| {
            matches!(
                effect,
                Effect::Look { .. }
                    | Effect::Render { .. }
                    | Effect::CancelArtifact { .. }
                    | Effect::Unwind(_)
                    | Effect::Tell(_)
            )
        });
        if leads_to_something && let Some(cause) = self.round.untold.take() {
            self.round.told = true;
            effects.insert(before, changed(cause));
        }
    }

    pub(super) fn end_round(&mut self, effects: &mut Vec<Effect>) {
        let busy = self.artifacts.values().any(ArtifactState::is_busy)
            || self.releases.values().any(ReleaseState::is_busy)
            || self.forwards.iter().any(|(_, local)| *local == Local::Opening)
            || self.reading.is_some()
            || !self.unwinding.is_empty();
        if busy || !self.round.open {
            return;
        }
        let failures: Vec<&Failure> = (self.artifacts.values().filter_map(ArtifactState::failed))
            .chain(self.releases.values().filter_map(ReleaseState::failed))
            .chain(&self.config_failed)
            .collect();
        let (failed, first) = (failures.len(), self.round.first);
        let refused = !failures.is_empty()
            && failures.iter().all(|failure| failure.kind == FailureKind::Request);
        for (forward, local) in self.forwards.clone() {
            if let Local::Failed(failure) = local {
                self.tell_forward(&forward, &failure, effects);
            }
        }
        let untold = self.round.untold.take().is_some() && !self.round.told;
        let unmended = self.round.quiet && failed >= self.round.failed_before;
        self.round =
            Round { open: false, first: false, failed_before: failed, ..self.round.clone() };
        if first || !(untold || unmended) {
            effects.push(Effect::EndRound { failed, first });
        }
        if self.options.goal.stays() && !(self.options.goal == Goal::Following && failed > 0) {
            return;
        }
        self.phase = Phase::Gone;
        effects.push(Effect::KeepAll);
        effects.push(Effect::Exit(match failed {
            0 => Exit::Done,
            _ if refused => Exit::Refused,
            _ => Exit::Failed,
        }));
    }
}

fn changed((paths, count): Paths) -> Effect {
    Effect::Tell(Report::Changed { paths, count, ignored: false })
}
