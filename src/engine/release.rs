//! A release on its way: examined, rendered, deployed, settled.
//!
//! One slot of work, so that there is at most one operation per release; only waiting until it is
//! ready goes on beside Helm's recording of what was put in without it. What is wanted is
//! always derived anew from the images and the examination; a result for something else than
//! what is wanted by now changes nothing.

mod answers;
mod steps;
mod supply;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactName, Generation, ImageRef, ReleaseName, Undo};
use crate::report::{Failure, ReleaseNews, Report};

use super::effect::Effect;
use super::event::Running;

pub(super) use supply::{Reach, Supply, Surroundings};

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
    /// Where a failure leads back to, where a deploy of this session asks for a way back.
    back: Option<Back>,
    /// The configuration no longer has it.
    pub(super) removed: bool,
    /// What is in the cluster of it goes before anything else is done for it.
    pub(super) goes: Option<Goes>,
}

/// Where a deploy that fails leads back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    /// The revision that ran well before.
    Earlier,
    /// Nothing was there before.
    Nothing,
}

/// Why what is in the cluster of a release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// Its configuration puts it elsewhere, or makes it of something else.
    Moves,
    /// Its first deploy has failed, and is not to stay.
    FailedAtFirst,
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
    back: Back,
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

    /// It is put elsewhere, or made of something else: nothing that is known of it counts.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::fresh();
    }

    /// Nothing of it is in the cluster any more, since its first deploy has failed.
    pub(super) fn is_taken_back(&mut self) {
        self.goes = None;
        self.running = None;
        self.answers = None;
        self.followed = false;
        self.live = false;
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
}

fn told(name: &ReleaseName, news: ReleaseNews) -> Effect {
    Effect::Tell(Report::Release { name: name.clone(), news })
}
