//! Whether an object of a well-known kind has values of the right sort.
//!
//! Unknown keys are not refused here: that is the cluster's to do, which knows its own version.

use k8s_openapi::api::{apps, autoscaling, batch, core, networking, policy, rbac, storage};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is wrong with `object`; objects of other kinds are right.
pub(super) fn check(object: &Value) -> Result<(), String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "ConfigMap") => read::<core::v1::ConfigMap>(object),
        ("v1", "Endpoints") => read::<core::v1::Endpoints>(object),
        ("v1", "LimitRange") => read::<core::v1::LimitRange>(object),
        ("v1", "Namespace") => read::<core::v1::Namespace>(object),
        ("v1", "PersistentVolume") => read::<core::v1::PersistentVolume>(object),
        ("v1", "PersistentVolumeClaim") => read::<core::v1::PersistentVolumeClaim>(object),
        ("v1", "Pod") => read::<core::v1::Pod>(object),
        ("v1", "ReplicationController") => read::<core::v1::ReplicationController>(object),
        ("v1", "ResourceQuota") => read::<core::v1::ResourceQuota>(object),
        ("v1", "Secret") => read::<core::v1::Secret>(object),
        ("v1", "Service") => read::<core::v1::Service>(object),
        ("v1", "ServiceAccount") => read::<core::v1::ServiceAccount>(object),
        ("apps/v1", "DaemonSet") => read::<apps::v1::DaemonSet>(object),
        ("apps/v1", "Deployment") => read::<apps::v1::Deployment>(object),
        ("apps/v1", "ReplicaSet") => read::<apps::v1::ReplicaSet>(object),
        ("apps/v1", "StatefulSet") => read::<apps::v1::StatefulSet>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => {
            read::<autoscaling::v2::HorizontalPodAutoscaler>(object)
        }
        ("batch/v1", "CronJob") => read::<batch::v1::CronJob>(object),
        ("batch/v1", "Job") => read::<batch::v1::Job>(object),
        ("networking.k8s.io/v1", "Ingress") => read::<networking::v1::Ingress>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => read::<networking::v1::NetworkPolicy>(object),
        ("policy/v1", "PodDisruptionBudget") => read::<policy::v1::PodDisruptionBudget>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => read::<rbac::v1::ClusterRole>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
            read::<rbac::v1::ClusterRoleBinding>(object)
        }
        ("rbac.authorization.k8s.io/v1", "Role") => read::<rbac::v1::Role>(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => read::<rbac::v1::RoleBinding>(object),
        ("storage.k8s.io/v1", "StorageClass") => read::<storage::v1::StorageClass>(object),
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> Result<(), String> {
    T::deserialize(object).map(drop).map_err(|error| error.to_string())
}
