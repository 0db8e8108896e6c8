//! `wharf render`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::model::Platform;

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::{ImagesArgs, NameArgs};

/// Print the manifests that would be deployed
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf render", "YAML on stdout; nothing is built, nothing is changed"),
    ("wharf render --images images.json", "with these images"),
    ("wharf render | kubectl diff -f -", "what a deploy would change"),
]))]
pub struct RenderArgs {
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    images: ImagesArgs,
    /// Write to FILE instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Ask neither the cluster nor the network
    #[arg(long)]
    offline: bool,
    /// Platform that tags are computed for, such as linux/arm64 [default: the nodes']
    #[arg(long, value_name = "OS/ARCH", value_parser = Platform::parse)]
    platform: Option<Platform>,
}

impl RenderArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        LoopOptions {
            images: self.images.images,
            output: self.output,
            offline: self.offline,
            platform: self.platform,
            ..LoopOptions::new(LoopCommand::Render, self.names.names, global)
        }
    }
}
