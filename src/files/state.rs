//! The state directory: what wharf remembers about one project on one cluster.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use crate::model::{ClusterIdentity, ProjectName};

use super::FilesError;

/// The folder that holds a project's journal, caches and logs. Never inside the project.
///
/// One per project and cluster: the same project on another cluster has another one, and a
/// cluster that was made anew under its old name counts as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens, or makes, the folder below `base` (`$XDG_STATE_HOME/wharf`). Only its owner may
    /// read it.
    ///
    /// # Errors
    ///
    /// [`FilesError::Unwritable`] when it cannot be made.
    pub fn open(
        base: &Path,
        project: &ProjectName,
        identity: &ClusterIdentity,
    ) -> Result<Self, FilesError> {
        let cluster = match identity {
            ClusterIdentity::KubeSystem(uid) => format!("uid {uid}"),
            ClusterIdentity::Server { url, ca_hash } => format!("server {url} {ca_hash}"),
        };
        let cluster = hex::encode(&sha2::Sha256::digest(cluster)[..6]);
        Self::make(base.join(format!("{project}-{cluster}")))
    }

    /// Opens, or makes, the folder of what concerns a project but no cluster, such as plain
    /// builds.
    ///
    /// # Errors
    ///
    /// [`FilesError::Unwritable`] when it cannot be made.
    pub fn open_without_cluster(base: &Path, project: &ProjectName) -> Result<Self, FilesError> {
        Self::make(base.join(project.as_str()))
    }

    fn make(path: PathBuf) -> Result<Self, FilesError> {
        private_folder(&path)?;
        Ok(Self { path })
    }

    /// The folder, absolute if the base was.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder below it, made where it is missing.
    ///
    /// # Errors
    ///
    /// [`FilesError::Unwritable`] when it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf, FilesError> {
        let path = self.path.join(name);
        private_folder(&path)?;
        Ok(path)
    }

    /// Takes the folder for this process alone, until the lock is dropped or the process ends,
    /// however it ends.
    ///
    /// # Errors
    ///
    /// [`FilesError::Locked`] names the process that has it.
    pub fn lock(&self) -> Result<StateLock, FilesError> {
        // A file of its own: a lock on a file that is replaced by renaming locks nothing.
        let path = self.path.join("wharf.lock");
        let refused = |source| FilesError::unwritable(&path, source);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(FilesError::Locked { path, pid: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(refused)?;
        Ok(StateLock { _file: file })
    }
}

/// Holds a [`StateDir`] for this process; dropping it lets go.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Makes `path` and its parents; `path` itself is for its owner only.
fn private_folder(path: &Path) -> Result<(), FilesError> {
    let refused = |source| FilesError::unwritable(path, source);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused)?;
    let mode = path.metadata().map_err(refused)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(refused)?;
    }
    Ok(())
}

/// Replaces the content of `path` with `bytes`: whoever reads it, and whatever interrupts this,
/// sees the old content or the new one. On return it is on the disk.
///
/// # Errors
///
/// [`FilesError::Unwritable`] when the folder is missing, full or not writable.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FilesError> {
    let refused = |source| FilesError::unwritable(path, source);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(refused)?;
    file.write_all(bytes).map_err(refused)?;
    // The umask took its part when the file was made.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(refused)?;
    file.as_file().sync_all().map_err(refused)?;
    file.persist(path).map_err(|error| refused(error.error))?;
    // Without this the new name may be lost by a power cut, though the content is there.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(refused)
}
