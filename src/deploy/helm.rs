//! Runs Helm: upgrade, rollback, and mending what a killed Helm left behind.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::hooks::Hooks;
use super::look::Found;
use super::said_by_helm::{self, Circumstances};
use super::storage::{self, HelmStatus};
use super::{DeployError, DeployScope, Plan, PostRenderer, act};
use crate::cluster::{Cluster, end_orphans};
use crate::model::{Chart, HelmSource, Namespace, ReleaseName, ReleaseSource, upgrade_flags};
use crate::report::ReleaseNews;
use crate::tools::{ToolError, Tools};

/// How long Helm may take besides waiting for hooks: it downloads charts and talks to a server
/// that may throttle it.
const ALLOWANCE: Duration = Duration::from_secs(120);

/// How long Helm may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// Which Helm is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helm {
    /// 3 or 4.
    pub major: u32,
    /// Such as `v3.22.0`.
    pub version: String,
}

impl Helm {
    /// Asks for the version of the Helm on the `PATH`.
    ///
    /// # Errors
    ///
    /// [`DeployError::HelmMissing`], or [`DeployError::Cluster`] never.
    pub async fn find(tools: &Tools) -> Result<Self, ToolError> {
        let asked = tools.command("helm").args(["version", "--template", "{{.Version}}"]);
        let version = asked.time_limit(VERSION_LIMIT).run().await?.text().trim().to_owned();
        let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
        // A build without a version is a recent one.
        Ok(Self { major: major.parse().unwrap_or(3), version })
    }
}

/// What a finished upgrade made.
#[derive(Debug, Default)]
pub(super) struct Upgraded {
    pub(super) revision: Option<u32>,
    pub(super) server_side: bool,
    pub(super) objects: Vec<Value>,
    pub(super) hooks: Vec<Value>,
}

/// Runs `helm upgrade --install` once and tells how hooks get on.
pub(super) async fn upgrade(
    scope: &DeployScope,
    plan: &Plan,
    source: &HelmSource,
    tell: &(dyn Fn(ReleaseNews) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Upgraded, DeployError> {
    let tools = scope.cluster.tools();
    let server_side =
        storage::is_server_side(&scope.cluster, &plan.namespace, &plan.release.name).await?;
    let hooks = Hooks::new(&scope.cluster, plan, tell);
    let hook_time =
        plan.release.wait.timeout.saturating_mul(u32::try_from(plan.hooks.len()).unwrap_or(1));
    let mut command = tools
        .command("helm")
        .args(arguments(plan, source))
        .time_limit(ALLOWANCE + plan.release.wait.timeout + hook_time)
        .cancelled_by(cancel);
    if server_side {
        // What others changed is set back, as Helm 3 does.
        command = command.arg("--force-conflicts");
    }
    if let Some(values) = &plan.values {
        command = command.args(["-f", "-"]).stdin(values.to_string());
    }
    match &plan.post_renderer {
        Some(PostRenderer::Program { path, args }) => {
            command = command.arg("--post-renderer").arg(path);
            command = command.args(args.iter().flat_map(|arg| ["--post-renderer-args", arg]));
        }
        Some(PostRenderer::Plugin { name, folder, args }) => {
            command = command.variable("HELM_PLUGINS", plugins(tools, folder));
            command = command.args(["--post-renderer", name.as_str()]);
            command = command.args(args.iter().flat_map(|arg| ["--post-renderer-args", arg]));
        }
        None => {}
    }
    let ran = hooks.while_running(command.run()).await;
    let output = ran.map_err(|error| {
        let known = Circumstances {
            release: &plan.release.name,
            namespace: &plan.namespace,
            source,
            failed_hook: hooks.failure(),
        };
        said_by_helm::explain(error, known)
    })?;
    let Ok(told) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Ok(Upgraded::default());
    };
    Ok(Upgraded {
        revision: storage::revision_of(&told),
        server_side: storage::is_applied_by_server(&told),
        objects: storage::objects_of(&told),
        hooks: storage::hooks_of(&told),
    })
}

/// `folder` besides the folders that Helm would look for plugins in anyway: a chart may come by
/// one of them.
fn plugins(tools: &Tools, folder: &Path) -> OsString {
    let set = |name: &str| tools.variable(name).filter(|value| !value.is_empty());
    let usual = match (set("HELM_PLUGINS"), set("HELM_DATA_HOME"), set("XDG_DATA_HOME")) {
        (Some(folders), ..) => Some(folders.clone()),
        (None, Some(home), _) => Some(Path::new(home).join("plugins").into()),
        (None, None, Some(home)) => Some(Path::new(home).join("helm/plugins").into()),
        (None, None, None) => {
            set("HOME").map(|home| Path::new(home).join(".local/share/helm/plugins").into())
        }
    };
    let mut folders = folder.as_os_str().to_owned();
    if let Some(usual) = usual {
        folders.push(":");
        folders.push(usual);
    }
    folders
}

fn arguments(plan: &Plan, source: &HelmSource) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |parts: &[&str]| arguments.extend(parts.iter().map(|&part| part.to_owned()));
    add(&["upgrade", "--install", plan.release.name.as_str()]);
    match &source.chart {
        Chart::Path(path) => add(&[&path.to_string_lossy()]),
        Chart::Remote { chart, repo, version } => {
            add(&[chart]);
            if let Some(repo) = repo {
                add(&["--repo", repo]);
            }
            if let Some(version) = version {
                add(&["--version", version]);
            }
        }
    }
    add(&["--namespace", plan.namespace.as_str()]);
    for file in &source.values {
        add(&["-f", &listed(&file.to_string_lossy())]);
    }
    if source.skip_crds {
        add(&["--skip-crds"]);
    }
    for flag in upgrade_flags(&source.flags) {
        add(&[flag]);
    }
    add(&["--timeout", &format!("{}s", plan.release.wait.timeout.as_secs().max(1))]);
    add(&["--output", "json"]);
    arguments
}

