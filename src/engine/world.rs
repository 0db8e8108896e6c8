//! A small world that answers the loop's effects: it has files, an Engine, nodes and releases,
//! finishes work in any order, well or badly, and never looks inside the session. It checks on
//! the way what must hold at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{
    Artifact, ArtifactName, Builder, ChangeSet, ClusterChoice, CommandBuild, Forward, Generation,
    ImageRef, LogFilter, ManifestSource, Namespace, Origin, Project, ProjectName, Release,
    ReleaseName, ReleaseSource, Tag, Undo, WaitRule,
};
use crate::report::{Failure, ReleaseNews, Report};

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
            alterations: crate::model::Alterations::default(),
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
            address: None,
        }],
        logs: LogFilter::default(),
        cluster: ClusterChoice::default(),
        registry: None,
        insecure_registries: Vec::new(),
        registry_names: crate::model::RegistryNames::default(),
        config_files: BTreeSet::new(),
    }
}

/// The project with a release that makes room for what ran before when it fails.
fn with_ways_back(mut project: Project) -> Project {
    project.releases.get_mut(&release("db")).unwrap().source =
        ReleaseSource::Helm(crate::model::HelmSource {
            chart: crate::model::Chart::Path("/project/chart".into()),
            packaging: crate::model::Packaging::default(),
            values: vec![],
            secret_values: vec![],
            set: [].into(),
            image_values: [].into(),
            flags: vec![],
            rollback_on_failure: true,
            skip_crds: false,
        });
    project
}

pub(super) fn uses(name: &ReleaseName) -> BTreeSet<ArtifactName> {
    match name.as_str() {
        "shop" => [artifact("api"), artifact("web")].into(),
        _ => BTreeSet::new(),
    }
}

/// What the session sees of the outside.
pub(super) struct World {
    pub(super) session: Session,
    /// What the configuration says on disk.
    pub(super) config: Project,
    /// What each image's files say.
    pub(super) files: BTreeMap<ArtifactName, u64>,
    /// What each release's files say.
    pub(super) charts: BTreeMap<ReleaseName, u64>,
    pub(super) engine: BTreeSet<ImageRef>,
    pub(super) nodes: BTreeSet<ImageRef>,
    /// What runs: fingerprint and images.
    pub(super) runs: BTreeMap<ReleaseName, (String, BTreeMap<ArtifactName, ImageRef>)>,
    pub(super) rendered:
        BTreeMap<(ReleaseName, Generation), (String, BTreeMap<ArtifactName, ImageRef>)>,
    /// What Helm's history says that runs.
    pub(super) history: BTreeMap<ReleaseName, (String, BTreeMap<ArtifactName, ImageRef>)>,
    pub(super) pending: Vec<(Effect, bool)>,
    /// Every attempt to deploy, and whether its pods were told to answer, oldest first.
    pub(super) acts: Vec<(ReleaseName, Generation, bool)>,
    pub(super) remembered: Vec<Undo>,
    /// The next steps cannot be put on disk.
    pub(super) disk_full: bool,
    /// How many builds may run at once.
    pub(super) builds: usize,
    pub(super) left: bool,
    /// Releases stay when the session goes.
    pub(super) stays: bool,
    /// Images may be put into what runs by themselves.
    pub(super) fast: bool,
    pub(super) exited: Option<Exit>,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let project = with_ways_back(project());
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
            acts: vec![],
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

    pub(super) fn image(
        &self,
        name: &ArtifactName,
        bases: &BTreeMap<ArtifactName, ImageRef>,
    ) -> ImageRef {
        let bases: Vec<String> =
            bases.values().map(|base| base.tag().unwrap().to_string()).collect();
        let tag = format!("v{}{}", self.files[name], bases.concat());
        ImageRef::parse(name.as_str()).unwrap().with_tag(Tag::parse(&tag).unwrap())
    }

    /// Somebody deletes the namespace.
    pub(super) fn lose(&mut self) {
        self.runs.clear();
        self.history.clear();
        let releases = self.charts.keys().cloned().collect();
        let namespace = Namespace::parse("shop").unwrap();
        self.tell(Event::Lost { namespace, releases });
    }

    /// What each image would be by the files as they are now.
    pub(super) fn truth(&self) -> BTreeMap<ArtifactName, ImageRef> {
        let base = self.image(&artifact("base"), &BTreeMap::new());
        let api = self.image(&artifact("api"), &[(artifact("base"), base.clone())].into());
        let web = self.image(&artifact("web"), &BTreeMap::new());
        [(artifact("base"), base), (artifact("api"), api), (artifact("web"), web)].into()
    }

    pub(super) fn tell(&mut self, event: Event) {
        let effects = self.session.handle(event);
        self.take(effects);
    }

    /// It is built and on its way to the nodes.
    fn is_on_its_way(&self, image: &ImageRef) -> bool {
        self.pending.iter().any(|(effect, cancelled)| {
            !cancelled && matches!(effect, Effect::Deliver { image: sent, .. } if sent == image)
        })
    }

