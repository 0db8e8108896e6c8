//! For commands that can do without a cluster: the one that is meant where it may be used, else
//! none at all, for their children too.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use kube::config::Kubeconfig;

use super::{Cluster, ClusterError, ClusterOptions, kubeconfig};
use crate::tools::Tools;

/// Variables that would lead a child to another cluster, user or namespace than its kubeconfig
/// does; the first group is Helm's, then what a pod has, then what Terraform's providers read.
const ELSEWHERE: [&str; 17] = [
    "HELM_KUBECONTEXT",
    "HELM_KUBEAPISERVER",
    "HELM_KUBETOKEN",
    "HELM_KUBECAFILE",
    "HELM_KUBEASUSER",
    "HELM_KUBEASGROUPS",
    "HELM_KUBETLS_SERVER_NAME",
    "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "HELM_NAMESPACE",
    "KUBERNETES_MASTER",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "KUBE_CONFIG_PATH",
    "KUBE_CONFIG_PATHS",
    "KUBE_CTX",
    "KUBE_HOST",
    "KUBE_TOKEN",
];

/// `tools` whose children know `kubeconfig` and nothing else.
pub(super) fn pinned_to(tools: &Tools, kubeconfig: &OsStr) -> Tools {
    let tools = tools.with_variable("KUBECONFIG", kubeconfig);
    ELSEWHERE.iter().fold(tools, |tools, name| tools.without_variable(name))
}

/// A cluster, or none.
#[derive(Debug, Clone)]
pub enum Perhaps {
    /// The one that is meant.
    There(Cluster),
    /// None: children get a kubeconfig without a context.
    Away(NoCluster),
}

impl Perhaps {
    /// The cluster that `options` mean. A cluster that is not there, that may not be used or that
    /// refuses the user is none.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] where the request itself is wrong: a context that `--context` names and
    /// that is not there, a kubeconfig that cannot be read.
    pub async fn connect(options: &ClusterOptions, tools: &Tools) -> Result<Self, ClusterError> {
        let error = match Cluster::connect(options, tools).await {
            Ok(cluster) => return Ok(Self::There(cluster)),
            Err(error) => error,
        };
        let why = match error {
            ClusterError::NoKubeconfig { .. }
            | ClusterError::NoCurrentContext { .. }
            | ClusterError::Unreachable { .. } => None,
            ClusterError::NoSuchContext { .. } if options.from_flag => return Err(error),
            ClusterError::NoSuchContext { .. }
            | ClusterError::NotAllowed { .. }
            | ClusterError::Untrusted { .. }
            | ClusterError::Unauthorized { .. }
            | ClusterError::Forbidden { .. }
            | ClusterError::Slow { .. }
            | ClusterError::Api { .. } => Some(error),
            error => return Err(error),
        };
        let none = NoCluster::new(tools, &options.runtime_dir)?;
        Ok(Self::Away(NoCluster { why: why.map(Arc::new), ..none }))
    }

    /// The cluster, where there is one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::There(cluster) => Some(cluster),
            Self::Away(_) => None,
        }
    }

    /// Tools whose children talk to the pinned cluster, or to none.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        match self {
            Self::There(cluster) => cluster.tools(),
            Self::Away(none) => &none.tools,
        }
    }

    /// Why there is none, where a person should know.
    #[must_use]
    pub fn why_not(&self) -> Option<&ClusterError> {
        match self {
            Self::There(_) => None,
            Self::Away(none) => none.why.as_deref(),
        }
    }
}

/// No cluster: a private kubeconfig without a context, gone with the last clone.
#[derive(Debug, Clone)]
pub struct NoCluster {
    tools: Tools,
    why: Option<Arc<ClusterError>>,
    _private: Arc<tempfile::TempPath>,
}

impl NoCluster {
    /// Writes the kubeconfig into `folder`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotWritten`].
    pub fn new(tools: &Tools, folder: &Path) -> Result<Self, ClusterError> {
        let empty = Kubeconfig {
            kind: Some("Config".to_owned()),
            api_version: Some("v1".to_owned()),
            ..Kubeconfig::default()
        };
        let private = kubeconfig::write(&empty, folder)?;
        let tools = pinned_to(tools, private.as_os_str());
        Ok(Self { tools, why: None, _private: Arc::new(private) })
    }

    /// Tools whose children know of no cluster.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }
}
