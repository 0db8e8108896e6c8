//! Remote `ADD` sources: what their server says they are at this moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{ETAG, LAST_MODIFIED};

use crate::download;
use crate::tools::Tools;

/// What servers said, so that not every save asks them again.
#[derive(Debug, Default)]
pub struct RemoteSources {
    known: Mutex<HashMap<String, (Instant, Option<String>)>>,
}

/// How long an answer counts: a person who waits for a remote change to arrive saves again.
const FRESH: Duration = Duration::from_secs(60);

/// How long a server may take; a build would wait longer, but a save should not.
const LIMIT: Duration = Duration::from_secs(10);

impl RemoteSources {
    /// What the server of `url` says that identifies its content; `None` where it says nothing.
    pub(super) async fn identity(&self, url: &str, tools: &Tools) -> Option<String> {
        if let Some((asked, identity)) = self.known().get(url)
            && asked.elapsed() < FRESH
        {
            return identity.clone();
        }
        let ask = async { if is_git(url) { git(url, tools).await } else { head(url).await } };
        let identity = tokio::time::timeout(LIMIT, ask).await.ok().flatten();
        self.known().insert(url.to_owned(), (Instant::now(), identity.clone()));
        identity
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Option<String>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `ADD` clones `url` instead of downloading it.
pub(super) fn is_git(url: &str) -> bool {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    !url.starts_with("http") || path.ends_with(".git")
}

/// The commit that a Git address means.
async fn git(url: &str, tools: &Tools) -> Option<String> {
    let (repository, fragment) = url.split_once('#').unwrap_or((url, ""));
    let reference = fragment.split(':').next().unwrap_or_default();
    let reference = if reference.is_empty() { "HEAD" } else { reference };
    let is_commit = reference.len() == 40 && reference.chars().all(|c| c.is_ascii_hexdigit());
    if is_commit {
        return Some(reference.to_owned());
    }
    let output = tools
        .with_variable("GIT_TERMINAL_PROMPT", "0")
        .command("git")
        .args(["ls-remote", "--", repository, reference])
        .time_limit(LIMIT)
        .run()
        .await
        .ok()?;
    output.text().split_whitespace().next().map(str::to_owned)
}

/// The `ETag` or modification time of what `url` leads to.
async fn head(url: &str) -> Option<String> {
    let answer = download::head(url).await.ok().filter(|answer| answer.status.is_success())?;
    answer
        .header(ETAG.as_str())
        .map(|etag| format!("etag {etag}"))
        .or_else(|| answer.header(LAST_MODIFIED.as_str()).map(|date| format!("modified {date}")))
}
