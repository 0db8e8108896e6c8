//! The last rounds in a file of the state directory. Losing them costs nobody more than a look
//! back: what is damaged is passed over, and what cannot be written is left out.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::files;
use crate::files::FilesError;
use crate::model::ProjectName;

use super::Round;

/// The file's name in the state directory.
const FILE: &str = "rounds.json";
/// What the file says of its own form. Another number is another form, and passed over.
const VERSION: u64 = 1;
/// How many rounds are kept.
const KEPT: usize = 50;
/// How many stages of one round are kept: thirty services have some fifteen each.
const SPANS: usize = 600;
/// A file that is larger than this is none of ours.
const LARGEST_BYTES: u64 = 64 << 20;

/// The rounds of a session and of those before it.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    rounds: Mutex<VecDeque<Round>>,
}

impl Store {
    /// Reads what there is in the state directory `folder`.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let rounds = Mutex::new(load(&path).into());
        Self { path, rounds }
    }

    /// Adds a round and puts it on disk; the oldest one goes.
    ///
    /// # Errors
    ///
    /// [`FilesError::Unwritable`]; the round is kept in memory all the same.
    pub fn add(&self, mut round: Round) -> Result<(), FilesError> {
        round.spans.truncate(SPANS);
        // Held while writing: of two writes the later one has the later round.
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.push_back(round);
        while rounds.len() > KEPT {
            rounds.pop_front();
        }
        let text = json!({"version": VERSION, "rounds": *rounds}).to_string();
        files::write_atomically(&self.path, text.as_bytes(), 0o600)
    }
}

/// The last rounds of `project` on all its clusters, oldest first. `base` is where the state
/// directories lie.
#[must_use]
pub fn read(base: &Path, project: &ProjectName) -> Vec<Round> {
    let Ok(folders) = base.read_dir() else { return Vec::new() };
    let own = folders.filter_map(Result::ok).filter(|folder| {
        // `NAME-` and twelve digits of the cluster's hash.
        let name = folder.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(project.as_str()));
        let hash = rest.and_then(|rest| rest.strip_prefix('-'));
        hash.is_some_and(|hash| {
            hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    });
    let mut rounds: Vec<Round> = own.flat_map(|folder| load(&folder.path().join(FILE))).collect();
    rounds.sort_by(|one, other| one.at.cmp(&other.at));
    rounds
}

fn load(path: &Path) -> Vec<Round> {
    if !path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST_BYTES) {
        return Vec::new();
    }
    let value = std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let Some(Value::Object(mut value)) = value else { return Vec::new() };
    if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Vec::new();
    }
    let Some(Value::Array(rounds)) = value.remove("rounds") else { return Vec::new() };
    let mut rounds: Vec<Round> =
        rounds.into_iter().filter_map(|round| serde_json::from_value(round).ok()).collect();
    rounds.drain(..rounds.len().saturating_sub(KEPT));
    rounds
}
