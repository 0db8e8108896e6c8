//! Serves the build's files: exactly what was hashed, and only what BuildKit asks for.
//!
//! The protocol is fsutil's: wharf lists paths with their metadata, BuildKit compares them with
//! what it kept of the context's last build, and asks for the content of what differs.
//! <https://github.com/tonistiigi/fsutil/blob/master/send.go>

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use bytes::Bytes;
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::build::{Entry, EntryKind};
use crate::docker::Spawner;

use super::selection::{Wanted, select};

/// How much of a file goes into one packet.
const PACKET_BYTES: usize = 128 * 1024;

/// Files up to this size are read and checked whole before any of it goes over.
const WHOLE_BYTES: u64 = 4 << 20;

/// How many files are read at once.
const READERS: usize = 8;

/// How many packets may wait for the connection; then reading waits too.
const PACKETS_IN_FLIGHT: usize = 64;

/// One folder that BuildKit may ask for, by name.
#[derive(Debug, Clone)]
pub(super) enum Folder {
    /// On disk.
    Disk { root: PathBuf, entries: Arc<Vec<Entry>> },
    /// In memory, such as a Dockerfile whose base images were pinned.
    Memory { entries: Arc<Vec<Entry>>, contents: Arc<BTreeMap<String, Bytes>> },
}

impl Folder {
    /// A folder of files that exist only here.
    pub(super) fn of(files: BTreeMap<String, Bytes>) -> Self {
        let mut entries: Vec<Entry> = files
            .iter()
            .map(|(path, content)| Entry {
                path: path.clone(),
                kind: EntryKind::File {
                    sha256: Sha256::digest(content).into(),
                    size_bytes: content.len() as u64,
                },
                mode: 0o644,
                mtime_ns: 1_000_000_000_000_000_000,
            })
            .collect();
        entries.sort_by(|left, right| Entry::order(&left.path, &right.path));
        Self::Memory { entries: Arc::new(entries), contents: Arc::new(files) }
    }

    fn entries(&self) -> &Arc<Vec<Entry>> {
        match self {
            Self::Disk { entries, .. } | Self::Memory { entries, .. } => entries,
        }
    }
}

/// What went over, and what did not fit.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    stale: Mutex<Option<String>>,
    sent_bytes: std::sync::atomic::AtomicU64,
}

impl Ledger {
    /// The first file that was not what had been hashed.
    pub(super) fn stale(&self) -> Option<String> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of file content that went over.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn is_stale(&self, path: &str) -> Status {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        stale.get_or_insert_with(|| path.to_owned());
        Status::aborted(format!("{path} changed since it was hashed"))
    }
}

/// Serves folders by name.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) folders: Arc<BTreeMap<String, Folder>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) spawner: Spawner,
}

type Packets = mpsc::Sender<Result<Packet, Status>>;

#[tonic::async_trait]
impl FileSync for Files {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;
    type TarStreamStream = ReceiverStream<Result<Packet, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let all = |name: &str| values(request.metadata(), name);
        let name = all("dir-name").pop().unwrap_or_default();
        let wanted = Wanted {
            follow: all("followpaths"),
            include: all("include-patterns"),
            exclude: all("exclude-patterns"),
        };
        tracing::debug!(name, ?wanted, "BuildKit asks for files");
        let Some(folder) = self.folders.get(&name).cloned() else {
            return Err(Status::not_found(format!("there is no build context named {name}")));
        };
        let (packet_tx, packet_rx) = mpsc::channel(PACKETS_IN_FLIGHT);
        // Unbounded: requests must be taken off the connection at once, and there is at most one
        // for each file.
        let (wish_tx, wish_rx) = mpsc::unbounded_channel();
        let mut incoming = request.into_inner();
        self.spawner.spawn(async move {
            while let Ok(Some(packet)) = incoming.message().await {
                if wish_tx.send(packet).is_err() {
                    return;
                }
            }
        });
        let transfer = Transfer {
            chosen: Arc::new(select(folder.entries(), &wanted)),
            folder,
            ledger: Arc::clone(&self.ledger),
        };
        self.spawner.spawn(async move {
            let (listed, answered) =
                tokio::join!(transfer.list(&packet_tx), transfer.answer(wish_rx, &packet_tx));
            if let Err(status) = listed.and(answered) {
                // Nobody listens any more when the build has ended.
                let _ = packet_tx.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(packet_rx)))
    }

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("only DiffCopy is served"))
    }
}

