//! What images and releases want of each other, and what may therefore start now.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::artifact::{self, ArtifactState, Wish};
use crate::engine::effect::Effect;
use crate::engine::goal::Goal;
use crate::engine::release::{self, Reach, ReleaseState, Supply};
use crate::model::{ArtifactName, ImageRef, ReleaseName, ReleaseSource};

use super::Session;

impl Session {
    pub(super) fn advance_artifacts(&mut self, effects: &mut Vec<Effect>) {
        let (wanted, _) = self.selected();
        let mut building = self.artifacts.values().filter(|state| state.is_building()).count();
        // Bases first, so that a dependant sees in the same pass what its base has become; what a
        // dependant wants of its base is seen in the next.
        for name in self.bases_first() {
            let Some(around) = self.around_artifact(&name, &wanted, building) else { continue };
            let Some(state) = self.artifacts.get_mut(&name) else { continue };
            state.advance(&name, &around, &mut self.generation, effects);
            building += usize::from(state.is_building() && around.may_build);
        }
        for name in self.bases_first().into_iter().rev() {
            let building = self.artifacts.values().filter(|state| state.is_building()).count();
            let Some(around) = self.around_artifact(&name, &wanted, building) else { continue };
            let Some(state) = self.artifacts.get_mut(&name) else { continue };
            state.advance(&name, &around, &mut self.generation, effects);
        }
    }

    fn around_artifact(
        &self,
        name: &ArtifactName,
        wanted: &BTreeSet<ArtifactName>,
        building: usize,
    ) -> Option<artifact::Surroundings> {
        let artifact = self.project.artifacts.get(name)?;
        if !wanted.contains(name) {
            return None;
        }
        let states =
            || artifact.needs.iter().filter_map(|need| Some((need, self.artifacts.get(need)?)));
        let bases = states()
            .map(|(need, state)| Some((need.clone(), state.image()?.clone())))
            .collect::<Option<BTreeMap<_, _>>>();
        let given = self.options.given.contains_key(name);
        Some(artifact::Surroundings {
            wish: self.wish(name),
            bases: if given { Some(BTreeMap::new()) } else { bases },
            failed_base: states()
                .find(|(_, state)| state.failed().is_some())
                .map(|(need, _)| need.clone()),
            bases_built: states().all(|(_, state)| state.is_built()),
            may_build: building < self.options.builds.max(1),
            no_build: self.options.no_build || given,
        })
    }

    /// What others want of an image.
    fn wish(&self, name: &ArtifactName) -> Wish {
        let goal = self.options.goal;
        if goal == Goal::Manifests {
            return Wish::Name;
        }
        let dependants: Vec<&ArtifactName> = (self.project.artifacts.iter())
            .filter(|(_, artifact)| artifact.needs.contains(name))
            .map(|(dependant, _)| dependant)
            .collect();
        let wanted_as_base = (dependants.iter())
            .filter_map(|dependant| self.artifacts.get(*dependant))
            .any(ArtifactState::wants_its_bases);
        if goal == Goal::Images {
            return if self.project.registry.is_some() { Wish::Delivered } else { Wish::Built };
        }
        if !self.releases.values().all(ReleaseState::is_examined) {
            return if wanted_as_base { Wish::Built } else { Wish::Unknown };
        }
        let (_, releases) = self.selected();
        let used = (self.releases.iter())
            .filter(|(release, _)| releases.contains(*release))
            .filter_map(|(_, state)| state.uses())
            .any(|uses| uses.contains(name));
        match (used, wanted_as_base, dependants.is_empty()) {
            (true, ..) => Wish::Delivered,
            // An image that nothing uses is built all the same: somebody configured it.
            (false, true, _) | (false, false, true) => Wish::Built,
            (false, false, false) => Wish::Name,
        }
    }

    pub(super) fn advance_releases(&mut self, effects: &mut Vec<Effect>) {
        if self.options.goal == Goal::Images {
            return;
        }
        let (_, selected) = self.selected();
        let names: Vec<ReleaseName> = self.releases.keys().cloned().collect();
        for name in names {
            let Some(around) = self.around_release(&name, &selected) else { continue };
            let is_unwound = self.unwinding.iter().any(|step| step.release() == Some(&name));
            let Some(state) = self.releases.get_mut(&name) else { continue };
            if is_unwound || state.goes.is_some() {
                continue;
            }
            state.advance(&name, &around, &mut self.undo, &mut self.generation, effects);
        }
    }

