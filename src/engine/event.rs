//! What the session hears. Plain data, so that `--record` writes it and a test replays it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{
    ArtifactName, ChangeSet, Forward, Generation, ImageRef, Leftover, Namespace, ObjectRef,
    Project, ReleaseName, Undo,
};
use crate::report::Failure;

/// Something happened.
///
/// Each finishing event names the generation of the effect that it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Files changed on disk.
    Saved(Saved),
    /// Somebody deleted a namespace, and what was deployed to it has gone with it.
    Lost {
        /// Which one.
        namespace: Namespace,
        /// What goes there.
        releases: BTreeSet<ReleaseName>,
    },
    /// A pod of a release has become ready that was not, whoever mended it.
    Recovered {
        /// Which release.
        release: ReleaseName,
    },
    /// The configuration was read anew, because one of its files changed.
    ConfigChanged(Result<Box<Project>, Failure>),
    /// Answers `Hash`.
    Hashed {
        /// Which image.
        artifact: ArtifactName,
        /// Of which attempt.
        generation: Generation,
        /// What its inputs amount to.
        result: Result<Hashed, Failure>,
    },
    /// Answers `Look`.
    Seen {
        /// Which image.
        artifact: ArtifactName,
        /// Of which attempt.
        generation: Generation,
        /// Where the image is already.
        result: Result<Seen, Failure>,
    },
    /// Answers `Build`.
    Built {
        /// Which image.
        artifact: ArtifactName,
        /// Of which attempt.
        generation: Generation,
        /// How it went.
        result: Result<Built, End>,
    },
    /// Answers `Deliver`.
    Delivered {
        /// Which image.
        artifact: ArtifactName,
        /// Of which attempt.
        generation: Generation,
        /// How it went.
        result: Result<Delivered, End>,
    },
    /// Answers `Examine`.
    Examined {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// What it is made of and what runs of it.
        result: Result<Examined, Failure>,
    },
    /// Answers `Render`.
    Rendered {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// What must be remembered before it is deployed.
        result: Result<Rendered, Failure>,
    },
    /// Answers `Deploy`.
    Deployed {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// How it went.
        result: Result<Deployed, End>,
    },
    /// Answers `Patch`.
    Patched {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// How it went.
        result: Result<Patched, End>,
    },
    /// Answers `Lull`.
    Lulled(Generation),
    /// Answers `Record`.
    Recorded {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// How it went.
        result: Result<Recorded, End>,
    },
    /// Answers `Settle`.
    Settled {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// How long it took, or what keeps it from being ready.
        result: Result<Duration, End>,
    },
    /// A pod of what was deployed answers through a local port: new connections go to it.
    Answered {
        /// Of which release.
        release: ReleaseName,
        /// The attempt that deployed it.
        generation: Generation,
        /// What the local port leads to, such as `service/web`.
        target: String,
        /// From the save (or the start) to here.
        took: Duration,
    },
    /// Answers `RollBack`.
    RolledBack {
        /// Which release.
        release: ReleaseName,
        /// Of which attempt.
        generation: Generation,
        /// The revision that runs.
        result: Result<Option<u32>, Failure>,
    },
    /// On the way out: what the journal has not seen undone so far.
    Owed(Vec<Undo>),
    /// Answers `OpenForward`.
    ForwardOpened {
        /// Which one.
        forward: Forward,
        /// Nothing, or why it is not open.
        result: Result<(), Failure>,
    },
    /// The cluster behind the context is another one, or its API is out of reach for good.
    ClusterChanged(Failure),
    /// Something is to be tried again.
    Nudged(Nudge),
    /// Ctrl+C, SIGTERM or SIGHUP.
    Interrupted,
    /// Answers `Unwind`.
    Unwound(Vec<Leftover>),
    /// A task that answers no effect panicked.
    Crashed(Failure),
}

/// Files changed on disk, and what that concerns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Saved {
    /// What changed.
    pub changes: ChangeSet,
    /// The changed paths as a person is shown them.
    pub shown: Vec<String>,
    /// Images whose inputs may differ.
    pub artifacts: BTreeSet<ArtifactName>,
    /// Releases whose chart, values or manifests may differ.
    pub releases: BTreeSet<ReleaseName>,
    /// A configuration file is among them.
    pub config: bool,
}

