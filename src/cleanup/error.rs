//! What can go wrong on the way back.

use std::time::Duration;

use crate::cluster::ClusterError;
use crate::deploy::DeployError;
use crate::files::FilesError;
use crate::report::Failure;
use crate::tools::ToolError;

/// The journal cannot be kept, or a step cannot be undone.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The journal cannot be read or written.
    #[error("the journal cannot be kept")]
    Journal(#[source] FilesError),
    /// The cluster does not answer or refuses.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The record cannot be changed, or a release cannot be read.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Helm failed.
    #[error(transparent)]
    Helm(#[from] ToolError),
    /// A file cannot be removed.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// It is still there after the time given.
    #[error("still there after {} s: {what}", limit.as_secs())]
    StillThere {
        /// What is.
        what: String,
        /// How long it was given.
        limit: Duration,
    },
    /// Somebody else's things depend on it.
    #[error("{0}")]
    Foreign(String),
    /// It was cancelled.
    #[error("interrupted")]
    Interrupted,
}

impl CleanupError {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Journal(_) => "wharf::cleanup::journal",
            Self::Cluster(error) => error.code(),
            Self::Deploy(error) => error.code(),
            Self::Helm(_) => "wharf::cleanup::helm",
            Self::File(_) => "wharf::cleanup::file",
            Self::StillThere { .. } => "wharf::cleanup::still_there",
            Self::Foreign(_) => "wharf::cleanup::foreign",
            Self::Interrupted => "wharf::cleanup::interrupted",
        }
    }

    /// The failure as it is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let work = Failure::work(self.code(), self.to_string());
        match self {
            Self::Journal(source) => {
                let inner = source.failure();
                let work = inner.why.iter().fold(work.because(inner.what), Failure::because);
                inner.help.iter().fold(work, Failure::help)
            }
            Self::Cluster(error) => error.failure(),
            Self::Deploy(error) => error.failure(),
            Self::Helm(error) => error.explain(work),
            Self::File(_) | Self::StillThere { .. } | Self::Foreign(_) | Self::Interrupted => work,
        }
    }

    /// Why something is left over, in one line.
    pub(super) fn why(&self) -> String {
        let failure = self.failure();
        let causes = failure.why.iter().filter(|cause| !failure.what.contains(cause.as_str()));
        let mut parts = vec![failure.what.clone()];
        parts.extend(causes.cloned());
        parts.join(": ")
    }
}
