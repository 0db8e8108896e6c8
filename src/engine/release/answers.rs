//! What comes of the work on a release.

use std::time::Duration;

use crate::engine::effect::Effect;
use crate::engine::event::{Deployed, End, Examined, Patched, Recorded, Rendered, Running};
use crate::model::{Generation, ReleaseName};
use crate::report::{Failure, ReleaseNews};

use super::{
    Back, Failed, Goes, Prepared, ReleaseState, Shape, Staying, Step, Unrecorded, Wanted, Work,
    told,
};

impl ReleaseState {
    /// Answers `Examine`.
    pub(in crate::engine) fn on_examined(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Examined, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        if self.examining != Some(generation) {
            return;
        }
        self.examining = None;
        if self.stale {
            return;
        }
        match result {
            Err(failure) => {
                self.shape = None;
                self.fail(name, failure, None, effects);
            }
            Ok(Examined { fingerprint, uses, running, drift, undo }) => {
                self.owed = undo;
                self.failed = None;
                if !drift.is_empty() {
                    effects.push(told(name, ReleaseNews::Drifted { what: drift }));
                }
                if running != self.running {
                    self.live = false;
                    self.announced = false;
                }
                self.running = running;
                self.rendered = None;
                self.shape = Some(Shape { fingerprint, uses });
            }
        }
    }

    /// Answers `Render`. Returns what stays on leaving and what does not.
    pub(in crate::engine) fn on_rendered(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Rendered, Failure>,
        effects: &mut Vec<Effect>,
    ) -> Staying {
        let Some(work) = self.finish(generation, Step::Render) else { return Staying::default() };
        match result {
            Err(failure) => {
                self.fail(name, failure, Some(work.wanted), effects);
                Staying::default()
            }
            Ok(Rendered { undo, kept, claims, why, images_alone, bridged, earlier }) => {
                let wanted = work.wanted;
                let back = if earlier.is_some() { Back::Earlier } else { Back::Nothing };
                let prepared =
                    Prepared { generation, wanted, undo, why, images_alone, bridged, back };
                self.rendered = Some(prepared);
                Staying { kept, claims }
            }
        }
    }

