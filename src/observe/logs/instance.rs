//! Which run of a container its log is of: a decision over the pod's status.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// One run of a container, as far as logs care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    /// The runtime's id of it.
    pub(super) id: String,
    /// How many runs there were before.
    pub(super) restarts: i32,
    /// It still runs.
    pub(super) is_running: bool,
    /// The run before it, where kubelet still knows it.
    pub(super) previous: Option<String>,
}

/// The run that the log of `container` is of; absent before the first one.
pub(super) fn instance(pod: &Pod, container: &str) -> Option<Instance> {
    let status = pod.status.as_ref()?;
    let all = [
        &status.init_container_statuses,
        &status.container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let mut all = all.into_iter().flatten().flatten();
    of_status(all.find(|status| status.name == container)?)
}

fn of_status(status: &ContainerStatus) -> Option<Instance> {
    let state = status.state.clone().unwrap_or_default();
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let last = last.and_then(|terminated| terminated.container_id.clone());
    let restarts = status.restart_count;
    if state.running.is_some() {
        let id = status.container_id.clone()?;
        return Some(Instance { id, restarts, is_running: true, previous: last });
    }
    if let Some(terminated) = state.terminated {
        let id = terminated.container_id.or_else(|| status.container_id.clone())?;
        return Some(Instance { id, restarts, is_running: false, previous: last });
    }
    // Waiting to be started again: the log is still that of the run that ended.
    let id = last?;
    Some(Instance { id, restarts, is_running: false, previous: None })
}

/// Names of all containers of a pod, in the order in which they start.
pub(super) fn containers(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return vec![] };
    let init = spec.init_containers.iter().flatten().map(|container| &container.name);
    let main = spec.containers.iter().map(|container| &container.name);
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|container| &container.name);
    init.chain(main).chain(ephemeral).cloned().collect()
}

/// Whether a container's name says more than its pod's: not where the pod has only this one.
pub(super) fn is_named(pod: &Pod, container: &str) -> bool {
    let spec = pod.spec.as_ref();
    let main = spec.map_or(&[][..], |spec| spec.containers.as_slice());
    !matches!(main, [only] if only.name == container)
}
