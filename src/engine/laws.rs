//! The laws of the loop, each tried with thousands of random orders of events.
//!
//! A small world answers the effects: it has files, an Engine, nodes and releases, finishes work
//! in any order, well or badly, and never looks inside the session.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::model::{
    Artifact, ArtifactName, Builder, ChangeSet, ClusterChoice, CommandBuild, Forward, Generation,
    ImageRef, LogFilter, ManifestSource, Namespace, Origin, Project, ProjectName, Release,
    ReleaseName, ReleaseSource, Tag, Undo, WaitRule,
};
use crate::report::Failure;

use super::*;

pub(super) fn artifact(name: &str) -> ArtifactName {
    ArtifactName::parse(name).unwrap()
}

pub(super) fn release(name: &str) -> ReleaseName {
    ReleaseName::parse(name).unwrap()
}

/// `base` ← `api`, `web` alone; release `shop` uses api and web and comes after `db`.
pub(super) fn project() -> Project {
    let image = |name: &str, needs: &[&str]| {
        let build = CommandBuild {
            command: "make".into(),
            dir: "/project".into(),
            inputs: vec!["**".into()],
            ignore: vec![],
            env: BTreeMap::new(),
        };
        let artifact = Artifact {
            name: artifact(name),
            builder: Builder::Command(build),
            needs: needs.iter().map(|need| artifact(need)).collect(),
            platform: None,
            hooks: crate::model::Hooks::default(),
            also_tagged: None,
        };
        (artifact.name.clone(), artifact)
    };
    let installed = |name: &str, after: &[&str]| {
        let release = Release {
            name: release(name),
            namespace: None,
            source: ReleaseSource::Manifests(ManifestSource::Files(vec![])),
            after: after.iter().map(|other| release(other)).collect(),
            wait: WaitRule::default(),
            hooks: crate::model::Hooks::default(),
        };
        (release.name.clone(), release)
    };
    Project {
        name: ProjectName::parse("shop").unwrap(),
        root: "/project".into(),
        origin: Origin::Inferred,
        artifacts: [image("base", &[]), image("api", &["base"]), image("web", &[])].into(),
        releases: [installed("db", &[]), installed("shop", &["db"])].into(),
        forwards: vec![Forward {
            kind: "service".into(),
            name: "web".into(),
            namespace: None,
            port: None,
            local: Some(8080),
        }],
        logs: LogFilter::default(),
        cluster: ClusterChoice::default(),
        registry: None,
        config_files: BTreeSet::new(),
    }
}

fn uses(name: &ReleaseName) -> BTreeSet<ArtifactName> {
    match name.as_str() {
        "shop" => [artifact("api"), artifact("web")].into(),
        _ => BTreeSet::new(),
    }
}

/// What the session sees of the outside.
struct World {
    session: Session,
    /// What the configuration says on disk.
    config: Project,
    /// What each image's files say.
    files: BTreeMap<ArtifactName, u64>,
    /// What each release's files say.
    charts: BTreeMap<ReleaseName, u64>,
    engine: BTreeSet<ImageRef>,
    nodes: BTreeSet<ImageRef>,
    /// What runs: fingerprint and images.
    runs: BTreeMap<ReleaseName, (String, BTreeMap<ArtifactName, ImageRef>)>,
    rendered: BTreeMap<(ReleaseName, Generation), (String, BTreeMap<ArtifactName, ImageRef>)>,
    /// What Helm's history says that runs.
    history: BTreeMap<ReleaseName, (String, BTreeMap<ArtifactName, ImageRef>)>,
    pending: Vec<(Effect, bool)>,
    remembered: Vec<Undo>,
    /// The next steps cannot be put on disk.
    disk_full: bool,
    /// How many builds may run at once.
    builds: usize,
    left: bool,
    /// Releases stay when the session goes.
    stays: bool,
    /// Images may be put into what runs by themselves.
    fast: bool,
    exited: Option<Exit>,
}

