//! An image on its way: hashed, looked for, built, delivered.
//!
//! Hashing and working are two slots, so that a save is hashed while a build runs; only when the
//! new hash differs is the build cancelled. Knows nothing of releases but through [`Wish`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::{ArtifactName, Generation, ImageRef};
use crate::report::{ArtifactNews, Failure, Report};

use super::effect::Effect;
use super::event::{Built, Delivered, End, Hashed, Seen};

/// A delivery this quick is over before kubelet looks for the image: it has the pod's volumes to
/// wait for and its sandbox to make, which takes it half a second.
const QUICK: Duration = Duration::from_millis(300);

/// How many deliveries in a row must have been quick before the next is taken to be.
const QUICK_IN_A_ROW: usize = 2;

/// A build whose inputs were others at its end is begun again as often, while their hash says the
/// same as before: then nothing that could be saved again makes the difference.
const STALE_IN_A_ROW: usize = 3;

/// What is known of one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ArtifactState {
    /// Its inputs may have changed since the last hash was asked for.
    stale: bool,
    /// The hash under way.
    hashing: Option<Generation>,
    /// The bases that the last hash was asked with.
    bases: BTreeMap<ArtifactName, ImageRef>,
    /// What the last hash says should exist.
    target: Option<Target>,
    /// What runs for it besides hashing. At most one at a time.
    work: Option<Work>,
    /// Where the target is already, once looked.
    seen: Option<Seen>,
    /// The target is where it is needed, under this reference.
    ready: Option<ImageRef>,
    /// Why the target (or its hash) cannot be had.
    failed: Option<Failure>,
    /// The failure that was told last, so that the same one is not told twice.
    told: Option<Failure>,
    /// The image that a person was told of last.
    announced: Option<ImageRef>,
    /// How long its last deliveries took.
    deliveries: VecDeque<Duration>,
    /// It is tried again by itself, without a word unless it comes out otherwise.
    quietly: bool,
    /// The next build must not use what is there.
    afresh: bool,
    /// How many builds of the target in a row ended with other inputs than were hashed.
    stale_builds: usize,
    /// The configuration no longer has it; it goes when its work has ended.
    pub(super) removed: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Target {
    generation: Generation,
    image: ImageRef,
    why: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Work {
    generation: Generation,
    image: ImageRef,
    step: Step,
    cancelled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Look,
    Build,
    Deliver,
}

/// What others want of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Not known yet: a release that may use it is not examined.
    Unknown,
    /// Its hash is enough.
    Name,
    /// It must be in the Engine.
    Built,
    /// It must be where the pods get it from.
    Delivered,
}

/// What one image may count on at the moment.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// What others want of it.
    pub(super) wish: Wish,
    /// Its bases by what they will be; `None` while one of them is not known.
    pub(super) bases: Option<BTreeMap<ArtifactName, ImageRef>>,
    /// A base that failed.
    pub(super) failed_base: Option<ArtifactName>,
    /// Every base is in the Engine.
    pub(super) bases_built: bool,
    /// There is room for one more build.
    pub(super) may_build: bool,
    /// Building is not allowed: the image must be there.
    pub(super) no_build: bool,
}

impl ArtifactState {
    /// An image of which nothing is known.
    pub(super) fn fresh(afresh: bool) -> Self {
        Self { stale: true, afresh, ..Self::default() }
    }

    /// An image that was given by reference and is neither hashed nor built.
    pub(super) fn given(image: ImageRef, generation: Generation) -> Self {
        let why = "given on the command line".to_owned();
        Self { target: Some(Target { generation, image, why }), ..Self::default() }
    }

    /// Its inputs may have changed.
    pub(super) fn mark_stale(&mut self) {
        self.stale = true;
        self.failed = None;
        self.quietly = false;
        self.stale_builds = 0;
    }

