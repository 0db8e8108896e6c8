//! The nouns: plain data that every floor speaks of.
//!
//! Nothing here does I/O, knows a library of the outside (serde apart) or prints. Names are
//! newtypes with a `parse` constructor; what holds an invariant keeps its fields private.

mod action;
mod alteration;
mod annotation;
mod change;
mod cluster;
mod helm_flags;
mod hook;
mod image;
mod key;
mod name;
mod object;
mod order;
mod paths;
mod pattern;
mod project;
mod undo;

pub use action::{Action, ActionContainer, ActionPlace, Checks, ImageTest};
pub use alteration::{Alterations, Function, FunctionKind, ImageRule};
pub use annotation::{annotation, hook_events};
pub use change::ChangeSet;
pub use cluster::{ClusterIdentity, ClusterKind, Delivery};
pub use helm_flags::{template_flags, upgrade_flags};
pub use hook::{Hook, HookFact, HookPlace, Hooks};
pub use image::{ContentHash, Digest, ImageError, ImageRef, Platform, Tag};
pub use key::Key;
pub use name::{ArtifactName, ContextName, NameError, Namespace, ProjectName, ReleaseName};
pub use object::{ObjectRef, WorkloadKind, WorkloadRef};
pub use order::cycle;
pub use paths::Paths;
pub use pattern::{GitName, ImagePart, ImageText, PatternError, TagPart, TagPattern};
pub use project::{
    Artifact, BuildSecret, Builder, Chart, ClusterChoice, CommandBuild, DockerBuild, Forward,
    ForwardPort, HelmSource, KustomizeSource, LogFilter, LogPrefix, ManifestSource, NamedContext,
    Origin, Packaging, Project, RegistryNames, Release, ReleaseSource, SecretSource, SshAgent,
    WaitRule,
};
pub use undo::{Leftover, Undo};

/// Which attempt a result belongs to; larger is later.
///
/// The session hands them out; a result that carries a smaller one than its noun's current
/// generation changes nothing.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The attempt after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
