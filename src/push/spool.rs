//! A blob as it comes out of the Engine, kept until the registry has it: an Engine does not say it
//! twice. The file has no name, so it is gone with the process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::model::Digest;
use crate::oci;

use super::registry::Trouble;

/// How much is written and hashed at a time, away from the threads that wait.
const WRITE_BYTES: usize = 1 << 20;

/// What is there of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Filled {
    pub(super) bytes: u64,
    /// Present once it is whole.
    pub(super) digest: Option<Digest>,
    /// It never will be.
    broken: bool,
}

/// A blob that is read while it grows.
#[derive(Debug)]
pub(super) struct Spool {
    file: Arc<File>,
    filled: watch::Sender<Filled>,
}

/// The end into which the blob goes.
#[derive(Debug)]
pub(super) struct Filler {
    spool: Arc<Spool>,
    hasher: Option<Sha256>,
    pending: BytesMut,
}

impl Spool {
    /// An empty one, in a file below `folder`.
    pub(super) fn new(folder: &Path) -> std::io::Result<(Arc<Self>, Filler)> {
        let file = Arc::new(tempfile::tempfile_in(folder)?);
        let spool = Arc::new(Self { file, filled: watch::Sender::default() });
        let filler = Filler {
            spool: Arc::clone(&spool),
            hasher: Some(Sha256::new()),
            pending: BytesMut::new(),
        };
        Ok((spool, filler))
    }

    /// How much is there now.
    pub(super) fn bytes(&self) -> u64 {
        self.filled.borrow().bytes
    }

    /// What is there as soon as that is `bytes`, or the whole.
    pub(super) async fn wait_for(&self, bytes: u64) -> Result<Filled, Trouble> {
        let mut seen = self.filled.subscribe();
        let enough =
            |filled: &Filled| filled.broken || filled.digest.is_some() || filled.bytes >= bytes;
        let filled = match seen.wait_for(enough).await {
            Ok(filled) => filled.clone(),
            Err(_) => Filled { broken: true, ..Filled::default() },
        };
        if filled.broken {
            return Err(Trouble::Here("the Engine did not send the layer to its end".to_owned()));
        }
        Ok(filled)
    }

    /// A part of it, which is there.
    pub(super) async fn read(&self, at: u64, length: u64) -> Result<Bytes, Trouble> {
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut bytes, at).map(|()| Bytes::from(bytes))
        });
        match read.await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(Trouble::Here(format!("a layer cannot be read back: {error}"))),
            Err(error) => Err(Trouble::Here(error.to_string())),
        }
    }
}

impl Filler {
    /// Takes some more of it.
    pub(super) async fn add(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() < WRITE_BYTES {
            return Ok(());
        }
        self.write().await
    }

    /// What was taken and is not in the file yet.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.pending.len() as u64
    }

    async fn write(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.pending).freeze();
        let Some(mut hasher) = self.hasher.take() else {
            return Err(std::io::Error::other("writing was broken off before"));
        };
        let (file, at, length) =
            (Arc::clone(&self.spool.file), self.spool.bytes(), bytes.len() as u64);
        let written = tokio::task::spawn_blocking(move || {
            file.write_all_at(&bytes, at)?;
            hasher.update(&bytes);
            Ok::<_, std::io::Error>(hasher)
        });
        self.hasher = Some(written.await.map_err(std::io::Error::other)??);
        self.spool.filled.send_modify(|filled| filled.bytes = at + length);
        Ok(())
    }

    /// It is whole, and should be `promised`; whether it is.
    pub(super) async fn finish(mut self, promised: &Digest) -> std::io::Result<bool> {
        self.write().await?;
        let Some(hasher) = self.hasher.take() else { return Ok(false) };
        let digest = oci::digest_of(hasher);
        let is_right = digest == *promised;
        self.spool.filled.send_modify(|filled| {
            filled.broken = !is_right;
            filled.digest = is_right.then_some(digest);
        });
        Ok(is_right)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.spool.filled.send_modify(|filled| filled.broken |= filled.digest.is_none());
    }
}
