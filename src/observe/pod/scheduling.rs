//! A pod that no node has been found for, or that something else holds back.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::observe::scene::Seen;
use crate::observe::trouble::{Nature, Trouble};

use super::state::condition;
use super::{STARTING, Unready, of_pod};

pub(super) fn unscheduled(pod: &Pod, seen: &Seen) -> Option<Unready> {
    let scheduled = condition(pod, "PodScheduled");
    let assigned = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let Some(scheduled) = scheduled.filter(|scheduled| scheduled.status == "False") else {
        return (!assigned).then(|| Unready::waits(STARTING));
    };
    if scheduled.reason.as_deref() == Some("SchedulingGated") {
        return Some(Unready::waits("waits for its scheduling gates to be lifted"));
    }
    let reason = schedulers_words(scheduled.message.as_deref().unwrap_or("no reason given"));
    if let Some(unready) = unbound_claim(pod, seen) {
        return Some(unready);
    }
    let text = format!("is unschedulable: {reason}");
    if reason.contains("unbound immediate PersistentVolumeClaims") {
        return Some(Unready::waits(text));
    }
    let nature = if seen.is_something_going() { Nature::Passing } else { Nature::Capacity };
    let what = format!("unschedulable: {reason}");
    let help = scheduling_help(&reason);
    let trouble = help.into_iter().fold(of_pod(pod, nature, what), Trouble::help);
    Some(Unready { text, trouble: Some(trouble) })
}

/// The first claim of the pod that is known to be stuck.
pub(super) fn unbound_claim(pod: &Pod, seen: &Seen) -> Option<Unready> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let names = volumes.iter().filter_map(|volume| {
        let claim = volume.persistent_volume_claim.as_ref();
        claim.map(|claim| claim.claim_name.clone())
    });
    names.into_iter().find_map(|name| {
        let claim = seen.claims.iter().find(|claim| claim.name_any() == name)?;
        let (why, nature) = crate::observe::claim::why_stuck(claim, seen)?;
        let what = format!("claim `{name}` is unbound: {why}");
        let mut trouble = of_pod(pod, nature, what.clone());
        trouble.help = crate::observe::claim::help(claim, &why);
        Some(Unready { text: format!("waits: {what}"), trouble: Some(trouble) })
    })
}

/// What the scheduler says, without its account of preemption, which never helps.
pub(super) fn schedulers_words(message: &str) -> String {
    let end = message.find(" preemption:").unwrap_or(message.len());
    let words = message[..end].trim();
    let words = words.strip_suffix("no new claims to deallocate,").unwrap_or(words);
    words.trim().trim_end_matches('.').to_owned()
}

pub(super) fn scheduling_help(reason: &str) -> Option<String> {
    let help = if reason.contains("Insufficient cpu") || reason.contains("Insufficient memory") {
        "lower `resources.requests`, or free room: `kubectl describe nodes` shows who holds it"
    } else if reason.contains("node affinity") || reason.contains("node selector") {
        "no node has the labels that `nodeSelector` or `affinity` asks for: `kubectl get nodes --show-labels`"
    } else if reason.contains("untolerated taint") {
        "add the toleration, or remove the taint: `kubectl describe nodes | grep -i taints`"
    } else if reason.contains("free ports") {
        "another pod holds the `hostPort`; drop it, wharf forwards ports without one"
    } else {
        return None;
    };
    Some(help.to_owned())
}

pub(super) fn gates(pod: &Pod) -> Unready {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_ref());
    let open = gates.into_iter().flatten().find(|gate| {
        condition(pod, &gate.condition_type).is_none_or(|condition| condition.status != "True")
    });
    match open {
        Some(gate) => {
            Unready::waits(format!("waits for its readiness gate `{}`", gate.condition_type))
        }
        None => Unready::waits(STARTING),
    }
}
