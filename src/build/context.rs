//! The files that a build can see: walked, narrowed, hashed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::dockerfile::{BadPattern, ContextFilter, Patterns, Visibility, VisiblePath, clean};
use crate::files::{FilesError, Found, Globs, Stat, StatCache, StatKind};

use super::inputs::{Entry, EntryKind};

/// A context as a build sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ContextFiles {
    /// In [`Entry::order`].
    pub(super) entries: Arc<Vec<Entry>>,
    /// The ignore file in force.
    pub(super) dockerignore: Option<Vec<u8>>,
}

/// Why a context cannot be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// Nobody waits for it any more.
    Cancelled,
    /// Docker refuses a pattern of this ignore file.
    BadIgnore(PathBuf, BadPattern),
    Files(FilesError),
}

impl From<FilesError> for Unread {
    fn from(error: FilesError) -> Self {
        Self::Files(error)
    }
}

/// Permission bits that are sent and hashed.
const MODE_MASK: u32 = 0o7755;

/// Reads what of the folder `root` is visible and not ignored. `dockerfile` is where an ignore
/// file of its own may lie beside.
pub(super) fn read(
    root: &Path,
    dockerfile: Option<&Path>,
    visible: &Visibility,
    cache: &StatCache,
    cancel: &CancellationToken,
) -> Result<ContextFiles, Unread> {
    let (ignored, dockerignore) = match ignore_file(root, dockerfile)? {
        Some((path, text)) => {
            let patterns = Patterns::read(&text).map_err(|error| Unread::BadIgnore(path, error))?;
            (patterns, Some(text))
        }
        None => (Patterns::default(), None),
    };
    let sources = Sources::resolve(root, visible);
    let filter = ContextFilter { visible: sources.patterns.clone(), ignored };
    let mut found = crate::files::walk(root, &filter)?;
    sources.leave_out_excluded(&mut found);
    let entries = entries(root, &found, cache, cancel)?;
    Ok(ContextFiles { entries: Arc::new(entries), dockerignore })
}

/// The ignore file in force and its text: the Dockerfile's own, else the context's.
/// <https://docs.docker.com/build/concepts/context/#filename-and-location>
pub(super) fn ignore_file(
    root: &Path,
    dockerfile: Option<&Path>,
) -> Result<Option<(PathBuf, Vec<u8>)>, FilesError> {
    let own = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in own.into_iter().chain([root.join(".dockerignore")]) {
        match std::fs::read(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(FilesError::Unreadable { path, source }),
        }
    }
    Ok(None)
}

/// What instructions read, links followed.
struct Sources {
    /// `None`: everything.
    patterns: Option<Patterns>,
    /// Sources without excludes: what they show, shows.
    plain: Patterns,
    excluding: Vec<Excluding>,
}

/// A source with `--exclude`s.
struct Excluding {
    /// Empty for the whole context.
    source: String,
    excludes: Patterns,
}

impl Sources {
    fn everything() -> Self {
        Self { patterns: None, plain: Patterns::default(), excluding: Vec::new() }
    }

    fn resolve(root: &Path, visible: &Visibility) -> Self {
        let Visibility::Paths(paths) = visible else { return Self::everything() };
        let mut plain = BTreeSet::new();
        let mut excluding = Vec::new();
        for VisiblePath { pattern, excludes } in paths {
            let followed = follow(root, pattern);
            let stays = followed.len() == 1 && followed.contains(pattern);
            match Patterns::new(excludes) {
                Ok(excludes) if stays && !excludes.is_empty() => {
                    let source = if pattern == "." { String::new() } else { pattern.clone() };
                    excluding.push(Excluding { source, excludes });
                }
                _ => plain.extend(followed),
            }
        }
        let everything = |pattern: &str| pattern == ".";
        if plain.iter().any(|pattern| everything(pattern)) {
            return Self::everything();
        }
        let all = plain.iter().chain(excluding.iter().map(|source| &source.source));
        let patterns = if excluding.iter().any(|source| source.source.is_empty()) {
            None
        } else {
            match Patterns::new(all) {
                Ok(patterns) => Some(patterns),
                Err(_) => return Self::everything(),
            }
        };
        let Ok(plain) = Patterns::new(&plain) else { return Self::everything() };
        Self { patterns, plain, excluding }
    }

    fn leave_out_excluded(&self, found: &mut Vec<Found>) {
        if self.excluding.is_empty() {
            return;
        }
        let mut needed: BTreeSet<String> = BTreeSet::new();
        let mut kept: Vec<bool> = found.iter().map(|found| self.shows(&found.path)).collect();
        // From the end, since what a folder holds stands behind it.
        for (found, keep) in found.iter().zip(&mut kept).rev() {
            *keep |= needed.contains(&found.path);
            if *keep && let Some((parent, _)) = found.path.rsplit_once('/') {
                needed.insert(parent.to_owned());
            }
        }
        let mut kept = kept.into_iter();
        found.retain(|_| kept.next().unwrap_or(true));
    }

