//! What a pod is like, whatever it waits for.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

use crate::model::ImageRef;

use super::is_to_go_on;

/// How long a program that no readiness probe asks must run before it counts as started. Kubelet
/// looks for ended ones once a second, and tells the server after that.
const PROBATION: Duration = Duration::from_secs(2);

/// The same for one that has ended before.
const PROBATION_AFTER_CRASH: Duration = Duration::from_secs(10);

/// The name and image of each container that is meant to be there, init containers after the others.
pub(in crate::observe) fn images(pod: &Pod) -> impl Iterator<Item = (&str, ImageRef)> {
    let specs = pod.spec.iter();
    let containers =
        specs.flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    containers.filter_map(|container| {
        let image = ImageRef::parse(container.image.as_deref()?).ok()?;
        Some((container.name.as_str(), image))
    })
}

/// How long a pod must be called ready before that is believed: without a readiness probe a program
/// counts as ready as soon as it runs, if it ends at once or not. Nothing where it has run for
/// long, or a probe answers for the program.
pub(in crate::observe) fn probation(pod: &Pod, now: Timestamp) -> Option<Duration> {
    if pod.metadata.deletion_timestamp.is_some() || !is_to_go_on(pod) {
        return None;
    }
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let unprobed = containers.filter(|container| container.readiness_probe.is_none());
    let statuses = pod.status.iter().flat_map(|status| &status.container_statuses).flatten();
    let statuses: Vec<&ContainerStatus> = statuses.collect();
    let probations = unprobed.filter_map(|container| {
        let status = statuses.iter().find(|status| status.name == container.name);
        // What its controller says of it was heard sooner.
        let Some(status) = status else { return Some(PROBATION) };
        let state = status.state.clone().unwrap_or_default();
        let Some(running) = &state.running else {
            // What its controller says of it is older than this, or was heard sooner.
            let ended = state.terminated.is_some() || status.restart_count > 0;
            return Some(if ended { PROBATION_AFTER_CRASH } else { PROBATION });
        };
        let (probation, long) = match status.restart_count {
            0 => (PROBATION, PROBATION * 2),
            _ => (PROBATION_AFTER_CRASH, PROBATION_AFTER_CRASH),
        };
        let age = now.duration_since(running.started_at.as_ref()?.0);
        // A node whose clock is ahead has started it in the future.
        let age = Duration::try_from(age).unwrap_or_default();
        (age < long).then_some(probation)
    });
    probations.max()
}

/// Whether a pod takes connections.
pub(in crate::observe) fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether a node has been found for it, whose kubelet can be asked for it.
pub(in crate::observe) fn is_scheduled(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

/// Whether it has a network of its own, in which containers can be started.
pub(in crate::observe) fn has_sandbox(pod: &Pod) -> bool {
    let condition = condition(pod, "PodReadyToStartContainers");
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    condition.is_some_and(|condition| condition.status == "True")
        || ip.is_some_and(|ip| !ip.is_empty())
}

/// Whether all its containers run.
pub(in crate::observe) fn is_started(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let runs = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    statuses.is_some_and(|statuses| !statuses.is_empty() && statuses.iter().all(runs))
}

/// How often its containers were started again.
pub(in crate::observe) fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let containers = status.into_iter().flat_map(|status| {
        status.container_statuses.iter().chain(&status.init_container_statuses).flatten()
    });
    containers.map(|container| container.restart_count).sum()
}

pub(super) fn condition<'a>(pod: &'a Pod, sort: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == sort)
}
