//! Running steps newest first, side by side where they have nothing to do with each other.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::step;
use super::{CleanupError, Journal};
use crate::cluster::Cluster;
use crate::model::{Leftover, Namespace, ReleaseName, Undo};
use crate::report::Report;

/// How long one step may take, pods that end slowly included.
const STEP_LIMIT: Duration = Duration::from_secs(180);

/// Undoes `steps`, the newest first, and returns what is still there.
///
/// Steps that concern the same namespace keep their order; others run side by side. A step that
/// is done is taken off the journal. When `cancel` is cancelled, what is not done by then is left
/// over at once.
pub async fn unwind(
    steps: Vec<Undo>,
    cluster: &Cluster,
    journal: &Journal,
    tell: &(dyn Fn(Report) + Send + Sync),
    cancel: &CancellationToken,
) -> Vec<Leftover> {
    let (steps, elsewhere): (Vec<Undo>, Vec<Undo>) =
        steps.into_iter().partition(|step| !matches!(step, Undo::File { .. }));
    let mut groups = independent(elsewhere);
    let mut leftovers = Vec::new();
    match if steps.is_empty() { Ok(()) } else { cluster.verify().await } {
        Ok(()) => groups.extend(independent(steps)),
        // Nothing is undone on another cluster, and nothing can be on one that does not answer.
        Err(error) => {
            let error = CleanupError::from(error);
            leftovers.extend(steps.iter().rev().map(|step| leftover(step, &error)));
        }
    }
    let mut undone: Vec<BoxFuture<'_, Vec<Leftover>>> = Vec::new();
    for group in groups {
        undone.push(Box::pin(undo_group(group, cluster, journal, tell, cancel)));
    }
    leftovers.extend(futures::future::join_all(undone).await.into_iter().flatten());
    leftovers
}

/// Splits steps into groups that concern different namespaces. Cluster-wide objects may matter to
/// all of them: then there is one group.
pub(super) fn independent(steps: Vec<Undo>) -> Vec<Vec<Undo>> {
    let concerns: Vec<Concern> = steps.iter().map(concern).collect();
    if concerns.contains(&Concern::Everything) {
        return vec![steps];
    }
    let mut groups: Vec<Group> = Vec::new();
    for (index, (step, concern)) in steps.into_iter().zip(concerns).enumerate() {
        let Concern::Namespaces(mut namespaces) = concern else { continue };
        let mut members = vec![(index, step)];
        // What overlaps becomes one group.
        groups.retain_mut(|(others, steps)| {
            if others.is_disjoint(&namespaces) {
                return true;
            }
            namespaces.append(others);
            members.append(steps);
            false
        });
        members.sort_by_key(|(index, _)| *index);
        groups.push((namespaces, members));
    }
    let steps = groups.into_iter().map(|(_, steps)| steps);
    steps.map(|steps| steps.into_iter().map(|(_, step)| step).collect()).collect()
}

/// The namespaces of a group, and its steps with their places in the list.
type Group = (BTreeSet<Namespace>, Vec<(usize, Undo)>);

#[derive(Debug, PartialEq, Eq)]
enum Concern {
    Namespaces(BTreeSet<Namespace>),
    Everything,
}

fn concern(step: &Undo) -> Concern {
    let objects = match step {
        Undo::HelmRelease { extras, .. } => extras.as_slice(),
        Undo::Objects { objects, .. } => objects.as_slice(),
        // They may name objects anywhere.
        Undo::Manifests { .. } => return Concern::Everything,
        Undo::HelmRollback { .. }
        | Undo::Namespace { .. }
        | Undo::Record { .. }
        | Undo::File { .. } => &[],
    };
    let mut namespaces = BTreeSet::new();
    for object in objects {
        match &object.namespace {
            Some(namespace) => namespaces.insert(namespace.clone()),
            None => return Concern::Everything,
        };
    }
    match step {
        Undo::HelmRelease { namespace, .. }
        | Undo::HelmRollback { namespace, .. }
        | Undo::Namespace { namespace }
        | Undo::Record { namespace, .. } => {
            namespaces.insert(namespace.clone());
        }
        Undo::Objects { .. } | Undo::Manifests { .. } | Undo::File { .. } => {}
    }
    Concern::Namespaces(namespaces)
}

