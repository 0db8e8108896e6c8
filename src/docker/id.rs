//! Names for things that must not meet others of their kind.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// 32 hexadecimal digits that nobody has used before.
#[must_use]
pub fn random_id() -> String {
    // Each of these is seeded by the system's random numbers.
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}
