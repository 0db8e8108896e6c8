//! What can go wrong with files and the state directory.

use std::path::{Path, PathBuf};

use crate::report::{Failure, FailureKind};

/// A file or folder did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It could not be read.
    #[error("{} could not be read", path.display())]
    Unreadable {
        /// Absolute.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It could not be written.
    #[error("{} could not be written", path.display())]
    Unwritable {
        /// Absolute.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A name that is no UTF-8.
    #[error("{} has a name that is no UTF-8, which Docker does not take", path.display())]
    NotUtf8 {
        /// Absolute.
        path: PathBuf,
    },
    /// Another wharf works on the same project and cluster.
    #[error("another wharf{} works on this project and cluster", by(*pid))]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// The other's process id, where it could be read.
        pid: Option<u32>,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl FilesError {
    pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    pub(crate) fn unwritable(path: &Path, source: std::io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), source }
    }

    /// The stable name of what went wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "wharf::files::unreadable",
            Self::Unwritable { .. } => "wharf::files::unwritable",
            Self::NotUtf8 { .. } => "wharf::files::not_utf8",
            Self::Locked { .. } => "wharf::files::locked",
        }
    }

    /// The failure as a person and an event see it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let failure = Failure::from_error(FailureKind::Work, self.code(), self);
        match self {
            Self::Unreadable { .. } => failure,
            Self::NotUtf8 { .. } => failure.help("rename it, or leave it out by `.dockerignore`"),
            Self::Unwritable { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => failure.help("free some disk: `df -h`"),
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    failure.help("make it writable, or point XDG_STATE_HOME at a folder that is")
                }
                _ => failure,
            },
            Self::Locked { pid: Some(pid), .. } => {
                failure.help(format!("stop it with Ctrl+C in its terminal, or by `kill {pid}`"))
            }
            Self::Locked { .. } => failure.help("stop it with Ctrl+C in its terminal"),
        }
    }
}