impl World {
    fn new(options: Options) -> Self {
        let project = project();
        let builds = options.builds;
        let mut world = Self {
            files: project.artifacts.keys().map(|name| (name.clone(), 0)).collect(),
            charts: project.releases.keys().map(|name| (name.clone(), 0)).collect(),
            session: Session::new(project.clone(), options, vec![]),
            config: project,
            engine: BTreeSet::new(),
            nodes: BTreeSet::new(),
            runs: BTreeMap::new(),
            rendered: BTreeMap::new(),
            history: BTreeMap::new(),
            pending: vec![],
            remembered: vec![],
            disk_full: false,
            builds,
            left: false,
            stays: false,
            fast: true,
            exited: None,
        };
        let effects = world.session.begin();
        world.take(effects);
        world
    }

    fn image(&self, name: &ArtifactName, bases: &BTreeMap<ArtifactName, ImageRef>) -> ImageRef {
        let bases: Vec<String> =
            bases.values().map(|base| base.tag().unwrap().to_string()).collect();
        let tag = format!("v{}{}", self.files[name], bases.concat());
        ImageRef::parse(name.as_str()).unwrap().with_tag(Tag::parse(&tag).unwrap())
    }

    /// Somebody deletes the namespace.
    fn lose(&mut self) {
        self.runs.clear();
        self.history.clear();
        let releases = self.charts.keys().cloned().collect();
        let namespace = Namespace::parse("shop").unwrap();
        self.tell(Event::Lost { namespace, releases });
    }

    /// What each image would be by the files as they are now.
    fn truth(&self) -> BTreeMap<ArtifactName, ImageRef> {
        let base = self.image(&artifact("base"), &BTreeMap::new());
        let api = self.image(&artifact("api"), &[(artifact("base"), base.clone())].into());
        let web = self.image(&artifact("web"), &BTreeMap::new());
        [(artifact("base"), base), (artifact("api"), api), (artifact("web"), web)].into()
    }

    fn tell(&mut self, event: Event) {
        let effects = self.session.handle(event);
        self.take(effects);
    }

