//! Programs that wharf runs.

use std::time::Duration;

use crate::model::{ManifestSource, Project, ReleaseSource};
use crate::report::Check;
use crate::tools::{ToolError, Tools};

use super::{fail, ok, warn};

/// A program that prints its version needs no more, even from a cold disk.
const LIMIT: Duration = Duration::from_secs(10);

/// Those that the project needs; where nobody knows the project, those that most need.
pub(super) async fn checks(project: Option<&Project>, tools: &Tools) -> Vec<Check> {
    let mut checks = Vec::new();
    if project.is_none_or(|project| is_any(project, is_helm)) {
        let run = tools.command("helm").args(["version", "--template", "{{.Version}}"]);
        let helm = run.time_limit(LIMIT).run().await.map(|output| output.text().trim().to_owned());
        checks.push(helm_check(helm.as_deref()));
    }
    if project.is_some_and(|project| is_any(project, is_kustomize)) {
        checks.push(kustomize_check(tools));
    }
    checks
}

fn is_any(project: &Project, is: impl Fn(&ReleaseSource) -> bool) -> bool {
    project.releases.values().any(|release| is(&release.source))
}

fn is_helm(source: &ReleaseSource) -> bool {
    matches!(source, ReleaseSource::Helm(_))
}

fn is_kustomize(source: &ReleaseSource) -> bool {
    matches!(source, ReleaseSource::Manifests(ManifestSource::Kustomize(_)))
}

/// Either of the two that can build a kustomization.
fn kustomize_check(tools: &Tools) -> Check {
    match (tools.find("kustomize"), tools.find("kubectl")) {
        (Some(path), _) => ok("kustomize", path.display().to_string()),
        (None, Some(path)) => ok("kustomize", format!("{} kustomize", path.display())),
        (None, None) => fail(
            "kustomize",
            "neither `kustomize` nor `kubectl` is on the PATH; kustomizations cannot be built",
            "install one: https://kubectl.docs.kubernetes.io/installation/kustomize/",
        ),
    }
}

/// What Helm's answer means.
pub(super) fn helm_check(version: Result<&str, &ToolError>) -> Check {
    let install = "install Helm 3 or 4: https://helm.sh/docs/intro/install/";
    match version {
        Err(ToolError::Missing { .. }) => {
            fail("helm", "it is not on the PATH; charts cannot be installed", install)
        }
        Err(error) => fail("helm", error.to_string(), install),
        Ok(version) if version.starts_with("v3.") || version.starts_with("v4.") => {
            ok("helm", version)
        }
        Ok(version) => warn("helm", format!("`{version}` is not a version wharf knows"), install),
    }
}
