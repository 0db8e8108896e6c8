//! The session: one event in, effects out. Synchronous, without I/O, without a clock.
//!
//! Each event first changes what is known; then one pass lets every image and release start
//! whatever can start now. So the order in which results arrive never matters, and a state that
//! wants something is never forgotten.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactName, Forward, Generation, ImageRef, Project, ReleaseName, Undo};
use crate::report::{Failure, Report};

use super::artifact::ArtifactState;
use super::effect::{Effect, Exit};
use super::event::{End, Event, Nudge, Saved};
use super::goal::Options;
use super::release::ReleaseState;

mod forwards;
mod leaving;
mod recording;
mod round;
mod settings;
mod wants;

use forwards::Local;
use round::Round;

/// Everything the loop knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    options: Options,
    project: Project,
    artifacts: BTreeMap<ArtifactName, ArtifactState>,
    releases: BTreeMap<ReleaseName, ReleaseState>,
    forwards: Vec<(Forward, Local)>,
    /// The failure of a local port that was told last, by its target.
    forwards_told: BTreeMap<String, Failure>,
    /// Everything remembered so far, oldest first.
    undo: Vec<Undo>,
    /// What stays on leaving, told at the end.
    kept: BTreeSet<String>,
    /// Claims that go on leaving, told so already.
    going: BTreeSet<String>,
    phase: Phase,
    round: Round,
    /// The last generation handed out.
    generation: Generation,
    /// Saves that wait for a key.
    pending: Saved,
    /// The configuration is being read; `true` when it changed again meanwhile.
    reading: Option<bool>,
    /// The configuration's last failure; the loop goes on with the last good one.
    config_failed: Option<Failure>,
    /// Undo steps of releases that the configuration dropped, while they run.
    unwinding: Vec<Undo>,
    /// The wait for saves to be quiet that counts.
    lull: Option<Generation>,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Running,
    /// On the way out; `unwinding` once the undo list runs.
    Leaving {
        unwinding: bool,
        exit: Exit,
    },
    Gone,
}

impl Session {
    /// A session that has not begun. `undo` is what earlier sessions left to be taken back.
    #[must_use]
    pub fn new(project: Project, options: Options, undo: Vec<Undo>) -> Self {
        let mut session = Self {
            artifacts: BTreeMap::new(),
            releases: BTreeMap::new(),
            forwards: Vec::new(),
            forwards_told: BTreeMap::new(),
            undo,
            kept: BTreeSet::new(),
            going: BTreeSet::new(),
            phase: Phase::Running,
            round: Round {
                open: true,
                first: true,
                untold: None,
                told: true,
                quiet: false,
                failed_before: 0,
            },
            generation: Generation::default(),
            pending: Saved::default(),
            reading: None,
            config_failed: None,
            unwinding: Vec::new(),
            lull: None,
            options,
            project,
        };
        session.take_in_project();
        session
    }

