//! What a command asks of the engine, and what it gets back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigRequest;
use crate::model::{ArtifactName, ContextName, ImageRef, Key, Namespace, Paths, Platform};
use crate::timeline::Round;

use super::{Exit, Goal};

/// What a command asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// How far the loop goes.
    pub goal: Goal,
    /// Where the configuration is.
    pub config: ConfigRequest,
    /// Images and releases to work on; empty: all.
    pub names: Vec<String>,
    /// `--context`.
    pub context: Option<ContextName>,
    /// `--namespace`.
    pub namespace: Option<Namespace>,
    /// `--platform`; absent: that of the cluster's nodes.
    pub platform: Option<Platform>,
    /// Build although the image is there.
    pub no_cache: bool,
    /// Take back on leaving what was made.
    pub cleanup: bool,
    /// On leaving, leave claims and their data alone.
    pub keep_data: bool,
    /// On leaving, take Helm releases that were there before back to the revision that was found.
    pub roll_back: bool,
    /// Every change of a Helm release goes through Helm.
    pub strict_helm: bool,
    /// Wait until releases are ready.
    pub wait: bool,
    /// Show logs.
    pub tail: bool,
    /// Open local ports.
    pub forward: bool,
    /// Look at files from time to time instead of being told by the system.
    pub poll: bool,
    /// Saves wait for a key.
    pub manual: bool,
    /// Never build: images must be there.
    pub no_build: bool,
    /// Images that are given by reference.
    pub given: BTreeMap<ArtifactName, ImageRef>,
    /// Where every event is written to, as JSON lines.
    pub record: Option<PathBuf>,
    /// Where each round after the first is told, stage by stage.
    pub rounds: Option<mpsc::UnboundedSender<Round>>,
    /// Where wharf keeps its own files.
    pub paths: Paths,
    /// How many builds may run at once.
    pub builds: usize,
}

/// What reaches a running command from outside.
#[derive(Debug)]
pub struct Inbox {
    /// Keys and signals. When the other end is gone, so is the person.
    pub key_rx: mpsc::Receiver<Key>,
    /// Cancelled when nobody reads stdout any more: a command that only shows logs then has
    /// nothing left to do.
    pub stdout_closed: CancellationToken,
}

/// What is left when a command has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// The images of the project by name, as they are to be deployed.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// For `render`: the manifests, as YAML documents in the order of deploying.
    pub manifests: String,
}

impl Outcome {
    /// Nothing came of it.
    #[must_use]
    pub fn of(exit: Exit) -> Self {
        Self { exit, images: BTreeMap::new(), manifests: String::new() }
    }
}
