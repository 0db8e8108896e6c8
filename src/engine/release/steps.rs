//! What is done for a release next, from what is wanted of it and what runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::effect::Effect;
use crate::model::{Generation, ReleaseName, Undo};
use crate::report::{ReleaseNews, Report};

use super::supply::{Reach, Supply, Surroundings};
use super::{ReleaseState, Step, Wanted, Work, told};

impl ReleaseState {
    /// Starts whatever can start now. `undo` is what has been remembered so far.
    pub(in crate::engine) fn advance(
        &mut self,
        name: &ReleaseName,
        around: &Surroundings,
        undo: &mut Vec<Undo>,
        next: &mut Generation,
        effects: &mut Vec<Effect>,
    ) {
        let deploying = self.is_acting();
        if self.stale && self.examining.is_none() && !deploying {
            *next = next.next();
            self.stale = false;
            self.examining = Some(*next);
            effects.push(Effect::Examine { release: name.clone(), generation: *next });
        }
        if self.stale || self.examining.is_some() || deploying {
            return;
        }
        if !around.selected || around.reach == Reach::Examined {
            return;
        }
        let Some(wanted) = self.wanted(name, around, effects) else { return };
        if self.failed.as_ref().is_some_and(|failed| failed.wanted.as_ref() == Some(&wanted)) {
            return;
        }
        let running = self.running.as_ref();
        let is_running =
            running.is_some_and(|running| running.is_made_of(&wanted.fingerprint, &wanted.images));
        if is_running && around.reach == Reach::Deployed {
            self.take_over(undo, effects);
            // Only then is a pod that does not find its image worth a word.
            if !around.images.values().all(Supply::is_ready) {
                return;
            }
            return self.settle(name, wanted, around, next, effects);
        }
        // What would be looked at is changing.
        if self.recording.is_some() {
            return self.end_settling(name, effects);
        }
        self.replace(name, wanted, around, undo, next, effects);
    }

    /// What should run, once every image's reference is known.
    fn wanted(
        &mut self,
        name: &ReleaseName,
        around: &Surroundings,
        effects: &mut Vec<Effect>,
    ) -> Option<Wanted> {
        let shape = self.shape.as_ref()?;
        let mut images = BTreeMap::new();
        let mut failed = Vec::new();
        for artifact in &shape.uses {
            match around.images.get(artifact)? {
                Supply::Failed => failed.push(artifact.as_str()),
                Supply::Unknown | Supply::Coming(None) => return None,
                Supply::Coming(Some(image)) | Supply::Near(image) | Supply::Ready(image) => {
                    images.insert(artifact.clone(), image.clone());
                }
            }
        }
        let fingerprint = shape.fingerprint.clone();
        if failed.is_empty() {
            return Some(Wanted { fingerprint, images });
        }
        self.hold(
            name,
            format!(
                "image{} {}, which failed",
                if failed.len() > 1 { "s" } else { "" },
                failed.join(", ")
            ),
            effects,
        );
        None
    }

    /// It runs as wanted since an earlier session, which owes the way back.
    fn take_over(&mut self, undo: &mut Vec<Undo>, effects: &mut Vec<Effect>) {
        let mut owed = std::mem::take(&mut self.owed);
        owed.retain(|step| !undo.iter().any(|known| known.what() == step.what()));
        if !owed.is_empty() {
            undo.extend(owed.iter().cloned());
            effects.push(Effect::Remember(owed));
        }
    }

