//! Objects in the cluster, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Namespace;

/// One object of the cluster, as its manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Such as `apps/v1` or `v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// Absent for cluster-wide kinds.
    pub namespace: Option<Namespace>,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectRef {
    /// The API group, empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Type and name as an object's manifest has them, and nothing else.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        let mut metadata = serde_json::json!({ "name": self.name });
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = namespace.as_str().into();
        }
        serde_json::json!({
            "apiVersion": self.api_version, "kind": self.kind, "metadata": metadata,
        })
    }

    /// `deployment/api`, as kubectl prints it.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind.to_ascii_lowercase(), self.name)
    }

    /// What kubectl is to be given for this object: `deployments.v1.apps/api` without ambiguity
    /// is not needed by people, so the group is named only outside the core and well-known groups.
    #[must_use]
    pub fn by_hand(&self) -> String {
        let group = self.group();
        let kind = self.kind.to_ascii_lowercase();
        let kind = match group {
            ""
            | "apps"
            | "batch"
            | "rbac.authorization.k8s.io"
            | "networking.k8s.io"
            | "storage.k8s.io"
            | "policy"
            | "autoscaling" => kind,
            group => format!("{kind}.{group}"),
        };
        match &self.namespace {
            Some(namespace) => format!("{kind}/{} -n {namespace}", self.name),
            None => format!("{kind}/{}", self.name),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// The kinds that make pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `apps/v1` ReplicaSet that no Deployment owns.
    ReplicaSet,
    /// `batch/v1` Job.
    Job,
    /// `batch/v1` CronJob.
    CronJob,
    /// A pod of its own.
    Pod,
}

impl WorkloadKind {
    /// The kind of a manifest, where it makes pods.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "Deployment" => Self::Deployment,
            "StatefulSet" => Self::StatefulSet,
            "DaemonSet" => Self::DaemonSet,
            "ReplicaSet" => Self::ReplicaSet,
            "Job" => Self::Job,
            "CronJob" => Self::CronJob,
            "Pod" => Self::Pod,
            _ => return None,
        })
    }

    /// Lower case, as kubectl takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::ReplicaSet => "replicaset",
            Self::Job => "job",
            Self::CronJob => "cronjob",
            Self::Pod => "pod",
        }
    }
}

/// Something that makes pods, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadRef {
    /// Which sort of workload.
    pub kind: WorkloadKind,
    /// Where it lives.
    pub namespace: Namespace,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}
