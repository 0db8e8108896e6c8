//! What is done for an image: hashed, looked for, built, delivered. Each function is one task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::build::{self, BuildError, BuildInputs};
use crate::model::{Artifact, ArtifactName, Delivery, Generation, ImageRef, Project};
use crate::push;
use crate::report::{ArtifactNews, Failure, Report, Reporter};

use super::super::{Built, Delivered, End, Event, Hashed, Seen};
use super::desk::{Done, Kept};
use super::house::House;

/// What a build and a delivery have in common.
pub(super) struct Work {
    pub(super) house: Arc<House>,
    pub(super) reporter: Reporter,
    pub(super) artifact: ArtifactName,
    pub(super) generation: Generation,
    pub(super) image: ImageRef,
}

/// Answers `Hash`.
pub(super) async fn hash(
    house: Arc<House>,
    project: Project,
    artifact: Artifact,
    generation: Generation,
    bases: BTreeMap<ArtifactName, ImageRef>,
) -> Done {
    let name = artifact.name.clone();
    match build::hash(&house.build, &artifact, &bases).await {
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
pub(super) async fn look(
    house: Arc<House>,
    inputs: Option<Arc<BuildInputs>>,
    artifact: ArtifactName,
    generation: Generation,
    image: ImageRef,
) -> Done {
    let result = seen(&house, &image).await;
    let is_there = result.as_ref().is_ok_and(|seen| seen.built || seen.delivered.is_some());
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

async fn seen(house: &House, image: &ImageRef) -> Result<Seen, Failure> {
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
                let found = push::find(&house.build.engine, image, &house.build.credentials).await;
                let found = found.map_err(|error| error.failure())?;
                Ok(found.map(|digest| image.with_digest(digest)))
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
    let Work { house, reporter, artifact, generation, image } = work;
    let Some(inputs) = inputs else {
        let result = Err(End::Stale);
        return Done::of(Event::Built { artifact, generation, result });
    };
    let began = Instant::now();
    let name = artifact.clone();
    let tell = move |news: ArtifactNews| {
        reporter.tell(Report::Artifact { name: name.clone(), news });
    };
    let built = build::build(&house.build, &inputs, &image, no_cache, &tell, &cancel).await;
    let result = match built {
        Ok(built) => {
            remember(&house, &inputs);
            let took = began.elapsed();
            Ok(Built { cached: built.cached, steps: built.steps, took })
        }
        Err(BuildError::Cancelled { .. }) => Err(End::Cancelled),
        Err(BuildError::Stale { .. }) => Err(End::Stale),
        Err(error) => Err(End::Failed(error.failure())),
    };
    Done::of(Event::Built { artifact, generation, result })
}

/// Answers `Deliver`.
pub(super) async fn deliver(work: Work, cancel: CancellationToken) -> Done {
    let Work { house, artifact, generation, image, .. } = work;
    let began = Instant::now();
    let done = match &house.delivery {
        None | Some(Delivery::Shared) => Ok((image.clone(), false, 0, 0)),
        Some(Delivery::Load) => load(&house, &image, &cancel).await,
        Some(Delivery::Push) => pushed(&house, &image, &cancel).await,
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
    image: &ImageRef,
    cancel: &CancellationToken,
) -> Result<Sent, Failure> {
    let tell = |_sent: u64, _total: u64| {};
    let pushed =
        push::push(&house.build.engine, image, &house.build.credentials, &tell, cancel).await;
    let pushed = pushed.map_err(|error| error.failure())?;
    Ok((image.with_digest(pushed.digest), true, pushed.sent_bytes, pushed.total_bytes))
}
