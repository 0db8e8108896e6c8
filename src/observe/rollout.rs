//! Whether a Deployment, StatefulSet, DaemonSet or ReplicaSet runs what it was told to run.
//!
//! The rules are those of `kubectl rollout status`:
//! <https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/rollout_status.go>.

use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, DeploymentCondition, ReplicaSet, StatefulSet,
};
use kube::ResourceExt;

use crate::observe::pod::one_line;
use crate::observe::scene::Seen;
use crate::observe::trouble::{Nature, Trouble};
use crate::observe::verdict::{Verdict, Wait, waits_of};

const NOT_NOTICED: &str = "waits for its controller to notice the change";

/// Judges a Deployment.
pub(super) fn deployment(deployment: &Deployment, seen: &Seen) -> Verdict {
    let spec = deployment.spec.clone();
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation < deployment.metadata.generation {
        return Verdict::waits(NOT_NOTICED);
    }
    if spec.paused == Some(true) {
        // Nothing moves until somebody resumes it.
        return Verdict::Ready;
    }
    let wanted = spec.replicas.unwrap_or(1);
    let total = status.replicas.unwrap_or(0);
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    if updated >= wanted && total <= updated && available >= updated {
        return Verdict::Ready;
    }
    let newest = seen.newest_replica_set(deployment);
    let mut waits = match newest {
        Some(set) => waits_of(seen.pods_of(set.metadata.uid.as_deref()).map(AsRef::as_ref), seen),
        None => vec![],
    };
    let uid = deployment.uid().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    if let Some(failure) = conditions.iter().find(|one| is(one, "ReplicaFailure", "True")) {
        waits.push(refused(&uid, failure.message.as_deref()));
    }
    let is_late = conditions.iter().any(|one| {
        is(one, "Progressing", "False") && one.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    if is_late {
        let seconds = spec.progress_deadline_seconds.unwrap_or(600);
        let why = waits.first().map(|wait| format!(": {}", wait.text)).unwrap_or_default();
        let what = format!("made no progress for {seconds} s{why}");
        let trouble = waits.iter().find_map(|wait| wait.trouble.clone());
        let trouble = trouble.unwrap_or_else(|| Trouble::new(Nature::Final, uid, what.clone()));
        let trouble = Trouble { nature: Nature::Final, what: what.clone(), ..trouble };
        return Verdict::Waiting(vec![Wait::of_trouble(what, trouble)]);
    }
    if waits.is_empty() {
        waits.push(Wait::ordinary(if updated < wanted {
            format!("waits for {} of {wanted} pods to be made", wanted - updated)
        } else if available < updated {
            format!("waits for {} of {wanted} pods to be available", updated - available)
        } else {
            format!("waits for {} old pods to go", total - updated)
        }));
    }
    Verdict::Waiting(waits)
}

fn is(condition: &DeploymentCondition, sort: &str, status: &str) -> bool {
    condition.type_.as_deref() == Some(sort) && condition.status.as_deref() == Some(status)
}

/// Judges a StatefulSet.
pub(super) fn stateful_set(set: &StatefulSet, seen: &Seen) -> Verdict {
    let spec = set.spec.clone();
    let status = set.status.clone().unwrap_or_default();
    if status.observed_generation < set.metadata.generation {
        return Verdict::waits(NOT_NOTICED);
    }
    let strategy = spec.update_strategy.unwrap_or_default();
    if strategy.type_.as_deref() == Some("OnDelete") {
        // Pods are replaced when somebody deletes them.
        return Verdict::Ready;
    }
    let wanted = spec.replicas.unwrap_or(1);
    let partition = strategy.rolling_update.and_then(|update| update.partition).unwrap_or(0);
    let ready = status.ready_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(ready).min(ready);
    let updated = status.updated_replicas.unwrap_or(0);
    let is_updated = if partition > 0 {
        updated >= wanted - partition
    } else {
        status.update_revision == status.current_revision || updated >= wanted
    };
    if is_updated && available >= wanted {
        return Verdict::Ready;
    }
    let uid = set.metadata.uid.as_deref();
    let mut waits = waits_of(seen.pods_of(uid).map(AsRef::as_ref), seen);
    if spec.pod_management_policy.as_deref() != Some("Parallel") {
        let newest = status.update_revision.as_deref();
        let broken: Vec<_> = seen
            .pods_of(uid)
            .filter(|pod| {
                pod.labels().get("controller-revision-hash").map(String::as_str) != newest
            })
            .map(|pod| pod.name_any())
            .collect();
        block(&mut waits, &broken, set);
    }
    if let Some(event) = seen.last_event(uid, &["FailedCreate"])
        && seen.pods_of(uid).count() < usize::try_from(wanted).unwrap_or(0)
        && waits.is_empty()
    {
        waits.push(refused(&set.uid().unwrap_or_default(), event.message.as_deref()));
    }
    if waits.is_empty() {
        waits.push(Wait::ordinary(if is_updated {
            format!("waits for {} of {wanted} pods to be ready", wanted - available)
        } else {
            format!("waits for {} of {wanted} pods to be updated", wanted - partition - updated)
        }));
    }
    Verdict::Waiting(waits)
}

/// A StatefulSet that goes in order waits for a broken pod of the old revision before it replaces
/// it, hence for ever:
/// <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>.
fn block(waits: &mut [Wait], old_pods: &[String], set: &StatefulSet) {
    for trouble in waits.iter_mut().filter_map(|wait| wait.trouble.as_mut()) {
        let Some(pod) = trouble.pod.clone().filter(|pod| old_pods.contains(pod)) else { continue };
        if !matches!(trouble.nature, Nature::Crash { .. } | Nature::Pull { .. } | Nature::Final) {
            continue;
        }
        let namespace = set.namespace().unwrap_or_default();
        trouble.nature = Nature::Final;
        trouble.help = vec![format!(
            "a StatefulSet does not replace a broken pod of its old revision: `kubectl delete pod {pod} -n {namespace}`"
        )];
    }
}

/// Judges a DaemonSet.
pub(super) fn daemon_set(set: &DaemonSet, seen: &Seen) -> Verdict {
    let spec = set.spec.clone();
    let status = set.status.clone().unwrap_or_default();
    if status.observed_generation < set.metadata.generation {
        return Verdict::waits(NOT_NOTICED);
    }
    if spec.update_strategy.and_then(|strategy| strategy.type_).as_deref() == Some("OnDelete") {
        return Verdict::Ready;
    }
    let wanted = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    if updated >= wanted && available >= wanted {
        return Verdict::Ready;
    }
    let uid = set.metadata.uid.as_deref();
    let mut waits = waits_of(seen.pods_of(uid).map(AsRef::as_ref), seen);
    if waits.is_empty() {
        waits.push(Wait::ordinary(if updated < wanted {
            format!("waits for {} of {wanted} pods to be updated", wanted - updated)
        } else {
            format!("waits for {} of {wanted} pods to be available", wanted - available)
        }));
    }
    Verdict::Waiting(waits)
}

/// Judges a ReplicaSet that no Deployment owns.
pub(super) fn replica_set(set: &ReplicaSet, seen: &Seen) -> Verdict {
    let status = set.status.clone().unwrap_or_default();
    if status.observed_generation < set.metadata.generation {
        return Verdict::waits(NOT_NOTICED);
    }
    let wanted = set.spec.replicas.unwrap_or(1);
    let available = status.available_replicas.unwrap_or(0);
    if available >= wanted {
        return Verdict::Ready;
    }
    let mut waits = waits_of(seen.pods_of(set.metadata.uid.as_deref()).map(AsRef::as_ref), seen);
    if waits.is_empty() {
        waits.push(Wait::ordinary(format!(
            "waits for {} of {wanted} pods to be available",
            wanted - available
        )));
    }
    Verdict::Waiting(waits)
}

/// The API server does not let the controller make pods: a quota, an admission rule.
fn refused(uid: &str, message: Option<&str>) -> Wait {
    let why = one_line(message.unwrap_or("no reason given"));
    // `pods "api-6c9f-" is forbidden: exceeded quota: …`: the name is made up.
    let why = why.split_once(" is forbidden: ").map_or(why.as_str(), |(_, rest)| rest).to_owned();
    let what = format!("its pods are refused: {why}");
    Wait::of_trouble(what.clone(), Trouble::new(Nature::Missing, uid, what))
}
