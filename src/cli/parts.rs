//! Arguments that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::ArgValueCandidates;

use crate::model::Platform;

use super::names;

/// Which images and releases.
#[derive(Debug, Clone, Args)]
pub(super) struct NameArgs {
    /// Images and releases to work on, with what they need [default: all]
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(names::all))]
    pub(super) names: Vec<String>,
}

/// Which part of what is there.
#[derive(Debug, Clone, Args)]
pub(super) struct PartArgs {
    /// Images, releases or workloads that are meant [default: all]
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(names::all))]
    pub(super) names: Vec<String>,
}

/// How images are built.
#[derive(Debug, Clone, Args)]
pub(super) struct BuildingArgs {
    /// Build every image anew, without any cache
    #[arg(long, help_heading = "Building")]
    pub(super) no_cache: bool,
    /// Platform that images are built for, such as linux/arm64 [default: the nodes']
    #[arg(long, value_name = "OS/ARCH", value_parser = Platform::parse, help_heading = "Building")]
    pub(super) platform: Option<Platform>,
}

/// The session's record, for reports of mistakes.
#[derive(Debug, Clone, Args)]
pub(super) struct RecordArgs {
    /// Write the session's events to FILE, one JSON object per line, for a bug report
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(super) record: Option<PathBuf>,
}

/// Images that were built before.
#[derive(Debug, Clone, Args)]
pub(super) struct ImagesArgs {
    /// Use the images of FILE, as `wharf build --file-output` wrote it; - is stdin; or NAME=IMAGE
    #[arg(short = 'a', long, short_alias = 'i', value_name = "FILE", value_delimiter = ',',
          value_hint = ValueHint::FilePath)]
    pub(super) images: Vec<String>,
}

/// Reads `90s`, `5m`, `1h30m`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let rule = "a time such as `90s`, `5m` or `1h30m`";
    let span: jiff::SignedDuration = text.parse().map_err(|_| format!("expected {rule}"))?;
    Duration::try_from(span).map_err(|_| format!("expected {rule} that is not negative"))
}