/// All values of a header; those that are no plain text come encoded as in an address.
fn values(metadata: &MetadataMap, name: &str) -> Vec<String> {
    let encoded = metadata.get(format!("{name}-encoded")).is_some();
    let texts = metadata.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.map(|text| if encoded { decoded(text) } else { text.to_owned() }).collect()
}

/// Undoes Go's `url.QueryEscape`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let mut byte = [0];
                if hex::decode_to_slice([*high, *low], &mut byte).is_ok() {
                    bytes.push(byte[0]);
                    rest = after;
                } else {
                    bytes.push(b'%');
                }
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One folder on its way to BuildKit.
struct Transfer {
    folder: Folder,
    /// Indices of the entries that go over; BuildKit names files by their place in this list.
    chosen: Arc<Vec<usize>>,
    ledger: Arc<Ledger>,
}

impl Transfer {
    /// Lists everything, then says that this was all.
    async fn list(&self, packet_tx: &Packets) -> Result<(), Status> {
        let entries = self.folder.entries();
        let stats = self.chosen.iter().map(|&index| Some(stat(&entries[index])));
        for stat in stats.chain(std::iter::once(None)) {
            let packet =
                Packet { r#type: PacketType::PacketStat.into(), stat, ..Packet::default() };
            if packet_tx.send(Ok(packet)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends the content of each file that is asked for, until BuildKit has what it wants.
    async fn answer(
        &self,
        wish_rx: mpsc::UnboundedReceiver<Packet>,
        packet_tx: &Packets,
    ) -> Result<(), Status> {
        let mut ended = None;
        let wishes = UnboundedReceiverStream::new(wish_rx).scan((), |(), packet| {
            let wish = match PacketType::try_from(packet.r#type) {
                Ok(PacketType::PacketReq) => Some(packet.id),
                Ok(PacketType::PacketFin) => {
                    ended = Some(true);
                    None
                }
                _ => None,
            };
            std::future::ready(wish)
        });
        let mut sending = wishes
            .map(|id| async move { self.send(id, packet_tx).await })
            .buffer_unordered(READERS)
            .boxed();
        while let Some(sent) = sending.next().await {
            sent?;
        }
        drop(sending);
        if ended == Some(true) {
            let packet = Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() };
            let _ = packet_tx.send(Ok(packet)).await;
        }
        Ok(())
    }

    async fn send(&self, id: u32, packet_tx: &Packets) -> Result<(), Status> {
        let entry = usize::try_from(id).ok().and_then(|id| self.chosen.get(id));
        let Some(entry) = entry.map(|&index| &self.folder.entries()[index]) else {
            return Err(Status::invalid_argument(format!("there is no file {id}")));
        };
        let EntryKind::File { sha256, size_bytes } = &entry.kind else {
            return Err(Status::invalid_argument(format!("{} is no file", entry.path)));
        };
        match &self.folder {
            Folder::Memory { contents, .. } => {
                let content = contents.get(&entry.path).cloned().unwrap_or_default();
                self.send_bytes(id, &content, packet_tx).await;
            }
            Folder::Disk { root, .. } if *size_bytes <= WHOLE_BYTES => {
                let path = root.join(&entry.path);
                let limit = size_bytes + 1;
                let read = tokio::task::spawn_blocking(move || read_whole(&path, limit)).await;
                let content = read.ok().flatten().filter(|content| {
                    content.len() as u64 == *size_bytes && Sha256::digest(content)[..] == sha256[..]
                });
                let content = content.ok_or_else(|| self.ledger.is_stale(&entry.path))?;
                self.send_bytes(id, &content, packet_tx).await;
            }
            Folder::Disk { root, .. } => {
                let path = root.join(&entry.path);
                let sent = self.send_large(id, &path, *size_bytes, sha256, packet_tx).await;
                sent.map_err(|_| self.ledger.is_stale(&entry.path))?;
            }
        }
        // Without content: the end of the file. It goes over only after the content was checked.
        self.send_data(id, Vec::new(), packet_tx).await;
        Ok(())
    }

    async fn send_bytes(&self, id: u32, content: &[u8], packet_tx: &Packets) {
        for piece in content.chunks(PACKET_BYTES) {
            self.send_data(id, piece.to_vec(), packet_tx).await;
        }
    }

    async fn send_large(
        &self,
        id: u32,
        path: &std::path::Path,
        size_bytes: u64,
        sha256: &[u8; 32],
        packet_tx: &Packets,
    ) -> std::io::Result<()> {
        let file = std::fs::OpenOptions::new();
        let mut file = tokio::fs::OpenOptions::from(no_follow(file)).open(path).await?;
        let (mut hasher, mut count) = (Sha256::new(), 0);
        let mut buffer = vec![0; PACKET_BYTES];
        loop {
            let read = file.read(&mut buffer).await?;
            count += read as u64;
            if read == 0 || count > size_bytes {
                break;
            }
            hasher.update(&buffer[..read]);
            self.send_data(id, buffer[..read].to_vec(), packet_tx).await;
        }
        if count == size_bytes && hasher.finalize()[..] == sha256[..] {
            Ok(())
        } else {
            Err(std::io::ErrorKind::InvalidData.into())
        }
    }

    async fn send_data(&self, id: u32, data: Vec<u8>, packet_tx: &Packets) {
        let length = data.len() as u64;
        let packet = Packet { r#type: PacketType::PacketData.into(), stat: None, id, data };
        if packet_tx.send(Ok(packet)).await.is_ok() {
            self.ledger.sent_bytes.fetch_add(length, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// Opens for reading, but not through a link: the entry was a file when it was hashed.
fn no_follow(mut options: std::fs::OpenOptions) -> std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}

/// At most `limit` bytes of the file at `path`, nothing where it cannot be read.
fn read_whole(path: &std::path::Path, limit: u64) -> Option<Bytes> {
    use std::io::Read as _;
    let file = no_follow(std::fs::OpenOptions::new()).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(limit).read_to_end(&mut content).ok()?;
    Some(content.into())
}

/// Bits of Go's `os.FileMode` that are no permissions: <https://pkg.go.dev/io/fs#FileMode>.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;

fn stat(entry: &Entry) -> Stat {
    let special = [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)];
    let mut mode = entry.mode & 0o777;
    for (unix, go) in special {
        if entry.mode & unix != 0 {
            mode |= go;
        }
    }
    let mut stat = Stat { path: entry.path.clone(), mod_time: entry.mtime_ns, ..Stat::default() };
    match &entry.kind {
        EntryKind::File { sha256, size_bytes } => {
            stat.size = i64::try_from(*size_bytes).unwrap_or(i64::MAX);
            stat.mod_time = sent_mtime(entry.mtime_ns, sha256);
        }
        EntryKind::Directory => mode |= GO_DIRECTORY,
        EntryKind::Symlink { target } => {
            mode = GO_SYMLINK | 0o777;
            stat.size = i64::try_from(target.len()).unwrap_or(i64::MAX);
            stat.linkname.clone_from(target);
        }
    }
    stat.mode = mode;
    stat
}

/// The modification time that goes over: what lies below a millisecond says what the content is.
///
/// BuildKit takes a file for unchanged when size, mode and modification time are what they were.
/// An editor or `cp -p` can change content and keep all three; a time that follows from the
/// content cannot stay the same then, whatever BuildKit has kept, and whoever sent it.
fn sent_mtime(mtime_ns: i64, sha256: &[u8; 32]) -> i64 {
    const MILLISECOND: i64 = 1_000_000;
    let [a, b, c, d, ..] = *sha256;
    let below = i64::from(u32::from_be_bytes([a, b, c, d])) % MILLISECOND;
    mtime_ns.saturating_sub(mtime_ns.rem_euclid(MILLISECOND)).saturating_add(below)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
