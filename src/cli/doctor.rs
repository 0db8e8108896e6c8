//! `wharf doctor`.

use clap::Args;

use super::global::examples;

/// Look at Docker, cluster, Helm and this machine, and say how to mend what is amiss
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf doctor", "ends with 1 when something does not work"),
]))]
pub struct DoctorArgs {}
