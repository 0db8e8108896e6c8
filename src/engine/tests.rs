//! Stories of the loop, told as a person would see them.

use std::time::Duration;

use crate::model::{
    Chart, Digest, Generation, HelmSource, ImageRef, Namespace, Project, ReleaseSource, Undo,
};
use crate::report::{ArtifactNews, Failure, ReleaseNews, Report};

use super::world::{artifact, project, release};
use super::*;

/// A session whose effects are told in one line each.
pub(super) struct Story {
    session: Session,
    effects: Vec<Effect>,
}

impl Story {
    fn new(options: Options) -> Self {
        Self::of(project(), options)
    }

    fn of(project: Project, options: Options) -> Self {
        Self::owing(project, options, vec![])
    }

    fn owing(project: Project, options: Options, undo: Vec<Undo>) -> Self {
        let mut session = Session::new(project, options, undo);
        let effects = session.begin();
        Self { session, effects }
    }

    pub(super) fn watching() -> Self {
        Self::new(Options::new(Goal::Watching))
    }

    pub(super) fn tell(&mut self, event: Event) -> Vec<String> {
        let effects = self.session.handle(event);
        self.effects.extend(effects.clone());
        effects.iter().filter_map(line).collect()
    }

    pub(super) fn generation(&self, wanted: impl Fn(&Effect) -> Option<Generation>) -> Generation {
        self.effects.iter().rev().find_map(wanted).expect("such an effect was answered")
    }

    pub(super) fn hashed(&mut self, name: &str, tag: &str) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Hash { artifact, generation, .. } if artifact.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        let hashed = Hashed { image: image(name, tag), why: "app.py changed".into() };
        self.tell(Event::Hashed { artifact: artifact(name), generation, result: Ok(hashed) })
    }

    pub(super) fn seen(&mut self, name: &str, seen: Seen) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Look { artifact, generation, .. } if artifact.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        self.tell(Event::Seen { artifact: artifact(name), generation, result: Ok(seen) })
    }

    pub(super) fn built(&mut self, name: &str, result: Result<(), End>) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Build { artifact, generation, .. } if artifact.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        let built = Built { cached: 1, steps: 2, took: Duration::ZERO };
        let result = result.map(|()| built);
        self.tell(Event::Built { artifact: artifact(name), generation, result })
    }

    pub(super) fn delivered(&mut self, name: &str, result: Result<Delivered, End>) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Deliver { artifact, generation, .. } if artifact.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        self.tell(Event::Delivered { artifact: artifact(name), generation, result })
    }

    fn examined(&mut self, name: &str, uses: &[&str], running: Option<Running>) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Examine { release, generation } if release.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        let examined = Examined {
            fingerprint: "f".into(),
            uses: uses.iter().map(|name| artifact(name)).collect(),
            running,
            drift: vec![],
            undo: vec![],
        };
        self.tell(Event::Examined { release: release(name), generation, result: Ok(examined) })
    }

    fn not_examined(&mut self, name: &str, failure: Failure) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Examine { release, generation } if release.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        let result = Err(failure);
        self.tell(Event::Examined { release: release(name), generation, result })
    }

    fn rendered(&mut self, name: &str) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Render { release, generation, .. } if release.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        let result = Ok(Rendered::default());
        self.tell(Event::Rendered { release: release(name), generation, result })
    }

    pub(super) fn settled(&mut self, name: &str, result: Result<Duration, End>) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Settle { release, generation, .. } if release.as_str() == name => {
                Some(*generation)
            }
            _ => None,
        });
        self.tell(Event::Settled { release: release(name), generation, result })
    }

    /// A session in which everything runs and nothing had to be done for it.
    pub(super) fn up() -> Self {
        Self::up_with(project())
    }

    fn up_with(project: Project) -> Self {
        Self::up_owing(project, vec![])
    }

    /// The same, where `undo` is what an earlier session owes.
    fn up_owing(project: Project, undo: Vec<Undo>) -> Self {
        let mut story = Self::owing(project, Options::new(Goal::Watching), undo);
        for name in ["base", "web"] {
            story.hashed(name, "1");
        }
        story.hashed("api", "1");
        let images = [(artifact("api"), image("api", "1")), (artifact("web"), image("web", "1"))];
        let running = |images| Running { fingerprint: "f".into(), images, revision: Some(3) };
        story.examined("db", &[], Some(running([].into())));
        story.examined("shop", &["api", "web"], Some(running(images.into())));
        for name in ["api", "web"] {
            story.seen(name, Seen { delivered: Some(image(name, "1")), built: true });
        }
        let forward = story.session.project().forwards[0].clone();
        story.tell(Event::ForwardOpened { forward, result: Ok(()) });
        for name in ["db", "shop"] {
            story.settled(name, Ok(Duration::ZERO));
        }
        story
    }
}

