//! What a file is by its metadata.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// The metadata by which a changed file is told from an unchanged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stat {
    /// What it is.
    pub kind: StatKind,
    /// Permission bits, set-id and sticky bits included.
    pub mode: u32,
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Time of the last write, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of content or metadata; unlike `mtime_ns` nobody can set it.
    pub ctime_ns: i64,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, pipe or device.
    Other,
}

impl Stat {
    /// Takes what matters from `meta`.
    #[must_use]
    pub fn of(meta: &Metadata) -> Self {
        let kind = match meta.file_type() {
            kind if kind.is_file() => StatKind::File,
            kind if kind.is_dir() => StatKind::Directory,
            kind if kind.is_symlink() => StatKind::Symlink,
            _ => StatKind::Other,
        };
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            kind,
            mode: meta.mode() & 0o7777,
            device: meta.dev(),
            inode: meta.ino(),
            size_bytes: meta.size(),
            mtime_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// The metadata of `path` itself: a link is not followed.
    ///
    /// # Errors
    ///
    /// The system's, such as "not found".
    pub fn read(path: &std::path::Path) -> std::io::Result<Self> {
        path.symlink_metadata().map(|meta| Self::of(&meta))
    }

    /// Whether a write just after `moment` (nanoseconds since 1970) could leave this metadata as
    /// it is, because the clock that stamps files moves in steps.
    #[must_use]
    pub fn may_be_rewritten_unseen(&self, moment: i64) -> bool {
        let whole_seconds = |stamp: i64| stamp % 1_000_000_000 == 0;
        let step_ns = if whole_seconds(self.mtime_ns) && whole_seconds(self.ctime_ns) {
            COARSE_STEP_NS
        } else {
            STEP_NS
        };
        // Nobody can set this one back, and a write always moves it.
        self.ctime_ns >= moment.saturating_sub(step_ns)
    }
}

/// The kernel stamps files by its tick, which is 10 ms at the slowest (`CONFIG_HZ=100`).
const STEP_NS: i64 = 20_000_000;

/// FAT knows only even seconds; HFS+ and some network file systems whole ones.
const COARSE_STEP_NS: i64 = 2_000_000_000;

/// The present, in nanoseconds since 1970.
pub(super) fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
