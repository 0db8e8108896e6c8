//! Makes images: inputs → content hash → BuildKit, the classic builder or the user's command.
//!
//! Comes in: an artifact, what its base images are, a [`BuildScope`]. Goes out: [`BuildInputs`],
//! whose hash names the image before it exists, and later the image in the Engine. Knows nothing
//! of clusters, releases or why an image is wanted.

mod bases;
mod buildkit;
mod classic;
mod command;
mod context;
mod error;
mod failed_step;
mod hash;
mod inputs;
mod remote;
#[cfg(test)]
mod remote_tests;
mod run;
mod scope;
pub mod tag;
#[cfg(test)]
mod tests;
mod why;

pub use error::BuildError;
pub use failed_step::FailedStep;
pub use hash::{Tell, hash};
pub use inputs::{
    BuildInputs, CommandInputs, DockerInputs, Entry, EntryKind, InputsKind, LocalBase, NamedInputs,
};
pub use remote::{Note, RemoteSources};
pub use run::{Built, build, log_path};
pub use scope::BuildScope;
pub use why::{InputsDigest, previous, remember, why};