pub(super) fn image(name: &str, tag: &str) -> ImageRef {
    ImageRef::parse(&format!("{name}:{tag}")).unwrap()
}

pub(super) fn saved(name: &str) -> Event {
    Event::Saved(Saved {
        artifacts: [artifact(name)].into(),
        shown: vec![format!("{name}/app.py")],
        ..Saved::default()
    })
}

fn chart_saved(name: &str) -> Event {
    Event::Saved(Saved {
        releases: [release(name)].into(),
        shown: vec![format!("{name}/values.yaml")],
        ..Saved::default()
    })
}

/// An effect as a story tells it.
pub(super) fn line(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Hash { artifact, .. } => format!("hash {artifact}"),
        Effect::Look { image, .. } => format!("look {image}"),
        Effect::Build { image, .. } => format!("build {image}"),
        Effect::Deliver { image, .. } => format!("deliver {image}"),
        Effect::CancelArtifact { artifact } => format!("cancel {artifact}"),
        Effect::Examine { release, .. } => format!("examine {release}"),
        Effect::Render { release, .. } => format!("render {release}"),
        Effect::Deploy { release, .. } => format!("deploy {release}"),
        Effect::Patch { release, .. } => format!("patch {release}"),
        Effect::Lull { .. } => "lull".to_owned(),
        Effect::Record { release, .. } => format!("record {release}"),
        Effect::CancelRecord { release } => format!("cancel the record of {release}"),
        Effect::Settle { release, .. } => format!("settle {release}"),
        Effect::CancelRelease { release } => format!("cancel {release}"),
        Effect::RollBack { release, .. } => format!("roll back {release}"),
        Effect::Remember(steps) => format!("remember {}", steps.len()),
        Effect::Unwind(steps) => format!("unwind {}", steps.len()),
        Effect::Exit(exit) => format!("exit {}", exit.code()),
        Effect::Abort => "abort".into(),
        Effect::EndRound { failed, .. } => format!("round over, {failed} failed"),
        Effect::Tell(Report::Waiting { name, why }) => format!("{name} waits for {why}"),
        Effect::Tell(Report::Changed { paths, .. }) => format!("{} changed", paths.join(", ")),
        Effect::Tell(Report::Artifact { name, news: ArtifactNews::Failed(failure) }) => {
            format!("{name} failed: {failure}")
        }
        Effect::Tell(Report::Artifact { name, news: ArtifactNews::Unchanged { .. } }) => {
            format!("{name} unchanged")
        }
        Effect::Tell(Report::Release { name, news: ReleaseNews::Failed(failure) }) => {
            format!("{name} failed: {failure}")
        }
        Effect::Tell(Report::Release { name, news: ReleaseNews::Unchanged { .. } }) => {
            format!("{name} unchanged")
        }
        Effect::Tell(Report::Release { name, news: ReleaseNews::Answers { target, .. } }) => {
            format!("{name} answers at {target}")
        }
        _ => return None,
    })
}

#[test]
fn nothing_is_touched_when_everything_runs_as_it_should() {
    let story = Story::up();
    let acts = story.effects.iter().filter_map(line);
    let acts: Vec<String> = acts
        .filter(|line| {
            ["build", "deliver", "render", "deploy"].iter().any(|act| line.starts_with(act))
        })
        .collect();
    assert_eq!(acts, Vec::<String>::new());
    assert_eq!(story.effects.iter().filter_map(line).next_back().unwrap(), "round over, 0 failed");
}