    /// Checks the laws on one answer and takes its effects in. Answers what the driver answers by
    /// itself: acts that follow steps which could not be put on disk fail.
    fn take(&mut self, effects: Vec<Effect>) {
        let mut broken = false;
        let mut refused = Vec::new();
        for effect in effects {
            let is_act = matches!(
                effect,
                Effect::Deploy { .. }
                    | Effect::Patch { .. }
                    | Effect::Record { .. }
                    | Effect::Build { .. }
                    | Effect::Deliver { .. }
            );
            if broken && is_act {
                refused.push(effect);
                continue;
            }
            let starts = matches!(
                effect,
                Effect::Hash { .. }
                    | Effect::Look { .. }
                    | Effect::Build { .. }
                    | Effect::Deliver { .. }
                    | Effect::Examine { .. }
                    | Effect::Render { .. }
                    | Effect::Deploy { .. }
                    | Effect::Patch { .. }
                    | Effect::Lull { .. }
                    | Effect::Record { .. }
                    | Effect::Settle { .. }
                    | Effect::RollBack { .. }
                    | Effect::OpenForward(_)
                    | Effect::ReadConfig
                    | Effect::Unwind(_)
            );
            if starts && self.left {
                let records = matches!(effect, Effect::Record { .. }) && self.stays;
                assert!(records || matches!(effect, Effect::Unwind(_)), "law 4: {effect:?}");
            }
            match &effect {
                Effect::Deploy { release, generation } | Effect::Patch { release, generation } => {
                    let (_, images) = &self.rendered[&(release.clone(), *generation)];
                    for image in images.values() {
                        assert!(self.nodes.contains(image), "law 3: {image} is not delivered");
                    }
                    let undo = undo(release);
                    assert!(self.remembered.contains(&undo), "law 5: {undo:?}");
                    for (busy, _) in &self.pending {
                        assert!(!is_helm(busy, release), "law 1: {busy:?} and {effect:?}");
                    }
                }
                Effect::Record { release, .. } => {
                    let (history, runs) = (self.history.get(release), self.runs.get(release));
                    assert!(history != runs, "law 8: {release} is recorded already");
                    for (busy, _) in &self.pending {
                        assert!(!is_helm(busy, release), "law 1: {busy:?} and {effect:?}");
                    }
                }
                Effect::RollBack { release, .. } => {
                    for (busy, _) in &self.pending {
                        assert!(!is_helm(busy, release), "law 1: {busy:?} and {effect:?}");
                    }
                }
                Effect::Build { artifact, .. } => {
                    for (busy, _) in &self.pending {
                        let same = matches!(busy, Effect::Build { artifact: other, .. } if other == artifact);
                        assert!(!same, "law 1: {busy:?} and {effect:?}");
                    }
                    let is_build = |busy: &&(Effect, bool)| matches!(busy.0, Effect::Build { .. });
                    let running = self.pending.iter().filter(is_build).count();
                    assert!(running < self.builds, "more builds than cores: {:?}", self.pending);
                }
                Effect::CancelArtifact { artifact } => {
                    for (busy, cancelled) in &mut self.pending {
                        *cancelled |= matches!(busy,
                            Effect::Build { artifact: other, .. } | Effect::Deliver { artifact: other, .. }
                                if other == artifact);
                    }
                }
                Effect::CancelRelease { release } => {
                    for (busy, cancelled) in &mut self.pending {
                        *cancelled |= matches!(busy,
                            Effect::Deploy { release: other, .. } | Effect::Settle { release: other, .. }
                                if other == release);
                    }
                }
                Effect::CancelRecord { release } => {
                    for (busy, cancelled) in &mut self.pending {
                        *cancelled |= matches!(busy, Effect::Record { release: other, .. } if other == release);
                    }
                }
                Effect::Remember(_) if std::mem::take(&mut self.disk_full) => broken = true,
                Effect::Remember(steps) => self.remembered.extend(steps.iter().cloned()),
                Effect::Exit(exit) => self.exited = Some(*exit),
                Effect::Abort => self.pending.clear(),
                _ => {}
            }
            if starts {
                self.pending.push((effect, false));
            }
        }
        for effect in refused {
            let failure = Failure::work("wharf::files::disk_full", "the journal is not written");
            let event = match effect {
                Effect::Deploy { release, generation } => {
                    Event::Deployed { release, generation, result: Err(End::Failed(failure)) }
                }
                Effect::Patch { release, generation } => {
                    Event::Patched { release, generation, result: Err(End::Failed(failure)) }
                }
                Effect::Record { release, generation } => {
                    Event::Recorded { release, generation, result: Err(End::Failed(failure)) }
                }
                Effect::Build { artifact, generation, .. } => {
                    Event::Built { artifact, generation, result: Err(End::Failed(failure)) }
                }
                Effect::Deliver { artifact, generation, .. } => {
                    Event::Delivered { artifact, generation, result: Err(End::Failed(failure)) }
                }
                other => panic!("{other:?} is no act"),
            };
            self.tell(event);
        }
    }

    /// Ends the `nth` piece of work, well or badly.
    fn finish(&mut self, nth: usize, well: bool) {
        if self.pending.is_empty() {
            return;
        }
        let (effect, cancelled) = self.pending.remove(nth % self.pending.len());
        let event = self.answer(effect, well, cancelled);
        self.tell(event.clone());
        // Law 2: what comes a second time belongs to a generation that is over.
        if !matches!(
            event,
            Event::Unwound(_) | Event::ConfigChanged(_) | Event::ForwardOpened { .. }
        ) {
            let before = self.session.clone();
            let effects = self.session.handle(event);
            assert_eq!(effects, [], "law 2");
            assert_eq!(before, self.session, "law 2");
        }
    }

