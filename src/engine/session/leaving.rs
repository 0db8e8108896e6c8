//! The way out: everything cancelled, then taken back newest first; at once on the second call.

use crate::engine::artifact::ArtifactState;
use crate::engine::effect::{Effect, Exit};
use crate::engine::goal::Goal;
use crate::engine::release::ReleaseState;
use crate::graph;
use crate::model::{Leftover, Undo};
use crate::report::{Failure, Report};

use super::forwards::Local;
use super::recording::stays;
use super::{Phase, Session};

impl Session {
    pub(super) fn on_interrupt(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Running => {
                let exit = match self.options.goal {
                    Goal::Watching | Goal::Following => Exit::Done,
                    Goal::Images | Goal::Manifests | Goal::Running => Exit::Interrupted,
                };
                self.leave(exit, effects);
            }
            Phase::Leaving { .. } => {
                let why = "wharf was told to leave at once";
                let leftovers = self.undo.iter().rev().map(|step| leftover(step, why)).collect();
                self.phase = Phase::Gone;
                effects.push(Effect::Abort);
                effects.push(Effect::Farewell { leftovers, kept: Vec::new() });
                effects.push(Effect::Exit(Exit::Interrupted));
            }
            Phase::Gone => {}
        }
    }

    pub(super) fn on_cluster_changed(&mut self, failure: Failure, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Gone {
            return;
        }
        effects.push(Effect::Tell(Report::Failed(failure)));
        effects.push(Effect::Abort);
        let why = "the cluster behind the context is another one than at the start";
        let leftovers = self.undo.iter().rev().map(|step| leftover(step, why)).collect();
        effects.push(Effect::Farewell { leftovers, kept: Vec::new() });
        effects.push(Effect::Exit(Exit::Failed));
        self.phase = Phase::Gone;
    }

    fn leave(&mut self, exit: Exit, effects: &mut Vec<Effect>) {
        self.phase = Phase::Leaving { unwinding: false, exit };
        if self.options.cleanup {
            effects.push(Effect::Tell(Report::Leaving));
        }
        for (name, state) in &mut self.artifacts {
            state.cancel(name, effects);
        }
        for (name, state) in &mut self.releases {
            state.cancel(name, stays(name, self.options.cleanup, &self.undo), effects);
        }
        let open = self.forwards.iter().filter(|(_, local)| *local == Local::Open);
        effects.extend(open.map(|(forward, _)| Effect::CloseForward(forward.clone())));
        effects.push(Effect::StopFollowing);
    }

    /// On the way out: unwinds once every act has reported back.
    pub(super) fn wind_down(&mut self, effects: &mut Vec<Effect>) {
        let Phase::Leaving { unwinding: false, exit } = self.phase else { return };
        self.record_what_stays(effects);
        let acting = self.artifacts.values().any(ArtifactState::is_acting)
            || self.releases.values().any(ReleaseState::is_acting)
            || !self.unwinding.is_empty();
        if acting {
            return;
        }
        if self.options.cleanup && !self.undo.is_empty() {
            self.phase = Phase::Leaving { unwinding: true, exit };
            let steps = graph::oldest_first(&self.project, self.undo.clone());
            effects.push(Effect::Unwind(steps));
            return;
        }
        if !self.options.cleanup {
            effects.push(Effect::KeepAll);
        }
        self.end(Vec::new(), exit, effects);
    }

    /// While all is taken back, what is gone already is no longer to be.
    pub(super) fn on_owed(&mut self, steps: &[Undo]) {
        if matches!(self.phase, Phase::Leaving { unwinding: true, .. }) {
            self.undo.retain(|step| steps.iter().any(|owed| owed.is_about_the_same(step)));
        }
    }

    pub(super) fn on_unwound(&mut self, leftovers: Vec<Leftover>, effects: &mut Vec<Effect>) {
        if let Phase::Leaving { unwinding: true, exit } = self.phase {
            let exit = if leftovers.is_empty() { exit } else { Exit::Failed };
            return self.end(leftovers, exit, effects);
        }
        let done = std::mem::take(&mut self.unwinding);
        self.undo.retain(|step| !done.contains(step));
        for Leftover { what, why, by_hand } in leftovers {
            let text = format!("{what} is still there: {why}");
            effects.push(Effect::Tell(Report::Warning { text, help: Some(by_hand) }));
        }
    }

    fn end(&mut self, leftovers: Vec<Leftover>, exit: Exit, effects: &mut Vec<Effect>) {
        self.phase = Phase::Gone;
        if self.options.cleanup {
            let kept = self.kept.iter().cloned().collect();
            effects.push(Effect::Farewell { leftovers, kept });
        }
        effects.push(Effect::Exit(exit));
    }
}

fn leftover(step: &Undo, why: &str) -> Leftover {
    Leftover { what: step.what(), why: why.to_owned(), by_hand: step.by_hand() }
}