#[test]
fn a_release_runs_as_wanted_where_its_chart_bears_no_digest_and_else_only_with_the_same_one() {
    let with = |digit: &str| {
        let digest = Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap();
        image("web", "1").with_digest(digest)
    };
    let mut options = Options::new(Goal::Watching);
    options.pushes = true;
    for (runs, comes_to) in [
        (image("web", "1"), "settle shop"),
        (with("0"), "settle shop"),
        (with("1"), "render shop"),
        (image("web", "0"), "render shop"),
    ] {
        let mut story = Story::new(options.clone());
        for name in ["base", "web"] {
            story.hashed(name, "1");
        }
        story.hashed("api", "1");
        story.examined("db", &[], None);
        let images = [(artifact("web"), runs.clone())].into();
        let running = Running { fingerprint: "f".into(), images, revision: Some(3) };
        story.examined("shop", &["web"], Some(running));
        let told = story.seen("web", Seen { delivered: Some(with("0")), built: true });
        assert!(told.iter().any(|line| line == comes_to), "{runs}: {told:?}");
    }
}

#[test]
fn a_save_during_a_build_replaces_it_only_when_the_hash_differs() {
    let mut story = Story::up();
    assert_eq!(story.tell(saved("web")), ["hash web"]);
    assert_eq!(story.hashed("web", "2"), ["web/app.py changed", "look web:2", "render shop"]);
    assert_eq!(story.seen("web", Seen::default()), ["build web:2"]);
    assert_eq!(story.tell(saved("web")), ["hash web"], "hashed while the build runs");
    assert_eq!(story.hashed("web", "2"), Vec::<String>::new(), "the same content: it goes on");
    story.tell(saved("web"));
    assert_eq!(story.hashed("web", "3"), ["web/app.py changed", "cancel web"]);
    assert_eq!(story.built("web", Err(End::Cancelled)), ["look web:3"], "one build at a time");
    assert_eq!(story.seen("web", Seen::default()), ["build web:3"]);
    assert_eq!(story.built("web", Ok(())), ["deliver web:3"]);
}

#[test]
fn a_new_version_is_told_to_answer_once_and_only_while_it_is_the_newest() {
    let mut story = Story::up();
    story.tell(saved("web"));
    story.hashed("web", "2");
    story.seen("web", Seen { delivered: Some(image("web", "2")), built: true });
    story.rendered("shop");
    let deployed = |effect: &Effect| match effect {
        Effect::Deploy { generation, .. } => Some(*generation),
        _ => None,
    };
    let first = story.generation(deployed);
    let answered = |target: &str, generation| Event::Answered {
        release: release("shop"),
        generation,
        target: target.to_owned(),
        took: Duration::ZERO,
    };
    // It may answer before Helm has come to its end.
    assert_eq!(story.tell(answered("service/web", first)), ["shop answers at service/web"]);
    assert_eq!(story.tell(answered("service/web", first)), Vec::<String>::new());
    assert_eq!(story.tell(answered("service/api", first)), ["shop answers at service/api"]);
    // The next save is under way, and this is no news of it.
    story.tell(saved("web"));
    assert_eq!(story.tell(answered("pod/web", first)), ["shop answers at pod/web"]);
    story.hashed("web", "3");
    story.seen("web", Seen { delivered: Some(image("web", "3")), built: true });
    let generation = first;
    let result = Ok(Deployed {
        images: [(artifact("web"), image("web", "2"))].into(),
        ..Deployed::default()
    });
    story.tell(Event::Deployed { release: release("shop"), generation, result });
    story.rendered("shop");
    assert!(story.generation(deployed) > first);
    assert_eq!(story.tell(answered("job/late", first)), Vec::<String>::new());
}

#[test]
fn a_changed_base_rebuilds_its_dependants_alone() {
    let mut story = Story::up();
    assert_eq!(story.tell(saved("base")), ["hash base"]);
    assert_eq!(story.hashed("base", "2"), ["hash api"]);
    assert_eq!(story.hashed("api", "2"), ["base/app.py changed", "look api:2", "render shop"]);
    assert_eq!(story.seen("api", Seen::default()), ["look base:2"]);
    assert_eq!(story.seen("base", Seen::default()), ["build base:2"]);
    assert_eq!(story.built("base", Ok(())), ["build api:2"]);
}

