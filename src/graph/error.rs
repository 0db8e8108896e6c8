//! What can be wrong with a graph or a selection.

use crate::report::Failure;

/// Names that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Images or releases that wait for each other.
    #[error("{sort} wait for each other: {}", circle(names))]
    Cycle {
        /// `images` or `releases`.
        sort: &'static str,
        /// Each waits for the next, the last for the first.
        names: Vec<String>,
    },
    /// A name that was asked for and is not there.
    #[error("there is no image or release named `{name}`")]
    UnknownName {
        /// The name.
        name: String,
        /// What it was perhaps meant to be.
        suggestion: Option<String>,
        /// All names there are.
        known: Vec<String>,
    },
    /// A name that means several images.
    #[error("`{name}` may mean {}", listed(candidates))]
    Ambiguous {
        /// The name.
        name: String,
        /// The full names.
        candidates: Vec<String>,
    },
}

impl GraphError {
    /// The error as data.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, help) = match self {
            Self::Cycle { sort: "images", names } => (
                "wharf::graph::cycle",
                format!(
                    "take one of them out of `needs`, or out of the Dockerfile that names it: {}",
                    listed(names)
                ),
            ),
            Self::Cycle { names, .. } => (
                "wharf::graph::cycle",
                format!("take one of them out of `after`: {}", listed(names)),
            ),
            Self::UnknownName { suggestion: Some(meant), .. } => {
                ("wharf::graph::unknown_name", format!("did you mean `{meant}`?"))
            }
            Self::UnknownName { known, .. } => {
                ("wharf::graph::unknown_name", format!("known names: {}", listed(known)))
            }
            Self::Ambiguous { .. } => ("wharf::graph::ambiguous", "give the whole name".to_owned()),
        };
        Failure::request(code, self.to_string()).help(help)
    }
}

fn circle(names: &[String]) -> String {
    let names = names.iter().chain(names.first());
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ")
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
