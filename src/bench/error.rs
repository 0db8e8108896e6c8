//! What keeps a benchmark from being made.

use std::path::PathBuf;

use crate::report::Failure;

/// What can go wrong, for a person.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The file cannot be read or written.
    #[error("`{}` cannot be edited", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no text, and nobody said how to edit it.
    #[error("`{path}` is not a text that wharf can edit")]
    NoText {
        /// Which file.
        path: String,
    },
    /// Another benchmark edits it.
    #[error("another `wharf bench` edits `{}` at the moment", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// How to put it back cannot be written down.
    #[error("what `{}` was cannot be kept, so it is not edited", path.display())]
    Unkept {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: crate::files::FilesError,
    },
    /// The command that edits it failed, or changed nothing.
    #[error("`{command}` {why}")]
    Command {
        /// The command.
        command: String,
        /// What it did.
        why: String,
    },
    /// Somebody else changed the file meanwhile.
    #[error("`{}` was changed by somebody else meanwhile and stays as it is", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// Where its content from before is kept.
        kept: PathBuf,
    },
    /// The edit concerned nothing.
    #[error("an edit of `{path}` leads to nothing")]
    Idle {
        /// Which file.
        path: String,
    },
    /// A round failed.
    #[error("a round failed, after {done} that went well")]
    RoundFailed {
        /// How many went well.
        done: usize,
    },
}

impl BenchError {
    /// A stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "wharf::bench::file",
            Self::NoText { .. } => "wharf::bench::no_text",
            Self::Busy { .. } => "wharf::bench::busy",
            Self::Unkept { .. } => "wharf::bench::unkept",
            Self::Command { .. } => "wharf::bench::command",
            Self::Changed { .. } => "wharf::bench::changed",
            Self::Idle { .. } => "wharf::bench::idle",
            Self::RoundFailed { .. } => "wharf::bench::round_failed",
        }
    }

    /// As data, with what to do.
    #[must_use]
    pub fn failure(&self) -> Failure {
        use crate::report::FailureKind::{Request, Work};
        let (kind, help) = match self {
            Self::File { .. } => (Request, "give a file of the project: `--edit PATH`".to_owned()),
            Self::NoText { .. } => (Request, "say how it is edited: `--with 'COMMAND'`".to_owned()),
            Self::Busy { .. } => (Request, "wait for its end".to_owned()),
            Self::Unkept { .. } => (Work, "make the state folder writable".to_owned()),
            Self::Command { .. } => {
                (Request, "let it change the file, another time in another way".to_owned())
            }
            Self::Changed { kept, .. } => {
                (Work, format!("its content from before is in {}", kept.display()))
            }
            Self::Idle { .. } => {
                let help = "choose a file that an image is built from, or that a release is made \
                            of: `wharf config` shows both";
                (Request, help.to_owned())
            }
            Self::RoundFailed { .. } => (Work, "the reason stands above".to_owned()),
        };
        Failure::from_error(kind, self.code(), self).help(help)
    }
}
