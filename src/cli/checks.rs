//! `wharf test`, `wharf verify` and `wharf exec`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::global::examples;
use super::parts::ImagesArgs;

/// How containers run on this machine.
#[derive(Debug, Clone, Args)]
pub(super) struct ContainerArgs {
    /// Network that local containers are in [default: Docker's own]
    #[arg(long, value_name = "NAME")]
    pub(super) docker_network: Option<String>,
    /// File of variables for all containers, NAME=VALUE in each line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) env_file: Option<PathBuf>,
}

/// Run the tests of images that were built
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf test -a images.json", "of all images that `wharf build --file-output` wrote there"),
    ("wharf test api -i api=api:1.2", "of one image"),
]))]
pub struct TestArgs {
    /// Images whose tests run [default: all that are given]
    #[arg(value_name = "IMAGE")]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) images: ImagesArgs,
}

/// Run the verifications, in local containers or as Jobs
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf verify", "all of them at once; 0 when all passed"),
    ("wharf verify smoke -a images.json", "one, with the images of a file"),
]))]
pub struct VerifyArgs {
    /// Verifications to run [default: all]
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) images: ImagesArgs,
    #[command(flatten)]
    pub(super) containers: ContainerArgs,
}

/// Run a custom action, in local containers or as Jobs
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf exec migrate", "the action of this name"),
    ("wharf exec migrate -a images.json", "with the images of a file"),
]))]
pub struct ExecArgs {
    /// The action
    #[arg(value_name = "ACTION")]
    pub(super) name: String,
    #[command(flatten)]
    pub(super) images: ImagesArgs,
    #[command(flatten)]
    pub(super) containers: ContainerArgs,
}
