//! What a changed configuration changes about a running session.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactName, Forward, Project, ReleaseName};

/// What differs between two projects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProjectDiff {
    /// Images.
    pub artifacts: Changes<ArtifactName>,
    /// Releases.
    pub releases: Changes<ReleaseName>,
    /// Forwards that are new.
    pub forwards_added: Vec<Forward>,
    /// Forwards that are gone.
    pub forwards_removed: Vec<Forward>,
    /// Which logs are shown.
    pub logs_changed: bool,
    /// Another cluster, namespace or allow-list.
    pub cluster_changed: bool,
    /// Another registry, or none any more.
    pub registry_changed: bool,
    /// Another name: another state, lock and record.
    pub name_changed: bool,
}

/// What happened to named things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<N: Ord> {
    /// Only in the new project.
    pub added: BTreeSet<N>,
    /// Only in the old project.
    pub removed: BTreeSet<N>,
    /// In both, and different.
    pub changed: BTreeSet<N>,
}

impl<N: Ord> Default for Changes<N> {
    fn default() -> Self {
        Self { added: BTreeSet::new(), removed: BTreeSet::new(), changed: BTreeSet::new() }
    }
}

impl<N: Ord> Changes<N> {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl ProjectDiff {
    /// Whether both projects are the same but for what they are written in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a running session cannot take the difference over and must be started anew.
    #[must_use]
    pub fn needs_a_new_session(&self) -> bool {
        self.cluster_changed || self.registry_changed || self.name_changed
    }
}

/// What `new` changes about `old`.
#[must_use]
pub fn diff(old: &Project, new: &Project) -> ProjectDiff {
    let only_in = |these: &[Forward], those: &[Forward]| {
        these.iter().filter(|forward| !those.contains(forward)).cloned().collect()
    };
    ProjectDiff {
        artifacts: changes(&old.artifacts, &new.artifacts),
        releases: changes(&old.releases, &new.releases),
        forwards_added: only_in(&new.forwards, &old.forwards),
        forwards_removed: only_in(&old.forwards, &new.forwards),
        logs_changed: old.logs != new.logs,
        cluster_changed: old.cluster != new.cluster,
        registry_changed: old.registry != new.registry
            || old.insecure_registries != new.insecure_registries,
        name_changed: old.name != new.name,
    }
}

fn changes<N: Ord + Clone, T: PartialEq>(old: &BTreeMap<N, T>, new: &BTreeMap<N, T>) -> Changes<N> {
    let only_in = |these: &BTreeMap<N, T>, those: &BTreeMap<N, T>| {
        these.keys().filter(|name| !those.contains_key(name)).cloned().collect()
    };
    let changed =
        old.iter().filter(|(name, before)| new.get(name).is_some_and(|after| after != *before));
    Changes {
        added: only_in(new, old),
        removed: only_in(old, new),
        changed: changed.map(|(name, _)| name.clone()).collect(),
    }
}
