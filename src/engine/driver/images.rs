//! What is done for an image: hashed, looked for, built, delivered. Each function is one task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::build::{self, BuildError, BuildInputs, Note};
use crate::model::{
    Artifact, ArtifactName, Builder, Delivery, Generation, HookFact, Hooks, ImageRef, Project,
};
use crate::report::{ArtifactNews, Failure, Report, Reporter};
use crate::tools::Tools;

use super::super::{Built, Delivered, End, Event, Hashed, Seen};
use super::desk::{Done, Kept, StepTook};
use super::hooks::{self, Around, Halt, When};
use super::house::House;

/// How many steps of a build are remembered with their times.
const STEPS: usize = 100;

/// What takes less time is no step that anybody could make faster.
const SHORTEST_STEP: Duration = Duration::from_millis(1);

/// What a look, a build and a delivery have in common.
pub(super) struct Work {
    pub(super) house: Arc<House>,
    pub(super) reporter: Reporter,
    pub(super) artifact: ArtifactName,
    pub(super) generation: Generation,
    pub(super) image: ImageRef,
    /// What the configuration says of it; absent where it no longer says anything.
    pub(super) definition: Option<Artifact>,
}

/// Answers `Hash`.
pub(super) async fn hash(
    house: Arc<House>,
    reporter: Reporter,
    project: Project,
    artifact: Artifact,
    generation: Generation,
    bases: BTreeMap<ArtifactName, ImageRef>,
) -> Done {
    let name = artifact.name.clone();
    let tell = |note: Note| {
        if house.says_first(&note.about) {
            reporter.note(note.text);
        }
    };
    match build::hash(&house.build, &artifact, &bases, &tell).await {
        Err(error) => {
            let result = Err(error.failure());
            Done::of(Event::Hashed { artifact: name, generation, result })
        }
        Ok(inputs) => {
            let image = project.image(&name, inputs.hash.tag());
            let before = build::previous(&house.build, &name);
            let why = build::why(before.as_ref(), &inputs);
            let result = Ok(Hashed { image, why });
            let event = Event::Hashed { artifact: name.clone(), generation, result };
            Done::keeping(event, Kept::Inputs(name, generation, Arc::new(inputs)))
        }
    }
}

/// Answers `Look`.
pub(super) async fn look(work: Work, inputs: Option<Arc<BuildInputs>>) -> Done {
    let Work { house, artifact, generation, image, definition, .. } = work;
    let result = seen(&house, &artifact, &image).await;
    let is_there = result.as_ref().is_ok_and(|seen| seen.built || seen.delivered.is_some());
    if let Some(definition) = definition.as_ref().filter(|definition| {
        definition.also_tagged.as_ref().is_some_and(build::tag::is_steady)
            && result.as_ref().is_ok_and(|seen| seen.built)
    }) {
        // Somebody may have committed, or tagged the commit, without changing anything.
        tag_also(&house, definition, &image, None).await;
    }
    if let Some(inputs) = inputs.filter(|_| is_there) {
        remember(&house, &inputs);
    }
    Done::of(Event::Seen { artifact, generation, result })
}

/// Writes down what an image was made from, so that the next build can say what differs.
fn remember(house: &House, inputs: &BuildInputs) {
    if let Err(error) = build::remember(&house.build, inputs) {
        tracing::warn!(%error, "what was built is not remembered");
    }
}

async fn seen(house: &House, artifact: &ArtifactName, image: &ImageRef) -> Result<Seen, Failure> {
    let in_engine = async {
        let found = house.build.engine.image(&image.to_string()).await;
        found.map(|found| found.is_some()).map_err(|error| error.failure())
    };
    let delivered = async {
        match &house.delivery {
            None | Some(Delivery::Shared) => Ok(None),
            Some(Delivery::Load) => {
                let missing = house.loader()?.missing(image).await;
                let missing = missing.map_err(|error| error.failure())?;
                Ok(missing.is_empty().then(|| image.clone()))
            }
            Some(Delivery::Push) => {
                let found = house.pusher.find(image).await.map_err(|error| error.failure())?;
                let known = build::tag::remembered(&house.build, artifact, image);
                let known = known.unwrap_or_else(|| image.clone());
                Ok(found.map(|digest| known.with_digest(digest)))
            }
        }
    };
    let (built, mut delivered) = tokio::try_join!(in_engine, delivered)?;
    if built && house.delivery == Some(Delivery::Shared) {
        delivered = Some(image.clone());
    }
    Ok(Seen { delivered, built })
}

