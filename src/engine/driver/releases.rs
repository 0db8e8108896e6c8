//! What is done for a release: examined, rendered, deployed, settled. Each function is one task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::deploy::{self, DeployError, Swap, UndoOptions};
use crate::model::{
    ArtifactName, Chart, Delivery, Generation, HelmSource, HookFact, ImageRef, Namespace, Project,
    Release, ReleaseName, ReleaseSource, Tag,
};
use crate::observe::{self, ObserveError, Settling};
use crate::render::{self, Shape};
use crate::report::{Failure, ReleaseNews, Report, Reporter};

use super::super::{Deployed, End, Event, Examined, Rendered, Running};
use super::desk::{Done, ExaminedRelease, Kept, KnownRelease, Prepared};
use super::fast;
use super::hooks::{self, Around, When};
use super::house::House;

/// What the acts on a release have in common.
pub(super) struct Work {
    pub(super) house: Arc<House>,
    pub(super) reporter: Reporter,
    pub(super) project: Project,
    pub(super) release: ReleaseName,
    pub(super) generation: Generation,
}

impl Work {
    fn parts(&self) -> Result<(&Release, Namespace), Failure> {
        let release = self.project.releases.get(&self.release);
        let release = release.ok_or_else(|| dropped(&self.release))?;
        Ok((release, self.house.namespace_of(release)))
    }
}

fn dropped(release: &ReleaseName) -> Failure {
    let what = format!("the configuration no longer has a release `{release}`");
    Failure::work("wharf::engine::dropped", what)
}

/// Answers `Examine`.
pub(super) async fn examine(
    house: Arc<House>,
    project: Project,
    name: ReleaseName,
    generation: Generation,
    keep_data: bool,
) -> Done {
    let Some(release) = project.releases.get(&name) else {
        let result = Err(dropped(&name));
        return Done::of(Event::Examined { release: name, generation, result });
    };
    match examined(&house, &project, release, keep_data).await {
        Err(failure) => {
            let failure = failure.relative_to(&project.root);
            Done::of(Event::Examined { release: name, generation, result: Err(failure) })
        }
        Ok((examined, kept)) => {
            let result = Ok(examined);
            let event = Event::Examined { release: name.clone(), generation, result };
            Done::keeping(event, Kept::Examined(name, Arc::new(kept)))
        }
    }
}

async fn examined(
    house: &House,
    project: &Project,
    release: &Release,
    keep_data: bool,
) -> Result<(Examined, ExaminedRelease), Failure> {
    let namespace = house.namespace_of(release);
    fetch_dependencies(house, release).await?;
    let fingerprint = fingerprint(release.clone(), namespace.clone()).await?;
    let found = match &house.deploy {
        Some(scope) => {
            Some(deploy::look(scope, release, &namespace).await.map_err(|error| error.failure())?)
        }
        None => None,
    };
    let record = found.as_ref().and_then(|found| found.record.as_ref());
    let record = record.filter(|record| record.fingerprint == fingerprint);
    // The record knows which images it uses, so that the unchanged run needs no Helm.
    let known = record.filter(|record| {
        record.images.keys().all(|artifact| project.artifacts.contains_key(artifact))
    });
    let (uses, shape) = match known {
        Some(record) => (record.images.keys().cloned().collect::<BTreeSet<_>>(), None),
        None => {
            let shape = shape(house, project, release).await?;
            (shape.uses.clone(), Some(shape))
        }
    };
    let drift = found.as_ref().map(|found| found.drift.clone()).unwrap_or_default();
    // Where Helm's history lags behind, an upgrade is due.
    let as_left = known.filter(|record| drift.is_empty() && record.lagging.is_none());
    // What a session had made for itself has yet to be told that it stays.
    let as_left = as_left.filter(|record| record.standing || !house.standing);
    let running = as_left.map(|record| Running {
        fingerprint: record.fingerprint.clone(),
        images: record.images.clone(),
        revision: record.revision,
    });
    let undo = match (&house.deploy, &found) {
        (Some(scope), Some(found)) if running.is_some() && !house.standing => {
            deploy::owed(found, release, &namespace, &scope.project, keep_data)
        }
        _ => Vec::new(),
    };
    let watched = render::watched(release);
    let kept = ExaminedRelease { shape, found, watched };
    Ok((Examined { fingerprint, uses, running, drift, undo }, kept))
}

