//! Registries of the tests' own, what stands in front of them, and images.

pub(crate) mod tokens;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wharf::docker::{Credentials, Engine, random_id};
use wharf::model::ImageRef;
use wharf::push::{PushError, Pushed, Pusher};
use wharf::tools::Tools;

#[expect(clippy::disallowed_methods, reason = "a test has the environment it was started with")]
pub(crate) fn tools() -> Tools {
    Tools::new(std::env::vars_os().collect::<BTreeMap<OsString, OsString>>())
}

pub(crate) async fn docker(args: &[&str]) -> String {
    let ran = tools().command("docker").args(args).run().await;
    ran.unwrap().text().trim().to_owned()
}

/// A registry in a container. Gone with [`Registry::remove`].
pub(crate) struct Registry {
    pub(crate) container: String,
    pub(crate) address: String,
}

impl Registry {
    /// One made with these further `arguments`, and with `files` in `/given`.
    pub(crate) async fn with(arguments: &[&str], files: Option<&Path>) -> Self {
        let container = format!("wharf-test-registry-{}", &random_id()[..8]);
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = port.local_addr().unwrap().to_string();
        drop(port);
        // A port of its own choice, so that a restarted one is where it was.
        let published = format!("{address}:5000");
        let start = ["create", "--name", &container, "-p", &published];
        docker(&[&start[..], arguments, &["registry:2"]].concat()).await;
        if let Some(files) = files {
            docker(&["cp", files.to_str().unwrap(), &format!("{container}:/given")]).await;
        }
        docker(&["start", &container]).await;
        let registry = Self { container, address };
        registry.answers().await;
        registry
    }

    pub(crate) async fn new() -> Self {
        Self::with(&[], None).await
    }

    /// Waits until it does.
    pub(crate) async fn answers(&self) {
        let asked = async {
            loop {
                if let Ok(mut stream) = TcpStream::connect(&self.address).await {
                    let hello = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                    let mut said = Vec::new();
                    if stream.write_all(hello).await.is_ok()
                        && stream.read_to_end(&mut said).await.is_ok()
                        && said.starts_with(b"HTTP/")
                    {
                        return;
                    }
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, asked).await.expect("the registry answers");
    }

    /// Uploads that nobody has finished.
    pub(crate) async fn half_uploads(&self) -> String {
        let find = "find /var/lib/registry -path '*/_uploads/*' -name startedat";
        docker(&["exec", &self.container, "sh", "-c", find]).await
    }

    pub(crate) async fn remove(self) {
        docker(&["rm", "-f", "-v", &self.container]).await;
    }
}

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

/// Builds `name`: busybox with `large` bytes that nothing compresses, and a small file above.
pub(crate) async fn make(name: &str, large: &[u8], small: &str) -> ImageRef {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large"), large).unwrap();
    std::fs::write(folder.path().join("small"), small).unwrap();
    let dockerfile = "FROM busybox:1.36\nCOPY large /large\nCOPY small /small\n";
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    docker(&["build", "-q", "-t", name, folder.path().to_str().unwrap()]).await;
    ImageRef::parse(name).unwrap()
}

/// Bytes that nobody had before.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = u64::from_str_radix(&random_id()[..16], 16).unwrap() | 1;
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out
}

/// A pusher with a home of its own.
pub(crate) struct Home {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) pusher: Pusher,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::of(&tools())
    }

    /// One whose Engine is that of `tools`.
    pub(crate) fn of(tools: &Tools) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = tools.with_variable("DOCKER_CONFIG", folder.path());
        let engine = Engine::connect(&tools).unwrap();
        let credentials = Credentials::new(&tools);
        let pusher = Pusher::new(&engine, &credentials, &tools, &[], folder.path());
        Self { folder, pusher }
    }

    pub(crate) async fn push(&self, image: &ImageRef) -> Result<Pushed, PushError> {
        let cancel = CancellationToken::new();
        let pushed = self.pusher.push(image, &|_, _| {}, &cancel);
        tokio::time::timeout(LIMIT, pushed).await.expect("it comes to an end")
    }
}

