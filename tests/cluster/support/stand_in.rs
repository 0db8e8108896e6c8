//! What stands in front of the Engine or of an API server: it can go away and come back, and
//! change what passes through, without anybody else noticing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Passes connections on while it is up. Down, it is as if nobody were there.
pub(crate) struct StandIn {
    listens: Place,
    leads_to: Place,
    shared: Arc<Shared>,
    listener: Option<Listener>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Stream>>,
    /// What the server says is changed: from, to, of the same length.
    changed: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
}

#[derive(Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

struct Listener {
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl StandIn {
    /// A socket at `path` that leads to the one at `to`; down.
    pub(crate) fn unix(path: &Path, to: &Path) -> Self {
        Self::new(Place::Unix(path.to_owned()), Place::Unix(to.to_owned()))
    }

    /// A port on 127.0.0.1 that leads to `to`; down.
    pub(crate) fn tcp(to: SocketAddr) -> Self {
        let port = super::free_port();
        Self::new(Place::Tcp(SocketAddr::from(([127, 0, 0, 1], port))), Place::Tcp(to))
    }

    fn new(listens: Place, leads_to: Place) -> Self {
        Self { listens, leads_to, shared: Arc::default(), listener: None }
    }

    /// The local address.
    pub(crate) fn address(&self) -> String {
        match &self.listens {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(path) => path.display().to_string(),
        }
    }

    /// Comes (back) up.
    pub(crate) fn start(&mut self) {
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (shared, leads_to) = (Arc::clone(&self.shared), self.leads_to.clone());
        let listener = self.listens.listen();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                match listener.accept() {
                    Some(client) => {
                        let Some(server) = leads_to.connect() else { continue };
                        pass(&shared, &client, &server);
                    }
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        self.listener = Some(Listener { stop, thread });
    }

    /// Goes away: open connections break, new ones are refused.
    pub(crate) fn stop(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.stop.store(true, std::sync::atomic::Ordering::Relaxed);
            listener.thread.join().expect("it passes connections on");
        }
        if let Place::Unix(path) = &self.listens {
            let _ = std::fs::remove_file(path);
        }
        let mut connections =
            self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in connections.drain(..) {
            stream.shut(Shutdown::Both);
        }
    }

    /// From here on the server says `to` wherever it says `from`; open connections break.
    pub(crate) fn change(&mut self, from: &str, to: &str) {
        assert_eq!(from.len(), to.len(), "lengths that were announced stay true");
        self.stop();
        let changed = Some((from.as_bytes().to_owned(), to.as_bytes().to_owned()));
        *self.shared.changed.lock().unwrap_or_else(PoisonError::into_inner) = changed;
        self.start();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Copies both ways until one side ends; a half that ends is passed on.
fn pass(shared: &Arc<Shared>, client: &Stream, server: &Stream) {
    let mut connections = shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
    connections.extend([client.again(), server.again()]);
    drop(connections);
    let (mut from, mut to) = (client.again(), server.again());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shut(Shutdown::Write);
    });
    let (mut from, mut to, shared) = (server.again(), client.again(), Arc::clone(shared));
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut said = buffer[..count].to_vec();
            let changed = shared.changed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((old, new)) = changed {
                replace(&mut said, &old, &new);
            }
            if to.write_all(&said).is_err() {
                break;
            }
        }
        to.shut(Shutdown::Write);
    });
}

fn replace(text: &mut [u8], old: &[u8], new: &[u8]) {
    let mut at = 0;
    while at + old.len() <= text.len() {
        if text[at..].starts_with(old) {
            text[at..at + new.len()].copy_from_slice(new);
            at += new.len();
        } else {
            at += 1;
        }
    }
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Place {
    fn listen(&self) -> Listening {
        match self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address).expect("the port is free");
                listener.set_nonblocking(true).expect("it can be asked");
                Listening::Tcp(listener)
            }
            Self::Unix(path) => {
                let listener = UnixListener::bind(path).expect("the socket can be made");
                listener.set_nonblocking(true).expect("it can be asked");
                Listening::Unix(listener)
            }
        }
    }

    fn connect(&self) -> Option<Stream> {
        match self {
            Self::Tcp(address) => TcpStream::connect(address).ok().map(Stream::Tcp),
            Self::Unix(path) => UnixStream::connect(path).ok().map(Stream::Unix),
        }
    }
}

impl Listening {
    /// The next connection, if there is one.
    fn accept(&self) -> Option<Stream> {
        let stream = match self {
            Self::Tcp(listener) => Stream::Tcp(listener.accept().ok()?.0),
            Self::Unix(listener) => Stream::Unix(listener.accept().ok()?.0),
        };
        match &stream {
            Stream::Tcp(tcp) => tcp.set_nonblocking(false).and_then(|()| tcp.set_nodelay(true)),
            Stream::Unix(unix) => unix.set_nonblocking(false),
        }
        .ok()?;
        Some(stream)
    }
}

impl Stream {
    fn again(&self) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().expect("it can be shared")),
            Self::Unix(stream) => Self::Unix(stream.try_clone().expect("it can be shared")),
        }
    }

    fn shut(&self, how: Shutdown) {
        // The other side may have gone first.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