/// Answers `Build`.
pub(super) async fn build(
    work: Work,
    inputs: Option<Arc<BuildInputs>>,
    no_cache: bool,
    cancel: CancellationToken,
) -> Done {
    let Work { house, reporter, artifact, generation, image, definition } = work;
    let Some(inputs) = inputs else {
        let result = Err(End::Stale);
        return Done::of(Event::Built { artifact, generation, result });
    };
    let began = Instant::now();
    let name = artifact.clone();
    let teller = reporter.clone();
    let steps = Mutex::new(Vec::new());
    let tell = |news: ArtifactNews| {
        if let ArtifactNews::Step { step, cached: false, done: true, took: Some(took) } = &news {
            let to = Instant::now();
            let from = to.checked_sub(*took).unwrap_or(to);
            let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
            if steps.len() < STEPS && *took >= SHORTEST_STEP {
                steps.push(StepTook { step: step.clone(), from, to });
            }
        }
        teller.tell(Report::Artifact { name: name.clone(), news });
    };
    let hooks = definition.as_ref().map(|definition| definition.hooks.clone()).unwrap_or_default();
    let around = Around {
        tools: told(&house, definition.as_ref(), &hooks, &image),
        of: artifact.as_str(),
        reporter: &reporter,
        cluster: None,
        cancel: &cancel,
    };
    if let Err(halt) = around.run(&hooks.before, When::Before).await {
        let result = Err(halt.into());
        return Done::of(Event::Built { artifact, generation, result });
    }
    let built = build::build(&house.build, &inputs, &image, no_cache, &tell, &cancel).await;
    if built.is_ok()
        && let Err(halt) = around.run(&hooks.after, When::After).await
    {
        let result = Err(halt.into());
        return Done::of(Event::Built { artifact, generation, result });
    }
    let result = match built {
        Ok(built) => {
            remember(&house, &inputs);
            if let Some(definition) = &definition {
                tag_also(&house, definition, &image, Some(&reporter)).await;
            }
            let took = began.elapsed();
            Ok(Built { cached: built.cached, steps: built.steps, took })
        }
        Err(BuildError::Cancelled { .. }) => Err(End::Cancelled),
        Err(BuildError::Stale { .. }) => Err(End::Stale),
        Err(error) => Err(End::Failed(error.failure())),
    };
    let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
    let event = Event::Built { artifact: artifact.clone(), generation, result };
    Done::keeping(event, Kept::Steps(artifact, steps))
}

impl From<Halt> for End {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Cancelled => Self::Cancelled,
            Halt::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// What hooks around a build are told.
fn told(house: &House, definition: Option<&Artifact>, hooks: &Hooks, image: &ImageRef) -> Tools {
    let folder = definition.map(|definition| match &definition.builder {
        Builder::Docker(build) => build.context.clone(),
        Builder::Command(build) => build.dir.clone(),
    });
    let tag = image.tag().map(ToString::to_string).unwrap_or_default();
    let pushes = house.delivery == Some(Delivery::Push);
    hooks::told(&house.build.tools, hooks, |fact| match fact {
        HookFact::Image => Some(image.to_string().into()),
        HookFact::Repository => Some(image.repository().into()),
        HookFact::Tag => Some(tag.clone().into()),
        HookFact::IsPushed => Some(pushes.to_string().into()),
        HookFact::Root => Some(house.build.root.clone().into()),
        HookFact::Folder => Some(folder.clone().unwrap_or_default().into()),
        _ => None,
    })
}

/// Gives `image` the tag that its artifact asks for besides; why there is none is told once to
/// `reporter`.
async fn tag_also(
    house: &House,
    definition: &Artifact,
    image: &ImageRef,
    reporter: Option<&Reporter>,
) -> Option<ImageRef> {
    let trouble = match build::tag::also(&house.build, definition, image).await {
        Ok(None) => return None,
        Ok(Some(also)) => match house.build.engine.tag(&image.to_string(), &also).await {
            Ok(()) => return Some(also),
            Err(error) => error.to_string(),
        },
        Err(why) => why,
    };
    tracing::debug!(artifact = %definition.name, %trouble, "no further tag");
    if let Some(reporter) = reporter.filter(|_| house.says_first("tag")) {
        let text = format!(
            "images have no tag but that of their content: {trouble} (`tag` of `{}`)",
            definition.name
        );
        reporter.tell(Report::Note { text });
    }
    None
}

/// Answers `Deliver`.
pub(super) async fn deliver(work: Work, cancel: CancellationToken) -> Done {
    let Work { house, reporter, artifact, generation, image, definition } = work;
    let began = Instant::now();
    let name = artifact.clone();
    let tell = |sent_bytes: u64, total_bytes: u64| {
        let news = ArtifactNews::Sending { sent_bytes, total_bytes };
        reporter.tell(Report::Artifact { name: name.clone(), news });
    };
    let done = match &house.delivery {
        None | Some(Delivery::Shared) => Ok((image.clone(), false, 0, 0)),
        Some(Delivery::Load) => load(&house, &image, &cancel).await,
        Some(Delivery::Push) => pushed(&house, definition.as_ref(), &image, &tell, &cancel).await,
    };
    let result = match done {
        _ if cancel.is_cancelled() => Err(End::Cancelled),
        Err(failure) => Err(End::Failed(failure)),
        Ok((image, pushed, sent_bytes, total_bytes)) => {
            Ok(Delivered { image, pushed, sent_bytes, total_bytes, took: began.elapsed() })
        }
    };
    Done::of(Event::Delivered { artifact, generation, result })
}

type Sent = (ImageRef, bool, u64, u64);

async fn load(
    house: &House,
    image: &ImageRef,
    cancel: &CancellationToken,
) -> Result<Sent, Failure> {
    let loaded = house.loader()?.load(image, cancel).await.map_err(|error| error.failure())?;
    Ok((image.clone(), false, loaded.sent_bytes, loaded.total_bytes))
}

async fn pushed(
    house: &House,
    definition: Option<&Artifact>,
    image: &ImageRef,
    tell: &(dyn Fn(u64, u64) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Sent, Failure> {
    let pushed = house.pusher.push(image, tell, cancel).await.map_err(|error| error.failure())?;
    let mut known = image.clone();
    if let Some(definition) = definition
        && let Some(also) = tag_also(house, definition, image, None).await
    {
        let named = house.pusher.name_also(image, &pushed.digest, &also).await;
        named.map_err(|error| error.failure())?;
        build::tag::remember(&house.build, &definition.name, image, &also);
        known = also;
    }
    Ok((known.with_digest(pushed.digest), true, pushed.sent_bytes, pushed.total_bytes))
}
