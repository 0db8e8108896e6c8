//! Who needs whom: order, selections, and what a changed path affects.
//!
//! Comes in: a [`Project`], names a person gave, changed paths. Goes out: sets of names. Pure; two
//! graphs are kept apart: images that are built from images, and releases that wait for releases.

mod affected;
mod error;
mod selection;
mod taking_back;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactName, Project, ReleaseName};

pub use affected::{Affected, affected};
pub use error::GraphError;
pub use selection::Selection;
pub use taking_back::oldest_first;

/// What each image and each release needs. Free of cycles by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    needs: BTreeMap<ArtifactName, BTreeSet<ArtifactName>>,
    after: BTreeMap<ReleaseName, BTreeSet<ReleaseName>>,
}

impl Graph {
    /// The graph of `project`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Cycle`] names images or releases that wait for each other.
    pub fn new(project: &Project) -> Result<Self, GraphError> {
        let artifacts = project.artifacts.iter();
        let needs: BTreeMap<_, _> =
            artifacts.map(|(name, artifact)| (name.clone(), artifact.needs.clone())).collect();
        let releases = project.releases.iter();
        let after: BTreeMap<_, _> =
            releases.map(|(name, release)| (name.clone(), release.after.clone())).collect();
        refuse_cycle(&needs, "images")?;
        refuse_cycle(&after, "releases")?;
        Ok(Self { needs, after })
    }

    /// All images, each behind those that it needs; names decide between equals.
    #[must_use]
    pub fn order(&self) -> Vec<ArtifactName> {
        ordered(&self.needs)
    }

    /// All releases, each behind those that it waits for; names decide between equals.
    #[must_use]
    pub fn release_order(&self) -> Vec<ReleaseName> {
        ordered(&self.after)
    }

    /// The images that `artifact` is built from, directly or not.
    #[must_use]
    pub fn needs(&self, artifact: &ArtifactName) -> BTreeSet<ArtifactName> {
        reached(&self.needs, [artifact])
    }

    /// The images that are built from `artifact`, directly or not.
    #[must_use]
    pub fn dependants(&self, artifact: &ArtifactName) -> BTreeSet<ArtifactName> {
        let mut out = BTreeSet::new();
        for name in self.order() {
            let direct = &self.needs[&name];
            if direct.contains(artifact) || !direct.is_disjoint(&out) {
                out.insert(name);
            }
        }
        out
    }

    /// The releases that must be live before `release`, directly or not.
    #[must_use]
    pub fn after(&self, release: &ReleaseName) -> BTreeSet<ReleaseName> {
        reached(&self.after, [release])
    }

    /// The releases that wait for `release`, directly or not.
    #[must_use]
    pub fn waiting_for(&self, release: &ReleaseName) -> BTreeSet<ReleaseName> {
        let mut out = BTreeSet::new();
        for name in self.release_order() {
            let direct = &self.after[&name];
            if direct.contains(release) || !direct.is_disjoint(&out) {
                out.insert(name);
            }
        }
        out
    }
}

fn refuse_cycle<N: Ord + Clone + ToString>(
    waits_for: &BTreeMap<N, BTreeSet<N>>,
    sort: &'static str,
) -> Result<(), GraphError> {
    match crate::model::cycle(waits_for) {
        None => Ok(()),
        Some(cycle) => {
            let names = cycle.iter().map(ToString::to_string).collect();
            Err(GraphError::Cycle { sort, names })
        }
    }
}

/// Everything that `from` wait for, directly or not, themselves left out unless reached.
fn reached<'n, N: Ord + Clone + 'n>(
    waits_for: &'n BTreeMap<N, BTreeSet<N>>,
    from: impl IntoIterator<Item = &'n N>,
) -> BTreeSet<N> {
    let mut out = BTreeSet::new();
    let mut open: Vec<&N> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        for other in waits_for.get(name).into_iter().flatten() {
            if out.insert(other.clone()) {
                open.push(other);
            }
        }
    }
    out
}

fn ordered<N: Ord + Clone>(waits_for: &BTreeMap<N, BTreeSet<N>>) -> Vec<N> {
    let mut out: Vec<N> = Vec::new();
    let mut left: Vec<&N> = waits_for.keys().collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|name| {
            let is_free = waits_for[*name]
                .iter()
                .all(|other| out.contains(other) || !waits_for.contains_key(other));
            if is_free {
                out.push((*name).clone());
            }
            !is_free
        });
        if left.len() == before {
            // Cycles were refused when the graph was made.
            break;
        }
    }
    out
}
