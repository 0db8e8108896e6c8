//! The file that is edited, and the way back: kept on disk before the first edit, so that whoever
//! comes next can put the file back after a `kill -9`.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::files;
use crate::report::Reporter;
use crate::tools::Tools;

use super::Edits;
use super::comment;
use super::error::BenchError;

/// Where the way back is kept in the state folder.
const FOLDER: &str = "bench";

/// A file that is being edited. It is put back when this is dropped, at the latest.
#[derive(Debug)]
pub(super) struct Edited {
    edits: Edits,
    original: Vec<u8>,
    kept: Kept,
    place: Place,
    /// Whether it is as it was.
    is_back: bool,
    #[cfg_attr(not(test), expect(dead_code, reason = "held for as long as this lives"))]
    lock: File,
}

/// What is kept on disk besides the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    path: PathBuf,
    mode: u32,
    /// Since 1970.
    modified: Option<Duration>,
    /// The hashes of the edit before and of the one that is made last, which may not have come about.
    /// Absent: a command edits, and may have got anywhere.
    wrote: Option<Vec<String>>,
}

/// The files that keep one file's way back.
#[derive(Debug, Clone)]
struct Place {
    lock: PathBuf,
    content: PathBuf,
    kept: PathBuf,
}

impl Place {
    fn of(state: &Path, id: &str) -> Self {
        let file = |end: &str| state.join(FOLDER).join(format!("{id}.{end}"));
        Self { lock: file("lock"), content: file("before"), kept: file("json") }
    }

