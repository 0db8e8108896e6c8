//! The classic builder, of Engines without BuildKit and of Podman: an archive goes over, text
//! comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures::Stream;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{ImageRef, Platform};

use super::credentials::Login;
use super::http::{Answer, escaped};
use super::{DockerError, Engine};

/// How long the builder may take to say its first word: it reads the whole archive before.
const FIRST_WORD_LIMIT: Duration = Duration::from_secs(1800);

/// What is to be built.
#[derive(Debug, Clone)]
pub struct ClassicBuild<'a> {
    /// The Dockerfile's path in the archive.
    pub dockerfile: &'a str,
    /// The image's name.
    pub image: &'a ImageRef,
    /// The stage to stop at.
    pub target: Option<&'a str>,
    /// Build arguments.
    pub args: &'a BTreeMap<String, String>,
    /// What it is for.
    pub platform: &'a Platform,
    /// The network of `RUN`.
    pub network: Option<&'a str>,
    /// `host:address`.
    pub add_hosts: &'a [String],
    /// Use nothing that was built before.
    pub no_cache: bool,
    /// Logins by registry host, for base images.
    pub logins: BTreeMap<String, Login>,
}

/// What the builder tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassicNews {
    /// It wrote this, a line or a piece of one.
    Output(String),
    /// It failed.
    Failed {
        /// Its words.
        message: String,
        /// The command's exit code, where a command failed.
        code: Option<i64>,
    },
}

/// A build on its way. Dropping it ends the build.
pub struct Classic {
    answer: Answer,
    rest: Vec<u8>,
}

impl Engine {
    /// Begins a build of `archive`, a tar.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine refuses it at once or cannot be reached.
    pub async fn build_classic<S>(
        &self,
        build: &ClassicBuild<'_>,
        archive: S,
    ) -> Result<Classic, DockerError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    {
        let logins: BTreeMap<&str, Value> = build
            .logins
            .iter()
            .map(|(host, login)| (super::credentials::key_of(host), login.for_engine(host)))
            .collect();
        let logins = base64::engine::general_purpose::URL_SAFE.encode(json!(logins).to_string());
        let answer = self
            .request(Method::POST, &build.path(), |mut request| {
                request.limit = FIRST_WORD_LIMIT;
                let request = request.header("content-type", "application/x-tar".to_owned());
                request.header("x-registry-config", logins).stream(archive)
            })
            .await?;
        Ok(Classic { answer, rest: Vec::new() })
    }
}

impl ClassicBuild<'_> {
    fn path(&self) -> String {
        let mut parameters = vec![
            ("dockerfile", self.dockerfile.to_owned()),
            ("t", self.image.without_digest().to_string()),
            ("buildargs", json!(self.args).to_string()),
            ("rm", "1".to_owned()),
            ("forcerm", "1".to_owned()),
            ("platform", self.platform.to_string()),
        ];
        if let Some(target) = self.target {
            parameters.push(("target", target.to_owned()));
        }
        if let Some(network) = self.network {
            parameters.push(("networkmode", network.to_owned()));
        }
        if !self.add_hosts.is_empty() {
            parameters.push(("extrahosts", self.add_hosts.join(",")));
        }
        if self.no_cache {
            parameters.push(("nocache", "1".to_owned()));
        }
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        format!("/build?{}", pairs.join("&"))
    }
}

impl Classic {
    /// What happened next, or nothing at the end.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<ClassicNews>, DockerError> {
        while let Some(line) = self.answer.line::<Line>(&mut self.rest).await? {
            if let Some(message) = line.error {
                let code = line.error_detail.and_then(|detail| detail.code);
                return Ok(Some(ClassicNews::Failed { message, code }));
            }
            if let Some(text) = line.stream {
                return Ok(Some(ClassicNews::Output(text)));
            }
        }
        Ok(None)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stream: Option<String>,
    error: Option<String>,
    error_detail: Option<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    code: Option<i64>,
}
