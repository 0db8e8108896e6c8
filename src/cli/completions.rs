//! `wharf completions`, and completing itself.

use std::ffi::OsStr;

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use clap_complete::env::CompleteEnv;

use super::global::examples;

/// Print a shell's completions
#[derive(Debug, Clone, Args)]
#[command(after_help = examples(&[
    ("source <(wharf completions --dynamic bash)", "in ~/.bashrc: completes names of images too"),
    ("wharf completions zsh > ~/.zfunc/_wharf", "without starting wharf at each completion"),
]))]
pub struct CompletionsArgs {
    /// The shell
    pub(super) shell: Shell,
    /// A short script that asks wharf itself, which also knows images and releases
    #[arg(long)]
    pub(super) dynamic: bool,
}

/// Answers a shell that asks for completions; `false` when none does.
///
/// Comes before anything else, since people wait for it at every press of the Tab key.
pub fn complete() -> Result<bool, clap::Error> {
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(super::command).try_complete(std::env::args_os(), folder.as_deref())
}

/// The script for `shell`.
pub(super) fn script(args: &CompletionsArgs, program: &OsStr) -> String {
    let mut bytes = Vec::new();
    if args.dynamic {
        let name =
            args.shell.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
        let shells = clap_complete::env::Shells::builtins();
        if let Some(shell) = shells.completer(&name) {
            let program = program.to_string_lossy();
            // Writing into memory cannot fail.
            let _ = shell.write_registration("COMPLETE", "wharf", "wharf", &program, &mut bytes);
        }
    } else {
        clap_complete::generate(args.shell, &mut super::command(), "wharf", &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
