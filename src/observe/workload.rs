//! Which pods belong to which workload.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

use crate::model::{Namespace, WorkloadKind, WorkloadRef};

/// The workloads among manifests. What names no namespace lies in `default`.
#[must_use]
pub fn workloads(objects: &[Value], default: &Namespace) -> BTreeSet<WorkloadRef> {
    objects.iter().filter_map(|object| workload(object, default)).collect()
}

fn workload(object: &Value, default: &Namespace) -> Option<WorkloadRef> {
    let group = object["apiVersion"].as_str()?;
    if !matches!(group, "v1" | "apps/v1" | "batch/v1") {
        return None;
    }
    let kind = WorkloadKind::of(object["kind"].as_str()?)?;
    let name = object["metadata"]["name"].as_str()?.to_owned();
    let namespace = object["metadata"]["namespace"].as_str();
    let namespace = namespace.and_then(|namespace| Namespace::parse(namespace).ok());
    Some(WorkloadRef { kind, namespace: namespace.unwrap_or_else(|| default.clone()), name })
}

/// The one of `workloads` that `pod` belongs to.
pub(super) fn owner_among<'a>(
    pod: &Pod,
    workloads: impl IntoIterator<Item = &'a WorkloadRef>,
) -> Option<&'a WorkloadRef> {
    let namespace = pod.namespace()?;
    let mut workloads = workloads.into_iter();
    workloads.find(|workload| {
        workload.namespace.as_str() == namespace && belongs(pod, workload.kind, &workload.name)
    })
}

/// Whether `pod` belongs to the workload of this kind and name in its namespace.
pub(super) fn belongs(pod: &Pod, kind: WorkloadKind, name: &str) -> bool {
    let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true));
    let Some(owner) = owner else {
        return kind == WorkloadKind::Pod && pod.name_any() == name;
    };
    match (kind, owner.kind.as_str()) {
        // A Deployment names its ReplicaSets after itself and the hash of the pod template:
        // https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/deployment/sync.go
        (WorkloadKind::Deployment, "ReplicaSet") => {
            let hash = pod.labels().get("pod-template-hash").map_or("", String::as_str);
            let deployment = owner.name.strip_suffix(hash).and_then(|rest| rest.strip_suffix('-'));
            !hash.is_empty() && deployment == Some(name)
        }
        // A CronJob names its Jobs after itself and the minute.
        (WorkloadKind::CronJob, "Job") => {
            let minute = owner.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            minute.is_some_and(|minute| {
                !minute.is_empty() && minute.bytes().all(|byte| byte.is_ascii_digit())
            })
        }
        (WorkloadKind::StatefulSet, "StatefulSet")
        | (WorkloadKind::DaemonSet, "DaemonSet")
        | (WorkloadKind::ReplicaSet, "ReplicaSet")
        | (WorkloadKind::Job, "Job") => owner.name == name,
        _ => false,
    }
}

/// Tells one replica of a workload from another: an ordinal, or the end of the pod's name.
pub(super) fn replica_name(pod: &Pod) -> String {
    let name = pod.name_any();
    name.rsplit('-').next().unwrap_or(&name).to_owned()
}

/// What makes two pods of a workload the same version of it.
pub(super) fn version(pod: &Pod) -> Option<&str> {
    const HASHES: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];
    let labels = pod.labels();
    HASHES.iter().find_map(|hash| labels.get(*hash)).map(String::as_str)
}
