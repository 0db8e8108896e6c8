//! `wharf status`.

use clap::Args;

use super::global::examples;
use super::parts::PartArgs;

/// Show what of the project runs, and how it is
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf status", "releases, workloads and their images"),
    ("wharf status shop --json", "one release, for a program"),
]))]
pub struct StatusArgs {
    #[command(flatten)]
    names: PartArgs,
}

impl StatusArgs {
    pub(super) fn names(self) -> Vec<String> {
        self.names.names
    }
}
