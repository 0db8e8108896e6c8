//! Where wharf keeps its own files.

use std::path::PathBuf;

/// Folders of the person who runs wharf, all absolute; `cli` finds them once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What outlives a session: journals, the stat cache, build logs.
    pub state: PathBuf,
    /// What ends with the session: sockets, the private kubeconfig.
    pub runtime: PathBuf,
    /// What may be deleted at any time.
    pub cache: PathBuf,
    /// The person's home.
    pub home: PathBuf,
    /// The folder that relative paths of the command line belong to.
    pub cwd: PathBuf,
}
