//! Configurations that lie in other repositories: cloned once, and brought up to date as asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::tools::{ToolError, Tools};

use super::super::error::Problem;
use super::super::node::{Fault, Node};

/// A repository of some hundred megabytes over a slow line.
const LIMIT: Duration = Duration::from_secs(600);

/// Where clones lie, below the cache folder.
const FOLDER: &str = "wharf/repos";

/// When a clone is brought up to date, besides what each requirement says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Always,
    /// Only cloned where it is missing.
    Missing,
    /// Neither.
    Never,
}

/// Finds the repositories of `requires.git` on this disk.
pub(super) struct Repositories {
    tools: Tools,
    cache: PathBuf,
    policy: Policy,
    /// Those that were looked after already, by address and reference.
    known: BTreeMap<(String, String), PathBuf>,
}

impl Repositories {
    pub(super) fn new(environment: &BTreeMap<String, String>, home: Option<&Path>) -> Self {
        let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let usual = || {
            let base = given("XDG_CACHE_HOME").map(PathBuf::from);
            let base = base.or_else(|| home.map(|home| home.join(".cache")));
            base.unwrap_or_else(std::env::temp_dir).join(FOLDER)
        };
        let cache = given("SKAFFOLD_REMOTE_CACHE_DIR").map_or_else(usual, PathBuf::from);
        let policy = match given("SKAFFOLD_SYNC_REMOTE_CACHE").map(String::as_str) {
            Some("missing") => Policy::Missing,
            Some("never") => Policy::Never,
            _ => Policy::Always,
        };
        let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
        // Nobody is there to type a password.
        let tools = Tools::new(variables.collect()).with_variable("GIT_TERMINAL_PROMPT", "0");
        Self { tools, cache, policy, known: BTreeMap::new() }
    }

    /// The folder or file that `git` names, in a clone.
    pub(super) fn find(&mut self, git: &Node) -> Result<PathBuf, Fault> {
        let repository = git.text_of("repo").unwrap_or_default().to_owned();
        if repository.is_empty() {
            return Err(git.fault(Problem::MissingKey {
                key: "repo",
                within: "this requirement".to_owned(),
                example: "repo: https://example.com/app.git".to_owned(),
            }));
        }
        let reference = git.text_of("ref").unwrap_or_default().to_owned();
        let below = git.text_of("path").unwrap_or(".").trim_start_matches("./").to_owned();
        let key = (repository.clone(), reference.clone());
        if let Some(folder) = self.known.get(&key) {
            return Ok(folder.join(below));
        }
        let asked = git.get("sync").and_then(Node::truth);
        let folder = self.brought(&repository, &reference, asked).map_err(|why| {
            git.fault(Problem::Conflict {
                what: format!("the repository `{repository}` could not be read: {why}"),
                help: format!("try it: `git clone {repository}`"),
            })
        })?;
        self.known.insert(key, folder.clone());
        Ok(folder.join(below))
    }

    fn brought(
        &self,
        repository: &str,
        reference: &str,
        asked: Option<bool>,
    ) -> Result<PathBuf, String> {
        let hash = hex::encode(Sha256::digest(format!("{repository}\n{reference}")));
        let folder = self.cache.join(&hash[..16]);
        let is_there = folder.join(".git").is_dir();
        match (is_there, self.policy) {
            (false, Policy::Never) => {
                return Err("it is not in the cache, and `--sync-remote-cache=never`".to_owned());
            }
            (false, Policy::Always | Policy::Missing) => {
                self.clone(repository, reference, &folder)?;
            }
            // A clone that may keep changes of a person's is left alone.
            (true, _) if asked == Some(false) => {}
            (true, Policy::Always) => self.refresh(reference, &folder)?,
            (true, Policy::Missing | Policy::Never) => {}
        }
        Ok(folder)
    }

    fn clone(&self, repository: &str, reference: &str, folder: &Path) -> Result<(), String> {
        std::fs::create_dir_all(&self.cache).map_err(|error| error.to_string())?;
        // A clone that is interrupted must not be taken for one.
        let made = tempfile::Builder::new().prefix("clone-").tempdir_in(&self.cache);
        let made = made.map_err(|error| error.to_string())?;
        let inside = made.path().join("repo");
        let target = inside.display().to_string();
        self.git(&self.cache, &["clone", "--quiet", "--", repository, &target])?;
        if !reference.is_empty() {
            self.git(&inside, &["checkout", "--quiet", reference])?;
        }
        std::fs::rename(&inside, folder).map_err(|error| error.to_string())
    }

    fn refresh(&self, reference: &str, folder: &Path) -> Result<(), String> {
        self.git(folder, &["fetch", "--quiet", "--tags", "--force", "origin"])?;
        let wanted = if reference.is_empty() { "HEAD" } else { reference };
        let remote = format!("origin/{wanted}");
        let is_branch = self.git(folder, &["rev-parse", "--verify", "--quiet", &remote]).is_ok();
        let wanted = if is_branch { remote.as_str() } else { reference };
        self.git(folder, &["reset", "--quiet", "--hard", wanted]).map(drop)
    }

    fn git(&self, folder: &Path, words: &[&str]) -> Result<String, String> {
        let command = self.tools.command("git").args(words).folder(folder).time_limit(LIMIT);
        match command.run_blocking() {
            Ok(output) => Ok(output.text()),
            Err(ToolError::Missing { .. }) => Err("git is not installed".to_owned()),
            Err(error) => {
                Err(error.output_tail().last().cloned().unwrap_or_else(|| error.to_string()))
            }
        }
    }
}
