//! Walking a folder in a fixed order, links not followed.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::FilesError;
use super::stat::{Stat, StatKind};

/// What the walk does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is in the result; a folder is entered.
    Yes,
    /// It is in the result only if something below it is.
    IfNeeded,
    /// It and everything below it are left out.
    Never,
}

/// A path that a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Relative to the walk's root, `/`-separated.
    pub path: String,
    /// Its metadata.
    pub stat: Stat,
}

/// Decides path by path what a walk keeps. `Folder` is what a folder's verdict leaves behind for
/// the paths right below it.
pub trait Filter {
    /// What is known about a folder that is walked through.
    type Folder;

    /// What the root's own folder leaves behind.
    fn root(&self) -> Self::Folder;

    /// The verdict on `path`, relative to the root; `parent` is what its folder left behind.
    fn judge(&self, path: &str, is_folder: bool, parent: &Self::Folder) -> (Keep, Self::Folder);
}

/// Keeps everything.
#[derive(Debug, Clone, Copy)]
pub struct All;

impl Filter for All {
    type Folder = ();

    fn root(&self) {}

    fn judge(&self, _: &str, _: bool, (): &()) -> (Keep, ()) {
        (Keep::Yes, ())
    }
}

/// Everything below `root` that `filter` keeps, each folder right before what it holds, names in
/// bytewise order. The root itself is not among it, and neither is what vanishes meanwhile.
///
/// # Errors
///
/// [`FilesError::Unreadable`] for a kept folder that may not be read;
/// [`FilesError::NotUtf8`] for a kept name that is no UTF-8, which no builder takes.
pub fn walk<F: Filter>(root: &Path, filter: &F) -> Result<Vec<Found>, FilesError> {
    let mut walk = Walk { filter, found: Vec::new(), pending: Vec::new() };
    let below = filter.root();
    walk.folder(root, "", &below)?;
    Ok(walk.found)
}

struct Walk<'a, F: Filter> {
    filter: &'a F,
    found: Vec<Found>,
    /// Folders on the way down that are kept only if something below them is.
    pending: Vec<Found>,
}

impl<F: Filter> Walk<'_, F> {
    fn folder(&mut self, folder: &Path, prefix: &str, left: &F::Folder) -> Result<(), FilesError> {
        for (name, stat) in listing(folder)? {
            let path = folder.join(&name);
            let Some(name) = name.to_str() else {
                // Whether it is kept cannot be asked; a name that patterns cannot speak of is
                // kept by none, and left out by none.
                let (keep, _) = self.filter.judge(
                    &format!("{prefix}{}", name.to_string_lossy()),
                    stat.kind == StatKind::Directory,
                    left,
                );
                if keep == Keep::Yes {
                    return Err(FilesError::NotUtf8 { path });
                }
                continue;
            };
            let relative = format!("{prefix}{name}");
            let is_folder = stat.kind == StatKind::Directory;
            let (keep, below) = self.filter.judge(&relative, is_folder, left);
            match keep {
                Keep::Never => continue,
                Keep::IfNeeded if !is_folder => continue,
                Keep::IfNeeded => {
                    let depth = self.pending.len();
                    let prefix = format!("{relative}/");
                    self.pending.push(Found { path: relative, stat });
                    self.folder(&path, &prefix, &below)?;
                    self.pending.truncate(depth);
                }
                Keep::Yes => {
                    self.found.append(&mut self.pending);
                    if is_folder {
                        let prefix = format!("{relative}/");
                        self.found.push(Found { path: relative, stat });
                        self.folder(&path, &prefix, &below)?;
                    } else {
                        self.found.push(Found { path: relative, stat });
                    }
                }
            }
        }
        Ok(())
    }
}

/// What lies directly in `folder`, by name; empty where it has vanished.
fn listing(folder: &Path) -> Result<Vec<(OsString, Stat)>, FilesError> {
    let refused = |source| FilesError::unreadable(folder, source);
    let gone = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if gone(error.kind()) => return Ok(Vec::new()),
        Err(error) => return Err(refused(error)),
    };
    let mut listing = Vec::new();
    for entry in entries {
        let entry = entry.map_err(refused)?;
        match entry.metadata() {
            Ok(meta) => listing.push((entry.file_name(), Stat::of(&meta))),
            Err(error) if gone(error.kind()) => {}
            Err(error) => return Err(FilesError::unreadable(&entry.path(), error)),
        }
    }
    listing.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(listing)
}

/// Does `work` on each of `items`, spread over the processor's cores, in their order; the first
/// error ends it.
///
/// # Errors
///
/// The first that `work` returned.
pub fn in_parallel<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    if cores == 1 || items.len() < 64 {
        return items.iter().map(work).collect();
    }
    // Small batches, taken from a common counter: a few large files do not leave a core idle.
    let next = std::sync::atomic::AtomicUsize::new(0);
    let batch = (items.len() / (cores * 16)).clamp(1, 512);
    let (next, work) = (&next, &work);
    let run = move || -> Result<Vec<(usize, Vec<R>)>, E> {
        let mut done = Vec::new();
        loop {
            let from = next.fetch_add(batch, std::sync::atomic::Ordering::Relaxed);
            let Some(part) = items.get(from..(from + batch).min(items.len())) else { break };
            if part.is_empty() {
                break;
            }
            match part.iter().map(work).collect::<Result<Vec<R>, E>>() {
                Ok(results) => done.push((from, results)),
                Err(error) => {
                    next.store(items.len(), std::sync::atomic::Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>, E>>()
    })?;
    let mut parts: Vec<(usize, Vec<R>)> = parts.into_iter().flatten().collect();
    parts.sort_unstable_by_key(|(from, _)| *from);
    Ok(parts.into_iter().flat_map(|(_, results)| results).collect())
}

/// `path` with `.` and `..` taken out as far as names go, links not followed.
#[must_use]
pub fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if tidy.file_name().is_some() => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}
