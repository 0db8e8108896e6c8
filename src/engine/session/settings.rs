//! A changed configuration, applied to the running session as the difference.

use std::collections::BTreeSet;

use crate::engine::artifact::ArtifactState;
use crate::engine::effect::Effect;
use crate::engine::release::ReleaseState;
use crate::model::{Forward, Project, ReleaseName};
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
            if old.releases.get(name) != Some(release)
                && let Some(state) = self.releases.get_mut(name)
            {
                state.mark_stale();
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
            .filter(|(_, state)| state.removed && !state.is_busy())
            .map(|(name, _)| name.clone())
            .collect();
        self.releases.retain(|name, _| !gone.contains(name));
        self.unwinding = (self.undo.iter())
            .filter(|step| step.release().is_some_and(|release| gone.contains(release)))
            .cloned()
            .collect();
        if !self.unwinding.is_empty() {
            effects.push(Effect::Unwind(self.unwinding.clone()));
        }
    }
}