    fn answer(&mut self, effect: Effect, well: bool, cancelled: bool) -> Event {
        let failure = || Failure::work("wharf::test::failed", "it failed");
        let end = || if cancelled { End::Cancelled } else { End::Failed(failure()) };
        let well = well && !cancelled;
        let took = Duration::ZERO;
        match effect {
            Effect::Hash { artifact, generation, bases } => {
                let hashed = Hashed { image: self.image(&artifact, &bases), why: "changed".into() };
                let result = if well { Ok(hashed) } else { Err(failure()) };
                Event::Hashed { artifact, generation, result }
            }
            Effect::Look { artifact, generation, image } => {
                let seen = Seen {
                    delivered: self.nodes.contains(&image).then(|| image.clone()),
                    built: self.engine.contains(&image),
                };
                let result = if well { Ok(seen) } else { Err(failure()) };
                Event::Seen { artifact, generation, result }
            }
            Effect::Build { artifact, generation, image } => {
                let now = self.truth();
                let is_stale = now[&artifact] != image && self.files[&artifact].is_multiple_of(3);
                let result = match (well, is_stale) {
                    (true, true) => Err(End::Stale),
                    (true, false) => {
                        self.engine.insert(image);
                        Ok(Built { cached: 0, steps: 1, took })
                    }
                    (false, _) => Err(end()),
                };
                Event::Built { artifact, generation, result }
            }
            Effect::Deliver { artifact, generation, image } => {
                assert!(self.engine.contains(&image), "only what is built is delivered");
                let result = if well {
                    self.nodes.insert(image.clone());
                    Ok(Delivered { image, pushed: false, sent_bytes: 1, total_bytes: 1, took })
                } else {
                    Err(end())
                };
                Event::Delivered { artifact, generation, result }
            }
            Effect::Examine { release, generation } => {
                let runs = self.runs.get(&release).filter(|runs| {
                    // Where the history lags behind, it is not as it should be.
                    self.history.get(&release) == Some(*runs)
                });
                let running = runs.cloned();
                let made = running.is_some().then(|| undo(&release));
                let examined = Examined {
                    fingerprint: self.charts[&release].to_string(),
                    uses: uses(&release),
                    running: running.map(|(fingerprint, images)| Running {
                        fingerprint,
                        images,
                        revision: Some(1),
                    }),
                    drift: vec![],
                    undo: made.into_iter().collect(),
                };
                let result = if well { Ok(examined) } else { Err(failure()) };
                Event::Examined { release, generation, result }
            }
            Effect::Render { release, generation, images } => {
                let fingerprint = self.charts[&release].to_string();
                // Whether a release is one that may be patched is not the session's to know.
                let images_alone = self.fast
                    && self.runs.get(&release).is_some_and(|(runs, _)| *runs == fingerprint);
                self.rendered.insert((release.clone(), generation), (fingerprint, images));
                let undo = vec![undo(&release)];
                let rendered = Rendered { undo, images_alone, ..Rendered::default() };
                let result = if well { Ok(rendered) } else { Err(failure()) };
                Event::Rendered { release, generation, result }
            }
            Effect::Deploy { release, generation } => {
                let plan = self.rendered[&(release.clone(), generation)].clone();
                let result = if well {
                    let images = plan.1.clone();
                    self.runs.insert(release.clone(), plan.clone());
                    self.history.insert(release.clone(), plan);
                    Ok(Deployed { revision: Some(1), images, ..Deployed::default() })
                } else {
                    self.runs.remove(&release);
                    self.history.remove(&release);
                    Err(end())
                };
                Event::Deployed { release, generation, result }
            }
            Effect::Patch { release, generation } => {
                let plan = self.rendered[&(release.clone(), generation)].clone();
                // A patch is not cut off.
                let result = if well || cancelled {
                    let lags = self.history.get(&release) != Some(&plan);
                    let images = plan.1.clone();
                    self.runs.insert(release.clone(), plan);
                    Ok(Patched { images, lags, took })
                } else {
                    Err(end())
                };
                Event::Patched { release, generation, result }
            }
            Effect::Lull { generation } => Event::Lulled(generation),
            Effect::Record { release, generation } => {
                // Helm brings about what was rendered then, whatever runs.
                let plan = self.rendered[&(release.clone(), generation)].clone();
                let result = if well {
                    assert_eq!(self.runs.get(&release), Some(&plan), "law 8: rolled back");
                    self.history.insert(release.clone(), plan);
                    Ok(Recorded { revision: Some(2), ..Recorded::default() })
                } else {
                    // What a failed upgrade leaves is not known.
                    self.runs.remove(&release);
                    self.history.remove(&release);
                    Err(end())
                };
                Event::Recorded { release, generation, result }
            }
            Effect::Settle { release, generation } => {
                let result = if well { Ok(took) } else { Err(end()) };
                Event::Settled { release, generation, result }
            }
            Effect::RollBack { release, generation } => {
                Event::RolledBack { release, generation, result: Ok(1) }
            }
            Effect::OpenForward(forward) => {
                let early = Failure::work("wharf::observe::no_target", "there is no service");
                let result = if well { Ok(()) } else { Err(early) };
                Event::ForwardOpened { forward, result }
            }
            Effect::ReadConfig => {
                let result = if well { Ok(Box::new(self.config.clone())) } else { Err(failure()) };
                Event::ConfigChanged(result)
            }
            Effect::Unwind(steps) => {
                for step in steps {
                    if let Some(release) = step.release() {
                        self.runs.remove(release);
                        self.history.remove(release);
                    }
                }
                Event::Unwound(vec![])
            }
            other => panic!("{other:?} is not answered"),
        }
    }

