//! What can go wrong on an image's way to a registry.

use crate::docker::DockerError;
use crate::model::ImageRef;
use crate::report::{Failure, FailureKind};

/// An image cannot be brought to its registry.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Nobody wants the result any more.
    #[error("pushing `{image}` was cancelled")]
    Cancelled {
        /// Which image.
        image: ImageRef,
    },
    /// The registry wants a login, or refuses the one it got.
    #[error("registry {registry} refused `{image}`")]
    Refused {
        /// The registry's host.
        registry: String,
        /// Which image.
        image: ImageRef,
        /// The registry's words.
        why: String,
    },
    /// The registry cannot be reached.
    #[error("registry {registry} cannot be reached for `{image}`")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// Which image.
        image: ImageRef,
        /// The Engine's words.
        why: String,
    },
    /// It broke off.
    #[error("`{image}` could not be pushed")]
    Failed {
        /// Which image.
        image: ImageRef,
        /// The Engine's words.
        why: String,
    },
    /// The Engine does not have the image.
    #[error("Docker has no image `{image}`")]
    NoImage {
        /// Which image.
        image: ImageRef,
    },
    /// The Engine is away, or did not do what it was asked.
    #[error("the image cannot be pushed through Docker")]
    Engine(#[source] Box<DockerError>),
}

impl From<DockerError> for PushError {
    fn from(error: DockerError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl PushError {
    /// The stable name of what went wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled { .. } => "wharf::push::cancelled",
            Self::Refused { .. } => "wharf::push::refused",
            Self::Unreachable { .. } => "wharf::push::unreachable",
            Self::Failed { .. } => "wharf::push::failed",
            Self::NoImage { .. } => "wharf::push::no_image",
            Self::Engine(source) => source.code(),
        }
    }

    /// The failure as a person and an event see it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        if let Self::Engine(source) = self {
            return source.failure();
        }
        let failure = Failure::from_error(FailureKind::Work, self.code(), self);
        match self {
            Self::Cancelled { .. } | Self::Engine(_) => failure,
            Self::Refused { registry, why, .. } => {
                failure.because(why.clone()).help(format!("log in: `docker login {registry}`"))
            }
            Self::Unreachable { registry, why, .. } => failure
                .because(why.clone())
                .help(format!("see whether it answers: `docker login {registry}`"))
                .help("correct `registry`, or leave it out to load images into a local cluster"),
            Self::Failed { image, why } => {
                failure.because(why.clone()).help(format!("try it: `docker push {image}`"))
            }
            Self::NoImage { .. } => failure.help("build it: `wharf build`"),
        }
    }
}
