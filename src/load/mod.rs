//! Brings an image from the Engine into the nodes of a kind or k3d cluster.
//!
//! Comes in: an image that the Engine has. Goes out: an image that every node can start, under its
//! full name, or an error and no trace of it. The nodes themselves are asked what they have, since
//! only they know. Knows nothing of builds, releases or why an image is wanted.

mod error;
mod import;
mod loader;
mod nodes;
#[cfg(test)]
mod tests;

pub use error::LoadError;
pub use loader::{Loaded, Loader};