    fn save(&mut self, image: usize, by: u64) {
        let name = self.files.keys().nth(image % self.files.len()).unwrap().clone();
        *self.files.get_mut(&name).unwrap() += by;
        self.tell(Event::Saved(Saved { artifacts: [name].into(), ..saved() }));
    }

    fn save_chart(&mut self, nth: usize, by: u64) {
        let name = self.charts.keys().nth(nth % self.charts.len()).unwrap().clone();
        *self.charts.get_mut(&name).unwrap() += by;
        self.tell(Event::Saved(Saved { releases: [name].into(), ..saved() }));
    }

    /// Changes the configuration: releases and images come and go.
    fn save_config(&mut self, choice: usize) {
        let mut config = project();
        if choice.is_multiple_of(2) {
            config.releases.remove(&release("shop"));
        }
        if choice.is_multiple_of(3) {
            config.artifacts.remove(&artifact("web"));
            config.forwards.clear();
        }
        if choice.is_multiple_of(5) {
            config.releases.get_mut(&release("db")).unwrap().wait.ready = false;
        }
        self.config = config;
        self.tell(Event::Saved(Saved { config: true, ..saved() }));
    }

    /// The configuration is again what it was in the beginning.
    fn restore_config(&mut self) {
        self.config = project();
        self.tell(Event::Saved(Saved { config: true, ..saved() }));
        self.quiet();
    }

    /// Lets all work end well until none is left.
    fn quiet(&mut self) {
        for _ in 0..500 {
            if self.pending.is_empty() {
                return;
            }
            self.finish(0, true);
        }
        panic!("it never gets quiet: {:?}", self.pending);
    }
}

fn undo(release: &ReleaseName) -> Undo {
    Undo::HelmRelease {
        release: release.clone(),
        namespace: Namespace::parse("default").unwrap(),
        extras: vec![],
        claims: true,
    }
}

fn saved() -> Saved {
    let changes = ChangeSet { paths: ["/project/file".into()].into() };
    Saved { changes, shown: vec!["file".into()], ..Saved::default() }
}

fn is_helm(effect: &Effect, release: &ReleaseName) -> bool {
    matches!(effect,
        Effect::Deploy { release: other, .. }
            | Effect::Patch { release: other, .. }
            | Effect::Record { release: other, .. }
            | Effect::RollBack { release: other, .. }
            if other == release)
}

