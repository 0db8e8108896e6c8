//! One connection to the Engine, whichever way leads there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::tools::{Piped, Tools};

use super::{DockerError, Endpoint};

/// How long it may take until the Engine has accepted a connection; a remote one by ssh may ask
/// its way through several hosts.
const CONNECT_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// A connection's two directions. Dropping it closes both.
#[derive(Debug)]
pub enum Connection {
    /// A socket in the file system.
    Unix(UnixStream),
    /// In the clear.
    Tcp(TcpStream),
    /// With TLS.
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    /// Through ssh.
    Piped(Box<Piped>),
}

/// Opens a connection to the Engine at `endpoint`.
pub(super) async fn open(endpoint: &Endpoint, tools: &Tools) -> Result<Connection, DockerError> {
    let unreachable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            DockerError::NoPermission { endpoint: endpoint.to_string() }
        }
        _ => DockerError::Unreachable { endpoint: endpoint.to_string(), source },
    };
    let connect = async {
        match endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                Ok(Connection::Unix(stream))
            }
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                Ok(Connection::Tcp(stream))
            }
            Endpoint::Tls { address, certificates } => {
                let config = client_config(certificates.as_deref())?;
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
                let name = name.map_err(|error| DockerError::BadEndpoint {
                    text: address.clone(),
                    why: error.to_string(),
                })?;
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                let connector = TlsConnector::from(Arc::new(config));
                let stream = connector.connect(name, stream).await.map_err(unreachable)?;
                Ok(Connection::Tls(Box::new(stream)))
            }
            Endpoint::Ssh { host, port } => {
                let mut command = tools.command("ssh").args(["-o", "BatchMode=yes"]);
                if let Some(port) = port {
                    command = command.arg("-p").arg(port.to_string());
                }
                let command = command.args(["--", host, "docker", "system", "dial-stdio"]);
                let piped = command.open().map_err(|error| DockerError::BadEndpoint {
                    text: endpoint.to_string(),
                    why: error.to_string(),
                })?;
                Ok(Connection::Piped(Box::new(piped)))
            }
        }
    };
    match tokio::time::timeout(CONNECT_LIMIT, connect).await {
        Ok(connected) => connected,
        Err(_) => Err(unreachable(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Checks the server against `ca.pem` where there is one, else as the system does, and shows
/// `cert.pem` where there is one.
fn client_config(folder: Option<&std::path::Path>) -> Result<rustls::ClientConfig, DockerError> {
    let file = |name: &str| folder.map(|folder| folder.join(name)).filter(|path| path.is_file());
    let bad = |text: &std::path::Path, why: String| DockerError::BadEndpoint {
        text: text.display().to_string(),
        why,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let general = |error: rustls::Error| bad(std::path::Path::new("TLS"), error.to_string());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(general)?;
    let builder = match file("ca.pem") {
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(&path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| bad(&path, error.to_string()))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| bad(&path, error.to_string()))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_platform_verifier().map_err(general)?,
    };
    let (Some(certificate), Some(key)) = (file("cert.pem"), file("key.pem")) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&certificate, error.to_string()))?;
    let secret =
        PrivateKeyDer::from_pem_file(&key).map_err(|error| bad(&key, error.to_string()))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| bad(&key, error.to_string()))
}

/// Does the same to whichever stream it is.
macro_rules! each {
    ($connection:expr, $stream:ident => $act:expr) => {
        match $connection {
            Connection::Unix($stream) => $act,
            Connection::Tcp($stream) => $act,
            Connection::Tls($stream) => $act,
            Connection::Piped($stream) => $act,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
