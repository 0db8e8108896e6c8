//! Requests to the Engine: one connection each, closed when the answer is dropped, which is how
//! the Engine learns that nobody waits any more. No task, no pool, nothing left behind.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::DockerError;
use super::connection::Connection;

/// What a request carries.
pub(super) type RequestBody = BoxBody<Bytes, std::io::Error>;

/// Longer heads of an answer are no Engine's.
const HEAD_LIMIT: usize = 16 * 1024;

/// How much of an answer that is read as a whole is taken.
const ANSWER_LIMIT: usize = 64 << 20;

/// A request's parts.
pub(super) struct Request {
    pub(super) method: Method,
    /// Begins with `/`, the API version included.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: RequestBody,
    /// Until the head of the answer is here.
    pub(super) limit: Duration,
}

impl Request {
    pub(super) fn new(method: Method, path: String, limit: Duration) -> Self {
        let body = Empty::new().map_err(|never| match never {}).boxed();
        Self { method, path, headers: Vec::new(), body, limit }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn json(mut self, value: &serde_json::Value) -> Self {
        self.body = Full::from(value.to_string()).map_err(|never| match never {}).boxed();
        self.header("content-type", "application/json".to_owned())
    }

    /// A body that comes piece by piece.
    pub(super) fn stream<S>(mut self, pieces: S) -> Self
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    {
        let frames = pieces.map(|piece| piece.map(hyper::body::Frame::data));
        self.body = http_body_util::BodyExt::boxed(StreamBody::new(frames));
        self
    }

    /// What errors call it: `POST /images/api/push`, without version and parameters.
    pub(super) fn what(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let path = match path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')) {
            Some((_, rest)) => rest,
            None => path.trim_start_matches('/'),
        };
        format!("{} /{path}", self.method)
    }
}

type Driver = hyper::client::conn::http1::Connection<TokioIo<Connection>, RequestBody>;

/// The head of an answer, and its body as it comes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    status: StatusCode,
    what: String,
    body: Incoming,
    driver: Option<Driver>,
}

/// Sends `request` over `connection`.
pub(super) async fn send(connection: Connection, request: Request) -> Result<Answer, DockerError> {
    let what = request.what();
    let limit = request.limit;
    let broken =
        |source: hyper::Error| DockerError::Broken { what: what.clone(), source: Box::new(source) };
    let exchange = async {
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection))
            .await
            .map_err(broken)?;
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(&request.path)
            .header(HOST, "docker");
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let message = builder
            .body(request.body)
            .map_err(|error| DockerError::Broken { what: what.clone(), source: Box::new(error) })?;
        let mut driver = Some(driver);
        let mut answer = pin!(sender.send_request(message));
        let response = poll_fn(|cx| {
            drive(&mut driver, cx);
            answer.as_mut().poll(cx)
        });
        let (head, body) = response.await.map_err(broken)?.into_parts();
        Ok(Answer { headers: head.headers, status: head.status, what: what.clone(), body, driver })
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(answer)) => answer.or_refusal().await,
        Ok(Err(error)) => Err(error),
        Err(_) => Err(DockerError::TimedOut { what, limit }),
    }
}

/// Lets the connection's own work go on; its end shows in the answer.
fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && Pin::new(running).poll(cx).is_ready()
    {
        *driver = None;
    }
}

impl Answer {
    async fn or_refusal(self) -> Result<Self, DockerError> {
        if self.status.is_success() || self.status == StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        let (status, what) = (self.status.as_u16(), self.what.clone());
        let bytes = self.bytes().await?;
        let message = match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => refusal.message,
            Err(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        };
        Err(DockerError::Refused { what, status, message })
    }

    /// The next piece of the body, or nothing at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, DockerError> {
        poll_fn(|cx| self.poll_chunk(cx)).await.transpose()
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, DockerError>>> {
        drive(&mut self.driver, cx);
        loop {
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
            // Reading makes room for more: the connection wants to know at once.
            drive(&mut self.driver, cx);
            return Poll::Ready(match frame {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => Some(Ok(bytes)),
                    Err(_) => continue,
                },
                Some(Err(error)) => Some(Err(DockerError::Broken {
                    what: self.what.clone(),
                    source: Box::new(error),
                })),
            });
        }
    }

    /// The whole body.
    pub(super) async fn bytes(mut self) -> Result<Vec<u8>, DockerError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_LIMIT {
                let source = Box::from("the answer is too long");
                return Err(DockerError::Broken { what: self.what, source });
            }
        }
        Ok(bytes)
    }

    /// The whole body, read as JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, DockerError> {
        let what = self.what.clone();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| DockerError::Broken { what, source: Box::new(error) })
    }

    /// The next JSON value of a body with one on each line; `rest` keeps what came too early.
    pub(super) async fn line<T: DeserializeOwned>(
        &mut self,
        rest: &mut Vec<u8>,
    ) -> Result<Option<T>, DockerError> {
        loop {
            if let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line).map(Some).map_err(|error| {
                    DockerError::Broken { what: self.what.clone(), source: Box::new(error) }
                });
            }
            match self.chunk().await? {
                Some(chunk) => rest.extend_from_slice(&chunk),
                None if rest.trim_ascii().is_empty() => return Ok(None),
                None => rest.push(b'\n'),
            }
        }
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, DockerError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx)
    }
}

/// Asks for `protocol` on `connection` and hands it back when the Engine has switched.
pub(super) async fn upgrade(
    mut connection: Connection,
    request: &UpgradeRequest<'_>,
    limit: Duration,
) -> Result<Connection, DockerError> {
    let what = format!("POST {}", request.path);
    let broken = |source: std::io::Error| DockerError::Broken {
        what: what.clone(),
        source: Box::new(source),
    };
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: {}\r\n",
        request.path, request.protocol
    );
    for (name, value) in request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() {
        head.push_str(&format!("{CONTENT_TYPE}: application/json\r\n"));
        head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    head.push_str(request.body);
    let switch = async {
        connection.write_all(head.as_bytes()).await.map_err(broken)?;
        connection.flush().await.map_err(broken)?;
        // Byte by byte: what follows the head belongs to the protocol that is asked for.
        let mut answer = Vec::with_capacity(256);
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(connection.read_u8().await.map_err(broken)?);
            if answer.len() > HEAD_LIMIT {
                return Err(broken(std::io::Error::other("the head of the answer is too long")));
            }
        }
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if status == 101 || (status == 200 && request.protocol == "tcp") {
            return Ok(());
        }
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0usize).min(HEAD_LIMIT)];
        let _ = connection.read_exact(&mut body).await;
        let message = match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => refusal.message,
            Err(_) => text.lines().next().unwrap_or_default().to_owned(),
        };
        Err(DockerError::Refused { what: what.clone(), status, message })
    };
    match tokio::time::timeout(limit, switch).await {
        Ok(Ok(())) => Ok(connection),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(DockerError::TimedOut { what, limit }),
    }
}

/// A request for another protocol on the same connection.
pub(super) struct UpgradeRequest<'a> {
    pub(super) path: &'a str,
    pub(super) protocol: &'a str,
    pub(super) headers: &'a [(&'a str, String)],
    pub(super) body: &'a str,
}

/// `text` as a parameter of an address.
#[must_use]
pub fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// How the Engine says no.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}
