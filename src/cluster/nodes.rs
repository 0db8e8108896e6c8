//! The machines that pods run on.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node as ApiNode;
use kube::Api;
use kube::api::ListParams;

use super::{Cluster, ClusterError};
use crate::model::Platform;

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name; for kind and k3d also the name of its container.
    pub name: String,
    /// What images must be built for to run there.
    pub platform: Platform,
    /// Pods can be started on it.
    pub ready: bool,
    /// What `/etc/machine-id` says there.
    pub machine_id: String,
}

/// What a node tells about its maker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SeenNode {
    pub(super) provider_id: String,
    pub(super) labels: BTreeMap<String, String>,
}

pub(super) async fn list(client: &kube::Client) -> Result<Vec<SeenNode>, kube::Error> {
    let nodes = Api::<ApiNode>::all(client.clone()).list(&ListParams::default()).await?;
    Ok(nodes.items.into_iter().map(seen).collect())
}

fn seen(node: ApiNode) -> SeenNode {
    SeenNode {
        provider_id: node.spec.and_then(|spec| spec.provider_id).unwrap_or_default(),
        labels: node.metadata.labels.unwrap_or_default(),
    }
}

impl Cluster {
    /// Lists the nodes, sorted by name.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when the server does not answer or the user may not list nodes.
    pub async fn nodes(&self) -> Result<Vec<Node>, ClusterError> {
        let nodes = Api::<ApiNode>::all(self.client())
            .list(&ListParams::default())
            .await
            .map_err(|error| self.explain(error))?;
        let mut nodes: Vec<Node> = nodes.items.into_iter().filter_map(node).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }
}

/// A node that has not said yet what it is gets left out.
fn node(node: ApiNode) -> Option<Node> {
    let status = node.status?;
    let facts = status.node_info?;
    let platform =
        Platform::parse(&format!("{}/{}", facts.operating_system, facts.architecture)).ok()?;
    let ready = status
        .conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    Some(Node { name: node.metadata.name?, platform, ready, machine_id: facts.machine_id })
}
