//! What can go wrong on an image's way to a registry.

use crate::docker::DockerError;
use crate::model::ImageRef;
use crate::report::{Failure, FailureKind};

use super::registry::Trouble;

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
    /// Nobody vouches for the registry's certificate.
    #[error("registry {registry} cannot be trusted with `{image}`")]
    Untrusted {
        /// The registry's host.
        registry: String,
        /// Which image.
        image: ImageRef,
        /// What is wrong with its certificate.
        why: String,
        /// Where a certificate that vouches for it is to be put.
        place: String,
    },
    /// The registry's disk is full.
    #[error("registry {registry} has no room for `{image}`")]
    NoSpace {
        /// The registry's host.
        registry: String,
        /// Which image.
        image: ImageRef,
        /// The registry's words.
        why: String,
    },
    /// It broke off.
    #[error("`{image}` could not be pushed")]
    Failed {
        /// Which image.
        image: ImageRef,
        /// Whose words they are is said in them.
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
    /// What `trouble` with a registry means for `image`. A certificate for it would be at `place`.
    pub(super) fn of(image: &ImageRef, place: &str, trouble: Trouble) -> Self {
        let (image, registry) = (image.clone(), image.host().to_owned());
        match trouble {
            Trouble::Unreachable(why) => Self::Unreachable { registry, image, why },
            Trouble::Lost(why) => {
                let why = format!("the connection broke: {why}");
                Self::Unreachable { registry, image, why }
            }
            Trouble::Untrusted(why) => {
                Self::Untrusted { registry, image, why, place: place.to_owned() }
            }
            Trouble::Refused(why) => Self::Refused { registry, image, why },
            Trouble::NoSpace(why) => Self::NoSpace { registry, image, why },
            Trouble::Said { status, why, .. } if status.is_server_error() => {
                let why = format!("it answers {status}: {why}");
                Self::Unreachable { registry, image, why }
            }
            Trouble::Said { why, .. } => {
                Self::Failed { image, why: format!("registry {registry} says: {why}") }
            }
            Trouble::Docker(error) => Self::Engine(error),
            Trouble::Here(why) => Self::Failed { image, why },
        }
    }

    /// The stable name of what went wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled { .. } => "wharf::push::cancelled",
            Self::Refused { .. } => "wharf::push::refused",
            Self::Unreachable { .. } => "wharf::push::unreachable",
            Self::Untrusted { .. } => "wharf::push::untrusted",
            Self::NoSpace { .. } => "wharf::push::no_space",
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
            Self::Untrusted { registry, why, place, .. } => failure
                .because(why.clone())
                .help(format!("put its authority's certificate at {place}"))
                .help(format!("or say in wharf.yaml: `insecureRegistries: [{registry}]`")),
            Self::NoSpace { why, .. } => {
                failure.because(why.clone()).help("make room there, or ask whoever runs it")
            }
            Self::Failed { image, why } => {
                failure.because(why.clone()).help(format!("try it: `docker push {image}`"))
            }
            Self::NoImage { .. } => failure.help("build it: `wharf build`"),
        }
    }
}
