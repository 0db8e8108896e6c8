//! `wharf init`.

use clap::Args;

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
    pub(super) force: bool,
    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "force")]
    pub(super) dry_run: bool,
}
