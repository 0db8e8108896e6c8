//! The one place that reads the environment. Its folders are found here, not by etcetera, which
//! would read it by itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use crate::model::Paths;
use crate::report::Failure;
use crate::tools::Tools;
use crate::ui::Wishes;

/// What wharf was started in.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    variables: BTreeMap<OsString, OsString>,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub(super) fn read() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
        let variables = std::env::vars_os().collect();
        Self {
            variables,
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// The same with further variables.
    #[must_use]
    pub(super) fn with(mut self, variables: &[(String, String)]) -> Self {
        let pairs = variables.iter();
        self.variables.extend(pairs.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Whether stderr, or else stdout, is a terminal.
    pub(super) fn is_terminal(&self, stderr: bool) -> bool {
        if stderr { self.stderr_is_terminal } else { self.stdout_is_terminal }
    }

    /// How many columns text on stdout may take: those of the terminal, else what `COLUMNS` says.
    pub(super) fn columns(&self) -> usize {
        self.known_columns().unwrap_or(80).clamp(40, 500)
    }

    /// The same where somebody says it.
    pub(super) fn known_columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let size = size.map(|size| usize::from(size.ws_col)).filter(|_| self.stdout_is_terminal);
        let said = || self.filled("COLUMNS")?.to_str()?.parse().ok();
        size.filter(|columns| *columns > 0).or_else(said)
    }

    /// Programs as this environment finds them.
    pub(super) fn tools(&self) -> Tools {
        Tools::new(self.variables.clone())
    }

    /// The person's home.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.folder("HOME").or_else(std::env::home_dir)
    }

    /// What it says about output.
    pub(super) fn wishes(&self) -> Wishes {
        let text = |name: &str| self.filled(name).map(|value| value.to_string_lossy());
        Wishes {
            no_colour: text("NO_COLOR").is_some(),
            clicolour_off: text("CLICOLOR").is_some_and(|value| value == "0"),
            clicolour_force: text("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            dumb: text("TERM").is_some_and(|value| value == "dumb"),
        }
    }

    /// Wharf's own folders, by the XDG Base Directory Specification; relative values count as
    /// unset there: <https://specifications.freedesktop.org/basedir-spec/latest/>.
    pub(super) fn paths(&self) -> Result<Paths, Failure> {
        let cwd = std::env::current_dir().map_err(|error| {
            Failure::request("wharf::cli::no_folder", "the current folder cannot be found")
                .because(error.to_string())
                .help("go to a folder that exists, or name one with `-C DIR`")
        })?;
        let home = self.home().ok_or_else(|| {
            Failure::request("wharf::cli::no_home", "there is no home folder")
                .help("set HOME to a folder that you may write to")
        })?;
        let below = |name: &str, usual: &str| {
            self.folder(name).unwrap_or_else(|| home.join(usual)).join("wharf")
        };
        let state = below("XDG_STATE_HOME", ".local/state");
        let cache = below("XDG_CACHE_HOME", ".cache");
        let runtime = self.folder("XDG_RUNTIME_DIR").filter(|path| path.is_dir());
        let runtime = runtime.map_or_else(|| state.join("run"), |path| path.join("wharf"));
        Ok(Paths { state, runtime, cache, home, cwd })
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        self.filled(name).map(PathBuf::from).filter(|path| Path::is_absolute(path))
    }

    fn filled(&self, name: &str) -> Option<&OsString> {
        self.variables.get(OsStr::new(name)).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
impl Environment {
    /// An environment of these variables alone, without a terminal.
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        let variables =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { variables, stdout_is_terminal: false, stderr_is_terminal: false }
    }
}
