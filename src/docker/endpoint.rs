//! Where the Engine listens, found as the docker command finds it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::Digest as _;

use crate::tools::Tools;

use super::DockerError;

/// An Engine's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`, in the clear.
    Tcp(String),
    /// `host:port`, with TLS.
    Tls {
        /// `host:port`.
        address: String,
        /// The folder with `ca.pem`, `cert.pem` and `key.pem`, each of which may be missing.
        certificates: Option<PathBuf>,
    },
    /// `[user@]host`, with the port where one is given; the docker command there leads on.
    Ssh {
        /// `[user@]host`.
        host: String,
        /// Absent: what ssh's own configuration says.
        port: Option<u16>,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) | Self::Tls { address, .. } => write!(f, "tcp://{address}"),
            Self::Ssh { host, port: Some(port) } => write!(f, "ssh://{host}:{port}"),
            Self::Ssh { host, port: None } => write!(f, "ssh://{host}"),
        }
    }
}

impl Endpoint {
    /// Finds the Engine that the docker command would talk to: `DOCKER_HOST`, `DOCKER_CONTEXT`,
    /// the configuration's current context, then the sockets that the usual products make. Where
    /// none exists, it is the standard one, so that the error names it.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when what is asked for by name does not exist or cannot be used.
    pub(super) fn find(tools: &Tools) -> Result<Self, DockerError> {
        let text = |name: &str| {
            let value = tools.variable(name)?.to_string_lossy().into_owned();
            (!value.is_empty()).then_some(value)
        };
        if let Some(host) = text("DOCKER_HOST") {
            let tls = text("DOCKER_TLS_VERIFY").is_some();
            let folder = config_folder(tools);
            let certificates = text("DOCKER_CERT_PATH").map(PathBuf::from).or(folder);
            return Self::parse(&host, tls.then_some(certificates));
        }
        if let Some(name) = text("DOCKER_CONTEXT") {
            return Self::of_context(tools, &name, "DOCKER_CONTEXT");
        }
        if let Some(folder) = config_folder(tools) {
            let path = folder.join("config.json");
            if let Some(name) = current_context(&path)? {
                return Self::of_context(tools, &name, &path.display().to_string());
            }
        }
        Ok(Self::Unix(usual_socket(tools)))
    }

    fn of_context(tools: &Tools, name: &str, asked_by: &str) -> Result<Self, DockerError> {
        if name == "default" {
            return Ok(Self::Unix(usual_socket(tools)));
        }
        let missing =
            || DockerError::NoContext { name: name.to_owned(), asked_by: asked_by.to_owned() };
        let contexts = config_folder(tools).ok_or_else(missing)?.join("contexts");
        let id = hex::encode(sha2::Sha256::digest(name.as_bytes()));
        let path = contexts.join("meta").join(&id).join("meta.json");
        let text = std::fs::read_to_string(&path).map_err(|_| missing())?;
        let meta: ContextMeta = serde_json::from_str(&text).map_err(|error| {
            DockerError::BadConfig { path: path.clone(), why: error.to_string() }
        })?;
        let docker = meta.endpoints.docker;
        let folder = contexts.join("tls").join(&id).join("docker");
        let tls = if folder.is_dir() {
            Some(Some(folder))
        } else {
            docker.host.starts_with("https://").then_some(None)
        };
        if docker.skip_tls_verify {
            return Err(DockerError::BadEndpoint {
                text: format!("context {name}"),
                why: "it asks to skip the check of the server's certificate".to_owned(),
            });
        }
        Self::parse(&docker.host, tls)
    }

    /// Reads an address; `tls` is absent for none, otherwise the folder of certificates, if any.
    fn parse(text: &str, tls: Option<Option<PathBuf>>) -> Result<Self, DockerError> {
        let bad =
            |why: &str| DockerError::BadEndpoint { text: text.to_owned(), why: why.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(bad("it has no scheme such as `unix://`, `tcp://` or `ssh://`"));
        };
        let rest = if scheme == "unix" { rest } else { rest.trim_end_matches('/') };
        if rest.is_empty() {
            return Err(bad("nothing follows the scheme"));
        }
        match (scheme, tls) {
            ("unix", _) => Ok(Self::Unix(PathBuf::from(rest))),
            ("tcp" | "http", None) => Ok(Self::Tcp(with_port(rest, 2375))),
            ("tcp" | "http" | "https", Some(certificates)) => {
                Ok(Self::Tls { address: with_port(rest, 2376), certificates })
            }
            ("https", None) => Ok(Self::Tls { address: with_port(rest, 2376), certificates: None }),
            ("ssh", _) => {
                // ssh takes a host that begins with a dash for an option.
                if rest.starts_with('-') || rest.contains(char::is_whitespace) {
                    return Err(bad("this is no host name"));
                }
                let rest = rest.split('/').next().unwrap_or(rest);
                match rest.rsplit_once(':') {
                    Some((host, port)) => {
                        let port = port.parse().map_err(|_| bad("its port is no number"))?;
                        Ok(Self::Ssh { host: host.to_owned(), port: Some(port) })
                    }
                    None => Ok(Self::Ssh { host: rest.to_owned(), port: None }),
                }
            }
            _ => Err(bad("wharf knows `unix://`, `tcp://`, `http://`, `https://` and `ssh://`")),
        }
    }

    /// Whether the Engine shares this machine's loopback, so that it can reach a listener here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

/// `~/.docker`, or where `DOCKER_CONFIG` says.
#[must_use]
pub fn config_folder(tools: &Tools) -> Option<PathBuf> {
    let set = |name: &str| tools.variable(name).filter(|value| !value.is_empty());
    set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(home).join(".docker")))
}

fn current_context(path: &Path) -> Result<Option<String>, DockerError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(DockerError::BadConfig { path: path.to_owned(), why: error.to_string() });
        }
    };
    let config: ConfigFile = serde_json::from_str(&text).map_err(|error| {
        DockerError::BadConfig { path: path.to_owned(), why: error.to_string() }
    })?;
    Ok(config.current_context.filter(|name| !name.is_empty()))
}

/// The first socket that exists of those that Docker and its relatives make.
fn usual_socket(tools: &Tools) -> PathBuf {
    let folder = |name: &str| tools.variable(name).map(PathBuf::from);
    let standard = PathBuf::from("/var/run/docker.sock");
    let mut candidates = vec![standard.clone()];
    if let Some(runtime) = folder("XDG_RUNTIME_DIR") {
        candidates.push(runtime.join("docker.sock"));
    }
    if let Some(home) = folder("HOME") {
        let below = [
            ".docker/run/docker.sock",
            ".docker/desktop/docker.sock",
            ".colima/default/docker.sock",
            ".orbstack/run/docker.sock",
            ".rd/docker.sock",
        ];
        candidates.extend(below.map(|path| home.join(path)));
    }
    if let Some(runtime) = folder("XDG_RUNTIME_DIR") {
        candidates.push(runtime.join("podman/podman.sock"));
    }
    candidates.push(PathBuf::from("/run/podman/podman.sock"));
    candidates.into_iter().find(|path| path.exists()).unwrap_or(standard)
}

fn with_port(address: &str, port: u16) -> String {
    let host = address.split('/').next().unwrap_or(address);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { host.to_owned() } else { format!("{host}:{port}") }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    endpoints: ContextEndpoints,
}

#[derive(Deserialize)]
struct ContextEndpoints {
    docker: ContextEndpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextEndpoint {
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}
