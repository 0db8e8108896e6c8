//! Builds by the Engine's classic builder, where it has no BuildKit: the whole context goes over.
//!
//! <https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild>

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::docker::{ClassicBuild, ClassicNews, DockerError, Login};
use crate::model::ImageRef;
use crate::report::ArtifactNews;

use super::buildkit::Order;
use super::run::{Built, log_path};
use super::{BuildError, DockerInputs, Entry, EntryKind, FailedStep};

/// The Dockerfile's name in the archive: no file of the context has it, and the builder removes it
/// before the build.
const DOCKERFILE: &str = ".wharf.dockerfile";

/// How many pieces of the archive may wait for the connection; then reading waits too.
const PIECES_IN_FLIGHT: usize = 16;

/// How much of the archive goes into one piece.
const PIECE_BYTES: usize = 128 * 1024;

/// How many of the last lines an error shows.
const OUTPUT_LINES: usize = 8;

/// Builds by `POST /build`. The image is in the Engine when this succeeds.
pub(super) async fn build(
    order: &Order<'_>,
    cancel: &CancellationToken,
) -> Result<Built, BuildError> {
    let artifact = &order.inputs.artifact;
    let docker = order.docker;
    let too_old = |what| BuildError::TooOld { artifact: artifact.clone(), what };
    if !docker.secrets.is_empty() {
        return Err(too_old("secrets"));
    }
    if !docker.ssh.is_empty() {
        return Err(too_old("ssh agents"));
    }
    if !docker.named.is_empty() {
        return Err(too_old("further build contexts"));
    }
    // Dropping the connection is what ends a build that goes on.
    let built = cancel.run_until_cancelled(run(order)).await;
    built.unwrap_or_else(|| Err(BuildError::Cancelled { artifact: artifact.clone() }))
}

async fn run(order: &Order<'_>) -> Result<Built, BuildError> {
    let (artifact, docker) = (&order.inputs.artifact, order.docker);
    let engine = |source| BuildError::engine(artifact, source);
    let build = ClassicBuild {
        dockerfile: DOCKERFILE,
        image: order.image,
        target: docker.target.as_deref(),
        args: &docker.args,
        platform: &docker.platform,
        network: docker.network.as_deref(),
        add_hosts: &docker.add_hosts,
        no_cache: order.no_cache,
        logins: logins(order).await,
    };
    let (piece_tx, piece_rx) = mpsc::channel(PIECES_IN_FLIGHT);
    let (stale_tx, mut stale_rx) = oneshot::channel();
    let archive = Archive::of(docker);
    // It ends with the connection: the channel's other end is in the request.
    let packing = tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { piece_tx, piece: Vec::with_capacity(PIECE_BYTES) };
        if let Err(Unfit::Stale(path)) = archive.write(&mut pieces) {
            let _ = stale_tx.send(path);
            let broken = Error::from(ErrorKind::InvalidData);
            let _ = pieces.piece_tx.blocking_send(Err(broken));
        }
    });
    let started = order.scope.engine.build_classic(&build, ReceiverStream::new(piece_rx)).await;
    if let Ok(path) = stale_rx.try_recv() {
        return Err(BuildError::Stale { artifact: artifact.clone(), path });
    }
    drop(packing);
    let mut text = Told::new(order);
    let mut building = match started {
        Ok(building) => building,
        // What it cannot read, it refuses at once.
        Err(DockerError::Refused { message, status: 400, .. }) => {
            return Err(text.blame(message, None));
        }
        Err(error) => return Err(engine(error)),
    };
    while let Some(news) = building.next().await.map_err(engine)? {
        match news {
            ClassicNews::Output(piece) => text.take(&piece),
            ClassicNews::Failed { message, code } => return Err(text.blame(message, code)),
        }
    }
    text.end();
    Ok(Built { cached: text.cached, steps: text.steps })
}

/// The logins at the registries that `FROM` lines name.
async fn logins(order: &Order<'_>) -> BTreeMap<String, Login> {
    let mut logins = BTreeMap::new();
    let text = String::from_utf8_lossy(&order.docker.dockerfile_text).into_owned();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("from")) {
            continue;
        }
        let named = words.find(|word| !word.starts_with("--")).map(ImageRef::parse);
        let Some(Ok(image)) = named else { continue };
        if let Ok(Some(login)) = order.scope.credentials.login(image.host()).await {
            logins.insert(image.host().to_owned(), login);
        }
    }
    logins
}

/// What the builder wrote, line by line.
struct Told<'a> {
    order: &'a Order<'a>,
    log: Option<std::fs::File>,
    line: String,
    /// `RUN make` of `Step 3/7 : RUN make`.
    step: String,
    begun: std::time::Instant,
    step_cached: bool,
    tail: Vec<String>,
    cached: usize,
    steps: usize,
}

impl<'a> Told<'a> {
    fn new(order: &'a Order<'a>) -> Self {
        let path = log_path(&order.scope.state_dir, &order.inputs.artifact);
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let log = folder.and_then(|()| std::fs::File::create(&path)).ok();
        Self {
            order,
            log,
            line: String::new(),
            step: String::new(),
            begun: std::time::Instant::now(),
            step_cached: false,
            tail: Vec::new(),
            cached: 0,
            steps: 0,
        }
    }

