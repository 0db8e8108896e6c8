//! The nodes of a cluster that are containers of the Engine.

use std::collections::BTreeMap;

use crate::docker::Engine;
use crate::model::ClusterKind;

use super::LoadError;

/// Where a node's containerd listens.
const KIND_SOCKET: &str = "/run/containerd/containerd.sock";
const K3S_SOCKET: &str = "/run/k3s/containerd/containerd.sock";

/// A node that takes images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// The container's name, which is the node's.
    pub(super) name: String,
    /// The container's ID: a node made anew under the same name is another.
    pub(super) id: String,
    /// Containerd's socket in it.
    pub(super) socket: &'static str,
}

/// What each node's `/etc/machine-id` says, as the API server knows it, by the node's name.
pub(super) type MachineIds = BTreeMap<String, String>;

/// Checks that `nodes` are those whose ids are `known`: the Engine may have another cluster of the
/// same name.
pub(super) async fn check(
    engine: &Engine,
    kind: &ClusterKind,
    nodes: &[Node],
    known: &MachineIds,
) -> Result<(), LoadError> {
    let (tool, cluster) = match kind {
        ClusterKind::K3d { name } => ("k3d", name),
        ClusterKind::Kind { name } => ("kind", name),
        _ => return Ok(()),
    };
    for node in nodes {
        let asked = engine.exec(&node.name, &["cat", "/etc/machine-id"]).await?;
        let id = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        if known.get(&node.name).is_none_or(|known| *known != id) {
            let (cluster, node) = (cluster.clone(), node.name.clone());
            return Err(LoadError::OtherCluster { tool, cluster, node });
        }
    }
    Ok(())
}

/// The nodes of the cluster, all of which must run.
pub(super) async fn of(engine: &Engine, kind: &ClusterKind) -> Result<Vec<Node>, LoadError> {
    let (tool, cluster, label, role, roles, socket) = match kind {
        ClusterKind::Kind { name } => (
            "kind",
            name,
            format!("io.x-k8s.kind.cluster={name}"),
            "io.x-k8s.kind.role",
            ["control-plane", "worker"],
            KIND_SOCKET,
        ),
        ClusterKind::K3d { name } => (
            "k3d",
            name,
            format!("k3d.cluster={name}"),
            "k3d.role",
            ["server", "agent"],
            K3S_SOCKET,
        ),
        ClusterKind::Minikube { profile } => {
            return Err(LoadError::NotLoadable { cluster: format!("minikube `{profile}`") });
        }
        ClusterKind::SharedStore { product } => {
            return Err(LoadError::NotLoadable { cluster: product.clone() });
        }
        ClusterKind::Remote => {
            return Err(LoadError::NotLoadable { cluster: "a remote cluster".to_owned() });
        }
    };
    let mut containers = engine.containers(&label).await?;
    // Load balancers and registries carry the label too.
    containers.retain(|container| {
        container.labels.get(role).is_some_and(|role| roles.contains(&role.as_str()))
    });
    containers.sort_by(|left, right| left.name.cmp(&right.name));
    if containers.is_empty() {
        return Err(LoadError::NoSuchCluster { tool, cluster: cluster.clone() });
    }
    let nodes = containers.into_iter().map(|container| {
        if container.running {
            Ok(Node { name: container.name, id: container.id, socket })
        } else {
            Err(LoadError::NodeNotRunning { node: container.name, state: container.state })
        }
    });
    nodes.collect()
}
