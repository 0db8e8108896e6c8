//! Configurations that lie in other repositories: cloned once, and brought up to date as asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::tools::{ToolError, Tools};

use super::super::error::Problem;
use super::super::node::{Fault, Node};
use super::addresses::cache_folder;

/// A repository of some hundred megabytes over a slow line.
const LIMIT: Duration = Duration::from_secs(600);

/// Where clones lie, below wharf's cache folder.
const FOLDER: &str = "repos";

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
    is_offline: bool,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

impl Repositories {
    pub(super) fn new(
        environment: &BTreeMap<String, String>,
        home: Option<&Path>,
        is_offline: bool,
    ) -> Self {
        let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let usual = || cache_folder(environment, home).join(FOLDER);
        let cache = given("SKAFFOLD_REMOTE_CACHE_DIR").map_or_else(usual, PathBuf::from);
        let policy = match given("SKAFFOLD_SYNC_REMOTE_CACHE").map(String::as_str) {
            _ if is_offline => Policy::Never,
            Some("missing") => Policy::Missing,
            Some("never") => Policy::Never,
            _ => Policy::Always,
        };
        let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
        // Nobody is there to type a password.
        let tools = Tools::new(variables.collect()).with_variable("GIT_TERMINAL_PROMPT", "0");
        Self { tools, cache, policy, known: BTreeMap::new(), is_offline, notes: vec![] }
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
            let lacks_it = ["pathspec", "remote ref", "reference is not a tree"];
            match git.get("ref").filter(|_| lacks_it.iter().any(|words| why.contains(words))) {
                Some(node) => node.fault(Problem::Conflict {
                    what: format!("the repository `{repository}` has no `{reference}`"),
                    help: format!("what it has: `git ls-remote {repository}`"),
                }),
                None => git.fault(Problem::Conflict {
                    what: format!("the repository `{repository}` could not be read: {why}"),
                    help: format!("try it: `git clone {repository}`"),
                }),
            }
        })?;
        self.known.insert(key, folder.clone());
        Ok(folder.join(below))
    }

    fn brought(
        &mut self,
        repository: &str,
        reference: &str,
        asked: Option<bool>,
    ) -> Result<PathBuf, String> {
        let hash = hex::encode(Sha256::digest(format!("{repository}\n{reference}")));
        let folder = self.cache.join(&hash[..16]);
        let is_there = folder.join(".git").is_dir();
        match (is_there, self.policy) {
            (false, Policy::Never) => {
                let flag = match self.is_offline {
                    true => "--offline",
                    false => "--sync-remote-cache=never",
                };
                return Err(format!("it is not in the cache, and `{flag}` asks nobody"));
            }
            (false, Policy::Always | Policy::Missing) => {
                self.clone(repository, reference, &folder)?;
            }
            // A clone that may keep changes of a person's is left alone.
            (true, _) if asked == Some(false) => {}
            (true, Policy::Always) => self.refresh(repository, reference, &folder)?,
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
        // All of the history is only fetched for what is neither a branch nor a tag.
        let one = ["clone", "--quiet", "--depth", "1", "--branch", reference, "--"];
        let is_there = !reference.is_empty()
            && self.git(&self.cache, &[&one[..], &[repository, &target]].concat()).is_ok();
        if !is_there {
            let _ = std::fs::remove_dir_all(&inside);
            self.git(&self.cache, &["clone", "--quiet", "--", repository, &target])?;
            let usual = self.usual_branch(&inside);
            let wanted = if reference.is_empty() { usual.as_str() } else { reference };
            self.git(&inside, &["checkout", "--quiet", wanted])?;
        }
        std::fs::rename(&inside, folder).map_err(|error| error.to_string())
    }

    /// Brings a clone to what its repository has.
    fn refresh(&mut self, address: &str, reference: &str, folder: &Path) -> Result<(), String> {
        let is_known = |name: &str| {
            self.git(folder, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
                .is_ok()
        };
        let is_hash = reference.len() >= 7 && reference.chars().all(|c| c.is_ascii_hexdigit());
        if is_hash && is_known(reference) && !is_known(&format!("origin/{reference}")) {
            return Ok(());
        }
        let what: &[&str] = if reference.is_empty() { &[] } else { &[reference] };
        let fetched =
            self.git(folder, &[&["fetch", "--quiet", "--force", "origin"], what].concat());
        match fetched {
            Ok(_) => {
                let usual = format!("origin/{}", self.usual_branch(folder));
                let wanted = if reference.is_empty() { usual.as_str() } else { "FETCH_HEAD" };
                self.git(folder, &["reset", "--quiet", "--hard", wanted]).map(drop)
            }
            Err(why) if why.contains("remote ref") => Err(why),
            // Whoever is on a train goes on with what is there.
            Err(why) => {
                self.notes.push(format!(
                    "the repository `{address}` is taken from the cache, as it could not be \
                     brought up to date: {why}"
                ));
                Ok(())
            }
        }
    }

    /// The branch that is meant where none is named.
    fn usual_branch(&self, folder: &Path) -> String {
        let is_there = |name: &&str| {
            let name = format!("refs/remotes/origin/{name}");
            self.git(folder, &["rev-parse", "--verify", "--quiet", &name]).is_ok()
        };
        ["master", "main"].into_iter().find(is_there).unwrap_or("HEAD").to_owned()
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