    /// The first effects.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::BeginRound];
        self.advance(0, &mut effects);
        effects
    }

    /// The project that the session works on.
    #[must_use]
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The images as they are to be deployed, or as they will be.
    #[must_use]
    pub fn images(&self) -> BTreeMap<ArtifactName, ImageRef> {
        let known = self.artifacts.iter().filter_map(|(name, state)| {
            Some((name.clone(), state.ready().or(state.image())?.clone()))
        });
        known.collect()
    }

    /// Some failure is of the kind that goes away by itself, such as an Engine that is down: it is
    /// worth an retry without a save.
    #[must_use]
    pub fn waits_for_mending(&self) -> bool {
        self.stays()
            && (self.failures().any(mends_by_itself)
                || self.forwards.iter().any(|(_, local)| matches!(local, Local::Failed(_))))
    }

    /// A registry refused something, and may not when a person has logged in.
    #[must_use]
    pub fn waits_for_login(&self) -> bool {
        self.stays() && self.failures().any(mends_by_login)
    }

    /// It is not on its way out, nor at its end when nothing runs.
    fn stays(&self) -> bool {
        self.phase == Phase::Running && self.options.goal.stays()
    }

    /// What is not as wanted and may come to be without a save.
    fn failures(&self) -> impl Iterator<Item = &Failure> {
        let artifacts = self.artifacts.values().filter_map(ArtifactState::failed);
        artifacts.chain(self.releases.values().filter_map(ReleaseState::failed_for_now))
    }

    /// Something is not as wanted, and a failure says why.
    #[cfg(test)]
    pub(super) fn has_failures(&self) -> bool {
        self.artifacts.values().any(|state| state.failed().is_some())
            || self.releases.values().any(|state| state.failed().is_some())
    }

    /// Takes one event into account and returns what must be done about it. Does no I/O.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A failure that a save leads to comes after the save, whoever tells it.
        let is_beside = matches!(
            event,
            Event::ForwardOpened { .. }
                | Event::Crashed(_)
                | Event::Unwound(_)
                | Event::Answered { .. }
        );
        match event {
            _ if self.phase == Phase::Gone => return effects,
            Event::Saved(saved) => self.on_saved(saved, &mut effects),
            Event::ConfigChanged(result) => self.on_config(result, &mut effects),
            Event::Lost { releases, .. } => self.on_lost(&releases, &mut effects),
            Event::Recovered { release } => self.on_recovered(&release, &mut effects),
            Event::Nudged(nudge) => self.on_nudge(nudge, &mut effects),
            Event::Interrupted => self.on_interrupt(&mut effects),
            Event::ClusterChanged(failure) => self.on_cluster_changed(failure, &mut effects),
            Event::Unwound(leftovers) => self.on_unwound(leftovers, &mut effects),
            Event::Owed(steps) => self.on_owed(&steps),
            Event::ForwardOpened { forward, result } => {
                self.on_forward(&forward, result, &mut effects);
            }
            Event::Answered { release, generation, target, took } => {
                let running = self.phase == Phase::Running;
                let state = self.releases.get_mut(&release).filter(|_| running);
                if let Some(state) = state {
                    state.on_answered(&release, generation, target, took, &mut effects);
                }
            }
            Event::Lulled(generation) => self.on_lulled(generation, &mut effects),
            Event::Crashed(failure) => effects.push(Effect::Tell(Report::Failed(failure))),
            // Whoever sees first that it is another cluster: nothing more is done.
            finished => match other_cluster(&finished).cloned() {
                Some(failure) => self.on_cluster_changed(failure, &mut effects),
                None => self.on_finished(finished, &mut effects),
            },
        }
        match self.phase {
            Phase::Running => {
                let since = if is_beside { effects.len() } else { 0 };
                self.advance(since, &mut effects);
            }
            Phase::Leaving { .. } => self.wind_down(&mut effects),
            Phase::Gone => {}
        }
        effects
    }

    /// Work has ended: the noun that it was for takes the result.
    fn on_finished(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Hashed { artifact, generation, result } => {
                if let Some(state) = self.artifacts.get_mut(&artifact) {
                    state.on_hashed(&artifact, generation, result, effects);
                }
            }
            Event::Seen { artifact, generation, result } => {
                if let Some(state) = self.artifacts.get_mut(&artifact) {
                    state.on_seen(&artifact, generation, result, effects);
                }
            }
            Event::Built { artifact, generation, result } => {
                if let Some(state) = self.artifacts.get_mut(&artifact) {
                    state.on_built(&artifact, generation, result, effects);
                }
            }
            Event::Delivered { artifact, generation, result } => {
                if let Some(state) = self.artifacts.get_mut(&artifact) {
                    state.on_delivered(&artifact, generation, result, effects);
                }
            }
            Event::Examined { release, generation, result } => {
                if let Some(state) = self.releases.get_mut(&release) {
                    state.on_examined(&release, generation, result, effects);
                }
            }
            Event::Rendered { release, generation, result } => {
                if let Some(state) = self.releases.get_mut(&release) {
                    let staying = state.on_rendered(&release, generation, result, effects);
                    self.kept.extend(staying.kept);
                    self.tell_claims(staying.claims, effects);
                }
            }
            Event::Deployed { release, generation, result } => {
                self.retry_forwards();
                let rollback = self.rolls_back(&release) && self.phase == Phase::Running;
                if let Some(state) = self.releases.get_mut(&release) {
                    state.on_deployed(&release, generation, result, rollback, effects);
                }
            }
            Event::Patched { release, generation, result } => {
                self.retry_forwards();
                if let Some(state) = self.releases.get_mut(&release) {
                    state.on_patched(&release, generation, result, effects);
                }
            }
            Event::Recorded { release, generation, result } => {
                self.on_recorded(&release, generation, result, effects);
            }
            Event::Settled { release, generation, result } => {
                let rollback = self.rolls_back(&release) && self.phase == Phase::Running;
                if let Some(state) = self.releases.get_mut(&release) {
                    state.on_settled(&release, generation, result, rollback, effects);
                }
            }
            Event::RolledBack { release, generation, result } => {
                if let Some(state) = self.releases.get_mut(&release) {
                    state.on_rolled_back(&release, generation, result, effects);
                }
            }
            _ => {}
        }
    }

    /// Data that will be lost is told before there is any, and once.
    fn tell_claims(&mut self, claims: Vec<String>, effects: &mut Vec<Effect>) {
        let new: Vec<String> =
            claims.into_iter().filter(|claim| self.going.insert(claim.clone())).collect();
        if !new.is_empty() && self.options.cleanup {
            let names = new.join(", ");
            let text = format!("on leaving, volume claims go with their data: {names}");
            let text = format!("{text} (`--keep-data` keeps them)");
            effects.push(Effect::Tell(Report::Note { text }));
        }
    }

    fn on_saved(&mut self, saved: Saved, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        if self.options.manual {
            let concerns =
                !saved.artifacts.is_empty() || !saved.releases.is_empty() || saved.config;
            if let Some(path) = saved.shown.first().filter(|_| concerns) {
                let text = format!("{path} changed; r takes it in");
                effects.push(Effect::Tell(Report::Note { text }));
            }
            self.pending.changes.merge(saved.changes);
            self.pending.shown.extend(saved.shown);
            self.pending.artifacts.extend(saved.artifacts);
            self.pending.releases.extend(saved.releases);
            self.pending.config |= saved.config;
            return;
        }
        self.take_in_save(saved, effects);
    }

    fn take_in_save(&mut self, saved: Saved, effects: &mut Vec<Effect>) {
        self.lull = None;
        for artifact in &saved.artifacts {
            if let Some(state) = self.artifacts.get_mut(artifact) {
                state.mark_stale();
            }
        }
        for release in &saved.releases {
            if let Some(state) = self.releases.get_mut(release) {
                state.mark_stale();
            }
        }
        if saved.config {
            self.reading = match self.reading {
                None => {
                    effects.push(Effect::ReadConfig);
                    Some(false)
                }
                Some(_) => Some(true),
            };
        }
        let count = saved.changes.paths.len().max(saved.shown.len());
        self.open_round(Some((saved.shown, count)), effects);
    }

    /// What was deployed to a namespace that is gone is deployed again.
    fn on_lost(&mut self, releases: &BTreeSet<ReleaseName>, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        for release in releases {
            if let Some(state) = self.releases.get_mut(release) {
                state.mark_lost(release, effects);
            }
        }
        self.open_round(None, effects);
    }

    /// What did not become ready may be so after all: that is looked at again.
    fn on_recovered(&mut self, release: &ReleaseName, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        if self.releases.get_mut(release).is_some_and(ReleaseState::settle_again) {
            self.open_quiet_round(effects);
        }
    }

    fn on_nudge(&mut self, nudge: Nudge, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        match nudge {
            Nudge::Again => {
                for state in self.artifacts.values_mut() {
                    state.look_again();
                }
                for state in self.releases.values_mut() {
                    state.mark_stale();
                }
                let pending = std::mem::take(&mut self.pending);
                self.open_round(None, effects);
                if !pending.changes.is_empty() {
                    self.take_in_save(pending, effects);
                }
            }
            Nudge::Mended => self.retry(mends_by_itself, effects),
            Nudge::LoggedIn => self.retry(mends_by_login, effects),
        }
    }

    /// Tries again what failed in this way, without a word unless it comes out otherwise.
    fn retry(&mut self, which: fn(&Failure) -> bool, effects: &mut Vec<Effect>) {
        for state in self.artifacts.values_mut() {
            state.retry(which);
        }
        for state in self.releases.values_mut() {
            state.retry(which);
        }
        self.open_quiet_round(effects);
    }

    /// Lets everything start that can start now, and ends the round when nothing runs. The
    /// effects from `since` on are what this event has led to.
    fn advance(&mut self, since: usize, effects: &mut Vec<Effect>) {
        self.drop_removed(effects);
        // What was saved together with the configuration is judged by the new one.
        if self.reading.is_none() {
            self.advance_artifacts(effects);
            self.advance_releases(effects);
        }
        self.open_forwards(effects);
        self.tell_cause(since, effects);
        self.end_round(effects);
        self.wait_for_a_lull(effects);
    }
}

