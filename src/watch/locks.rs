//! The locks that Git holds while it rewrites the files of a repository: a save in the midst of a
//! checkout is not looked at before it has ended.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::debounce::BUSY_LONGEST;
use super::scope::WatchScope;

/// The locks of the repositories that are watched.
#[derive(Debug, Default)]
pub(super) struct GitLocks {
    paths: Vec<PathBuf>,
    /// Those that nobody waits for: a killed `git` has left them, or one holds them that waits for
    /// a person.
    passed_over: BTreeMap<PathBuf, Identity>,
}

/// Which lock it is: one that is taken anew is another.
type Identity = (u64, u64, i64, i64);

impl GitLocks {
    /// From here on those of the repositories in `scope` count.
    pub(super) fn set_scope(&mut self, scope: &WatchScope) {
        self.paths = scope
            .roots
            .iter()
            .map(|root| root.path.as_path())
            .chain(scope.files.iter().map(PathBuf::as_path))
            .filter_map(|path| path.ancestors().find_map(git_folder))
            .map(|folder| folder.join("index.lock"))
            .collect();
        self.paths.sort();
        self.paths.dedup();
    }

    /// Whether somebody rewrites files at this moment.
    pub(super) fn are_held(&self) -> bool {
        self.paths.iter().any(|path| {
            let Some((identity, age)) = look(path) else { return false };
            age < BUSY_LONGEST && self.passed_over.get(path) != Some(&identity)
        })
    }

    /// Passes over every lock that has been there for long, or, when a save has waited for long
    /// enough, every lock. Returns those that this concerns for the first time.
    pub(super) fn pass_over(&mut self, has_waited: bool) -> Vec<PathBuf> {
        let mut new = Vec::new();
        for path in &self.paths {
            match look(path) {
                None => drop(self.passed_over.remove(path)),
                Some((_, age)) if age < BUSY_LONGEST && !has_waited => {}
                Some((identity, _)) => {
                    if self.passed_over.insert(path.clone(), identity) != Some(identity) {
                        new.push(path.clone());
                    }
                }
            }
        }
        new
    }
}

fn look(path: &Path) -> Option<(Identity, std::time::Duration)> {
    let meta = path.symlink_metadata().ok()?;
    let identity = (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec());
    // A stamp of the future says nothing.
    let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    Some((identity, age.unwrap_or_default()))
}

/// The folder that holds the index of the repository whose top is `folder`, if it is one.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    let meta = git.metadata().ok()?;
    if meta.is_dir() {
        return Some(git);
    }
    // A further worktree, or a submodule: a file says where the folder is.
    let text = std::fs::read_to_string(&git).ok()?;
    Some(folder.join(text.strip_prefix("gitdir:")?.trim()))
}
