//! Names that people write: each is checked once, when it is parsed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of the wanted sort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {sort}: {rule}")]
pub struct NameError {
    /// What was given.
    pub text: String,
    /// What it was meant to be, such as `namespace`.
    pub sort: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident($sort:literal, $check:path, $rule:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and takes it as a name.
            ///
            /// # Errors
            ///
            /// [`NameError`] says which rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if $check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { text: text.to_owned(), sort: $sort, rule: $rule })
                }
            }

            /// The name as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

names! {
    /// The project: names its state on disk and its record in the cluster.
    ProjectName("project name", is_dns_label,
        "lower case letters, digits and `-`, at most 63, beginning and ending with a letter or digit");
    /// An image wharf knows how to make, by the repository that manifests and values call it.
    ArtifactName("image name", is_repository,
        "an image repository such as `api` or `ghcr.io/acme/api`, lower case, without tag or digest");
    /// What is installed as one: a Helm release, a kustomization or a set of manifests.
    ReleaseName("release name", is_release,
        "lower case letters, digits, `-` and `.`, at most 53, beginning and ending with a letter or digit");
    /// A Kubernetes namespace.
    Namespace("namespace", is_dns_label,
        "lower case letters, digits and `-`, at most 63, beginning and ending with a letter or digit");
    /// A context of the kubeconfig.
    ContextName("context name", is_filled, "it must not be empty");
}

fn is_filled(text: &str) -> bool {
    !text.trim().is_empty()
}

fn is_dns_label(text: &str) -> bool {
    is_dns(text, 63, "-")
}

/// Helm's own rule for release names: DNS-1123 subdomain of at most 53 characters.
fn is_release(text: &str) -> bool {
    is_dns(text, 53, "-.")
}

fn is_dns(text: &str, longest: usize, inner: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= longest
        && text.chars().all(|c| edge(c) || inner.contains(c))
        && text.starts_with(edge)
        && text.ends_with(edge)
}

fn is_repository(text: &str) -> bool {
    super::ImageRef::parse(text)
        .is_ok_and(|image| image.tag().is_none() && image.digest().is_none())
}
