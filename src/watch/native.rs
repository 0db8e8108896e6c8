//! The system's own watches. What they tell is a hint, never the truth: inotify loses what
//! happens in a folder between its making and its watch, queues overflow, and mapped memory is
//! written without a word.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::event::ModifyKind;
use notify::{
    Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
};

use super::snapshot::Watches;
use super::watcher::Order;

/// Something may have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// To this path.
    Path {
        /// Absolute.
        path: PathBuf,
        /// It came, went or was renamed.
        is_structural: bool,
    },
    /// Hints were lost.
    Lost,
}

/// Watches that the system keeps.
#[derive(Debug)]
pub(super) struct Native {
    watcher: RecommendedWatcher,
    trouble: Option<String>,
    /// Where one watch covers everything below.
    #[cfg(not(target_os = "linux"))]
    roots: std::collections::BTreeSet<PathBuf>,
}

/// Whoever holds this for writing keeps hints from being read, as a busy machine does.
#[cfg(test)]
pub(super) static READER: std::sync::RwLock<()> = std::sync::RwLock::new(());

/// None at all.
pub(super) struct NoWatches;

impl Watches for NoWatches {
    fn add(&mut self, _: &Path) {}

    fn remove(&mut self, _: &Path) {}
}

impl Native {
    /// Starts without any watch.
    ///
    /// # Errors
    ///
    /// Why there can be none, for a person to read.
    pub(super) fn start(order_tx: Sender<Order>) -> Result<Self, String> {
        let tell = move |event: notify::Result<Event>| {
            #[cfg(test)]
            let _reads = READER.read();
            for hint in hints_of(event) {
                // The thread has ended; so will this watcher.
                let _ = order_tx.send(Order::Hint(hint));
            }
        };
        let config = Config::default().with_follow_symlinks(false);
        match RecommendedWatcher::new(tell, config) {
            Ok(watcher) => Ok(Self {
                watcher,
                trouble: None,
                #[cfg(not(target_os = "linux"))]
                roots: std::collections::BTreeSet::new(),
            }),
            Err(error) => Err(note(&error)),
        }
    }

    /// Why watches are missing, once.
    pub(super) fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn watch(&mut self, folder: &Path, mode: RecursiveMode) {
        // Some hundred thousand refusals would take as long as they are useless.
        if self.trouble.is_some() {
            return;
        }
        if let Err(error) = self.watcher.watch(folder, mode) {
            match error.kind {
                // It has gone again; the folder above tells so.
                ErrorKind::PathNotFound | ErrorKind::WatchNotFound => {}
                ErrorKind::Io(ref error) if error.kind() == std::io::ErrorKind::NotFound => {}
                _ => self.trouble = Some(note(&error)),
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Watches for Native {
    fn add(&mut self, folder: &Path) {
        self.watch(folder, RecursiveMode::NonRecursive);
    }

    fn remove(&mut self, folder: &Path) {
        // It went by itself with the folder, most often.
        let _ = self.watcher.unwatch(folder);
    }
}

#[cfg(not(target_os = "linux"))]
impl Watches for Native {
    fn add(&mut self, folder: &Path) {
        if folder.ancestors().any(|above| self.roots.contains(above)) {
            return;
        }
        self.watch(folder, RecursiveMode::Recursive);
        self.roots.insert(folder.to_owned());
    }

    fn remove(&mut self, folder: &Path) {
        if self.roots.remove(folder) {
            let _ = self.watcher.unwatch(folder);
        }
    }
}

pub(super) fn hints_of(event: notify::Result<Event>) -> Vec<Hint> {
    // Of errors nothing is known but that something was missed.
    let Ok(event) = event else { return vec![Hint::Lost] };
    if event.need_rescan() {
        return vec![Hint::Lost];
    }
    let is_structural = match event.kind {
        // wharf's own reading is told of too.
        EventKind::Access(_) => return Vec::new(),
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            true
        }
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => false,
    };
    event.paths.into_iter().map(|path| Hint::Path { path, is_structural }).collect()
}

/// What stands in the way, and how to mend it.
fn note(error: &notify::Error) -> String {
    let limit = |name: &str| {
        let path = format!("/proc/sys/fs/inotify/{name}");
        let now = std::fs::read_to_string(path).unwrap_or_default();
        (name.to_owned(), now.trim().to_owned())
    };
    // EMFILE and ENFILE: no further inotify instance.
    let is_instance = |error: &std::io::Error| matches!(error.raw_os_error(), Some(23 | 24));
    // ENOSPC means the number of watches here, not the disk.
    let is_watch = |error: &std::io::Error| error.raw_os_error() == Some(28);
    let ((name, now), wanted, of) = match &error.kind {
        ErrorKind::MaxFilesWatch => (limit("max_user_watches"), 524_288, "watched files"),
        ErrorKind::Io(error) if is_watch(error) => {
            (limit("max_user_watches"), 524_288, "watched files")
        }
        ErrorKind::Io(error) if is_instance(error) => {
            (limit("max_user_instances"), 1024, "programs that watch files")
        }
        _ => {
            return format!(
                "the system does not watch files here ({error}); saves are looked for instead"
            );
        }
    };
    format!(
        "the system's limit on {of} is reached (fs.inotify.{name} = {now}); saves are \
         looked for instead, which is slower. Raise it: `sudo sysctl fs.inotify.{name}={wanted}`"
    )
}
