//! How to take an act back, and what could not be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Namespace, ObjectRef, ReleaseName};

/// One step of the way back. It is on disk before the act that it undoes.
///
/// A step is idempotent: what is already gone counts as undone. It only ever names things that
/// wharf made; what was there before never gets one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "undo")]
pub enum Undo {
    /// `helm uninstall`, then what Helm leaves behind.
    HelmRelease {
        /// Helm's release name.
        release: ReleaseName,
        /// Where it is installed.
        namespace: Namespace,
        /// Hook objects and CRDs of the chart, which `helm uninstall` keeps. CRDs that were there
        /// before are not among them.
        extras: Vec<ObjectRef>,
        /// Delete the claims that StatefulSets of the release made.
        claims: bool,
    },
    /// Back to an older revision of a release that was there before.
    HelmRollback {
        /// Helm's release name.
        release: ReleaseName,
        /// Where it is installed.
        namespace: Namespace,
        /// The revision that was found.
        revision: u32,
    },
    /// Applies again the manifests that `wharf run` had left, and removes what came since.
    Manifests {
        /// Which release.
        release: ReleaseName,
        /// Where the record and the kept manifests lie.
        namespace: Namespace,
        /// The record's name: `wharf.<project>`.
        name: String,
    },
    /// Deletes objects, in the reverse of this order.
    Objects {
        /// The release that they belong to.
        release: ReleaseName,
        /// What wharf created.
        objects: Vec<ObjectRef>,
        /// Delete the claims that StatefulSets among them made.
        claims: bool,
    },
    /// Deletes a namespace that wharf created, if nothing foreign is in it.
    Namespace {
        /// Which one.
        namespace: Namespace,
    },
    /// Takes a release out of the project's record in the cluster; the record goes with the last.
    Record {
        /// Where the record lies.
        namespace: Namespace,
        /// The record's name: `wharf.<project>`.
        name: String,
        /// Which release.
        release: ReleaseName,
    },
    /// Removes a file or folder outside the state directory.
    File {
        /// Absolute path.
        path: std::path::PathBuf,
    },
}

/// Something that could not be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// What it is, such as "release `shop` in namespace `dev`".
    pub what: String,
    /// Why it is still there.
    pub why: String,
    /// The command that removes it.
    pub by_hand: String,
}

impl Undo {
    /// Adds it to `steps`; one that takes the same thing back learns what this one knows.
    pub fn unite_into(self, steps: &mut Vec<Self>) {
        match steps.iter_mut().find(|old| old.is_about_the_same(&self)) {
            Some(old) => old.unite(self),
            None => steps.push(self),
        }
    }

    /// Whether both steps take the same thing back, perhaps with more or less of it.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::HelmRelease { release: a, namespace: x, .. },
                Self::HelmRelease { release: b, namespace: y, .. },
            )
            | (
                Self::HelmRollback { release: a, namespace: x, .. },
                Self::HelmRollback { release: b, namespace: y, .. },
            ) => (a, x) == (b, y),
            (Self::Objects { release: a, .. }, Self::Objects { release: b, .. }) => a == b,
            _ => self == other,
        }
    }

    fn unite(&mut self, new: Self) {
        match (self, new) {
            (
                Self::HelmRelease { extras: known, claims, .. },
                Self::HelmRelease { extras: more, claims: newest, .. },
            )
            | (
                Self::Objects { objects: known, claims, .. },
                Self::Objects { objects: more, claims: newest, .. },
            ) => {
                known.extend(
                    more.into_iter().filter(|object| !known.contains(object)).collect::<Vec<_>>(),
                );
                *claims = newest;
            }
            // The revision that was found first is the one to go back to.
            _ => {}
        }
    }

    /// What it takes back, as a person knows it.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::HelmRelease { release, namespace, .. } => {
                format!("release `{release}` in namespace `{namespace}`")
            }
            Self::HelmRollback { release, namespace, revision } => {
                format!("release `{release}` in namespace `{namespace}`, revision {revision}")
            }
            Self::Manifests { release, namespace, .. } => {
                format!("`{release}` in namespace `{namespace}`, as `wharf run` had left it")
            }
            Self::Objects { release, objects, .. } => match objects.as_slice() {
                [one] => format!("`{one}` of `{release}`"),
                all => format!("{} objects of `{release}`", all.len()),
            },
            Self::Namespace { namespace } => format!("namespace `{namespace}`"),
            Self::Record { namespace, name, release } => {
                format!("the entry of `{release}` in secret `{name}` in namespace `{namespace}`")
            }
            Self::File { path } => format!("`{}`", path.display()),
        }
    }

    /// The command that does the same by hand.
    #[must_use]
    pub fn by_hand(&self) -> String {
        match self {
            Self::HelmRelease { release, namespace, .. } => {
                format!("helm uninstall {release} -n {namespace}")
            }
            Self::HelmRollback { release, namespace, revision } => {
                format!("helm rollback {release} {revision} -n {namespace}")
            }
            Self::Manifests { release, namespace, name } => format!(
                "kubectl get secret {name}.{release} -n {namespace} -o \
                 jsonpath='{{.data.manifests}}' | base64 -d | gunzip | kubectl apply \
                 --server-side --force-conflicts --field-manager wharf -n {namespace} -f -"
            ),
            Self::Objects { objects, .. } => {
                let commands = objects.iter().rev();
                let commands =
                    commands.map(|object| format!("kubectl delete {}", object.by_hand()));
                commands.collect::<Vec<_>>().join("; ")
            }
            Self::Namespace { namespace } => format!("kubectl delete namespace {namespace}"),
            Self::Record { namespace, name, .. } => {
                format!("kubectl delete secret {name} -n {namespace}")
            }
            Self::File { path } => format!("rm -r {}", path.display()),
        }
    }

    /// The release that it belongs to, if to one alone.
    #[must_use]
    pub fn release(&self) -> Option<&ReleaseName> {
        match self {
            Self::HelmRelease { release, .. }
            | Self::HelmRollback { release, .. }
            | Self::Manifests { release, .. }
            | Self::Objects { release, .. }
            | Self::Record { release, .. } => Some(release),
            Self::Namespace { .. } | Self::File { .. } => None,
        }
    }

    /// The namespaces that it changes something in; none where it is about the whole cluster, or
    /// about files.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<&Namespace> {
        match self {
            Self::HelmRelease { namespace, .. }
            | Self::HelmRollback { namespace, .. }
            | Self::Manifests { namespace, .. }
            | Self::Namespace { namespace }
            | Self::Record { namespace, .. } => BTreeSet::from([namespace]),
            Self::Objects { objects, .. } => {
                objects.iter().filter_map(|object| object.namespace.as_ref()).collect()
            }
            Self::File { .. } => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_rolled_back_once_to_the_revision_that_was_found_first() {
        let back = |name: &str, revision| Undo::HelmRollback {
            release: ReleaseName::parse(name).unwrap(),
            namespace: Namespace::parse("shop").unwrap(),
            revision,
        };
        let mut steps = vec![];
        for step in [back("shop", 5), back("db", 2), back("shop", 6)] {
            step.unite_into(&mut steps);
        }
        assert_eq!(steps, [back("shop", 5), back("db", 2)]);
    }
}
