//! Reads Dockerfiles: which files, base images and remote sources a build can see.
//!
//! Comes in: the text of a Dockerfile and of an ignore file, build arguments, a target. Goes out:
//! an [`Analysis`] that is never narrower than the truth: what cannot be read exactly counts
//! whole. Runs nothing and asks nobody; what a base image really is, others find out.
//!
//! The parser is wharf's own, a port of the rules of BuildKit's: those at hand (parse-dockerfile
//! among them) do not know here-documents in every place, and would take a line of one for an
//! instruction.

mod analysis;
mod ignore;
#[cfg(test)]
mod ignore_tests;
mod instruction;
mod lex;
#[cfg(test)]
mod lex_tests;
mod lines;
mod pattern;
mod stage;
#[cfg(test)]
mod tests;

pub use analysis::{
    Analysis, BaseImage, Frontend, Options, Site, Stage, UsedContext, Visibility, VisiblePath,
    analyse, rewrite,
};
pub use ignore::{ContextFilter, Matched, Patterns};
pub use pattern::{BadPattern, clean};

/// The instructions of a Dockerfile, each with the line it begins on, counted from 1, and its text
/// on one line; here-documents are left out.
#[must_use]
pub fn instructions(text: &str) -> Vec<(usize, String)> {
    lines::read(text).lines.into_iter().map(|line| (line.number, line.text)).collect()
}
