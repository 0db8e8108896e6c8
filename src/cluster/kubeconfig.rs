//! Which files are read, which context is meant, and the private copy of just that one.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use kube::config::{Kubeconfig, KubeconfigError, NamedAuthInfo, NamedCluster, NamedContext};
use rustix::process::Pid;

use super::ClusterError;
use super::orphans::is_alive;
use crate::model::{ContextName, Namespace};
use crate::tools::Tools;

/// How the private file's name begins; the process's id follows.
const PREFIX: &str = "kubeconfig-";

/// One context with its cluster and user, independent of any file that may change.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    pub(super) context: ContextName,
    pub(super) namespace: Namespace,
    pub(super) server: String,
    pub(super) config: Kubeconfig,
}

impl Pinned {
    /// The host of the server's URL, brackets of an IPv6 address taken off.
    pub(super) fn host(&self) -> String {
        let host = self.server.parse::<http::Uri>().ok();
        let host = host.as_ref().and_then(http::Uri::host).unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
    }

    /// Whether an extension of the context or the cluster was written by `provider`.
    pub(super) fn is_made_by(&self, provider: &str) -> bool {
        let contexts = self.config.contexts.iter().filter_map(|named| named.context.as_ref());
        let clusters = self.config.clusters.iter().filter_map(|named| named.cluster.as_ref());
        contexts
            .filter_map(|context| context.extensions.as_ref())
            .chain(clusters.filter_map(|cluster| cluster.extensions.as_ref()))
            .flatten()
            .any(|named| named.extension.get("provider").is_some_and(|value| value == provider))
    }

    /// Whether a login plugin is asked for credentials.
    pub(super) fn runs_a_plugin(&self) -> bool {
        let users = self.config.auth_infos.iter().filter_map(|named| named.auth_info.as_ref());
        users.into_iter().any(|user| user.exec.is_some())
    }

    /// SHA-256 of the CA certificate's bytes; empty where the system's roots count.
    pub(super) fn ca_hash(&self) -> String {
        let cluster = self.config.clusters.first().and_then(|named| named.cluster.as_ref());
        let data = cluster.and_then(|cluster| cluster.certificate_authority_data.as_deref());
        let bytes = data.and_then(|text| base64::prelude::BASE64_STANDARD.decode(text).ok());
        let digest = bytes.map(|bytes| crate::model::Digest::of(&bytes));
        digest.map_or_else(String::new, |digest| digest.as_str().replacen("sha256:", "", 1))
    }
}

/// Reads every file of `KUBECONFIG`, else `~/.kube/config`. Files that are not there are passed
/// over, as kubectl does.
pub(super) fn read(tools: &Tools) -> Result<Kubeconfig, ClusterError> {
    let paths = files(tools.variable("KUBECONFIG"), tools.variable("HOME"));
    let mut merged = None;
    for path in &paths {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let next = match Kubeconfig::read_from(&absolute) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(error, _))
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                continue;
            }
            Err(source) => return Err(ClusterError::bad_file(path, source)),
        };
        merged = Some(match merged {
            None => next,
            Some(before) => Kubeconfig::merge(before, next)
                .map_err(|source| ClusterError::bad_file(path, source))?,
        });
    }
    match merged {
        Some(merged) if !merged.contexts.is_empty() => Ok(merged),
        _ => Err(ClusterError::NoKubeconfig { looked: paths }),
    }
}

fn files(variable: Option<&OsString>, home: Option<&OsString>) -> Vec<PathBuf> {
    let listed: Vec<PathBuf> =
        variable.map(|value| std::env::split_paths(value).collect()).unwrap_or_default();
    let listed: Vec<PathBuf> =
        listed.into_iter().filter(|path| !path.as_os_str().is_empty()).collect();
    if !listed.is_empty() {
        return listed;
    }
    home.map(|home| Path::new(home).join(".kube/config")).into_iter().collect()
}