    fn take(&mut self, piece: &str) {
        self.line.push_str(piece);
        while let Some((line, rest)) = self.line.split_once('\n') {
            let (line, rest) = (line.trim_end().to_owned(), rest.to_owned());
            self.line = rest;
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{line}");
        }
        let begins = line.strip_prefix("Step ").and_then(|rest| rest.split_once(" : "));
        if let Some((_, instruction)) = begins {
            self.end();
            instruction.clone_into(&mut self.step);
            self.begun = std::time::Instant::now();
            self.step_cached = false;
            self.tail.clear();
            self.tell(false);
        } else if line.trim() == "---> Using cache" {
            self.step_cached = true;
        } else if !line.trim().is_empty() && !line.starts_with(" --->") {
            self.tail.push(line.to_owned());
        }
    }

    /// Ends the step that has begun.
    fn end(&mut self) {
        if self.step.is_empty() {
            return;
        }
        self.tell(true);
        if !self.step.to_ascii_uppercase().starts_with("FROM ") {
            self.steps += 1;
            self.cached += usize::from(self.step_cached);
        }
        self.step.clear();
    }

    fn tell(&self, done: bool) {
        (self.order.tell)(ArtifactNews::Step {
            step: self.step.clone(),
            cached: self.step_cached,
            done,
            took: done.then(|| self.begun.elapsed()),
        });
    }

    fn blame(&self, message: String, code: Option<i64>) -> BuildError {
        let artifact = self.order.inputs.artifact.clone();
        let missing =
            ["pull access denied", "manifest unknown", "no such host", "not found: manifest"];
        if let Some((_, image)) = self.step.split_once(' ')
            && self.step.to_ascii_uppercase().starts_with("FROM ")
            && missing.iter().any(|words| message.contains(words))
        {
            let image = image.split_whitespace().next().unwrap_or(image).to_owned();
            return BuildError::NoBase { artifact, image, why: message, platform: None };
        }
        let text = String::from_utf8_lossy(&self.order.docker.dockerfile_text);
        let line = super::buildkit::line_of(&text, &message, &self.step);
        BuildError::Step(Box::new(FailedStep {
            log: log_path(&self.order.scope.state_dir, &artifact),
            artifact,
            dockerfile: self.order.shown_dockerfile(),
            line,
            instruction: self.step.clone(),
            code,
            message,
            output: self.tail[self.tail.len().saturating_sub(OUTPUT_LINES)..].to_vec(),
        }))
    }
}

/// The context as an archive of exactly the entries.
struct Archive {
    root: PathBuf,
    entries: Arc<Vec<Entry>>,
    dockerfile: Vec<u8>,
}

/// Why an archive could not be written.
enum Unfit {
    /// A file is no longer what was hashed.
    Stale(String),
    /// Nobody reads it any more.
    Unread,
}

impl Archive {
    fn of(docker: &DockerInputs) -> Self {
        Self {
            root: docker.context.clone(),
            entries: Arc::clone(&docker.entries),
            dockerfile: docker.dockerfile_text.clone(),
        }
    }

    fn write(&self, pieces: &mut Pieces) -> Result<(), Unfit> {
        let mut tar = tar::Builder::new(pieces);
        let unread = |_| Unfit::Unread;
        let mut ignore = Vec::new();
        for entry in self.entries.iter() {
            let mut header = tar::Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_mtime(u64::try_from(entry.mtime_ns / 1_000_000_000).unwrap_or(0));
            match &entry.kind {
                EntryKind::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_size(0);
                    let path = format!("{}/", entry.path);
                    tar.append_data(&mut header, path, std::io::empty()).map_err(unread)?;
                }
                EntryKind::Symlink { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, &entry.path, target).map_err(unread)?;
                }
                EntryKind::File { sha256, size_bytes } => {
                    let content = self.read(entry, sha256, *size_bytes)?;
                    if entry.path == ".dockerignore" {
                        ignore = content;
                        continue;
                    }
                    header.set_size(content.len() as u64);
                    tar.append_data(&mut header, &entry.path, &*content).map_err(unread)?;
                }
            }
        }
        // The builder removes its Dockerfile when an ignore file of the archive names it.
        if ignore.is_empty() {
            ignore.extend_from_slice(b".dockerignore");
        }
        ignore.extend_from_slice(format!("\n{DOCKERFILE}\n").as_bytes());
        for (path, content) in [(".dockerignore", &ignore), (DOCKERFILE, &self.dockerfile)] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, content.as_slice()).map_err(unread)?;
        }
        let pieces = tar.into_inner().map_err(unread)?;
        pieces.flush().map_err(unread)
    }

    fn read(&self, entry: &Entry, sha256: &[u8; 32], size_bytes: u64) -> Result<Vec<u8>, Unfit> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let mut options = std::fs::OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let mut content = Vec::new();
        let read = options
            .open(self.root.join(&entry.path))
            .and_then(|file| file.take(size_bytes + 1).read_to_end(&mut content));
        if read.is_ok() && Sha256::digest(&content)[..] == sha256[..] {
            return Ok(content);
        }
        Err(Unfit::Stale(entry.path.clone()))
    }
}

/// Passes what is written on, a piece at a time.
struct Pieces {
    piece_tx: mpsc::Sender<std::io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.piece_tx.blocking_send(Ok(piece)).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
#[path = "classic_tests.rs"]
mod tests;
