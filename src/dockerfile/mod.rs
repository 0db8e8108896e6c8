//! Reads Dockerfiles: which files, base images and remote sources a build can see.
//!
//! Comes in: the text of a Dockerfile and of an ignore file, build arguments, a target. Goes out:
//! an analysis that is never narrower than the truth: what cannot be read exactly counts whole.
//! Runs nothing and asks nobody; what a base image really is, others find out.

mod ignore;
#[cfg(test)]
mod ignore_tests;
mod pattern;

pub use ignore::{ContextFilter, Matched, Patterns};
pub use pattern::{BadPattern, clean};
