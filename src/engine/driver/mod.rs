//! The driver: effects become tasks of one `JoinSet`, their results become events.
//!
//! It decides nothing. Every effect that starts work yields exactly one finishing event, also
//! when the work is cancelled or panics. Interrupts come first, then finished work, then saves.

mod desk;
mod fast;
mod following;
mod hooks;
mod house;
mod images;
mod logins;
mod mending;
mod releases;
mod saves;
mod start;
mod stopwatch;
mod tape;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::cleanup;
use crate::model::{ArtifactName, Generation, ImageRef, Key as Pressed, ReleaseName, Undo};
use crate::report::{Failure, Report, Reporter};
use crate::timeline::Round;
use crate::tools::{self, Tools};

use super::{Effect, Event, Exit, Goal, Inbox, Nudge, Outcome, Request, Session};

use desk::{Desk, Done, Kept};
use following::{Following, Heard};
use house::House;
use logins::Logins;
use mending::Mending;
use saves::Saves;
use stopwatch::Stopwatch;
use tape::Tape;

/// How long asks that nobody waits for any more may take to end at the exit.
const LAST_CALL: Duration = Duration::from_millis(200);

/// Runs a command of the loop to its end.
///
/// # Errors
///
/// A [`Failure`] when it cannot begin: the configuration, the cluster or the guard refuses, and
/// the command is not one that waits for this to be mended.
pub async fn run(
    request: Request,
    tools: Tools,
    reporter: Reporter,
    mut inbox: Inbox,
) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let Some(start) = start::start(&request, &tools, &reporter, &mut inbox.key_rx).await? else {
        return Ok(Outcome::of(Exit::Interrupted));
    };
    let tape = Tape::open(request.record.as_deref())?;
    let house = Arc::new(start.house);
    let saves = Saves::start(&request, &start.project, &reporter).await;
    let options = start.options;
    let following = Following::new(&house, &request, &start.project, &reporter);
    let driver = Driver {
        session: Session::new(start.project, options, start.undo),
        desk: Desk::default(),
        tasks: JoinSet::new(),
        beside: JoinSet::new(),
        crashes: HashMap::new(),
        cancels: HashMap::new(),
        queue: VecDeque::new(),
        outcome: None,
        mending: Mending::default(),
        logins: Logins::new(house.build.credentials.clone()),
        stopwatch: Stopwatch::new(begun),
        leaving_since: None,
        following,
        saves,
        tape,
        house,
        request,
        reporter,
    };
    Ok(driver.run(inbox).await)
}

/// Whose work can be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Slot {
    Artifact(ArtifactName),
    Release(ReleaseName),
    /// Helm's recording of a release, beside which it becomes ready.
    Record(ReleaseName),
}

struct Driver {
    session: Session,
    house: Arc<House>,
    request: Request,
    reporter: Reporter,
    /// What tasks have left for later tasks.
    desk: Desk,
    tasks: JoinSet<Done>,
    /// Work that the session knows nothing of.
    beside: JoinSet<()>,
    /// The event that stands for a task that panics.
    crashes: HashMap<Id, Event>,
    cancels: HashMap<Slot, CancellationToken>,
    /// Events that no task brings.
    queue: VecDeque<Event>,
    outcome: Option<Exit>,
    mending: Mending,
    logins: Logins,
    stopwatch: Stopwatch,
    leaving_since: Option<Instant>,
    following: Following,
    saves: Saves,
    tape: Tape,
}

impl Driver {
    async fn run(mut self, mut inbox: Inbox) -> Outcome {
        let effects = self.session.begin();
        self.carry_out(effects);
        if self.request.goal == Goal::Watching {
            // It was read before it was watched, and may have been saved in between.
            self.tasks.spawn(start::read_again(self.request.config.clone()));
        }
        while self.outcome.is_none() {
            let event = match self.queue.pop_front() {
                Some(event) => Some(event),
                None => self.next(&mut inbox).await,
            };
            let Some(event) = event else { continue };
            self.tape.write(&event);
            self.stopwatch.hears(&event, Instant::now());
            if let Event::Lost { releases, .. } = &event {
                self.desk.lose(releases);
            }
            let effects = self.session.handle(event);
            self.carry_out(effects);
        }
        self.finish().await
    }