    fn shows(&self, path: &str) -> bool {
        self.plain.matches(path)
            || self.excluding.iter().any(|Excluding { source, excludes }| {
                let below = match source.as_str() {
                    "" => Some(path),
                    _ if path == source => Some(""),
                    _ => path.strip_prefix(source.as_str()).and_then(|rest| rest.strip_prefix('/')),
                };
                // Frontends do not agree what the patterns are relative to: both must match.
                below.is_some_and(|below| {
                    below.is_empty() || !(excludes.matches(below) && excludes.matches(path))
                })
            })
    }
}

/// `pattern` and what links on its way lead to, as BuildKit follows them:
/// <https://github.com/tonistiigi/fsutil/blob/master/followlinks.go>.
fn follow(root: &Path, pattern: &str) -> BTreeSet<String> {
    let mut resolved = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![(pattern.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        // A longer chain is a circle, which leads nowhere.
        if depth > CHAIN || !seen.insert(path.clone()) {
            continue;
        }
        if seen.len() > LINKS {
            // Everything is never too little.
            return BTreeSet::from([".".to_owned()]);
        }
        let mut current = String::new();
        let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        loop {
            let Some(part) = parts.next() else {
                // The context itself, or a path that has come to its end.
                resolved.insert(if current.is_empty() { ".".to_owned() } else { current });
                break;
            };
            let targets = link_targets(root, &current, part);
            if !current.is_empty() {
                current.push('/');
            }
            current.push_str(part);
            if targets.is_empty() {
                continue;
            }
            resolved.insert(current);
            let rest = parts.collect::<Vec<_>>().join("/");
            for target in targets {
                let next = clean(&format!("/{target}/{rest}"));
                open.push((next.trim_start_matches('/').to_owned(), depth + 1));
            }
            // Not everything that a wildcard matches need be a link.
            resolved.insert(path);
            break;
        }
    }
    resolved
}

/// As many links as Linux follows on the way to one file.
const CHAIN: usize = 40;

/// No real context has as many links on the way to its sources.
const LINKS: usize = 1000;

/// Where the links lead that `part` names in the folder `parent`, relative to the context.
fn link_targets(root: &Path, parent: &str, part: &str) -> Vec<String> {
    let folder = root.join(parent);
    let target = |name: &std::ffi::OsStr| {
        let target = std::fs::read_link(folder.join(name)).ok()?;
        let target = target.to_str()?;
        let path =
            if target.starts_with('/') { target.to_owned() } else { format!("{parent}/{target}") };
        Some(clean(&format!("/{path}")).trim_start_matches('/').to_owned())
    };
    if !part.contains(['*', '?', '[', '\\']) {
        return target(part.as_ref()).into_iter().collect();
    }
    let Ok(pattern) = Patterns::new([part]) else { return Vec::new() };
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let matching = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| pattern.matches(name)));
    matching.filter_map(|entry| target(&entry.file_name())).collect()
}

/// Reads what was found: contents are hashed on all cores.
fn entries(
    root: &Path,
    found: &[Found],
    cache: &StatCache,
    cancel: &CancellationToken,
) -> Result<Vec<Entry>, Unread> {
    let read = |found: &Found| -> Result<Option<Entry>, Unread> {
        if cancel.is_cancelled() {
            return Err(Unread::Cancelled);
        }
        let path = root.join(&found.path);
        match entry(&path, found, cache) {
            Ok(entry) => Ok(entry),
            // Gone since the walk: as if it had gone before.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError::Unreadable { path, source }.into()),
        }
    };
    Ok(crate::files::in_parallel(found, read)?.into_iter().flatten().collect())
}

fn entry(path: &Path, found: &Found, cache: &StatCache) -> std::io::Result<Option<Entry>> {
    let (kind, stat): (EntryKind, Stat) = match found.stat.kind {
        StatKind::File => {
            let (sha256, stat) = cache.hash(path, &found.stat)?;
            (EntryKind::File { sha256, size_bytes: stat.size_bytes }, stat)
        }
        StatKind::Directory => (EntryKind::Directory, found.stat),
        StatKind::Symlink => {
            let target = std::fs::read_link(path)?.into_os_string().into_string();
            let target =
                target.map_err(|_| std::io::Error::other("the link's target is no UTF-8"))?;
            (EntryKind::Symlink { target }, found.stat)
        }
        StatKind::Other => return Ok(None),
    };
    let mode = stat.mode & MODE_MASK;
    Ok(Some(Entry { path: found.path.clone(), kind, mode, mtime_ns: stat.mtime_ns }))
}

/// What of `dir` some globs select, for builds by a command: files and links only.
pub(super) fn read_globs(
    dir: &Path,
    globs: &Globs,
    cache: &StatCache,
    cancel: &CancellationToken,
) -> Result<Vec<Entry>, Unread> {
    let mut found = crate::files::walk(dir, globs)?;
    found.retain(|found| matches!(found.stat.kind, StatKind::File | StatKind::Symlink));
    entries(dir, &found, cache, cancel)
}
