//! What a release may count on: its images, and the releases that come before it.

use std::collections::BTreeMap;

use crate::model::{ArtifactName, ImageRef, ReleaseName};

/// What one release may count on at the moment.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Surroundings {
    /// It belongs to what the person asked for.
    pub(in crate::engine) selected: bool,
    /// What each image that it uses will be, and whether it is ready.
    pub(in crate::engine) images: BTreeMap<ArtifactName, Supply>,
    /// Releases that must be live first and are not.
    pub(in crate::engine) waits_for: Vec<ReleaseName>,
    /// What may be done with it.
    pub(in crate::engine) reach: Reach,
    /// Wait until it is ready.
    pub(in crate::engine) wait: bool,
}

/// How far a release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Reach {
    /// It is examined at most.
    Examined,
    /// It is rendered.
    Rendered,
    /// It is deployed.
    Deployed,
}

/// How an image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Supply {
    /// Its hash is not known.
    Unknown,
    /// It cannot be had.
    Failed,
    /// It is this one, which will be there before a pod that is made now looks for it.
    Near(ImageRef),
    /// It will be this one; `None` where the reference is known only when it has been pushed.
    Coming(Option<ImageRef>),
    /// It is where the pods get it from.
    Ready(ImageRef),
}

impl Supply {
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    pub(super) fn is_near(&self) -> bool {
        matches!(self, Self::Near(_))
    }
}
