//! What `dev`, `run`, `build`, `deploy` and `render` have in common: the loop and its options.

use std::path::PathBuf;

use crate::bench::Edits;
use crate::model::{ContextName, Namespace, Platform};

use super::global::GlobalArgs;

/// Which command of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopCommand {
    /// Live, and following each save until Ctrl+C.
    Dev,
    /// Live once.
    Run,
    /// Images only.
    Build,
    /// Live once, from images that are there.
    Deploy,
    /// Manifests only.
    Render,
}

/// What a person asked of the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopOptions {
    /// Which command it is.
    pub command: LoopCommand,
    /// The configuration file, absent: the folder's own.
    pub file: Option<PathBuf>,
    /// Profiles, in order.
    pub profiles: Vec<String>,
    /// Images and releases to work on, with what they need; empty: all.
    pub names: Vec<String>,
    /// The context that was asked for.
    pub context: Option<ContextName>,
    /// The namespace that was asked for.
    pub namespace: Option<Namespace>,
    /// The platform that images are built for; absent: the nodes'.
    pub platform: Option<Platform>,
    /// Build anew, whatever is there.
    pub no_cache: bool,
    /// Take back on leaving what was made.
    pub cleanup: bool,
    /// Keep claims for volumes when taking back.
    pub keep_data: bool,
    /// Take releases that were installed before back to what was found.
    pub roll_back: bool,
    /// Saves wait for a key.
    pub manual: bool,
    /// Look at files again and again instead of asking the system for events.
    pub poll: bool,
    /// Every change of a Helm release goes through Helm.
    pub strict_helm: bool,
    /// Wait until releases are ready.
    pub wait: bool,
    /// Show logs.
    pub tail: bool,
    /// Open local ports.
    pub port_forward: bool,
    /// Files of images that `build` wrote, or `NAME=IMAGE`; they are not built.
    pub images: Vec<String>,
    /// Ask neither the cluster nor the network.
    pub offline: bool,
    /// Files of manifests, instead of what the configuration deploys.
    pub manifests: Vec<PathBuf>,
    /// The form in which `build` prints its images, as a template.
    pub template: Option<String>,
    /// Where `render` writes, instead of stdout.
    pub output: Option<PathBuf>,
    /// Where `build` writes its images.
    pub file_output: Option<PathBuf>,
    /// Edits that are made and measured.
    pub edits: Option<Edits>,
    /// Where the session's events are written.
    pub record: Option<PathBuf>,
}

impl LoopOptions {
    /// The options of `command` as far as `global` and the default say.
    #[must_use]
    pub fn new(command: LoopCommand, names: Vec<String>, global: &GlobalArgs) -> Self {
        let stays = command == LoopCommand::Dev;
        Self {
            command,
            file: global.file.clone(),
            profiles: global.profile.clone(),
            names,
            context: global.context.clone(),
            namespace: global.namespace.clone(),
            platform: None,
            no_cache: false,
            cleanup: stays,
            keep_data: false,
            roll_back: false,
            manual: false,
            poll: false,
            strict_helm: false,
            wait: true,
            tail: stays,
            port_forward: stays,
            images: vec![],
            offline: false,
            manifests: vec![],
            template: None,
            output: None,
            file_output: None,
            edits: None,
            record: None,
        }
    }

    /// Whether the command goes on until it is interrupted.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.command == LoopCommand::Dev || self.tail || self.port_forward
    }
}
