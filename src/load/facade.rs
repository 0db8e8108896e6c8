//! Gets single layers out of an Engine, which has no call for that: the Engine is asked to push
//! the image to a registry that lives in this process and says what it lacks. When the wanted
//! layers are here, the push is called off.
//!
//! Engines take 127.0.0.0/8 for trustworthy without TLS. They begin with the topmost layers, and
//! what a node lacks is always at the top, so little else is compressed in vain; and what is sent
//! beyond a small part of each layer waits until that part of every layer was not enough.
//!
//! Protocol: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};

use crate::docker::intake::{Answer, reply};
use crate::docker::{Engine, PushNews, Tasks, intake, random_id};
use crate::model::{Digest, ImageRef};
use crate::oci;

use super::LoadError;
use super::traces::Traces;

/// How much of each layer is read at first. Most changed layers are smaller.
const FIRST_BYTES: u64 = 256 << 10;

/// How long nothing may move before more of each layer is read.
const PATIENCE: Duration = Duration::from_millis(20);

/// How much may be kept in memory.
const KEPT_BYTES: u64 = 512 << 20;

/// What a connection may hold back unread; more would let an Engine compress what nobody wants.
const SOCKET_BYTES: u32 = 128 << 10;

/// How long an Engine may take to come with its first layer. One that does not share this
/// machine's loopback says so at once.
const FIRST_LIMIT: Duration = Duration::from_secs(20);

/// A layer as it came.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) content: Bytes,
    pub(super) descriptor: oci::Descriptor,
}

/// Layers whose compressed form was seen in this session, by its digest: an Engine that offers
/// one of these need not send it, unless it is wanted.
pub(super) type Learnt = Arc<Mutex<BTreeMap<String, (Digest, u64)>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The layers of `image` that `wanted` names, by their uncompressed digests.
pub(super) async fn fetch(
    engine: &Engine,
    image: &ImageRef,
    wanted: &BTreeSet<Digest>,
    learnt: &Learnt,
    traces: &Traces,
) -> Result<BTreeMap<Digest, Layer>, LoadError> {
    let trouble = |why: String| LoadError::NoLayers { image: image.clone(), why };
    let tasks = Tasks::new();
    let shared = Arc::new(Shared::new(wanted, learnt));
    let answering = Arc::clone(&shared);
    let answer = move |request| {
        let shared = Arc::clone(&answering);
        async move { shared.answer(request).await }
    };
    let name = intake::listen(&tasks, Some(SOCKET_BYTES), answer)
        .map_err(|error| trouble(format!("no local listener: {error}")))?;
    traces.will_tag(&name);
    engine.tag(&image.without_digest().to_string(), &name).await?;

    let mut pushing = engine.push(&name, None).await?;
    let ended = async {
        loop {
            match pushing.next().await {
                Ok(Some(PushNews::Failed(why))) => return why,
                Ok(Some(_)) => {}
                Ok(None) => return "the Engine ended the push without them".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    };
    let here = async {
        let started = tokio::time::timeout(FIRST_LIMIT, shared.first.notified());
        if started.await.is_err() {
            return Err("the Engine sends nothing".to_owned());
        }
        shared.until_complete().await
    };
    let mut ended = std::pin::pin!(ended);
    let mut here = std::pin::pin!(here);
    let outcome = std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(outcome) = here.as_mut().poll(cx) {
            return std::task::Poll::Ready(outcome);
        }
        ended.as_mut().poll(cx).map(|why| if shared.is_complete() { Ok(()) } else { Err(why) })
    })
    .await;
    outcome.map_err(trouble)?;
    let layers = std::mem::take(&mut lock(&shared.state).got);
    Ok(layers)
}

/// What all connections of one push share.
#[derive(Debug)]
struct Shared {
    wanted: BTreeSet<Digest>,
    learnt: Learnt,
    state: Mutex<State>,
    /// How much of each upload may be read.
    budget: watch::Sender<u64>,
    /// Uploads that have read that much and have more.
    waiting: AtomicUsize,
    read_bytes: AtomicU64,
    /// An upload has begun.
    first: Notify,
    /// A layer has come.
    came: Notify,
}

#[derive(Debug, Default)]
struct State {
    uploads: BTreeMap<String, Bytes>,
    got: BTreeMap<Digest, Layer>,
}

impl Shared {
    fn new(wanted: &BTreeSet<Digest>, learnt: &Learnt) -> Self {
        Self {
            wanted: wanted.clone(),
            learnt: Arc::clone(learnt),
            state: Mutex::default(),
            budget: watch::Sender::new(FIRST_BYTES),
            waiting: AtomicUsize::new(0),
            read_bytes: AtomicU64::new(0),
            first: Notify::new(),
            came: Notify::new(),
        }
    }

    fn is_complete(&self) -> bool {
        lock(&self.state).got.len() == self.wanted.len()
    }

