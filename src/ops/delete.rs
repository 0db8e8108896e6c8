//! `wharf delete`: takes back what `run` left, or what a crash interrupted.

use std::collections::BTreeSet;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::cleanup;
use crate::cleanup::Journal;
use crate::docker::{Engine, intake};
use crate::files::StateDir;
use crate::graph;
use crate::model::{Namespace, ReleaseName, Undo};
use crate::report::{Failure, Report};

use super::Place;
use super::standing::Standing;

/// What is to be taken back, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Releases, or images and workloads whose releases are meant; empty: everything.
    pub names: Vec<String>,
    /// Claims for volumes stay.
    pub keep_data: bool,
    /// Only say what would be taken back.
    pub dry_run: bool,
}

/// Takes back what the journal and the record in the cluster know; `true` when nothing is left.
///
/// When `cancel` is cancelled, what is not done by then is told as left over.
///
/// # Errors
///
/// When the cluster does not answer, a name means nothing that is deployed, or another wharf
/// works on the same project.
pub async fn delete(
    place: &Place,
    request: &DeleteRequest,
    cancel: &CancellationToken,
) -> Result<bool, Failure> {
    let begun = Instant::now();
    let project = &place.project.name;
    let (standing, ()) = tokio::join!(Standing::read(place), sweep(place));
    let standing = standing?;
    let cluster = &standing.cluster;
    let state = StateDir::open(&place.paths.state, project, cluster.identity())
        .map_err(|error| error.failure())?;
    let _lock = state.lock().map_err(|error| error.failure())?;
    for command in place.tools.end_orphans().await {
        place.reporter.note(format!("ended `{command}`, which a killed wharf had left running"));
    }
    let journal = Journal::open(&state).map_err(|error| error.failure())?;

    let recorded = standing.records.iter();
    let recorded =
        recorded.flat_map(|(namespace, record)| record.undo(project, namespace, request.keep_data));
    let mut journaled = journal.steps();
    if place.cluster.namespace.is_some() {
        // What was left on purpose somewhere else is not meant; what a crash left always is.
        let owed = journal.owed();
        let elsewhere = elsewhere(&journaled, &standing.places);
        journaled.retain(|step| owed.contains(step) || !elsewhere.contains(step));
    }
    let steps = in_order(journaled, recorded.collect(), request.keep_data);
    let steps = graph::oldest_first(&place.project, steps);
    let steps = match chosen(&standing, &steps, request)? {
        Some(releases) => steps
            .into_iter()
            .filter(|step| step.release().is_some_and(|release| releases.contains(release)))
            .collect(),
        None => steps,
    };
    if steps.is_empty() {
        let context = cluster.context();
        let looked = standing.where_looked();
        place.reporter.note(format!("nothing of `{project}` is left in {looked} on {context}"));
        for namespace in &standing.elsewhere {
            place.reporter.note(format!(
                "a `{project}` is deployed in namespace {namespace}: `wharf delete -n {namespace}`"
            ));
        }
        return Ok(true);
    }
    if request.dry_run {
        // In the order of doing.
        for step in steps.iter().rev() {
            place.reporter.note(format!("would take back {}", step.what()));
        }
        return Ok(true);
    }
    // From here on a crash of this very command is one that the next `delete` mends.
    journal.remember(&steps).map_err(|error| error.failure())?;
    let tell = |report| place.reporter.tell(report);
    let pointless = pointless(&journal.steps(), &steps);
    let leftovers = cleanup::unwind(steps, cluster, &journal, &tell, cancel).await;
    for step in pointless {
        journal.forget(&step).map_err(|error| error.failure())?;
    }
    let clean = leftovers.is_empty();
    let kept = kept(&standing, request);
    place.reporter.tell(Report::Stopped { took: begun.elapsed(), leftovers, kept });
    cluster.close();
    Ok(clean)
}

/// What deliveries of a killed wharf left in the Engine goes too, where there is one.
async fn sweep(place: &Place) {
    if let Ok(engine) = Engine::connect(&place.tools) {
        intake::sweep(&engine).await;
    }
}

/// The releases that names mean; `None` where no names were given.
fn chosen(
    standing: &Standing,
    steps: &[Undo],
    request: &DeleteRequest,
) -> Result<Option<BTreeSet<ReleaseName>>, Failure> {
    if request.names.is_empty() {
        return Ok(None);
    }
    // A crash may have come before the record was written: then only the journal knows the name.
    let journaled: BTreeSet<ReleaseName> =
        steps.iter().filter_map(|step| step.release().cloned()).collect();
    let mut releases = BTreeSet::new();
    for name in &request.names {
        match journaled.iter().find(|release| release.as_str() == name) {
            Some(release) => {
                releases.insert(release.clone());
            }
            None => {
                let part = standing.part(std::slice::from_ref(name))?;
                releases.extend(part.releases.into_keys().map(|(_, release)| release));
            }
        }
    }
    Ok(Some(releases))
}

/// Both lists as one, oldest first: namespaces, since they go when all that lies in them is gone,
/// then records, then the rest.
fn in_order(journaled: Vec<Undo>, recorded: Vec<Undo>, keep_data: bool) -> Vec<Undo> {
    let mut steps: Vec<Undo> = Vec::new();
    for step in recorded.into_iter().chain(journaled) {
        let step = if keep_data { keeping_claims(step) } else { step };
        let about = |other: &Undo| {
            std::mem::discriminant(other) == std::mem::discriminant(&step)
                && step.release().is_some()
                && other.what() == step.what()
                && other.namespaces() == step.namespaces()
        };
        if !steps.contains(&step) && !steps.iter().any(about) {
            steps.push(step);
        }
    }
    let pointless = pointless(&steps, &steps);
    steps.retain(|step| !pointless.contains(step));
    steps.sort_by_key(|step| match step {
        Undo::Namespace { .. } => 0,
        Undo::Record { .. } => 1,
        _ => 2,
    });
    steps
}

