//! Content hashes by metadata.

/// Content hashes of files by their metadata.
#[derive(Debug, Default)]
pub struct StatCache {}
