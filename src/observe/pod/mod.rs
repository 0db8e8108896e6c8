//! Why a pod is not ready: a decision over what the API server says of it.

mod beginning;
mod ended;
mod probes;
mod scheduling;
mod state;
mod words;

pub(super) use ended::last_crash;
pub(super) use probes::probe_failures;
pub(super) use state::{
    has_sandbox, images, is_ready, is_scheduled, is_started, probation, restarts,
};
pub(super) use words::one_line;

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};
use kube::ResourceExt;

use crate::observe::scene::Seen;
use crate::observe::trouble::{LastLines, Nature, Trouble};

use beginning::waits;
use ended::{crashed, failed};
use probes::{readiness, startup};
use scheduling::{gates, unscheduled};
use state::condition;

/// Nothing is wrong, and the steps in between are too short to be told.
const STARTING: &str = "is starting";

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PodState {
    /// It serves.
    Ready,
    /// It ended well and was meant to end.
    Succeeded,
    /// It is being deleted.
    Going,
    /// Neither of these.
    Unready(Unready),
}

/// A pod, or something else, that is not ready yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unready {
    /// How it goes on after "pod NAME …".
    pub(super) text: String,
    /// Set when it is more than a matter of time.
    pub(super) trouble: Option<Trouble>,
}

impl Unready {
    /// Only a matter of time.
    pub(super) fn waits(text: impl Into<String>) -> Self {
        Self { text: text.into(), trouble: None }
    }
}

/// Judges one pod.
pub(super) fn judge(pod: &Pod, seen: &Seen) -> PodState {
    if pod.metadata.deletion_timestamp.is_some() {
        return PodState::Going;
    }
    let status = pod.status.clone().unwrap_or_default();
    match status.phase.as_deref() {
        Some("Succeeded") => return PodState::Succeeded,
        Some("Failed") => return PodState::Unready(failed(pod)),
        _ => {}
    }
    if condition(pod, "Ready").is_some_and(|ready| ready.status == "True") {
        return PodState::Ready;
    }
    PodState::Unready(why_unready(pod, seen))
}

fn why_unready(pod: &Pod, seen: &Seen) -> Unready {
    if let Some(unready) = unscheduled(pod, seen) {
        return unready;
    }
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let init_containers = spec.init_containers.unwrap_or_default();
    let init_statuses = status.init_container_statuses.unwrap_or_default();
    for container in &init_containers {
        let found = init_statuses.iter().find(|status| status.name == container.name);
        if let Some(unready) = found.and_then(|status| init(pod, container, status, seen)) {
            return unready;
        }
    }
    let statuses = status.container_statuses.unwrap_or_default();
    let mut patient = None;
    for container in &spec.containers {
        let found = statuses.iter().find(|status| status.name == container.name);
        match found.and_then(|status| main(pod, container, status, seen)) {
            Some(unready) if unready.trouble.is_some() => return unready,
            // A container in trouble explains more than one that just takes its time.
            Some(unready) => _ = patient.get_or_insert(unready),
            None => {}
        }
    }
    patient.unwrap_or_else(|| gates(pod))
}

fn init(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    seen: &Seen,
) -> Option<Unready> {
    let is_sidecar = container.restart_policy.as_deref() == Some("Always");
    let state = status.state.clone().unwrap_or_default();
    if let Some(terminated) = &state.terminated {
        if terminated.exit_code == 0 && !is_sidecar {
            return None;
        }
        return Some(crashed(pod, container, status, terminated, LastLines::Current));
    }
    if let Some(waiting) = &state.waiting {
        return Some(waits(pod, container, status, waiting, seen));
    }
    if state.running.is_none() {
        return Some(Unready::waits(STARTING));
    }
    if !is_sidecar {
        return Some(Unready::waits(format!("runs init container `{}`", container.name)));
    }
    (status.started != Some(true)).then(|| startup(pod, container, seen))
}

fn main(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    seen: &Seen,
) -> Option<Unready> {
    let state = status.state.clone().unwrap_or_default();
    if let Some(waiting) = &state.waiting {
        return Some(waits(pod, container, status, waiting, seen));
    }
    if let Some(terminated) = &state.terminated {
        if terminated.exit_code == 0 && !is_to_go_on(pod) {
            return None;
        }
        return Some(crashed(pod, container, status, terminated, LastLines::Current));
    }
    if state.running.is_none() {
        return Some(Unready::waits(STARTING));
    }
    if status.started == Some(false) {
        return Some(startup(pod, container, seen));
    }
    if status.ready {
        return None;
    }
    // It runs again after a crash: until it is ready, the crash is what there is to know.
    let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if let Some(terminated) = before.filter(|_| status.restart_count > 0) {
        return Some(crashed(pod, container, status, terminated, LastLines::Previous));
    }
    Some(readiness(pod, container, seen))
}

/// Whether a container that ends is started again, whatever its exit code.
fn is_to_go_on(pod: &Pod) -> bool {
    let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    policy.is_none_or(|policy| policy == "Always")
}

fn of_pod(pod: &Pod, nature: Nature, what: String) -> Trouble {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    Trouble { pod: Some(pod.name_any()), ..Trouble::new(nature, uid, what) }
}

fn of_container(pod: &Pod, container: &Container, nature: Nature, what: String) -> Trouble {
    Trouble { container: Some(container.name.clone()), ..of_pod(pod, nature, what) }
}
