//! `wharf apply`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueHint};

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::RecordArgs;

/// Apply manifests that were rendered before
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf render -o all.yaml", "then look at it, or keep it"),
    ("wharf apply all.yaml", "what was rendered, as it is, until it is ready"),
]))]
pub struct ApplyArgs {
    /// Files of manifests
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Wait until everything is ready
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true",
          hide_possible_values = true, action = ArgAction::Set)]
    wait: bool,
    #[command(flatten)]
    record: RecordArgs,
}

impl ApplyArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        LoopOptions {
            manifests: self.files,
            wait: self.wait,
            record: self.record.record,
            ..LoopOptions::new(LoopCommand::Deploy, vec![], global)
        }
    }
}