    fn around_release(
        &self,
        name: &ReleaseName,
        selected: &BTreeSet<ReleaseName>,
    ) -> Option<release::Surroundings> {
        let release = self.project.releases.get(name)?;
        let uses = self.releases.get(name)?.uses();
        let images = uses.into_iter().flatten();
        let images = images.map(|artifact| (artifact.clone(), self.supply(artifact))).collect();
        let waits_for = (release.after.iter())
            .filter(|other| self.releases.get(*other).is_some_and(|state| !state.is_live()))
            .filter(|other| selected.contains(*other))
            .cloned()
            .collect();
        Some(release::Surroundings {
            selected: selected.contains(name),
            images,
            waits_for,
            reach: match self.options.goal {
                Goal::Images => Reach::Examined,
                Goal::Manifests => Reach::Rendered,
                Goal::Running | Goal::Following | Goal::Watching => Reach::Deployed,
            },
            wait: self.options.wait && release.wait.ready,
        })
    }

    fn supply(&self, artifact: &ArtifactName) -> Supply {
        let Some(state) = self.artifacts.get(artifact) else { return Supply::Failed };
        let given = |image: &ImageRef| {
            let pushed = self.options.pushes && self.options.goal.deploys();
            (!pushed).then(|| image.clone())
        };
        let near = state.near().filter(|_| !self.options.pushes);
        match (state.failed(), state.ready(), state.image()) {
            (Some(_), ..) => Supply::Failed,
            (None, Some(ready), _) => Supply::Ready(ready.clone()),
            (None, None, Some(_)) if let Some(near) = near => Supply::Near(near.clone()),
            (None, None, Some(image)) => Supply::Coming(given(image)),
            (None, None, None) if self.has_failed_base(artifact) => Supply::Failed,
            (None, None, None) => Supply::Unknown,
        }
    }

    fn has_failed_base(&self, artifact: &ArtifactName) -> bool {
        let needs = self.project.artifacts.get(artifact).map(|artifact| &artifact.needs);
        needs.into_iter().flatten().any(|need| {
            self.artifacts.get(need).is_some_and(|state| state.failed().is_some())
                || self.has_failed_base(need)
        })
    }

    pub(super) fn rolls_back(&self, release: &ReleaseName) -> bool {
        self.project.releases.get(release).is_some_and(|release| match &release.source {
            ReleaseSource::Helm(helm) => helm.rollback_on_failure,
            ReleaseSource::Manifests(_) => false,
        })
    }

    /// What the person asked for, with what it needs, as far as it is known.
    fn selected(&self) -> (BTreeSet<ArtifactName>, BTreeSet<ReleaseName>) {
        let only = &self.options.only;
        if only.is_everything() {
            let artifacts = self.project.artifacts.keys().cloned().collect();
            return (artifacts, self.project.releases.keys().cloned().collect());
        }
        let mut releases: BTreeSet<ReleaseName> = only.releases.clone();
        for (name, state) in &self.releases {
            let uses = state.uses().into_iter().flatten();
            if uses.into_iter().any(|artifact| only.artifacts.contains(artifact)) {
                releases.insert(name.clone());
            }
        }
        let mut open: Vec<ReleaseName> = releases.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let after = self.project.releases.get(&name).map(|release| &release.after);
            for other in after.into_iter().flatten() {
                if releases.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        let mut artifacts = only.artifacts.clone();
        for name in &releases {
            let uses = self.releases.get(name).and_then(ReleaseState::uses);
            artifacts.extend(uses.into_iter().flatten().cloned());
        }
        let mut open: Vec<ArtifactName> = artifacts.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let needs = self.project.artifacts.get(&name).map(|artifact| &artifact.needs);
            for need in needs.into_iter().flatten() {
                if artifacts.insert(need.clone()) {
                    open.push(need.clone());
                }
            }
        }
        (artifacts, releases)
    }

    /// Every image after those that it needs. `config` has refused cycles.
    fn bases_first(&self) -> Vec<ArtifactName> {
        let mut order: Vec<ArtifactName> = Vec::new();
        let mut left: BTreeSet<&ArtifactName> = self.project.artifacts.keys().collect();
        while !left.is_empty() {
            let ready: Vec<&ArtifactName> = (left.iter().copied())
                .filter(|name| {
                    let needs = self.project.artifacts.get(*name).map(|artifact| &artifact.needs);
                    needs.into_iter().flatten().all(|need| !left.contains(need))
                })
                .collect();
            if ready.is_empty() {
                break;
            }
            for name in ready {
                left.remove(name);
                order.push(name.clone());
            }
        }
        order
    }
}
