//! Files: the state directory, atomic writes, walking, and content hashes that are not computed
//! twice.
//!
//! Comes in: paths. Goes out: metadata, hashes, bytes on disk that are whole or absent. Knows
//! nothing of images or clusters; the environment (where state lies) is passed in.

mod error;
mod stat_cache;

pub use error::FilesError;
pub use stat_cache::StatCache;
