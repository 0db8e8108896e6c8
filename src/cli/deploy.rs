//! `wharf deploy`.

use clap::{ArgAction, Args};

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::{ImagesArgs, NameArgs, RecordArgs};

/// Deploy images that are built already
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf deploy --images images.json", "what `wharf build --file-output images.json` built"),
    ("wharf build --json | wharf deploy --images -", "without a file between"),
]))]
pub struct DeployArgs {
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    images: ImagesArgs,
    /// Wait until everything is ready
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true",
          hide_possible_values = true, action = ArgAction::Set)]
    wait: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl DeployArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        LoopOptions {
            images: self.images.images,
            wait: self.wait,
            record: self.record.record,
            ..LoopOptions::new(LoopCommand::Deploy, self.names.names, global)
        }
    }
}