/// Fetches the charts that a chart depends on, if `charts/` does not have them as locked.
async fn fetch_dependencies(house: &House, release: &Release) -> Result<(), Failure> {
    let ReleaseSource::Helm(HelmSource { chart: Chart::Path(chart), .. }) = &release.source else {
        return Ok(());
    };
    if render::dependencies_satisfied(chart).map_err(|error| error.failure())? {
        return Ok(());
    }
    let scope = house.render().await?;
    let built = render::build_dependencies(scope, release).await;
    built.map(drop).map_err(|error| error.failure())
}

async fn fingerprint(release: Release, namespace: Namespace) -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(move || render::fingerprint(&release, &namespace));
    match read.await {
        Ok(read) => read.map_err(|error| error.failure()),
        Err(_) => Err(Failure::bug("reading a release's files panicked")),
    }
}

/// How a release's images get into it.
async fn shape(house: &House, project: &Project, release: &Release) -> Result<Shape, Failure> {
    let any = Tag::parse("wharf").map_err(|error| Failure::bug(error.to_string()))?;
    let images: BTreeMap<ArtifactName, ImageRef> = (project.artifacts.keys())
        .map(|name| (name.clone(), project.image(name, any.clone())))
        .collect();
    let scope = house.render().await?;
    render::uses(scope, release, &images).await.map_err(|error| error.failure())
}

/// What decides how a deploy will be taken back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// Claims stay.
    pub(super) keep_data: bool,
    /// Releases that were there before go back to the revision that was found.
    pub(super) roll_back: bool,
    /// The journal says already that the release is to be taken back.
    pub(super) remembered: bool,
    /// Images may be put in by themselves, where nothing else differs.
    pub(super) images_alone: bool,
}

/// Answers `Render`.
pub(super) async fn render(
    work: Work,
    known: KnownRelease,
    images: BTreeMap<ArtifactName, ImageRef>,
    wishes: Wishes,
) -> Done {
    let prepared = prepare(&work, known, &images, wishes).await;
    let Work { release, generation, project, .. } = work;
    match prepared {
        Err(failure) => {
            let result = Err(failure.relative_to(&project.root));
            Done::of(Event::Rendered { release, generation, result })
        }
        Ok((rendered, prepared)) => {
            let result = Ok(rendered);
            let event = Event::Rendered { release: release.clone(), generation, result };
            Done::keeping(event, Kept::Prepared(release, generation, Arc::new(prepared)))
        }
    }
}

async fn prepare(
    work: &Work,
    known: KnownRelease,
    images: &BTreeMap<ArtifactName, ImageRef>,
    wishes: Wishes,
) -> Result<(Rendered, Prepared), Failure> {
    let house = &work.house;
    let (release, _) = work.parts()?;
    let KnownRelease { examined, installed, lost } = known;
    let shape = match examined.as_ref().and_then(|known| known.shape.clone()) {
        Some(shape) => shape,
        None => shape(house, &work.project, release).await?,
    };
    let scope = house.render().await?;
    let rendered = render::render(scope, release, &shape, images);
    let mut rendered = rendered.await.map_err(|error| error.failure())?;
    let yaml = rendered.yaml.clone();
    let places = std::mem::take(&mut rendered.places);
    let plan = house.plan(release, rendered, wishes.keep_data, wishes.remembered).await?;
    let Some(scope) = &house.deploy else {
        return Ok((Rendered::default(), Prepared { plan, found: None, yaml, places, swap: None }));
    };
    let mut found =
        deploy::look(scope, release, &plan.namespace).await.map_err(|error| error.failure())?;
    deploy::refuse_pending(&plan, &found).map_err(|error| error.failure())?;
    let why = match cut_off(&found, &plan) {
        Some(why) => why,
        None if lost || found.namespace_leaving => "its namespace was deleted".to_owned(),
        None if deploy::has_only_to_stay(&found, &plan) => {
            "it runs as wanted, and stays from here on".to_owned()
        }
        None => why(&found, &plan.fingerprint, &plan.images),
    };
    deploy::survey(scope, &plan, &mut found).await.map_err(|error| error.failure())?;
    let options = UndoOptions {
        keep_data: wishes.keep_data,
        roll_back: wishes.roll_back,
        remembered: wishes.remembered,
    };
    let undo = deploy::undo_for(&found, &plan, &work.project.name, options)
        .map_err(|error| error.failure())?;
    let kept = deploy::kept(&found, &plan);
    let claims = deploy::claims_that_go(&found, &plan).map_err(|error| error.failure())?;
    // Hooks are run around a deploy, and expect one.
    let swap = match wishes.images_alone && plan.release.hooks.is_empty() {
        true => fast::swap(scope, &plan, &found, installed.as_deref()).await?,
        false => None,
    };
    let earlier = found.helm.as_ref().and_then(|helm| helm.last_good);
    let images_alone = swap.is_some();
    let bridged = swap.as_ref().is_some_and(Swap::is_bridged);
    let prepared = Prepared { plan, found: Some(found), yaml, places, swap };
    Ok((Rendered { undo, kept, claims, why, images_alone, bridged, earlier }, prepared))
}

