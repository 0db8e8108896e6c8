//! A client of one registry: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.
//!
//! Comes in: a repository's path, digests, bytes. Goes out: whether the registry has them, or has
//! them now. Knows no Engine.

mod auth;
#[cfg(test)]
mod tests;
mod trouble;
mod trust;
mod upload;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode, Uri};
use tokio::sync::OnceCell;

use crate::docker::{Credentials, escaped, random_id};
use crate::model::{Digest, ImageRef};
use crate::oci;
use crate::tools::Tools;

use self::auth::Auth;
use self::trust::Trust;
use self::wire::{Ask, Origin, Reply, Wire};

pub(super) use self::trouble::Trouble;
pub(super) use self::upload::{Outcome, Places, Upload};

/// Manifests that wharf knows how to name.
const MANIFESTS: [&str; 4] = [
    oci::MANIFEST,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// How often a request is repeated that may do better in a moment; with the pauses between, a
/// registry may be away for about half a minute while something is sent.
const REPEATS: u32 = 7;

/// How often one is repeated that nothing has been sent for yet: whoever waits hears soon.
const FIRST_REPEATS: u32 = 2;

/// Where Docker Hub's registry listens.
const HUB: &str = "registry-1.docker.io";

/// A client of one registry. Its connections, and what it was let in with, end with it.
pub(super) struct Registry {
    authority: String,
    wire: Wire,
    auth: Auth,
    origin: OnceCell<Origin>,
}

/// Bytes with their sort.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

/// What is asked for, as token servers name it.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Look,
    Write,
}

impl Registry {
    /// The registry `host`, as references name it. Nothing is asked yet.
    pub(super) fn new(
        host: &str,
        credentials: &Credentials,
        tools: &Tools,
        insecure: &[String],
    ) -> Self {
        let authority = match host {
            "docker.io" | "index.docker.io" => HUB,
            host => host,
        };
        Self {
            authority: authority.to_owned(),
            wire: Wire::new(Trust::new(tools, insecure)),
            auth: Auth::new(credentials, host),
            origin: OnceCell::new(),
        }
    }

    /// The repository of `image` as its registry knows it.
    pub(super) fn repository(image: &ImageRef) -> String {
        let full = image.full_repository();
        full.split_once('/').map_or(full.clone(), |(_, path)| path.to_owned())
    }

    /// Its host and port.
    pub(super) fn host(&self) -> &str {
        &self.authority
    }

    /// Where a certificate for it is to be put.
    pub(super) fn certificate_place(&self) -> String {
        Trust::place(&self.authority)
    }

    /// Where it listens, and how: asked once.
    async fn origin(&self) -> Result<&Origin, Trouble> {
        let find = async {
            let authority = self.authority.clone();
            // Docker does the same: TLS first, and in the clear only where that is allowed.
            let is_tls =
                !self.wire.trust.is_lax(&authority) || self.wire.speaks_tls(&authority).await?;
            Ok(Origin { is_tls, authority })
        };
        self.origin.get_or_try_init(|| find).await
    }

