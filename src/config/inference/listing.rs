//! The files of a folder, with the texts that inference reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::super::disk::KUSTOMIZATION_NAMES;
use super::super::error::{ConfigError, Problem};

/// Folders that hold other people's code.
const SKIPPED: &[&str] = &["node_modules", "vendor", ".git", "target", "__pycache__"];

/// Larger files are no manifests that a person wrote.
const TEXT_LIMIT: u64 = 512 * 1024;

/// So deep a service may lie below the folder.
const DEPTH_LIMIT: usize = 8;

/// What lies in a folder.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Listing {
    /// The folder, absolute.
    pub(super) root: PathBuf,
    /// Files by their path below it, `/`-separated; with their text where inference reads it.
    pub(super) files: BTreeMap<String, Option<String>>,
}

impl Listing {
    /// Walks `dir`, leaving out what `.gitignore` names and folders of other people's code.
    pub(in super::super) fn of(dir: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error: &dyn std::fmt::Display| {
            let (path, reason) = (dir.to_path_buf(), error.to_string());
            ConfigError::new(Problem::Unreadable { path, reason })
        };
        let walk = WalkBuilder::new(dir)
            .require_git(false)
            .max_depth(Some(DEPTH_LIMIT))
            .filter_entry(|entry| {
                let name = entry.file_name().to_string_lossy();
                !SKIPPED.contains(&name.as_ref())
            })
            .build();
        let mut files = BTreeMap::new();
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == Some(0) => return Err(unreadable(&error)),
                // A folder that may not be read below it shows nothing.
                Err(_) => continue,
            };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let Ok(below) = entry.path().strip_prefix(dir) else { continue };
            let Some(below) = below.to_str() else { continue };
            let is_small = entry.metadata().is_ok_and(|meta| meta.len() <= TEXT_LIMIT);
            let text = if is_small && is_read(below) {
                std::fs::read_to_string(entry.path()).ok()
            } else {
                None
            };
            files.insert(below.to_owned(), text);
        }
        Ok(Self { root: dir.to_path_buf(), files })
    }

    /// A listing of texts, for tests.
    #[cfg(test)]
    pub(in super::super) fn from_texts(root: &str, texts: &[(&str, &str)]) -> Self {
        let files = texts.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self { root: root.into(), files: files.collect() }
    }

    /// The text of the file at `path`.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// The files directly in `folder` (empty for the root), by name.
    pub(super) fn in_folder<'l>(
        &'l self,
        folder: &'l str,
    ) -> impl Iterator<Item = (&'l str, Option<&'l str>)> {
        self.below(folder).filter_map(move |(path, text)| {
            let name = if folder.is_empty() { path } else { &path[folder.len() + 1..] };
            (!name.contains('/')).then_some((name, text))
        })
    }

    /// The files in `folder` and below, by path.
    pub(super) fn below<'l>(
        &'l self,
        folder: &'l str,
    ) -> impl Iterator<Item = (&'l str, Option<&'l str>)> {
        self.files
            .iter()
            .filter(move |(path, _)| is_below(path, folder))
            .map(|(path, text)| (path.as_str(), text.as_deref()))
    }
}

/// Whether `path` lies in `folder` or deeper; everything lies in the empty one.
pub(super) fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The folder that `path` lies in, empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of `path`.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `path` seen from `folder`, with `.` and `..` resolved; absent when it leads out of the root.
pub(super) fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether the file at `path`, below the folder, is one whose coming, going or change may make
/// another project of the folder.
pub(in super::super) fn counts(path: &str) -> bool {
    let is_within = path.split('/').count() <= DEPTH_LIMIT;
    is_within && is_read(path) && !path.split('/').any(|part| SKIPPED.contains(&part))
}

fn is_read(path: &str) -> bool {
    let name = name_of(path);
    is_yaml(name) || KUSTOMIZATION_NAMES.contains(&name) || super::dockerfiles::is_dockerfile(name)
}

/// Whether a file of this name is YAML.
pub(super) fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}
