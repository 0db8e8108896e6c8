//! Content hashes by metadata: a file that was read once is not read again until it changes.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::Digest as _;

use super::stat::{Stat, StatKind, now_ns};
use super::{FilesError, write_atomically};

/// Content hashes of files by device, inode, size, modification and change time.
///
/// A hash is remembered only when the file's stamps are older than its reading by more than the
/// clock's step: what is written again within the same step has the same stamps, and would keep
/// its old hash for ever. Shared by all builds of a session; a persistent one makes the next
/// start quick. It is a cache: losing it costs time, nothing else.
#[derive(Debug, Default)]
pub struct StatCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    record_by_file: HashMap<(u64, u64), Record>,
    /// Counts loads, so that records nobody has asked for lately can be told.
    session: u32,
    changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    size_bytes: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    sha256: [u8; 32],
    last_used: u32,
}

/// Begins a saved cache; the digit is the version of its form.
const MAGIC: &[u8; 16] = b"wharf-stat-v1\n\0\0";

/// Device, inode, size, two stamps, hash, last use.
const RECORD_BYTES: usize = 8 * 5 + 32 + 4;

/// A few large projects; 38 MB on disk.
const LONGEST: usize = 500_000;

/// How often a file that changes while it is read is read anew.
const READS: usize = 3;

impl StatCache {
    /// Reads a cache that was saved; one that is missing, damaged or of another version is empty.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let state = std::fs::read(path).ok().and_then(|bytes| State::read(&bytes));
        let mut state = state.unwrap_or_default();
        state.session = state.session.wrapping_add(1);
        Self { state: Mutex::new(state) }
    }

    /// Writes the cache for the next start, unless nothing was learnt. Of too many records, those
    /// unused the longest are left out.
    ///
    /// # Errors
    ///
    /// [`FilesError::Unwritable`].
    pub fn save(&self, path: &Path) -> Result<(), FilesError> {
        let bytes = {
            let mut state = self.state();
            if !state.changed {
                return Ok(());
            }
            state.changed = false;
            state.write(LONGEST)
        };
        write_atomically(path, &bytes, 0o600)
    }

    /// How many files are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().record_by_file.len()
    }

    /// Whether no file is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of a file with this metadata, if it was read before.
    #[must_use]
    pub fn known(&self, stat: &Stat) -> Option<[u8; 32]> {
        let mut state = self.state();
        let session = state.session;
        let record = state.record_by_file.get_mut(&(stat.device, stat.inode))?;
        let same = record.size_bytes == stat.size_bytes
            && record.mtime_ns == stat.mtime_ns
            && record.ctime_ns == stat.ctime_ns;
        same.then(|| {
            record.last_used = session;
            record.sha256
        })
    }

    /// The SHA-256 of the file at `path`, whose metadata is `stat`, read only where it is not
    /// known. Goes with the metadata that the content was read at.
    ///
    /// # Errors
    ///
    /// The system's, such as "not found" for a file that has gone since.
    pub fn hash(&self, path: &Path, stat: &Stat) -> std::io::Result<([u8; 32], Stat)> {
        if let Some(sha256) = self.known(stat) {
            return Ok((sha256, *stat));
        }
        let mut last = None;
        for _ in 0..READS {
            let started_ns = now_ns();
            let mut file = File::open(path)?;
            let before = Stat::of(&file.metadata()?);
            if before.kind != StatKind::File {
                return Err(std::io::Error::other("it is no longer a file"));
            }
            let sha256 = digest(&mut file, before.size_bytes)?;
            let after = Stat::of(&file.metadata()?);
            if before == after {
                if !after.may_be_rewritten_unseen(started_ns) {
                    self.remember(&after, sha256);
                }
                return Ok((sha256, after));
            }
            last = Some((sha256, after));
        }
        // Something writes to it all the time; the watcher will see that it goes on.
        last.ok_or_else(|| std::io::Error::other("it could not be read"))
    }

    fn remember(&self, stat: &Stat, sha256: [u8; 32]) {
        let mut state = self.state();
        let record = Record {
            size_bytes: stat.size_bytes,
            mtime_ns: stat.mtime_ns,
            ctime_ns: stat.ctime_ns,
            sha256,
            last_used: state.session,
        };
        state.record_by_file.insert((stat.device, stat.inode), record);
        state.changed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole records behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(file: &mut File, size_bytes: u64) -> std::io::Result<[u8; 32]> {
    let mut hasher = sha2::Sha256::new();
    let room = usize::try_from(size_bytes.saturating_add(1)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; room.clamp(512, 256 * 1024)];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl State {
    fn write(&self, longest: usize) -> Vec<u8> {
        let mut records: Vec<(&(u64, u64), &Record)> = self.record_by_file.iter().collect();
        if records.len() > longest {
            records.sort_by_key(|(_, record)| self.session.wrapping_sub(record.last_used));
            records.truncate(longest);
        }
        let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + records.len() * RECORD_BYTES + 32);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.session.to_le_bytes());
        for ((device, inode), record) in records {
            bytes.extend_from_slice(&device.to_le_bytes());
            bytes.extend_from_slice(&inode.to_le_bytes());
            bytes.extend_from_slice(&record.size_bytes.to_le_bytes());
            bytes.extend_from_slice(&record.mtime_ns.to_le_bytes());
            bytes.extend_from_slice(&record.ctime_ns.to_le_bytes());
            bytes.extend_from_slice(&record.sha256);
            bytes.extend_from_slice(&record.last_used.to_le_bytes());
        }
        let check = sha2::Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    /// `None` for anything but what [`State::write`] made.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<32>()?;
        if sha2::Sha256::digest(body).as_slice() != check {
            return None;
        }
        let (session, body) = body.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        if body.len() % RECORD_BYTES != 0 {
            return None;
        }
        let mut record_by_file = HashMap::with_capacity(body.len() / RECORD_BYTES);
        for mut rest in body.chunks_exact(RECORD_BYTES) {
            let mut number = || {
                let (first, others) = rest.split_first_chunk::<8>()?;
                rest = others;
                Some(u64::from_le_bytes(*first))
            };
            let file = (number()?, number()?);
            let size_bytes = number()?;
            let mtime_ns = number()?.cast_signed();
            let ctime_ns = number()?.cast_signed();
            let (sha256, rest) = rest.split_first_chunk::<32>()?;
            let last_used = u32::from_le_bytes(*rest.first_chunk::<4>()?);
            let record = Record { size_bytes, mtime_ns, ctime_ns, sha256: *sha256, last_used };
            record_by_file.insert(file, record);
        }
        Some(Self { record_by_file, session: u32::from_le_bytes(*session), changed: false })
    }
}

#[cfg(test)]
impl StatCache {
    pub(super) fn bytes(&self, longest: usize) -> Vec<u8> {
        self.state().write(longest)
    }
}