    /// Checks the laws on one answer and takes its effects in. Answers what the driver answers by
    /// itself: acts that follow steps which could not be put on disk fail.
    pub(super) fn take(&mut self, effects: Vec<Effect>) {
        let mut broken = false;
        let mut refused = Vec::new();
        for effect in effects {
            if broken && effect.is_act() {
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
                    self.acts.push((release.clone(), *generation, false));
                    let may_be_near = matches!(effect, Effect::Patch { .. });
                    let (_, images) = &self.rendered[&(release.clone(), *generation)];
                    for image in images.values() {
                        let is_there =
                            self.nodes.contains(image) || may_be_near && self.is_on_its_way(image);
                        assert!(is_there, "law 3: {image} is not delivered");
                    }
                    let undo = undo(release);
                    assert!(self.remembered.contains(&undo), "law 5: {undo:?}");
                    for (busy, _) in &self.pending {
                        let is_going = matches!(busy, Effect::Unwind(steps)
                            if steps.iter().any(|step| step.release() == Some(release)));
                        let is_busy = is_helm(busy, release) || is_going;
                        assert!(!is_busy, "law 1: {busy:?} and {effect:?}");
                    }
                }
                Effect::Settle { release, .. } => {
                    let images = self.runs.get(release).map(|(_, images)| images);
                    for image in images.into_iter().flat_map(BTreeMap::values) {
                        let is_there = self.nodes.contains(image);
                        assert!(is_there, "law 3: {image} is waited for and not delivered");
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
            let event = effect.refused(&failure).expect("it is an act");
            self.tell(event);
        }
    }

    /// A pod of the `nth` attempt to deploy answers, which may be one that others have followed.
    pub(super) fn pod_answers(&mut self, nth: usize) {
        if self.acts.is_empty() {
            return;
        }
        let nth = nth % self.acts.len();
        let (release, generation, told) = self.acts[nth].clone();
        let is_last = self.acts[nth + 1..].iter().all(|(other, ..)| *other != release);
        let (target, took) = ("service/web".to_owned(), Duration::ZERO);
        let event = Event::Answered { release, generation, target, took };
        let before = self.session.clone();
        let effects = self.session.handle(event.clone());
        let is_word = |effect: &Effect| {
            let Effect::Tell(Report::Release { news, .. }) = effect else { return false };
            matches!(news, ReleaseNews::Answers { .. })
        };
        // Law 9: it is told once for each attempt, of the last one alone, and leads to nothing.
        assert!(effects.iter().all(is_word) && effects.len() <= 1, "law 9: {effects:?}");
        if !is_last || told || self.left {
            assert_eq!(effects, [], "law 9");
            assert_eq!(before, self.session, "law 9");
        }
        self.acts[nth].2 |= !effects.is_empty();
        assert_eq!(self.session.handle(event), [], "law 9");
    }

    /// Ends the `nth` piece of work, well or badly.
    pub(super) fn finish(&mut self, nth: usize, well: bool) {
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

    pub(super) fn answer(&mut self, effect: Effect, well: bool, cancelled: bool) -> Event {
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
                let earlier = self.history.contains_key(&release).then_some(1);
                let bridged = true;
                let rendered =
                    Rendered { undo, images_alone, bridged, earlier, ..Rendered::default() };
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
            Effect::Settle { release, generation, .. } => {
                let result = if well { Ok(took) } else { Err(end()) };
                Event::Settled { release, generation, result }
            }
            Effect::RollBack { release, generation } => {
                Event::RolledBack { release, generation, result: Ok(Some(1)) }
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

    pub(super) fn save(&mut self, image: usize, by: u64) {
        let name = self.files.keys().nth(image % self.files.len()).unwrap().clone();
        *self.files.get_mut(&name).unwrap() += by;
        self.tell(Event::Saved(Saved { artifacts: [name].into(), ..saved() }));
    }

    pub(super) fn save_chart(&mut self, nth: usize, by: u64) {
        let name = self.charts.keys().nth(nth % self.charts.len()).unwrap().clone();
        *self.charts.get_mut(&name).unwrap() += by;
        self.tell(Event::Saved(Saved { releases: [name].into(), ..saved() }));
    }

    /// Changes the configuration: releases and images come and go.
    pub(super) fn save_config(&mut self, choice: usize) {
        let mut config = with_ways_back(project());
        if choice.is_multiple_of(7) {
            let elsewhere = Namespace::parse("elsewhere").unwrap();
            config.releases.get_mut(&release("db")).unwrap().namespace = Some(elsewhere);
        }
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
    pub(super) fn restore_config(&mut self) {
        self.config = with_ways_back(project());
        self.tell(Event::Saved(Saved { config: true, ..saved() }));
        self.quiet();
    }

    /// Lets all work end well until none is left.
    pub(super) fn quiet(&mut self) {
        for _ in 0..500 {
            if self.pending.is_empty() {
                return;
            }
            self.finish(0, true);
        }
        panic!("it never gets quiet: {:?}", self.pending);
    }
}

pub(super) fn undo(release: &ReleaseName) -> Undo {
    Undo::HelmRelease {
        release: release.clone(),
        namespace: Namespace::parse("default").unwrap(),
        extras: vec![],
        claims: true,
    }
}

pub(super) fn saved() -> Saved {
    let changes = ChangeSet { paths: ["/project/file".into()].into() };
    Saved { changes, shown: vec!["file".into()], ..Saved::default() }
}

pub(super) fn is_helm(effect: &Effect, release: &ReleaseName) -> bool {
    matches!(effect,
        Effect::Deploy { release: other, .. }
            | Effect::Patch { release: other, .. }
            | Effect::Record { release: other, .. }
            | Effect::RollBack { release: other, .. }
            if other == release)
}
