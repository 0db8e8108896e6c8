//! Which cluster, of which kind, and how an image gets there.

use serde::{Deserialize, Serialize};

/// What makes a cluster this one and no other, whatever its context is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterIdentity {
    /// UID of the `kube-system` namespace.
    KubeSystem(String),
    /// Server address and SHA-256 of the CA, where `kube-system` may not be read.
    Server {
        /// The API server's URL.
        url: String,
        /// Hexadecimal SHA-256 of the CA certificate's bytes; empty where there is none.
        ca_hash: String,
    },
}

/// Where the cluster runs, hence how an image gets there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ClusterKind {
    /// Nodes are containers of the local Engine, made by kind.
    Kind {
        /// kind's name of the cluster.
        name: String,
    },
    /// Nodes are containers of the local Engine, made by k3d.
    K3d {
        /// k3d's name of the cluster.
        name: String,
    },
    /// A virtual machine or container made by minikube.
    Minikube {
        /// The profile.
        profile: String,
    },
    /// Shares its images with the local Engine (Docker Desktop, Rancher Desktop with moby,
    /// OrbStack, Colima): there is nothing to move.
    SharedStore {
        /// The product's name.
        product: String,
    },
    /// Anything else: images come from a registry.
    Remote,
}

impl ClusterKind {
    /// Whether the cluster lives on this machine, so that it needs no explicit permission.
    #[must_use]
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Remote)
    }

    /// The command by which a person brings `image` from Docker into the nodes; absent where
    /// there is none.
    #[must_use]
    pub fn load_command(&self, image: &str) -> Option<String> {
        match self {
            Self::Kind { name } => Some(format!("kind load docker-image {image} --name {name}")),
            Self::K3d { name } => Some(format!("k3d image import {image} --cluster {name}")),
            Self::Minikube { profile } => {
                Some(format!("minikube image load {image} --profile {profile}"))
            }
            Self::SharedStore { .. } | Self::Remote => None,
        }
    }
}

/// By which way an image reaches the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Into the store of each node.
    Load,
    /// To the registry that the image's reference names.
    Push,
    /// Not at all: the nodes use the Engine's own store.
    Shared,
}
