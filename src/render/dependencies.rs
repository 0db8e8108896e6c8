//! Whether a chart's subcharts are where Helm wants them, and bringing them there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Chart, Release, ReleaseSource};

use super::chart::{ChartFiles, Dependency};
use super::error::RenderError;
use super::range;
use super::scope::RenderScope;

/// Each subchart is downloaded, and repositories' indexes may have tens of megabytes.
const LIMIT: Duration = Duration::from_secs(300);

/// How deep charts beside one another are followed; deeper is a circle.
const DEEPEST: usize = 8;

/// Whether everything that `Chart.yaml` of `chart` names lies in its `charts/`.
///
/// `Chart.lock` decides about versions where there is one that fits `Chart.yaml`. A subchart from a folder beside the
/// chart (`file://`) must have been packed from what is in that folder. Runs no program.
///
/// # Errors
///
/// [`RenderError::OutdatedLock`] when `Chart.lock` lacks something that `Chart.yaml` names.
pub fn dependencies_satisfied(chart: &Path) -> Result<bool, RenderError> {
    Ok(missing(chart)?.is_empty())
}

/// The subcharts that are missing or outdated.
fn missing(chart: &Path) -> Result<Vec<Dependency>, RenderError> {
    if !chart.is_dir() {
        return Ok(Vec::new());
    }
    let files = ChartFiles::read(chart)?;
    let wanted = files.dependencies();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let locked = files.locked();
    if let Some(locked) = &locked {
        let is_locked = |dependency: &&Dependency| {
            !dependency.repository.is_empty()
                && !locked.iter().any(|locked| locked.name == dependency.name)
        };
        let names: Vec<String> =
            wanted.iter().filter(is_locked).map(|dependency| dependency.name.clone()).collect();
        if !names.is_empty() {
            return Err(RenderError::OutdatedLock { chart: chart.to_owned(), names });
        }
    }
    let subcharts = files.subcharts();
    let mut lacking: Vec<Dependency> = Vec::new();
    for dependency in &wanted {
        let lock = locked.iter().flatten().find(|locked| locked.name == dependency.name);
        let is_there = match subcharts.get(&dependency.name) {
            None => false,
            Some(found) => {
                let version = found.version().unwrap_or_default();
                let fits = match lock {
                    _ if dependency.repository.is_empty() => true,
                    Some(lock) => version == lock.version && is_lock_of(lock, dependency),
                    None => range::holds(&dependency.version, &version),
                };
                fits && match dependency.folder(chart) {
                    Some(folder) if folder.join("Chart.yaml").is_file() => {
                        same(found, &ChartFiles::read(&folder)?)
                    }
                    _ => true,
                }
            }
        };
        if !is_there && !lacking.iter().any(|known| known.name == dependency.name) {
            lacking.push(dependency.clone());
        }
    }
    Ok(lacking)
}

/// Whether what is locked is what `Chart.yaml` asks for by now.
fn is_lock_of(lock: &Dependency, wanted: &Dependency) -> bool {
    lock.repository == wanted.repository && range::holds(&wanted.version, &lock.version)
}

/// Whether a packed chart has what is in the folder. Packing writes `Chart.yaml` anew.
fn same(packed: &ChartFiles, folder: &ChartFiles) -> bool {
    let counts = |path: &&String| {
        path.starts_with("templates/") || path.starts_with("crds/") || *path == "values.yaml"
    };
    let of = |files: &ChartFiles| -> Vec<(String, Vec<u8>)> {
        let files = files.file_by_path.iter().filter(|(path, _)| counts(path));
        files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    of(packed) == of(folder) && packed.version() == folder.version()
}

/// The charts that `helm dependency build` must be run for, in order; `chart` itself is last.
fn unsatisfied(chart: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), RenderError> {
    if depth < DEEPEST && chart.is_dir() {
        for dependency in ChartFiles::read(chart)?.dependencies() {
            if let Some(folder) = dependency.folder(chart).filter(|folder| folder.is_dir()) {
                unsatisfied(&folder, depth + 1, found)?;
            }
        }
    }
    if !found.iter().any(|other| other == chart) && !missing(chart)?.is_empty() {
        found.push(chart.to_owned());
    }
    Ok(())
}

/// Runs `helm dependency build` where a release's chart lacks subcharts; tells whether it did.
///
/// Writes into the chart's `charts/` and nowhere else.
///
/// # Errors
///
/// [`RenderError::DependencyBuild`] with what Helm said, [`RenderError::OutdatedLock`] where it
/// could not be run with success.
pub async fn build_dependencies(
    scope: &RenderScope,
    release: &Release,
) -> Result<bool, RenderError> {
    let ReleaseSource::Helm(source) = &release.source else { return Ok(false) };
    let Chart::Path(chart) = &source.chart else { return Ok(false) };
    let mut charts = Vec::new();
    unsatisfied(chart, 0, &mut charts)?;
    if charts.is_empty() {
        return Ok(false);
    }
    scope.helm().await?;
    for chart in charts {
        let command = scope.tools.command("helm").args(["dependency", "build"]).arg(&chart);
        let mut written = Vec::new();
        if let Err(source) = command.time_limit(LIMIT).run_into(&mut written).await {
            let lacking = missing(&chart)?;
            let unreachable = unreachable(&String::from_utf8_lossy(&written));
            return Err(RenderError::DependencyBuild { chart, lacking, unreachable, source });
        }
    }
    Ok(true)
}

/// Why repositories could not be asked. Helm says so on stdout, and on stderr only what came of it.
fn unreachable(written: &str) -> Vec<String> {
    let mut lines = written.lines();
    let mut reasons = Vec::new();
    while let Some(line) = lines.next() {
        if line.contains("Unable to get an update from") {
            reasons.extend(lines.next().map(|reason| reason.trim().to_owned()));
        }
    }
    reasons
}
