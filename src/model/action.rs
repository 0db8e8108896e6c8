//! What is run to its end beside the loop: verifications, custom actions, tests of images.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Everything of the kind that a configuration has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checks {
    /// Commands on this machine that look at an image.
    pub tests: Vec<ImageTest>,
    /// What `wharf verify` runs, all at once.
    pub verify: Vec<Action>,
    /// What `wharf exec` runs, one at a time by its name.
    pub actions: Vec<Action>,
}

/// A command on this machine that looks at an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTest {
    /// The image, as manifests call it.
    pub image: String,
    /// Run by `sh -c`, with the reference as `IMAGE`.
    pub command: String,
    /// The folder that it runs in.
    pub dir: PathBuf,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// Containers that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What people call it.
    pub name: String,
    /// What it runs, all at once.
    pub containers: Vec<ActionContainer>,
    /// Whether the first failure ends the others.
    pub fail_fast: bool,
    /// How long it may take.
    pub limit: Option<Duration>,
    /// Where it runs.
    pub place: ActionPlace,
}

/// A container that is run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionContainer {
    /// What people call it.
    pub name: String,
    /// Its image; the name of one of the project's means that one.
    pub image: String,
    /// Instead of the image's entry point.
    pub command: Vec<String>,
    /// Instead of the image's arguments.
    pub args: Vec<String>,
    /// Variables, in order.
    pub env: Vec<(String, String)>,
}

/// Where an action's containers run.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionPlace {
    /// In Docker, on this machine.
    Local,
    /// As Jobs in the cluster.
    Cluster {
        /// The Job that the container is put into; absent: one of nothing else.
        job: Option<Value>,
        /// What is laid over its template of a pod.
        overrides: Option<Value>,
    },
}
