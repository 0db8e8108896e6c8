//! The fast way of a release: images put into what runs, and Helm's record of it afterwards. Each
//! function is one task, or a part of one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::deploy::{self, DeployScope, Found, Installed, Plan, Swap};
use crate::model::Generation;
use crate::report::{Failure, ReleaseNews, Report};

use super::super::{End, Event, Patched, Recorded};
use super::desk::{Done, Kept, Prepared};
use super::releases::Work;

/// How long no file may have been saved before Helm is started: people save several in a row, and
/// Helm takes a processor away from the build of the next.
const QUIET: Duration = Duration::from_secs(2);

/// What the fast way would change; `None` where it is not open.
pub(super) async fn swap(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    installed: Option<&Installed>,
) -> Result<Option<Swap>, Failure> {
    let read = match (installed, &found.record) {
        (None, Some(record)) => {
            let read = deploy::installed(scope, &plan.release.name, &plan.namespace, record);
            read.await.map_err(|error| error.failure())?
        }
        _ => None,
    };
    let Some(installed) = installed.or(read.as_ref()) else { return Ok(None) };
    match deploy::swap_for(plan, found, installed) {
        Ok(swap) => Ok(Some(swap)),
        Err(why) => {
            tracing::debug!(release = %plan.release.name, why, "images are not put in alone");
            Ok(None)
        }
    }
}

/// Answers `Patch`.
pub(super) async fn patch(work: Work, prepared: Option<Arc<Prepared>>) -> Done {
    let began = Instant::now();
    let done = patched(&work, prepared.as_deref()).await;
    let Work { release, generation, .. } = work;
    match done {
        Err(end) => Done::of(Event::Patched { release, generation, result: Err(end) }),
        Ok(swap) => {
            let (images, lags) = (swap.after.images.clone(), swap.lags());
            let result = Ok(Patched { images, lags, took: began.elapsed() });
            let event = Event::Patched { release: release.clone(), generation, result };
            Done::keeping(event, Kept::Patched(release, Arc::new(swap.after)))
        }
    }
}

async fn patched(work: &Work, prepared: Option<&Prepared>) -> Result<Swap, End> {
    let Some((scope, prepared)) = work.house.deploy.as_ref().zip(prepared) else {
        return Err(End::Stale);
    };
    let Some((found, swap)) = prepared.found.as_ref().zip(prepared.swap.as_ref()) else {
        return Err(End::Stale);
    };
    match deploy::swap(scope, &prepared.plan, found, swap).await {
        Ok(()) => Ok(swap.clone()),
        Err(error) => {
            tracing::debug!(release = %work.release, %error, "images were not put in alone");
            Err(End::Failed(error.failure()))
        }
    }
}

/// Answers `Lull`.
pub(super) async fn lull(generation: Generation) -> Done {
    tokio::time::sleep(QUIET).await;
    Done::of(Event::Lulled(generation))
}

/// Answers `Record`.
pub(super) async fn record(
    work: Work,
    prepared: Option<Arc<Prepared>>,
    cancel: CancellationToken,
) -> Done {
    let began = Instant::now();
    let done = recorded(&work, prepared.as_deref(), &cancel).await;
    let Work { release, generation, .. } = work;
    match done {
        Err(end) => Done::of(Event::Recorded { release, generation, result: Err(end) }),
        Ok(deployed) => {
            let deploy::Deployed { revision, changed, inventory, installed, .. } = deployed;
            let result = Ok(Recorded { revision, changed, took: began.elapsed() });
            let event = Event::Recorded { release: release.clone(), generation, result };
            Done::keeping(event, Kept::Deployed(release, inventory, installed.map(Arc::new)))
        }
    }
}

async fn recorded(
    work: &Work,
    prepared: Option<&Prepared>,
    cancel: &CancellationToken,
) -> Result<deploy::Deployed, End> {
    let Some((scope, Prepared { plan, .. })) = work.house.deploy.as_ref().zip(prepared) else {
        return Err(End::Stale);
    };
    let mut found = deploy::look(scope, &plan.release, &plan.namespace).await?;
    let is_due = found.record.as_ref().is_some_and(|record| {
        record.lagging.is_some()
            && record.images == plan.images
            && record.fingerprint == plan.fingerprint
    });
    // Whoever changed it since is told of, and what is to be done is found out anew.
    if !is_due || !found.drift.is_empty() {
        return Err(End::Stale);
    }
    deploy::survey(scope, plan, &mut found).await?;
    let (name, reporter) = (work.release.clone(), work.reporter.clone());
    let tell = move |news: ReleaseNews| {
        reporter.tell(Report::Release { name: name.clone(), news });
    };
    Ok(deploy::deploy(scope, plan, &found, &tell, cancel).await?)
}
