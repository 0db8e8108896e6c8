//! The command line: one file per subcommand, flags and help text, flags to options.
//!
//! Comes in: arguments and the environment, which nobody else reads. Goes out: a call of
//! `engine` or `ops`, and the exit code. Decides nothing else.

mod apply;
mod bench;
mod build;
mod checks;
mod completions;
mod config;
mod delete;
mod deploy;
mod dev;
mod dispatch;
mod doctor;
mod environment;
mod global;
mod init;
mod inputs;
mod log_file;
mod logs;
mod loop_command;
mod loop_options;
mod names;
mod parts;
mod post_render;
mod render;
mod run;
mod schema;
mod status;
#[cfg(test)]
mod tests;
mod trace;
mod version;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::ui;
use crate::ui::Colour;

use environment::Environment;

pub use completions::complete;
pub use dispatch::dispatch;
pub use global::GlobalArgs;
pub use loop_options::{LoopCommand, LoopOptions};
pub use post_render::post_render;

/// The Kubernetes inner loop: save a file, and the change runs in the cluster
#[derive(Debug, Clone, Parser)]
#[command(name = "wharf", version, styles = global::STYLES, infer_subcommands = false,
          arg_required_else_help = true, disable_help_subcommand = true, max_term_width = WIDEST)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Variables as if they had been set, from flags that wharf has by another name.
    #[arg(skip)]
    pub variables: Vec<(String, String)>,
    /// What a person should know about such flags.
    #[arg(skip)]
    pub remarks: Vec<String>,
    /// Flags that only a configuration of Skaffold's knows.
    #[arg(skip)]
    pub theirs: Vec<&'static str>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
#[expect(missing_docs, reason = "each is documented at its arguments")]
pub enum Command {
    Dev(dev::DevArgs),
    Run(run::RunArgs),
    Build(build::BuildArgs),
    Deploy(deploy::DeployArgs),
    Apply(apply::ApplyArgs),
    Render(render::RenderArgs),
    Delete(delete::DeleteArgs),
    Test(checks::TestArgs),
    Verify(checks::VerifyArgs),
    Exec(checks::ExecArgs),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Trace(trace::TraceArgs),
    Bench(bench::BenchArgs),
    Init(init::InitArgs),
    Config(config::ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Version(version::VersionArgs),
}

/// The sections of the list of commands in `wharf --help`.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("The loop", &["dev"]),
    ("Its steps, once", &["run", "build", "deploy", "render", "apply", "delete"]),
    ("Run to its end", &["test", "verify", "exec"]),
    ("Looking", &["status", "logs", "trace", "bench", "config", "doctor"]),
    ("Setting up", &["init", "schema", "completions", "version"]),
];

/// Reads the arguments.
///
/// # Errors
///
/// The exit code, after the help, the version or what is wrong was printed.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let args = with_help_as_a_flag(args.into_iter().collect());
    let reworded = words::reworded(args).map_err(|why| {
        ui::print(&format!("error: {why}\n"), true);
        ExitCode::from(2)
    })?;
    let parsed = command().try_get_matches_from(reworded.args);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    let (variables, remarks, theirs) = (reworded.variables, reworded.remarks, reworded.theirs);
    let parsed = parsed.map(|cli| Cli { variables, remarks, theirs, ..cli });
    parsed.map_err(|error| {
        let environment = Environment::read();
        let to_stderr = error.use_stderr();
        let is_terminal = environment.is_terminal(to_stderr);
        let text = if environment.wishes().colour(Colour::Auto, is_terminal) {
            error.render().ansi().to_string()
        } else {
            error.render().to_string()
        };
        ui::print(&text, to_stderr);
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// `wharf help build` means `wharf build --help`, as people know it from git and cargo. It is not
/// clap's own subcommand, which would list every command twice in the completions.
fn with_help_as_a_flag(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        args.truncate(2);
        args.push("--help".into());
    }
    args
}

/// Says why wharf could not even begin.
pub fn refuse(error: &dyn std::error::Error) -> ExitCode {
    ui::print(&format!("error: {error}\n"), true);
    ExitCode::FAILURE
}

/// The widest that help texts become.
const WIDEST: usize = 100;

/// Where the sentences of the list of commands begin.
const LIST_INDENT: usize = 15;

/// `text` in lines of at most `width` characters, unless a word is longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("it begins with one line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The whole command line, with `wharf --help` in sections.
fn command() -> clap::Command {
    let command = Cli::command();
    let header = global::STYLES.get_header();
    let literal = global::STYLES.get_literal();
    // As wide as clap makes the rest of it.
    let columns = Environment::read().known_columns().unwrap_or(WIDEST).clamp(40, WIDEST);
    let mut list = String::new();
    for (section, names) in SECTIONS {
        list.push_str(&format!("{header}{section}:{header:#}\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let lines = wrapped(&about, columns.saturating_sub(LIST_INDENT));
            let indent = format!("\n{:LIST_INDENT$}", "");
            let about = lines.join(&indent);
            list.push_str(&format!("  {literal}{name:12}{literal:#} {about}\n"));
        }
        list.push('\n');
    }
    let template =
        format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{list}{{all-args}}{{after-help}}");
    let mut shown = command
        .clone()
        .mut_subcommands(|subcommand| subcommand.hide(true))
        .help_template(template)
        .override_usage("wharf [OPTIONS] COMMAND [NAME]...")
        .after_help("`wharf COMMAND --help` says more about a command.");
    let help = shown.render_help();
    command.override_help(help)
}
