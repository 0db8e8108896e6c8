//! One blob on its way into a registry: piece by piece, and on from where it stood when a
//! connection breaks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::docker::escaped;
use crate::model::Digest;

use super::super::spool::Spool;
use super::wire::Ask;
use super::{Begun, Purpose, REPEATS, Registry, Trouble, location, pause, scope};

/// How much goes over in one request. Larger ones are refused by some registries, and what a
/// broken connection costs at most is one of them.
const PIECE_BYTES: u64 = 4 << 20;

/// How often a blob is begun anew because the registry has forgotten what it had of it.
const BEGINNINGS: u32 = 5;

/// How a blob got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) enum Outcome {
    /// It was there.
    There,
    /// It was sent.
    Sent,
}

/// Uploads that are under way, so that none is left half done.
#[derive(Debug, Default)]
pub(in crate::push) struct Places {
    open: Mutex<BTreeMap<u64, (String, Uri)>>,
    next: AtomicU64,
    stop: CancellationToken,
    /// How many uploads run.
    running: watch::Sender<usize>,
}

impl Places {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, (String, Uri)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: u64, repository: &str, place: &Uri) {
        self.open().insert(key, (repository.to_owned(), place.clone()));
    }

    /// Lets each upload end its piece, and no more. A registry takes no upload back that it was
    /// interrupted in.
    pub(in crate::push) async fn stop(&self) {
        self.stop.cancel();
        // The sender lives as long as this does.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// Tells the registry that nobody goes on with what is open.
    pub(in crate::push) async fn abandon(&self, registry: &Registry) {
        let open = std::mem::take(&mut *self.open());
        let ends = open
            .into_values()
            .map(|(repository, place)| async move { registry.abandon(&repository, place).await });
        futures::future::join_all(ends).await;
    }
}

/// A blob that is to get into `repository`.
pub(in crate::push) struct Upload<'a> {
    pub(in crate::push) registry: &'a Registry,
    pub(in crate::push) repository: &'a str,
    pub(in crate::push) spool: &'a Spool,
    /// How many of its bytes have gone over.
    pub(in crate::push) moved: &'a Arc<AtomicU64>,
    pub(in crate::push) places: &'a Places,
}

/// How far an upload is.
#[derive(Debug, Clone)]
struct Stand {
    place: Uri,
    at: u64,
    least_bytes: u64,
}

/// What is done next.
enum Step {
    /// The upload stands there.
    On(Stand),
    Done(Outcome),
}