/// Such as a base image that the registry calls otherwise whenever a build ends.
#[test]
fn a_build_whose_inputs_never_stay_is_not_begun_for_ever() {
    let mut story = Story::up();
    story.tell(saved("web"));
    story.hashed("web", "2");
    story.seen("web", Seen::default());
    for _ in 0..2 {
        assert_eq!(story.built("web", Err(End::Stale)), ["hash web"]);
        assert_eq!(story.hashed("web", "2"), ["build web:2"]);
    }
    assert_eq!(
        story.built("web", Err(End::Stale)),
        [
            "web failed: image `web:2` was built 3 times, each time of changed inputs",
            "shop waits for image web, which failed",
        ]
    );
    // Other inputs are another matter, and so is a person's wish.
    story.tell(saved("web"));
    assert_eq!(story.hashed("web", "2"), ["web/app.py changed", "build web:2"]);
    assert_eq!(story.built("web", Err(End::Stale)), ["hash web"]);
}

#[test]
fn a_touched_file_is_passed_over_in_silence() {
    let mut story = Story::up();
    story.tell(saved("web"));
    assert_eq!(story.hashed("web", "1"), Vec::<String>::new());
}

#[test]
fn a_failure_is_told_once_and_the_next_save_tries_again() {
    let mut story = Story::up();
    story.tell(saved("web"));
    story.hashed("web", "2");
    story.seen("web", Seen::default());
    let broken = || End::Failed(Failure::work("wharf::build::failed", "it broke"));
    assert_eq!(
        story.built("web", Err(broken())),
        ["web failed: it broke", "shop waits for image web, which failed"]
    );
    story.tell(saved("web"));
    story.hashed("web", "3");
    assert_eq!(story.seen("web", Seen::default()), ["build web:3"]);
}

#[test]
fn a_refused_login_is_tried_again_when_a_person_did_something_and_not_before() {
    let refused = || End::Failed(Failure::work("wharf::push::refused", "refused"));
    for (sign, tried) in [
        (Event::Nudged(Nudge::Mended), false),
        (Event::Nudged(Nudge::LoggedIn), true),
        (Event::Nudged(Nudge::Again), true),
        (saved("web"), true),
    ] {
        let mut story = Story::up();
        story.tell(saved("web"));
        story.hashed("web", "2");
        story.seen("web", Seen { delivered: None, built: true });
        story.delivered("web", Err(refused()));
        assert!(story.session.waits_for_login() && !story.session.waits_for_mending());
        story.tell(sign.clone());
        let failed = story.session.waits_for_login();
        assert_eq!(!failed, tried, "{sign:?}");
    }
}

#[test]
fn a_release_that_goes_back_to_what_runs_is_well_again_and_may_fail_anew() {
    let mut story = Story::up();
    let running = story.session.images();
    let running = running.into_iter().filter(|(name, _)| name.as_str() != "base").collect();
    let running = Running { fingerprint: "f".into(), images: running, revision: Some(3) };
    for _ in 0..2 {
        story.tell(chart_saved("shop"));
        let broken = Failure::work("wharf::render::template", "it does not render");
        let told = story.not_examined("shop", broken);
        let failed = "shop failed: it does not render";
        assert_eq!(told, ["shop/values.yaml changed", failed, "round over, 1 failed"]);
        story.tell(chart_saved("shop"));
        assert_eq!(
            story.examined("shop", &["api", "web"], Some(running.clone())),
            ["shop/values.yaml changed", "shop unchanged", "round over, 0 failed"]
        );
    }
}

#[test]
fn what_was_in_a_deleted_namespace_is_deployed_again() {
    let mut story = Story::up();
    let namespace = Namespace::parse("shop").unwrap();
    let lost = Event::Lost { namespace, releases: [release("shop")].into() };
    assert_eq!(story.tell(lost), ["examine shop"], "what lies elsewhere is left alone");
    assert_eq!(story.examined("shop", &["api", "web"], None), ["render shop"]);
}

/// The project with `shop` as a chart that is rolled back when it fails.
fn with_chart() -> Project {
    let mut project = project();
    project.releases.get_mut(&release("shop")).unwrap().source = ReleaseSource::Helm(HelmSource {
        packaging: crate::model::Packaging::default(),
        secret_values: vec![],
        chart: Chart::Path("/project/chart".into()),
        values: vec![],
        set: [].into(),
        image_values: [].into(),
        flags: vec![],
        rollback_on_failure: true,
        skip_crds: false,
    });
    project
}

