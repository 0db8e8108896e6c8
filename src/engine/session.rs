//! The session: one event in, effects out. Synchronous, without I/O, without a clock.
//!
//! Each event first changes what is known; then one pass lets every image and release start
//! whatever can start now. So the order in which results arrive never matters, and a state that
//! wants something is never forgotten.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ArtifactName, Forward, Generation, ImageRef, Leftover, Project, ReleaseName, ReleaseSource,
    Undo,
};
use crate::report::{Failure, FailureKind, ForwardNews, Report};

use super::artifact::{self, ArtifactState, Wish};
use super::effect::{Effect, Exit};
use super::event::{End, Event, Nudge, Saved};
use super::goal::{Goal, Options};
use super::release::{self, Reach, ReleaseState, Supply};

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

#[derive(Debug, Clone, PartialEq)]
struct Round {
    open: bool,
    first: bool,
    /// A save that has not led to anything yet; told when it does.
    untold: Option<Report>,
    /// Something of it was told, so its end is.
    told: bool,
    /// Nobody asked for this round: it is told only when it mends something.
    quiet: bool,
    /// How many things had failed when the last round ended.
    failed_before: usize,
}

/// How a local port stands.
#[derive(Debug, Clone, PartialEq)]
enum Local {
    Closed,
    Opening,
    Open,
    /// It could not be opened; tried again when something has changed.
    Failed(Failure),
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
        let artifacts = self.artifacts.values().filter_map(ArtifactState::failed);
        let releases = self.releases.values().filter_map(ReleaseState::failed);
        self.phase == Phase::Running
            && self.options.goal.stays()
            && (artifacts.chain(releases).any(mends_by_itself)
                || self.forwards.iter().any(|(_, local)| matches!(local, Local::Failed(_))))
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
        let is_beside =
            matches!(event, Event::ForwardOpened { .. } | Event::Crashed(_) | Event::Unwound(_));
        match event {
            _ if self.phase == Phase::Gone => return effects,
            Event::Saved(saved) => self.on_saved(saved, &mut effects),
            Event::ConfigChanged(result) => self.on_config(result, &mut effects),
            Event::Nudged(nudge) => self.on_nudge(nudge, &mut effects),
            Event::Interrupted => self.on_interrupt(&mut effects),
            Event::ClusterChanged(failure) => self.on_cluster_changed(failure, &mut effects),
            Event::Unwound(leftovers) => self.on_unwound(leftovers, &mut effects),
            Event::ForwardOpened { forward, result } => {
                self.on_forward(&forward, result, &mut effects);
            }
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
                if let Some(state) = self.releases.get_mut(&release) {
                    state.on_deployed(&release, generation, result, effects);
                }
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
        let count = saved.shown.len();
        let report = Report::Changed { paths: saved.shown, count, ignored: false };
        self.open_round(Some(report), effects);
    }

    fn open_round(&mut self, cause: Option<Report>, effects: &mut Vec<Effect>) {
        if !self.round.open {
            effects.push(Effect::BeginRound);
            self.round.told = cause.is_none();
        }
        self.retry_forwards();
        self.round.quiet &= self.round.open;
        self.round.open = true;
        if cause.is_some() {
            self.round.untold = cause;
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
            Nudge::Mended => {
                for state in self.artifacts.values_mut() {
                    state.retry(mends_by_itself);
                }
                for state in self.releases.values_mut() {
                    state.retry(mends_by_itself);
                }
                let was_open = self.round.open;
                self.open_round(None, effects);
                self.round.quiet |= !was_open;
            }
        }
    }

