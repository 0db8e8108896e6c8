//! HTTP to a registry: few connections, used again, and gone with whoever holds them. No task.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::trouble::Trouble;
use super::trust::{Trust, host_of};

/// How long a connection may take, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// How long nothing may move on a connection before it counts as lost. A registry that has taken
/// a layer reads it once more before it answers.
const SILENCE: Duration = Duration::from_secs(60);

/// No answer that is read is longer: they are manifests and words.
const ANSWER_LIMIT: usize = 16 << 20;

/// How much of a body goes over at a time; what is told of progress is as fine as this.
const FRAME_BYTES: usize = 64 << 10;

/// Idle connections that are kept: as many as an Engine sends layers at a time.
const KEPT: usize = 5;

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) is_tls: bool,
    /// Host and port.
    pub(super) authority: String,
}

impl Origin {
    /// The origin that `url` names.
    pub(super) fn of(url: &Uri) -> Option<Self> {
        let authority = url.authority()?.as_str().to_owned();
        Some(Self { is_tls: url.scheme_str()? == "https", authority })
    }

    /// `path` there.
    pub(super) fn url(&self, path: &str) -> Result<Uri, Trouble> {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.authority)
            .parse()
            .map_err(|error| Trouble::Here(format!("`{path}` is no address: {error}")))
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// Hears how much of the body has gone over.
    pub(super) moved: Option<Arc<AtomicU64>>,
}

impl Ask {
    pub(super) fn new(method: Method, url: Uri) -> Self {
        Self { method, url, headers: Vec::new(), body: Bytes::new(), moved: None }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Connections to registries and their token servers.
pub(super) struct Wire {
    pub(super) trust: Trust,
    idle: Mutex<Vec<(Origin, Link)>>,
}

struct Link {
    sender: SendRequest<Pieces>,
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Link {
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Whether the other side has kept it open.
    async fn is_open(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        })
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

impl Wire {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust, idle: Mutex::default() }
    }

    /// Sends `ask` and reads the whole answer. What the answer means is the caller's.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Reply, Trouble> {
        let origin = Origin::of(&ask.url)
            .ok_or_else(|| Trouble::Here(format!("`{}` is no address", ask.url)))?;
        let mut link = match self.idle(&origin).await {
            Some(link) => link,
            None => self.connect(&origin).await?,
        };
        let reply = exchange(&mut link, &origin, ask).await?;
        if link.is_open().await {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push((origin, link));
            }
        }
        Ok(reply)
    }

    async fn idle(&self, origin: &Origin) -> Option<Link> {
        loop {
            let (_, mut link) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let at = idle.iter().position(|(other, _)| other == origin)?;
                idle.swap_remove(at)
            };
            if link.is_open().await {
                return Some(link);
            }
        }
    }

    /// Whether something listens at `authority` that speaks TLS.
    pub(super) async fn speaks_tls(&self, authority: &str) -> Result<bool, Trouble> {
        let origin = Origin { is_tls: true, authority: authority.to_owned() };
        match self.connect(&origin).await {
            Ok(link) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.push((origin, link));
                Ok(true)
            }
            Err(Trouble::Untrusted(why)) if why.contains(NO_TLS) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    async fn connect(&self, origin: &Origin) -> Result<Link, Trouble> {
        let connected = tokio::time::timeout(CONNECT_LIMIT, self.open(origin)).await;
        connected.unwrap_or_else(|_| {
            let limit = CONNECT_LIMIT.as_secs();
            Err(Trouble::Unreachable(format!("no connection within {limit} s")))
        })
    }

    async fn open(&self, origin: &Origin) -> Result<Link, Trouble> {
        let authority = origin.authority.as_str();
        let host = host_of(authority).trim_matches(['[', ']']);
        let port = match authority.rsplit_once(':') {
            Some((_, port)) if host_of(authority) != authority => port.parse().ok(),
            _ => None,
        };
        let port: u16 = port.unwrap_or(if origin.is_tls { 443 } else { 80 });
        let away = |error: std::io::Error| Trouble::Unreachable(error.to_string());
        let stream = TcpStream::connect((host, port)).await.map_err(away)?;
        stream.set_nodelay(true).map_err(away)?;
        if !origin.is_tls {
            return begin(stream).await;
        }
        let config = self.trust.config(authority).map_err(Trouble::Untrusted)?;
        let name = rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| Trouble::Here(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.map_err(|error| refused(&error))?;
        begin(stream).await
    }
}

/// What is said of a server that answers a greeting with something else.
const NO_TLS: &str = "it speaks no TLS";

/// Why there is no TLS: a connection that broke, a certificate, or a server without any.
fn refused(error: &std::io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => Trouble::Untrusted(NO_TLS.to_owned()),
        Some(rustls) => Trouble::Untrusted(rustls.to_string()),
        None => Trouble::Lost(error.to_string()),
    }
}

async fn begin<S>(stream: S) -> Result<Link, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| lost(&e))?;
    let driver: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a registry ended");
        }
    });
    Ok(Link { sender, driver: Some(driver) })
}

fn lost(error: &hyper::Error) -> Trouble {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    Trouble::Lost(text)
}

async fn exchange(link: &mut Link, origin: &Origin, ask: &Ask) -> Result<Reply, Trouble> {
    let path = ask.url.path_and_query().map_or("/", |path| path.as_str());
    let moved = ask.moved.clone().unwrap_or_default();
    let mut request = Request::builder()
        .method(&ask.method)
        .uri(path)
        .header(HOST, &origin.authority)
        .header(USER_AGENT, concat!("wharf/", env!("CARGO_PKG_VERSION")));
    if ask.body.is_empty() && ask.method != Method::GET && ask.method != Method::HEAD {
        request = request.header(CONTENT_LENGTH, 0);
    }
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let body = Pieces { left: ask.body.clone(), moved: Arc::clone(&moved) };
    let request = request.body(body).map_err(|error| Trouble::Here(error.to_string()))?;

    let answered = link.sender.send_request(request);
    let answer = async {
        let (head, body) = answered.await.map_err(|error| lost(&error))?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await;
        let body = body.map_err(|error| Trouble::Lost(error.to_string()))?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    };
    let mut answer = pin!(answer);
    let mut driver = link.driver.take();
    let mut exchanged = pin!(poll_fn(|cx| {
        if let Some(running) = &mut driver
            && running.as_mut().poll(cx).is_ready()
        {
            driver = None;
        }
        answer.as_mut().poll(cx)
    }));
    let mut before = moved.load(Ordering::Relaxed);
    let reply = loop {
        match tokio::time::timeout(SILENCE, exchanged.as_mut()).await {
            Ok(reply) => break reply,
            Err(_) => {
                let now = moved.load(Ordering::Relaxed);
                if now == before {
                    let limit = SILENCE.as_secs();
                    break Err(Trouble::Lost(format!("nothing moved for {limit} s")));
                }
                before = now;
            }
        }
    };
    link.driver = driver;
    reply
}

/// A body that goes over piece by piece, and says how far it is.
struct Pieces {
    left: Bytes,
    moved: Arc<AtomicU64>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.left.is_empty() {
            return Poll::Ready(None);
        }
        let piece = this.left.split_to(this.left.len().min(FRAME_BYTES));
        this.moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left.len() as u64)
    }
}