    /// Lets a failure be tried again. `told` stays, so that the same failure is not told again.
    pub(super) fn retry(&mut self, which: impl Fn(&Failure) -> bool) {
        if self.failed.as_ref().is_some_and(which) {
            self.failed = None;
            self.seen = None;
            self.quietly = true;
            self.stale |= self.target.is_none();
        }
    }

    /// Forgets what was seen, so that it is looked for again.
    pub(super) fn look_again(&mut self) {
        self.seen = None;
        self.ready = None;
        self.mark_stale();
    }

    /// The image that it will be, once that is known for sure.
    pub(super) fn image(&self) -> Option<&ImageRef> {
        let settled = !self.stale && self.hashing.is_none();
        self.target.as_ref().filter(|_| settled).map(|target| &target.image)
    }

    /// The reference to deploy, once the image is where it is needed.
    pub(super) fn ready(&self) -> Option<&ImageRef> {
        self.image().and(self.ready.as_ref())
    }

    /// The image that is on its way into the nodes, and by all experience there before a pod that
    /// is made now looks for it.
    pub(super) fn near(&self) -> Option<&ImageRef> {
        let image = self.image()?;
        let work = self.work.as_ref()?;
        let is_sent = work.step == Step::Deliver && !work.cancelled && work.image == *image;
        let is_quick = self.deliveries.len() == QUICK_IN_A_ROW
            && self.deliveries.iter().all(|took| *took <= QUICK);
        (is_sent && is_quick).then_some(image)
    }

    /// Why it cannot be had.
    pub(super) fn failed(&self) -> Option<&Failure> {
        self.failed.as_ref()
    }

    /// The Engine has the image that it will be.
    pub(super) fn is_built(&self) -> bool {
        self.image().is_some() && self.seen.as_ref().is_some_and(|seen| seen.built)
    }

    /// It is known not to be in the Engine, nor where the pods get it from.
    fn must_be_built(&self) -> bool {
        self.image().is_some()
            && self.seen.as_ref().is_some_and(|seen| !seen.built && seen.delivered.is_none())
    }

    /// A dependant that will be built needs this one in the Engine.
    pub(super) fn wants_its_bases(&self) -> bool {
        self.ready.is_none() && self.failed.is_none() && self.must_be_built()
    }