    fn on_config(&mut self, result: Result<Box<Project>, Failure>, effects: &mut Vec<Effect>) {
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
        if project.cluster != self.project.cluster || project.registry != self.project.registry {
            let text = "cluster and registry are those that this session began with".to_owned();
            let help = Some("start again to use the changed ones: `wharf dev`".to_owned());
            effects.push(Effect::Tell(Report::Warning { text, help }));
        }
        let old = std::mem::replace(&mut self.project, project);
        self.project.cluster = old.cluster;
        self.project.registry = old.registry;
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
                state.cancel(name, effects);
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
    fn take_in_project(&mut self) {
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

    fn on_forward(
        &mut self,
        forward: &Forward,
        result: Result<(), Failure>,
        effects: &mut Vec<Effect>,
    ) {
        let now = match result {
            Ok(()) => Local::Open,
            Err(failure) => {
                // What it leads to may come with the deploy that is under way.
                if !(self.round.open && is_early(&failure)) {
                    self.tell_forward(forward, &failure, effects);
                }
                Local::Failed(failure)
            }
        };
        for (known, local) in &mut self.forwards {
            if known == forward {
                local.clone_from(&now);
            }
        }
    }

    /// Tells a failure of a local port once.
    fn tell_forward(&mut self, forward: &Forward, failure: &Failure, effects: &mut Vec<Effect>) {
        let target = format!("{}/{}", forward.kind, forward.name);
        if self.forwards_told.get(&target) == Some(failure) {
            return;
        }
        self.forwards_told.insert(target.clone(), failure.clone());
        let news = ForwardNews::Failed(failure.clone());
        effects.push(Effect::Tell(Report::Forward { target, news }));
    }

    /// Local ports that could not be opened are worth another try.
    fn retry_forwards(&mut self) {
        for (_, local) in &mut self.forwards {
            if matches!(local, Local::Failed(_)) {
                *local = Local::Closed;
            }
        }
    }

    fn on_interrupt(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Running => {
                let exit = match self.options.goal {
                    Goal::Watching | Goal::Following => Exit::Done,
                    Goal::Images | Goal::Manifests | Goal::Running => Exit::Interrupted,
                };
                self.leave(exit, effects);
            }
            Phase::Leaving { .. } => {
                let why = "wharf was told to leave at once";
                let leftovers = self.undo.iter().rev().map(|step| leftover(step, why)).collect();
                self.phase = Phase::Gone;
                effects.push(Effect::Abort);
                effects.push(Effect::Farewell { leftovers, kept: Vec::new() });
                effects.push(Effect::Exit(Exit::Interrupted));
            }
            Phase::Gone => {}
        }
    }

    fn on_cluster_changed(&mut self, failure: Failure, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Gone {
            return;
        }
        effects.push(Effect::Tell(Report::Failed(failure)));
        effects.push(Effect::Abort);
        let why = "the cluster behind the context is another one than at the start";
        let leftovers = self.undo.iter().rev().map(|step| leftover(step, why)).collect();
        effects.push(Effect::Farewell { leftovers, kept: Vec::new() });
        effects.push(Effect::Exit(Exit::Failed));
        self.phase = Phase::Gone;
    }

    fn leave(&mut self, exit: Exit, effects: &mut Vec<Effect>) {
        self.phase = Phase::Leaving { unwinding: false, exit };
        if self.options.cleanup {
            effects.push(Effect::Tell(Report::Leaving));
        }
        for (name, state) in &mut self.artifacts {
            state.cancel(name, effects);
        }
        for (name, state) in &mut self.releases {
            state.cancel(name, effects);
        }
        let open = self.forwards.iter().filter(|(_, local)| *local == Local::Open);
        effects.extend(open.map(|(forward, _)| Effect::CloseForward(forward.clone())));
        effects.push(Effect::StopFollowing);
    }

    /// On the way out: unwinds once every act has reported back.
    fn wind_down(&mut self, effects: &mut Vec<Effect>) {
        let Phase::Leaving { unwinding: false, exit } = self.phase else { return };
        let acting = self.artifacts.values().any(ArtifactState::is_acting)
            || self.releases.values().any(ReleaseState::is_acting)
            || !self.unwinding.is_empty();
        if acting {
            return;
        }
        if self.options.cleanup && !self.undo.is_empty() {
            self.phase = Phase::Leaving { unwinding: true, exit };
            effects.push(Effect::Unwind(self.undo.clone()));
            return;
        }
        if !self.options.cleanup {
            effects.push(Effect::KeepAll);
        }
        self.end(Vec::new(), exit, effects);
    }

    fn on_unwound(&mut self, leftovers: Vec<Leftover>, effects: &mut Vec<Effect>) {
        if let Phase::Leaving { unwinding: true, exit } = self.phase {
            let exit = if leftovers.is_empty() { exit } else { Exit::Failed };
            return self.end(leftovers, exit, effects);
        }
        let done = std::mem::take(&mut self.unwinding);
        self.undo.retain(|step| !done.contains(step));
        for Leftover { what, why, by_hand } in leftovers {
            let text = format!("{what} is still there: {why}");
            effects.push(Effect::Tell(Report::Warning { text, help: Some(by_hand) }));
        }
    }

    fn end(&mut self, leftovers: Vec<Leftover>, exit: Exit, effects: &mut Vec<Effect>) {
        self.phase = Phase::Gone;
        if self.options.cleanup {
            let kept = self.kept.iter().cloned().collect();
            effects.push(Effect::Farewell { leftovers, kept });
        }
        effects.push(Effect::Exit(exit));
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
    }

    fn advance_artifacts(&mut self, effects: &mut Vec<Effect>) {
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

    fn advance_releases(&mut self, effects: &mut Vec<Effect>) {
        if self.options.goal == Goal::Images {
            return;
        }
        let (_, selected) = self.selected();
        let names: Vec<ReleaseName> = self.releases.keys().cloned().collect();
        for name in names {
            let Some(around) = self.around_release(&name, &selected) else { continue };
            let Some(state) = self.releases.get_mut(&name) else { continue };
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
        match (state.failed(), state.ready(), state.image()) {
            (Some(_), ..) => Supply::Failed,
            (None, Some(ready), _) => Supply::Ready(ready.clone()),
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

    fn rolls_back(&self, release: &ReleaseName) -> bool {
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

    /// Lets go of what the configuration no longer has, once nothing runs for it.
    fn drop_removed(&mut self, effects: &mut Vec<Effect>) {
        self.artifacts.retain(|_, state| !state.removed || state.is_busy());
        if !self.unwinding.is_empty() {
            return;
        }
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

    fn open_forwards(&mut self, effects: &mut Vec<Effect>) {
        if !self.round.open {
            return;
        }
        for (forward, local) in &mut self.forwards {
            if *local == Local::Closed {
                *local = Local::Opening;
                effects.push(Effect::OpenForward(forward.clone()));
            }
        }
    }

    /// What follows is news, whatever it leads to.
    fn tell_at_once(&mut self, effects: &mut Vec<Effect>) {
        self.round.told = true;
        effects.extend(self.round.untold.take().map(Effect::Tell));
    }

    /// A save is told only when it leads to something, and before that.
    fn tell_cause(&mut self, before: usize, effects: &mut Vec<Effect>) {
        let leads_to_something = effects[before..].iter().any(|effect| {
            matches!(
                effect,
                Effect::Look { .. }
                    | Effect::Render { .. }
                    | Effect::CancelArtifact { .. }
                    | Effect::Unwind(_)
                    | Effect::Tell(_)
            )
        });
        if leads_to_something && let Some(cause) = self.round.untold.take() {
            self.round.told = true;
            effects.insert(before, Effect::Tell(cause));
        }
    }

    fn end_round(&mut self, effects: &mut Vec<Effect>) {
        let busy = self.artifacts.values().any(ArtifactState::is_busy)
            || self.releases.values().any(ReleaseState::is_busy)
            || self.forwards.iter().any(|(_, local)| *local == Local::Opening)
            || self.reading.is_some()
            || !self.unwinding.is_empty();
        if busy || !self.round.open {
            return;
        }
        let failures: Vec<&Failure> = (self.artifacts.values().filter_map(ArtifactState::failed))
            .chain(self.releases.values().filter_map(ReleaseState::failed))
            .chain(&self.config_failed)
            .collect();
        let (failed, first) = (failures.len(), self.round.first);
        let refused = !failures.is_empty()
            && failures.iter().all(|failure| failure.kind == FailureKind::Request);
        for (forward, local) in self.forwards.clone() {
            if let Local::Failed(failure) = local {
                self.tell_forward(&forward, &failure, effects);
            }
        }
        let untold = self.round.untold.take().is_some() && !self.round.told;
        let unmended = self.round.quiet && failed >= self.round.failed_before;
        self.round =
            Round { open: false, first: false, failed_before: failed, ..self.round.clone() };
        if first || !(untold || unmended) {
            effects.push(Effect::EndRound { failed, first });
        }
        if self.options.goal.stays() && !(self.options.goal == Goal::Following && failed > 0) {
            return;
        }
        self.phase = Phase::Gone;
        effects.push(Effect::KeepAll);
        effects.push(Effect::Exit(match failed {
            0 => Exit::Done,
            _ if refused => Exit::Refused,
            _ => Exit::Failed,
        }));
    }
}

/// Whether a failure goes away when something outside the project is mended, which no save tells:
/// Docker starts, a disk has room again, somebody logs in.
fn mends_by_itself(failure: &Failure) -> bool {
    OUTSIDE.contains(&failure.code.as_str())
}

/// The codes of failures whose cause lies outside the project.
pub(super) const OUTSIDE: [&str; 26] = [
    "wharf::build::no_base",
    "wharf::cleanup::journal",
    "wharf::cluster::not_written",
    "wharf::cluster::slow",
    "wharf::cluster::unauthorized",
    "wharf::cluster::unreachable",
    "wharf::deploy::helm_missing",
    "wharf::docker::broken",
    "wharf::docker::no_permission",
    "wharf::docker::timed_out",
    "wharf::docker::unauthorized",
    "wharf::docker::unreachable",
    "wharf::engine::read_only",
    "wharf::files::unwritable",
    "wharf::load::no_link",
    "wharf::load::no_space",
    "wharf::load::no_such_cluster",
    "wharf::load::node_not_running",
    "wharf::observe::not_ready",
    "wharf::observe::unreachable",
    "wharf::push::refused",
    "wharf::push::unreachable",
    "wharf::render::no_helm",
    "wharf::render::no_kustomize",
    "wharf::render::unknown_helm",
    "wharf::render::unwritable",
];

/// The failure of work that found another cluster than the one that was meant.
fn other_cluster(event: &Event) -> Option<&Failure> {
    let (Event::Seen { result: Err(failure), .. }
    | Event::Examined { result: Err(failure), .. }
    | Event::Rendered { result: Err(failure), .. }
    | Event::RolledBack { result: Err(failure), .. }
    | Event::Delivered { result: Err(End::Failed(failure)), .. }
    | Event::Deployed { result: Err(End::Failed(failure)), .. }
    | Event::Settled { result: Err(End::Failed(failure)), .. }) = event
    else {
        return None;
    };
    (failure.code == "wharf::cluster::identity_changed").then_some(failure)
}

/// Whether a local port could not be opened because what it leads to is not there yet.
fn is_early(failure: &Failure) -> bool {
    ["::no_target", "::no_port"].iter().any(|end| failure.code.ends_with(end))
}

fn leftover(step: &Undo, why: &str) -> Leftover {
    Leftover { what: step.what(), why: why.to_owned(), by_hand: step.by_hand() }
}
