//! The Engine as wharf's other rooms see it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::model::Platform;
use crate::tools::Tools;

use super::connection::{self, Connection};
use super::http::{self as wire, Answer, Request, UpgradeRequest};
use super::{DockerError, Endpoint};

/// How long the Engine may take to answer a question about itself or an image. A daemon that
/// loads or deletes something large holds its locks for seconds.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(60);

/// The newest API version that this client was written against. An older Engine's own version is
/// used, since it refuses newer ones; a newer one still knows this one.
const NEWEST_API: ApiVersion = ApiVersion(1, 47);

/// A Docker Engine, or what speaks its API. Cloning is cheap; all clones share what was learnt.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    tools: Tools,
    greeting: OnceCell<Greeting>,
    info: OnceCell<EngineInfo>,
}

/// How the Engine introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Greeting {
    api: ApiVersion,
    has_buildkit: bool,
}

/// What the Engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Such as `20.10.24`.
    pub version: String,
    /// What it builds for and runs.
    pub platform: Platform,
    /// Images lie in containerd's store, not in the Engine's own.
    pub containerd_store: bool,
    /// Where its data lies, on its machine.
    pub data_root: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u32, u32);

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl Engine {
    /// Finds the Engine that the docker command would use. Nothing is asked of it yet, so that a
    /// session can begin before the Engine does.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the environment or Docker's configuration asks for an Engine that does
    /// not exist there.
    pub fn connect(tools: &Tools) -> Result<Self, DockerError> {
        let endpoint = Endpoint::find(tools)?;
        tracing::debug!(%endpoint, "Docker Engine");
        let inner = Inner {
            endpoint,
            tools: tools.clone(),
            greeting: OnceCell::new(),
            info: OnceCell::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Asks whether it answers.
    ///
    /// # Errors
    ///
    /// [`DockerError::Unreachable`] and [`DockerError::NoPermission`] when it does not.
    pub async fn ping(&self) -> Result<(), DockerError> {
        self.greet().await.map(drop)
    }

    /// Whether it builds by BuildKit.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it does not answer.
    pub async fn has_buildkit(&self) -> Result<bool, DockerError> {
        Ok(self.greeting().await?.has_buildkit)
    }

    /// Its version.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it does not answer.
    pub async fn version(&self) -> Result<String, DockerError> {
        Ok(self.info().await?.version)
    }

    /// What it builds for unless told otherwise.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it does not answer.
    pub async fn platform(&self) -> Result<Platform, DockerError> {
        Ok(self.info().await?.platform)
    }

    /// What it says about itself; asked once.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it does not answer.
    pub async fn info(&self) -> Result<EngineInfo, DockerError> {
        let ask = async {
            let info: Info = self.get("/info").await?.json().await?;
            let version: Version = self.get("/version").await?.json().await?;
            let text = format!("{}/{}", version.os, version.arch);
            let platform = Platform::parse(&text).map_err(|error| DockerError::Broken {
                what: "GET /version".to_owned(),
                source: Box::new(error),
            })?;
            let containerd_store =
                info.driver_status.iter().flatten().any(|pair| {
                    pair.iter().any(|text| text.starts_with("io.containerd.snapshotter"))
                });
            let data_root = info.docker_root_dir;
            Ok(EngineInfo { version: version.version, platform, containerd_store, data_root })
        };
        self.inner.info.get_or_try_init(|| ask).await.cloned()
    }

    async fn greeting(&self) -> Result<&Greeting, DockerError> {
        self.inner.greeting.get_or_try_init(|| self.greet()).await
    }

    async fn greet(&self) -> Result<Greeting, DockerError> {
        let request = Request::new(Method::GET, "/_ping".to_owned(), ASK_LIMIT);
        let answer = wire::send(self.connection().await?, request).await?;
        let header = |name: &str| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let offered = header("api-version").and_then(|text| ApiVersion::parse(&text));
        let api = offered.unwrap_or(NEWEST_API).min(NEWEST_API);
        // `Builder-Version` only says what the Engine's own configuration prefers. Its BuildKit
        // came with API 1.39, on Linux alone; Podman speaks the API without it.
        let has_buildkit = api >= ApiVersion(1, 39)
            && header("ostype").is_none_or(|os| os == "linux")
            && header("libpod-api-version").is_none();
        Ok(Greeting { api, has_buildkit })
    }

    /// Opens a connection of its own.
    pub(super) async fn connection(&self) -> Result<Connection, DockerError> {
        connection::open(&self.inner.endpoint, &self.inner.tools).await
    }

    pub(super) async fn path(&self, path: &str) -> Result<String, DockerError> {
        let ApiVersion(major, minor) = self.greeting().await?.api;
        Ok(format!("/v{major}.{minor}{path}"))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, DockerError> {
        self.request(Method::GET, path, |request| request).await
    }

    /// Sends a request that `prepare` has completed. `path` is without the API version.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        prepare: impl FnOnce(Request) -> Request,
    ) -> Result<Answer, DockerError> {
        let request = prepare(Request::new(method, self.path(path).await?, ASK_LIMIT));
        wire::send(self.connection().await?, request).await
    }

    /// A connection on which the Engine speaks gRPC as a server (`/grpc`), or as a client that
    /// uses what wharf serves (`/session`).
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine cannot be reached or does not switch.
    pub async fn open_h2c(
        &self,
        path: &str,
        headers: &[(&str, String)],
    ) -> Result<Connection, DockerError> {
        let path = self.path(path).await?;
        let request = UpgradeRequest { path: &path, protocol: "h2c", headers, body: "" };
        wire::upgrade(self.connection().await?, &request, ASK_LIMIT).await
    }

    /// A connection to a command's stdin and output.
    pub(super) async fn open_tcp(&self, path: &str, body: &str) -> Result<Connection, DockerError> {
        let path = self.path(path).await?;
        let request = UpgradeRequest { path: &path, protocol: "tcp", headers: &[], body };
        wire::upgrade(self.connection().await?, &request, ASK_LIMIT).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    driver_status: Option<Vec<Vec<String>>>,
    #[serde(default)]
    docker_root_dir: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
    os: String,
    arch: String,
}
