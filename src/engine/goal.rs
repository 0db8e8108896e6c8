//! What a command wants to reach, and with which options.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactName, ImageRef, ReleaseName};

/// How far the loop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// `build`: images are built, and pushed where a registry is configured.
    Images,
    /// `render`: manifests with the images' references; nothing is built.
    Manifests,
    /// `run`, `deploy`: releases are live; then the command ends.
    Running,
    /// `run --tail`, `run --port-forward`: releases are live; then logs and ports stay until
    /// Ctrl+C.
    Following,
    /// `dev`: releases are live and follow each save until Ctrl+C.
    Watching,
}

impl Goal {
    /// Whether releases are deployed.
    #[must_use]
    pub fn deploys(self) -> bool {
        self >= Self::Running
    }

    /// Whether the command goes on after its first round.
    #[must_use]
    pub fn stays(self) -> bool {
        self >= Self::Following
    }
}

/// What a person chose on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How far the loop goes.
    pub goal: Goal,
    /// Work on these only, with what they need; empty: on everything.
    pub only: Only,
    /// On leaving, take back what was made.
    pub cleanup: bool,
    /// Wait until releases are ready.
    pub wait: bool,
    /// Build although the image is there.
    pub no_cache: bool,
    /// Never build: images must be there.
    pub no_build: bool,
    /// Saves wait for a key.
    pub manual: bool,
    /// Show logs.
    pub tail: bool,
    /// Open local ports.
    pub forward: bool,
    /// Images are pushed, so that their full reference is known only when they have been.
    pub pushes: bool,
    /// Images that were given and are neither hashed nor built.
    pub given: BTreeMap<ArtifactName, ImageRef>,
    /// How many builds may run at once.
    pub builds: usize,
}

/// A subset of the project, as a person named it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Only {
    /// These images, and the releases that use them.
    pub artifacts: BTreeSet<ArtifactName>,
    /// These releases, and the images that they use.
    pub releases: BTreeSet<ReleaseName>,
}

impl Only {
    /// Whether nothing was named: everything is meant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.artifacts.is_empty() && self.releases.is_empty()
    }
}

impl Options {
    /// The usual options of a command with this goal.
    #[must_use]
    pub fn new(goal: Goal) -> Self {
        Self {
            goal,
            only: Only::default(),
            cleanup: goal == Goal::Watching,
            wait: true,
            no_cache: false,
            no_build: goal == Goal::Manifests,
            manual: false,
            tail: goal == Goal::Watching,
            forward: goal == Goal::Watching,
            pushes: false,
            given: BTreeMap::new(),
            builds: 2,
        }
    }
}
