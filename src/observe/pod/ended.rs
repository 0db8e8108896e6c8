//! A program that has ended.

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, ContainerStatus, Pod,
};

use crate::observe::trouble::{LastLines, Nature, Trouble};

use super::beginning::start_nature;
use super::words::{one_line, runtimes_words};
use super::{Unready, of_container, of_pod};

/// A container whose program ended.
pub(super) fn crashed(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    terminated: &ContainerStateTerminated,
    last_lines: LastLines,
) -> Unready {
    let ended = how_it_ended(container, terminated);
    let never_ran = matches!(
        terminated.reason.as_deref(),
        Some("StartError" | "ContainerCannotRun" | "ContainerStatusUnknown")
    );
    let restarts = status.restart_count;
    let nature = if never_ran { start_nature(&ended, status) } else { Nature::Crash { restarts } };
    let mut trouble = of_container(pod, container, nature, ended.clone());
    if !never_ran {
        trouble.last_lines = last_lines;
    }
    if terminated.reason.as_deref() == Some("OOMKilled") {
        trouble
            .help
            .push(format!("raise `resources.limits.memory` of container `{}`", container.name));
    }
    let text = match restarts {
        0 => ended,
        1 => format!("was started again: it {ended}"),
        _ => format!("was started again {restarts} times: it {ended}"),
    };
    Unready { text, trouble: Some(trouble) }
}

/// Such as "exited with code 1", to be read after the container's or pod's name.
pub(super) fn how_it_ended(container: &Container, terminated: &ContainerStateTerminated) -> String {
    let code = terminated.exit_code;
    match terminated.reason.as_deref() {
        Some("OOMKilled") => {
            let limits =
                container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
            match limits.and_then(|limits| limits.get("memory")) {
                Some(limit) => format!("ran out of memory (limit {})", limit.0),
                None => "ran out of memory".to_owned(),
            }
        }
        Some("StartError" | "ContainerCannotRun") => {
            format!(
                "could not be started: {}",
                runtimes_words(terminated.message.as_deref().unwrap_or_default())
            )
        }
        Some("DeadlineExceeded") => "ran longer than its deadline".to_owned(),
        _ => match code {
            0 => "exited with code 0, though it was to go on".to_owned(),
            126 => "exited with code 126: a command could not be executed".to_owned(),
            127 => "exited with code 127: a command was not found".to_owned(),
            134 => "exited with code 134: it aborted itself (SIGABRT)".to_owned(),
            137 => "exited with code 137: it was killed (SIGKILL)".to_owned(),
            139 => "exited with code 139: segmentation fault (SIGSEGV)".to_owned(),
            143 => "exited with code 143: it was asked to end (SIGTERM)".to_owned(),
            code => format!("exited with code {code}"),
        },
    }
}

/// A pod that will not be started again.
pub(super) fn failed(pod: &Pod) -> Unready {
    let status = pod.status.clone().unwrap_or_default();
    let containers = pod.spec.as_ref().map_or(&[][..], |spec| spec.containers.as_slice());
    let statuses = status.container_statuses.iter().flatten();
    let ended =
        statuses.chain(status.init_container_statuses.iter().flatten()).find_map(|status| {
            let terminated = status.state.as_ref()?.terminated.as_ref()?;
            (terminated.exit_code != 0).then_some((status, terminated))
        });
    let reason = status.reason.as_deref().filter(|reason| *reason != "Error");
    if let (Some((status, terminated)), None) = (ended, reason) {
        let unnamed = Container { name: status.name.clone(), ..Container::default() };
        let container = containers.iter().find(|container| container.name == status.name);
        let container = container.unwrap_or(&unnamed);
        let mut unready = crashed(pod, container, status, terminated, LastLines::Current);
        if let Some(trouble) = &mut unready.trouble {
            trouble.nature = Nature::Final;
        }
        return unready;
    }
    let reason = reason.unwrap_or("Failed");
    let what = match status.message.as_deref().map(one_line) {
        Some(message) => format!("ended as {reason}: {message}"),
        None => format!("ended as {reason}"),
    };
    Unready { text: what.clone(), trouble: Some(of_pod(pod, Nature::Final, what)) }
}

/// The container whose program ended last, with how and where its lines are; for pods that are
/// ready again too.
pub(in crate::observe) fn last_crash(pod: &Pod) -> Option<(i32, Trouble)> {
    let status = pod.status.as_ref()?;
    let spec = pod.spec.as_ref()?;
    let statuses = status.container_statuses.iter().flatten();
    statuses
        .filter_map(|status| {
            let ContainerState { terminated, .. } = status.last_state.clone()?;
            let terminated = terminated?;
            let container = spec.containers.iter().find(|one| one.name == status.name)?;
            let trouble =
                crashed(pod, container, status, &terminated, LastLines::Previous).trouble?;
            Some((terminated.finished_at, status.restart_count, trouble))
        })
        .max_by_key(|(finished, ..)| finished.as_ref().map(|time| time.0))
        .map(|(_, restarts, trouble)| (restarts, trouble))
}