/// What an earlier Helm began and never ended, where its owner is dead, and how that is mended
/// first.
fn cut_off(found: &deploy::Found, plan: &deploy::Plan) -> Option<String> {
    let helm = found.helm.as_ref().filter(|helm| helm.is_pending() && plan.may_repair)?;
    let first = match helm.last_good.filter(|_| helm.status != "uninstalling") {
        Some(revision) => format!("goes back to revision {revision}"),
        None => "is uninstalled".to_owned(),
    };
    Some(format!("a killed Helm left it {}; first it {first}", helm.status))
}

/// Why what runs is not what is wanted, for a person.
fn why(
    found: &deploy::Found,
    fingerprint: &str,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> String {
    let Some(record) = &found.record else {
        return match found.installed_by_other {
            Some(revision) => format!("found at revision {revision}, installed by somebody else"),
            None => "first deploy".to_owned(),
        };
    };
    if record.fingerprint.is_empty() {
        return "its last deploy did not succeed".to_owned();
    }
    if record.fingerprint != fingerprint {
        return "its chart, values or manifests changed".to_owned();
    }
    let runs = |(name, image): &(&ArtifactName, &ImageRef)| {
        record.images.get(*name).is_some_and(|recorded| recorded.runs(image))
    };
    let changed = images.iter().filter(|image| !runs(image));
    let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
    match changed.as_slice() {
        [] if record.lagging.is_some() => "Helm's history does not have what runs".to_owned(),
        [] => "what runs is not as it was left".to_owned(),
        names => format!("{} changed", names.join(", ")),
    }
}

/// Answers `Deploy`.
pub(super) async fn deploy(
    work: Work,
    prepared: Option<Arc<Prepared>>,
    cancel: CancellationToken,
) -> Done {
    let began = Instant::now();
    let deployed = deployed(&work, prepared.as_deref(), &cancel).await;
    let Work { release, generation, .. } = work;
    match deployed {
        Err(end) => Done::of(Event::Deployed { release, generation, result: Err(end) }),
        Ok(deployed) => {
            let images = prepared.map(|prepared| prepared.plan.images.clone()).unwrap_or_default();
            let (revision, pruned) = (deployed.revision, deployed.pruned);
            let result = Ok(Deployed { revision, images, pruned, took: began.elapsed() });
            let event = Event::Deployed { release: release.clone(), generation, result };
            let installed = deployed.installed.map(Arc::new);
            Done::keeping(event, Kept::Deployed(release, deployed.inventory, installed))
        }
    }
}

async fn deployed(
    work: &Work,
    prepared: Option<&Prepared>,
    cancel: &CancellationToken,
) -> Result<deploy::Deployed, End> {
    let scope = work.house.deploy.as_ref();
    let found = prepared.and_then(|prepared| prepared.found.as_ref());
    let Some(((scope, prepared), found)) = scope.zip(prepared).zip(found) else {
        return Err(End::Stale);
    };
    let (name, reporter) = (work.release.clone(), work.reporter.clone());
    let tell = move |news: ReleaseNews| {
        reporter.tell(Report::Release { name: name.clone(), news });
    };
    let plan = &prepared.plan;
    if let Some(stays) = deploy::let_stay(scope, plan, found).await? {
        tell_what_is_not_kept(work, &stays);
        return Ok(stays);
    }
    let hooks = &plan.release.hooks;
    let around = Around {
        tools: hooks::told(scope.cluster.tools(), hooks, |fact| match fact {
            HookFact::Context => Some(scope.cluster.context().to_string().into()),
            HookFact::Namespace => Some(plan.namespace.as_str().into()),
            HookFact::Root => Some(work.project.root.clone().into()),
            HookFact::Project => Some(work.project.name.as_str().into()),
            _ => None,
        }),
        of: work.release.as_str(),
        reporter: &work.reporter,
        cluster: Some((&scope.cluster, &plan.namespace)),
        cancel,
    };
    around.run(&hooks.before, When::Before).await?;
    let deployed = match deploy::deploy(scope, plan, found, &tell, cancel).await {
        Ok(deployed) => deployed,
        Err(error) => {
            let place = error.object().and_then(|object| prepared.places.get(&object));
            let End::Failed(failure) = End::from(error) else { return Err(End::Cancelled) };
            let failure = match place {
                Some(place) => failure.written_in(place),
                None => failure,
            };
            return Err(End::Failed(failure.relative_to(&work.project.root)));
        }
    };
    tell_what_is_not_kept(work, &deployed);
    if !hooks.after.is_empty() {
        // They are for what was deployed, not for the pods that it replaces.
        let objects: Vec<Value> =
            deployed.inventory.iter().map(deploy::Recorded::outline).collect();
        settled(work, &objects, &BTreeSet::new(), cancel).await?;
        around.run(&hooks.after, When::After).await?;
    }
    Ok(deployed)
}

fn tell_what_is_not_kept(work: &Work, deployed: &deploy::Deployed) {
    if deployed.too_large_to_keep {
        let name = &work.release;
        let what = format!("the manifests of `{name}` are too large to be kept in the cluster");
        let help =
            "`wharf dev` will leave what it changes in them as it is; split them up".to_owned();
        work.reporter.warn(what, Some(help));
    }
}

impl From<DeployError> for End {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Cancelled { .. } => Self::Cancelled,
            error => Self::Failed(error.failure()),
        }
    }
}

