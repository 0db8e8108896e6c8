//! A release on its way: examined, rendered, deployed, settled.
//!
//! One slot of work, so that there is at most one operation per release; only waiting until it is
//! ready goes on beside Helm's recording of what was put in without it. What is wanted is
//! always derived anew from the images and the examination; a result for something else than
//! what is wanted by now changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{ArtifactName, Generation, ImageRef, ReleaseName, Undo};
use crate::report::{Failure, ReleaseNews, Report};

use super::effect::Effect;
use super::event::{Deployed, End, Examined, Patched, Recorded, Rendered, Running};

/// What is known of one release.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ReleaseState {
    /// Its chart, values or manifests may have changed since it was examined.
    stale: bool,
    examining: Option<Generation>,
    /// What the last examination found it to be made of.
    shape: Option<Shape>,
    /// What runs of it, as far as is known.
    running: Option<Running>,
    /// How that is taken back, where an earlier session owes it and this one takes it over.
    owed: Vec<Undo>,
    /// The attempt that deployed it, and the local ports through which that has answered.
    answers: Option<(Generation, BTreeSet<String>)>,
    /// Its images are being put in while they are on the way.
    ahead: bool,
    /// It is ready, or ready enough where nobody waits.
    live: bool,
    work: Option<Work>,
    /// The attempt whose images run although Helm's history does not say so.
    unrecorded: Option<Unrecorded>,
    /// Helm records it at the moment.
    recording: Option<Recording>,
    /// What was rendered last and not deployed yet.
    rendered: Option<Prepared>,
    failed: Option<Failed>,
    told: Option<Failure>,
    /// What it was last said to wait for.
    hold: Option<String>,
    /// Its pods and logs are followed, as of this deploy.
    followed: bool,
    /// A person was told that it runs as wanted.
    announced: bool,
    /// The configuration no longer has it.
    pub(super) removed: bool,
}

/// What a person wants to know of leaving.
#[derive(Debug, Default)]
pub(super) struct Staying {
    /// What stays.
    pub(super) kept: Vec<String>,
    /// Claims that go, with the data in them.
    pub(super) claims: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Shape {
    fingerprint: String,
    uses: BTreeSet<ArtifactName>,
}

/// What should run.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    fingerprint: String,
    images: BTreeMap<ArtifactName, ImageRef>,
}

#[derive(Debug, Clone, PartialEq)]
struct Prepared {
    generation: Generation,
    wanted: Wanted,
    undo: Vec<Undo>,
    why: String,
    images_alone: bool,
    bridged: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Unrecorded {
    generation: Generation,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Recording {
    generation: Generation,
    cancelled: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Work {
    generation: Generation,
    wanted: Wanted,
    step: Step,
    cancelled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Render,
    Deploy,
    Patch,
    Settle,
    RollBack,
}

#[derive(Debug, Clone, PartialEq)]
struct Failed {
    failure: Failure,
    /// What it failed for; absent: the examination itself.
    wanted: Option<Wanted>,
    /// What failed does not run any more, or not for long, so that waiting does not mend it.
    rolled_back: bool,
}

/// What one release may count on at the moment.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// It belongs to what the person asked for.
    pub(super) selected: bool,
    /// What each image that it uses will be, and whether it is ready.
    pub(super) images: BTreeMap<ArtifactName, Supply>,
    /// Releases that must be live first and are not.
    pub(super) waits_for: Vec<ReleaseName>,
    /// What may be done with it.
    pub(super) reach: Reach,
    /// Wait until it is ready.
    pub(super) wait: bool,
}

/// How far a release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is examined at most.
    Examined,
    /// It is rendered.
    Rendered,
    /// It is deployed.
    Deployed,
}

/// How an image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Supply {
    /// Its hash is not known.
    Unknown,
    /// It cannot be had.
    Failed,
    /// It is this one, which will be there before a pod that is made now looks for it.
    Near(ImageRef),
    /// It will be this one; `None` where the reference is known only when it has been pushed.
    Coming(Option<ImageRef>),
    /// It is where the pods get it from.
    Ready(ImageRef),
}

impl Supply {
    fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    fn is_near(&self) -> bool {
        matches!(self, Self::Near(_))
    }
}

impl ReleaseState {
    /// A release of which nothing is known.
    pub(super) fn fresh() -> Self {
        Self { stale: true, ..Self::default() }
    }

    /// Its chart, values or manifests may have changed.
    pub(super) fn mark_stale(&mut self) {
        self.stale = true;
        self.failed = None;
    }

    /// Nothing of it is in the cluster any more.
    pub(super) fn mark_lost(&mut self, name: &ReleaseName, effects: &mut Vec<Effect>) {
        self.forget_what_runs(name, effects);
        self.mark_stale();
    }

    fn forget_what_runs(&mut self, name: &ReleaseName, effects: &mut Vec<Effect>) {
        self.end_settling(name, effects);
        self.running = None;
        self.answers = None;
        self.live = false;
    }

    /// Lets a failure be tried again.
    pub(super) fn retry(&mut self, which: impl Fn(&Failure) -> bool) {
        let may_mend = |failed: &mut Failed| !failed.rolled_back && which(&failed.failure);
        if let Some(failed) = self.failed.take_if(may_mend) {
            self.stale |= failed.wanted.is_none();
        }
    }

    /// Lets it be waited for once more, if it runs as wanted and did not become ready. Returns
    /// whether it will be.
    pub(super) fn settle_again(&mut self) -> bool {
        let runs = |wanted: &Wanted| {
            let running = self.running.as_ref();
            running.is_some_and(|running| running.is_made_of(&wanted.fingerprint, &wanted.images))
        };
        let unready = self.failed.as_ref().is_some_and(|failed| {
            failed.failure.code.starts_with("wharf::observe::")
                && failed.wanted.as_ref().is_some_and(runs)
        });
        if unready {
            self.failed = None;
        }
        unready
    }

