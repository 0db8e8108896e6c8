//! `wharf logs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use crate::model::ArtifactName;
use crate::ops::LogsRequest;

use super::global::{PROJECT, examples};
use super::names;
use super::parts::{PartArgs, span};

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
    names: PartArgs,
    /// Go on until Ctrl+C
    #[arg(short, long)]
    follow: bool,
    /// Configuration file, instead of `wharf.yaml` in the folder
    // Shadows the global flag of this name, whose `-f` means `--follow` wherever logs are shown.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = PROJECT)]
    file: Option<PathBuf>,
    /// Only what is younger, such as 90s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Duration>,
    /// The log of the last build of this image
    #[arg(long, value_name = "IMAGE", add = ArgValueCandidates::new(names::images),
          conflicts_with_all = ["names", "follow", "since"])]
    pub(super) build: Option<ArtifactName>,
}

impl LogsArgs {
    pub(super) fn request(&self) -> LogsRequest {
        let names = self.names.names.clone();
        LogsRequest { names, follow: self.follow, since: self.since }
    }
}
