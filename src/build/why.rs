//! Why an image is built: which of its inputs differ from the last known build.

use serde::{Deserialize, Serialize};

/// The hashed parts of one build, each with a short name and a hash.
///
/// Kept per artifact in the state directory; it only serves to explain, never to decide.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InputsDigest {
    /// In the order in which they are hashed.
    pub parts: Vec<InputPart>,
}

/// One thing that can change an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputPart {
    /// Such as `file`, `arg`, `base`.
    pub sort: String,
    /// Such as a path relative to the context, a build argument's name, an image reference.
    pub name: String,
    /// What the part is, hashed where it is long or secret.
    pub value: String,
}