    /// The next thing that happens; `None` where the session need not know.
    async fn next(&mut self, inbox: &mut Inbox) -> Option<Event> {
        let mending = self.mending.due(self.session.waits_for_mending(), Instant::now());
        let waits_for_login = self.session.waits_for_login();
        let shows_logs_only = self.request.goal == Goal::Following && self.leaving_since.is_none();
        let event = tokio::select! {
            biased;
            key = inbox.key_rx.recv() => match key {
                Some(Pressed::Rebuild) => {
                    self.saves.flush();
                    self.house.begin_again();
                    self.mending = Mending::default();
                    Event::Nudged(Nudge::Again)
                }
                // A keyboard that is gone is a person who has left.
                Some(Pressed::Interrupt) | None => match self.owed() {
                Some(owed) => {
                    self.queue.push_back(Event::Interrupted);
                    owed
                }
                None => Event::Interrupted,
            },
            },
            () = inbox.stdout_closed.cancelled(), if shows_logs_only => Event::Interrupted,
            Some(done) = self.tasks.join_next_with_id() => self.done(done),
            save = self.saves.next(&self.session, &self.desk) => {
                self.stopwatch.saved(&save);
                self.mending = Mending::default();
                Event::Saved(save.saved)
            }
            heard = self.following.next(self.session.project(), &self.stopwatch) => match heard {
                Heard::Event(event) => event,
                Heard::Passed { release, milestone, at } => {
                    self.stopwatch.passed(&release, &milestone, at);
                    return None;
                }
            },
            () = at(mending) => {
                self.mending.tried();
                Event::Nudged(Nudge::Mended)
            }
            () = self.logins.changed(waits_for_login) => Event::Nudged(Nudge::LoggedIn),
        };
        Some(event)
    }

    /// What is still to be taken back on the way out, so that only that is told when it is cut off.
    fn owed(&self) -> Option<Event> {
        let journal = self.house.journal.as_ref().filter(|_| self.leaving_since.is_some())?;
        Some(Event::Owed(journal.steps()))
    }

    /// Takes what a task brings; a task that panicked brings the event made for that case.
    fn done(&mut self, done: Result<(Id, Done), tokio::task::JoinError>) -> Event {
        match done {
            Ok((id, done)) => {
                self.crashes.remove(&id);
                match done.kept {
                    Some(Kept::Forward(forward, open)) => self.following.keep(forward, open),
                    Some(Kept::Steps(artifact, steps)) => self.stopwatch.steps(&artifact, steps),
                    kept => {
                        let is_examined = matches!(kept, Some(Kept::Examined(..)));
                        self.desk.keep(kept);
                        if is_examined {
                            self.saves.extend(self.session.project(), &self.desk);
                        }
                    }
                }
                done.event
            }
            Err(error) => {
                let bug = || Failure::bug("a task of the loop panicked");
                self.crashes.remove(&error.id()).unwrap_or_else(|| Event::Crashed(bug()))
            }
        }
    }