    /// What `reference`, a tag or a digest, names in `repository`.
    pub(super) async fn manifest_digest(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<Digest>, Trouble> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let scope = scope(repository, Purpose::Look);
        let reply =
            self.asked(FIRST_REPEATS, &scope, || self.manifest(Method::HEAD, &path)).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(Trouble::of(&reply)),
        }
        let digest = reply.header("docker-content-digest").map(Digest::parse);
        if let Some(Ok(digest)) = digest {
            return Ok(Some(digest));
        }
        // A registry without that header: what it has says what it is.
        let document = self.document(repository, reference).await?;
        Ok(document.map(|document| Digest::of(&document.bytes)))
    }

    /// The manifest that `reference` names in `repository`.
    pub(super) async fn document(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<Document>, Trouble> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let scope = scope(repository, Purpose::Look);
        let reply = self.asked(FIRST_REPEATS, &scope, || self.manifest(Method::GET, &path)).await?;
        match reply.status {
            StatusCode::OK => {
                let media_type = reply.header("content-type").unwrap_or(oci::MANIFEST).to_owned();
                Ok(Some(Document { media_type, bytes: reply.body }))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Trouble::of(&reply)),
        }
    }

    async fn manifest(&self, method: Method, path: &str) -> Result<Ask, Trouble> {
        let ask = Ask::new(method, self.origin().await?.url(path)?);
        Ok(ask.header(ACCEPT, HeaderValue::from_str(&MANIFESTS.join(", "))?))
    }

    /// Gives `document` the name `reference` in `repository`.
    pub(super) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        document: &Document,
    ) -> Result<(), Trouble> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let media_type = HeaderValue::from_str(&document.media_type)?;
        let scope = scope(repository, Purpose::Write);
        let put = || async {
            let ask = Ask::new(Method::PUT, self.origin().await?.url(&path)?);
            Ok(ask.header(CONTENT_TYPE, media_type.clone()).body(document.bytes.clone()))
        };
        let reply = self.asked(REPEATS, &scope, put).await?;
        if reply.status.is_success() { Ok(()) } else { Err(Trouble::of(&reply)) }
    }

    /// How many bytes `repository` has under `digest`, if it has that.
    pub(super) async fn blob(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<Option<u64>, Trouble> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let scope = scope(repository, Purpose::Write);
        let head = || async { Ok(Ask::new(Method::HEAD, self.origin().await?.url(&path)?)) };
        let reply = self.asked(REPEATS, &scope, head).await?;
        match reply.status {
            StatusCode::OK => {
                let size = reply.header("content-length").and_then(|text| text.parse().ok());
                Ok(Some(size.unwrap_or(0)))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Trouble::of(&reply)),
        }
    }

    /// Begins an upload. With `mount`, a digest and the repository that has it, the registry may
    /// take it from there instead.
    async fn begin(
        &self,
        repository: &str,
        mount: Option<(&Digest, &str)>,
    ) -> Result<Begun, Trouble> {
        let mut path = format!("/v2/{repository}/blobs/uploads/");
        let mut scope = scope(repository, Purpose::Write);
        if let Some((digest, from)) = mount {
            path = format!("{path}?mount={}&from={}", escaped(digest.as_str()), escaped(from));
            scope = format!("{scope} repository:{from}:pull");
        }
        let ask = Ask::new(Method::POST, self.origin().await?.url(&path)?);
        let reply = self.shown(&scope, &ask).await?;
        match reply.status {
            StatusCode::CREATED => Ok(Begun::Mounted),
            StatusCode::ACCEPTED => {
                let least = reply.header("oci-chunk-min-length").and_then(|text| text.parse().ok());
                let place = location(&ask.url, &reply)?;
                Ok(Begun::At { place, least_bytes: least.unwrap_or(0) })
            }
            _ => Err(Trouble::of(&reply)),
        }
    }

    /// Takes `digest` over from another repository; whether that worked.
    pub(super) async fn mount(
        &self,
        repository: &str,
        digest: &Digest,
        from: &str,
    ) -> Result<bool, Trouble> {
        match self.begin(repository, Some((digest, from))).await? {
            Begun::Mounted => Ok(true),
            Begun::At { place, .. } => {
                // It wants the bytes; so will the caller, by its own upload.
                self.abandon(repository, place).await;
                Ok(false)
            }
        }
    }

    /// Ends an upload that nobody goes on with; a registry that does not know it has ended it.
    async fn abandon(&self, repository: &str, place: Uri) {
        let ask = Ask::new(Method::DELETE, place);
        if let Err(trouble) = self.shown(&scope(repository, Purpose::Write), &ask).await {
            tracing::debug!(?trouble, "a half upload stays until the registry removes it");
        }
    }

    /// Asks as often as it may help, anew each time.
    async fn asked<F>(
        &self,
        repeats: u32,
        scope: &str,
        make: impl Fn() -> F,
    ) -> Result<Reply, Trouble>
    where
        F: Future<Output = Result<Ask, Trouble>>,
    {
        let mut attempt = 0;
        loop {
            let answered = async {
                let reply = self.shown(scope, &make().await?).await?;
                let trouble = Trouble::of(&reply);
                if trouble.may_pass() { Err(trouble) } else { Ok(reply) }
            };
            match answered.await {
                Err(trouble) if trouble.may_pass() && attempt < repeats => {
                    pause(&trouble, attempt).await;
                    attempt += 1;
                }
                answered => return answered,
            }
        }
    }

    /// Sends `ask` with what lets it in, and once more when something else is wanted.
    async fn shown(&self, scope: &str, ask: &Ask) -> Result<Reply, Trouble> {
        let mut is_first = true;
        loop {
            // An upload may go on at another host, which is not to see the login.
            let is_here = Origin::of(&ask.url).as_ref() == Some(self.origin().await?);
            let shown = match is_here {
                true => self.auth.header(&self.wire, scope).await?,
                false => None,
            };
            let ask = match &shown {
                Some(value) => ask.clone().header(AUTHORIZATION, value.clone()),
                None => ask.clone(),
            };
            let reply = self.wire.send(&ask).await?;
            let wants_other = reply.status == StatusCode::UNAUTHORIZED && is_here;
            if !wants_other
                || !is_first
                || !self.auth.refused(&reply.headers, scope, shown.as_ref())
            {
                return Ok(reply);
            }
            is_first = false;
        }
    }
}

/// What a registry says when asked for an upload.
enum Begun {
    Mounted,
    At {
        place: Uri,
        /// What pieces must be no smaller than.
        least_bytes: u64,
    },
}

/// Where an answer to a request at `from` leads.
fn location(from: &Uri, reply: &Reply) -> Result<Uri, Trouble> {
    let bad = |text: &str| Trouble::Here(format!("the registry leads to `{text}`, no address"));
    let text = reply.header(LOCATION.as_str()).ok_or_else(|| bad(""))?;
    if text.contains("://") {
        return text.parse().map_err(|_| bad(text));
    }
    let origin = Origin::of(from).ok_or_else(|| bad(text))?;
    origin.url(text)
}

fn scope(repository: &str, purpose: Purpose) -> String {
    let may = match purpose {
        Purpose::Look => "pull",
        Purpose::Write => "pull,push",
    };
    format!("repository:{repository}:{may}")
}

async fn pause(trouble: &Trouble, attempt: u32) {
    let pause: Duration = trouble.pause(attempt, spread());
    tracing::debug!(?trouble, attempt, ?pause, "asking the registry again");
    tokio::time::sleep(pause).await;
}

/// Some number between 0 and 1.
fn spread() -> f64 {
    let digits = u32::from_str_radix(&random_id()[..8], 16).unwrap_or(0);
    f64::from(digits) / f64::from(u32::MAX)
}
