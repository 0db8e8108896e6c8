//! A failure as plain data.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Something went wrong: what, why, and what to do about it.
///
/// `what` is one line, lower case, names in backticks, without a full stop. `why` goes from the
/// near to the far cause and repeats nothing. `help` is an action, best a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line.
    pub what: String,
    /// Causes and output, one line each.
    pub why: Vec<String>,
    /// What to do, one action each.
    pub help: Vec<String>,
    /// A stable name, such as `wharf::load::no_such_cluster`.
    pub code: String,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// The place in a file, drawn for a terminal without colour; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub snippet: String,
}

/// What sort of failure it is; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The work failed: a build, a deploy, a test. Exit code 1.
    Work,
    /// The request was wrong: flags, configuration, the wrong cluster. Exit code 2.
    Request,
    /// It was interrupted. Exit code 130.
    Interrupted,
    /// A mistake of wharf's own. Exit code 1.
    Bug,
}

impl Failure {
    /// A failure of the work, to be filled in further.
    #[must_use]
    pub fn work(code: &str, what: impl Into<String>) -> Self {
        Self::new(FailureKind::Work, code, what.into())
    }

    /// A request that cannot be carried out, to be filled in further.
    #[must_use]
    pub fn request(code: &str, what: impl Into<String>) -> Self {
        Self::new(FailureKind::Request, code, what.into())
    }

    /// A mistake of wharf's own.
    #[must_use]
    pub fn bug(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Bug, "wharf::bug", what.into())
    }

    /// The end that a person asked for; nothing more is to be said.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(FailureKind::Interrupted, "wharf::interrupted", "interrupted".to_owned())
    }

    fn new(kind: FailureKind, code: &str, what: String) -> Self {
        let (why, help, snippet) = (Vec::new(), Vec::new(), String::new());
        Self { what, why, help, code: code.to_owned(), kind, snippet }
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a drawn place in a file.
    #[must_use]
    pub fn snippet(mut self, snippet: impl Into<String>) -> Self {
        self.snippet = snippet.into();
        self
    }

    /// Says first where it is written, such as `chart/templates/api.yaml`.
    #[must_use]
    pub fn written_in(mut self, place: &str) -> Self {
        self.why.insert(0, format!("in {place}"));
        self
    }

    /// Names files below `root` as seen from there.
    #[must_use]
    pub fn relative_to(mut self, root: &Path) -> Self {
        let prefix = format!("{}{}", root.display(), std::path::MAIN_SEPARATOR);
        let texts = [&mut self.what, &mut self.snippet].into_iter();
        for text in texts.chain(&mut self.why).chain(&mut self.help) {
            if text.contains(&prefix) {
                *text = text.replace(&prefix, "");
            }
        }
        self
    }

    /// Makes a failure of `error`: its text, then those of its sources, each once.
    #[must_use]
    pub fn from_error(kind: FailureKind, code: &str, error: &dyn std::error::Error) -> Self {
        let mut failure = Self::new(kind, code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            let said = failure.why.last().unwrap_or(&failure.what);
            if !said.contains(&text) {
                failure.why.push(text);
            }
            source = cause.source();
        }
        failure
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}