/// Answers `Settle`.
pub(super) async fn settle(
    work: Work,
    objects: Vec<Value>,
    images: BTreeMap<ArtifactName, ImageRef>,
    cancel: CancellationToken,
) -> Done {
    let began = Instant::now();
    let loads = work.house.delivery == Some(Delivery::Load);
    let late = images.into_values().filter(|_| loads).collect();
    let result = match settled(&work, &objects, &late, &cancel).await {
        Ok(()) => Ok(began.elapsed()),
        Err(end) => Err(end),
    };
    let Work { release, generation, .. } = work;
    Done::of(Event::Settled { release, generation, result })
}

async fn settled(
    work: &Work,
    objects: &[Value],
    late: &BTreeSet<ImageRef>,
    cancel: &CancellationToken,
) -> Result<(), End> {
    let Some(scene) = &work.house.scene else { return Ok(()) };
    let (release, namespace) = work.parts().map_err(End::Failed)?;
    let settling = Settling {
        release: &work.release,
        namespace: &namespace,
        objects,
        late,
        rule: &release.wait,
    };
    let reporter = work.reporter.clone();
    let tell = move |report: Report| reporter.tell(report);
    match observe::settle(scene, settling, &tell, cancel).await {
        Ok(()) => Ok(()),
        Err(ObserveError::Cancelled) => Err(End::Cancelled),
        Err(error) => Err(End::Failed(error.failure())),
    }
}

/// Answers `RollBack`.
pub(super) async fn roll_back(work: Work, to: Option<u32>) -> Done {
    let result = rolled_back(&work, to).await;
    let Work { release, generation, .. } = work;
    Done::of(Event::RolledBack { release, generation, result })
}

/// The revision that runs again; none where a deploy has failed before Helm did anything.
async fn rolled_back(work: &Work, to: Option<u32>) -> Result<Option<u32>, Failure> {
    let (release, namespace) = work.parts()?;
    let Some((scope, to)) = work.house.deploy.as_ref().zip(to) else { return Ok(None) };
    let cancel = CancellationToken::new();
    let gone_back = deploy::roll_back(scope, &release.name, &namespace, to, &cancel).await;
    let is_needed = gone_back.map_err(|error| error.failure())?;
    Ok(is_needed.then_some(to))
}