#[test]
fn what_was_rolled_back_is_tried_again_with_the_next_save_and_not_before() {
    let mut story = Story::up_with(with_chart());
    let shop = || release("shop");
    story.tell(chart_saved("shop"));
    story.examined("shop", &["api", "web"], None);
    let generation = story.generation(|effect| match effect {
        Effect::Render { generation, .. } => Some(*generation),
        _ => None,
    });
    let result = Ok(Rendered { earlier: Some(3), ..Rendered::default() });
    story.tell(Event::Rendered { release: shop(), generation, result });
    let images = [(artifact("api"), image("api", "1")), (artifact("web"), image("web", "1"))];
    let deployed = Deployed { revision: Some(4), images: images.into(), ..Deployed::default() };
    let result = Ok(deployed);
    let told = story.tell(Event::Deployed { release: shop(), generation, result });
    assert_eq!(told, ["settle shop"]);
    let failure = Failure::work("wharf::observe::not_ready", "it crashes");
    let told = story.settled("shop", Err(End::Failed(failure)));
    assert_eq!(told, ["shop failed: it crashes", "roll back shop"]);
    assert_eq!(story.tell(Event::Nudged(Nudge::Mended)), Vec::<String>::new(), "it goes back");
    let generation = story.generation(|effect| match effect {
        Effect::RollBack { generation, .. } => Some(*generation),
        _ => None,
    });
    let told = story.tell(Event::RolledBack { release: shop(), generation, result: Ok(Some(3)) });
    assert_eq!(told, ["round over, 1 failed"]);
    assert!(!story.session.waits_for_mending());
    assert_eq!(story.tell(Event::Nudged(Nudge::Mended)), Vec::<String>::new());
    assert_eq!(story.tell(chart_saved("shop")), ["examine shop"]);
    assert_eq!(
        story.examined("shop", &["api", "web"], None),
        ["shop/values.yaml changed", "render shop"]
    );
}

#[test]
fn a_failing_upgrade_goes_back_and_a_failing_first_install_goes() {
    let refused = || End::Failed(Failure::work("wharf::deploy::helm", "it is refused"));
    let step = |namespace: &str| Undo::HelmRelease {
        release: release("shop"),
        namespace: Namespace::parse(namespace).unwrap(),
        extras: vec![],
        claims: true,
    };
    let deploys = |earlier: Option<u32>| {
        let mut story = Story::up_with(with_chart());
        story.tell(chart_saved("shop"));
        story.examined("shop", &["api", "web"], None);
        let generation = story.generation(|effect| match effect {
            Effect::Render { generation, .. } => Some(*generation),
            _ => None,
        });
        let undo = vec![step("shop")];
        let result = Ok(Rendered { earlier, undo, ..Rendered::default() });
        let told = story.tell(Event::Rendered { release: release("shop"), generation, result });
        assert_eq!(told, ["remember 1", "deploy shop"]);
        (story, generation)
    };
    let (mut story, generation) = deploys(Some(3));
    let shop = || release("shop");
    let told = story.tell(Event::Deployed { release: shop(), generation, result: Err(refused()) });
    assert_eq!(told, ["shop failed: it is refused", "roll back shop"]);
    let told = story.tell(Event::RolledBack { release: shop(), generation, result: Ok(None) });
    assert_eq!(told, ["round over, 1 failed"]);

    let (mut story, generation) = deploys(None);
    let told = story.tell(Event::Deployed { release: shop(), generation, result: Err(refused()) });
    assert_eq!(told, ["shop failed: it is refused", "unwind 1"]);
    assert_eq!(story.tell(Event::Unwound(vec![])), ["round over, 1 failed"]);
    assert_eq!(story.tell(Event::Nudged(Nudge::Mended)), Vec::<String>::new());
    assert_eq!(story.tell(Event::Interrupted), ["exit 0"], "nothing of it is left");
    // The next save begins with a way back of its own.
    let (mut story, generation) = deploys(None);
    story.tell(Event::Deployed { release: shop(), generation, result: Err(refused()) });
    assert_eq!(story.tell(chart_saved("shop")), Vec::<String>::new(), "it goes first");
    assert_eq!(story.tell(Event::Unwound(vec![])), ["examine shop"]);
    story.examined("shop", &["api", "web"], None);
    let generation = story.generation(|effect| match effect {
        Effect::Render { generation, .. } => Some(*generation),
        _ => None,
    });
    let result = Ok(Rendered { undo: vec![step("shop")], ..Rendered::default() });
    let told = story.tell(Event::Rendered { release: shop(), generation, result });
    assert_eq!(told, ["remember 1", "deploy shop"]);
}