    /// Answers `Deploy`.
    pub(in crate::engine) fn on_deployed(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Deployed, End>,
        rollback: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Deploy) else { return };
        match result {
            Err(End::Cancelled) => {}
            Err(End::Stale) => self.stale = true,
            Err(End::Failed(failure)) => {
                self.fail(name, failure, Some(work.wanted.clone()), effects);
                if rollback {
                    self.go_back(name, work, effects);
                }
            }
            Ok(Deployed { revision, images, pruned, took }) => {
                let fingerprint = work.wanted.fingerprint;
                self.run(Running { fingerprint, images, revision });
                effects.push(told(name, ReleaseNews::Deployed { revision, pruned, took }));
            }
        }
    }

    /// Something else runs from here on, and is news.
    fn run(&mut self, running: Running) {
        self.told = None;
        self.failed = None;
        self.followed = false;
        self.announced = true;
        self.running = Some(running);
    }

    /// Answers `Patch`. Whatever kept it from being done: a deploy does the same, and more.
    pub(in crate::engine) fn on_patched(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Patched, End>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Patch) else { return };
        match result {
            Err(_) if work.cancelled => {}
            // A deploy needs its images where they belong: it begins anew, and finds out why.
            Err(_) if self.ahead => {
                self.ahead = false;
                self.stale = true;
            }
            Err(_) => self.act(name, Work { step: Step::Deploy, ..work }, effects),
            Ok(Patched { images, lags, took }) => {
                let fingerprint = work.wanted.fingerprint.clone();
                self.unrecorded = lags.then_some(Unrecorded { generation, wanted: work.wanted });
                self.run(Running { fingerprint, images, revision: None });
                effects.push(told(name, ReleaseNews::Patched { lags, took }));
            }
        }
    }

    /// Answers `Record`. Returns whether Helm's history says what runs.
    pub(in crate::engine) fn on_recorded(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Recorded, End>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.recording.take_if(|recording| recording.generation == generation).is_none() {
            return true;
        }
        let unrecorded = self.unrecorded.take();
        match result {
            Ok(Recorded { revision, changed, took }) => {
                if let Some(running) = &mut self.running {
                    running.revision = revision;
                }
                if !changed.is_empty() {
                    // What Helm made of it stands, and has to become ready.
                    self.live = false;
                    self.end_settling(name, effects);
                }
                effects.push(told(name, ReleaseNews::Recorded { revision, changed, took }));
                true
            }
            Err(end) => {
                // A deploy does it again, once there is a reason for one.
                self.forget_what_runs(name, effects);
                match end {
                    End::Cancelled => {}
                    End::Stale => self.stale = true,
                    End::Failed(failure) => {
                        let wanted = unrecorded.map(|one| one.wanted);
                        self.fail(name, failure, wanted, effects);
                    }
                }
                false
            }
        }
    }

    /// Answers `Settle`.
    pub(in crate::engine) fn on_settled(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Duration, End>,
        rollback: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Settle) else { return };
        match result {
            Err(End::Cancelled | End::Stale) => {}
            Err(End::Failed(failure)) => {
                self.fail(name, failure, Some(work.wanted.clone()), effects);
                if rollback && self.recording.is_none() {
                    self.go_back(name, work, effects);
                }
            }
            Ok(took) => {
                self.live = true;
                self.told = None;
                effects.push(told(name, ReleaseNews::Live { took }));
            }
        }
    }

    /// What has failed makes room for what ran before.
    fn go_back(&mut self, name: &ReleaseName, work: Work, effects: &mut Vec<Effect>) {
        // What was found failing was not this session's to begin with.
        let Some(back) = self.back.take() else { return };
        // From here on, since going back may take a while.
        self.failed.iter_mut().for_each(|failed| failed.rolled_back = true);
        self.unrecorded = None;
        match back {
            Back::Nothing => self.goes = Some(Goes::FailedAtFirst),
            Back::Earlier => {
                let generation = work.generation;
                self.work = Some(Work { step: Step::RollBack, cancelled: false, ..work });
                effects.push(Effect::RollBack { release: name.clone(), generation });
            }
        }
    }

    /// A pod of what was deployed answers: told once for each local port.
    pub(in crate::engine) fn on_answered(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        target: String,
        took: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let answers = self.answers.as_mut().filter(|(of, _)| *of == generation);
        if let Some((_, answers)) = answers
            && answers.insert(target.clone())
        {
            effects.push(told(name, ReleaseNews::Answers { target, took }));
        }
    }

    /// Answers `RollBack`.
    pub(in crate::engine) fn on_rolled_back(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Option<u32>, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        if self.finish(generation, Step::RollBack).is_none() {
            return;
        }
        self.running = None;
        self.answers = None;
        self.followed = false;
        match result {
            Ok(revision) => {
                let news = revision.map(|revision| ReleaseNews::RolledBack { revision });
                effects.extend(news.map(|news| told(name, news)));
            }
            Err(failure) => {
                let wanted = self.failed.take().and_then(|failed| failed.wanted);
                self.fail(name, failure, wanted, effects);
            }
        }
    }

    fn fail(
        &mut self,
        name: &ReleaseName,
        failure: Failure,
        wanted: Option<Wanted>,
        effects: &mut Vec<Effect>,
    ) {
        if self.told.as_ref() != Some(&failure) {
            effects.push(told(name, ReleaseNews::Failed(failure.clone())));
            self.told = Some(failure.clone());
        }
        self.failed = Some(Failed { failure, wanted, rolled_back: false });
    }

    fn finish(&mut self, generation: Generation, step: Step) -> Option<Work> {
        self.work.take_if(|work| work.generation == generation && work.step == step)
    }
}
