//! The registry in this process that the Engine pushes to, in front of the real one: what that has
//! the Engine keeps to itself, what it lacks is passed on while it comes.
//!
//! The Engine's own bytes are passed on as they are, manifests and attestations included, so that
//! what is in the registry has the digest that the Engine reports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::sync::{Notify, oneshot};

use crate::docker::intake::{Answer, reply};
use crate::docker::{Spawner, random_id};
use crate::model::Digest;
use crate::oci;

use super::known::Known;
use super::registry::{Document, Outcome, Places, Registry, Trouble, Upload};
use super::spool::{Filler, Spool};

/// A registry takes no longer manifest either.
const MANIFEST_LIMIT: usize = 4 << 20;

/// What all requests of one push share.
pub(super) struct Facade {
    pub(super) registry: Arc<Registry>,
    pub(super) repository: String,
    /// What the image is to be called there.
    pub(super) tag: String,
    /// Where layers are on their way lie meanwhile.
    pub(super) folder: PathBuf,
    pub(super) known: Known,
    pub(super) spawner: Spawner,
    pub(super) places: Arc<Places>,
    pub(super) state: Mutex<State>,
    /// The Engine has asked something.
    pub(super) is_used: AtomicBool,
    /// Something went wrong for good.
    pub(super) failed: Notify,
}

/// What has come so far.
#[derive(Default)]
pub(super) struct State {
    uploads: BTreeMap<String, Coming>,
    /// How far each blob is: gone over, and in all.
    moved: Vec<(Arc<AtomicU64>, Arc<Spool>)>,
    there: BTreeSet<Digest>,
    sent_bytes: u64,
    /// The manifest that got the tag.
    digest: Option<Digest>,
    trouble: Option<Trouble>,
}

/// A blob on its way from the Engine.
struct Coming {
    /// Absent while a request fills it.
    filler: Option<Filler>,
    done: Option<oneshot::Receiver<Result<Outcome, Trouble>>>,
    spool: Arc<Spool>,
}

impl Facade {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that have gone over, and how many are known of.
    pub(super) fn progress(&self) -> (u64, u64) {
        let state = self.state();
        state.moved.iter().fold((0, 0), |(sent, total), (moved, spool)| {
            let size = spool.bytes();
            (sent + moved.load(Ordering::Relaxed).min(size), total + size)
        })
    }

