//! What can go wrong while an image is hashed or built.

use std::path::PathBuf;

use crate::docker::DockerError;
use crate::files::FilesError;
use crate::model::{ArtifactName, ImageRef, Platform};
use crate::report::{Failure, FailureKind};
use crate::tools::ToolError;

use super::FailedStep;

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
        /// Which image.
        artifact: ArtifactName,
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
        /// What it is wanted for, where Docker has it for another platform.
        platform: Option<Platform>,
    },
    /// The registry of a base image refuses the login that it got.
    #[error("registry {registry} refused base image `{image}` of `{artifact}`")]
    BaseRefused {
        /// Which image.
        artifact: ArtifactName,
        /// As the Dockerfile writes it.
        image: String,
        /// The registry's host.
        registry: String,
        /// The registry's own words.
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
    /// The Engine is away, or did not do what it was asked.
    #[error("`{artifact}` cannot be built")]
    Engine {
        /// Which image.
        artifact: ArtifactName,
        /// The Engine's trouble.
        #[source]
        source: Box<DockerError>,
    },
    /// An instruction of the Dockerfile failed, or cannot be read.
    #[error("{0}")]
    Step(Box<FailedStep>),
    /// A secret cannot be given to the build.
    #[error("secret `{id}` of `{artifact}` cannot be read")]
    NoSecret {
        /// Which image.
        artifact: ArtifactName,
        /// The secret's id.
        id: String,
        /// Why not.
        why: String,
    },
    /// The Engine's builder is too old for something that the image asks for.
    #[error("`{artifact}` needs {what}, which this Engine's builder does not have")]
    TooOld {
        /// Which image.
        artifact: ArtifactName,
        /// Such as `secrets`.
        what: &'static str,
    },
    /// The user's own command failed.
    #[error("the build command of `{artifact}` failed")]
    Command {
        /// Which image.
        artifact: ArtifactName,
        /// Its end.
        #[source]
        source: Box<ToolError>,
        /// The file with the whole log.
        log: PathBuf,
    },
    /// The user's own command made another image, or none.
    #[error("the build command of `{artifact}` did not make `{image}`")]
    NotMade {
        /// Which image.
        artifact: ArtifactName,
        /// What it was asked to make.
        image: ImageRef,
    },
}

impl BuildError {
    /// The Engine's trouble, as it keeps `artifact` from being built.
    pub(super) fn engine(artifact: &ArtifactName, source: DockerError) -> Self {
        Self::Engine { artifact: artifact.clone(), source: Box::new(source) }
    }

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
            Self::BaseRefused { .. } => "wharf::build::base_refused",
            Self::Unreadable { .. } => "wharf::build::unreadable",
            Self::Engine { source, .. } => source.code(),
            Self::Step(step) if step.stops_the_builder() => "wharf::build::no_space",
            Self::Step(step) if step.code.is_some() => "wharf::build::command_failed",
            Self::Step(_) => "wharf::build::step_failed",
            Self::NoSecret { .. } => "wharf::build::no_secret",
            Self::TooOld { .. } => "wharf::build::too_old",
            Self::Command { .. } => "wharf::build::custom_command_failed",
            Self::NotMade { .. } => "wharf::build::not_made",
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
            Self::NoBase { image, why, platform, .. } => {
                let flag =
                    platform.as_ref().map(|platform| format!("--platform {platform} "));
                let flag = flag.unwrap_or_default();
                failure.because(why.clone()).help(format!(
                    "try it: `docker pull {flag}{image}`; once it is there, the build goes on"
                ))
            }
            Self::BaseRefused { registry, why, .. } => {
                failure.because(why.clone()).help(format!("log in: `docker login {registry}`"))
            }
            Self::Unreadable { .. } => {
                failure.help("make it readable, or leave it out by `.dockerignore`")
            }
            // Docker's own failure says what to do; that an image waits for it is plain.
            Self::Engine { source, .. } => source.failure(),
            Self::Step(step) => step.explain(failure),
            Self::NoSecret { why, .. } => failure
                .because(why.clone())
                .help("correct `secrets` of the image, or provide the file or variable"),
            Self::TooOld { .. } => failure.help("use Docker 20.10 or newer"),
            Self::Command { artifact, source, log } => {
                let lines = source.output_tail();
                let lines = &lines[lines.len().saturating_sub(8)..];
                lines
                    .iter()
                    .fold(failure, |failure, line| failure.because(line.clone()))
                    .because(format!("full log: {}", log.display()))
                    .help(format!("see the full log: `wharf logs --build {artifact}`"))
            }
            Self::NotMade { image, .. } => failure.help(format!(
                "the command must build the image that the variable IMAGE names ({image}) into Docker"
            )),
        }
    }
}
