//! What is done to what a release renders to, besides putting images in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that is done to what a release renders to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alterations {
    /// Values for places in manifests that are marked `# from-param: ${NAME}` or
    /// `# kpt-set: ${NAME}`.
    pub setters: BTreeMap<String, String>,
    /// Functions over all objects, in order.
    pub functions: Vec<Function>,
    /// Which images are replaced in objects of certain kinds; in others, all are.
    pub images: Vec<ImageRule>,
}

impl Alterations {
    /// Whether nothing is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A function over the objects of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Which one.
    pub kind: FunctionKind,
    /// What it is given.
    pub with: BTreeMap<String, String>,
}

/// The functions of kpt's catalogue that wharf has itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    /// Puts everything into `namespace`.
    SetNamespace,
    /// Gives everything these labels, selectors and templates of pods included.
    SetLabels,
    /// Gives everything these annotations, templates of pods included.
    SetAnnotations,
    /// Puts `put-value` where `by-value`, `by-value-regex` and `by-path` fit.
    SearchReplace,
    /// Gives Gatekeeper's constraints this `enforcementAction`.
    SetEnforcementAction,
    /// Refuses objects of known kinds whose fields have values of the wrong sort.
    Kubeval,
}

impl FunctionKind {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("set-namespace", Self::SetNamespace),
        ("set-labels", Self::SetLabels),
        ("set-annotations", Self::SetAnnotations),
        ("search-replace", Self::SearchReplace),
        ("set-enforcement-action", Self::SetEnforcementAction),
        ("kubeval", Self::Kubeval),
    ];

    /// The one that is called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| *name)
    }

    /// What it can be given, and what it must be; absent where that is anything.
    #[must_use]
    pub fn keys(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        match self {
            Self::SetNamespace => Some((&["namespace"], &["namespace"])),
            Self::SetLabels | Self::SetAnnotations => None,
            Self::SearchReplace => {
                Some((&["by-value", "by-value-regex", "by-path", "put-value"], &["put-value"]))
            }
            Self::SetEnforcementAction => Some((&["enforcementAction"], &["enforcementAction"])),
            // Nothing that it can be given matters where nothing is downloaded.
            Self::Kubeval => Some((
                &[
                    "ignore_missing_schemas",
                    "strict",
                    "schema_location",
                    "additional_schema_locations",
                    "skip_kinds",
                ],
                &[],
            )),
        }
    }
}

/// Which images are the project's to replace in objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRule {
    /// The kind and its group, as `Deployment.apps`; without a group where that is the core's.
    pub kind: String,
    /// Where, as `.spec.template.spec.containers.image`: keys with dots before them, lists left
    /// out. None: nowhere.
    pub paths: Vec<String>,
}
