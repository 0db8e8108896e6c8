//! `wharf build`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::{BuildingArgs, NameArgs, RecordArgs};

/// Build the images whose content changed and print their references
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf build", "every image; one reference per line on stdout"),
    ("wharf build api -q", "one image, with nothing but its reference"),
    ("wharf build --file-output images.json", "for `wharf deploy --images images.json`"),
]))]
pub struct BuildArgs {
    #[command(flatten)]
    names: NameArgs,
    /// Also write the references to FILE, as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file_output: Option<PathBuf>,
    /// Print the references by this Go template, such as '{{json .}}'
    #[arg(short, long, value_name = "TEMPLATE")]
    output: Option<String>,
    #[command(flatten)]
    building: BuildingArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl BuildArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        LoopOptions {
            file_output: self.file_output,
            template: self.output,
            no_cache: self.building.no_cache,
            platform: self.building.platform,
            record: self.record.record,
            ..LoopOptions::new(LoopCommand::Build, self.names.names, global)
        }
    }
}
