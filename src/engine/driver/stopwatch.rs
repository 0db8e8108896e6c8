//! The clock of a round: when it was saved, how long each stage took, when what it deployed answered
//! and was ready.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::model::{ArtifactName, Generation, ReleaseName};
use crate::observe::Milestone;
use crate::report::Report;
use crate::timeline::{Round, Span, Stage};

use super::super::{Effect, Event};
use super::desk::StepTook;
use super::saves::Save;

/// Measures one round after the other.
pub(super) struct Stopwatch {
    /// The save (or the start) that the round counts from.
    began: Instant,
    /// The first save that has not led to anything yet.
    pending: Option<Written>,
    /// What was saved, and how much.
    cause: (Vec<String>, usize),
    /// What is under way.
    open: BTreeMap<Work, Instant>,
    /// What has ended.
    ended: Vec<Ended>,
    /// What the round deploys.
    deployed: BTreeMap<ReleaseName, Moments>,
    /// What a local port was seen to lead to.
    forwarded: BTreeSet<ReleaseName>,
}

/// A stage of one attempt of an image or release.
type Work = (Stage, String, Generation);

#[derive(Debug, Clone, Copy)]
struct Written {
    written: Instant,
    sign: Instant,
    looked: Instant,
}

struct Ended {
    stage: Stage,
    name: String,
    step: Option<String>,
    from: Instant,
    to: Instant,
}

/// What is seen of a release that is deployed: of its first new pod, and of all of it.
#[derive(Debug, Clone, Copy)]
struct Moments {
    begun: Instant,
    /// The deploy has ended.
    done: Option<Instant>,
    scheduled: Option<Instant>,
    sandbox: Option<Instant>,
    started: Option<Instant>,
    /// Kubernetes calls it ready.
    first_ready: Option<Instant>,
    /// New connections go to it, through the last of several local ports.
    live: Option<Instant>,
    /// Kubernetes calls all of it ready.
    ready: Option<Instant>,
}

impl Stopwatch {
    /// Starts with the command.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            pending: None,
            cause: (Vec::new(), 0),
            open: BTreeMap::new(),
            ended: Vec::new(),
            deployed: BTreeMap::new(),
            forwarded: BTreeSet::new(),
        }
    }

    /// How long the round has been going on at `at`.
    pub(super) fn since_save(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    /// Something was saved. The round counts from there once that leads to anything.
    pub(super) fn saved(&mut self, save: &Save) {
        let Save { written, sign, looked, .. } = *save;
        self.pending.get_or_insert(Written { written, sign, looked });
    }

    /// Notes what is about to be done.
    pub(super) fn does(&mut self, effect: &Effect, now: Instant) {
        match effect {
            Effect::BeginRound => {
                self.began = self.pending.map_or(now, |pending| pending.written);
                self.cause = (Vec::new(), 0);
                self.ended.clear();
                self.deployed.clear();
            }
            // The last save has led to something: the round counts from it.
            Effect::Tell(Report::Changed { paths, count, .. }) => {
                self.cause = (paths.clone(), *count);
                if let Some(Written { written, sign, looked }) = self.pending.take() {
                    self.began = written;
                    self.end(Stage::Event, String::new(), written, sign);
                    self.end(Stage::Quiet, String::new(), sign, looked);
                }
            }
            Effect::Deploy { release, .. } | Effect::Patch { release, .. } => {
                let moments = Moments {
                    begun: now,
                    done: None,
                    scheduled: None,
                    sandbox: None,
                    started: None,
                    first_ready: None,
                    live: None,
                    ready: None,
                };
                self.deployed.insert(release.clone(), moments);
            }
            _ => {}
        }
        if let Some(work) = started(effect) {
            self.open.insert(work, now);
        }
    }

    fn end(&mut self, stage: Stage, name: String, from: Instant, to: Instant) {
        self.ended.push(Ended { stage, name, step: None, from, to });
    }

    /// Notes what has happened.
    pub(super) fn hears(&mut self, event: &Event, now: Instant) {
        if let Some(work) = ended(event)
            && let Some(from) = self.open.remove(&work)
        {
            let (stage, name, _) = work;
            self.end(stage, name, from, now);
        }
        match event {
            Event::Deployed { release, .. } | Event::Patched { release, .. } => {
                if let Some(moments) = self.deployed.get_mut(release) {
                    moments.done = Some(now);
                }
            }
            Event::Settled { release, result: Ok(_), .. } => {
                if let Some(moments) = self.deployed.get_mut(release) {
                    moments.ready = Some(now);
                }
            }
            // The last of several local ports counts.
            Event::Answered { release, took, .. } => {
                let at = self.began + *took;
                self.forwarded.insert(release.clone());
                if let Some(moments) = self.deployed.get_mut(release) {
                    moments.live = moments.live.max(Some(at));
                }
            }
            _ => {}
        }
    }

    /// A new pod of a release has come on. The first one counts.
    pub(super) fn passed(&mut self, release: &ReleaseName, milestone: &Milestone, at: Instant) {
        let Some(moments) = self.deployed.get_mut(release) else { return };
        let moment = match milestone {
            Milestone::Scheduled => &mut moments.scheduled,
            Milestone::Sandbox => &mut moments.sandbox,
            Milestone::Started => &mut moments.started,
            Milestone::Ready => &mut moments.first_ready,
            Milestone::Answered { .. } => return,
        };
        moment.get_or_insert(at);
    }

    /// A build ran these steps.
    pub(super) fn steps(&mut self, artifact: &ArtifactName, steps: Vec<StepTook>) {
        let name = artifact.to_string();
        self.ended.extend(steps.into_iter().map(|StepTook { step, from, to }| Ended {
            stage: Stage::Step,
            name: name.clone(),
            step: Some(step),
            from,
            to,
        }));
    }

    /// The round is over.
    pub(super) fn lap(&mut self, now: Instant, failed: usize, context: String) -> Round {
        self.pending = None;
        let mut deployed = std::mem::take(&mut self.deployed);
        for (release, moments) in &mut deployed {
            // New connections go to a pod that is ready, whoever has not asked it by then, or whose
            // word comes late.
            if self.forwarded.contains(release) && moments.ready.is_some() {
                let live = moments.live.or(moments.first_ready).or(moments.ready);
                moments.live = live.min(moments.ready);
            }
        }
        for (release, moments) in &deployed {
            self.ended.extend(moments.stages(release));
        }
        let all_ready = deployed.values().map(|moments| moments.ready).collect::<Option<Vec<_>>>();
        let ready = all_ready.and_then(|ready| ready.into_iter().max());
        let live = deployed.values().filter_map(|moments| moments.live).max();
        let ended = std::mem::take(&mut self.ended);
        let (paths, count) = std::mem::take(&mut self.cause);
        let since = |at: Instant| self.since_save(at);
        // What an earlier save began, and this one replaced, is no part of it.
        let ended = ended.into_iter().filter(|one| one.to > self.began);
        let spans = ended.map(|Ended { stage, name, step, from, to }| Span {
            stage,
            name,
            step,
            from: since(from),
            to: since(to),
        });
        let mut spans: Vec<Span> = spans.collect();
        spans.sort_by_key(|span| (span.from, span.stage));
        let took = since(now);
        let saved = jiff::Timestamp::now().checked_sub(took).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let (live, ready) = (live.map(since), ready.map(since));
        Round { at: saved.to_string(), context, paths, count, failed, took, live, ready, spans }
    }
}

