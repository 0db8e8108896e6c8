//! `wharf init`.

use clap::Args;

use crate::ops::Init;

use super::global::examples;

/// Write a wharf.yaml for this folder, from what lies in it
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf init", "write wharf.yaml, with comments"),
    ("wharf init --dry-run", "print it instead"),
]))]
pub struct InitArgs {
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "force")]
    dry_run: bool,
}

impl InitArgs {
    pub(super) fn mode(&self) -> Init {
        match (self.dry_run, self.force) {
            (true, _) => Init::Print,
            (false, true) => Init::Replace,
            (false, false) => Init::Write,
        }
    }
}
