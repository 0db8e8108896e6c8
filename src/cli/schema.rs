//! `wharf schema`.

use clap::Args;

use super::global::examples;

/// Print the JSON Schema of wharf.yaml, for editors
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("wharf schema > wharf.schema.json", "then, in wharf.yaml:"),
    ("# yaml-language-server: $schema=wharf.schema.json", ""),
]))]
pub struct SchemaArgs {}
