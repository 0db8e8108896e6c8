//! `wharf dev`.

use clap::{ArgAction, Args};

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::{BuildingArgs, NameArgs, RecordArgs};

/// Build, deploy and follow every save; take it all back on Ctrl+C
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf dev", "the whole project"),
    ("wharf dev api", "one image or release, with what it needs"),
    ("wharf dev --cleanup=false", "leave it running on Ctrl+C"),
    ("wharf dev --context staging-eu", "on a cluster that is not local"),
]))]
pub struct DevArgs {
    #[command(flatten)]
    names: NameArgs,
    /// On leaving, take back everything that was made
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true",
          hide_possible_values = true, action = ArgAction::Set)]
    cleanup: bool,
    /// On leaving, keep the claims for volumes and their data
    #[arg(long)]
    keep_data: bool,
    /// On leaving, take releases that were installed before back to the revision that was found
    #[arg(long = "rollback")]
    roll_back: bool,
    /// Let every change go through `helm upgrade`, also one of images alone
    #[arg(long)]
    strict_helm: bool,
    /// Let saves wait until `r` is pressed
    #[arg(long)]
    manual: bool,
    /// Look for changed files again and again, where the system tells of none (network folders)
    #[arg(long)]
    poll: bool,
    /// Show the logs of the project's containers
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true",
          hide_possible_values = true, action = ArgAction::Set)]
    tail: bool,
    /// Open the project's local ports
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true",
          hide_possible_values = true, action = ArgAction::Set)]
    port_forward: bool,
    #[command(flatten)]
    building: BuildingArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl DevArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        LoopOptions {
            cleanup: self.cleanup,
            keep_data: self.keep_data,
            roll_back: self.roll_back,
            strict_helm: self.strict_helm,
            manual: self.manual,
            poll: self.poll,
            tail: self.tail,
            port_forward: self.port_forward,
            no_cache: self.building.no_cache,
            platform: self.building.platform,
            record: self.record.record,
            ..LoopOptions::new(LoopCommand::Dev, self.names.names, global)
        }
    }
}
