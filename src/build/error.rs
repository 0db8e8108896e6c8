//! What can go wrong while an image is hashed or built.

use std::path::PathBuf;

use crate::files::FilesError;
use crate::model::ArtifactName;
use crate::report::{Failure, FailureKind};

/// An image cannot be hashed or built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nobody wants the result any more.
    #[error("the build of `{artifact}` was cancelled")]
    Cancelled {
        /// Which image.
        artifact: ArtifactName,
    },
    /// A file is no longer what was hashed: the image would not be what its tag says.
    #[error("`{path}` changed while `{artifact}` was being built from it")]
    Stale {
        /// Which image.
        artifact: ArtifactName,
        /// Relative to the context.
        path: String,
    },
    /// There is no such folder.
    #[error("the build context of `{artifact}` is not a folder: {}", path.display())]
    NoContext {
        /// Which image.
        artifact: ArtifactName,
        /// The folder, absolute.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("`{artifact}` has no Dockerfile at {}", path.display())]
    NoDockerfile {
        /// Which image.
        artifact: ArtifactName,
        /// The file, absolute.
        path: PathBuf,
    },
    /// An ignore file has a line that Docker refuses.
    #[error("{} has a pattern that cannot be read: `{pattern}`", path.display())]
    BadIgnore {
        /// The ignore file, absolute.
        path: PathBuf,
        /// The line.
        pattern: String,
    },
    /// A glob of `inputs` or `ignore` cannot be read.
    #[error("`{artifact}` has an input glob that cannot be read: `{glob}`")]
    BadGlob {
        /// Which image.
        artifact: ArtifactName,
        /// The glob.
        glob: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A base image is neither in the Engine nor in its registry.
    #[error("base image `{image}` of `{artifact}` cannot be found")]
    NoBase {
        /// Which image.
        artifact: ArtifactName,
        /// As the Dockerfile writes it.
        image: String,
        /// The Engine's or the registry's own words.
        why: String,
    },
    /// A file or folder could not be read.
    #[error("the inputs of `{artifact}` could not be read")]
    Unreadable {
        /// Which image.
        artifact: ArtifactName,
        /// Which file, and why.
        #[source]
        source: FilesError,
    },
}

impl BuildError {
    /// The stable name of what went wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled { .. } => "wharf::build::cancelled",
            Self::Stale { .. } => "wharf::build::stale",
            Self::NoContext { .. } => "wharf::build::no_context",
            Self::NoDockerfile { .. } => "wharf::build::no_dockerfile",
            Self::BadIgnore { .. } => "wharf::build::bad_ignore",
            Self::BadGlob { .. } => "wharf::build::bad_glob",
            Self::NoBase { .. } => "wharf::build::no_base",
            Self::Unreadable { .. } => "wharf::build::unreadable",
        }
    }

    /// The failure as a person and an event see it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let failure = Failure::from_error(FailureKind::Work, self.code(), self);
        match self {
            Self::Cancelled { .. } => failure,
            Self::Stale { .. } => {
                failure.help("nothing to do: the next build takes the new content")
            }
            Self::NoContext { .. } => failure.help("correct `context` of the image"),
            Self::NoDockerfile { .. } => {
                failure.help("correct `dockerfile` of the image, or create the file")
            }
            Self::BadIgnore { .. } => failure
                .help("patterns are Go's: a `[` needs its `]`, and a `\\` something after it"),
            Self::BadGlob { .. } => failure.help("correct `inputs` or `ignore` of the image"),
            Self::NoBase { image, why, .. } => {
                failure.because(why.clone()).help(format!("try it: `docker pull {image}`"))
            }
            Self::Unreadable { .. } => {
                failure.help("make it readable, or leave it out by `.dockerignore`")
            }
        }
    }
}
