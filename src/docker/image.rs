//! Images in the Engine: look, name, save, push.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures::Stream;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{Digest, ImageRef, Platform};

use super::credentials::Login;
use super::http::{Answer, escaped};
use super::{DockerError, Engine};

/// How long the Engine may take to begin to write an image: a graphdriver Engine first writes all
/// layers into a folder of its own.
const SAVE_LIMIT: Duration = Duration::from_secs(1800);

/// How long a registry may take to describe an image; the Engine asks it, perhaps for a token
/// first, perhaps through a proxy.
const REGISTRY_LIMIT: Duration = Duration::from_secs(30);

/// An image in the Engine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineImage {
    /// Names its content: of the configuration, or of the manifest in a containerd store.
    pub id: Digest,
    /// Its layers, uncompressed, from the lowest.
    pub diff_ids: Vec<Digest>,
    /// Of all layers, unpacked.
    pub size_bytes: u64,
    /// What it runs on.
    pub platform: Platform,
    /// `repository@digest` of the registries it came from or went to.
    pub repo_digests: Vec<String>,
    /// RFC 3339.
    pub created: String,
    /// Command, environment and so on, as the Engine shows them.
    pub config: Value,
}

/// One step of an image's making.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryEntry {
    /// The instruction, as the builder wrote it down.
    #[serde(default)]
    pub created_by: String,
    /// What it added, unpacked; 0 where it made no layer or an empty one.
    #[serde(rename = "Size", default)]
    pub size_bytes: u64,
}

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteImage {
    /// Of the manifest or index that the reference names.
    pub digest: Digest,
    /// What it is there for; empty where the registry does not say.
    pub platforms: Vec<Platform>,
}

/// What a push tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushNews {
    /// A layer is on its way.
    Layer {
        /// Short name of the layer.
        id: String,
        /// Such as `Pushing` or `Layer already exists`.
        status: String,
        /// Bytes sent so far, uncompressed.
        sent_bytes: u64,
        /// Bytes of the layer, uncompressed.
        total_bytes: u64,
    },
    /// The manifest is in the registry.
    Digest(Digest),
    /// It failed, in the Engine's words.
    Failed(String),
}