/// What an image's inputs amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The image that these inputs make.
    pub image: ImageRef,
    /// Why it differs from the one made before, for a person.
    pub why: String,
}

/// Where an image is already.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Where the pods get it from (all nodes, or the registry), under this reference: with its
    /// digest where a registry named one.
    pub delivered: Option<ImageRef>,
    /// In the Engine.
    pub built: bool,
}

/// A build that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Steps that came from the cache.
    pub cached: usize,
    /// All steps.
    pub steps: usize,
    /// How long it took.
    pub took: Duration,
}

/// A delivery that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The image as it is to be deployed: with a digest where a registry named one.
    pub image: ImageRef,
    /// It was pushed to a registry, not loaded into nodes.
    pub pushed: bool,
    /// Bytes that went over.
    pub sent_bytes: u64,
    /// Bytes of the whole image; 0 where unknown.
    pub total_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// What a release is made of, and what runs of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Examined {
    /// Hash over everything but the images that goes into it.
    pub fingerprint: String,
    /// The project's images that it uses.
    pub uses: BTreeSet<ArtifactName>,
    /// What runs, where it is wharf's own deployment and nobody has touched it since.
    pub running: Option<Running>,
    /// What somebody else changed, one line each.
    pub drift: Vec<String>,
    /// How what runs is taken back, where an earlier session made it and did not mean to leave it.
    #[serde(default)]
    pub undo: Vec<Undo>,
}

/// What runs of a release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Running {
    /// The fingerprint that it was deployed from.
    pub fingerprint: String,
    /// The images that it was deployed with, as they stand in its manifests.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Helm's revision, where there is one.
    pub revision: Option<u32>,
}

impl Running {
    /// Whether it is what `fingerprint` and `images` make.
    #[must_use]
    pub fn is_made_of(&self, fingerprint: &str, images: &BTreeMap<ArtifactName, ImageRef>) -> bool {
        let same = |(name, image): (&ArtifactName, &ImageRef)| {
            images.get(name).is_some_and(|wanted| image.runs(wanted))
        };
        self.fingerprint == fingerprint
            && self.images.len() == images.len()
            && self.images.iter().all(same)
    }
}

/// A release is ready to be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rendered {
    /// How the deploy is taken back; empty for what was there before.
    pub undo: Vec<Undo>,
    /// What stays on leaving, and why, one line each.
    pub kept: Vec<String>,
    /// Claims that go on leaving, with the data in them.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Why it must be deployed, for a person.
    pub why: String,
    /// Nothing but images differs from what runs: these can be put in by themselves.
    #[serde(default)]
    pub images_alone: bool,
    /// With other images, what runs goes on until its replacement does: new pods may be made
    /// before their images are on the nodes.
    #[serde(default)]
    pub bridged: bool,
    /// The revision that ran well before, if there is one.
    #[serde(default)]
    pub earlier: Option<u32>,
}

/// A deploy that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deployed {
    /// Helm's revision, where there is one.
    pub revision: Option<u32>,
    /// The project's images in it, as they stand in its manifests.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Objects that the manifests no longer have and that were deleted.
    pub pruned: Vec<ObjectRef>,
    /// How long it took.
    pub took: Duration,
}

/// Other images were put into what runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Patched {
    /// The project's images in it, as they stand in its manifests.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// Helm's history does not say so yet.
    pub lags: bool,
    /// How long it took.
    pub took: Duration,
}

/// Helm's history says what runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recorded {
    /// Helm's revision.
    pub revision: Option<u32>,
    /// What Helm found to change besides.
    pub changed: Vec<ObjectRef>,
    /// How long it took.
    pub took: Duration,
}

/// How work ends that does not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The session cancelled it.
    Cancelled,
    /// Its inputs changed under it: they must be hashed again.
    Stale,
    /// It failed.
    Failed(Failure),
}

/// Why to try again without a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nudge {
    /// A person asked: look at everything again; try again what failed; do what saves have asked for.
    Again,
    /// Nobody pressed it: time has passed, and what failed for an outside reason may work now.
    Mended,
    /// Docker's logins are others than before: what a registry refused may be allowed now.
    LoggedIn,
}