/// `path` as one item of a flag that takes a comma-separated list.
fn listed(path: &str) -> String {
    if path.contains([',', '"']) {
        format!("\"{}\"", path.replace('"', "\"\""))
    } else {
        path.to_owned()
    }
}

/// Ends an operation that began and never ended, where its owner is dead; otherwise says what a
/// person can do.
pub(super) async fn repair(
    scope: &DeployScope,
    plan: &Plan,
    status: &HelmStatus,
    cancel: &CancellationToken,
) -> Result<(), DeployError> {
    let (release, namespace) = (&plan.release.name, &plan.namespace);
    if plan.may_repair {
        end_orphans("helm", &[release.as_str(), namespace.as_str()]).await;
    }
    let running = is_helm_running(release, namespace);
    if running || !plan.may_repair {
        return Err(pending(plan, status, running));
    }
    match status.last_good {
        Some(revision) if status.status != "uninstalling" => {
            go_back(&scope.cluster, release, namespace, revision, cancel).await
        }
        _ => {
            let command = scope.cluster.tools().command("helm").args([
                "uninstall",
                release.as_str(),
                "--namespace",
                namespace.as_str(),
                "--no-hooks",
            ]);
            finish(command.time_limit(ALLOWANCE).cancelled_by(cancel), release).await
        }
    }
}

/// Refuses to begin on a release on which somebody else's operation has not ended. To be asked
/// before anything is remembered of it, since what is remembered counts as wharf's own.
///
/// # Errors
///
/// [`DeployError::Pending`].
pub fn refuse_pending(plan: &Plan, found: &Found) -> Result<(), DeployError> {
    match found.helm.as_ref().filter(|status| status.is_pending() && !plan.may_repair) {
        None => Ok(()),
        Some(status) => {
            let running = is_helm_running(&plan.release.name, &plan.namespace);
            Err(pending(plan, status, running))
        }
    }
}

fn pending(plan: &Plan, status: &HelmStatus, running: bool) -> DeployError {
    DeployError::Pending {
        release: plan.release.name.clone(),
        namespace: plan.namespace.clone(),
        status: status.status.clone(),
        since: status.since,
        running,
        last_good: status.last_good,
    }
}

/// Brings `release` back to `revision`, as a new revision, and records that. Returns whether
/// anything had to be done: what has failed may have done so before Helm changed anything.
///
/// # Errors
///
/// [`DeployError`] when Helm is missing or fails.
pub async fn roll_back(
    scope: &DeployScope,
    release: &ReleaseName,
    namespace: &Namespace,
    revision: u32,
    cancel: &CancellationToken,
) -> Result<bool, DeployError> {
    let now = storage::status(&scope.cluster, namespace, release).await?;
    let runs = now.is_some_and(|now| now.status == "deployed" && now.revision == revision);
    if !runs {
        go_back(&scope.cluster, release, namespace, revision, cancel).await?;
    }
    Ok(!runs)
}

/// The same for whichever project has the release.
///
/// # Errors
///
/// [`DeployError`] when Helm is missing or fails.
pub async fn go_back(
    cluster: &Cluster,
    release: &ReleaseName,
    namespace: &Namespace,
    revision: u32,
    cancel: &CancellationToken,
) -> Result<(), DeployError> {
    let mut command = cluster.tools().command("helm").args([
        "rollback",
        release.as_str(),
        &revision.to_string(),
        "--namespace",
        namespace.as_str(),
    ]);
    if storage::is_server_side(cluster, namespace, release).await? {
        command = command.arg("--force-conflicts");
    }
    finish(command.time_limit(ALLOWANCE).cancelled_by(cancel), release).await?;
    act::went_back(cluster, namespace, release, revision).await
}

async fn finish(
    command: crate::tools::ToolCommand,
    release: &ReleaseName,
) -> Result<(), DeployError> {
    let release = release.clone();
    match command.run().await {
        Ok(_) => Ok(()),
        Err(ToolError::Missing { .. }) => Err(DeployError::HelmMissing),
        Err(ToolError::Cancelled { .. }) => Err(DeployError::Cancelled { release }),
        Err(source) => Err(DeployError::Helm { release, source }),
    }
}

/// Whether a Helm process on this machine works on `release`. It may outlive a wharf that was
/// killed, since it leads a process group of its own.
#[must_use]
pub fn is_helm_running(release: &ReleaseName, namespace: &Namespace) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let Ok(line) = std::fs::read(process.path().join("cmdline")) else { return false };
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let has = |word: &str| words.iter().skip(1).any(|other| *other == word.as_bytes());
        words.first().is_some_and(|program| program.ends_with(b"helm"))
            && has(release.as_str())
            && has(namespace.as_str())
    })
}

impl Plan {
    pub(super) fn helm_source(&self) -> Option<&HelmSource> {
        match &self.release.source {
            ReleaseSource::Helm(source) => Some(source),
            ReleaseSource::Manifests(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_comma_stays_one_path() {
        assert_eq!(listed("/a/b.yaml"), "/a/b.yaml");
        assert_eq!(listed("/a,b/\"c\".yaml"), "\"/a,b/\"\"c\"\".yaml\"");
    }
}
