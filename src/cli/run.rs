//! `wharf run`.

use clap::{ArgAction, Args};

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::{BuildingArgs, NameArgs, RecordArgs};

/// Build and deploy once, and leave it running
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf run", "bring the project up and wait until it is ready"),
    ("wharf run --wait=false", "end as soon as everything is deployed"),
    ("wharf run --tail --port-forward", "then show logs and open ports until Ctrl+C"),
    ("wharf delete", "take it back"),
]))]
pub struct RunArgs {
    #[command(flatten)]
    names: NameArgs,
    /// Wait until everything is ready
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true",
          hide_possible_values = true, action = ArgAction::Set)]
    wait: bool,
    /// Then show the logs of the project's containers until Ctrl+C
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true",
          hide_default_value = true, hide_possible_values = true, action = ArgAction::Set)]
    tail: bool,
    /// Then keep the project's local ports open until Ctrl+C
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = false, default_missing_value = "true",
          hide_default_value = true, hide_possible_values = true, action = ArgAction::Set)]
    port_forward: bool,
    #[command(flatten)]
    building: BuildingArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl RunArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        LoopOptions {
            wait: self.wait,
            tail: self.tail,
            port_forward: self.port_forward,
            no_cache: self.building.no_cache,
            platform: self.building.platform,
            record: self.record.record,
            ..LoopOptions::new(LoopCommand::Run, self.names.names, global)
        }
    }
}