/// Another namespace, or manifests instead of a chart: a deploy would come beside the old one.
#[test]
fn what_is_put_elsewhere_goes_first_from_where_it_was() {
    let step = Undo::HelmRelease {
        release: release("shop"),
        namespace: Namespace::parse("old").unwrap(),
        extras: vec![],
        claims: true,
    };
    let of_db = Undo::Objects { release: release("db"), objects: vec![], claims: true };
    for moves in ["namespace", "source"] {
        let mut story = Story::up_owing(with_chart(), vec![of_db.clone(), step.clone()]);
        let mut moved = with_chart();
        let shop = moved.releases.get_mut(&release("shop")).unwrap();
        match moves {
            "namespace" => shop.namespace = Some(Namespace::parse("new").unwrap()),
            _ => shop.source = project().releases[&release("shop")].source.clone(),
        }
        story.tell(config_saved());
        let told = story.tell(Event::ConfigChanged(Ok(Box::new(moved.clone()))));
        assert_eq!(told, ["wharf.yaml changed", "unwind 1"], "{moves}");
        // Another change meanwhile does not begin before it is gone.
        assert_eq!(story.tell(chart_saved("shop")), Vec::<String>::new(), "{moves}");
        assert_eq!(story.tell(Event::Unwound(vec![])), ["examine shop"], "{moves}");
        assert_eq!(story.tell(Event::Interrupted), ["unwind 1"], "{moves}");
    }
    // A change that a deploy carries out is left to it.
    let mut story = Story::up_owing(with_chart(), vec![step]);
    let mut changed = with_chart();
    changed.releases.get_mut(&release("shop")).unwrap().wait.ready = false;
    story.tell(config_saved());
    let told = story.tell(Event::ConfigChanged(Ok(Box::new(changed))));
    assert_eq!(told, ["wharf.yaml changed", "examine shop"]);
}

#[test]
fn leaving_waits_for_what_acts_and_then_unwinds() {
    let mut session = Session::new(project(), Options::new(Goal::Watching), vec![undo()]);
    let effects = session.begin();
    let generation = effects.iter().find_map(|effect| match effect {
        Effect::Hash { artifact, generation, .. } if artifact.as_str() == "web" => {
            Some(*generation)
        }
        _ => None,
    });
    let mut story = Story { session, effects };
    assert!(generation.is_some());
    assert_eq!(story.tell(Event::Interrupted), ["unwind 1"]);
    assert_eq!(story.hashed("web", "1"), Vec::<String>::new());
    assert_eq!(story.tell(Event::Unwound(vec![])), ["exit 0"]);
    assert_eq!(story.tell(saved("web")), Vec::<String>::new());
}

#[test]
fn a_second_interrupt_names_what_is_left() {
    let mut session = Session::new(project(), Options::new(Goal::Watching), vec![undo()]);
    session.begin();
    session.handle(Event::Interrupted);
    let effects = session.handle(Event::Interrupted);
    let farewell = effects.iter().find_map(|effect| match effect {
        Effect::Farewell { leftovers, .. } => Some(leftovers),
        _ => None,
    });
    assert_eq!(farewell.unwrap()[0].by_hand, "helm uninstall shop -n default");
    assert_eq!(effects.last(), Some(&Effect::Exit(Exit::Interrupted)));
}

#[test]
fn what_is_gone_already_is_not_left_over() {
    let of_db = Undo::Objects { release: release("db"), objects: vec![], claims: true };
    let steps = vec![of_db, undo()];
    let mut session = Session::new(project(), Options::new(Goal::Watching), steps);
    session.begin();
    session.handle(Event::Owed(vec![]));
    session.handle(Event::Interrupted);
    session.handle(Event::Owed(vec![undo()]));
    let effects = session.handle(Event::Interrupted);
    let farewell = effects.iter().find_map(|effect| match effect {
        Effect::Farewell { leftovers, .. } => Some(leftovers),
        _ => None,
    });
    let left: Vec<&str> = farewell.unwrap().iter().map(|left| left.by_hand.as_str()).collect();
    assert_eq!(left, ["helm uninstall shop -n default"]);
}

