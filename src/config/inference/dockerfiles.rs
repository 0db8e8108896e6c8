//! Dockerfiles of a folder, and what each is likely to be called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::listing::{Listing, folder_of, name_of};

/// A Dockerfile that may be an image of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Below the root.
    pub(super) path: String,
    /// The build context, below the root; `.` for the root itself.
    pub(super) context: String,
    /// What its image is likely to be called: `worker` for `Dockerfile.worker`, otherwise the
    /// name of its folder.
    pub(super) label: String,
}

/// Folders that hold Dockerfiles rather than what these copy.
const DOCKER_FOLDERS: &[&str] = &["docker", "dockerfiles", "Docker"];

/// All Dockerfiles of `listing`, those of charts left out.
pub(super) fn candidates(listing: &Listing) -> Vec<Candidate> {
    let root_name = listing.root.file_name().unwrap_or_default().to_string_lossy();
    let paths = listing.files.keys().filter(|path| is_dockerfile(name_of(path)));
    paths
        .map(|path| {
            let folder = folder_of(path);
            let suffix = label(name_of(path));
            let is_docker_folder = DOCKER_FOLDERS.contains(&name_of(folder));
            let context = if is_docker_folder { folder_of(folder) } else { folder };
            let folder_name = if context.is_empty() { &root_name } else { name_of(context) };
            Candidate {
                path: path.clone(),
                context: if context.is_empty() { ".".to_owned() } else { context.to_owned() },
                label: suffix.unwrap_or(folder_name).to_lowercase().replace('_', "-"),
            }
        })
        .collect()
}

/// Whether a file of this name is a Dockerfile.
pub(super) fn is_dockerfile(name: &str) -> bool {
    let is_ignore = name.ends_with(".dockerignore");
    let is_plain = matches!(name, "Dockerfile" | "Containerfile");
    !is_ignore && (is_plain || label(name).is_some())
}

/// `worker` of `Dockerfile.worker` and `worker.Dockerfile`.
fn label(name: &str) -> Option<&str> {
    let suffix = name.strip_prefix("Dockerfile.").or_else(|| name.strip_suffix(".Dockerfile"));
    suffix.filter(|suffix| !suffix.is_empty())
}

/// The images that the Dockerfile at the absolute `path` takes something from.
pub(super) fn references(listing: &Listing, path: &Path) -> BTreeSet<String> {
    let below = path.strip_prefix(&listing.root).ok().and_then(Path::to_str);
    below.and_then(|below| listing.text(below)).map(references_of).unwrap_or_default()
}

/// The images that a Dockerfile takes something from.
pub(super) fn references_of(text: &str) -> BTreeSet<String> {
    crate::config::needs::references(text.as_bytes(), None, &BTreeMap::new(), &BTreeSet::new())
}
