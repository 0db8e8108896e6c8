//! What can go wrong with a child process.

use std::time::Duration;

use crate::report::Failure;

/// A program could not be run or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("`{program}` is not on the PATH")]
    Missing {
        /// The program's name.
        program: String,
    },
    /// The system refused to start it.
    #[error("`{command}` could not be started")]
    NotStarted {
        /// The command, as it can be pasted into a shell.
        command: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It ended with another status than 0.
    #[error("`{command}` ended with {status}")]
    Failed {
        /// The command, as it can be pasted into a shell.
        command: String,
        /// Such as `status 1` or `signal 9`.
        status: String,
        /// The exit code, absent after a signal.
        code: Option<i32>,
        /// Its last lines on stderr, or on stdout where stderr was empty.
        output_tail: Vec<String>,
    },
    /// It was ended because it took too long.
    #[error("`{command}` gave no result within {} s", limit.as_secs())]
    TimedOut {
        /// The command, as it can be pasted into a shell.
        command: String,
        /// How long it was given.
        limit: Duration,
        /// Its last lines.
        output_tail: Vec<String>,
    },
    /// It was ended because nobody wants its result any more.
    #[error("`{command}` was cancelled")]
    Cancelled {
        /// The command, as it can be pasted into a shell.
        command: String,
    },
}

impl ToolError {
    /// The program's last lines, where it ran at all.
    #[must_use]
    pub fn output_tail(&self) -> &[String] {
        match self {
            Self::Failed { output_tail, .. } | Self::TimedOut { output_tail, .. } => output_tail,
            Self::Missing { .. } | Self::NotStarted { .. } | Self::Cancelled { .. } => &[],
        }
    }

    /// The exit code, where the program ended with one.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Failed { code, .. } => *code,
            _ => None,
        }
    }

    /// Adds this error's text and at most three lines of its output to `failure` as causes.
    #[must_use]
    pub fn explain(&self, mut failure: Failure) -> Failure {
        failure = failure.because(self.to_string());
        let tail = self.output_tail();
        for line in &tail[tail.len().saturating_sub(3)..] {
            failure = failure.because(line.clone());
        }
        failure
    }
}