#[test]
fn one_named_image_brings_the_releases_that_use_it() {
    let mut options = Options::new(Goal::Watching);
    options.only.artifacts.insert(artifact("web"));
    let mut story = Story::new(options);
    let first: Vec<String> = story.effects.iter().filter_map(line).collect();
    assert_eq!(first, ["hash web", "examine db", "examine shop"]);
    story.examined("db", &[], None);
    assert_eq!(story.examined("shop", &["api", "web"], None), ["hash base", "render db"]);
}

fn undo() -> Undo {
    Undo::HelmRelease {
        release: release("shop"),
        namespace: crate::model::Namespace::parse("default").unwrap(),
        extras: vec![],
        claims: true,
    }
}

#[test]
fn what_mends_by_itself_is_something_that_is_told() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for code in super::session::OUTSIDE.into_iter().chain(super::session::REFUSED) {
        let [_, room, noun] = code.split("::").collect::<Vec<_>>()[..] else { panic!("{code}") };
        let room = ["error.rs", "driver/house.rs"].map(|file| root.join(room).join(file));
        let told = room.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let told = told.collect::<String>();
        let is_told =
            told.contains(&format!("\"{code}\"")) || told.contains(&format!("\"{noun}\""));
        assert!(is_told, "{code}");
    }
}

#[test]
fn a_release_that_meets_another_cluster_ends_the_session() {
    let mut story = Story::watching();
    let failure = Failure::work("wharf::cluster::identity_changed", "it is another one");
    let event = Event::Examined {
        release: release("shop"),
        generation: Generation::default(),
        result: Err(failure),
    };
    let effects = story.session.handle(event);
    assert_eq!(effects.last(), Some(&Effect::Exit(Exit::Failed)), "{effects:?}");
}

/// A save of the configuration.
fn config_saved() -> Event {
    let shown = vec!["wharf.yaml".to_owned()];
    Event::Saved(Saved { config: true, shown, ..Saved::default() })
}

fn ends(effects: &[Effect]) -> Option<usize> {
    effects.iter().find_map(|effect| match effect {
        Effect::EndRound { failed, .. } => Some(*failed),
        _ => None,
    })
}

#[test]
fn a_typo_is_a_round_of_its_own_and_so_is_its_mending() {
    let session = &mut Story::up().session;
    assert_eq!(ends(&session.handle(config_saved())), None);
    let typo = Failure::work("wharf::config::unknown_key", "unknown key `imagse`");
    let effects = session.handle(Event::ConfigChanged(Err(typo)));
    assert!(matches!(&effects[0], Effect::Tell(Report::Changed { .. })), "{effects:?}");
    assert_eq!(ends(&effects), Some(1));
    session.handle(config_saved());
    let effects = session.handle(Event::ConfigChanged(Ok(Box::new(project()))));
    assert_eq!(ends(&effects), Some(0));
}

#[test]
fn a_save_without_effect_does_not_hide_the_end_of_the_round_it_falls_into() {
    let mut story = Story::up();
    story.tell(saved("web"));
    story.hashed("web", "2");
    story.seen("web", Seen::default());
    story.tell(config_saved());
    story.tell(Event::ConfigChanged(Ok(Box::new(project()))));
    story.built("web", Err(End::Failed(Failure::work("wharf::build::failed", "it broke"))));
    assert!(ends(&story.effects).is_some(), "{:?}", story.effects);
}

#[test]
fn nothing_is_begun_while_the_configuration_is_read() {
    let mut story = Story::up();
    let Event::Saved(Saved { artifacts, .. }) = saved("web") else { unreachable!() };
    let both = Saved { artifacts, config: true, ..Saved::default() };
    let effects = story.session.handle(Event::Saved(both));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Hash { .. })), "{effects:?}");
    let effects = story.session.handle(Event::ConfigChanged(Ok(Box::new(project()))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Hash { .. })), "{effects:?}");
}