/// Whether a failure goes away when something outside the project is mended, which no save tells:
/// Docker starts, a disk has room again.
fn mends_by_itself(failure: &Failure) -> bool {
    OUTSIDE.contains(&failure.code.as_str())
}

/// The codes of failures whose cause lies outside the project.
pub(super) const OUTSIDE: [&str; 31] = [
    "wharf::build::no_base",
    "wharf::build::no_space",
    "wharf::cleanup::journal",
    "wharf::cluster::not_written",
    "wharf::cluster::slow",
    "wharf::cluster::unauthorized",
    "wharf::cluster::unreachable",
    "wharf::deploy::helm_missing",
    "wharf::deploy::pending",
    "wharf::docker::broken",
    "wharf::docker::no_permission",
    "wharf::docker::no_space",
    "wharf::docker::timed_out",
    "wharf::docker::unreachable",
    "wharf::engine::read_only",
    "wharf::files::unwritable",
    "wharf::load::no_link",
    "wharf::load::no_space",
    "wharf::load::no_such_cluster",
    "wharf::load::node_not_running",
    "wharf::observe::not_ready",
    "wharf::observe::unreachable",
    "wharf::push::no_space",
    "wharf::push::unreachable",
    "wharf::push::untrusted",
    "wharf::render::chart_unreachable",
    "wharf::render::dependency_build",
    "wharf::render::no_helm",
    "wharf::render::no_kustomize",
    "wharf::render::unknown_helm",
    "wharf::render::unwritable",
];

/// Whether a registry refused what it was asked with a person's login. That is not tried again
/// until the login is another one: registries count, and lock accounts.
fn mends_by_login(failure: &Failure) -> bool {
    REFUSED.contains(&failure.code.as_str())
}

/// The codes of failures that another login mends.
pub(super) const REFUSED: [&str; 3] =
    ["wharf::build::base_refused", "wharf::docker::unauthorized", "wharf::push::refused"];

/// The failure of work that found another cluster than the one that was meant.
fn other_cluster(event: &Event) -> Option<&Failure> {
    let (Event::Seen { result: Err(failure), .. }
    | Event::Examined { result: Err(failure), .. }
    | Event::Rendered { result: Err(failure), .. }
    | Event::RolledBack { result: Err(failure), .. }
    | Event::Delivered { result: Err(End::Failed(failure)), .. }
    | Event::Deployed { result: Err(End::Failed(failure)), .. }
    | Event::Patched { result: Err(End::Failed(failure)), .. }
    | Event::Recorded { result: Err(End::Failed(failure)), .. }
    | Event::Settled { result: Err(End::Failed(failure)), .. }) = event
    else {
        return None;
    };
    (failure.code == "wharf::cluster::identity_changed").then_some(failure)
}