/// Those of `steps` that only concern other namespaces than `places`. Objects of the whole cluster
/// are where their release is recorded.
fn elsewhere(steps: &[Undo], places: &BTreeSet<Namespace>) -> Vec<Undo> {
    let is_here = |step: &Undo| step.namespaces().iter().any(|one| places.contains(*one));
    let records = || steps.iter().filter(|step| matches!(step, Undo::Record { .. }));
    let is_elsewhere = |step: &&Undo| {
        if !step.namespaces().is_empty() {
            return !is_here(step);
        }
        let mut own = records().filter(|record| record.release() == step.release()).peekable();
        own.peek().is_some() && !own.any(is_here)
    };
    steps.iter().filter(is_elsewhere).cloned().collect()
}

/// Those of `steps` that bring back what `removals` take away altogether.
fn pointless(steps: &[Undo], removals: &[Undo]) -> Vec<Undo> {
    let removals = removals.iter();
    let removed: BTreeSet<&ReleaseName> = removals
        .filter(|step| matches!(step, Undo::HelmRelease { .. } | Undo::Objects { .. }))
        .filter_map(Undo::release)
        .collect();
    let goes_back = |step: &&Undo| {
        matches!(step, Undo::HelmRollback { .. } | Undo::Manifests { .. })
            && step.release().is_some_and(|release| removed.contains(release))
    };
    steps.iter().filter(goes_back).cloned().collect()
}

fn keeping_claims(step: Undo) -> Undo {
    match step {
        Undo::HelmRelease { release, namespace, extras, .. } => {
            Undo::HelmRelease { release, namespace, extras, claims: false }
        }
        Undo::Objects { release, objects, .. } => Undo::Objects { release, objects, claims: false },
        other => other,
    }
}

/// What was there before wharf, and therefore stays.
fn kept(standing: &Standing, request: &DeleteRequest) -> Vec<String> {
    if !request.names.is_empty() {
        return Vec::new();
    }
    let releases = standing.records.values().flat_map(|record| &record.releases);
    releases.filter(|(_, record)| record.found).map(|(name, _)| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectRef;

    fn namespace() -> Namespace {
        Namespace::parse("dev").unwrap()
    }

    fn release(name: &str) -> ReleaseName {
        ReleaseName::parse(name).unwrap()
    }

    fn helm(name: &str, claims: bool) -> Undo {
        let (release, namespace) = (release(name), namespace());
        Undo::HelmRelease { release, namespace, extras: vec![], claims }
    }

    fn record(name: &str) -> Undo {
        let (namespace, release) = (namespace(), release(name));
        Undo::Record { namespace, name: "wharf.shop".into(), release }
    }

    fn whats(steps: &[Undo]) -> Vec<String> {
        steps.iter().map(Undo::what).collect()
    }

    #[test]
    fn namespaces_go_last_and_nothing_goes_twice() {
        let place = Undo::Namespace { namespace: namespace() };
        let journaled = vec![place.clone(), record("shop"), helm("shop", true)];
        let recorded = vec![place.clone(), record("db"), helm("db", true), helm("shop", true)];
        let steps = in_order(journaled, recorded, false);
        assert_eq!(
            whats(&steps),
            whats(&[place, record("db"), record("shop"), helm("db", true), helm("shop", true)])
        );
    }

    #[test]
    fn what_lies_in_another_namespace_is_left_alone() {
        let other = Namespace::parse("other").unwrap();
        let objects = |release_name: &str, namespace: Option<&Namespace>| Undo::Objects {
            release: release(release_name),
            objects: vec![ObjectRef {
                api_version: "v1".into(),
                kind: "ConfigMap".into(),
                namespace: namespace.cloned(),
                name: "one".into(),
            }],
            claims: true,
        };
        let recorded = |release_name: &str, namespace: &Namespace| Undo::Record {
            namespace: namespace.clone(),
            name: "wharf.shop".into(),
            release: release(release_name),
        };
        let there = [
            Undo::Namespace { namespace: other.clone() },
            recorded("db", &other),
            objects("db", Some(&other)),
            objects("db", None),
        ];
        let here = [
            Undo::Namespace { namespace: namespace() },
            recorded("shop", &namespace()),
            objects("shop", Some(&namespace())),
            objects("shop", None),
            objects("unknown", None),
        ];
        let all = [&there[..], &here[..]].concat();
        assert_eq!(elsewhere(&all, &BTreeSet::from([namespace()])), there);
        // The same release in both is two.
        let both = vec![objects("db", Some(&other)), objects("db", Some(&namespace()))];
        assert_eq!(in_order(both.clone(), vec![], false), both);
    }

    #[test]
    fn what_is_removed_does_not_go_back_first() {
        let back = |name: &str| Undo::HelmRollback {
            release: release(name),
            namespace: namespace(),
            revision: 3,
        };
        let steps = in_order(vec![back("shop"), back("found")], vec![helm("shop", true)], false);
        assert_eq!(whats(&steps), whats(&[helm("shop", true), back("found")]));
    }

    #[test]
    fn data_stays_when_asked_to() {
        assert_eq!(in_order(vec![helm("shop", true)], vec![], true), [helm("shop", false)]);
    }
}