/// Takes `wanted`, else the current context, out of `merged`, with all it needs inlined.
pub(super) fn pin(
    merged: &Kubeconfig,
    wanted: Option<&ContextName>,
) -> Result<Pinned, ClusterError> {
    let candidates = || merged.contexts.iter().map(|named| named.name.clone()).collect::<Vec<_>>();
    let current = merged.current_context.as_deref().filter(|name| !name.is_empty());
    let Some(name) = wanted.map(ContextName::as_str).or(current) else {
        return Err(ClusterError::NoCurrentContext { candidates: candidates() });
    };
    let Some(context) = merged
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.clone())
    else {
        return Err(ClusterError::NoSuchContext {
            context: name.to_owned(),
            candidates: candidates(),
        });
    };
    let incomplete =
        |missing: String| ClusterError::IncompleteContext { context: name.to_owned(), missing };
    let mut cluster = merged
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.clone())
        .ok_or_else(|| incomplete(format!("cluster `{}`", context.cluster)))?;
    let server = cluster
        .server
        .clone()
        .filter(|server| !server.is_empty())
        .ok_or_else(|| incomplete(format!("a server for cluster `{}`", context.cluster)))?;
    inline(&mut cluster.certificate_authority, &mut cluster.certificate_authority_data);

    let user = context.user.clone().unwrap_or_default();
    let mut auth_info = merged
        .auth_infos
        .iter()
        .find(|named| named.name == user)
        .and_then(|named| named.auth_info.clone())
        .unwrap_or_default();
    inline(&mut auth_info.client_certificate, &mut auth_info.client_certificate_data);
    if auth_info.client_key_data.is_none()
        && let Some(bytes) = auth_info.client_key.as_ref().and_then(|path| std::fs::read(path).ok())
    {
        auth_info.client_key = None;
        auth_info.client_key_data = Some(base64::prelude::BASE64_STANDARD.encode(bytes).into());
    }

    let namespace = context.namespace.as_deref().unwrap_or("default");
    let namespace = Namespace::parse(namespace)
        .map_err(|_| incomplete(format!("a valid namespace instead of `{namespace}`")))?;
    let parsed = ContextName::parse(name)
        .map_err(|_| ClusterError::NoCurrentContext { candidates: candidates() })?;
    let named_cluster = context.cluster.clone();
    let config = Kubeconfig {
        kind: Some("Config".to_owned()),
        api_version: Some("v1".to_owned()),
        current_context: Some(name.to_owned()),
        contexts: vec![NamedContext {
            name: name.to_owned(),
            context: Some(context),
            ..NamedContext::default()
        }],
        clusters: vec![NamedCluster {
            name: named_cluster,
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: user,
            auth_info: Some(auth_info),
            ..NamedAuthInfo::default()
        }],
        ..Kubeconfig::default()
    };
    Ok(Pinned { context: parsed, namespace, server, config })
}

/// Replaces a file by its content. A file that cannot be read stays named, so that the error of
/// the one who needs it names it.
fn inline(file: &mut Option<String>, data: &mut Option<String>) {
    if data.is_none()
        && let Some(bytes) = file.as_ref().and_then(|path| std::fs::read(path).ok())
    {
        *data = Some(base64::prelude::BASE64_STANDARD.encode(bytes));
        *file = None;
    }
}

/// Writes `config` into `folder`, readable by the user alone; removed when the path is dropped.
pub(super) fn write(
    config: &Kubeconfig,
    folder: &Path,
) -> Result<tempfile::TempPath, ClusterError> {
    let refused = |source| ClusterError::NotWritten { folder: folder.to_owned(), source };
    make_private(folder).map_err(refused)?;
    sweep(folder);
    // JSON is YAML, and the same to kubectl and Helm.
    let text = serde_json::to_vec_pretty(config).map_err(|error| refused(error.into()))?;
    // Made with mode 0600.
    let mut file = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempfile_in(folder)
        .map_err(refused)?;
    file.write_all(&text).and_then(|()| file.flush()).map_err(refused)?;
    Ok(file.into_temp_path())
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The process that has written a private kubeconfig, by its name.
pub(super) fn owner(path: &Path) -> Option<Pid> {
    let rest = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    Pid::from_raw(rest.split('-').next()?.parse().ok()?)
}

/// Removes files of processes that were killed before they could remove their own.
fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if owner(&entry.path()).is_some_and(|owner| !is_alive(owner)) {
            // Another process may have swept it first.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
