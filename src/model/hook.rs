//! Commands of the user's around a build or a deploy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What runs before something and what runs after it, each list in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hooks {
    /// When one of these fails, the thing itself does not begin.
    pub before: Vec<Hook>,
    /// These run only when the thing went well.
    pub after: Vec<Hook>,
    /// By which variables of their environment they are told what they are around.
    pub variables: BTreeMap<String, HookFact>,
}

/// What a hook is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookFact {
    /// The image that is built: `repository:tag`.
    Image,
    /// Its repository.
    Repository,
    /// Its tag.
    Tag,
    /// `true` where it is pushed to a registry, else `false`.
    IsPushed,
    /// The folder that it is built from.
    Folder,
    /// The project's folder.
    Root,
    /// The project's name.
    Project,
    /// The context of the cluster that is deployed to.
    Context,
    /// The namespace there.
    Namespace,
}

impl Hooks {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub place: HookPlace,
}

/// Where a hook runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPlace {
    /// On this machine, in this folder, absolute.
    Host(PathBuf),
    /// In every running container of the release whose pod and name fit these globs.
    Container {
        /// Absent: every pod.
        pod: Option<String>,
        /// Absent: every container.
        container: Option<String>,
    },
}
