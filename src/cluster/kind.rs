//! Which kind of cluster this is, and whether it may be used without asking.
//!
//! A context's name proves nothing: `kind-dev` may lead to a server on the other side of the
//! world. A name counts only together with an address that such a cluster can have, and what
//! kind, k3d and minikube write into their nodes has the last word.

use std::net::IpAddr;

use globset::Glob;

use super::ClusterError;
use super::kubeconfig::Pinned;
use super::nodes::SeenNode;
use crate::model::{ClusterKind, ContextName, Delivery};

/// What the kubeconfig says, before the nodes were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    kind: ClusterKind,
    loopback: bool,
}

impl Guess {
    /// The kind that name and address stand for.
    pub(super) fn kind(&self) -> &ClusterKind {
        &self.kind
    }

    /// Whether asking the server is harmless: it is local by name and address, or listens on this
    /// machine.
    pub(super) fn may_be_local(&self) -> bool {
        self.kind.is_local() || self.loopback
    }

    /// The kind after a look at the nodes; `None` where they may not be listed.
    pub(super) fn confirmed_by(&self, nodes: Option<&[SeenNode]>) -> ClusterKind {
        let Some(nodes) = nodes else {
            let believed = self.loopback || matches!(self.kind, ClusterKind::SharedStore { .. });
            return if believed { self.kind.clone() } else { ClusterKind::Remote };
        };
        if matches!(self.kind, ClusterKind::SharedStore { .. }) {
            return self.kind.clone();
        }
        match nodes.iter().find_map(maker) {
            Some(kind) => kind,
            // A cluster whose nodes have not registered yet contradicts nothing.
            None if nodes.is_empty() => self.kind.clone(),
            None => ClusterKind::Remote,
        }
    }
}

/// Reads name, address and extensions of a context.
pub(super) fn by_kubeconfig(pinned: &Pinned) -> Guess {
    let minikube = pinned.is_made_by("minikube.sigs.k8s.io");
    guess(pinned.context.as_str(), &pinned.host(), minikube)
}

pub(super) fn guess(context: &str, host: &str, minikube: bool) -> Guess {
    let loopback = is_loopback(host);
    let private = loopback || is_private(host);
    let shared = |product: &str| ClusterKind::SharedStore { product: product.to_owned() };
    let kind = match context {
        "docker-desktop" | "docker-for-desktop"
            if loopback || host == "kubernetes.docker.internal" =>
        {
            shared("Docker Desktop")
        }
        "rancher-desktop" if loopback => shared("Rancher Desktop"),
        "orbstack" if loopback || host.ends_with(".orb.local") => shared("OrbStack"),
        "minikube" if private => ClusterKind::Minikube { profile: context.to_owned() },
        _ if minikube && private => ClusterKind::Minikube { profile: context.to_owned() },
        _ if loopback && (context == "colima" || context.starts_with("colima-")) => {
            shared("Colima")
        }
        _ => match (context.strip_prefix("kind-"), context.strip_prefix("k3d-")) {
            (Some(name), _) if loopback => ClusterKind::Kind { name: name.to_owned() },
            (_, Some(name)) if loopback || host == "host.docker.internal" => {
                ClusterKind::K3d { name: name.to_owned() }
            }
            _ => ClusterKind::Remote,
        },
    };
    Guess { kind, loopback }
}

/// Who made a node, by what only the maker writes there.
fn maker(node: &SeenNode) -> Option<ClusterKind> {
    if let Some(rest) = node.provider_id.strip_prefix("kind://") {
        // kind://docker/CLUSTER/NODE
        let name = rest.split('/').nth(1)?;
        return Some(ClusterKind::Kind { name: name.to_owned() });
    }
    if let Some(rest) = node.provider_id.strip_prefix("k3s://k3d-") {
        // k3s://k3d-CLUSTER-server-0 or -agent-0
        let at = rest.rfind("-server-").or_else(|| rest.rfind("-agent-"))?;
        return Some(ClusterKind::K3d { name: rest[..at].to_owned() });
    }
    let profile = node.labels.get("minikube.k8s.io/name")?;
    Some(ClusterKind::Minikube { profile: profile.clone() })
}

/// Whether `host` is this machine. kind and k3d also write `0.0.0.0`.
pub(super) fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host == "localhost",
    }
}

/// Whether `host` is an address that virtual machines of this machine can have.
fn is_private(host: &str) -> bool {
    matches!(host.parse::<IpAddr>(), Ok(IpAddr::V4(address)) if address.is_private())
}

/// Decides whether wharf may act on `context`: it is local, named by `--context`, or allowed by
/// the configuration.
///
/// # Errors
///
/// [`ClusterError::NotAllowed`] says how to allow it.
pub fn may_use(
    context: &ContextName,
    kind: &ClusterKind,
    server: &str,
    from_flag: bool,
    allow: &[String],
) -> Result<(), ClusterError> {
    if kind.is_local() || is_permitted(context, from_flag, allow) {
        return Ok(());
    }
    Err(ClusterError::NotAllowed { context: context.clone(), server: server.to_owned() })
}

/// Whether a person has named this context, by flag or by the configuration's list.
pub(super) fn is_permitted(context: &ContextName, from_flag: bool, allow: &[String]) -> bool {
    let matches = |pattern: &String| match Glob::new(pattern) {
        Ok(glob) => glob.compile_matcher().is_match(context.as_str()),
        Err(_) => pattern == context.as_str(),
    };
    from_flag || allow.iter().any(matches)
}

/// By which way an image gets into a cluster of this kind.
pub(super) fn delivery(kind: &ClusterKind, registry: Option<&str>) -> Delivery {
    match kind {
        _ if registry.is_some() => Delivery::Push,
        ClusterKind::Kind { .. } | ClusterKind::K3d { .. } | ClusterKind::Minikube { .. } => {
            Delivery::Load
        }
        ClusterKind::SharedStore { .. } => Delivery::Shared,
        ClusterKind::Remote => Delivery::Push,
    }
}
