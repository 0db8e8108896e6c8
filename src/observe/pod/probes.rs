//! A program that runs and whose probes do not hold.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Event, Pod};

use crate::observe::scene::{Seen, times};
use crate::observe::trouble::Nature;

use super::state::restarts;
use super::words::one_line;
use super::{STARTING, Unready, of_container};

const STARTUP_FAILED: &str = "Startup probe failed: ";
const READINESS_FAILED: &str = "Readiness probe failed: ";

pub(super) fn startup(pod: &Pod, container: &Container, seen: &Seen) -> Unready {
    probe(pod, container, seen, "startup probe", STARTUP_FAILED)
}

pub(super) fn readiness(pod: &Pod, container: &Container, seen: &Seen) -> Unready {
    if container.readiness_probe.is_none() {
        return Unready::waits(STARTING);
    }
    probe(pod, container, seen, "readiness probe", READINESS_FAILED)
}

pub(super) fn probe(
    pod: &Pod,
    container: &Container,
    seen: &Seen,
    name: &str,
    begin: &str,
) -> Unready {
    let field = format!("{{{}}}", container.name);
    let events = seen.events_of(pod.metadata.uid.as_deref()).iter().rev();
    let said = events.into_iter().find_map(|event| {
        let of_this = event.involved_object.field_path.as_deref();
        if !of_this.is_none_or(|path| path.ends_with(&field)) {
            return None;
        }
        event.message.as_deref()?.strip_prefix(begin).map(one_line)
    });
    if let Some(unready) = reachable(pod, container, seen, name, said.as_deref()) {
        return unready;
    }
    // A command that is quiet says nothing when it fails.
    match said.filter(|said| !said.is_empty()) {
        Some(said) => Unready::waits(format!("waits for its {name} ({said})")),
        None => Unready::waits(format!("waits for its {name}")),
    }
}

/// A program that answers through a local port and that kubelet's probe does not reach all the
/// same. A local port leads to the pod's loopback, a probe to the pod's address.
pub(super) fn reachable(
    pod: &Pod,
    container: &Container,
    seen: &Seen,
    probe: &str,
    said: Option<&str>,
) -> Option<Unready> {
    let uid = pod.metadata.uid.as_deref();
    let answers = seen.answering.get(uid?).filter(|answers| answers.restarts == restarts(pod))?;
    // One that was under way may be told later; the second is news of the pod as it answers.
    let said = said.filter(|_| probe_failures(seen.events_of(uid)) > answers.failures + 1)?;
    let text = format!("is reachable, not ready: its {probe} fails ({said})");
    if !said.contains("connection refused") {
        return Some(Unready::waits(text));
    }
    let what = format!(
        "is reachable, not ready: its {probe} passes at 127.0.0.1 in the pod and is refused at \
         the pod's address ({said})"
    );
    let trouble = of_container(pod, container, Nature::Missing, what).help(
        "it listens on 127.0.0.1 only, which nothing but a forwarded port reaches: let it listen \
         on 0.0.0.0",
    );
    Some(Unready { text, trouble: Some(trouble) })
}

/// How often kubelet said of a pod that a probe failed.
pub(in crate::observe) fn probe_failures(events: &[Arc<Event>]) -> i32 {
    let is_probe = |event: &&Arc<Event>| {
        let message = event.message.as_deref().unwrap_or_default();
        [STARTUP_FAILED, READINESS_FAILED].iter().any(|begin| message.starts_with(begin))
    };
    events.iter().filter(is_probe).map(|event| times(event)).sum()
}
