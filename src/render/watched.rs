//! Which files and folders a release is rendered from.

use std::path::{Path, PathBuf};

use crate::model::{Chart, ManifestSource, Release, ReleaseSource};

use super::chart::ChartFiles;
use super::{kustomize, manifests};

/// Files and folders whose change means rendering `release` anew: a folder stands for everything
/// in it, new files included. What is missing is listed as well.
#[must_use]
pub fn watched(release: &Release) -> Vec<PathBuf> {
    let mut found = Vec::new();
    match &release.source {
        ReleaseSource::Helm(source) => {
            if let Chart::Path(path) = &source.chart {
                chart(path, 0, &mut found);
            }
            found.extend(source.values.iter().cloned());
        }
        ReleaseSource::Manifests(ManifestSource::Kustomize(source)) => {
            let folder = &source.folder;
            match kustomize::closure(folder) {
                Ok(closure) => {
                    let outside = |file: &PathBuf| {
                        !closure.folders.iter().any(|folder| file.starts_with(folder))
                    };
                    found.extend(closure.files.iter().filter(|file| outside(file)).cloned());
                    found.extend(closure.folders);
                }
                Err(_) => found.push(folder.clone()),
            }
        }
        ReleaseSource::Manifests(ManifestSource::Files(globs)) => {
            found.extend(globs.iter().map(|glob| manifests::root_of(glob)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Adds a chart and those beside it that it is put together with.
fn chart(path: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    found.push(path.to_owned());
    if depth > 8 || !path.is_dir() {
        return;
    }
    for dependency in ChartFiles::read(path).map(|files| files.dependencies()).unwrap_or_default() {
        if let Some(folder) = dependency.folder(path).and_then(|folder| folder.canonicalize().ok())
            && !found.contains(&folder)
        {
            chart(&folder, depth + 1, found);
        }
    }
}
