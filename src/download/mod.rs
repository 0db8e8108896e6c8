//! Asks web servers: what stands at an address, and whether it is still the same.
//!
//! Comes in: an `http://` or `https://` address, perhaps the mark of what is known already. Goes
//! out: the server's answer, or why there is none. Nothing is kept here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, IF_NONE_MATCH, LOCATION, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// As often as curl follows by default would be too often for small files.
const REDIRECTS: usize = 8;

/// Larger than any file of manifests; larger ones would fill the memory.
const LARGEST: usize = 64 << 20;

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    /// Its status, never a redirection.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The content; empty for `HEAD`.
    pub body: Bytes,
}

impl Answer {
    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What the server of `url` says about it, without the content.
///
/// # Errors
///
/// Why there is no answer.
pub async fn head(url: &str) -> Result<Answer, String> {
    ask(url, &Method::HEAD, None).await
}

/// What stands at `url`; an answer of status 304 where its entity tag still is `known`.
///
/// # Errors
///
/// Why there is no answer.
pub async fn get(url: &str, known: Option<&str>) -> Result<Answer, String> {
    ask(url, &Method::GET, known).await
}

/// As [`get`], for code that may not wait: the thread stands still for as long as `limit`.
///
/// # Errors
///
/// Why there is no answer.
pub fn get_blocking(url: &str, known: Option<&str>, limit: Duration) -> Result<Answer, String> {
    let (url, known) = (url.to_owned(), known.map(str::to_owned));
    // A thread of its own, since the caller's may belong to a runtime.
    let work = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let asked = tokio::time::timeout(limit, get(&url, known.as_deref())).await;
            asked.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
        })
    });
    work.join().unwrap_or_else(|_| Err("asking for it panicked".to_owned()))
}

async fn ask(url: &str, method: &Method, known: Option<&str>) -> Result<Answer, String> {
    let address = url.split('#').next().unwrap_or_default();
    let mut uri: Uri = address.parse().map_err(|error| format!("not an address: {error}"))?;
    for _ in 0..REDIRECTS {
        let answer = request(&uri, method, known).await?;
        let leads_on = answer.status.is_redirection() && answer.status != StatusCode::NOT_MODIFIED;
        if !leads_on {
            return Ok(answer);
        }
        let location = answer.header(LOCATION.as_str()).unwrap_or_default();
        let next = redirected(&uri, location);
        uri = next.ok_or_else(|| format!("it leads to `{location}`, which is no address"))?;
    }
    Err(format!("more than {REDIRECTS} redirections"))
}

fn redirected(from: &Uri, location: &str) -> Option<Uri> {
    if location.contains("://") {
        return location.parse().ok();
    }
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{}://{rest}", from.scheme_str()?).parse().ok();
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let (path, query) = match location.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (location, String::new()),
        };
        format!("{}{query}", without_dots(&format!("{folder}/{path}")))
    };
    format!("{}://{}{path}", from.scheme_str()?, from.authority()?).parse().ok()
}

/// A path with its `.` and `..` taken out.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

async fn request(uri: &Uri, method: &Method, known: Option<&str>) -> Result<Answer, String> {
    let host = uri.host().ok_or("the address names no host")?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("the address begins with neither `http://` nor `https://`".to_owned()),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await;
    let stream = stream.map_err(|error| format!("`{host}` does not answer: {error}"))?;
    if !is_tls {
        return exchange(stream, uri, method, known).await;
    }
    let config = rustls::ClientConfig::with_platform_verifier().map_err(|e| e.to_string())?;
    let name = rustls::pki_types::ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|error| format!("`{host}` cannot be spoken to: {error}"))?;
    exchange(stream, uri, method, known).await
}

async fn exchange<S>(
    stream: S,
    uri: &Uri,
    method: &Method,
    known: Option<&str>,
) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let said = |error: hyper::Error| error.to_string();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(said)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, "wharf");
    if let Some(known) = known {
        request = request.header(IF_NONE_MATCH, known);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    // The connection is driven right here and ends with this call. It may end right after its
    // only answer, which still counts.
    let answer = async {
        let answer = sender.send_request(request).await.map_err(said)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_followed_from_where_they_stand() {
        let from: Uri = "http://h:81/a/b/c?x=1".parse().expect("it is one");
        for (location, leads_to) in [
            ("/x", "http://h:81/x"),
            ("d", "http://h:81/a/b/d"),
            ("../d?q=/../", "http://h:81/a/d?q=/../"),
            ("../../../../d/", "http://h:81/d/"),
            ("//other/x", "http://other/x"),
            ("https://other/x", "https://other/x"),
        ] {
            let uri = redirected(&from, location).map(|uri| uri.to_string());
            assert_eq!(uri.as_deref(), Some(leads_to), "{location}");
        }
    }
}
