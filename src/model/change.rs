//! What a save changed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Paths that changed in one debounced batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Absolute paths of files, links and folders that were made, changed or removed.
    pub paths: BTreeSet<PathBuf>,
}

impl ChangeSet {
    /// Adds what `other` has.
    pub fn merge(&mut self, other: Self) {
        self.paths.extend(other.paths);
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}
