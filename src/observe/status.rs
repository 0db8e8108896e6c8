//! How the project's workloads are, for `wharf status`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::model::{Namespace, WorkloadKind, WorkloadRef};
use crate::observe::error::ObserveError;
use crate::observe::scene::{Object, Scene, Seen, Table};
use crate::observe::verdict::{self, Verdict};
use crate::observe::workload::belongs;
use crate::observe::{job, rollout};

/// How one workload is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkloadStatus {
    /// Which one.
    pub workload: WorkloadRef,
    /// `false`: it is not in the cluster.
    pub exists: bool,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that are wanted.
    pub wanted: i32,
    /// How long it has been there.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// How often its containers were started again.
    pub restarts: i32,
    /// The images of its main containers.
    pub images: Vec<String>,
    /// What it waits for, or what is wrong; one line each, empty when all is well.
    pub messages: Vec<String>,
}

/// Looks at `workloads`, in their order.
///
/// # Errors
///
/// The cluster does not answer, or does not let wharf look.
pub async fn status(
    scene: &Scene,
    workloads: &BTreeSet<WorkloadRef>,
) -> Result<Vec<WorkloadStatus>, ObserveError> {
    listed(scene, workloads).await?;
    let mut seen: BTreeMap<&Namespace, Seen> = BTreeMap::new();
    let statuses = workloads.iter().map(|workload| {
        let seen = seen
            .entry(&workload.namespace)
            .or_insert_with(|| Seen::look(scene, &workload.namespace));
        look(scene, workload, seen)
    });
    Ok(statuses.collect())
}

async fn listed(scene: &Scene, workloads: &BTreeSet<WorkloadRef>) -> Result<(), ObserveError> {
    let mut changes = scene.changes();
    loop {
        changes.borrow_and_update();
        let mut all = true;
        for workload in workloads {
            match is_listed(scene, workload) {
                Ok(listed) => all &= listed,
                Err(why) => {
                    let what = format!(
                        "{}s in namespace `{}`",
                        workload.kind.as_str(),
                        workload.namespace
                    );
                    return Err(ObserveError::unwatched(what, why));
                }
            }
        }
        if all || changes.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn is_listed(scene: &Scene, workload: &WorkloadRef) -> Result<bool, String> {
    let at = &workload.namespace;
    // Events and ReplicaSets only explain; who may not see them gets less explained.
    let explained =
        known(&scene.events(at)).unwrap_or(true) && known(&scene.replica_sets(at)).unwrap_or(true);
    let itself = match workload.kind {
        WorkloadKind::Deployment => known(&scene.deployments(at))?,
        WorkloadKind::StatefulSet => known(&scene.stateful_sets(at))?,
        WorkloadKind::DaemonSet => known(&scene.daemon_sets(at))?,
        WorkloadKind::ReplicaSet => known(&scene.replica_sets(at))?,
        WorkloadKind::Job => known(&scene.jobs(at))?,
        WorkloadKind::CronJob | WorkloadKind::Pod => true,
    };
    Ok(known(&scene.pods(at))? && itself && explained)
}

fn known<K: Object>(table: &Table<K>) -> Result<bool, String> {
    match table.trouble() {
        Some(trouble) if !table.is_listed() => Err(trouble.text),
        _ => Ok(table.is_listed()),
    }
}

/// What of an object a status shows.
struct Facts {
    created: Option<Timestamp>,
    wanted: i32,
    template: Option<PodSpec>,
    verdict: Verdict,
}

fn look(scene: &Scene, workload: &WorkloadRef, seen: &Seen) -> WorkloadStatus {
    let pods: Vec<&Pod> = seen
        .pods
        .iter()
        .map(AsRef::as_ref)
        .filter(|pod| belongs(pod, workload.kind, &workload.name))
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect();
    let facts = facts(scene, workload, seen, &pods);
    let exists = facts.is_some();
    let facts = facts.unwrap_or(Facts {
        created: None,
        wanted: 0,
        template: None,
        verdict: Verdict::Absent,
    });
    let ready = pods.iter().filter(|pod| crate::observe::pod::is_ready(pod)).count();
    let restarts = pods.iter().flat_map(|pod| pod.status.as_ref()?.container_statuses.as_ref());
    let template = facts.template.iter().flat_map(|template| &template.containers);
    WorkloadStatus {
        workload: workload.clone(),
        exists,
        ready: i32::try_from(ready).unwrap_or(i32::MAX),
        wanted: facts.wanted,
        age: facts
            .created
            .and_then(|created| Timestamp::now().duration_since(created).try_into().ok()),
        restarts: restarts.flatten().map(|status| status.restart_count).sum(),
        images: template.filter_map(|container| container.image.clone()).collect(),
        messages: match facts.verdict {
            Verdict::Ready => vec![],
            Verdict::Absent => vec!["is not in the cluster".to_owned()],
            Verdict::Waiting(waits) => waits.into_iter().map(|wait| wait.text).collect(),
        },
    }
}

fn facts(scene: &Scene, workload: &WorkloadRef, seen: &Seen, pods: &[&Pod]) -> Option<Facts> {
    let (at, name) = (&workload.namespace, workload.name.as_str());
    match workload.kind {
        WorkloadKind::Deployment => scene.deployments(at).get(name).map(|object| Facts {
            created: created(object.as_ref()),
            wanted: object.spec.replicas.unwrap_or(1),
            template: object.spec.template.spec.clone(),
            verdict: rollout::deployment(&object, seen),
        }),
        WorkloadKind::StatefulSet => scene.stateful_sets(at).get(name).map(|object| Facts {
            created: created(object.as_ref()),
            wanted: object.spec.replicas.unwrap_or(1),
            template: object.spec.template.spec.clone(),
            verdict: rollout::stateful_set(&object, seen),
        }),
        WorkloadKind::DaemonSet => scene.daemon_sets(at).get(name).map(|object| Facts {
            created: created(object.as_ref()),
            wanted: object.status.as_ref().map_or(0, |status| status.desired_number_scheduled),
            template: object.spec.template.spec.clone(),
            verdict: rollout::daemon_set(&object, seen),
        }),
        WorkloadKind::ReplicaSet => scene.replica_sets(at).get(name).map(|object| Facts {
            created: created(object.as_ref()),
            wanted: object.spec.replicas.unwrap_or(1),
            template: object.spec.template.as_ref().and_then(|template| template.spec.clone()),
            verdict: rollout::replica_set(&object, seen),
        }),
        WorkloadKind::Job => scene.jobs(at).get(name).map(|object| Facts {
            created: created(object.as_ref()),
            wanted: 0,
            template: object.spec.as_ref().and_then(|spec| spec.template.spec.clone()),
            verdict: job::judge(&object, seen),
        }),
        WorkloadKind::Pod => scene.pods(at).get(name).map(|object| Facts {
            created: created(object.as_ref()),
            wanted: 1,
            template: object.spec.clone(),
            verdict: verdict::of_pod(&object, seen),
        }),
        // Between its runs there is nothing to see of it but its pods.
        WorkloadKind::CronJob => Some(Facts {
            created: None,
            wanted: 0,
            template: pods.first().and_then(|pod| pod.spec.clone()),
            verdict: Verdict::Ready,
        }),
    }
}

fn created<K: Object>(object: &K) -> Option<Timestamp> {
    object.creation_timestamp().map(|time| time.0)
}

fn seconds<S: serde::Serializer>(age: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match age {
        Some(age) => serializer.serialize_u64(age.as_secs()),
        None => serializer.serialize_none(),
    }
}
