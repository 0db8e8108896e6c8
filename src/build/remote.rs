//! What lies elsewhere, base images in registries and remote `ADD` sources: what their servers say
//! they are, kept from session to session, so that a server that is away changes no image.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{ETAG, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use crate::download;
use crate::files::{FilesError, write_atomically};
use crate::tools::Tools;

/// What servers said, in this session and before.
#[derive(Debug, Default)]
pub struct RemoteSources {
    /// Where it is kept; only in memory where there is no place.
    path: Option<PathBuf>,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    kept: BTreeMap<String, Kept>,
    has_new: bool,
    asked: HashMap<String, (Instant, Answer)>,
}

/// What a server said last.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    says: String,
    /// In seconds since 1970.
    at: u64,
}

/// What is known of something that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its version, as its server says.
    Says(String),
    /// Its server answers, and names no version.
    Nothing,
    /// Its server does not answer; what it said last, and how long ago that was.
    Away(Option<(String, Duration)>),
}

/// Something a person should know about a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it speaks of: it is said once of each.
    pub about: String,
    /// What to say.
    pub text: String,
}

/// How long the answer of an `ADD` source counts: a person who waits for a remote change to
/// arrive saves again.
const FRESH: Duration = Duration::from_secs(60);

/// How long a server may take; a build would wait longer, but a save should not.
const LIMIT: Duration = Duration::from_secs(10);

/// What was not asked for in so long is forgotten.
const KEPT_FOR: u64 = 180 * 24 * 60 * 60;

impl RemoteSources {
    /// Remembers in the file at `path`, which may be shared with other sessions.
    #[must_use]
    pub fn kept_in(path: PathBuf) -> Self {
        let said = Said { kept: read(&path), ..Said::default() };
        Self { path: Some(path), said: Mutex::new(said) }
    }

    /// Asks all servers again from here on.
    pub fn ask_again(&self) {
        self.said().asked.clear();
    }

    /// Writes down what the next session can use, unless nothing was learnt.
    ///
    /// # Errors
    ///
    /// [`FilesError::Unwritable`].
    pub fn save(&self) -> Result<(), FilesError> {
        let Some(path) = &self.path else { return Ok(()) };
        let kept = {
            let mut said = self.said();
            if !std::mem::take(&mut said.has_new) {
                return Ok(());
            }
            // Another session may have learnt something meanwhile.
            for (key, theirs) in read(path) {
                let ours = said.kept.get(&key);
                if ours.is_none_or(|ours| ours.at < theirs.at) {
                    said.kept.insert(key, theirs);
                }
            }
            let oldest = now().saturating_sub(KEPT_FOR);
            said.kept.retain(|_, kept| kept.at >= oldest);
            said.kept.clone()
        };
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder).map_err(|source| FilesError::unwritable(folder, source))?;
        write_atomically(path, &serde_json::to_vec(&kept).unwrap_or_default(), 0o600)
    }

    /// What the server of `url` says that identifies its content.
    pub(super) async fn identity(&self, url: &str, tools: &Tools) -> Answer {
        if let Some(answer) = self.asked(url, FRESH) {
            return answer;
        }
        let ask = async { if is_git(url) { git(url, tools).await } else { head(url).await } };
        match tokio::time::timeout(LIMIT, ask).await.unwrap_or(Err(Away)) {
            Ok(Some(identity)) => self.says(url, &identity),
            Ok(None) => {
                self.said().asked.insert(url.to_owned(), (Instant::now(), Answer::Nothing));
                Answer::Nothing
            }
            Err(Away) => self.is_away(url),
        }
    }

    /// What was found out about `key` in this session, if that is no older than `fresh`.
    pub(super) fn asked(&self, key: &str, fresh: Duration) -> Option<Answer> {
        let said = self.said();
        let (at, answer) = said.asked.get(key)?;
        (at.elapsed() < fresh).then(|| answer.clone())
    }

    /// Takes down what is said of `key`.
    pub(super) fn says(&self, key: &str, text: &str) -> Answer {
        let mut said = self.said();
        let answer = Answer::Says(text.to_owned());
        said.asked.insert(key.to_owned(), (Instant::now(), answer.clone()));
        said.kept.insert(key.to_owned(), Kept { says: text.to_owned(), at: now() });
        said.has_new = true;
        answer
    }

    /// Nobody says anything of `key` at the moment: the last word counts.
    pub(super) fn is_away(&self, key: &str) -> Answer {
        let answer = Answer::Away(self.last(key));
        self.said().asked.insert(key.to_owned(), (Instant::now(), answer.clone()));
        answer
    }

    /// What was said of `key` last, in whichever session, and how long ago.
    pub(super) fn last(&self, key: &str) -> Option<(String, Duration)> {
        let said = self.said();
        let kept = said.kept.get(key)?;
        Some((kept.says.clone(), Duration::from_secs(now().saturating_sub(kept.at))))
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An age in words.
pub(super) fn ago(age: Duration) -> String {
    match age.as_secs() {
        0..60 => "a moment ago".to_owned(),
        seconds @ 60..7_200 => format!("{} min ago", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What cannot be read was not written by wharf, or is of another version: it is a cache.
fn read(path: &std::path::Path) -> BTreeMap<String, Kept> {
    let bytes = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Whether `ADD` clones `url` instead of downloading it.
pub(super) fn is_git(url: &str) -> bool {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    !url.starts_with("http") || path.ends_with(".git")
}

/// Nobody answers.
struct Away;

/// The commit that a Git address means; none where its repository has no such reference.
async fn git(url: &str, tools: &Tools) -> Result<Option<String>, Away> {
    let (repository, fragment) = url.split_once('#').unwrap_or((url, ""));
    let reference = fragment.split(':').next().unwrap_or_default();
    let reference = if reference.is_empty() { "HEAD" } else { reference };
    let is_commit = reference.len() == 40 && reference.chars().all(|c| c.is_ascii_hexdigit());
    if is_commit {
        return Ok(Some(reference.to_owned()));
    }
    // Git does not tell a server that is away from a repository that is not there.
    let output = tools
        .with_variable("GIT_TERMINAL_PROMPT", "0")
        .command("git")
        .args(["ls-remote", "--", repository, reference])
        .time_limit(LIMIT)
        .run()
        .await
        .map_err(|_| Away)?;
    Ok(output.text().split_whitespace().next().map(str::to_owned))
}

/// The `ETag` or modification time of what `url` leads to.
async fn head(url: &str) -> Result<Option<String>, Away> {
    let answer = download::head(url).await.map_err(|_| Away)?;
    if answer.status.is_server_error() || answer.status == http::StatusCode::TOO_MANY_REQUESTS {
        return Err(Away);
    }
    if !answer.status.is_success() {
        return Ok(None);
    }
    let tag = answer.header(ETAG.as_str()).map(|etag| format!("etag {etag}"));
    let date = || answer.header(LAST_MODIFIED.as_str()).map(|date| format!("modified {date}"));
    Ok(tag.or_else(date))
}
