//! Looks ahead: finds the moment at which a new pod answers, before kubelet says that it is ready.
//!
//! Most of what a rollout takes is waiting on timers: kubelet's pod events, the probe's period, the
//! endpoints. A forward needs none of them. As soon as the newest pod has a node, its own probes
//! are carried out through the API server; when they pass, new connections go to it. The pods
//! before it serve until then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tokio::time::{Instant, sleep};

use super::probe::{self, Check};
use super::target::{Target, Way};
use super::tunnel::Tunnels;
use crate::observe::moments::{Milestone, Moment, Teller};
use crate::observe::pod::{is_ready, is_scheduled, probe_failures, restarts};
use crate::observe::scene::{Scene, Seen};

/// Between two looks at a pod that has just come.
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
/// Between two looks at one that has not answered for long: kubelet will say when it does.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pods that were seen to answer and that kubelet does not call ready yet, each by its UID, with
/// the number of restarts until then.
#[derive(Debug, Default)]
pub(super) struct Answering(Mutex<BTreeMap<String, i32>>);

impl Answering {
    /// Whether `pod` was seen to answer, and nothing has been heard of it since.
    pub(super) fn has(&self, pod: &Pod) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pod.metadata.deletion_timestamp.is_none()
            && pod.uid().is_some_and(|uid| known.get(&uid) == Some(&restarts(pod)))
    }

    /// One pod at a time is the newest.
    fn set(&self, pod: &Pod) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
        known.extend(pod.uid().map(|uid| (uid, restarts(pod))));
    }
}

/// Looks at each pod that comes, for as long as the forward is open, and tells when new connections
/// go to it.
pub(super) async fn scout(
    scene: Scene,
    target: Target,
    answering: Arc<Answering>,
    tunnels: Arc<Tunnels>,
    moment_tx: Option<Teller>,
) {
    let mut changes = scene.changes();
    let mut since: Option<(String, Instant)> = None;
    let mut told: Option<String> = None;
    loop {
        changes.borrow_and_update();
        if let Some(pod) = newest(&target, &scene)
            && (is_ready(&pod) || answering.has(&pod))
            && told != pod.uid()
        {
            told = pod.uid();
            let milestone = Milestone::Answered { target: target.short() };
            if let Some(moment_tx) = &moment_tx {
                // Nobody may be there to hear it any more; the forward goes on.
                let _ = moment_tx.send(Moment::new(milestone, pod)).await;
            }
        }
        if let Some((pod, way)) = coming(&target, &scene, &answering)
            && let Some(checks) = probe::checks(&pod, way.port)
        {
            let began = match &since {
                Some((uid, began)) if *uid == way.uid => *began,
                _ => since.insert((way.uid.clone(), Instant::now())).1,
            };
            if all_hold(&checks, &tunnels, &way).await {
                answering.set(&pod);
                let events = Seen::look(&scene, &target.namespace);
                let failures = probe_failures(events.events_of(pod.uid().as_deref()));
                scene.reachable().set(&target.place(), &pod, failures);
                scene.touch();
            } else {
                sleep(pause(began.elapsed())).await;
            }
            continue;
        }
        let pods = target.pods(&scene);
        let uids: Vec<&str> = pods.iter().filter_map(|pod| pod.metadata.uid.as_deref()).collect();
        tunnels.retain(&uids);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn all_hold(checks: &[Check], tunnels: &Tunnels, way: &Way) -> bool {
    for check in checks {
        if !check.holds(tunnels, way).await {
            return false;
        }
    }
    true
}

/// The longer a pod does not answer, the more rarely it is asked.
fn pause(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// The newest pod behind the target, if it is newer than every ready one and may answer soon.
fn coming(target: &Target, scene: &Scene, answering: &Answering) -> Option<(Arc<Pod>, Way)> {
    let newest = newest(target, scene)?;
    if is_ready(&newest) || answering.has(&newest) || !is_scheduled(&newest) {
        return None;
    }
    let way = target.way_to(scene, &newest).ok().flatten()?;
    Some((newest, way))
}

/// The newest pod behind the target that is not on its way out.
fn newest(target: &Target, scene: &Scene) -> Option<Arc<Pod>> {
    let pods = target.pods(scene);
    let alive = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    alive.max_by_key(|pod| (pod.creation_timestamp().map(|time| time.0), pod.name_any()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_does_not_answer_is_asked_more_and_more_rarely() {
        let millis = |elapsed| pause(Duration::from_millis(elapsed)).as_millis();
        assert_eq!([0, 1000, 2000, 10_000, 60_000].map(millis), [25, 50, 100, 500, 2000]);
    }
}