    /// Takes the file for this process alone; `None` while another one has it.
    fn lock(&self) -> io::Result<Option<File>> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(&self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn remove(&self) {
        // The word about the content goes first: without it nothing is put back.
        for path in [&self.kept, &self.content, &self.lock] {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Edited {
    /// Keeps what the file is; nothing is edited yet.
    pub(super) fn begin(edits: &Edits, state: &Path) -> Result<Self, BenchError> {
        let refused = |source| BenchError::File { path: edits.path.clone(), source };
        let path = edits.path.canonicalize().map_err(refused)?;
        let meta = path.metadata().map_err(refused)?;
        if !meta.is_file() {
            return Err(refused(io::Error::other("it is not a file")));
        }
        let original = std::fs::read(&path).map_err(refused)?;
        // Whoever may not write it learns that before anything is built.
        File::options().append(true).open(&path).map_err(refused)?;
        if edits.with.is_none() && comment::edited(&original, &path, 1).is_none() {
            return Err(BenchError::NoText { path: edits.shown.clone() });
        }
        let unkept = |source| BenchError::Unkept { path: path.clone(), source };
        let io_unkept =
            |folder: &Path, source| unkept(files::FilesError::unwritable(folder, source));
        let folder = state.join(FOLDER);
        make_private(&folder).map_err(|source| io_unkept(&folder, source))?;
        let place = Place::of(state, &hash(path.as_os_str().as_encoded_bytes())[..16]);
        let lock = place.lock().map_err(|source| io_unkept(&place.lock, source))?;
        let Some(lock) = lock else { return Err(BenchError::Busy { path }) };
        let wrote = edits.with.is_none().then(|| vec![hash(&original)]);
        let kept = Kept { mode: mode(&meta), modified: modified(&meta), path: path.clone(), wrote };
        files::write_atomically(&place.content, &original, 0o600).map_err(unkept)?;
        let edits = Edits { path: path.clone(), ..edits.clone() };
        let edited = Self { edits, original, kept, place, is_back: true, lock };
        edited.keep()?;
        Ok(edited)
    }

    fn keep(&self) -> Result<(), BenchError> {
        let text = serde_json::to_vec(&self.kept).unwrap_or_default();
        files::write_atomically(&self.place.kept, &text, 0o600)
            .map_err(|source| BenchError::Unkept { path: self.kept.path.clone(), source })
    }

    /// Makes the `nth` edit.
    pub(super) async fn edit(&mut self, nth: usize, tools: &Tools) -> Result<(), BenchError> {
        let path = self.kept.path.clone();
        self.is_back = false;
        if let Some(command) = self.edits.with.clone() {
            return self.edit_with(&command, nth, tools).await;
        }
        let Some(text) = comment::edited(&self.original, &path, nth) else {
            return Err(BenchError::NoText { path: self.edits.shown.clone() });
        };
        self.check_untouched()?;
        let before = self.kept.wrote.iter_mut().flatten().last().map(std::mem::take);
        self.kept.wrote = Some(before.into_iter().chain([hash(&text)]).collect());
        self.keep()?;
        std::fs::write(&path, text).map_err(|source| BenchError::File { path, source })
    }

    async fn edit_with(&self, command: &str, nth: usize, tools: &Tools) -> Result<(), BenchError> {
        let path = &self.kept.path;
        let read = || {
            std::fs::read(path).map_err(|source| BenchError::File { path: path.clone(), source })
        };
        let before = read()?;
        let failed = |why: String| BenchError::Command { command: command.to_owned(), why };
        let tools = tools.with_variable("WHARF_BENCH_EDIT", nth.to_string());
        let tools = tools.with_variable("WHARF_BENCH_FILE", path);
        let ran =
            tools.command("sh").args(["-c", command]).time_limit(Duration::from_secs(60)).run();
        ran.await.map_err(|error| failed(format!("failed: {error}")))?;
        if read()? == before {
            return Err(failed(format!("did not change `{}`", self.edits.shown)));
        }
        Ok(())
    }

    /// Whether the file is as wharf wrote it last: what somebody else wrote is not overwritten.
    fn check_untouched(&self) -> Result<(), BenchError> {
        check(&self.kept, &self.place)
    }

    /// What is left of it when the program is killed: the lock, which goes too.
    #[cfg(test)]
    pub(super) fn forget(self) -> std::io::Result<File> {
        let lock = self.lock.try_clone();
        let this = std::mem::ManuallyDrop::new(self);
        // A clone is the same lock: it is let go of when both are closed.
        this.lock.unlock()?;
        lock
    }

    /// Puts the file back as it was, once.
    pub(super) fn put_back(&mut self) -> Result<(), BenchError> {
        if !self.is_back {
            self.check_untouched()?;
            put_back(&self.kept, &self.original)
                .map_err(|source| BenchError::File { path: self.kept.path.clone(), source })?;
            self.is_back = true;
        }
        self.place.remove();
        Ok(())
    }
}

impl Drop for Edited {
    /// After a panic; in any other case it is done already. What fails here is kept for the next
    /// start.
    fn drop(&mut self) {
        let _ = self.put_back();
    }
}

/// Puts back every file that an earlier `wharf bench` left edited because it was killed, and says
/// so.
pub fn mend(state: &Path, reporter: &Reporter) {
    let Ok(entries) = state.join(FOLDER).read_dir() else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        let place = Place::of(state, id);
        // One that runs puts it back by itself.
        let Ok(Some(_lock)) = place.lock() else { continue };
        let kept = std::fs::read(&place.kept).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let Some((kept, original)) = kept.zip(std::fs::read(&place.content).ok()) else { continue };
        let shown = kept.path.display();
        let is_as_before = std::fs::read(&kept.path).is_ok_and(|now| now == original);
        if is_as_before {
            place.remove();
            continue;
        }
        if let Err(error) = check(&kept, &place) {
            let failure = error.failure();
            reporter.warn(failure.what, failure.help.into_iter().next());
            // Said once; the content stays where the word says.
            let _ = std::fs::remove_file(&place.kept);
            continue;
        }
        match put_back(&kept, &original) {
            Ok(()) => {
                reporter
                    .note(format!("put `{shown}` back as it was before `wharf bench` was killed"));
                place.remove();
            }
            Err(error) => {
                let help = format!("its content from before is in {}", place.content.display());
                reporter
                    .warn(format!("`{shown}` is as `wharf bench` left it: {error}"), Some(help));
            }
        }
    }
}

fn check(kept: &Kept, place: &Place) -> Result<(), BenchError> {
    let Some(wrote) = &kept.wrote else { return Ok(()) };
    let path = kept.path.clone();
    // A file that was deleted was changed too.
    let is_ours = std::fs::read(&path).is_ok_and(|now| wrote.contains(&hash(&now)));
    if is_ours { Ok(()) } else { Err(BenchError::Changed { path, kept: place.content.clone() }) }
}

/// Into the file that is there, so that its owner, its links and whoever has it open stay.
fn put_back(kept: &Kept, original: &[u8]) -> io::Result<()> {
    std::fs::write(&kept.path, original)?;
    let file = File::options().append(true).open(&kept.path)?;
    if mode(&file.metadata()?) != kept.mode {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(kept.mode))?;
    }
    if let Some(modified) =
        kept.modified.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
    {
        // A file system that keeps no such times has none to put back.
        let _ = file.set_modified(modified);
    }
    file.sync_all()
}

fn mode(meta: &Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777
}

fn modified(meta: &Metadata) -> Option<Duration> {
    meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()
}

fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(
        folder,
        <Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700),
    )
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}
