//! Ways through the API server to the ports of pods, held open for the next connection.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join, ready};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Portforwarder;
use kube::client::Body;
use kube::{Api, Client};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, duplex};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::busy;
use super::carry::{End, Sent, carry};
use super::spdy::Connection;
use crate::model::Namespace;

/// How long opening may take.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// How many connections wait for the next tunnel; browsers open six at once.
const IDLE: usize = 6;
/// How long they wait.
const KEPT: Duration = Duration::from_secs(60);
/// Bytes on their way between a tunnel and its connection.
const BUFFER: usize = 64 * 1024;
/// The longest answer to a refused upgrade that is read.
const ANSWER: usize = 64 * 1024;
/// The protocols, as they are asked for:
/// <https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/util/httpstream/spdy/roundtripper.go>.
const SPDY: &str = "SPDY/3.1";
const PORT_FORWARD: &str = "portforward.k8s.io";

/// The ways of one forward.
pub(super) struct Tunnels {
    client: Client,
    namespace: Namespace,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// Whether the API server, and what stands before it, lets SPDY pass; once known.
    speaks_spdy: Option<bool>,
}

struct Idle {
    /// The UID of its pod.
    pod: String,
    connection: Box<Connection<TokioIo<Upgraded>>>,
    since: Instant,
}

/// A way to one port of a pod; dropping it ends it.
pub(super) struct Tunnel<'a> {
    tunnels: &'a Tunnels,
    /// The UID of its pod.
    pod: String,
    port: u16,
    by: By,
}

enum By {
    Spdy(Box<Connection<TokioIo<Upgraded>>>),
    /// One connection for one tunnel.
    WebSocket(WebSocket),
}

struct WebSocket(Portforwarder);

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The pod's end of a tunnel.
trait Remote: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Remote for T {}

/// A tunnel at work.
struct Work<'a> {
    remote: Box<dyn Remote>,
    /// A word about what went wrong, if anything does.
    refusal: BoxFuture<'a, Option<String>>,
    /// Moves the bytes; ends soon after `remote` was dropped.
    rest: BoxFuture<'a, ()>,
    _kept: Option<WebSocket>,
}

impl Tunnels {
    /// Ways to pods of `namespace`.
    pub(super) fn new(client: Client, namespace: Namespace) -> Self {
        Self { client, namespace, state: Mutex::default() }
    }

    /// The pods it leads to.
    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace.as_str())
    }

    /// Opens a tunnel to `port` of the pod with this name and UID. That it opens does not say that
    /// anything listens.
    ///
    /// # Errors
    ///
    /// The API server's or kubelet's reason, in one line.
    pub(super) async fn open(&self, pod: &str, uid: &str, port: u16) -> Result<Tunnel<'_>, String> {
        let tunnel = |by| Tunnel { tunnels: self, pod: uid.to_owned(), port, by };
        if let Some(connection) = self.idle(uid) {
            return Ok(tunnel(By::Spdy(connection)));
        }
        let speaks_spdy = self.state().speaks_spdy;
        if speaks_spdy == Some(false) {
            return Ok(tunnel(By::WebSocket(self.web_socket(pod, port).await?)));
        }
        match in_time(self.spdy(pod)).await {
            Ok(connection) => {
                self.state().speaks_spdy = Some(true);
                Ok(tunnel(By::Spdy(connection)))
            }
            Err(word) if speaks_spdy.is_some() => Err(word),
            Err(word) => {
                // The pod may be to blame, or a proxy that lets only WebSockets pass.
                let web_socket = self.web_socket(pod, port).await.map_err(|_| word.clone())?;
                tracing::debug!(word, "SPDY does not pass: forwards use WebSockets");
                self.state().speaks_spdy = Some(false);
                Ok(tunnel(By::WebSocket(web_socket)))
            }
        }
    }

    /// Ends what waits for pods other than those with these UIDs, or has waited for long.
    pub(super) fn retain(&self, pods: &[&str]) {
        let kept = |idle: &Idle| pods.contains(&idle.pod.as_str()) && idle.since.elapsed() < KEPT;
        self.state().idle.retain(kept);
    }

    fn idle(&self, pod: &str) -> Option<Box<Connection<TokioIo<Upgraded>>>> {
        let mut state = self.state();
        state.idle.retain(|idle| idle.since.elapsed() < KEPT);
        while let Some(index) = state.idle.iter().rposition(|idle| idle.pod == pod) {
            let mut idle = state.idle.remove(index);
            if idle.connection.is_alive() {
                return Some(idle.connection);
            }
        }
        None
    }

    fn keep(&self, pod: String, connection: Box<Connection<TokioIo<Upgraded>>>) {
        let mut state = self.state();
        if state.idle.len() >= IDLE {
            state.idle.remove(0);
        }
        state.idle.push(Idle { pod, connection, since: Instant::now() });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spdy(&self, pod: &str) -> Result<Box<Connection<TokioIo<Upgraded>>>, String> {
        let place = format!("/api/v1/namespaces/{}/pods/{pod}/portforward", self.namespace);
        let request = Request::post(place)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, SPDY)
            .header("X-Stream-Protocol-Version", PORT_FORWARD)
            .body(Body::empty())
            .map_err(|error| error.to_string())?;
        let sent = self.client.send(request).await;
        let response = sent.map_err(|error| crate::observe::scene::in_short(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(response).await);
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| error.to_string())?;
        Ok(Box::new(Connection::new(TokioIo::new(upgraded))))
    }

    async fn web_socket(&self, pod: &str, port: u16) -> Result<WebSocket, String> {
        let opened = async {
            let opened = self.pods().portforward(pod, &[port]).await;
            opened.map(WebSocket).map_err(|error| crate::observe::scene::in_short(&error))
        };
        in_time(opened).await
    }
}