/// Undoes the steps of one group. The releases in it are told to go one after the other, and
/// waited for together; records and namespaces come when all that lies in them is gone.
async fn undo_group(
    mut steps: Vec<Undo>,
    cluster: &Cluster,
    journal: &Journal,
    tell: &(dyn Fn(Report) + Send + Sync),
    cancel: &CancellationToken,
) -> Vec<Leftover> {
    let mut left = Left::default();
    let mut going: Going<'_> = FuturesUnordered::new();
    let mut records = Vec::new();
    while let Some(step) = steps.pop() {
        match &step {
            Undo::Record { .. } => records.push(step),
            Undo::Namespace { .. } => {
                settle(&mut going, &mut left).await;
                forget(&mut records, &mut left, cluster, journal, tell, cancel).await;
                let outcome = if left.leftovers.is_empty() {
                    limited(cancel, step::run(&step, cluster, journal, tell)).await
                } else {
                    Err(CleanupError::Foreign(format!("{} is in it", left.leftovers[0].what)))
                };
                left.note(conclude(step, outcome, journal, tell));
            }
            _ => match limited(cancel, step::begin(&step, cluster, journal)).await {
                Ok(begun) => going.push(Box::pin(async move {
                    let outcome = limited(cancel, step::finish(&step, begun, cluster, tell)).await;
                    conclude(step, outcome, journal, tell)
                })),
                Err(error) => left.note(conclude(step, Err(error), journal, tell)),
            },
        }
    }
    settle(&mut going, &mut left).await;
    forget(&mut records, &mut left, cluster, journal, tell, cancel).await;
    left.leftovers
}

/// Releases that were told to go and are waited for.
type Going<'a> = FuturesUnordered<BoxFuture<'a, Result<(), (Undo, Leftover)>>>;

/// What could not be undone so far.
#[derive(Default)]
struct Left {
    leftovers: Vec<Leftover>,
    releases: BTreeSet<ReleaseName>,
}

impl Left {
    fn note(&mut self, outcome: Result<(), (Undo, Leftover)>) {
        if let Err((step, leftover)) = outcome {
            self.releases.extend(step.release().cloned());
            self.leftovers.push(leftover);
        }
    }
}

/// Takes releases out of the record. One that is not gone stays in it, so that another machine
/// can still find it.
async fn forget(
    records: &mut Vec<Undo>,
    left: &mut Left,
    cluster: &Cluster,
    journal: &Journal,
    tell: &(dyn Fn(Report) + Send + Sync),
    cancel: &CancellationToken,
) {
    for step in std::mem::take(records) {
        if step.release().is_some_and(|release| left.releases.contains(release)) {
            continue;
        }
        let outcome = limited(cancel, step::run(&step, cluster, journal, tell)).await;
        left.note(conclude(step, outcome, journal, tell));
    }
}

/// Waits for all releases that were told to go.
async fn settle(going: &mut Going<'_>, left: &mut Left) {
    while let Some(outcome) = going.next().await {
        left.note(outcome);
    }
}

/// Runs a part of a step until it is done, too slow or not wanted any more.
async fn limited<T>(
    cancel: &CancellationToken,
    part: impl Future<Output = Result<T, CleanupError>>,
) -> Result<T, CleanupError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(CleanupError::Interrupted),
        outcome = tokio::time::timeout(STEP_LIMIT, part) => outcome.unwrap_or_else(|_| {
            Err(CleanupError::StillThere { what: "it".to_owned(), limit: STEP_LIMIT })
        }),
    }
}

/// Takes a step that is done off the journal, and tells; one that is not is left over.
fn conclude(
    step: Undo,
    outcome: Result<Option<String>, CleanupError>,
    journal: &Journal,
    tell: &(dyn Fn(Report) + Send + Sync),
) -> Result<(), (Undo, Leftover)> {
    match outcome {
        Ok(done) => {
            if let Some(what) = done {
                tell(Report::Undone { what });
            }
            if let Err(error) = journal.forget(&step) {
                tell(Report::Warning {
                    text: format!("what is undone is still in the journal: {}", error.why()),
                    help: None,
                });
            }
            Ok(())
        }
        Err(error) => {
            let leftover = leftover(&step, &error);
            Err((step, leftover))
        }
    }
}

fn leftover(step: &Undo, error: &CleanupError) -> Leftover {
    Leftover { what: step.what(), why: error.why(), by_hand: step.by_hand() }
}
