//! `wharf config`.

use clap::Args;

use super::global::examples;

/// Print the configuration in effect, each value with where it came from
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf config", "what wharf makes of the file, profiles and folder"),
    ("wharf config -p ci --json", "with a profile, for a program"),
]))]
pub struct ConfigArgs {}
