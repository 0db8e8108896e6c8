//! The journal: what is to be undone, on disk before it is done.
//!
//! One JSON object a line, only ever appended to: `{"remember": …}`, `{"forget": …}`, or `"keep"`:
//! all that was remembered so far is meant to stay until somebody asks for its end. A line
//! that a crash cut short is the last one, and passed over. When nothing is left to undo the file
//! is empty again.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::CleanupError;
use crate::files;
use crate::files::{FilesError, StateDir};
use crate::model::Undo;

/// The file's name in the state directory.
const NAME: &str = "journal.jsonl";

/// How many lines may be there for each step that is still to be undone, before the file is
/// written anew.
const LINES_PER_STEP: usize = 8;

/// The steps that are still to be undone. Clones are the same journal.
#[derive(Debug, Clone)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    known: Steps,
    lines: usize,
}

/// What the lines amount to.
#[derive(Debug, Clone, PartialEq, Default)]
struct Steps {
    /// Of what was left standing on purpose.
    kept: Vec<Undo>,
    /// Of what is to be undone when its session ends.
    owed: Vec<Undo>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Remember(Undo),
    Forget(Undo),
    Keep,
}

impl Journal {
    /// Opens the journal in `state`, or begins one.
    ///
    /// # Errors
    ///
    /// [`CleanupError::Journal`] when it cannot be read or made.
    pub fn open(state: &StateDir) -> Result<Self, CleanupError> {
        Self::open_at(&state.path().join(NAME))
    }

    /// Opens the journal at `path`.
    ///
    /// # Errors
    ///
    /// [`CleanupError::Journal`] when it cannot be read or made.
    pub fn open_at(path: &Path) -> Result<Self, CleanupError> {
        let mut file = open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| refused(path, source))?;
        let is_whole = bytes.is_empty() || bytes.ends_with(b"\n");
        let mut known = Steps::default();
        let mut lines = 0;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            // Cut short by a crash, or of another version: the act was not begun, or the line is
            // not about anything that can be undone here.
            let Ok(line) = serde_json::from_slice(line) else { continue };
            known.replay(line);
        }
        let mut inner = Inner { path: path.to_owned(), file, known, lines };
        if !is_whole {
            inner.rewrite()?;
        }
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Puts `steps` on disk; on return they survive a power cut. A step about a thing that has
    /// one already is united with it.
    ///
    /// # Errors
    ///
    /// [`CleanupError::Journal`] when they could not be written: then do not do what they undo.
    pub fn remember(&self, steps: &[Undo]) -> Result<(), CleanupError> {
        let mut inner = self.lock();
        let mut after = inner.known.clone();
        for step in steps {
            after.replay(Line::Remember(step.clone()));
        }
        if after == inner.known {
            return Ok(());
        }
        let lines: Vec<Line> = steps.iter().cloned().map(Line::Remember).collect();
        inner.append(&lines)?;
        inner.known = after;
        Ok(())
    }

    /// Takes `step` off: it is undone, or is not to be.
    ///
    /// # Errors
    ///
    /// [`CleanupError::Journal`] when that could not be written; then it is undone once more
    /// later, which does no harm.
    pub fn forget(&self, step: &Undo) -> Result<(), CleanupError> {
        let mut inner = self.lock();
        let before = inner.known.len();
        inner.known.replay(Line::Forget(step.clone()));
        let left = inner.known.len();
        if left == before {
            return Ok(());
        }
        if left == 0 || inner.lines >= left * LINES_PER_STEP {
            return inner.rewrite();
        }
        inner.append(&[Line::Forget(step.clone())])
    }

    /// Lets everything stand that was remembered so far: the end of the session does not undo it,
    /// `wharf delete` does.
    ///
    /// # Errors
    ///
    /// [`CleanupError::Journal`] when that could not be written.
    pub fn keep_all(&self) -> Result<(), CleanupError> {
        let mut inner = self.lock();
        if inner.known.owed.is_empty() {
            return Ok(());
        }
        inner.append(&[Line::Keep])?;
        inner.known.replay(Line::Keep);
        Ok(())
    }

    /// Everything that can still be undone, oldest first.
    #[must_use]
    pub fn steps(&self) -> Vec<Undo> {
        let inner = self.lock();
        inner.known.kept.iter().chain(&inner.known.owed).cloned().collect()
    }

    /// What a session that was cut off has left to be undone, oldest first.
    #[must_use]
    pub fn owed(&self) -> Vec<Undo> {
        self.lock().known.owed.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, lines: &[Line]) -> Result<(), CleanupError> {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend(serde_json::to_vec(line).expect("a step has only string keys"));
            bytes.push(b'\n');
        }
        let before = self.file.metadata().map_err(|source| refused(&self.path, source))?.len();
        // One write, so that what a crash leaves is whole lines and at most one cut short.
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What a full disk has cut short would spoil the line that comes after it.
            if let Err(error) = self.file.set_len(before) {
                tracing::warn!(%error, "the journal may have a line that is cut short");
            }
            return Err(refused(&self.path, source));
        }
        self.lines += lines.len();
        Ok(())
    }

    /// Writes the file anew with what is still to be undone.
    fn rewrite(&mut self) -> Result<(), CleanupError> {
        let mut bytes = Vec::new();
        let lines = self.known.lines();
        for line in &lines {
            bytes.extend(serde_json::to_vec(line).expect("a step has only string keys"));
            bytes.push(b'\n');
        }
        files::write_atomically(&self.path, &bytes, 0o600).map_err(CleanupError::Journal)?;
        self.file = open(&self.path)?;
        self.lines = lines.len();
        Ok(())
    }
}

fn open(path: &Path) -> Result<File, CleanupError> {
    let is_new = !path.exists();
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| refused(path, source))?;
    if is_new {
        // Without this a power cut may lose the file, though its lines are on disk.
        let folder = path.parent().unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| refused(path, source))?;
    }
    Ok(file)
}

fn refused(path: &Path, source: std::io::Error) -> CleanupError {
    CleanupError::Journal(FilesError::Unwritable { path: path.to_owned(), source })
}

impl Steps {
    fn len(&self) -> usize {
        self.kept.len() + self.owed.len()
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Remember(step) => step.unite_into(&mut self.owed),
            Line::Forget(step) => {
                self.kept.retain(|old| !old.is_about_the_same(&step));
                self.owed.retain(|old| !old.is_about_the_same(&step));
            }
            Line::Keep => {
                for step in std::mem::take(&mut self.owed) {
                    step.unite_into(&mut self.kept);
                }
            }
        }
    }

    /// The shortest journal that says the same.
    fn lines(&self) -> Vec<Line> {
        let kept = self.kept.iter().cloned().map(Line::Remember);
        let mark = (!self.kept.is_empty()).then_some(Line::Keep);
        kept.chain(mark).chain(self.owed.iter().cloned().map(Line::Remember)).collect()
    }
}
