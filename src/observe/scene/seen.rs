//! One look at a namespace: everything that judging needs, taken at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::Scene;
use crate::model::{ClusterKind, Namespace};
use crate::observe::reachable::Answers;

/// What is known of a namespace at one moment. Plain data: judging is a table that tests can fill.
#[derive(Debug, Default)]
pub(in crate::observe) struct Seen {
    pub(in crate::observe) pods: Vec<Arc<Pod>>,
    pub(in crate::observe) replica_sets: Vec<Arc<ReplicaSet>>,
    pub(in crate::observe) claims: Vec<Arc<PersistentVolumeClaim>>,
    pub(in crate::observe) endpoint_slices: Vec<Arc<EndpointSlice>>,
    /// Kind (`Secret`, `ConfigMap`, `PersistentVolumeClaim` …) and name of what is deployed
    /// together: a complaint that one of them is missing is out of date.
    pub(in crate::observe) deployed: BTreeSet<(String, String)>,
    /// StorageClasses that bind a claim only when a pod uses it.
    pub(in crate::observe) binds_on_use: BTreeSet<String>,
    /// Pods that answer through a local port, by their UID.
    pub(in crate::observe) answering: BTreeMap<String, Answers>,
    /// Which kind of cluster it is, where that matters.
    pub(in crate::observe) kind: Option<ClusterKind>,
    /// By UID of the object concerned, oldest first.
    events: BTreeMap<String, Vec<Arc<Event>>>,
}

impl Seen {
    /// Looks at what is watched of `namespace`.
    pub(in crate::observe) fn look(scene: &Scene, namespace: &Namespace) -> Self {
        Self {
            pods: scene.pods(namespace).all(),
            replica_sets: scene.replica_sets(namespace).all(),
            answering: scene.reachable().all(),
            kind: Some(scene.kind().clone()),
            ..Self::default()
        }
        .with_events(scene.events(namespace).all())
    }

    /// Adds events.
    pub(in crate::observe) fn with_events(mut self, events: Vec<Arc<Event>>) -> Self {
        for event in events {
            let uid = event.involved_object.uid.clone().unwrap_or_default();
            self.events.entry(uid).or_default().push(event);
        }
        for events in self.events.values_mut() {
            events.sort_by_key(|event| when(event));
        }
        self
    }

    /// What was said about the object with this UID, oldest first.
    pub(in crate::observe) fn events_of(&self, uid: Option<&str>) -> &[Arc<Event>] {
        uid.and_then(|uid| self.events.get(uid)).map_or(&[], Vec::as_slice)
    }

    /// The last thing said about the object with this UID for one of `reasons`.
    pub(in crate::observe) fn last_event(
        &self,
        uid: Option<&str>,
        reasons: &[&str],
    ) -> Option<&Arc<Event>> {
        let events = self.events_of(uid).iter().rev();
        events
            .into_iter()
            .find(|event| event.reason.as_deref().is_some_and(|reason| reasons.contains(&reason)))
    }

    /// The number that the newest ReplicaSet of `deployment` has in the names of its pods.
    pub(in crate::observe) fn newest_replica_set(
        &self,
        deployment: &Deployment,
    ) -> Option<&Arc<ReplicaSet>> {
        const REVISION: &str = "deployment.kubernetes.io/revision";
        let revision = deployment.annotations().get(REVISION)?;
        let uid = deployment.metadata.uid.as_deref();
        self.replica_sets.iter().find(|set| {
            set.annotations().get(REVISION) == Some(revision)
                && set.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid)
        })
    }

    /// Pods whose controller has this UID.
    pub(in crate::observe) fn pods_of(&self, uid: Option<&str>) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.iter().filter(move |pod| {
            let mut owners = pod.owner_references().iter();
            owners.any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == uid)
        })
    }

    /// Whether some pod is on its way out and will give back what it holds.
    pub(in crate::observe) fn is_something_going(&self) -> bool {
        self.pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some())
    }
}

/// When an event last happened: there are three generations of the field.
fn when(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    series
        .or(event.event_time.as_ref())
        .map(|time| time.0)
        .max(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// How often an event was repeated.
pub(in crate::observe) fn times(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    series.or(event.count).unwrap_or(1).max(1)
}