    /// It runs as wanted: waits until it is ready, once.
    fn settle(
        &mut self,
        name: &ReleaseName,
        wanted: Wanted,
        around: &Surroundings,
        next: &mut Generation,
        effects: &mut Vec<Effect>,
    ) {
        if !self.followed {
            self.followed = true;
            effects.push(Effect::Follow { release: name.clone() });
        }
        self.hold = None;
        // It had failed and is as it runs again, which deploys nothing: that this is over is news.
        if (self.live || !around.wait) && self.told.take().is_some() {
            self.announced = false;
        }
        if !self.announced {
            self.announced = true;
            let revision = self.running.as_ref().and_then(|running| running.revision);
            effects.push(told(name, ReleaseNews::Unchanged { revision }));
        }
        if self.live || self.work.is_some() {
            return;
        }
        if !around.wait {
            self.live = true;
            return;
        }
        *next = next.next();
        let generation = *next;
        let images = wanted.images.clone();
        self.work = Some(Work { generation, wanted, step: Step::Settle, cancelled: false });
        effects.push(Effect::Settle { release: name.clone(), generation, images });
    }

    /// Something else is wanted than what runs: renders it, and deploys it when all is there.
    fn replace(
        &mut self,
        name: &ReleaseName,
        wanted: Wanted,
        around: &Surroundings,
        undo: &mut Vec<Undo>,
        next: &mut Generation,
        effects: &mut Vec<Effect>,
    ) {
        let prepared = self.rendered.as_ref().filter(|ready| ready.wanted == wanted);
        let Some(bridged) = prepared.map(|ready| ready.images_alone && ready.bridged) else {
            if self.work.is_none() {
                *next = next.next();
                let generation = *next;
                let images = wanted.images.clone();
                self.work = Some(Work { generation, wanted, step: Step::Render, cancelled: false });
                effects.push(Effect::Render { release: name.clone(), generation, images });
            } else {
                self.end_settling(name, effects);
            }
            return;
        };
        if around.reach != Reach::Deployed {
            return;
        }
        let all_ready = around.images.values().all(Supply::is_ready);
        let all_near = around.images.values().all(|supply| supply.is_ready() || supply.is_near());
        if !(all_ready || all_near && bridged && around.wait) {
            return;
        }
        if !around.waits_for.is_empty() {
            let names: Vec<&str> = around.waits_for.iter().map(ReleaseName::as_str).collect();
            return self.hold(name, names.join(", "), effects);
        }
        if self.work.is_some() {
            return self.end_settling(name, effects);
        }
        let Some(prepared) = self.rendered.take() else { return };
        for step in &prepared.undo {
            step.clone().unite_into(undo);
        }
        // Steps that are known may not be on disk: an earlier try to put them there may have failed.
        if !prepared.undo.is_empty() {
            effects.push(Effect::Remember(prepared.undo));
        }
        let generation = prepared.generation;
        self.hold = None;
        self.live = false;
        self.ahead = !all_ready;
        self.running = None;
        self.back = Some(prepared.back);
        effects.push(told(name, ReleaseNews::Deploying { why: prepared.why }));
        let step = if prepared.images_alone { Step::Patch } else { Step::Deploy };
        self.act(
            name,
            Work { generation, wanted: prepared.wanted, step, cancelled: false },
            effects,
        );
    }

    pub(super) fn act(&mut self, name: &ReleaseName, work: Work, effects: &mut Vec<Effect>) {
        let (release, generation) = (name.clone(), work.generation);
        self.answers = Some((generation, BTreeSet::new()));
        if work.step == Step::Patch {
            effects.push(Effect::Patch { release, generation });
        } else {
            // An upgrade records what runs, whatever that was before.
            self.unrecorded = None;
            effects.push(Effect::Deploy { release, generation });
        }
        self.work = Some(work);
    }

    /// What is being waited for is old: the slot is needed.
    pub(super) fn end_settling(&mut self, name: &ReleaseName, effects: &mut Vec<Effect>) {
        if let Some(work) = &mut self.work
            && work.step == Step::Settle
            && !work.cancelled
        {
            work.cancelled = true;
            effects.push(Effect::CancelRelease { release: name.clone() });
        }
    }

    fn hold(&mut self, name: &ReleaseName, why: String, effects: &mut Vec<Effect>) {
        if self.hold.as_ref() != Some(&why) {
            let name = name.to_string();
            effects.push(Effect::Tell(Report::Waiting { name, why: why.clone() }));
            self.hold = Some(why);
        }
    }
}