    /// A build runs.
    pub(super) fn is_building(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.step == Step::Build)
    }

    /// Something is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.hashing.is_some() || self.work.is_some()
    }

    /// An act is under way that must report back before the session may leave.
    pub(super) fn is_acting(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.step != Step::Look)
    }

    /// Cancels what runs, on the way out.
    pub(super) fn cancel(&mut self, name: &ArtifactName, effects: &mut Vec<Effect>) {
        if let Some(work) = self.work.as_mut().filter(|work| !work.cancelled) {
            work.cancelled = true;
            effects.push(Effect::CancelArtifact { artifact: name.clone() });
        }
    }

    /// Starts whatever can start now.
    pub(super) fn advance(
        &mut self,
        name: &ArtifactName,
        around: &Surroundings,
        next: &mut Generation,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(bases) = &around.bases
            && self.target.is_some()
            && !self.afresh_or_given(bases)
        {
            self.stale = true;
        }
        if self.stale && self.hashing.is_none() {
            self.hash(name, around, next, effects);
        }
        let Some(image) = self.image().cloned() else { return };
        if let Some(work) = &mut self.work {
            if work.image != image && !work.cancelled && work.step != Step::Look {
                work.cancelled = true;
                effects.push(Effect::CancelArtifact { artifact: name.clone() });
            }
            return;
        }
        if self.ready.is_some() || self.failed.is_some() {
            return;
        }
        match around.wish {
            Wish::Unknown | Wish::Name => return,
            Wish::Built | Wish::Delivered => {}
        }
        let Some(seen) = self.seen.clone() else {
            return self.work_on(name, Step::Look, image, effects);
        };
        if let Some(delivered) = seen.delivered {
            let found = if delivered.digest().is_some() { "registry" } else { "nodes" };
            self.ready = Some(delivered);
            return self.announce(name, image, found, effects);
        }
        match around.wish {
            Wish::Built if seen.built => self.announce(name, image, "engine", effects),
            _ if seen.built => self.work_on(name, Step::Deliver, image, effects),
            _ if around.no_build => {
                let failure = Failure::work(
                    "wharf::build::missing_image",
                    format!("image `{image}` is neither in the cluster nor in the Engine"),
                )
                .help("build it: `wharf build`");
                self.fail(name, failure, effects);
            }
            _ if around.bases_built && around.may_build => {
                let why = self.target.as_ref().map(|target| target.why.clone()).unwrap_or_default();
                if !self.quietly {
                    effects.push(told(name, ArtifactNews::Building { image: image.clone(), why }));
                }
                self.work_on(name, Step::Build, image, effects);
            }
            _ => {}
        }
    }

    /// Whether the last hash still stands as far as its bases are concerned.
    fn afresh_or_given(&self, bases: &BTreeMap<ArtifactName, ImageRef>) -> bool {
        self.stale || self.hashing.is_some() || self.bases == *bases
    }

    /// Says once that an image is there already.
    fn announce(
        &mut self,
        name: &ArtifactName,
        image: ImageRef,
        found: &'static str,
        effects: &mut Vec<Effect>,
    ) {
        if self.announced.as_ref() != Some(&image) {
            self.announced = Some(image.clone());
            effects.push(told(name, ArtifactNews::Unchanged { image, found }));
        }
    }

    fn hash(
        &mut self,
        name: &ArtifactName,
        around: &Surroundings,
        next: &mut Generation,
        effects: &mut Vec<Effect>,
    ) {
        if around.failed_base.is_some() {
            return;
        }
        let Some(bases) = &around.bases else { return };
        *next = next.next();
        self.stale = false;
        self.hashing = Some(*next);
        self.bases.clone_from(bases);
        effects.push(Effect::Hash {
            artifact: name.clone(),
            generation: *next,
            bases: bases.clone(),
        });
    }

    fn work_on(
        &mut self,
        name: &ArtifactName,
        step: Step,
        image: ImageRef,
        effects: &mut Vec<Effect>,
    ) {
        let Some(target) = &self.target else { return };
        let generation = target.generation;
        let artifact = name.clone();
        self.work = Some(Work { generation, image: image.clone(), step, cancelled: false });
        effects.push(match step {
            Step::Look => Effect::Look { artifact, generation, image },
            Step::Build => Effect::Build { artifact, generation, image },
            Step::Deliver => Effect::Deliver { artifact, generation, image },
        });
    }

    fn fail(&mut self, name: &ArtifactName, failure: Failure, effects: &mut Vec<Effect>) {
        if self.told.as_ref() != Some(&failure) {
            effects.push(told(name, ArtifactNews::Failed(failure.clone())));
            self.told = Some(failure.clone());
        }
        self.failed = Some(failure);
    }

    /// Takes the work of `generation` out of its slot, if it is the current one.
    fn finish(&mut self, generation: Generation, step: Step) -> Option<Work> {
        self.work.take_if(|work| work.generation == generation && work.step == step)
    }

    /// Whether `work` was for what is wanted now.
    fn is_wanted(&self, work: &Work) -> bool {
        self.target.as_ref().is_some_and(|target| target.image == work.image)
    }

    /// Answers `Hash`. Returns whether the image is another one than before.
    pub(super) fn on_hashed(
        &mut self,
        name: &ArtifactName,
        generation: Generation,
        result: Result<Hashed, Failure>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.hashing != Some(generation) {
            return false;
        }
        self.hashing = None;
        match result {
            // A later save makes this result old before it is looked at.
            _ if self.stale => false,
            Err(failure) => {
                self.target = None;
                self.fail(name, failure, effects);
                true
            }
            Ok(hashed) => {
                let same = self.target.as_ref().is_some_and(|target| target.image == hashed.image);
                if same && self.failed.is_none() {
                    // Work that starts from here on finds the inputs of this attempt.
                    if let Some(target) = &mut self.target {
                        target.generation = generation;
                    }
                    return false;
                }
                self.failed = None;
                self.told = None;
                self.quietly = false;
                self.stale_builds = 0;
                self.seen = None;
                self.ready = None;
                let Hashed { image, why } = hashed;
                self.target = Some(Target { generation, image, why });
                true
            }
        }
    }

    /// Answers `Look`.
    pub(super) fn on_seen(
        &mut self,
        name: &ArtifactName,
        generation: Generation,
        result: Result<Seen, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Look) else { return };
        if !self.is_wanted(&work) {
            return;
        }
        match result {
            Ok(_) if self.afresh => self.seen = Some(Seen::default()),
            Ok(seen) => self.seen = Some(seen),
            Err(failure) => self.fail(name, failure, effects),
        }
    }

    /// Answers `Build`.
    pub(super) fn on_built(
        &mut self,
        name: &ArtifactName,
        generation: Generation,
        result: Result<Built, End>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Build) else { return };
        match result {
            Err(End::Stale) if self.is_wanted(&work) && self.stale_builds + 1 >= STALE_IN_A_ROW => {
                self.stale_builds = 0;
                self.fail(name, restless(&work.image), effects);
            }
            Err(End::Stale) => {
                self.stale_builds += 1;
                self.stale = true;
            }
            Err(End::Cancelled) => effects.push(told(name, ArtifactNews::Cancelled)),
            _ if !self.is_wanted(&work) => effects.push(told(name, ArtifactNews::Cancelled)),
            Err(End::Failed(failure)) => self.fail(name, failure, effects),
            Ok(Built { cached, steps, took }) => {
                self.afresh = false;
                self.quietly = false;
                self.stale_builds = 0;
                self.told = None;
                self.seen = Some(Seen { built: true, delivered: None });
                self.announced = Some(work.image.clone());
                let news = ArtifactNews::Built { image: work.image, took, cached: (cached, steps) };
                effects.push(told(name, news));
            }
        }
    }

    /// Answers `Deliver`.
    pub(super) fn on_delivered(
        &mut self,
        name: &ArtifactName,
        generation: Generation,
        result: Result<Delivered, End>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(work) = self.finish(generation, Step::Deliver) else { return };
        match result {
            Err(End::Cancelled) => {}
            _ if !self.is_wanted(&work) => {}
            // What was built is gone from the Engine: look again.
            Err(End::Stale) => self.seen = None,
            Err(End::Failed(failure)) => self.fail(name, failure, effects),
            Ok(Delivered { image, pushed, sent_bytes, total_bytes, took }) => {
                self.told = None;
                self.ready = Some(image.clone());
                if self.deliveries.len() == QUICK_IN_A_ROW {
                    self.deliveries.pop_front();
                }
                self.deliveries.push_back(took);
                let how = if pushed { "pushed" } else { "loaded" };
                let news = ArtifactNews::Delivered { image, how, sent_bytes, total_bytes, took };
                effects.push(told(name, news));
            }
        }
    }
}

/// Why an image is not built any more whose inputs are others whenever a build ends.
fn restless(image: &ImageRef) -> Failure {
    Failure::work(
        "wharf::build::restless",
        format!("image `{image}` was built {STALE_IN_A_ROW} times, each time of changed inputs"),
    )
    .because(
        "a file or base image changes while the build runs, and is as before when it has ended",
    )
    .help("let what writes it end, or leave it out by `.dockerignore`; a save or r builds again")
}

fn told(name: &ArtifactName, news: ArtifactNews) -> Effect {
    Effect::Tell(Report::Artifact { name: name.clone(), news })
}
