//! What was there at the last look: the truth that hints are checked against.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::files::{Stat, StatKind};
use crate::model::ChangeSet;

use super::scope::{FolderRules, Wanted, WatchScope, names_by_folder};
use super::temporary::is_temporary;

/// What was there at the last look, folder by folder.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    scope: WatchScope,
    wanted: Wanted,
    folders: HashMap<PathBuf, Folder>,
    /// Names that matter one by one, in folders that need not be watched as a whole.
    names: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// The same for files behind links: where the file lies, and as what it is watched.
    alias_by_target: BTreeMap<PathBuf, PathBuf>,
}

#[derive(Debug, Default)]
struct Folder {
    entries: BTreeMap<OsString, Seen>,
    /// A root wants it; otherwise only some names in it matter.
    is_wanted: bool,
}

/// An entry as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    stat: Stat,
    /// When it was looked at, in nanoseconds since 1970.
    at_ns: i64,
}

impl Seen {
    /// A later write may have left it as it is.
    fn is_doubtful(&self) -> bool {
        // A stamp of the future, from a server whose clock is ahead, would stay in doubt for ever.
        self.stat.kind == StatKind::File
            && self.stat.may_be_rewritten_unseen(self.at_ns)
            && self.stat.ctime_ns <= self.at_ns.saturating_add(AHEAD_NS)
    }
}

/// Clocks differ by so much without being wrong.
const AHEAD_NS: i64 = 2_000_000_000;

/// Folders to look at.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// With the names that were told of.
    folders: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// Folders that came, went or were put in another's place: their watches are void.
    renewed: BTreeSet<PathBuf>,
    /// Everything: hints were lost.
    all: bool,
}

impl Hints {
    /// `path` was told of; `is_structural` when it came, went or was renamed.
    pub(super) fn add(&mut self, path: &Path, is_structural: bool) {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            self.folders.entry(folder.to_owned()).or_default().insert(name.to_owned());
        }
        if is_structural {
            self.renewed.insert(path.to_owned());
        }
    }

    /// `folder` is to be looked at for itself.
    pub(super) fn add_folder(&mut self, folder: &Path) {
        self.folders.entry(folder.to_owned()).or_default();
    }

    pub(super) fn add_all(&mut self) {
        self.all = true;
    }

    /// Takes on what `other` has.
    pub(super) fn merge(&mut self, other: Self) {
        for (folder, names) in other.folders {
            self.folders.entry(folder).or_default().extend(names);
        }
        self.renewed.extend(other.renewed);
        self.all |= other.all;
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.folders.is_empty() && self.renewed.is_empty()
    }
}

/// Sets the system's own watches on folders.
pub(super) trait Watches {
    /// Hints about what is directly in `folder` are wanted. Called before it is listed, so that
    /// nothing falls between.
    fn add(&mut self, folder: &Path);

    /// They are no longer.
    fn remove(&mut self, folder: &Path);
}

impl Snapshot {
    /// Takes on a scope. What it has more than the last one counts as seen; what changed in both
    /// is told.
    pub(super) fn set_scope(&mut self, scope: WatchScope, watches: &mut dyn Watches) -> ChangeSet {
        self.wanted = scope.read();
        let mut single: Vec<PathBuf> = scope.files.iter().cloned().collect();
        self.alias_by_target.clear();
        for file in &scope.files {
            // A link's own metadata says nothing of what it leads to.
            if file.is_symlink()
                && let Ok(target) = file.canonicalize()
            {
                single.push(target.clone());
                self.alias_by_target.insert(target, file.clone());
            }
        }
        single.extend(self.wanted.roots().map(Path::to_owned));
        let old = std::mem::replace(&mut self.scope, scope);
        self.names = names_by_folder(single);
        let unwanted: Vec<PathBuf> = self
            .folders
            .keys()
            .filter(|folder| {
                !self.names.contains_key(*folder) && self.wanted.rules_in(folder).is_unwanted()
            })
            .cloned()
            .collect();
        for folder in unwanted {
            self.folders.remove(&folder);
            watches.remove(&folder);
        }
        let told = BTreeMap::new();
        let mut look = Look::new(&told, watches);
        let mut first: BTreeSet<PathBuf> = self.names.keys().cloned().collect();
        first.extend(self.wanted.roots().map(Path::to_owned));
        for folder in first {
            // A link may lead elsewhere than when the watch was set.
            if folder.is_symlink() {
                look.watches.remove(&folder);
            }
            self.look(&folder, None, true, &mut look);
        }
        let changed = look.changed;
        let mut paths = self.told(changed);
        paths.retain(|path| covers(&old, path));
        ChangeSet { paths }
    }

    /// The scope that is watched.
    pub(super) fn scope(&self) -> &WatchScope {
        &self.scope
    }

