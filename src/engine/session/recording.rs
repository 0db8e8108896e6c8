//! Helm's history follows what was put into the cluster without it: once saves are quiet, and on
//! the way out where a release stays.

use crate::engine::artifact::ArtifactState;
use crate::engine::effect::{Effect, Exit};
use crate::engine::event::{End, Recorded};
use crate::engine::release::{Goes, ReleaseState};
use crate::model::{Generation, ReleaseName, Undo};
use crate::report::Report;

use super::{Phase, Session};

impl Session {
    /// Waits for saves to be quiet where Helm is to record something.
    pub(super) fn wait_for_a_lull(&mut self, effects: &mut Vec<Effect>) {
        let is_calm = self.phase == Phase::Running && self.lull.is_none() && self.is_calm();
        if is_calm && self.releases.values().any(ReleaseState::owes_a_record) {
            self.generation = self.generation.next();
            self.lull = Some(self.generation);
            effects.push(Effect::Lull { generation: self.generation });
        }
    }

    /// Nothing is under way but waiting for releases to become ready.
    fn is_calm(&self) -> bool {
        self.reading.is_none()
            && !self.artifacts.values().any(ArtifactState::is_busy)
            && !self.releases.values().any(ReleaseState::is_changing)
    }

    /// Answers `Lull`.
    pub(super) fn on_lulled(&mut self, generation: Generation, effects: &mut Vec<Effect>) {
        let counts = self.lull.take_if(|lull| *lull == generation).is_some();
        if !counts || self.phase != Phase::Running || !self.is_calm() {
            return;
        }
        for (name, state) in &mut self.releases {
            state.record(name, effects);
        }
    }

    /// Answers `Record`.
    pub(super) fn on_recorded(
        &mut self,
        release: &ReleaseName,
        generation: Generation,
        result: Result<Recorded, End>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(state) = self.releases.get_mut(release) else { return };
        let done = state.on_recorded(release, generation, result, effects);
        let stays = stays(release, self.options.cleanup, &self.undo);
        if let Phase::Leaving { exit, .. } = &mut self.phase
            && stays
            && !done
        {
            *exit = Exit::Failed;
            let text = format!("`{release}` runs images that Helm's history does not have");
            let help = Some("let Helm record them: `wharf run`".to_owned());
            effects.push(Effect::Tell(Report::Warning { text, help }));
        }
    }

    /// On the way out: what stays is left as Helm's history says.
    pub(super) fn record_what_stays(&mut self, effects: &mut Vec<Effect>) {
        for (name, state) in &mut self.releases {
            if stays(name, self.options.cleanup, &self.undo) {
                state.record(name, effects);
            }
        }
    }

    /// The same for what the configuration no longer has there and nobody takes back.
    pub(super) fn record_what_was_removed(&mut self, effects: &mut Vec<Effect>) {
        for (name, state) in &mut self.releases {
            if (state.removed || state.goes == Some(Goes::Moves)) && stays(name, true, &self.undo) {
                state.record(name, effects);
            }
        }
    }
}

/// Whether a release stays as it is: no step takes it back, or none is taken.
pub(super) fn stays(name: &ReleaseName, takes_back: bool, undo: &[Undo]) -> bool {
    let is_about = |step: &Undo| {
        matches!(step, Undo::HelmRelease { .. } | Undo::HelmRollback { .. })
            && step.release() == Some(name)
    };
    !takes_back || !undo.iter().any(is_about)
}
