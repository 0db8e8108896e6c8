//! Files: the state directory, atomic writes, walking, and content hashes that are not computed
//! twice.
//!
//! Comes in: paths. Goes out: metadata, hashes, bytes on disk that are whole or absent. Knows
//! nothing of images or clusters; the environment (where state lies) is passed in.

mod error;
mod globs;
mod stat;
mod stat_cache;
mod state;
#[cfg(test)]
mod tests;
mod walk;

pub use error::FilesError;
pub use globs::Globs;
pub use stat::{Stat, StatKind};
pub use stat_cache::StatCache;
pub use state::{StateDir, StateLock, write_atomically};
pub use walk::{All, Filter, Found, Keep, in_parallel, tidy, walk};
