//! The way back: what was done is on disk before it is done, and is undone newest first.
//!
//! Comes in: [`Undo`] steps, remembered before each act. Goes out: a cluster and a machine as
//! they were before, or [`Leftover`]s that say what is still there and which command removes it.
//! Steps are idempotent: unwinding twice is harmless, and a step that fails never stops the rest.
//! Knows nothing of why something was done.
//!
//! [`Undo`]: crate::model::Undo
//! [`Leftover`]: crate::model::Leftover

mod claims;
mod error;
mod journal;
mod namespace;
mod step;
#[cfg(test)]
mod tests;
mod unwind;

pub use error::CleanupError;
pub use journal::Journal;
pub use unwind::unwind;