impl Upload<'_> {
    /// Sends it. It may still be growing meanwhile.
    pub(in crate::push) async fn run(&self) -> Result<Outcome, Trouble> {
        let key = self.places.next.fetch_add(1, Ordering::Relaxed);
        self.places.running.send_modify(|running| *running += 1);
        let _running = Running(&self.places.running);
        let done = self.steps(key).await;
        if done.is_ok() {
            self.places.open().remove(&key);
        }
        done
    }

    async fn steps(&self, key: u64) -> Result<Outcome, Trouble> {
        let mut stand: Option<Stand> = None;
        let (mut failures, mut beginnings, mut doubted) = (0, 0, false);
        loop {
            if self.places.stop.is_cancelled() {
                return Err(called_off());
            }
            let trouble = match self.step(key, stand.as_ref()).await {
                Ok(Step::Done(outcome)) => return Ok(outcome),
                Ok(Step::On(next)) => {
                    self.places.keep(key, self.repository, &next.place);
                    stand = Some(next);
                    failures = 0;
                    continue;
                }
                Err(trouble) => trouble,
            };
            let forgotten = stand.is_some() && is_forgotten(&trouble) && beginnings < BEGINNINGS;
            // Bytes may have been changed on their way; a second time it is no accident.
            let doubtful = is_wrong(&trouble) && !std::mem::replace(&mut doubted, true);
            if forgotten || doubtful {
                tracing::debug!(?trouble, "a blob is begun anew");
                beginnings += 1;
                stand = None;
                self.moved.store(0, Ordering::Relaxed);
                self.places.open().remove(&key);
                continue;
            }
            if !trouble.may_pass() || failures == REPEATS {
                return Err(trouble);
            }
            let paused = self.places.stop.run_until_cancelled(pause(&trouble, failures)).await;
            if paused.is_none() {
                return Err(called_off());
            }
            failures += 1;
            if let Some(before) = stand.take() {
                stand = match self.status(&before).await {
                    Ok(now) => {
                        tracing::debug!(at = now.at, "a blob goes on where it stood");
                        Some(now)
                    }
                    // Whoever cannot be asked yet is asked again after the next failure.
                    Err(trouble) if trouble.may_pass() => Some(before),
                    Err(trouble) => {
                        tracing::debug!(?trouble, "the registry does not go on with a blob");
                        beginnings += 1;
                        self.places.open().remove(&key);
                        if beginnings > BEGINNINGS {
                            return Err(trouble);
                        }
                        None
                    }
                };
                self.moved.store(stand.as_ref().map_or(0, |stand| stand.at), Ordering::Relaxed);
            }
        }
    }

    async fn step(&self, key: u64, stand: Option<&Stand>) -> Result<Step, Trouble> {
        let Some(stand) = stand else { return self.first(key).await };
        let size = PIECE_BYTES.max(stand.least_bytes);
        let filled = self.spool.wait_for(stand.at + size).await?;
        match filled.digest {
            Some(digest) if filled.bytes <= stand.at => self.finish(stand, &digest).await,
            _ => self.piece(stand, (filled.bytes - stand.at).min(size)).await,
        }
    }

    /// Nothing is there yet, or it is there already.
    async fn first(&self, key: u64) -> Result<Step, Trouble> {
        let filled = self.spool.wait_for(PIECE_BYTES).await?;
        let scope = scope(self.repository, Purpose::Write);
        if let Some(digest) = &filled.digest {
            if self.registry.blob(self.repository, digest).await?.is_some() {
                return Ok(Step::Done(Outcome::There));
            }
            if filled.bytes <= PIECE_BYTES {
                let (place, _) = self.begun().await?;
                self.places.keep(key, self.repository, &place);
                let ask = self.bytes(Method::PUT, digest_of(&place, digest)?, 0, filled.bytes);
                let reply = self.registry.shown(&scope, &ask.await?).await?;
                if reply.status == StatusCode::CREATED {
                    return Ok(Step::Done(Outcome::Sent));
                }
                self.places.open().remove(&key);
                self.registry.abandon(self.repository, place).await;
                return Err(Trouble::of(&reply));
            }
        }
        let (place, least_bytes) = self.begun().await?;
        Ok(Step::On(Stand { place, at: 0, least_bytes }))
    }

    async fn begun(&self) -> Result<(Uri, u64), Trouble> {
        self.moved.store(0, Ordering::Relaxed);
        match self.registry.begin(self.repository, None).await? {
            Begun::At { place, least_bytes } => Ok((place, least_bytes)),
            Begun::Mounted => Err(Trouble::Here("the registry has what it was not told".into())),
        }
    }

    async fn piece(&self, stand: &Stand, length: u64) -> Result<Step, Trouble> {
        self.moved.store(stand.at, Ordering::Relaxed);
        let ask = self.bytes(Method::PATCH, stand.place.clone(), stand.at, length);
        let range = format!("{}-{}", stand.at, stand.at + length - 1);
        let range = HeaderValue::from_str(&range)?;
        let ask = ask.await?.header(CONTENT_RANGE, range);
        let reply = self.registry.shown(&scope(self.repository, Purpose::Write), &ask).await?;
        if !reply.status.is_success() {
            return Err(Trouble::of(&reply));
        }
        let place = location(&ask.url, &reply)?;
        // A registry may have taken less than it was given.
        let at = reply.header("range").and_then(taken).unwrap_or(stand.at + length);
        let at = at.min(stand.at + length);
        Ok(Step::On(Stand { place, at, least_bytes: stand.least_bytes }))
    }

    async fn finish(&self, stand: &Stand, digest: &Digest) -> Result<Step, Trouble> {
        let ask = Ask::new(Method::PUT, digest_of(&stand.place, digest)?);
        let reply = self.registry.shown(&scope(self.repository, Purpose::Write), &ask).await?;
        match reply.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(Step::Done(Outcome::Sent)),
            _ => Err(Trouble::of(&reply)),
        }
    }

    /// A request with a part of the blob.
    async fn bytes(&self, method: Method, url: Uri, at: u64, length: u64) -> Result<Ask, Trouble> {
        let octets = HeaderValue::from_static("application/octet-stream");
        let mut ask = Ask::new(method, url).header(CONTENT_TYPE, octets);
        ask.body = self.spool.read(at, length).await?;
        ask.moved = Some(Arc::clone(self.moved));
        Ok(ask)
    }

    /// Where the registry says that the upload stands.
    async fn status(&self, stand: &Stand) -> Result<Stand, Trouble> {
        let ask = Ask::new(Method::GET, stand.place.clone());
        let reply = self.registry.shown(&scope(self.repository, Purpose::Write), &ask).await?;
        if !reply.status.is_success() {
            return Err(Trouble::of(&reply));
        }
        let place = match reply.header("location") {
            Some(_) => location(&ask.url, &reply)?,
            None => stand.place.clone(),
        };
        let at = reply.header("range").and_then(taken).unwrap_or(0);
        // What was not there before cannot be taken for sent.
        let at = at.min(self.spool.bytes());
        Ok(Stand { place, at, least_bytes: stand.least_bytes })
    }
}

fn called_off() -> Trouble {
    Trouble::Here("the push was called off".to_owned())
}

/// An upload that runs, until this is dropped.
struct Running<'p>(&'p watch::Sender<usize>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// How many bytes `Range: 0-N` says are there. `0-0` means none: so do registries that have none.
fn taken(range: &str) -> Option<u64> {
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    Some(if last == 0 { 0 } else { last + 1 })
}

/// Whether what was uploaded so far is gone, so that only a new beginning helps.
fn is_forgotten(trouble: &Trouble) -> bool {
    let Trouble::Said { status, code, .. } = trouble else { return false };
    matches!(code.as_str(), "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID" | "RANGE_INVALID")
        || matches!(*status, StatusCode::NOT_FOUND | StatusCode::GONE)
        || *status == StatusCode::RANGE_NOT_SATISFIABLE
}

/// Whether the registry got other bytes than it was promised.
fn is_wrong(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Said { code, .. } if code == "DIGEST_INVALID")
}

fn digest_of(place: &Uri, digest: &Digest) -> Result<Uri, Trouble> {
    let text = place.to_string();
    let joined = if text.contains('?') { '&' } else { '?' };
    let text = format!("{text}{joined}digest={}", escaped(digest.as_str()));
    text.parse().map_err(|error| Trouble::Here(format!("`{text}` is no address: {error}")))
}