    /// How many files and links are watched.
    pub(super) fn files(&self) -> usize {
        let is_file = |seen: &&Seen| seen.stat.kind != StatKind::Directory;
        self.folders.values().map(|folder| folder.entries.values().filter(is_file).count()).sum()
    }

    /// All folders that are looked at.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.folders.keys().cloned().collect()
    }

    /// Whether a hint about `path` may concern anything here.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        if self.folders.contains_key(path) {
            return true;
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        if self.names.get(folder).is_some_and(|names| names.contains(name)) {
            return true;
        }
        self.folders.get(folder).is_some_and(|folder| folder.is_wanted)
            && !name.to_str().is_some_and(is_temporary)
    }

    /// Looks where the hints point, and tells what is not as it was.
    pub(super) fn check(&mut self, hints: &Hints, watches: &mut dyn Watches) -> ChangeSet {
        let mut look = Look::new(&hints.folders, watches);
        if hints.all {
            // Which folders were replaced meanwhile is not known.
            let folders = self.folders();
            for folder in &folders {
                look.watches.remove(folder);
                look.watches.add(folder);
            }
            for folder in folders {
                self.look(&folder, None, false, &mut look);
            }
        }
        for folder in &hints.renewed {
            if self.folders.contains_key(folder) {
                look.watches.remove(folder);
                self.look(folder, None, true, &mut look);
            }
        }
        for folder in hints.folders.keys() {
            if self.folders.contains_key(folder) || self.names.contains_key(folder) {
                self.look(folder, None, false, &mut look);
            }
        }
        let (mut changed, has_lost) = (look.changed, look.has_lost);
        if has_lost || self.rules_depend_on(&changed) {
            let scope = self.scope.clone();
            changed.extend(self.set_scope(scope, watches).paths);
        }
        ChangeSet { paths: self.told(changed) }
    }

    /// Whether what is wanted follows from something that changed: an ignore file, a link to a
    /// watched file or folder, or a folder on the way to something that was missing.
    fn rules_depend_on(&self, changed: &BTreeSet<PathBuf>) -> bool {
        changed.iter().any(|path| {
            let is_named = || {
                let names = path.parent().and_then(|folder| self.names.get(folder));
                names.is_some_and(|names| path.file_name().is_some_and(|name| names.contains(name)))
            };
            self.wanted.ignore_files.contains(path)
                || path.file_name().is_some_and(|name| name == ".gitignore")
                || if self.scope.files.contains(path) {
                    path.is_symlink()
                } else {
                    is_named()
                        && !self.alias_by_target.contains_key(path)
                        && (path.is_symlink() || !self.wanted.roots().any(|root| root == path))
                }
        })
    }

    /// Of what changed, that which was asked for: what lies on the way to it is watched as well.
    fn told(&self, mut changed: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        for (target, alias) in &self.alias_by_target {
            if changed.contains(target) {
                changed.insert(alias.clone());
            }
        }
        changed.retain(|path| covers(&self.scope, path));
        changed
    }

    /// Whether `folder` differs from what was seen, without taking note of it: what a look there
    /// would be about.
    pub(super) fn differs(&self, folder: &Path) -> Option<Hints> {
        let mut hints = Hints::default();
        let known = self.folders.get(folder)?;
        let Some(listing) = self.listing(folder) else {
            hints.add(folder, true);
            hints.add_folder(folder);
            return Some(hints);
        };
        for (name, stat) in &listing {
            match known.entries.get(name) {
                Some(seen) if is_same(&seen.stat, stat) && !seen.is_doubtful() => {}
                _ => hints.add(&folder.join(name), false),
            }
        }
        if known.entries.keys().any(|name| !listing.contains_key(name)) {
            hints.add_folder(folder);
        }
        Some(hints)
    }

    /// What is watched directly in `folder`; `None` where it is gone.
    fn listing(&self, folder: &Path) -> Option<BTreeMap<OsString, Stat>> {
        self.listing_by(folder, &self.wanted.rules_in(folder))
            .map(|listing| listing.into_iter().map(|(name, (stat, _))| (name, stat)).collect())
    }

    fn listing_by(
        &self,
        folder: &Path,
        rules: &FolderRules,
    ) -> Option<BTreeMap<OsString, (Stat, FolderRules)>> {
        let mut listing = BTreeMap::new();
        let names = self.names.get(folder);
        for name in names.into_iter().flatten() {
            if let Ok(stat) = Stat::read(&folder.join(name)) {
                let below = match stat.kind {
                    StatKind::Directory => self.wanted.rules_in(&folder.join(name)),
                    _ => FolderRules::default(),
                };
                listing.insert(name.clone(), (stat, below));
            }
        }
        if rules.is_unwanted() {
            return folder.is_dir().then_some(listing);
        }
        for entry in std::fs::read_dir(folder).ok()? {
            // One that vanishes in between is not there.
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            if listing.contains_key(&name) {
                continue;
            }
            let Ok(meta) = entry.metadata() else { continue };
            let stat = Stat::of(&meta);
            let is_folder = stat.kind == StatKind::Directory;
            if stat.kind == StatKind::Other
                || (!is_folder && name.to_str().is_some_and(is_temporary))
            {
                continue;
            }
            let verdict = self.wanted.judge(&entry.path(), is_folder, rules);
            if verdict.is_kept || !verdict.below.is_unwanted() {
                listing.insert(name, (stat, verdict.below));
            }
        }
        Some(listing)
    }

    /// Looks at one folder; `deep` for one whose folders may all be others than before.
    fn look(&mut self, folder: &Path, rules: Option<FolderRules>, deep: bool, look: &mut Look<'_>) {
        let rules = rules.unwrap_or_else(|| self.wanted.rules_in(folder));
        let is_new = !self.folders.contains_key(folder);
        if is_new || deep {
            look.watches.add(folder);
        }
        let at_ns = now_ns();
        let Some(listing) = self.listing_by(folder, &rules) else {
            look.has_lost |= self.names.contains_key(folder);
            self.forget(folder, look);
            return;
        };
        let mut before = self.folders.remove(folder).unwrap_or_default().entries;
        let mut entries = BTreeMap::new();
        let mut enter: Vec<(PathBuf, FolderRules, bool)> = Vec::new();
        for (name, (stat, below)) in listing {
            let path = folder.join(&name);
            let seen = before.remove(&name);
            let is_folder = stat.kind == StatKind::Directory;
            let was_told = || look.told.get(folder).is_some_and(|names| names.contains(&name));
            let is_changed = match &seen {
                None => true,
                Some(seen) => !is_same(&seen.stat, &stat) || (seen.is_doubtful() && was_told()),
            };
            if is_changed {
                look.changed.insert(path.clone());
            }
            if let Some(seen) = &seen
                && seen.stat.kind == StatKind::Directory
                && !is_folder
            {
                self.forget(&path, look);
            }
            if is_folder && !below.is_unwanted() {
                let is_other = seen.is_none_or(|seen| {
                    seen.stat.inode != stat.inode || seen.stat.kind != stat.kind
                });
                if is_other && !is_new {
                    look.watches.remove(&path);
                }
                if deep || is_other || !self.folders.contains_key(&path) {
                    enter.push((path, below, deep || is_other));
                }
            }
            // A stamp that cannot tell a later write stays in doubt until it is old enough.
            let at_ns = match seen {
                Some(seen) if !is_changed => seen.at_ns,
                _ => at_ns,
            };
            entries.insert(name, Seen { stat, at_ns });
        }
        let is_wanted = !rules.is_unwanted();
        self.folders.insert(folder.to_owned(), Folder { entries, is_wanted });
        for (name, seen) in before {
            let path = folder.join(name);
            if seen.stat.kind == StatKind::Directory {
                self.forget(&path, look);
            }
            look.changed.insert(path);
        }
        for (path, below, deep) in enter {
            self.look(&path, Some(below), deep, look);
        }
    }

    /// `folder` is gone, and everything that was in it.
    fn forget(&mut self, folder: &Path, look: &mut Look<'_>) {
        if let Some(gone) = self.folders.remove(folder) {
            look.watches.remove(folder);
            for (name, seen) in gone.entries {
                let path = folder.join(&name);
                if seen.stat.kind == StatKind::Directory {
                    self.forget(&path, look);
                }
                look.changed.insert(path);
            }
        }
    }
}

/// One look, which may lead through many folders.
struct Look<'a> {
    /// What hints named, by folder.
    told: &'a BTreeMap<PathBuf, BTreeSet<OsString>>,
    watches: &'a mut dyn Watches,
    changed: BTreeSet<PathBuf>,
    /// A folder that shows single files is gone: they may have to be watched from further up.
    has_lost: bool,
}

impl<'a> Look<'a> {
    fn new(told: &'a BTreeMap<PathBuf, BTreeSet<OsString>>, watches: &'a mut dyn Watches) -> Self {
        Self { told, watches, changed: BTreeSet::new(), has_lost: false }
    }
}

/// Whether `path` is something that `scope` asks for, not only on the way to it.
fn covers(scope: &WatchScope, path: &Path) -> bool {
    scope.files.contains(path) || scope.roots.iter().any(|root| path.starts_with(&root.path))
}

/// Whether nothing that matters differs: a folder's times and size follow from what it holds,
/// which is compared for itself.
fn is_same(before: &Stat, now: &Stat) -> bool {
    if before.kind == StatKind::Directory && now.kind == StatKind::Directory {
        return before.mode == now.mode;
    }
    before == now
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