    /// What went wrong for good.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.take()
    }

    /// The digest that the image has in the registry, and the bytes that went there.
    pub(super) fn result(&self) -> (Option<Digest>, u64) {
        let state = self.state();
        (state.digest.clone(), state.sent_bytes)
    }

    /// Notes what ends the push; the first such thing counts.
    fn fail(&self, trouble: Trouble) -> Answer {
        let mut state = self.state();
        if state.trouble.is_none() {
            state.trouble = Some(trouble);
        }
        self.failed.notify_one();
        reply(StatusCode::BAD_GATEWAY, &[])
    }

    /// Answers the Engine.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        self.is_used.store(true, Ordering::Relaxed);
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_upload = path.contains("/blobs/uploads/");
        match (request.method().clone(), path.as_str()) {
            (Method::GET, "/v2/") => reply(StatusCode::OK, &[]),
            (Method::HEAD, _) if path.contains("/blobs/") => self.offered(&last).await,
            (Method::POST, _) if is_upload => self.begin(&path),
            (Method::PATCH, _) if is_upload => match self.fill(&last, request.into_body()).await {
                Ok(bytes) => {
                    let range = format!("0-{}", bytes.saturating_sub(1));
                    let headers = [
                        ("location", path.as_str()),
                        ("docker-upload-uuid", last.as_str()),
                        ("range", range.as_str()),
                    ];
                    reply(StatusCode::ACCEPTED, &headers)
                }
                Err(answer) => answer,
            },
            (Method::PUT, _) if is_upload => {
                // A containerd store sends the content here, a graphdriver has sent it before.
                match self.fill(&last, request.into_body()).await {
                    Ok(_) => self.finish(&last, &query).await,
                    Err(answer) => answer,
                }
            }
            (Method::PUT, _) if path.contains("/manifests/") => self.manifest(&last, request).await,
            _ => reply(StatusCode::NOT_FOUND, &[]),
        }
    }

    /// Whether the Engine may keep this blob to itself.
    async fn offered(&self, digest: &str) -> Answer {
        let Ok(digest) = Digest::parse(digest) else { return reply(StatusCode::BAD_REQUEST, &[]) };
        match self.has(&digest).await {
            Ok(Some(size)) => {
                self.state().there.insert(digest.clone());
                let size = size.to_string();
                let headers =
                    [("content-length", size.as_str()), ("docker-content-digest", digest.as_str())];
                reply(StatusCode::OK, &headers)
            }
            Ok(None) => reply(StatusCode::NOT_FOUND, &[]),
            Err(trouble) => self.fail(trouble),
        }
    }

    /// How large the blob is in the registry, taken over from another repository where one has it.
    async fn has(&self, digest: &Digest) -> Result<Option<u64>, Trouble> {
        let (registry, repository) = (&self.registry, self.repository.as_str());
        if let Some(size) = registry.blob(repository, digest).await? {
            return Ok(Some(size));
        }
        for from in self.known.repositories(registry.host(), digest, repository) {
            match registry.mount(repository, digest, &from).await {
                Ok(true) => {
                    tracing::debug!(%digest, from, "a layer is taken from another repository");
                    return registry.blob(repository, digest).await;
                }
                Ok(false) => {}
                // Nobody is obliged to lend anything.
                Err(trouble) => tracing::debug!(?trouble, from, "no layer from there"),
            }
        }
        Ok(None)
    }

    /// Takes the beginning of a blob; it goes on to the registry from here on.
    fn begin(self: &Arc<Self>, path: &str) -> Answer {
        let (spool, filler) = match Spool::new(&self.folder) {
            Ok(made) => made,
            Err(error) => {
                let folder = self.folder.display();
                return self
                    .fail(Trouble::Here(format!("nothing can be kept in {folder}: {error}")));
            }
        };
        let id = random_id();
        let (done_tx, done) = oneshot::channel();
        let moved = Arc::new(AtomicU64::new(0));
        let coming = Coming { filler: Some(filler), done: Some(done), spool: Arc::clone(&spool) };
        {
            let mut state = self.state();
            state.moved.push((Arc::clone(&moved), Arc::clone(&spool)));
            state.uploads.insert(id.clone(), coming);
        }
        let facade = Arc::clone(self);
        self.spawner.spawn(async move {
            let upload = Upload {
                registry: &facade.registry,
                repository: &facade.repository,
                spool: &spool,
                moved: &moved,
                places: &facade.places,
            };
            // Whoever waited for it may be gone.
            let _ = done_tx.send(upload.run().await);
        });
        let place = format!("{}/{id}", path.trim_end_matches('/'));
        let headers = [("location", place.as_str()), ("docker-upload-uuid", id.as_str())];
        reply(StatusCode::ACCEPTED, &headers)
    }

    /// Takes more of a blob, and says how much of it is there. What the Engine breaks off is gone.
    async fn fill(&self, id: &str, mut body: Incoming) -> Result<u64, Answer> {
        let taken = self
            .state()
            .uploads
            .get_mut(id)
            .and_then(|coming| Some((coming.filler.take()?, Arc::clone(&coming.spool))));
        let Some((mut filler, spool)) = taken else {
            return Err(reply(StatusCode::NOT_FOUND, &[]));
        };
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Err(reply(StatusCode::BAD_REQUEST, &[])) };
            let Ok(data) = frame.into_data() else { continue };
            if let Err(error) = filler.add(&data).await {
                return Err(self.fail(Trouble::Here(format!("a layer cannot be kept: {error}"))));
            }
        }
        let bytes = spool.bytes() + filler.pending_bytes();
        if let Some(coming) = self.state().uploads.get_mut(id) {
            coming.filler = Some(filler);
        }
        Ok(bytes)
    }

    /// The Engine says what the blob was; waits until the registry has it.
    async fn finish(&self, id: &str, query: &str) -> Answer {
        let promised = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("digest="))
            .map(|text| text.replace("%3A", ":").replace("%3a", ":"));
        let Some(Ok(promised)) = promised.as_deref().map(Digest::parse) else {
            return reply(StatusCode::BAD_REQUEST, &[]);
        };
        let Some(coming) = self.state().uploads.remove(id) else {
            return reply(StatusCode::NOT_FOUND, &[]);
        };
        let Coming { filler: Some(filler), done: Some(done), spool } = coming else {
            return reply(StatusCode::NOT_FOUND, &[]);
        };
        match filler.finish(&promised).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!(%promised, "the Engine sent a blob that it names otherwise");
                return reply(StatusCode::BAD_REQUEST, &[]);
            }
            Err(error) => {
                return self.fail(Trouble::Here(format!("a layer cannot be kept: {error}")));
            }
        }
        match done.await {
            Ok(Ok(outcome)) => {
                let mut state = self.state();
                if outcome == Outcome::Sent {
                    state.sent_bytes += spool.bytes();
                }
                state.there.insert(promised.clone());
                reply(StatusCode::CREATED, &[("docker-content-digest", promised.as_str())])
            }
            Ok(Err(trouble)) => self.fail(trouble),
            Err(_) => reply(StatusCode::SERVICE_UNAVAILABLE, &[]),
        }
    }

    /// Passes a manifest on: one of a platform or of an attestation under its digest, the last one
    /// under the image's tag, unless that has come to mean something else meanwhile.
    async fn manifest(&self, name: &str, request: Request<Incoming>) -> Answer {
        let media_type = request.headers().get("content-type").and_then(|v| v.to_str().ok());
        let media_type = media_type.unwrap_or(oci::MANIFEST).to_owned();
        let Ok(content) = Limited::new(request.into_body(), MANIFEST_LIMIT).collect().await else {
            return reply(StatusCode::BAD_REQUEST, &[]);
        };
        let document = Document { media_type, bytes: content.to_bytes() };
        let digest = Digest::of(&document.bytes);
        let passed = async {
            if name.contains(':') {
                return self.registry.put_manifest(&self.repository, name, &document).await;
            }
            let there = self.registry.manifest_digest(&self.repository, &self.tag).await?;
            if let Some(there) = there {
                // Somebody else was quicker with the same content.
                self.state().digest = Some(there);
                return Ok(());
            }
            self.registry.put_manifest(&self.repository, &self.tag, &document).await?;
            let mut state = self.state();
            self.known.add(self.registry.host(), &self.repository, &state.there);
            state.digest = Some(digest.clone());
            state.sent_bytes += document.bytes.len() as u64;
            Ok(())
        };
        match passed.await {
            Ok(()) => reply(StatusCode::CREATED, &[("docker-content-digest", digest.as_str())]),
            Err(trouble) => self.fail(trouble),
        }
    }
}