impl std::fmt::Debug for Tunnels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tunnels")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

async fn in_time<T>(opened: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("no answer within {} s", DIAL_LIMIT.as_secs()));
    timeout(DIAL_LIMIT, opened).await.unwrap_or_else(|_| late())
}

/// What a refused upgrade was answered with.
async fn refusal(response: http::Response<Body>) -> String {
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER).collect().await;
    let answer = answer.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message = serde_json::from_slice::<serde_json::Value>(&answer).ok();
    let message = message.and_then(|status| Some(status["message"].as_str()?.to_owned()));
    message.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&answer);
        format!("{status} {}", crate::observe::pod::one_line(text.trim())).trim().to_owned()
    })
}

impl<'a> Tunnel<'a> {
    /// Carries bytes between `local` and the pod until one side closes.
    pub(super) async fn carry(self, local: &mut TcpStream, sent: &mut Sent) -> End {
        let Ok(work) = self.work() else { return End::Closed };
        let ends = (local.peer_addr(), local.local_addr());
        let is_gone = || matches!(ends, (Ok(client), Ok(own)) if busy::is_gone(client, own));
        join(carry(local, work.remote, work.refusal, sent, is_gone), work.rest).await.0
    }

    /// Whether the pod took the connection: nobody says yes, but a no comes within `patience`.
    pub(super) async fn accepted(self, patience: Duration) -> bool {
        let Ok(Work { mut remote, refusal, rest, _kept }) = self.work() else { return false };
        let asked = async move {
            let mut byte = [0];
            tokio::select! {
                biased;
                word = refusal => word.is_none(),
                // A server that speaks first has taken it.
                read = remote.read(&mut byte) => matches!(read, Ok(1)),
                () = tokio::time::sleep(patience) => true,
            }
        };
        join(asked, rest).await.0
    }

    /// Whether an HTTP server at the other end answers `request` well.
    pub(super) async fn welcomes(self, request: &str) -> bool {
        let Ok(Work { mut remote, rest, _kept, .. }) = self.work() else { return false };
        let asked = async move { super::probe::is_welcome(&mut remote, request).await };
        join(asked, rest).await.0
    }

    fn work(self) -> io::Result<Work<'a>> {
        let Self { tunnels, pod, port, by } = self;
        match by {
            By::Spdy(mut connection) => {
                let (remote, near) = duplex(BUFFER);
                let (word_tx, word_rx) = oneshot::channel();
                let rest = async move {
                    if connection.serve(port, near, word_tx).await.is_ok() {
                        tunnels.keep(pod, connection);
                    }
                };
                let refusal = async { word_rx.await.ok() }.boxed();
                Ok(Work { remote: Box::new(remote), refusal, rest: rest.boxed(), _kept: None })
            }
            By::WebSocket(mut web_socket) => {
                let forwarder = &mut web_socket.0;
                let parts = (forwarder.take_stream(port), forwarder.take_error(port));
                let (Some(remote), Some(refusal)) = parts else {
                    return Err(io::ErrorKind::NotConnected.into());
                };
                let (refusal, rest) = (refusal.boxed(), ready(()).boxed());
                Ok(Work { remote: Box::new(remote), refusal, rest, _kept: Some(web_socket) })
            }
        }
    }
}
