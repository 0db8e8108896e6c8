//! What can go wrong between wharf and the Engine.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Platform;
use crate::report::{Failure, FailureKind};
use crate::tools::ToolError;

/// The Engine cannot be reached, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// A Docker context is asked for by name and does not exist.
    #[error("there is no Docker context named `{name}`")]
    NoContext {
        /// The context's name.
        name: String,
        /// Who asks for it: `DOCKER_CONTEXT` or the configuration file's path.
        asked_by: String,
    },
    /// An address or a file that leads to the Engine cannot be used.
    #[error("`{text}` does not lead to a Docker Engine")]
    BadEndpoint {
        /// The address or file.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody listens.
    #[error("cannot reach Docker at {endpoint}")]
    Unreachable {
        /// The Engine's address.
        endpoint: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The socket is there, but not for this user.
    #[error("no permission to use Docker at {endpoint}")]
    NoPermission {
        /// The Engine's address.
        endpoint: String,
    },
    /// The Engine took too long.
    #[error("Docker gave no answer to `{what}` within {} s", limit.as_secs())]
    TimedOut {
        /// The request.
        what: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The connection broke, or the Engine said something unexpected.
    #[error("the connection to Docker broke during `{what}`")]
    Broken {
        /// The request.
        what: String,
        /// What was unexpected.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Engine refused.
    #[error("Docker refused `{what}`: {message}")]
    Refused {
        /// The request.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The Engine's words.
        message: String,
    },
    /// An image is neither in the Engine nor in its registry.
    #[error("image `{image}` is neither in Docker nor in its registry")]
    NoImage {
        /// As it was asked for.
        image: String,
        /// The registry's or the Engine's words.
        why: String,
        /// What the Engine's own image of that name is for, where that is not what is wanted.
        here: Option<Platform>,
    },
    /// A registry wants a login, or refuses the one it got.
    #[error("registry {registry} refused access to `{image}`")]
    Unauthorized {
        /// The registry's host.
        registry: String,
        /// What was asked for.
        image: String,
        /// It was asked with a login of the person's.
        with_login: bool,
        /// The registry's words.
        why: String,
    },
    /// A program that keeps credentials failed.
    #[error("the credentials of {registry} could not be read")]
    Helper {
        /// The registry's host.
        registry: String,
        /// The program's end.
        #[source]
        source: ToolError,
    },
    /// Docker's configuration file cannot be read.
    #[error("{} cannot be read", path.display())]
    BadConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn is_out_of_space(message: &str) -> bool {
    message.contains("no space left on device")
}

impl DockerError {
    /// The stable name of what went wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoContext { .. } => "wharf::docker::no_context",
            Self::BadEndpoint { .. } => "wharf::docker::bad_endpoint",
            Self::Unreachable { .. } => "wharf::docker::unreachable",
            Self::NoPermission { .. } => "wharf::docker::no_permission",
            Self::TimedOut { .. } => "wharf::docker::timed_out",
            Self::Broken { .. } => "wharf::docker::broken",
            Self::Refused { message, .. } if is_out_of_space(message) => "wharf::docker::no_space",
            Self::Refused { .. } => "wharf::docker::refused",
            Self::NoImage { .. } => "wharf::docker::no_image",
            Self::Unauthorized { .. } => "wharf::docker::unauthorized",
            Self::Helper { .. } => "wharf::docker::credentials",
            Self::BadConfig { .. } => "wharf::docker::bad_config",
        }
    }

    /// The failure as a person and an event see it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let kind = match self {
            Self::NoContext { .. } | Self::BadEndpoint { .. } | Self::BadConfig { .. } => {
                FailureKind::Request
            }
            _ => FailureKind::Work,
        };
        let failure = Failure::from_error(kind, self.code(), self);
        match self {
            Self::NoContext { asked_by, .. } => failure
                .because(format!("{asked_by} asks for it"))
                .help("see which there are: `docker context ls`"),
            Self::BadEndpoint { why, .. } => failure.because(why.clone()).help(
                "correct DOCKER_HOST, or choose a context: `docker context use default`",
            ),
            Self::Unreachable { .. } => failure.help(
                "start it: `sudo systemctl start docker`, or open Docker Desktop, or set DOCKER_HOST",
            ),
            Self::NoPermission { .. } => failure
                .help("join the group and log in again: `sudo usermod -aG docker \"$USER\"`"),
            Self::TimedOut { .. } => failure.help("see whether it answers: `docker version`"),
            Self::Broken { .. } => failure.help("see whether it still runs: `docker version`"),
            Self::Refused { message, .. } if is_out_of_space(message) => {
                failure.help("see what fills the disk of Docker: `docker system df`")
            }
            Self::Refused { .. } => failure,
            Self::NoImage { image, why, .. } => {
                failure.because(why.clone()).help(format!("try it: `docker pull {image}`"))
            }
            Self::Unauthorized { registry, why, .. } => {
                failure.because(why.clone()).help(format!("log in: `docker login {registry}`"))
            }
            Self::Helper { source, .. } => source
                .output_tail()
                .iter()
                .rev()
                .take(1)
                .fold(failure, |failure, line| failure.because(line.clone()))
                .help("see what it says: `docker login`"),
            Self::BadConfig { why, .. } => failure.because(why.clone()).help("correct the file"),
        }
    }

    /// Whether the Engine itself is away, so that nothing else can be asked of it either.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoPermission { .. })
    }
}
