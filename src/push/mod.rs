//! Brings an image from the Engine to the registry that its reference names.
//!
//! Comes in: an image that the Engine has, and the user's logins. Goes out: the digest under which
//! the registry has it. The Engine does the work: it knows what the registry has already, its
//! proxies and its certificates. Knows nothing of builds, releases or why an image is wanted.

mod error;
mod run;
#[cfg(test)]
mod tests;

pub use error::PushError;
pub use run::{Pushed, find, push};
