//! What the session wants done. The driver does it and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ArtifactName, Forward, Generation, ImageRef, Leftover, Project, ReleaseName, Undo,
};
use crate::report::{Failure, Report};

use super::event::{End, Event};

/// Something to be done.
///
/// Those that start work are answered by exactly one finishing event, also when the work is
/// cancelled or panics; the others are done at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Hash the inputs of an image. Answered by `Hashed`.
    Hash {
        /// Which image.
        artifact: ArtifactName,
        /// Which attempt.
        generation: Generation,
        /// The project's images that it builds from.
        bases: BTreeMap<ArtifactName, ImageRef>,
    },
    /// See where an image is already. Answered by `Seen`.
    Look {
        /// Which image.
        artifact: ArtifactName,
        /// Which attempt.
        generation: Generation,
        /// The image.
        image: ImageRef,
    },
    /// Build what was hashed in this attempt. Answered by `Built`.
    Build {
        /// Which image.
        artifact: ArtifactName,
        /// Which attempt.
        generation: Generation,
        /// The image to make.
        image: ImageRef,
    },
    /// Bring a built image to where the pods get it from. Answered by `Delivered`.
    Deliver {
        /// Which image.
        artifact: ArtifactName,
        /// Which attempt.
        generation: Generation,
        /// The image.
        image: ImageRef,
    },
    /// Cancel the build or delivery of an image; its own event still comes.
    CancelArtifact {
        /// Which image.
        artifact: ArtifactName,
    },
    /// Find out what a release is made of and what runs of it. Answered by `Examined`.
    Examine {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
    },
    /// Render a release with these images. Answered by `Rendered`.
    Render {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
        /// The images that it uses.
        images: BTreeMap<ArtifactName, ImageRef>,
    },
    /// Deploy what was rendered in this attempt. Answered by `Deployed`.
    Deploy {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
    },
    /// Put other images into what runs, as rendered in this attempt. Answered by `Patched`.
    Patch {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
    },
    /// Wait until saves have been quiet for a while. Answered by `Lulled`.
    Lull {
        /// Which wait.
        generation: Generation,
    },
    /// Let Helm record what was put in in this attempt. Answered by `Recorded`.
    Record {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
    },
    /// Wait until a release is ready. Answered by `Settled`.
    Settle {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
        /// The project's images in it, which are where the pods get them from.
        images: BTreeMap<ArtifactName, ImageRef>,
    },
    /// Roll a release back to the revision before this attempt. Answered by `RolledBack`.
    RollBack {
        /// Which release.
        release: ReleaseName,
        /// Which attempt.
        generation: Generation,
    },
    /// Cancel what runs for a release; its own event still comes.
    CancelRelease {
        /// Which release.
        release: ReleaseName,
    },
    /// Cancel Helm's recording; its own event still comes.
    CancelRecord {
        /// Which release.
        release: ReleaseName,
    },
    /// Open a local port. Answered by `ForwardOpened`.
    OpenForward(Forward),
    /// Close a local port.
    CloseForward(Forward),
    /// Follow the logs and pods of what runs of a release, as last deployed or found.
    Follow {
        /// Which release.
        release: ReleaseName,
    },
    /// Stop following logs and pods.
    StopFollowing,
    /// Read the configuration again. Answered by `ConfigChanged`.
    ReadConfig,
    /// From here on this is the project; what is watched changes with it.
    Adopt(Box<Project>),
    /// Put undo steps on disk before anything that follows in the same answer is done. When that
    /// fails, so does everything after it in this answer.
    Remember(Vec<Undo>),
    /// Tell something.
    Tell(Report),
    /// A round begins: its clock starts with the save that caused it.
    BeginRound,
    /// A round has ended; the driver tells it with its time.
    EndRound {
        /// How many things failed.
        failed: usize,
        /// It began with the start.
        first: bool,
    },
    /// What was known of these releases no longer counts: they go, or are elsewhere from here on.
    Forget {
        /// Which releases.
        releases: BTreeSet<ReleaseName>,
    },
    /// Take back what was done, newest first. Answered by `Unwound`.
    Unwind(Vec<Undo>),
    /// Tell that the session has ended, with its time.
    Farewell {
        /// What could not be taken back.
        leftovers: Vec<Leftover>,
        /// What stays on purpose.
        kept: Vec<String>,
    },
    /// Nothing of this session is to be taken back: what it made stays on purpose.
    KeepAll,
    /// End every task and process group at once.
    Abort,
    /// The end, with this result.
    Exit(Exit),
}

impl Effect {
    /// Whether it changes something outside, or leads to it.
    pub(super) fn is_act(&self) -> bool {
        matches!(
            self,
            Self::Deploy { .. }
                | Self::Patch { .. }
                | Self::Record { .. }
                | Self::Build { .. }
                | Self::Deliver { .. }
        )
    }

    /// The finishing event of an effect whose work could not be done.
    pub(super) fn refused(&self, failure: &Failure) -> Option<Event> {
        let failure = failure.clone();
        let end = End::Failed(failure.clone());
        Some(match self.clone() {
            Self::Hash { artifact, generation, .. } => {
                Event::Hashed { artifact, generation, result: Err(failure) }
            }
            Self::Look { artifact, generation, .. } => {
                Event::Seen { artifact, generation, result: Err(failure) }
            }
            Self::Build { artifact, generation, .. } => {
                Event::Built { artifact, generation, result: Err(end) }
            }
            Self::Deliver { artifact, generation, .. } => {
                Event::Delivered { artifact, generation, result: Err(end) }
            }
            Self::Examine { release, generation } => {
                Event::Examined { release, generation, result: Err(failure) }
            }
            Self::Render { release, generation, .. } => {
                Event::Rendered { release, generation, result: Err(failure) }
            }
            Self::Deploy { release, generation } => {
                Event::Deployed { release, generation, result: Err(end) }
            }
            Self::Patch { release, generation } => {
                Event::Patched { release, generation, result: Err(end) }
            }
            Self::Lull { generation } => Event::Lulled(generation),
            Self::Record { release, generation } => {
                Event::Recorded { release, generation, result: Err(end) }
            }
            Self::Settle { release, generation, .. } => {
                Event::Settled { release, generation, result: Err(end) }
            }
            Self::RollBack { release, generation } => {
                Event::RolledBack { release, generation, result: Err(failure) }
            }
            Self::OpenForward(forward) => Event::ForwardOpened { forward, result: Err(failure) },
            Self::ReadConfig => Event::ConfigChanged(Err(failure)),
            Self::Unwind(steps) => {
                let why = failure.what;
                let left = steps.iter().rev().map(|step| Leftover {
                    what: step.what(),
                    why: why.clone(),
                    by_hand: step.by_hand(),
                });
                Event::Unwound(left.collect())
            }
            _ => return None,
        })
    }
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done,
    /// Something failed.
    Failed,
    /// The request was wrong.
    Refused,
    /// A person left before the end.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Interrupted => 130,
        }
    }
}
