//! Which files and folders a release is rendered from.

use std::path::{Path, PathBuf};

use crate::files::tidy;
use crate::model::{Chart, ManifestSource, Release, ReleaseSource};

use super::chart::ChartFiles;
use super::{kustomize, manifests};

/// Files and folders whose change means rendering `release` anew: a folder stands for everything
/// in it, new files included. What is missing is listed as well, and each file that is used now:
/// one that Git ignores is deployed like any other, and a folder's watch leaves it out.
#[must_use]
pub fn watched(release: &Release) -> Vec<PathBuf> {
    let mut found = Vec::new();
    match &release.source {
        ReleaseSource::Helm(source) => {
            if let Chart::Path(path) = &source.chart {
                chart(path, 0, &mut found);
            }
            found.extend(source.values.iter().chain(&source.secret_values).cloned());
        }
        ReleaseSource::Manifests(ManifestSource::Kustomize(source)) => {
            let folder = &source.folder;
            match kustomize::closure(folder) {
                Ok(closure) => {
                    for file in &closure.files {
                        let root = closure.folders.iter().find(|folder| file.starts_with(folder));
                        found.extend(root.and_then(|root| link_on_the_way(root, file)));
                    }
                    found.extend(closure.files);
                    found.extend(closure.folders);
                }
                Err(_) => found.push(folder.clone()),
            }
        }
        ReleaseSource::Manifests(ManifestSource::Files(globs)) => {
            let roots: Vec<PathBuf> = globs.iter().map(|glob| manifests::root_of(glob)).collect();
            // A glob's folder may hold much besides: only on the way to what fits links matter.
            for file in manifests::files(globs).unwrap_or_default() {
                let root = roots.iter().find(|root| file.starts_with(root));
                found.extend(root.and_then(|root| link_on_the_way(root, &file)));
                found.push(file);
            }
            found.extend(roots);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A chart's folders are not nested deeper than this; links that lead in a circle are.
const DEEPEST: usize = 8;

/// Adds where the links in a chart's folder lead: Helm follows them, and the system's watches do
/// not.
fn links(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match target(&path) {
            Some(target) if found.contains(&target) => {}
            Some(target) => {
                found.push(target.clone());
                links(&target, deeper, found);
            }
            None if path.is_dir() => links(&path, deeper, found),
            None => {}
        }
    }
}

/// Where the first link on the way from `root` down to `file` leads.
fn link_on_the_way(root: &Path, file: &Path) -> Option<PathBuf> {
    let mut path = root.to_owned();
    file.strip_prefix(root).ok()?.components().find_map(|part| {
        path.push(part);
        target(&path)
    })
}

/// Where the link at `path` leads, there or not; nothing for what is no link.
fn target(path: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(path).ok()?;
    Some(path.canonicalize().unwrap_or_else(|_| tidy(&path.parent().unwrap_or(path).join(target))))
}

/// Adds a chart and those beside it that it is put together with.
fn chart(path: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    found.push(path.to_owned());
    if depth > DEEPEST || !path.is_dir() {
        return;
    }
    links(path, DEEPEST, found);
    let files = ChartFiles::read(path).unwrap_or_default();
    found.extend(files.file_by_path.keys().map(|file| path.join(file)));
    for dependency in files.dependencies() {
        if let Some(folder) = dependency.folder(path).and_then(|folder| folder.canonicalize().ok())
            && !found.contains(&folder)
        {
            chart(&folder, depth + 1, found);
        }
    }
}