/// One thing that happens to a session.
#[derive(Debug, Clone)]
enum Act {
    Finish(usize, bool),
    Save(usize, u64),
    SaveChart(usize, u64),
    SaveConfig(usize),
    Again,
    Mended,
    LoggedIn,
    Lose,
    Crash,
    LoseForward(bool),
    FillDisk,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (any::<usize>(), prop::bool::weighted(0.85)).prop_map(|(n, well)| Act::Finish(n, well)),
        2 => (any::<usize>(), 0..3_u64).prop_map(|(n, by)| Act::Save(n, by)),
        1 => (any::<usize>(), 0..2_u64).prop_map(|(n, by)| Act::SaveChart(n, by)),
        1 => Just(Act::Again),
        1 => Just(Act::Mended),
        1 => Just(Act::LoggedIn),
        1 => Just(Act::Lose),
        1 => (1..31_usize).prop_map(Act::SaveConfig),
        1 => Just(Act::Crash),
        1 => any::<bool>().prop_map(Act::LoseForward),
        1 => Just(Act::FillDisk),
    ];
    prop::collection::vec(act, 0..120)
}

fn play(world: &mut World, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Finish(nth, well) => world.finish(nth, well),
            Act::Save(nth, by) => world.save(nth, by),
            Act::SaveChart(nth, by) => world.save_chart(nth, by),
            Act::Again => world.tell(Event::Nudged(Nudge::Again)),
            Act::Mended => world.tell(Event::Nudged(Nudge::Mended)),
            Act::LoggedIn => world.tell(Event::Nudged(Nudge::LoggedIn)),
            Act::Lose => world.lose(),
            Act::SaveConfig(choice) => world.save_config(choice),
            Act::Crash => world.tell(Event::Crashed(Failure::bug("a task of the loop panicked"))),
            Act::LoseForward(well) => {
                let gone = Failure::work("wharf::observe::lost", "it is gone");
                let result = if well { Ok(()) } else { Err(gone) };
                let forward = project().forwards.remove(0);
                world.tell(Event::ForwardOpened { forward, result });
            }
            Act::FillDisk => world.disk_full = true,
        }
    }
}

