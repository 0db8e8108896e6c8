//! Remote `ADD` sources: what their server says they are at this moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ETAG, HOST, LAST_MODIFIED, LOCATION, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::dockerfile::clean;
use crate::tools::Tools;

/// What servers said, so that not every save asks them again.
#[derive(Debug, Default)]
pub struct RemoteSources {
    known: Mutex<HashMap<String, (Instant, Option<String>)>>,
}

/// How long an answer counts: a person who waits for a remote change to arrive saves again.
const FRESH: Duration = Duration::from_secs(60);

/// How long a server may take; a build would wait longer, but a save should not.
const LIMIT: Duration = Duration::from_secs(10);

/// As often as curl follows by default would be too often for a `HEAD`.
const REDIRECTS: usize = 8;

impl RemoteSources {
    /// What the server of `url` says that identifies its content; `None` where it says nothing.
    pub(super) async fn identity(&self, url: &str, tools: &Tools) -> Option<String> {
        if let Some((asked, identity)) = self.known().get(url)
            && asked.elapsed() < FRESH
        {
            return identity.clone();
        }
        let ask = async { if is_git(url) { git(url, tools).await } else { head(url).await } };
        let identity = tokio::time::timeout(LIMIT, ask).await.ok().flatten();
        self.known().insert(url.to_owned(), (Instant::now(), identity.clone()));
        identity
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Option<String>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `ADD` clones `url` instead of downloading it.
pub(super) fn is_git(url: &str) -> bool {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    !url.starts_with("http") || path.ends_with(".git")
}

/// The commit that a Git address means.
async fn git(url: &str, tools: &Tools) -> Option<String> {
    let (repository, fragment) = url.split_once('#').unwrap_or((url, ""));
    let reference = fragment.split(':').next().unwrap_or_default();
    let reference = if reference.is_empty() { "HEAD" } else { reference };
    let is_commit = reference.len() == 40 && reference.chars().all(|c| c.is_ascii_hexdigit());
    if is_commit {
        return Some(reference.to_owned());
    }
    let output = tools
        .with_variable("GIT_TERMINAL_PROMPT", "0")
        .command("git")
        .args(["ls-remote", "--", repository, reference])
        .time_limit(LIMIT)
        .run()
        .await
        .ok()?;
    output.text().split_whitespace().next().map(str::to_owned)
}

/// The `ETag` or modification time of what `url` leads to.
async fn head(url: &str) -> Option<String> {
    let mut uri: Uri = url.split('#').next()?.parse().ok()?;
    for _ in 0..REDIRECTS {
        let (status, headers) = request(&uri).await?;
        if status.is_success() {
            let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
            return text(ETAG.as_str())
                .map(|etag| format!("etag {etag}"))
                .or_else(|| text(LAST_MODIFIED.as_str()).map(|date| format!("modified {date}")));
        }
        if !status.is_redirection() {
            return None;
        }
        uri = redirected(&uri, headers.get(LOCATION)?.to_str().ok()?)?;
    }
    None
}

fn redirected(from: &Uri, location: &str) -> Option<Uri> {
    if location.contains("://") {
        return location.parse().ok();
    }
    let path = match location.strip_prefix('/') {
        Some(_) => location.to_owned(),
        None => {
            let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            let (path, query) = match location.split_once('?') {
                Some((path, query)) => (path, format!("?{query}")),
                None => (location, String::new()),
            };
            format!("{}{query}", clean(&format!("{folder}/{path}")))
        }
    };
    format!("{}://{}{path}", from.scheme_str()?, from.authority()?).parse().ok()
}

async fn request(uri: &Uri) -> Option<(http::StatusCode, HeaderMap)> {
    let host = uri.host()?;
    let is_tls = uri.scheme_str()? == "https";
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.ok()?;
    if !is_tls {
        return exchange(stream, uri).await;
    }
    let config = rustls::ClientConfig::with_platform_verifier().ok()?;
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).ok()?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    exchange(connector.connect(name, stream).await.ok()?, uri).await
}

async fn exchange<S>(stream: S, uri: &Uri) -> Option<(http::StatusCode, HeaderMap)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(Method::HEAD)
        .uri(path)
        .header(HOST, uri.authority()?.as_str())
        .header(USER_AGENT, "wharf")
        .body(Empty::<Bytes>::new())
        .ok()?;
    // The connection is driven right here and ends with this call. It may end right after its
    // only answer, which still counts.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    let answer = answer.ok()?;
    Some((answer.status(), answer.headers().clone()))
}
