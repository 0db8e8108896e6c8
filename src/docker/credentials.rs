//! The user's logins at registries, as `docker login` keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::files::Stat;
use crate::tools::{ToolError, Tools};

use super::DockerError;
use super::endpoint::config_folder;

/// How long a credential helper may take. One that asks the person, or a key ring that is locked,
/// would hang for ever.
const HELPER_LIMIT: Duration = Duration::from_secs(20);

/// Docker Hub's key, older than registry host names.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Finds logins in Docker's configuration file, or by the helper that it names.
///
/// Nothing is kept: after a `docker login` the next question is answered anew. Helpers run as
/// children of `tools`, hence with its environment, and end with the question.
#[derive(Debug, Clone)]
pub struct Credentials {
    tools: Tools,
}

/// Docker's configuration file as it was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginsStamp(Stat);

/// A login. It never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A user's name and password.
    Password {
        /// The user.
        name: String,
        /// The password or access token.
        password: String,
    },
    /// An identity token, which the registry's token server exchanges.
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

impl Login {
    /// As `X-Registry-Auth` has it.
    pub(super) fn for_engine(&self, host: &str) -> Value {
        match self {
            Self::Password { name, password } => {
                json!({"username": name, "password": password, "serveraddress": key_of(host)})
            }
            Self::Token(token) => {
                json!({"identitytoken": token, "serveraddress": key_of(host)})
            }
        }
    }
}

impl Credentials {
    /// Logins as `tools`' environment leads to them.
    #[must_use]
    pub fn new(tools: &Tools) -> Self {
        Self { tools: tools.clone() }
    }

    /// The login at the registry `host` (`docker.io` for Docker Hub), if there is one.
    ///
    /// # Errors
    ///
    /// [`DockerError::BadConfig`] and [`DockerError::Helper`].
    pub async fn login(&self, host: &str) -> Result<Option<Login>, DockerError> {
        let Some(path) = config_folder(&self.tools).map(|folder| folder.join("config.json")) else {
            return Ok(None);
        };
        let text = match tokio::fs::read_to_string(&path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DockerError::BadConfig { path, why: error.to_string() }),
        };
        let config: Config = serde_json::from_str(&text)
            .map_err(|error| DockerError::BadConfig { path, why: error.to_string() })?;
        match config.source(host) {
            Source::Nothing => Ok(None),
            Source::Here(login) => Ok(Some(login)),
            Source::Helper(helper) => self.ask(&helper, host).await,
        }
    }

    /// What tells whether logins are the same as before: `docker login` and `docker logout` write
    /// Docker's configuration file, also where a helper keeps the passwords.
    #[must_use]
    pub fn stamp(&self) -> Option<LoginsStamp> {
        let path = config_folder(&self.tools)?.join("config.json");
        std::fs::metadata(path).ok().map(|meta| LoginsStamp(Stat::of(&meta)))
    }

    async fn ask(&self, helper: &str, host: &str) -> Result<Option<Login>, DockerError> {
        let asked = self
            .tools
            .command(&format!("docker-credential-{helper}"))
            .arg("get")
            .stdin(key_of(host))
            .time_limit(HELPER_LIMIT)
            .run()
            .await;
        let output = match asked {
            Ok(output) => output,
            Err(error) if says_not_found(&error) => return Ok(None),
            Err(source) => return Err(DockerError::Helper { registry: host.to_owned(), source }),
        };
        let Ok(answer) = serde_json::from_slice::<HelperAnswer>(&output.stdout) else {
            return Ok(None);
        };
        Ok(match answer {
            HelperAnswer { secret, .. } if secret.is_empty() => None,
            HelperAnswer { username, secret } if username == "<token>" => {
                Some(Login::Token(secret))
            }
            HelperAnswer { username, secret } => {
                Some(Login::Password { name: username, password: secret })
            }
        })
    }
}

/// A helper without an entry ends with status 1 and these words on stdout.
/// <https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go>
fn says_not_found(error: &ToolError) -> bool {
    error.output_tail().iter().any(|line| line.contains("credentials not found"))
}

/// What the configuration calls `host`.
pub(super) fn key_of(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB_KEY,
        host => host,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Source {
    Nothing,
    Here(Login),
    Helper(String),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl Config {
    /// As the docker command decides: a helper for this registry, the general helper, the file.
    fn source(&self, host: &str) -> Source {
        let key = key_of(host);
        let helper = self.cred_helpers.get(key).or_else(|| self.cred_helpers.get(host));
        if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
            return Source::Helper(helper.clone());
        }
        if !self.creds_store.is_empty() {
            return Source::Helper(self.creds_store.clone());
        }
        let entry = self.auths.get(key).or_else(|| {
            let same = |known: &str| host_of(known) == host_of(key);
            self.auths.iter().find(|(known, _)| same(known)).map(|(_, entry)| entry)
        });
        entry.and_then(Entry::login).map_or(Source::Nothing, Source::Here)
    }
}

impl Entry {
    fn login(&self) -> Option<Login> {
        if !self.identitytoken.is_empty() {
            return Some(Login::Token(self.identitytoken.clone()));
        }
        let bytes = base64::engine::general_purpose::STANDARD.decode(self.auth.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (name, password) = match text.split_once(':') {
            Some((name, password)) => (name, password.trim_end_matches('\0')),
            None => (self.username.as_str(), self.password.as_str()),
        };
        (!name.is_empty())
            .then(|| Login::Password { name: name.to_owned(), password: password.to_owned() })
    }
}

/// The host of a key, which may be written as an address.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    match host {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