    /// Waits for all wanted layers, and lets more of each be read when nothing moves.
    async fn until_complete(&self) -> Result<(), String> {
        let mut read_before = 0;
        while !self.is_complete() {
            if tokio::time::timeout(PATIENCE, self.came.notified()).await.is_ok() {
                continue;
            }
            let read = self.read_bytes.load(Ordering::Relaxed);
            if read > KEPT_BYTES {
                return Err("the layers are too large to be kept in memory".to_owned());
            }
            if read == read_before && self.waiting.load(Ordering::Relaxed) > 0 {
                self.budget.send_modify(|budget| *budget *= 4);
            }
            read_before = read;
        }
        Ok(())
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_upload = path.contains("/blobs/uploads/");
        match (request.method().clone(), path.as_str()) {
            (Method::GET, "/v2/") => reply(StatusCode::OK, &[]),
            (Method::HEAD, _) if path.contains("/blobs/") => self.offered(&last),
            (Method::POST, _) if is_upload => {
                self.first.notify_one();
                let id = random_id();
                let place = format!("{path}{id}");
                let headers = [("location", place.as_str()), ("docker-upload-uuid", id.as_str())];
                reply(StatusCode::ACCEPTED, &headers)
            }
            (Method::PATCH, _) if is_upload => match self.read(request.into_body()).await {
                Some(content) => {
                    let range = format!("0-{}", content.len().saturating_sub(1));
                    lock(&self.state).uploads.insert(last.clone(), content);
                    let headers = [
                        ("location", path.as_str()),
                        ("docker-upload-uuid", last.as_str()),
                        ("range", range.as_str()),
                    ];
                    reply(StatusCode::ACCEPTED, &headers)
                }
                None => reply(StatusCode::BAD_REQUEST, &[]),
            },
            (Method::PUT, _) if is_upload => {
                let Some(sent) = self.read(request.into_body()).await else {
                    return reply(StatusCode::BAD_REQUEST, &[]);
                };
                // A containerd store sends the content here, a graphdriver has sent it before.
                let before = lock(&self.state).uploads.remove(&last);
                let content = if sent.is_empty() { before.unwrap_or_default() } else { sent };
                self.keep(content, &query).await
            }
            (Method::PUT, _) if path.contains("/manifests/") => {
                let Some(content) = self.read(request.into_body()).await else {
                    return reply(StatusCode::BAD_REQUEST, &[]);
                };
                let digest = Digest::of(&content);
                reply(StatusCode::CREATED, &[("docker-content-digest", digest.as_str())])
            }
            _ => reply(StatusCode::NOT_FOUND, &[]),
        }
    }

    /// Whether the Engine may keep this blob to itself.
    fn offered(&self, digest: &str) -> Answer {
        let known = lock(&self.learnt).get(digest).cloned();
        match known {
            Some((diff_id, size)) if !self.wanted.contains(&diff_id) => {
                let size = size.to_string();
                let headers =
                    [("content-length", size.as_str()), ("docker-content-digest", digest)];
                reply(StatusCode::OK, &headers)
            }
            _ => reply(StatusCode::NOT_FOUND, &[]),
        }
    }

    /// Reads an upload, as far as the budget goes at the time.
    async fn read(&self, mut body: Incoming) -> Option<Bytes> {
        let mut budget = self.budget.subscribe();
        let mut content = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.ok()?.into_data() else { continue };
            self.read_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            content.extend_from_slice(&data);
            let length = content.len() as u64;
            if length >= *budget.borrow_and_update() {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let more = budget.wait_for(|budget| length < *budget).await.is_ok();
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                if !more {
                    return None;
                }
            }
        }
        Some(content.freeze())
    }

    /// Takes a whole upload: looks which layer it is, and keeps it if that is wanted.
    async fn keep(&self, content: Bytes, query: &str) -> Answer {
        let copy = content.clone();
        let read = tokio::task::spawn_blocking(move || (Digest::of(&copy), diff_id(&copy))).await;
        let Ok((digest, diff_id)) = read else {
            return reply(StatusCode::INTERNAL_SERVER_ERROR, &[]);
        };
        let promised = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("digest="))
            .map(|text| text.replace("%3A", ":").replace("%3a", ":"));
        if promised.as_deref() != Some(digest.as_str()) {
            return reply(StatusCode::BAD_REQUEST, &[]);
        }
        if let Some((media_type, diff_id)) = diff_id {
            let size_bytes = content.len() as u64;
            lock(&self.learnt).insert(digest.to_string(), (diff_id.clone(), size_bytes));
            if self.wanted.contains(&diff_id) {
                let descriptor = oci::Descriptor { media_type, digest: digest.clone(), size_bytes };
                lock(&self.state).got.insert(diff_id, Layer { content, descriptor });
                self.came.notify_one();
            }
        }
        reply(StatusCode::CREATED, &[("docker-content-digest", digest.as_str())])
    }
}

/// The media type of a layer and its digest without compression; nothing for what is no layer
/// that could be checked.
fn diff_id(content: &[u8]) -> Option<(&'static str, Digest)> {
    let mut hasher = Sha256::new();
    if content.starts_with(&[0x1f, 0x8b]) {
        let mut reader = flate2::read::MultiGzDecoder::new(content);
        std::io::copy(&mut reader, &mut Hashing(&mut hasher)).ok()?;
        return Some((oci::LAYER_GZIP, oci::digest_of(hasher)));
    }
    hasher.update(content);
    Some((oci::LAYER, oci::digest_of(hasher)))
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
