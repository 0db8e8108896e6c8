//! Flags that every command takes.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;

use crate::model::{ContextName, Namespace};
use crate::ui::Colour;

use super::names;

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Configuration file, instead of `wharf.yaml` in the folder; - is stdin
    #[arg(short, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath,
          help_heading = PROJECT)]
    pub file: Option<PathBuf>,
    /// Profile whose overrides apply; may be given several times, later ones win
    #[arg(short, long, global = true, value_name = "NAME", help_heading = PROJECT,
          allow_hyphen_values = true, value_delimiter = ',',
          add = ArgValueCandidates::new(names::profiles))]
    pub profile: Vec<String>,
    /// Module of `skaffold.yaml` with what it requires; may be given several times
    #[arg(short, long, global = true, value_name = "NAME", help_heading = PROJECT,
          value_delimiter = ',', add = ArgValueCandidates::new(names::modules))]
    pub module: Vec<String>,
    /// Act as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath,
          help_heading = PROJECT)]
    pub directory: Option<PathBuf>,

    /// Context of the kubeconfig; also the permission for one that is not local
    #[arg(long, global = true, value_name = "NAME", help_heading = CLUSTER,
          add = ArgValueCandidates::new(names::contexts))]
    pub context: Option<ContextName>,
    /// Namespace of everything that names none itself
    #[arg(short, long, global = true, value_name = "NAME", help_heading = CLUSTER,
          add = ArgValueCandidates::new(names::namespaces))]
    pub namespace: Option<Namespace>,

    /// Say more; -vv says what wharf's own parts do
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    /// Say only failures, warnings and what was asked for
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,
    /// One JSON object per report on stdout, for programs
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub json: bool,
    /// Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = OUTPUT)]
    pub color: When,
}

/// Headings of the help text.
pub(super) const PROJECT: &str = "Project";
pub(super) const CLUSTER: &str = "Cluster";
pub(super) const OUTPUT: &str = "Output";

/// When output has colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    // No doc comments here: with them `--help` becomes three times as long as `-h`.
    Auto,
    Always,
    Never,
}

impl From<When> for Colour {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// How help texts look.
pub(super) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The examples below a command's help: `wharf dev api`, then what it does.
pub(super) fn examples(examples: &[(&str, &str)]) -> String {
    let header = STYLES.get_header();
    let literal = STYLES.get_literal();
    let width = examples.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let mut text = format!("{header}Examples:{header:#}");
    for (command, what) in examples {
        text.push_str(&format!("\n  {literal}{command:width$}{literal:#}  {what}"));
    }
    text
}