/// Stands in front of a registry: counts what goes there, and breaks connections as it is told.
pub(crate) struct StandIn {
    pub(crate) address: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// Bytes that went to the registry.
    sent: watch::Sender<u64>,
    faults: Mutex<Vec<Fault>>,
    refusals: AtomicUsize,
    connections: AtomicU64,
}

/// What goes wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection breaks when so many bytes have gone over in all.
    CutAt(u64),
    /// It breaks right after the answer that says that more than so many bytes of a blob are there.
    CutWhenTaken(u64),
    /// The byte there is another one.
    FlipAt(u64),
}

impl StandIn {
    pub(crate) async fn before(registry: &Registry, faults: &[Fault]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { faults: Mutex::new(faults.to_vec()), ..Shared::default() });
        let (far, passing) = (registry.address.clone(), Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut links = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                passing.connections.fetch_add(1, Ordering::Relaxed);
                if passing.refusals.load(Ordering::Relaxed) > 0 {
                    passing.refusals.fetch_sub(1, Ordering::Relaxed);
                    let busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\
                                 Connection: close\r\n\r\n";
                    let mut asked = [0; 1024];
                    let _ = near.read(&mut asked).await;
                    let _ = near.write_all(busy).await;
                    continue;
                }
                // A registry that is being restarted refuses.
                let Ok(far) = TcpStream::connect(&far).await else { continue };
                links.spawn(pass(near, far, Arc::clone(&passing)));
            }
        });
        Self { address, shared, _tasks: tasks }
    }

    /// Bytes that went to the registry.
    pub(crate) fn sent(&self) -> u64 {
        *self.shared.sent.borrow()
    }

    /// Waits until so many have gone there.
    pub(crate) async fn has_sent(&self, bytes: u64) {
        let mut seen = self.shared.sent.subscribe();
        let seen = seen.wait_for(|sent| *sent >= bytes);
        tokio::time::timeout(LIMIT, seen).await.expect("bytes go over").unwrap();
    }

    /// The next connections get `503`.
    pub(crate) fn refuse(&self, count: usize) {
        self.shared.refusals.store(count, Ordering::Relaxed);
    }

    /// What has not gone wrong yet.
    pub(crate) fn left(&self) -> Vec<Fault> {
        self.shared.faults.lock().unwrap().clone()
    }
}

impl Shared {
    /// Takes out the faults that `is_due` picks.
    fn due(&self, is_due: impl Fn(&Fault) -> bool) -> Vec<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let due = faults.iter().copied().filter(|fault| is_due(fault)).collect();
        faults.retain(|fault| !is_due(fault));
        due
    }
}

async fn pass(mut near: TcpStream, mut far: TcpStream, shared: Arc<Shared>) {
    let (mut from, mut back) = near.split();
    let (mut far_read, mut far_write) = far.split();
    let there = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let before = *shared.sent.borrow();
            let after = before + read as u64;
            let is_here = |at: u64| (before..after).contains(&at);
            for fault in shared.due(|f| matches!(f, Fault::FlipAt(at) if is_here(*at))) {
                let Fault::FlipAt(at) = fault else { continue };
                buffer[usize::try_from(at - before).unwrap()] ^= 1;
            }
            shared.sent.send_replace(after);
            if !shared.due(|f| matches!(f, Fault::CutAt(at) if *at <= after)).is_empty() {
                return;
            }
            if far_write.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
        let _ = far_write.shutdown().await;
        std::future::pending::<()>().await;
    };
    let here = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = far_read.read(&mut buffer).await {
            let said = String::from_utf8_lossy(&buffer[..read]).to_ascii_lowercase();
            let taken = said.lines().find_map(|line| line.strip_prefix("range: 0-"));
            let taken: u64 = taken.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if back.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            if !shared.due(|f| matches!(f, Fault::CutWhenTaken(at) if taken > *at)).is_empty() {
                return;
            }
        }
        let _ = back.shutdown().await;
    };
    // The first that ends ends both, and with them the connection.
    tokio::select! {
        () = there => {}
        () = here => {}
    }
}

/// What wharf writes for developers meanwhile.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
