//! An instruction that failed: where it stands, what it said.

use std::fmt;
use std::path::PathBuf;

use crate::model::ArtifactName;
use crate::report::Failure;

/// More of an instruction does not help to find it.
const LONGEST_INSTRUCTION: usize = 100;

/// All that a Dockerfile can have: <https://docs.docker.com/reference/dockerfile/>.
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction of a Dockerfile that failed, or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// Which image.
    pub artifact: ArtifactName,
    /// The Dockerfile, as a person knows it.
    pub dockerfile: String,
    /// Where the instruction begins, where that is known.
    pub line: Option<usize>,
    /// The instruction, on one line; empty where it is not known.
    pub instruction: String,
    /// The command's exit code, where a command failed.
    pub code: Option<i64>,
    /// The builder's words.
    pub message: String,
    /// The command's last lines.
    pub output: Vec<String>,
    /// The file with the whole log.
    pub log: PathBuf,
}

impl fmt::Display for FailedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stops_the_builder() {
            return write!(f, "`{}` failed to build: Docker has no space left", self.artifact);
        }
        write!(f, "`{}` failed to build: {}", self.artifact, self.dockerfile)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        let mut shown: String = self.instruction.chars().take(LONGEST_INSTRUCTION).collect();
        if shown.len() < self.instruction.len() {
            shown.push('…');
        }
        if !shown.is_empty() {
            write!(f, " `{shown}`")?;
        }
        match self.code {
            Some(code) => write!(f, " exited with {code}"),
            None => Ok(()),
        }
    }
}

impl FailedStep {
    /// Adds to `failure` why it failed and where to read more.
    pub(super) fn explain(&self, mut failure: Failure) -> Failure {
        // Of a command that wrote something, its own lines say more than the builder's.
        if self.code.is_none() || self.output.is_empty() {
            failure = failure.because(self.message.clone());
        }
        for line in &self.output {
            failure = failure.because(line.clone());
        }
        failure = failure.because(format!("full log: {}", self.log.display()));
        if let Some(near) = self.meant() {
            failure = failure.help(format!("did you mean `{near}`?"));
        }
        if self.is_out_of_space() {
            failure = failure
                .help("see what fills the disk of Docker: `docker system df`")
                .help("free what earlier builds have kept: `docker builder prune`");
        }
        failure.help(format!("see the full log: `wharf logs --build {}`", self.artifact))
    }

    /// The instruction that a misspelt one is most like.
    fn meant(&self) -> Option<&'static str> {
        let (_, unknown) = self.message.split_once("unknown instruction: ")?;
        let unknown = unknown.split_whitespace().next()?.to_ascii_uppercase();
        let likeness = |known: &&str| strsim::jaro_winkler(known, &unknown);
        let near = INSTRUCTIONS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(near) > 0.8).then_some(near)
    }

    /// The builder itself met a full disk, not a command, which may have filled one of its own.
    pub(super) fn stops_the_builder(&self) -> bool {
        self.code.is_none() && self.is_out_of_space()
    }

    /// The command or the builder met a full disk.
    fn is_out_of_space(&self) -> bool {
        let mut said = self.output.iter().chain([&self.message]);
        said.any(|line| line.to_ascii_lowercase().contains("no space left on device"))
    }
}
