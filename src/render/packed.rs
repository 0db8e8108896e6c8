//! A chart that is packed with another version before it is installed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Chart, HelmSource, Release};

use super::error::RenderError;
use super::fingerprint::fingerprint;
use super::scope::RenderScope;

/// Packing reads and writes one archive.
const LIMIT: Duration = Duration::from_secs(60);

/// The chart that `release` is installed from: packed, where it says with which version.
///
/// The archive lies in the session's folder, one for each state of the chart.
pub(super) async fn chart(
    scope: &RenderScope,
    release: &Release,
    source: &HelmSource,
) -> Result<Chart, RenderError> {
    let Chart::Path(folder) = &source.chart else { return Ok(source.chart.clone()) };
    if source.packaging.is_empty() || !folder.is_dir() {
        return Ok(source.chart.clone());
    }
    let state = fingerprint(release, &scope.namespace)?;
    let home = scope.folder.join("packed").join(&state);
    if let Some(archive) = archive_in(&home) {
        return Ok(Chart::Path(archive));
    }
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| RenderError::Unwritable { path, source }
    };
    let made = scope.folder.join("packed");
    std::fs::create_dir_all(&made).map_err(unwritable(&made))?;
    let fresh = tempfile::Builder::new().prefix("new-").tempdir_in(&made);
    let fresh = fresh.map_err(unwritable(&made))?;
    let packaging = &source.packaging;
    let mut command = scope.tools.command("helm").arg("package").arg(folder);
    for (flag, value) in
        [("--version", &packaging.version), ("--app-version", &packaging.app_version)]
    {
        if let Some(value) = value {
            command = command.args([flag, value]);
        }
    }
    let packed = command.arg("--destination").arg(fresh.path()).time_limit(LIMIT).run().await;
    packed.map_err(|source| RenderError::Packing { chart: folder.clone(), source })?;
    // Another rendering of the same state may have been quicker.
    let _ = std::fs::rename(fresh.keep(), &home);
    match archive_in(&home) {
        Some(archive) => Ok(Chart::Path(archive)),
        None => Err(RenderError::NoChart { path: home }),
    }
}

fn archive_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
}
