//! Runs other programs: helm, kind, kubectl, the user's own commands.
//!
//! Comes in: a program, arguments, a time limit, a way to be cancelled. Goes out: its output, or
//! a [`ToolError`] that shows the command as it can be pasted into a shell. Every child leads its
//! own process group, so that Ctrl+C reaches wharf first, and the group ends with the call: by
//! SIGTERM, a grace period, then SIGKILL. Where wharf itself is killed, the next one ends what it
//! left, which it knows by a variable of theirs. Knows nothing of what the programs are for.
//!
//! The group is wharf's own, not process-wrap's, which ends only the leader when it is dropped.

mod command;
mod error;
mod group;
mod orphans;
mod piped;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

pub use command::{Output, ToolCommand};
pub use error::ToolError;
pub use group::kill_all;
pub use piped::Piped;

/// Where programs are found and which environment they get; made once by `cli`.
#[derive(Debug, Clone)]
pub struct Tools {
    environment: Arc<BTreeMap<OsString, OsString>>,
}

impl Tools {
    /// Tools found on the `PATH` of `environment`; children get this environment, and a mark of
    /// whose they are.
    #[must_use]
    pub fn new(environment: BTreeMap<OsString, OsString>) -> Self {
        Self { environment: Arc::new(environment) }
    }

    /// The same tools, whose children also get `name=value`.
    #[must_use]
    pub fn with_variable(&self, name: &str, value: impl Into<OsString>) -> Self {
        let mut environment = self.environment.as_ref().clone();
        environment.insert(name.into(), value.into());
        Self { environment: Arc::new(environment) }
    }

    /// The same tools, whose children do not get `name`.
    #[must_use]
    pub fn without_variable(&self, name: &str) -> Self {
        let mut environment = self.environment.as_ref().clone();
        environment.remove(std::ffi::OsStr::new(name));
        Self { environment: Arc::new(environment) }
    }

    /// A variable of the environment that children get.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(std::ffi::OsStr::new(name))
    }

    /// The variables that are text, for `${NAME}` in the configuration.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let text = |value: &OsString| value.to_str().map(str::to_owned);
        let pairs = self.environment.iter();
        pairs.filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
    }

    /// Where `program` lies on the `PATH`, if it is there and may be executed.
    #[must_use]
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            let path = PathBuf::from(program);
            return group::is_executable(&path).then_some(path);
        }
        let path = self.variable("PATH")?;
        std::env::split_paths(path)
            .map(|folder| folder.join(program))
            .find(|candidate| group::is_executable(candidate))
    }

    /// Ends what a killed wharf of the same person has left running; returns the commands.
    pub async fn end_orphans(&self) -> Vec<String> {
        orphans::end_orphans(&self.environment).await
    }

    /// A command that runs `program`.
    #[must_use]
    pub fn command(&self, program: &str) -> ToolCommand {
        ToolCommand::new(self.clone(), program)
    }

    pub(crate) fn environment(&self) -> &BTreeMap<OsString, OsString> {
        &self.environment
    }
}