/// More with `WHARF_TEST_FULL`, which `tests/run.sh full` sets at compile time.
fn cases() -> u32 {
    if option_env!("WHARF_TEST_FULL").is_some() { 20_000 } else { 64 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Laws 1 to 3, 5, 7 on the way, and law 6 at the end: after quiet, what the files say runs.
    #[test]
    fn no_save_is_lost(acts in acts(), builds in 1..3_usize) {
        let mut options = Options::new(Goal::Watching);
        options.builds = builds;
        let mut world = World::new(options);
        play(&mut world, acts);
        world.disk_full = false;
        world.quiet();
        world.restore_config();
        // What failed on the way is tried again by a key, as a person would.
        world.tell(Event::Nudged(Nudge::Again));
        world.quiet();
        let truth = world.truth();
        for (release, fingerprint) in &world.charts {
            let images: BTreeMap<_, _> =
                uses(release).into_iter().map(|name| (name.clone(), truth[&name].clone())).collect();
            let wanted = (fingerprint.to_string(), images);
            prop_assert_eq!(world.runs.get(release), Some(&wanted), "{}", release);
            prop_assert_eq!(world.history.get(release), Some(&wanted), "{}", release);
        }
    }

    /// Law 8 at the end of a session whose releases stay: Helm's history says what runs, unless
    /// the exit code says that something failed. In between it never rolls back what is newer, and
    /// never records twice.
    #[test]
    fn what_stays_is_left_as_recorded(acts in acts(), after in acts()) {
        let mut world =
            World::new(Options { cleanup: false, ..Options::new(Goal::Watching) });
        play(&mut world, acts);
        world.left = true;
        world.stays = true;
        world.tell(Event::Interrupted);
        play(&mut world, after);
        world.quiet();
        prop_assert!(world.exited.is_some());
        if world.exited == Some(Exit::Done) {
            prop_assert_eq!(&world.runs, &world.history);
        }
    }

    /// Without the fast way every change of what runs is an upgrade.
    #[test]
    fn without_the_fast_way_nothing_is_patched(acts in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        world.fast = false;
        play(&mut world, acts);
        world.quiet();
        prop_assert_eq!(&world.runs, &world.history);
    }

    /// Law 6 without a key: either it runs, or a failure says why not.
    #[test]
    fn after_quiet_it_runs_or_has_failed(acts in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.disk_full = false;
        world.quiet();
        world.restore_config();
        let truth = world.truth();
        let failed = world.session.has_failures();
        for (release, fingerprint) in &world.charts {
            let images: BTreeMap<_, _> =
                uses(release).into_iter().map(|name| (name.clone(), truth[&name].clone())).collect();
            let wanted = (fingerprint.to_string(), images);
            prop_assert!(failed || world.runs.get(release) == Some(&wanted), "{}", release);
        }
    }

    /// Law 4: after an interrupt nothing but the unwinding starts, it ends, and nothing is left.
    #[test]
    fn an_interrupt_leads_out(acts in acts(), after in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.left = true;
        world.tell(Event::Interrupted);
        play(&mut world, after);
        world.quiet();
        prop_assert_eq!(world.exited, Some(Exit::Done));
        prop_assert!(world.runs.is_empty() && world.history.is_empty());
    }

    /// A second interrupt ends at once, wherever the first one has got to.
    #[test]
    fn a_second_interrupt_aborts(acts in acts(), between in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.left = true;
        world.tell(Event::Interrupted);
        play(&mut world, between);
        world.tell(Event::Interrupted);
        prop_assert!(world.exited.is_some());
    }

    /// What an earlier session made and did not take back goes with this one, though its journal is
    /// lost and nothing is deployed again.
    #[test]
    fn what_an_earlier_session_made_goes_too(left in prop::collection::btree_set(0..2_usize, 0..3)) {
        let mut world = World::new(Options::new(Goal::Watching));
        let truth = world.truth();
        world.nodes = truth.values().cloned().collect();
        for (release, fingerprint) in world.charts.clone() {
            let images = uses(&release).into_iter().map(|name| (name.clone(), truth[&name].clone()));
            let runs = (fingerprint.to_string(), images.collect());
            world.history.insert(release.clone(), runs.clone());
            world.runs.insert(release, runs);
        }
        let names: Vec<ReleaseName> = world.charts.keys().cloned().collect();
        for nth in left {
            world.runs.remove(&names[nth]);
        }
        world.quiet();
        prop_assert_eq!(world.runs.len(), names.len());
        prop_assert!(names.iter().all(|name| world.remembered.contains(&undo(name))));
        world.left = true;
        world.tell(Event::Interrupted);
        world.quiet();
        prop_assert!(world.runs.is_empty());
    }

    /// Another cluster behind the context ends everything at once, and whoever interrupts again and
    /// again, or goes on saving, changes nothing any more.
    #[test]
    fn nothing_follows_the_end(acts in acts(), after in acts(), presses in 0..5_usize) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.left = true;
        world.tell(Event::ClusterChanged(Failure::work("wharf::cluster::changed", "another one")));
        prop_assert_eq!(world.exited, Some(Exit::Failed));
        let over = world.session.clone();
        play(&mut world, after);
        for _ in 0..presses {
            let effects = world.session.handle(Event::Interrupted);
            prop_assert_eq!(effects, vec![]);
        }
        prop_assert_eq!(over, world.session);
    }

    /// A one-shot command ends by itself, whatever happens on the way.
    #[test]
    fn a_run_ends(acts in acts()) {
        for goal in [Goal::Images, Goal::Manifests, Goal::Running] {
            let mut world = World::new(Options::new(goal));
            play(&mut world, acts.clone());
            world.quiet();
            prop_assert!(world.exited.is_some(), "{:?}", goal);
        }
    }
}
