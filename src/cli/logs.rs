//! `wharf logs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::model::ArtifactName;

use super::global::{PROJECT, examples};
use super::parts::{NameArgs, span};

/// Show the logs of the project's containers, or of a build
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf logs", "what every container has written"),
    ("wharf logs api -f", "one image's containers, and follow"),
    ("wharf logs --since 10m", "the last ten minutes"),
    ("wharf logs --build api", "the whole log of the last build of `api`"),
]))]
pub struct LogsArgs {
    #[command(flatten)]
    pub(super) names: NameArgs,
    /// Go on until Ctrl+C
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Configuration file, instead of `wharf.yaml` in the folder
    // Shadows the global flag of this name, whose `-f` means `--follow` wherever logs are shown.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = PROJECT)]
    pub(super) file: Option<PathBuf>,
    /// Only what is younger, such as 90s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(super) since: Option<Duration>,
    /// The log of the last build of this image
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["names", "follow", "since"])]
    pub(super) build: Option<ArtifactName>,
}
