//! Brings an image from the Engine into the nodes of a kind or k3d cluster.
//!
//! Comes in: an image that the Engine has. Goes out: an image that every node can start, under its
//! full name, or an error and no trace of it. The nodes themselves are asked what they have, since
//! only they know, and get only what they lack: layers by their chain IDs, through containerd's own
//! API over one held-open command in each node. Where that does not work the whole image goes
//! over, into `ctr images import`, and at last by kind's or k3d's own tool. Knows nothing of builds, releases or why an image is wanted.

mod containerd;
mod delta;
mod error;
mod facade;
mod import;
mod link;
mod loader;
mod nodes;
mod size;
#[cfg(test)]
mod tests;
mod tidy;
mod traces;

pub use error::LoadError;
pub use loader::{Loaded, Loader};
