//! A registry in this process that an Engine pushes to: the only way in which every Engine hands
//! out single layers, as it would to a registry that lacks them.
//!
//! Engines take 127.0.0.0/8 for trustworthy without TLS. Whoever listens gives the image a further
//! name there, of its own for each delivery, and takes it away again; what a killed wharf left is
//! found by its shape.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

use crate::model::{ImageRef, Tag};

use super::{DockerError, Engine, Tasks, random_id};

/// The repository of all such names.
const REPOSITORY: &str = "wharf";

/// How long looking for what others left may take; what stays is found the next time.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// What such a registry answers.
pub type Answer = Response<Full<Bytes>>;

/// Takes connections on a port of its own and lets `answer` answer; returns the name under which
/// an Engine pushes to it. `buffer_bytes` bounds what a connection may hold back unread.
///
/// # Errors
///
/// When there is no port.
pub fn listen<A, F>(
    tasks: &Tasks,
    buffer_bytes: Option<u32>,
    answer: A,
) -> std::io::Result<ImageRef>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(64)?;
    let address = listener.local_addr()?;
    let spawner = tasks.spawner();
    let connections = spawner.clone();
    spawner.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            connections.spawn(async move {
                let answer = service_fn(move |request| {
                    let answered = answer(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                // Engines try TLS first, which is no HTTP.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    let name = ImageRef::parse(&format!("{address}/{REPOSITORY}"));
    let tag = Tag::parse(&random_id()).map_err(std::io::Error::other)?;
    Ok(name.map_err(std::io::Error::other)?.with_tag(tag))
}

/// An answer without a body.
#[must_use]
pub fn reply(status: StatusCode, headers: &[(&str, &str)]) -> Answer {
    let mut builder = Response::builder()
        .status(status)
        .header("docker-distribution-api-version", "registry/2.0");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::default()).unwrap_or_default()
}

/// The port that such a name points to; nothing for other names, which may be a person's.
#[must_use]
pub fn port_of(name: &ImageRef) -> Option<u16> {
    let (host, repository) = name.repository().split_once('/')?;
    let tag = name.tag()?.as_str();
    let is_random = tag.len() == random_id().len() && tag.bytes().all(|b| b.is_ascii_hexdigit());
    if repository != REPOSITORY || !is_random {
        return None;
    }
    host.strip_prefix("127.0.0.1:")?.parse().ok()
}

/// Takes away what a delivery left in the Engine that was killed: names whose registry is gone.
pub async fn sweep(engine: &Engine) {
    let swept = tokio::time::timeout(SWEEP_LIMIT, async {
        let names = engine.names(&format!("127.0.0.1:*/{REPOSITORY}")).await?;
        for name in names.iter().filter_map(|name| ImageRef::parse(name).ok()) {
            let Some(port) = port_of(&name) else { continue };
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                continue;
            }
            tracing::debug!(%name, "a killed wharf has left a name in the Engine");
            engine.untag(&name, true).await?;
        }
        Ok::<_, DockerError>(())
    });
    match swept.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "names in the Engine are not looked for"),
        Err(_) => tracing::debug!("the Engine takes its time to list names"),
    }
}
