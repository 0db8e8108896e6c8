//! What can go wrong on the way to a cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::KubeconfigError;

use super::kubeconfig::Pinned;
use crate::model::{ClusterKind, ContextName};
use crate::report::Failure;

/// The cluster cannot be used, or an answer of it was no success.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No file, or only files without a context.
    #[error("no kubeconfig with a context was found")]
    NoKubeconfig {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// A file cannot be read or understood.
    #[error("the kubeconfig{} cannot be used", in_file(path.as_deref()))]
    BadKubeconfig {
        /// Which file, where it is only one.
        path: Option<PathBuf>,
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// None was asked for, and the kubeconfig has no current one.
    #[error("the kubeconfig has no current context")]
    NoCurrentContext {
        /// The contexts that there are.
        candidates: Vec<String>,
    },
    /// The one that was asked for is not in the kubeconfig.
    #[error("the kubeconfig has no context `{context}`")]
    NoSuchContext {
        /// What was asked for.
        context: String,
        /// The contexts that there are.
        candidates: Vec<String>,
    },
    /// The context names something that the kubeconfig lacks.
    #[error("context `{context}` lacks {missing}")]
    IncompleteContext {
        /// The context.
        context: String,
        /// What is missing, such as "cluster `x`".
        missing: String,
    },
    /// The context is not local, and nobody has allowed it.
    #[error("context `{context}` is not a local cluster, and nobody allowed it")]
    NotAllowed {
        /// The context.
        context: ContextName,
        /// Where it leads.
        server: String,
    },
    /// The private kubeconfig cannot be written.
    #[error("`{}` cannot be written to", folder.display())]
    NotWritten {
        /// The runtime folder.
        folder: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answers at the server's address.
    #[error("cluster `{context}` does not answer at {server}")]
    Unreachable {
        /// The context.
        context: ContextName,
        /// The address.
        server: String,
        /// What it should be.
        kind: ClusterKind,
        /// Why, in words.
        why: String,
    },
    /// Somebody answers, with a certificate that the kubeconfig's CA did not sign.
    #[error("the server at {server} is not the one that context `{context}` trusts")]
    Untrusted {
        /// The context.
        context: ContextName,
        /// The address.
        server: String,
        /// What it should be.
        kind: ClusterKind,
        /// What is wrong with the certificate.
        why: String,
    },
    /// The server does not know the user.
    #[error("cluster `{context}` does not accept the credentials of its context")]
    Unauthorized {
        /// The context.
        context: ContextName,
        /// The server's or the login plugin's words.
        why: String,
    },
    /// The user may not do this.
    #[error("the user of context `{context}` may not do this")]
    Forbidden {
        /// The context.
        context: ContextName,
        /// The server's words.
        why: String,
    },
    /// Another cluster answers behind the same address.
    #[error("context `{context}` leads to another cluster than at the start")]
    IdentityChanged {
        /// The context.
        context: ContextName,
        /// The address.
        server: String,
    },
    /// Something did not happen in time.
    #[error("{what} took longer than {} s", limit.as_secs())]
    Slow {
        /// Such as "deleting job/migrate".
        what: String,
        /// How long it was given.
        limit: Duration,
    },
    /// Any other answer that is no success.
    #[error("cluster `{context}` refused a request")]
    Api {
        /// The context.
        context: ContextName,
        /// What it answered.
        #[source]
        source: Box<kube::Error>,
    },
}

fn in_file(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(" `{}`", path.display()))
}

impl ClusterError {
    pub(super) fn bad_file(path: &Path, source: KubeconfigError) -> Self {
        Self::BadKubeconfig { path: Some(path.to_owned()), source: Box::new(source) }
    }

    pub(super) fn silent(pinned: &Pinned, kind: &ClusterKind, limit: Duration) -> Self {
        let why = format!("no answer within {} s", limit.as_secs());
        let server = pinned.server.clone();
        Self::Unreachable { context: pinned.context.clone(), server, kind: kind.clone(), why }
    }

    pub(super) fn slow(context: &ContextName, server: &str, limit: Duration) -> Self {
        Self::Unreachable {
            context: context.clone(),
            server: server.to_owned(),
            kind: ClusterKind::Remote,
            why: format!("no answer within {} s", limit.as_secs()),
        }
    }

    /// Sorts an error of the client by what a person can do about it.
    pub(super) fn of(
        context: &ContextName,
        server: &str,
        kind: &ClusterKind,
        error: kube::Error,
    ) -> Self {
        let context = context.clone();
        let why = said(&error);
        let (server, kind) = (server.to_owned(), kind.clone());
        match &error {
            kube::Error::Api(status) if status.code == 401 => Self::Unauthorized { context, why },
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden { context, why },
            kube::Error::Auth(_) => Self::Unauthorized { context, why },
            kube::Error::Service(_) | kube::Error::HyperError(_) => {
                let lower = why.to_ascii_lowercase();
                if lower.contains("certificate") {
                    Self::Untrusted { context, server, kind, why }
                } else if lower.contains("auth exec") || lower.contains("unable to run auth") {
                    Self::Unauthorized { context, why }
                } else {
                    Self::Unreachable { context, server, kind, why }
                }
            }
            _ => Self::Api { context, source: Box::new(error) },
        }
    }

    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKubeconfig { .. } => "wharf::cluster::no_kubeconfig",
            Self::BadKubeconfig { .. } => "wharf::cluster::bad_kubeconfig",
            Self::NoCurrentContext { .. } => "wharf::cluster::no_current_context",
            Self::NoSuchContext { .. } => "wharf::cluster::no_such_context",
            Self::IncompleteContext { .. } => "wharf::cluster::incomplete_context",
            Self::NotAllowed { .. } => "wharf::cluster::not_allowed",
            Self::NotWritten { .. } => "wharf::cluster::not_written",
            Self::Unreachable { .. } => "wharf::cluster::unreachable",
            Self::Untrusted { .. } => "wharf::cluster::untrusted",
            Self::Unauthorized { .. } => "wharf::cluster::unauthorized",
            Self::Forbidden { .. } => "wharf::cluster::forbidden",
            Self::IdentityChanged { .. } => "wharf::cluster::identity_changed",
            Self::Slow { .. } => "wharf::cluster::slow",
            Self::Api { .. } => "wharf::cluster::api",
        }
    }

    /// The failure as it is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let what = self.to_string();
        let request = |what: String| Failure::request(self.code(), what);
        let work = |what: String| Failure::work(self.code(), what);
        match self {
            Self::NoKubeconfig { looked } => {
                let failure = match looked.as_slice() {
                    [] => request(what).because("neither KUBECONFIG nor HOME is set"),
                    looked => looked.iter().fold(request(what), |failure, path| {
                        failure.because(format!("looked in `{}`", path.display()))
                    }),
                };
                failure.help("make a local cluster: `kind create cluster`")
            }
            Self::BadKubeconfig { source, .. } => request(what).because(source.to_string()),
            Self::NoCurrentContext { candidates } => request(what).help(format!(
                "choose one: `kubectl config use-context NAME`, or `--context NAME`{}",
                one_of(candidates)
            )),
            Self::NoSuchContext { context, candidates } => {
                let near = candidates
                    .iter()
                    .map(|name| (strsim::jaro_winkler(name, context), name))
                    .filter(|(likeness, _)| *likeness > 0.8)
                    .max_by(|a, b| a.0.total_cmp(&b.0));
                let help = match near {
                    Some((_, name)) => format!("did you mean `{name}`?"),
                    None => format!("choose another{}", one_of(candidates)),
                };
                request(what).help(help)
            }
            Self::IncompleteContext { .. } => {
                request(what).help("see what there is: `kubectl config view`")
            }
            Self::NotAllowed { context, server } => request(what)
                .because(format!("it leads to {server}"))
                .help(format!("allow it this once: `--context {context}`"))
                .help(format!(
                    "allow it always: `cluster: {{allow: [\"{context}\"]}}` in wharf.yaml"
                )),
            Self::NotWritten { source, .. } => work(what)
                .because(source.to_string())
                .help("point XDG_RUNTIME_DIR at a folder of yours"),
            Self::Unreachable { kind, why, .. } => unreachable(work(what).because(why), kind),
            Self::Untrusted { kind, why, .. } => {
                let help = match kind {
                    ClusterKind::Kind { name } => format!(
                        "the cluster may have been made anew: `kind export kubeconfig --name {name}`"
                    ),
                    ClusterKind::K3d { name } => format!(
                        "the cluster may have been made anew: `k3d kubeconfig merge {name}`"
                    ),
                    _ => "fetch the cluster's kubeconfig again".to_owned(),
                };
                work(what).because(why).help(help)
            }
            Self::Unauthorized { context, why } => work(what)
                .because(why)
                .help(format!("log in again, then try: `kubectl --context {context} auth whoami`")),
            Self::Forbidden { context, why } => work(what).because(why).help(format!(
                "see what may be done: `kubectl --context {context} auth can-i --list`"
            )),
            Self::IdentityChanged { context, server } => work(what)
                .because(format!("another cluster answers at {server}"))
                .help(format!("start wharf again if `{context}` is meant as it is now")),
            Self::Slow { .. } => work(what).help("see what holds it: `kubectl get events -A`"),
            Self::Api { source, .. } => work(what).because(said(source)),
        }
    }
}

