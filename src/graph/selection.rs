//! The part of a project that names on the command line mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ArtifactName, ReleaseName};

use super::{Graph, GraphError, reached};

/// Images and releases that are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Images to build: the named ones and those that they are built from.
    pub artifacts: BTreeSet<ArtifactName>,
    /// Releases to deploy: the named ones and those that they wait for.
    pub releases: BTreeSet<ReleaseName>,
    /// Whether names were given; which releases use the named images, and which images the named
    /// releases use, is known only after [`Graph::narrow`].
    pub named: Option<Named>,
}

/// What was asked for by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Images.
    pub artifacts: BTreeSet<ArtifactName>,
    /// Releases.
    pub releases: BTreeSet<ReleaseName>,
}

impl Graph {
    /// What `names` mean: images by their whole name or its last part, or releases. A name that
    /// is both means both. No names mean the whole project.
    ///
    /// # Errors
    ///
    /// [`GraphError`] for a name that means nothing, or several images.
    pub fn select(&self, names: &[String]) -> Result<Selection, GraphError> {
        if names.is_empty() {
            return Ok(Selection {
                artifacts: self.needs.keys().cloned().collect(),
                releases: self.after.keys().cloned().collect(),
                named: None,
            });
        }
        let mut named = Named::default();
        for name in names {
            let artifact = self.artifact_named(name)?;
            let release = self.after.keys().find(|release| release.as_str() == name).cloned();
            if artifact.is_none() && release.is_none() {
                return Err(self.unknown(name));
            }
            named.artifacts.extend(artifact);
            named.releases.extend(release);
        }
        let mut artifacts = reached(&self.needs, &named.artifacts);
        artifacts.extend(named.artifacts.iter().cloned());
        let mut releases = reached(&self.after, &named.releases);
        releases.extend(named.releases.iter().cloned());
        Ok(Selection { artifacts, releases, named: Some(named) })
    }

    /// `selection` once it is known which images each release uses: with the releases that use
    /// the named images, what those wait for, and every image that any of them needs.
    #[must_use]
    pub fn narrow(
        &self,
        selection: &Selection,
        uses: &BTreeMap<ReleaseName, BTreeSet<ArtifactName>>,
    ) -> Selection {
        let Some(named) = &selection.named else { return selection.clone() };
        let using = uses.iter().filter(|(_, used)| !used.is_disjoint(&named.artifacts));
        let mut releases: BTreeSet<ReleaseName> = using.map(|(name, _)| name.clone()).collect();
        releases.extend(named.releases.iter().cloned());
        let before = reached(&self.after, &releases);
        releases.extend(before);
        let used = releases.iter().filter_map(|release| uses.get(release)).flatten();
        let mut artifacts: BTreeSet<ArtifactName> = used.cloned().collect();
        artifacts.extend(named.artifacts.iter().cloned());
        let below = reached(&self.needs, &artifacts);
        artifacts.extend(below);
        Selection { artifacts, releases, named: Some(named.clone()) }
    }

    fn artifact_named(&self, name: &str) -> Result<Option<ArtifactName>, GraphError> {
        if let Some(exact) = self.needs.keys().find(|artifact| artifact.as_str() == name) {
            return Ok(Some(exact.clone()));
        }
        let ends = format!("/{name}");
        let mut fitting = self.needs.keys().filter(|artifact| artifact.as_str().ends_with(&ends));
        let first = fitting.next().cloned();
        match (first, fitting.next()) {
            (Some(first), Some(second)) => {
                let mut candidates = vec![first.to_string(), second.to_string()];
                candidates.extend(fitting.map(ToString::to_string));
                Err(GraphError::Ambiguous { name: name.to_owned(), candidates })
            }
            (first, _) => Ok(first),
        }
    }

    fn unknown(&self, name: &str) -> GraphError {
        let artifacts = self.needs.keys().map(ToString::to_string);
        let releases = self.after.keys().map(ToString::to_string);
        let known: BTreeSet<String> = artifacts.chain(releases).collect();
        let nearest = known
            .iter()
            .map(|other| {
                let last = other.rsplit('/').next().unwrap_or(other);
                let distance = |known| strsim::damerau_levenshtein(name, known);
                (distance(last).min(distance(other)), other)
            })
            .min()
            .filter(|(distance, other)| distance * 3 <= other.len().max(3));
        let suggestion = nearest.map(|(_, other)| other.clone());
        let known = known.into_iter().collect();
        GraphError::UnknownName { name: name.to_owned(), suggestion, known }
    }
}
