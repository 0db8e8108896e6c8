//! What can go wrong on an image's way into the nodes.

use crate::docker::DockerError;
use crate::model::ImageRef;
use crate::report::{Failure, FailureKind};

/// An image cannot be brought into the nodes.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody wants the result any more.
    #[error("loading `{image}` was cancelled")]
    Cancelled {
        /// Which image.
        image: ImageRef,
    },
    /// This kind of cluster takes no images from the Engine.
    #[error("images cannot be loaded into {cluster}")]
    NotLoadable {
        /// The kind of cluster.
        cluster: String,
    },
    /// The Engine has no containers that are nodes of it.
    #[error("{tool} has no cluster named `{cluster}` on this Docker Engine")]
    NoSuchCluster {
        /// `kind` or `k3d`.
        tool: &'static str,
        /// The cluster's name.
        cluster: String,
    },
    /// The Engine has a cluster of this name, which is not the one that was meant.
    #[error(
        "{tool} cluster `{cluster}` of this Docker Engine is not the one that the context leads to"
    )]
    OtherCluster {
        /// `kind` or `k3d`.
        tool: &'static str,
        /// The cluster's name.
        cluster: String,
        /// The container that is no node of it.
        node: String,
    },
    /// A node's container does not run.
    #[error("node `{node}` is {state}")]
    NodeNotRunning {
        /// The node.
        node: String,
        /// `exited`, `paused` …
        state: String,
    },
    /// A node has no room.
    #[error("node `{node}` has no space left for `{image}`")]
    NoSpace {
        /// The node.
        node: String,
        /// Which image.
        image: ImageRef,
    },
    /// The Engine does not have the image.
    #[error("Docker has no image `{image}`")]
    NoImage {
        /// Which image.
        image: ImageRef,
    },
    /// A node's containerd cannot be talked to directly.
    #[error("containerd of node `{node}` cannot be reached through the node's container")]
    NoLink {
        /// The node.
        node: String,
        /// The reason.
        why: String,
    },
    /// The Engine does not hand out single layers.
    #[error("single layers of `{image}` cannot be had from Docker")]
    NoLayers {
        /// Which image.
        image: ImageRef,
        /// The reason.
        why: String,
    },
    /// A node refused it.
    #[error("node `{node}` did not take `{image}`")]
    Refused {
        /// The node.
        node: String,
        /// Which image.
        image: ImageRef,
        /// The node's words.
        why: String,
    },
    /// The Engine is away, or did not do what it was asked.
    #[error("the nodes cannot be reached through Docker")]
    Engine(#[source] Box<DockerError>),
}

impl From<DockerError> for LoadError {
    fn from(error: DockerError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl LoadError {
    /// The stable name of what went wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled { .. } => "wharf::load::cancelled",
            Self::NotLoadable { .. } => "wharf::load::not_loadable",
            Self::NoSuchCluster { .. } => "wharf::load::no_such_cluster",
            Self::OtherCluster { .. } => "wharf::load::other_cluster",
            Self::NodeNotRunning { .. } => "wharf::load::node_not_running",
            Self::NoSpace { .. } => "wharf::load::no_space",
            Self::NoImage { .. } => "wharf::load::no_image",
            Self::NoLink { .. } => "wharf::load::no_link",
            Self::NoLayers { .. } => "wharf::load::no_layers",
            Self::Refused { .. } => "wharf::load::refused",
            Self::Engine(source) => source.code(),
        }
    }

    /// The failure as a person and an event see it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        if let Self::Engine(source) = self {
            return source.failure();
        }
        let kind = match self {
            Self::NotLoadable { .. } | Self::NoSuchCluster { .. } | Self::OtherCluster { .. } => {
                FailureKind::Request
            }
            _ => FailureKind::Work,
        };
        let failure = Failure::from_error(kind, self.code(), self);
        match self {
            Self::Cancelled { .. } | Self::Engine(_) => failure,
            Self::NotLoadable { .. } => failure.help("name a `registry` that both sides can reach"),
            Self::NoSuchCluster { tool: "k3d", cluster } => failure
                .help(format!("create it: `k3d cluster create {cluster}`"))
                .help("if it runs elsewhere, point DOCKER_HOST at that Engine"),
            Self::NoSuchCluster { cluster, .. } => failure
                .help(format!("create it: `kind create cluster --name {cluster}`"))
                .help("if it runs elsewhere, point DOCKER_HOST at that Engine"),
            Self::OtherCluster { node, .. } => failure
                .because(format!("container `{node}` is no node of it, so no image goes there"))
                .help("point DOCKER_HOST at the Engine that runs it, or name a `registry`"),
            Self::NodeNotRunning { node, state } if state == "paused" => {
                failure.help(format!("wake it: `docker unpause {node}`"))
            }
            Self::NodeNotRunning { node, .. } => {
                failure.help(format!("start it: `docker start {node}`"))
            }
            Self::NoSpace { node, .. } => failure
                .help(format!("see what fills it: `docker exec {node} df -h`"))
                .help(format!("remove unused images: `docker exec {node} crictl rmi --prune`")),
            Self::NoImage { .. } => failure.help("build it: `wharf build`"),
            Self::NoLink { node, why } => failure
                .because(why.clone())
                .help(format!("see whether it works: `docker exec {node} ctr version`")),
            Self::NoLayers { why, .. } => failure.because(why.clone()),
            Self::Refused { node, why, .. } => failure
                .because(why.clone())
                .help(format!("see its log: `docker exec {node} journalctl -u containerd -n 20`")),
        }
    }
}