fn unreachable(failure: Failure, kind: &ClusterKind) -> Failure {
    match kind {
        ClusterKind::Kind { name } => failure
            .help(format!("start its node if it is stopped: `docker start {name}-control-plane`"))
            .help(format!("make it if it is gone: `kind create cluster --name {name}`")),
        ClusterKind::K3d { name } => failure.help(format!("start it: `k3d cluster start {name}`")),
        ClusterKind::Minikube { profile } => {
            failure.help(format!("start it: `minikube start -p {profile}`"))
        }
        ClusterKind::SharedStore { product } => {
            failure.help(format!("start Kubernetes in {product}"))
        }
        ClusterKind::Remote => failure.help("check the network, the VPN, and the context"),
    }
}

fn one_of(candidates: &[String]) -> String {
    let names: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// What an error of the client says, in the server's or the system's own words.
#[must_use]
pub fn said(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return if status.message.is_empty() {
            format!("{} {}", status.code, status.reason)
        } else {
            status.message.clone()
        };
    }
    // The outer layers only say that something failed.
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.to_string() {
        // A timer's own words.
        elapsed if elapsed.contains("deadline has elapsed") => {
            format!("no answer within {} s", super::CONNECT_LIMIT.as_secs())
        }
        text => text,
    }
}

/// Whether the server says that the object (or its namespace or kind) is not there.
#[must_use]
pub fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
