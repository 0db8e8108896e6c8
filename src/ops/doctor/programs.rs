//! Programs that wharf runs.

use std::time::Duration;

use crate::report::Check;
use crate::tools::{ToolError, Tools};

use super::{fail, ok, warn};

/// A program that prints its version needs no more, even from a cold disk.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn checks(tools: &Tools) -> Vec<Check> {
    let run = tools.command("helm").args(["version", "--template", "{{.Version}}"]);
    let helm = run.time_limit(LIMIT).run().await.map(|output| output.text().trim().to_owned());
    vec![helm_check(helm.as_deref())]
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
