//! What is thought of one object: ready, or what it waits for.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::observe::pod::{PodState, judge};
use crate::observe::scene::Seen;
use crate::observe::trouble::{Nature, Trouble};

/// What is thought of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it should be, or will never be waited for.
    Ready,
    /// It is not there.
    Absent,
    /// It waits, for at least one thing.
    Waiting(Vec<Wait>),
}

/// One thing that an object waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    /// How it goes on after "deployment/api: ".
    pub(super) text: String,
    /// Set when it is more than a matter of time.
    pub(super) trouble: Option<Trouble>,
}

impl Wait {
    /// Only a matter of time.
    pub(super) fn ordinary(text: impl Into<String>) -> Self {
        Self { text: text.into(), trouble: None }
    }

    /// More than a matter of time.
    pub(super) fn of_trouble(text: impl Into<String>, trouble: Trouble) -> Self {
        Self { text: text.into(), trouble: Some(trouble) }
    }
}

impl Verdict {
    /// Waits for one thing that is only a matter of time.
    pub(super) fn waits(text: impl Into<String>) -> Self {
        Self::Waiting(vec![Wait::ordinary(text)])
    }
}

/// What those of `pods` that are not ready wait for.
pub(super) fn waits_of<'a>(pods: impl Iterator<Item = &'a Pod>, seen: &Seen) -> Vec<Wait> {
    pods.filter_map(|pod| match judge(pod, seen) {
        PodState::Unready(unready) => {
            let text = format!("pod {} {}", pod.name_any(), unready.text);
            Some(Wait { text, trouble: unready.trouble })
        }
        PodState::Ready | PodState::Succeeded | PodState::Going => None,
    })
    .collect()
}

/// Judges a pod of its own.
pub(super) fn of_pod(pod: &Pod, seen: &Seen) -> Verdict {
    match judge(pod, seen) {
        PodState::Ready | PodState::Succeeded => Verdict::Ready,
        PodState::Going => Verdict::waits("is being deleted"),
        PodState::Unready(unready) => {
            let mut trouble = unready.trouble;
            let restarts = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
            if let (Some("Always") | None, Some(trouble)) = (restarts, &mut trouble)
                && trouble.nature == Nature::Final
                && pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Failed")
            {
                trouble.help.push(format!("delete it: `kubectl delete pod {}`", pod.name_any()));
            }
            Verdict::Waiting(vec![Wait { text: unready.text, trouble }])
        }
    }
}