impl Moments {
    /// The stages of a rollout, each from the end of the one before it.
    fn stages(self, release: &ReleaseName) -> Vec<Ended> {
        let mut moments = [
            (Stage::Scheduled, self.scheduled),
            (Stage::Sandbox, self.sandbox),
            (Stage::Started, self.started),
            (Stage::Answered, self.live),
            (Stage::Ready, self.ready),
        ]
        .into_iter()
        .filter_map(|(stage, at)| Some((stage, at?)))
        .collect::<Vec<_>>();
        // A port answers before kubelet has said that its program was started.
        moments.sort_by_key(|(_, at)| *at);
        let first = moments.first().map(|(_, at)| *at);
        // Helm goes on while the first pods start.
        let mut from = self.done.filter(|done| first.is_some_and(|at| *done <= at));
        let mut stages = Vec::new();
        for (stage, to) in moments {
            let begun = from.replace(to).unwrap_or(self.begun);
            stages.push(Ended { stage, name: release.to_string(), step: None, from: begun, to });
        }
        stages
    }
}

/// The stage that an effect begins.
fn started(effect: &Effect) -> Option<Work> {
    Some(match effect {
        Effect::Hash { artifact, generation, .. } => {
            (Stage::Hash, artifact.to_string(), *generation)
        }
        Effect::Look { artifact, generation, .. } => {
            (Stage::Look, artifact.to_string(), *generation)
        }
        Effect::Build { artifact, generation, .. } => {
            (Stage::Build, artifact.to_string(), *generation)
        }
        Effect::Deliver { artifact, generation, .. } => {
            (Stage::Transfer, artifact.to_string(), *generation)
        }
        Effect::Examine { release, generation } => {
            (Stage::Examine, release.to_string(), *generation)
        }
        Effect::Render { release, generation, .. } => {
            (Stage::Render, release.to_string(), *generation)
        }
        Effect::Patch { release, generation } => (Stage::Patch, release.to_string(), *generation),
        Effect::Deploy { release, generation } => (Stage::Deploy, release.to_string(), *generation),
        _ => return None,
    })
}

/// The stage that an event ends.
fn ended(event: &Event) -> Option<Work> {
    Some(match event {
        Event::Hashed { artifact, generation, .. } => {
            (Stage::Hash, artifact.to_string(), *generation)
        }
        Event::Seen { artifact, generation, .. } => {
            (Stage::Look, artifact.to_string(), *generation)
        }
        Event::Built { artifact, generation, .. } => {
            (Stage::Build, artifact.to_string(), *generation)
        }
        Event::Delivered { artifact, generation, .. } => {
            (Stage::Transfer, artifact.to_string(), *generation)
        }
        Event::Examined { release, generation, .. } => {
            (Stage::Examine, release.to_string(), *generation)
        }
        Event::Rendered { release, generation, .. } => {
            (Stage::Render, release.to_string(), *generation)
        }
        Event::Patched { release, generation, .. } => {
            (Stage::Patch, release.to_string(), *generation)
        }
        Event::Deployed { release, generation, .. } => {
            (Stage::Deploy, release.to_string(), *generation)
        }
        _ => return None,
    })
}
