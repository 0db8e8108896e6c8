//! Looks for an image in its registry, and brings it there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::docker::{Credentials, Engine, PushNews, Tasks, intake};
use crate::model::{Digest, ImageRef};
use crate::tools::Tools;

use super::facade::Facade;
use super::known::Known;
use super::registry::{Places, Registry, Trouble};
use super::{PushError, by_engine};

/// How long clearing up may take; registries remove half uploads by themselves in the end.
const CLEAR_LIMIT: Duration = Duration::from_secs(5);

/// How often progress is told. A person sees no more.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What a push moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What the registry names it by.
    pub digest: Digest,
    /// Bytes that went over, compressed as they are.
    pub sent_bytes: u64,
    /// Bytes of the whole image, unpacked.
    pub total_bytes: u64,
}

/// Brings images to registries. Cloning is cheap; all clones share connections, tokens and what
/// was learnt of who has which layer.
#[derive(Clone)]
pub struct Pusher {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    credentials: Credentials,
    tools: Tools,
    insecure: Vec<String>,
    /// Where layers lie that are on their way.
    folder: PathBuf,
    /// By host.
    registries: Mutex<BTreeMap<String, Arc<Registry>>>,
    known: Known,
}

impl Pusher {
    /// A pusher of `engine`'s images. Registries that `insecure` names, and those of this machine,
    /// may have certificates that nobody vouches for, or none. What is on its way lies below
    /// `folder`. Nothing is asked yet.
    #[must_use]
    pub fn new(
        engine: &Engine,
        credentials: &Credentials,
        tools: &Tools,
        insecure: &[String],
        folder: &Path,
    ) -> Self {
        let inner = Inner {
            engine: engine.clone(),
            credentials: credentials.clone(),
            tools: tools.clone(),
            insecure: insecure.to_vec(),
            folder: folder.to_owned(),
            registries: Mutex::default(),
            known: Known::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn registry(&self, image: &ImageRef) -> Arc<Registry> {
        let Inner { credentials, tools, insecure, registries, .. } = &*self.inner;
        let host = image.host();
        let mut registries = registries.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registries.entry(host.to_owned());
        let make = || Arc::new(Registry::new(host, credentials, tools, insecure));
        Arc::clone(registry.or_insert_with(make))
    }

    /// The digest under which the registry has `image`, if it has it.
    ///
    /// # Errors
    ///
    /// [`PushError`] when the registry answers oddly. One that cannot be reached or refuses has
    /// nothing: the push that follows says why, and many refuse what does not exist yet.
    pub async fn find(&self, image: &ImageRef) -> Result<Option<Digest>, PushError> {
        let image = image.without_digest();
        let registry = self.registry(&image);
        match registry.manifest_digest(&Registry::repository(&image), tag_of(&image)).await {
            Ok(found) => Ok(found),
            Err(
                trouble @ (Trouble::Unreachable(_)
                | Trouble::Lost(_)
                | Trouble::Untrusted(_)
                | Trouble::Refused(_)),
            ) => {
                tracing::debug!(%image, ?trouble, "the registry does not say whether it has it");
                Ok(None)
            }
            Err(trouble) => Err(PushError::of(&image, &registry.certificate_place(), trouble)),
        }
    }

    /// Brings `image` to its registry. `tell_bytes` hears how much of how much has gone over.
    ///
    /// # Errors
    ///
    /// [`PushError`] when the Engine does not have it, or the registry does not take it. Nothing
    /// half done is left there as far as the registry can be reached.
    pub async fn push(
        &self,
        image: &ImageRef,
        tell_bytes: &(dyn Fn(u64, u64) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Pushed, PushError> {
        let image = image.without_digest();
        let registry = self.registry(&image);
        let places = Arc::new(Places::default());
        let name = Mutex::new(None);
        // Ends with everything that was started for this push.
        let tasks = Tasks::new();
        let running = self.run(&image, &registry, &places, &name, &tasks, tell_bytes);
        let pushed = cancel.run_until_cancelled(running).await;
        if !matches!(pushed, Some(Ok(_))) {
            // Past this time they are cut off.
            let _ = tokio::time::timeout(CLEAR_LIMIT, places.stop()).await;
        }
        tasks.close().await;
        let untag = async {
            let name = name.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(name) = name else { return };
            let untagged = tokio::time::timeout(CLEAR_LIMIT, self.inner.engine.untag(&name, true));
            if !matches!(untagged.await, Ok(Ok(()))) {
                tracing::warn!(%name, "a name stays in the Engine");
            }
        };
        let abandon = async {
            let abandoned = tokio::time::timeout(CLEAR_LIMIT, places.abandon(&registry));
            if abandoned.await.is_err() {
                tracing::debug!(%image, "half uploads stay until the registry removes them");
            }
        };
        tokio::join!(untag, abandon);
        match pushed {
            None => Err(PushError::Cancelled { image }),
            Some(Ok(pushed)) => Ok(pushed),
            Some(Err(Stop::NotHere)) => {
                // The Engine runs elsewhere and cannot reach this process.
                let login = &self.inner.credentials;
                by_engine::push(&self.inner.engine, &image, login, tell_bytes, cancel).await
            }
            Some(Err(Stop::Error(error))) => Err(error),
            Some(Err(Stop::Trouble(trouble))) => {
                Err(PushError::of(&image, &registry.certificate_place(), trouble))
            }
        }
    }

    /// Gives what the registry has as `image` the name `also` besides, in the same repository; a
    /// name that meant something else means this from then on.
    ///
    /// # Errors
    ///
    /// [`PushError`] when the registry does not have it, or refuses.
    pub async fn name_also(
        &self,
        image: &ImageRef,
        digest: &Digest,
        also: &ImageRef,
    ) -> Result<(), PushError> {
        let registry = self.registry(image);
        let repository = Registry::repository(image);
        let name = async {
            if registry.manifest_digest(&repository, tag_of(also)).await?.as_ref() == Some(digest) {
                return Ok(());
            }
            match registry.document(&repository, digest.as_str()).await? {
                Some(document) if Digest::of(&document.bytes) == *digest => {
                    registry.put_manifest(&repository, tag_of(also), &document).await
                }
                _ => Err(Trouble::Here(format!("the registry does not give out {digest}"))),
            }
        };
        let place = registry.certificate_place();
        name.await.map_err(|trouble| PushError::of(also, &place, trouble))
    }

    async fn run(
        &self,
        image: &ImageRef,
        registry: &Arc<Registry>,
        places: &Arc<Places>,
        name: &Mutex<Option<ImageRef>>,
        tasks: &Tasks,
        tell_bytes: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Pushed, Stop> {
        let engine = &self.inner.engine;
        let source = image.to_string();
        let repository = Registry::repository(image);
        let (found, there) = tokio::join!(
            engine.image(&source),
            registry.manifest_digest(&repository, tag_of(image))
        );
        let found = found.map_err(PushError::from)?;
        let Some(found) = found else {
            return Err(PushError::NoImage { image: image.clone() }.into());
        };
        let total_bytes = found.size_bytes;
        match there {
            // The tag is that of the content, so it is never written twice.
            Ok(Some(digest)) => return Ok(Pushed { digest, sent_bytes: 0, total_bytes }),
            Ok(None) => {}
            // Who may write need not be refused what does not exist yet.
            Err(Trouble::Refused(why)) => tracing::debug!(%image, why, "pushing all the same"),
            Err(trouble) => return Err(Stop::Trouble(trouble)),
        }
        let facade = Arc::new(Facade {
            registry: Arc::clone(registry),
            repository,
            tag: tag_of(image).to_owned(),
            folder: self.inner.folder.clone(),
            known: self.inner.known.clone(),
            spawner: tasks.spawner(),
            places: Arc::clone(places),
            state: Mutex::default(),
            is_used: AtomicBool::new(false),
            failed: Notify::new(),
        });
        let answering = Arc::clone(&facade);
        let answer = move |request| Arc::clone(&answering).answer(request);
        let target = intake::listen(tasks, None, answer)
            .map_err(|error| Trouble::Here(format!("no local listener: {error}")))?;
        *name.lock().unwrap_or_else(PoisonError::into_inner) = Some(target.clone());
        engine.tag(&source, &target).await.map_err(PushError::from)?;
        let said = self.follow(&target, &facade, tell_bytes).await?;
        if let Some(trouble) = facade.trouble() {
            return Err(Stop::Trouble(trouble));
        }
        let (sent, total) = facade.progress();
        tell_bytes(sent, total);
        match (facade.result(), said) {
            ((Some(digest), sent_bytes), _) => Ok(Pushed { digest, sent_bytes, total_bytes }),
            (_, Some(_)) if !facade.is_used.load(Ordering::Relaxed) => Err(Stop::NotHere),
            (_, why) => {
                let why = why.unwrap_or_else(|| "the Engine ended the push without it".to_owned());
                Err(PushError::Failed { image: image.clone(), why }.into())
            }
        }
    }

    /// Lets the Engine push, and says what it complains of.
    async fn follow(
        &self,
        target: &ImageRef,
        facade: &Facade,
        tell_bytes: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Option<String>, Stop> {
        let mut pushing = self.inner.engine.push(target, None).await.map_err(PushError::from)?;
        let pushed = async {
            loop {
                match pushing.next().await {
                    Ok(Some(PushNews::Failed(why))) => return Ok(Some(why)),
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(None),
                    Err(error) => return Err(Stop::from(PushError::from(error))),
                }
            }
        };
        let telling = async {
            let mut before = (0, 0);
            loop {
                tokio::time::sleep(TELL_EVERY).await;
                let now = facade.progress();
                if now != before {
                    tell_bytes(now.0, now.1);
                    before = now;
                }
            }
        };
        let failed = facade.failed.notified();
        let (mut pushed, mut telling) = (std::pin::pin!(pushed), std::pin::pin!(telling));
        let mut failed = std::pin::pin!(failed);
        std::future::poll_fn(|cx| {
            use std::task::Poll;
            if let Poll::Ready(ended) = pushed.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            // An Engine would begin such a layer again, several times.
            if failed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(None));
            }
            let _: Poll<()> = telling.as_mut().poll(cx);
            Poll::Pending
        })
        .await
    }
}

/// Why a push ended early.
enum Stop {
    /// The Engine cannot reach this process.
    NotHere,
    Trouble(Trouble),
    Error(PushError),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<PushError> for Stop {
    fn from(error: PushError) -> Self {
        Self::Error(error)
    }
}

fn tag_of(image: &ImageRef) -> &str {
    image.tag().map_or("latest", |tag| tag.as_str())
}
