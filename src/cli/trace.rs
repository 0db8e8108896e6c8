//! `wharf trace`.

use clap::Args;

use crate::model::ContextName;
use crate::ops::TraceRequest;

use super::global::examples;
use super::parts::NameArgs;

/// Show the last rounds of `dev`, stage by stage, and what is usual
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf trace", "the last rounds, also while `wharf dev` runs"),
    ("wharf trace api --last 20", "one image or release"),
    ("wharf trace --json", "all of it, for a program"),
]))]
pub struct TraceArgs {
    #[command(flatten)]
    names: NameArgs,
    /// How many rounds; fifty are kept
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    last: usize,
}

impl TraceArgs {
    pub(super) fn request(self, context: Option<ContextName>, columns: usize) -> TraceRequest {
        TraceRequest { names: self.names.names, last: self.last, context, columns }
    }
}
