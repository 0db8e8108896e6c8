//! `wharf delete`.

use clap::Args;

use crate::ops::DeleteRequest;

use super::global::examples;
use super::parts::PartArgs;

/// Take back what `run` left or a crash interrupted
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf delete", "everything of this project, also after a crash or from another machine"),
    ("wharf delete shop", "one release"),
    ("wharf delete --keep-data", "but no claim for a volume"),
]))]
pub struct DeleteArgs {
    #[command(flatten)]
    names: PartArgs,
    /// Keep the claims for volumes and their data
    #[arg(long)]
    keep_data: bool,
    /// Say what would be taken back, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl DeleteArgs {
    pub(super) fn request(self) -> DeleteRequest {
        let (names, keep_data, dry_run) = (self.names.names, self.keep_data, self.dry_run);
        DeleteRequest { names, keep_data, dry_run }
    }
}
