//! A changed configuration, applied to the running session as the difference.

use std::collections::BTreeSet;

use crate::engine::artifact::ArtifactState;
use crate::engine::effect::Effect;
use crate::engine::release::{Goes, ReleaseState};
use crate::model::{Forward, Project, Release, ReleaseName, ReleaseSource};
use crate::report::{Failure, Report};

use super::forwards::Local;
use super::recording::stays;
use super::{Phase, Session};

impl Session {
    pub(super) fn on_config(
        &mut self,
        result: Result<Box<Project>, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        if self.phase != Phase::Running {
            return;
        }
        if self.reading.take() == Some(true) {
            self.reading = Some(false);
            effects.push(Effect::ReadConfig);
            return;
        }
        match result {
            Err(failure) => {
                let failure = failure.because("until then the last good configuration counts");
                if self.config_failed.as_ref() != Some(&failure) {
                    self.tell_at_once(effects);
                    effects.push(Effect::Tell(Report::Failed(failure.clone())));
                }
                self.config_failed = Some(failure);
            }
            Ok(project) => {
                let is_mended = self.config_failed.take().is_some();
                let is_changed = *project != self.project;
                if is_mended || is_changed {
                    self.tell_at_once(effects);
                }
                if is_changed {
                    self.change_project(*project, effects);
                }
            }
        }
    }

    /// Applies the difference between the running configuration and `project`.
    fn change_project(&mut self, project: Project, effects: &mut Vec<Effect>) {
        let same_registry = project.registry == self.project.registry
            && project.insecure_registries == self.project.insecure_registries;
        if project.cluster != self.project.cluster || !same_registry {
            let text = "cluster and registry are those that this session began with".to_owned();
            let help = Some("start again to use the changed ones: `wharf dev`".to_owned());
            effects.push(Effect::Tell(Report::Warning { text, help }));
        }
        let old = std::mem::replace(&mut self.project, project);
        self.project.cluster = old.cluster;
        self.project.registry = old.registry;
        self.project.insecure_registries = old.insecure_registries;
        self.project.name = old.name;
        for (name, artifact) in &self.project.artifacts {
            if old.artifacts.get(name) != Some(artifact)
                && let Some(state) = self.artifacts.get_mut(name)
            {
                state.mark_stale();
            }
        }
        for (name, release) in &self.project.releases {
            let before = old.releases.get(name);
            let Some(state) = self.releases.get_mut(name).filter(|_| before != Some(release))
            else {
                continue;
            };
            state.mark_stale();
            // One that is still there from before it was removed may have been anything.
            if before.is_none_or(|before| !is_in_place_of(release, before)) {
                state.goes = Some(Goes::Moves);
                state.cancel(name, stays(name, true, &self.undo), effects);
            }
        }
        for (name, state) in &mut self.artifacts {
            state.removed = !self.project.artifacts.contains_key(name);
            if state.removed {
                state.cancel(name, effects);
            }
        }
        for (name, state) in &mut self.releases {
            state.removed = !self.project.releases.contains_key(name);
            if state.removed {
                state.cancel(name, stays(name, true, &self.undo), effects);
            }
        }
        let gone: Vec<Forward> = (self.forwards.iter())
            .filter(|(forward, _)| !self.project.forwards.contains(forward))
            .map(|(forward, _)| forward.clone())
            .collect();
        self.forwards.retain(|(forward, _)| self.project.forwards.contains(forward));
        effects.extend(gone.into_iter().map(Effect::CloseForward));
        self.take_in_project();
        effects.push(Effect::Adopt(Box::new(self.project.clone())));
        self.open_round(None, effects);
    }

    /// Makes a state for every noun of the project that has none.
    pub(super) fn take_in_project(&mut self) {
        for name in self.project.artifacts.keys() {
            if self.artifacts.contains_key(name) {
                continue;
            }
            let state = match self.options.given.get(name) {
                Some(image) => {
                    self.generation = self.generation.next();
                    ArtifactState::given(image.clone(), self.generation)
                }
                None => ArtifactState::fresh(self.options.no_cache),
            };
            self.artifacts.insert(name.clone(), state);
        }
        for name in self.project.releases.keys() {
            self.releases.entry(name.clone()).or_insert_with(ReleaseState::fresh);
        }
        if self.options.forward && self.options.goal.stays() {
            for forward in &self.project.forwards {
                if !self.forwards.iter().any(|(known, _)| known == forward) {
                    self.forwards.push((forward.clone(), Local::Closed));
                }
            }
        }
    }

    /// Lets go of what the configuration no longer has, once nothing runs for it.
    pub(super) fn drop_removed(&mut self, effects: &mut Vec<Effect>) {
        self.artifacts.retain(|_, state| !state.removed || state.is_busy());
        if !self.unwinding.is_empty() {
            return;
        }
        self.record_what_was_removed(effects);
        let gone: BTreeSet<ReleaseName> = (self.releases.iter())
            .filter(|(_, state)| (state.removed || state.goes.is_some()) && !state.is_busy())
            .map(|(name, _)| name.clone())
            .collect();
        if gone.is_empty() {
            return;
        }
        self.releases.retain(|name, state| !(state.removed && gone.contains(name)));
        for (name, state) in self.releases.iter_mut().filter(|(name, _)| gone.contains(*name)) {
            match state.goes {
                Some(Goes::FailedAtFirst) => {
                    let text = format!("`{name}` has no earlier revision: it is taken back");
                    effects.push(Effect::Tell(Report::Note { text }));
                    state.is_taken_back();
                }
                Some(Goes::Moves) | None => state.begin_anew(),
            }
        }
        effects.push(Effect::Forget { releases: gone.clone() });
        self.unwinding = (self.undo.iter())
            .filter(|step| step.release().is_some_and(|release| gone.contains(release)))
            .cloned()
            .collect();
        if !self.unwinding.is_empty() {
            effects.push(Effect::Unwind(self.unwinding.clone()));
        }
    }
}

/// Whether a deploy of `release` takes the place of what was deployed of `before`, rather than
/// coming beside it.
fn is_in_place_of(release: &Release, before: &Release) -> bool {
    let is_helm = |release: &Release| matches!(release.source, ReleaseSource::Helm(_));
    release.namespace == before.namespace && is_helm(release) == is_helm(before)
}
