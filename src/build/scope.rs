//! What every build of a session shares.

use std::path::PathBuf;
use std::sync::Arc;

use crate::docker::{Credentials, Engine};
use crate::files::StatCache;
use crate::model::Platform;
use crate::tools::Tools;

use super::RemoteSources;

/// What every build of a session shares.
#[derive(Clone)]
pub struct BuildScope {
    /// Finds programs and knows the environment that wharf was started with.
    pub tools: Tools,
    /// Builds, and knows the base images that it has.
    pub engine: Engine,
    /// For base images in registries.
    pub credentials: Credentials,
    /// The project's state directory: digests and logs of the last builds lie here.
    pub state_dir: PathBuf,
    /// Content hashes of files by their metadata.
    pub cache: Arc<StatCache>,
    /// What remote `ADD` sources were when they were asked last.
    pub remote: Arc<RemoteSources>,
    /// What images are built for unless an artifact asks for another platform.
    pub platform: Platform,
    /// The project's folder: paths told to a person are relative to it.
    pub root: PathBuf,
}
