//! Manifests that stand at an address of the web: downloaded into the cache, asked for again at
//! each start, used as they were last time where the server cannot be reached.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use http::header::ETAG;
use sha2::{Digest as _, Sha256};

use crate::download;
use crate::files;

use super::super::error::Problem;
use super::super::node::{Fault, Node};

/// A manifest of some megabytes over a slow line.
const LIMIT: Duration = Duration::from_secs(30);

/// Where files lie, below wharf's cache folder.
const FOLDER: &str = "manifests";

/// Finds what stands at addresses on this disk.
pub(super) struct Addresses {
    cache: PathBuf,
    is_offline: bool,
    /// What a person should know.
    notes: RefCell<Vec<String>>,
}

/// Wharf's cache folder, as the environment says.
pub(super) fn cache_folder(environment: &BTreeMap<String, String>, home: Option<&Path>) -> PathBuf {
    let base = environment.get("XDG_CACHE_HOME").filter(|value| !value.is_empty());
    let base = base.map(PathBuf::from).or_else(|| home.map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("wharf")
}

impl Addresses {
    pub(super) fn new(
        environment: &BTreeMap<String, String>,
        home: Option<&Path>,
        is_offline: bool,
    ) -> Self {
        let cache = cache_folder(environment, home).join(FOLDER);
        Self { cache, is_offline, notes: RefCell::default() }
    }

    /// What is to be said about the files that were found.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    /// The file with what stands at `url`, which `node` names.
    pub(super) fn file(&self, node: &Node, url: &str) -> Result<PathBuf, Fault> {
        let hash = hex::encode(Sha256::digest(url));
        let file = self.cache.join(format!("{}.yaml", &hash[..16]));
        let refuse = |why: &str, help: &str| {
            let what = format!("the manifest `{url}` could not be read: {why}");
            Err(node.fault(Problem::Conflict { what, help: help.to_owned() }))
        };
        let is_there = file.is_file();
        if self.is_offline {
            return match is_there {
                true => Ok(file),
                false => refuse(
                    "it is not in the cache, and `--offline` asks nobody",
                    "leave `--offline` out once, or download it to a file and name that",
                ),
            };
        }
        let mark = file.with_extension("etag");
        let known = is_there.then(|| std::fs::read_to_string(&mark).ok()).flatten();
        let try_it = "try it: `curl -L URL`; or download it to a file, and name that";
        let answer = match download::get_blocking(url, known.as_deref(), LIMIT) {
            Ok(answer) => answer,
            Err(why) if is_there => {
                let told = format!("the manifest `{url}` is taken from the cache: {why}");
                self.notes.borrow_mut().push(told);
                return Ok(file);
            }
            Err(why) => return refuse(&why, try_it),
        };
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(file);
        }
        if !answer.status.is_success() {
            return refuse(&format!("the server says {}", answer.status), try_it);
        }
        let is_same = std::fs::read(&file).is_ok_and(|before| before == answer.body);
        let kept = || -> Result<(), String> {
            std::fs::create_dir_all(&self.cache).map_err(|error| error.to_string())?;
            // A file that says the same keeps its time, so that nothing is rendered anew.
            if !is_same {
                let written = files::write_atomically(&file, &answer.body, 0o644);
                written.map_err(|error| error.failure().what)?;
            }
            match answer.header(ETAG.as_str()) {
                Some(etag) => std::fs::write(&mark, etag).map_err(|error| error.to_string()),
                None => {
                    drop(std::fs::remove_file(&mark));
                    Ok(())
                }
            }
        };
        match kept() {
            Ok(()) => Ok(file),
            Err(why) => refuse(&why, "see whether the cache folder can be written to"),
        }
    }
}