impl Engine {
    /// Looks `name` up: a reference or an ID.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine does not answer.
    pub async fn image(&self, name: &str) -> Result<Option<EngineImage>, DockerError> {
        let path = format!("/images/{name}/json");
        let answer = match self.get(&path).await {
            Ok(answer) => answer,
            Err(DockerError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let inspect: Inspect = answer.json().await?;
        let odd = |error: crate::model::ImageError| DockerError::Broken {
            what: format!("GET {path}"),
            source: Box::new(error),
        };
        let layers = inspect.root_fs.layers.unwrap_or_default();
        let diff_ids = layers.iter().map(|text| Digest::parse(text)).collect::<Result<_, _>>();
        Ok(Some(EngineImage {
            id: Digest::parse(&inspect.id).map_err(odd)?,
            diff_ids: diff_ids.map_err(odd)?,
            size_bytes: inspect.size,
            platform: Platform {
                os: inspect.os,
                arch: inspect.architecture,
                variant: inspect.variant.filter(|variant| !variant.is_empty()),
            },
            repo_digests: inspect.repo_digests.unwrap_or_default(),
            created: inspect.created.unwrap_or_default(),
            config: inspect.config,
        }))
    }

    /// How the image `name` was made, the last step first.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when there is no such image.
    pub async fn history(&self, name: &str) -> Result<Vec<HistoryEntry>, DockerError> {
        self.get(&format!("/images/{name}/history")).await?.json().await
    }

    /// All names that `pattern` matches, as `docker images` takes patterns.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine does not answer.
    pub async fn names(&self, pattern: &str) -> Result<Vec<String>, DockerError> {
        let filters = serde_json::json!({"reference": [pattern]}).to_string();
        let path = format!("/images/json?filters={}", escaped(&filters));
        let listed: Vec<Named> = self.get(&path).await?.json().await?;
        Ok(listed.into_iter().flat_map(|image| image.repo_tags.unwrap_or_default()).collect())
    }

    /// Gives the image `source` a further name.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when there is no such image.
    pub async fn tag(&self, source: &str, target: &ImageRef) -> Result<(), DockerError> {
        let tag = target.tag().map_or("latest", |tag| tag.as_str());
        let path = format!("/images/{source}/tag?repo={}&tag={tag}", target.repository());
        self.request(Method::POST, &path, |request| request).await.map(drop)
    }

    /// Takes a name away; the image stays while anything else names it. A name that is not there
    /// counts as taken away.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine refuses.
    pub async fn untag(&self, image: &ImageRef, keep_parents: bool) -> Result<(), DockerError> {
        let path = format!("/images/{image}?noprune={}", u8::from(keep_parents));
        match self.request(Method::DELETE, &path, |request| request).await {
            Ok(_) | Err(DockerError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The image as an archive, in the form of `docker save`.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when there is no such image, and in the stream when the Engine breaks off.
    pub async fn save(
        &self,
        name: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, DockerError>> + Send + use<>, DockerError> {
        let path = format!("/images/{name}/get");
        self.request(Method::GET, &path, |mut request| {
            request.limit = SAVE_LIMIT;
            request
        })
        .await
    }

    /// What the registry that `reference` names has under it. The Engine asks, so that its
    /// proxies, mirrors and trusted certificates count.
    ///
    /// # Errors
    ///
    /// [`DockerError::NoImage`] when the registry has no such image or cannot be reached,
    /// [`DockerError::Unauthorized`] when it wants a login.
    pub async fn remote(
        &self,
        reference: &ImageRef,
        login: Option<&Login>,
    ) -> Result<RemoteImage, DockerError> {
        let path = format!("/distribution/{reference}/json");
        let header = registry_header(login, reference.host());
        let asked = self
            .request(Method::GET, &path, |mut request| {
                request.limit = REGISTRY_LIMIT;
                request.header("x-registry-auth", header)
            })
            .await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(DockerError::Refused { status, message, .. }) => {
                return Err(refused_by_registry(reference, login.is_some(), status, message));
            }
            Err(DockerError::TimedOut { limit, .. }) => {
                let why = format!("the registry gave no answer within {} s", limit.as_secs());
                return Err(DockerError::NoImage { image: reference.to_string(), why, here: None });
            }
            Err(error) => return Err(error),
        };
        let distribution: Distribution = answer.json().await?;
        let digest = Digest::parse(&distribution.descriptor.digest).map_err(|error| {
            DockerError::Broken { what: format!("GET {path}"), source: Box::new(error) }
        })?;
        let platforms = distribution.platforms.unwrap_or_default().into_iter().map(|platform| {
            let variant = platform.variant.filter(|variant| !variant.is_empty());
            Platform { os: platform.os, arch: platform.architecture, variant }
        });
        Ok(RemoteImage { digest, platforms: platforms.collect() })
    }

    /// Brings `image` from its registry into the Engine; for `platform`, or for the Engine's own.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the registry does not give it.
    pub async fn pull(
        &self,
        image: &ImageRef,
        platform: Option<&Platform>,
        login: Option<&Login>,
    ) -> Result<(), DockerError> {
        let tag = image.digest().map(ToString::to_string);
        let tag =
            tag.unwrap_or_else(|| image.tag().map_or("latest", |tag| tag.as_str()).to_owned());
        let [from, tag] = [image.repository(), &tag].map(super::http::escaped);
        let mut path = format!("/images/create?fromImage={from}&tag={tag}");
        if let Some(platform) = platform {
            path.push_str(&format!("&platform={}", super::http::escaped(&platform.to_string())));
        }
        let header = registry_header(login, image.host());
        let prepare = |mut request: super::http::Request| {
            request.limit = SAVE_LIMIT;
            request.header("x-registry-auth", header)
        };
        let answer = self.request(Method::POST, &path, prepare).await;
        let mut answer = answer.map_err(|error| match error {
            DockerError::Refused { status, message, .. } => {
                refused_by_registry(image, login.is_some(), status, message)
            }
            error => error,
        })?;
        let mut rest = Vec::new();
        while let Some(line) = answer.line::<PushLine>(&mut rest).await? {
            if let Some(message) = line.error {
                return Err(refused_by_registry(image, login.is_some(), 500, message));
            }
        }
        Ok(())
    }

    /// Begins to push `image` under its own name. Dropping what comes back ends the push.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine has no such image or cannot be reached.
    pub async fn push(
        &self,
        image: &ImageRef,
        login: Option<&Login>,
    ) -> Result<Pushing, DockerError> {
        let tag = image.tag().map_or("latest", |tag| tag.as_str());
        let path = format!("/images/{}/push?tag={tag}", image.repository());
        let header = registry_header(login, image.host());
        let prepare = |mut request: super::http::Request| {
            request.limit = SAVE_LIMIT;
            request.header("x-registry-auth", header)
        };
        let answer = self.request(Method::POST, &path, prepare).await?;
        Ok(Pushing { answer, rest: Vec::new() })
    }
}

/// A push on its way.
pub struct Pushing {
    answer: Answer,
    rest: Vec<u8>,
}

impl Pushing {
    /// What happened next, or nothing at the end.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<PushNews>, DockerError> {
        while let Some(line) = self.answer.line::<PushLine>(&mut self.rest).await? {
            if let Some(error) = line.error {
                return Ok(Some(PushNews::Failed(error)));
            }
            if let Some(digest) = line.aux.and_then(|aux| Digest::parse(&aux.digest).ok()) {
                return Ok(Some(PushNews::Digest(digest)));
            }
            if let (Some(id), Some(status)) = (line.id, line.status) {
                let progress = line.progress_detail.unwrap_or_default();
                return Ok(Some(PushNews::Layer {
                    id,
                    status,
                    sent_bytes: progress.current.unwrap_or(0),
                    total_bytes: progress.total.unwrap_or(0),
                }));
            }
        }
        Ok(None)
    }
}

/// Tells "no such image" from "not for you" in what an Engine says for a registry; statuses differ
/// between versions and registries, so the words count too.
pub(super) fn refused_by_registry(
    reference: &ImageRef,
    with_login: bool,
    status: u16,
    message: String,
) -> DockerError {
    let said = message.to_ascii_lowercase();
    let refused =
        ["unauthorized", "authentication required", "no basic auth", "denied", "forbidden"];
    if status == 401 || refused.iter().any(|word| said.contains(word)) {
        return DockerError::Unauthorized {
            registry: reference.host().to_owned(),
            image: reference.to_string(),
            with_login,
            why: message,
        };
    }
    DockerError::NoImage { image: reference.to_string(), why: message, here: None }
}

/// `X-Registry-Auth`: the login as the Engine wants it, an empty object where there is none.
fn registry_header(login: Option<&Login>, host: &str) -> String {
    let value = login.map_or_else(|| serde_json::json!({}), |login| login.for_engine(host));
    base64::engine::general_purpose::URL_SAFE.encode(value.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspect {
    id: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    repo_digests: Option<Vec<String>>,
    created: Option<String>,
    #[serde(default)]
    config: Value,
    #[serde(rename = "RootFS", default)]
    root_fs: RootFs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Distribution {
    descriptor: Descriptor,
    platforms: Option<Vec<DistributionPlatform>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
struct DistributionPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushLine {
    status: Option<String>,
    id: Option<String>,
    error: Option<String>,
    progress_detail: Option<Progress>,
    aux: Option<PushAux>,
}

#[derive(Deserialize, Default)]
struct Progress {
    current: Option<u64>,
    total: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PushAux {
    #[serde(default)]
    digest: String,
}