    /// Does what the session wants, in order.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut broken: Option<Failure> = None;
        for effect in effects {
            match (&broken, effect) {
                (Some(failure), effect) if effect.is_act() => {
                    self.queue.extend(effect.refused(failure));
                }
                (_, Effect::Remember(steps)) => broken = self.remember(&steps).err(),
                (_, effect) => self.do_one(effect),
            }
        }
    }

    fn remember(&mut self, steps: &[Undo]) -> Result<(), Failure> {
        match &self.house.journal {
            Some(journal) => journal.remember(steps).map_err(|error| error.failure()),
            None => Ok(()),
        }
    }

    /// One line an effect; the work is in the task that it starts.
    fn do_one(&mut self, effect: Effect) {
        self.stopwatch.does(&effect, Instant::now());
        match &effect {
            Effect::Tell(report) => return self.tell(report.clone()),
            Effect::EndRound { failed, first } => self.end_round(*failed, *first),
            Effect::CancelArtifact { artifact } => self.cancel(&Slot::Artifact(artifact.clone())),
            Effect::CancelRelease { release } => self.cancel(&Slot::Release(release.clone())),
            Effect::CancelRecord { release } => self.cancel(&Slot::Record(release.clone())),
            Effect::CloseForward(forward) => self.following.close(forward),
            Effect::Follow { release } => {
                self.following.follow(release, &self.desk, self.session.project());
            }
            Effect::StopFollowing => self.following.stop(),
            Effect::Adopt(project) => {
                self.saves.adopt(project, &self.desk);
                self.following.adopt(&project.logs);
            }
            Effect::Forget { releases } => {
                self.desk.forget(releases);
                self.following.forget(releases.iter());
            }
            Effect::BeginRound | Effect::Remember(_) => {}
            Effect::Farewell { leftovers, kept } => self.farewell(leftovers, kept),
            Effect::KeepAll => self.keep_all(),
            Effect::Abort => self.abort(),
            Effect::Exit(exit) => self.outcome = Some(*exit),
            Effect::Unwind(steps) => {
                self.following.forget(steps.iter().filter_map(Undo::release));
            }
            _ => {}
        }
        let slot = slot(&effect);
        let cancel = CancellationToken::new();
        let house = Arc::clone(&self.house);
        let crash = effect.refused(&Failure::bug("a task of the loop panicked"));
        let reporter = self.reporter.clone();
        let task = match effect {
            Effect::Hash { artifact, generation, bases } => {
                let project = self.session.project();
                let Some(found) = project.artifacts.get(&artifact).cloned() else { return };
                let project = project.clone();
                self.tasks.spawn(images::hash(house, reporter, project, found, generation, bases))
            }
            Effect::Look { artifact, generation, image } => {
                let inputs = self.desk.inputs(&artifact, generation);
                let work = self.image_work(artifact, generation, image);
                self.tasks.spawn(images::look(work, inputs))
            }
            Effect::Build { artifact, generation, image } => {
                let inputs = self.desk.inputs(&artifact, generation);
                let no_cache = self.request.no_cache;
                let work = self.image_work(artifact, generation, image);
                self.tasks.spawn(images::build(work, inputs, no_cache, cancel.clone()))
            }
            Effect::Deliver { artifact, generation, image } => {
                let work = self.image_work(artifact, generation, image);
                self.tasks.spawn(images::deliver(work, cancel.clone()))
            }
            Effect::Examine { release, generation } => {
                let project = self.session.project().clone();
                let keep_data = self.request.keep_data;
                let work = releases::examine(house, project, release, generation, keep_data);
                self.tasks.spawn(work)
            }
            Effect::Render { release, generation, images } => {
                let known = self.desk.known(&release);
                let wishes = self.wishes(&release);
                let work = self.release_work(release, generation);
                self.tasks.spawn(releases::render(work, known, images, wishes))
            }
            Effect::Patch { release, generation } => {
                let prepared = self.desk.prepared(&release, generation);
                self.following.begins(&release, generation, prepared.as_deref());
                let work = self.release_work(release, generation);
                self.tasks.spawn(fast::patch(work, prepared))
            }
            Effect::Lull { generation } => self.tasks.spawn(fast::lull(generation)),
            Effect::Record { release, generation } => {
                let prepared = self.desk.prepared(&release, generation);
                let work = self.release_work(release, generation);
                self.tasks.spawn(fast::record(work, prepared, cancel.clone()))
            }
            Effect::Deploy { release, generation } => {
                let prepared = self.desk.prepared(&release, generation);
                self.following.begins(&release, generation, prepared.as_deref());
                if let Some(plan) = prepared.as_ref().map(|prepared| &prepared.plan) {
                    self.following.expect(&release, &plan.objects, &plan.namespace);
                }
                let work = self.release_work(release, generation);
                self.tasks.spawn(releases::deploy(work, prepared, cancel.clone()))
            }
            Effect::Settle { release, generation, images } => {
                let objects = self.desk.objects(&release);
                let work = self.release_work(release, generation);
                self.tasks.spawn(releases::settle(work, objects, images, cancel.clone()))
            }
            Effect::RollBack { release, generation } => {
                let to = self.desk.revision_before(&release);
                let work = self.release_work(release, generation);
                self.tasks.spawn(releases::roll_back(work, to))
            }
            Effect::OpenForward(forward) => {
                let moments = self.following.moments();
                self.tasks.spawn(following::open(house, reporter, moments, forward))
            }
            Effect::ReadConfig => {
                let request = self.request.config.clone();
                self.tasks.spawn(start::read_again(request))
            }
            Effect::Unwind(steps) => self.tasks.spawn(unwind(house, reporter, steps)),
            _ => return,
        };
        if let Some(crash) = crash {
            self.crashes.insert(task.id(), crash);
        }
        if let Some(slot) = slot {
            self.cancels.insert(slot, cancel);
        }
    }

    fn image_work(
        &self,
        artifact: ArtifactName,
        generation: Generation,
        image: ImageRef,
    ) -> images::Work {
        let (house, reporter) = (Arc::clone(&self.house), self.reporter.clone());
        let definition = self.session.project().artifacts.get(&artifact).cloned();
        images::Work { house, reporter, artifact, generation, image, definition }
    }

    fn release_work(&self, release: ReleaseName, generation: Generation) -> releases::Work {
        let (house, reporter) = (Arc::clone(&self.house), self.reporter.clone());
        let project = self.session.project().clone();
        releases::Work { house, reporter, project, release, generation }
    }

    fn wishes(&self, release: &ReleaseName) -> releases::Wishes {
        let steps = self.house.journal.as_ref().map(cleanup::Journal::steps).unwrap_or_default();
        releases::Wishes {
            keep_data: self.request.keep_data,
            roll_back: self.request.roll_back,
            remembered: steps.iter().any(|step| step.release() == Some(release)),
            images_alone: self.request.goal == Goal::Watching && !self.request.strict_helm,
        }
    }

    fn tell(&mut self, report: Report) {
        if report == Report::Leaving {
            self.leaving_since = Some(Instant::now());
        }
        self.reporter.tell(report);
    }

    fn cancel(&mut self, slot: &Slot) {
        if let Some(cancel) = self.cancels.remove(slot) {
            cancel.cancel();
        }
    }

    fn end_round(&mut self, failed: usize, first: bool) {
        let context = self.house.cluster.as_ref().map(|cluster| cluster.context().to_string());
        let round = self.stopwatch.lap(Instant::now(), failed, context.unwrap_or_default());
        let (took, live, ready) = (round.took, round.live, round.ready);
        if failed == 0 {
            self.mending = Mending::default();
        }
        self.house.save_caches();
        if !first && self.request.goal == Goal::Watching && round.is_worth_keeping() {
            self.keep(round);
        }
        self.reporter.tell(Report::Round { took, live, ready, failed, first });
        if first && self.request.goal == Goal::Watching {
            self.saves.tell_watching(&self.reporter);
        }
    }

    /// Keeps a round for `wharf trace`, beside the loop.
    fn keep(&mut self, round: Round) {
        if let Some(rounds) = &self.request.rounds {
            // Whoever wanted it may have had enough.
            let _ = rounds.send(round.clone());
        }
        while self.beside.try_join_next().is_some() {}
        let store = Arc::clone(&self.house.rounds);
        self.beside.spawn_blocking(move || {
            // Nobody's work depends on it.
            if let Err(error) = store.add(round) {
                tracing::warn!(%error, "a round is not kept");
            }
        });
    }

    fn farewell(&mut self, leftovers: &[crate::model::Leftover], kept: &[String]) {
        let took = self.leaving_since.map(|since| since.elapsed()).unwrap_or_default();
        let (leftovers, kept) = (leftovers.to_vec(), kept.to_vec());
        self.reporter.tell(Report::Stopped { took, leftovers, kept });
    }

    fn keep_all(&mut self) {
        if let Some(journal) = &self.house.journal
            && let Err(error) = journal.keep_all()
        {
            self.reporter.tell(Report::Failed(error.failure()));
        }
    }

    fn abort(&mut self) {
        self.tasks.abort_all();
        tools::kill_all();
    }

    /// The command has ended: what it found goes to the caller, what it held goes.
    async fn finish(mut self) -> Outcome {
        self.following.stop();
        self.house.save_caches();
        for cancel in self.cancels.values() {
            cancel.cancel();
        }
        self.tasks.abort_all();
        let last = async {
            while self.tasks.join_next().await.is_some() {}
            while self.beside.join_next().await.is_some() {}
        };
        // What does not end by itself is dropped with the set.
        let _ = tokio::time::timeout(LAST_CALL, last).await;
        let exit = self.outcome.unwrap_or(Exit::Failed);
        let images = self.session.images();
        let manifests = self.desk.manifests(self.session.project());
        if let Some(cluster) = &self.house.cluster {
            cluster.close();
        }
        Outcome { exit, images, manifests }
    }
}

/// Resolves at that time; never, where there is none.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn unwind(house: Arc<House>, reporter: Reporter, steps: Vec<Undo>) -> Done {
    let Some((cluster, journal)) = house.cluster.as_ref().zip(house.journal.as_ref()) else {
        return Done::of(Event::Unwound(Vec::new()));
    };
    let tell = |report| reporter.tell(report);
    let cancel = CancellationToken::new();
    let left = cleanup::unwind(steps, cluster, journal, &tell, &cancel).await;
    Done::of(Event::Unwound(left))
}

/// Whose work an effect starts.
fn slot(effect: &Effect) -> Option<Slot> {
    match effect {
        Effect::Build { artifact, .. } | Effect::Deliver { artifact, .. } => {
            Some(Slot::Artifact(artifact.clone()))
        }
        Effect::Deploy { release, .. }
        | Effect::Settle { release, .. }
        | Effect::Render { release, .. } => Some(Slot::Release(release.clone())),
        Effect::Record { release, .. } => Some(Slot::Record(release.clone())),
        _ => None,
    }
}
