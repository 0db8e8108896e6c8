//! In which order objects come and go.

use crate::model::ObjectRef;

/// Kinds in the order in which they are needed by what follows; the order of Helm, which people
/// know: <https://github.com/helm/helm/blob/main/pkg/release/v1/util/kind_sorter.go>.
const FIRST_TO_LAST: [&str; 36] = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "RuntimeClass",
    "CSIDriver",
    "IngressClass",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "StatefulSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "CronJob",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
];

/// The rank of what defines further kinds.
pub(super) const DEFINITIONS: usize = 1;

/// When an object of this kind comes; smaller is earlier. Kinds that Kubernetes does not define
/// come last: their controllers and webhooks may be among the rest.
pub(super) fn rank(object: &ObjectRef) -> usize {
    let known = FIRST_TO_LAST.iter().position(|kind| *kind == object.kind);
    match known {
        // `Service` of Knative and the like are nobody's foundation.
        Some(rank) if is_built_in(object) => rank,
        _ => FIRST_TO_LAST.len(),
    }
}

/// Whether Kubernetes itself defines the kind.
#[must_use]
pub fn is_built_in(object: &ObjectRef) -> bool {
    let group = object.group();
    matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy") || group.ends_with(".k8s.io")
}

/// Sorts `objects` into groups: one after the other, what is in one group side by side.
pub fn in_order<T>(objects: Vec<T>, of: impl Fn(&T) -> &ObjectRef) -> Vec<Vec<T>> {
    let mut by_rank: std::collections::BTreeMap<usize, Vec<T>> = std::collections::BTreeMap::new();
    for object in objects {
        let rank = rank(of(&object));
        by_rank.entry(rank).or_default().push(object);
    }
    by_rank.into_values().collect()
}

/// Whether an object is known to live in no namespace. Kinds that Kubernetes does not define are
/// not known here.
pub(super) fn is_cluster_wide(object: &ObjectRef) -> bool {
    let kinds = [
        "Namespace",
        "CustomResourceDefinition",
        "PriorityClass",
        "StorageClass",
        "PersistentVolume",
        "ClusterRole",
        "ClusterRoleBinding",
        "RuntimeClass",
        "CSIDriver",
        "IngressClass",
        "APIService",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "VolumeAttributesClass",
        "DeviceClass",
        "FlowSchema",
        "PriorityLevelConfiguration",
        "Node",
    ];
    kinds.contains(&object.kind.as_str()) && is_built_in(object)
}