    /// The project's images that it uses, once known.
    pub(super) fn uses(&self) -> Option<&BTreeSet<ArtifactName>> {
        self.shape.as_ref().map(|shape| &shape.uses)
    }

    /// The examination has ended, well or not.
    pub(super) fn is_examined(&self) -> bool {
        self.shape.is_some() || self.failed.is_some()
    }

    /// It runs as wanted and is ready.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Why it is not as wanted.
    pub(super) fn failed(&self) -> Option<&Failure> {
        self.failed.as_ref().map(|failed| &failed.failure)
    }

    /// The same, where it may go away without a save.
    pub(super) fn failed_for_now(&self) -> Option<&Failure> {
        let failed = self.failed.as_ref().filter(|failed| !failed.rolled_back);
        failed.map(|failed| &failed.failure)
    }

    /// Something is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.examining.is_some() || self.work.is_some() || self.recording.is_some()
    }

    /// It is being brought to what is wanted, or looked at for that.
    pub(super) fn is_changing(&self) -> bool {
        let waits = self.work.as_ref().is_none_or(|work| work.step == Step::Settle);
        self.stale || self.examining.is_some() || self.recording.is_some() || !waits
    }

    /// An act is under way that must report back before the session may leave.
    pub(super) fn is_acting(&self) -> bool {
        let acts = |work: &Work| matches!(work.step, Step::Deploy | Step::Patch | Step::RollBack);
        self.recording.is_some() || self.work.as_ref().is_some_and(acts)
    }

    /// Cancels what runs, on the way out. Helm's recording goes on where the release `stays`.
    pub(super) fn cancel(&mut self, name: &ReleaseName, stays: bool, effects: &mut Vec<Effect>) {
        if let Some(work) = self.work.as_mut().filter(|work| !work.cancelled) {
            work.cancelled = true;
            effects.push(Effect::CancelRelease { release: name.clone() });
        }
        if let Some(recording) = self.recording.as_mut().filter(|one| !stays && !one.cancelled) {
            recording.cancelled = true;
            effects.push(Effect::CancelRecord { release: name.clone() });
        }
    }

    /// Helm's history does not say what runs, and nothing is under way that changes this.
    pub(super) fn owes_a_record(&self) -> bool {
        self.unrecorded.is_some() && self.recording.is_none() && !self.is_acting()
    }

    /// Lets Helm record what runs.
    pub(super) fn record(&mut self, name: &ReleaseName, effects: &mut Vec<Effect>) {
        let owed = self.unrecorded.as_ref().map(|one| one.generation);
        if let Some(generation) = owed.filter(|_| self.owes_a_record()) {
            self.recording = Some(Recording { generation, cancelled: false });
            effects.push(Effect::Record { release: name.clone(), generation });
        }
    }

    /// Starts whatever can start now. `undo` is what has been remembered so far.
    pub(super) fn advance(
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
        effects.push(told(name, ReleaseNews::Deploying { why: prepared.why }));
        let step = if prepared.images_alone { Step::Patch } else { Step::Deploy };
        self.act(
            name,
            Work { generation, wanted: prepared.wanted, step, cancelled: false },
            effects,
        );
    }

    fn act(&mut self, name: &ReleaseName, work: Work, effects: &mut Vec<Effect>) {
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
    fn end_settling(&mut self, name: &ReleaseName, effects: &mut Vec<Effect>) {
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

    /// Answers `Examine`.
    pub(super) fn on_examined(
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
    pub(super) fn on_rendered(
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
            Ok(Rendered { undo, kept, claims, why, images_alone, bridged }) => {
                let wanted = work.wanted;
                let prepared = Prepared { generation, wanted, undo, why, images_alone, bridged };
                self.rendered = Some(prepared);
                Staying { kept, claims }
            }
        }
    }

    /// Answers `Deploy`.
    pub(super) fn on_deployed(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<Deployed, End>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Deploy) else { return };
        match result {
            Err(End::Cancelled) => {}
            Err(End::Stale) => self.stale = true,
            Err(End::Failed(failure)) => self.fail(name, failure, Some(work.wanted), effects),
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
    pub(super) fn on_patched(
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
    pub(super) fn on_recorded(
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
    pub(super) fn on_settled(
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
                    // From here on, since going back may take a while.
                    self.failed.iter_mut().for_each(|failed| failed.rolled_back = true);
                    self.unrecorded = None;
                    self.work = Some(Work { step: Step::RollBack, cancelled: false, ..work });
                    effects.push(Effect::RollBack { release: name.clone(), generation });
                }
            }
            Ok(took) => {
                self.live = true;
                self.told = None;
                effects.push(told(name, ReleaseNews::Live { took }));
            }
        }
    }

    /// A pod of what was deployed answers: told once for each local port.
    pub(super) fn on_answered(
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
    pub(super) fn on_rolled_back(
        &mut self,
        name: &ReleaseName,
        generation: Generation,
        result: Result<u32, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        if self.finish(generation, Step::RollBack).is_none() {
            return;
        }
        self.running = None;
        self.answers = None;
        self.followed = false;
        match result {
            Ok(revision) => effects.push(told(name, ReleaseNews::RolledBack { revision })),
            Err(failure) => {
                let wanted = self.failed.take().and_then(|failed| failed.wanted);
                self.fail(name, failure, wanted, effects);
            }
        }
    }
}

fn told(name: &ReleaseName, news: ReleaseNews) -> Effect {
    Effect::Tell(Report::Release { name: name.clone(), news })
}
