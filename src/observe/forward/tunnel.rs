//! Carries the bytes of one connection through the API server to a pod and back.
//!
//! The end of what the client sends is never passed on: the library takes it for the end of the
//! whole tunnel and drops the rest of the response. A client that has closed its half still gets
//! everything, and a tunnel on which nothing more can be expected ends by silence.

use std::future::Future;
use std::io;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

/// How long opening may take.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// How long a word about a refusal may come after the refusal itself.
const REFUSAL_LIMIT: Duration = Duration::from_millis(300);
/// Silence that ends a tunnel whose client has closed its half and got an answer to everything.
const SILENCE_ANSWERED: Duration = Duration::from_secs(5);
/// The same while an answer is outstanding: a slow one may take its time.
const SILENCE_ASKED: Duration = Duration::from_secs(300);
/// How much of what a client sent is kept until the first answer, for another attempt.
const KEPT: usize = 64 * 1024;

/// How the service of a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// One of the two sides closed it.
    Closed,
    /// The pod did not take the connection; another attempt loses nothing.
    Refused(String),
    /// It broke, and part of it is gone.
    Broken(String),
}

/// What the client sent, as long as nothing came back.
#[derive(Debug, Default)]
pub(super) struct Sent {
    bytes: Vec<u8>,
    /// More came than is kept: there is no second attempt.
    is_cut: bool,
    /// The client has closed its half.
    is_over: bool,
}

/// A tunnel to one port of a pod; dropping it ends it.
pub(super) struct Tunnel {
    forwarder: Option<Portforwarder>,
    port: u16,
}

impl Tunnel {
    /// Opens a tunnel. That it opens does not say that anything listens.
    ///
    /// # Errors
    ///
    /// The API server's or kubelet's reason, in one line.
    pub(super) async fn open(pods: &Api<Pod>, pod: &str, port: u16) -> Result<Self, String> {
        match timeout(DIAL_LIMIT, pods.portforward(pod, &[port])).await {
            Ok(Ok(forwarder)) => Ok(Self { forwarder: Some(forwarder), port }),
            Ok(Err(error)) => Err(crate::observe::scene::in_short(&error)),
            Err(_) => Err(format!("no answer within {} s", DIAL_LIMIT.as_secs())),
        }
    }

    /// The pod's end of it; `None` once it was taken. Lives no longer than the tunnel.
    pub(super) fn stream(&mut self) -> Option<impl AsyncRead + AsyncWrite + Unpin + use<>> {
        self.forwarder.as_mut()?.take_stream(self.port)
    }

    /// Whether the pod took the connection: nobody says yes, but a no comes within `patience`.
    pub(super) async fn accepted(mut self, patience: Duration) -> bool {
        let Some(forwarder) = &mut self.forwarder else { return false };
        let (Some(mut stream), Some(refusal)) =
            (forwarder.take_stream(self.port), forwarder.take_error(self.port))
        else {
            return false;
        };
        let mut byte = [0];
        tokio::select! {
            biased;
            word = refusal => word.is_none(),
            // A server that speaks first has taken it.
            read = stream.read(&mut byte) => matches!(read, Ok(1)),
            () = tokio::time::sleep(patience) => true,
        }
    }

    /// Carries bytes until one side closes, then closes the tunnel.
    pub(super) async fn carry<L>(mut self, local: &mut L, sent: &mut Sent) -> End
    where
        L: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(mut forwarder) = self.forwarder.take() else { return End::Closed };
        let (Some(remote), Some(refusal)) =
            (forwarder.take_stream(self.port), forwarder.take_error(self.port))
        else {
            return End::Closed;
        };
        self.forwarder = Some(forwarder);
        carry(local, remote, refusal, sent).await
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(forwarder) = &self.forwarder {
            forwarder.abort();
        }
    }
}

/// Carries bytes between `local` and `remote`. `refusal` ends with a word if the pod refuses.
pub(super) async fn carry<L, R>(
    local: &mut L,
    mut remote: R,
    refusal: impl Future<Output = Option<String>>,
    sent: &mut Sent,
) -> End
where
    L: AsyncRead + AsyncWrite + Unpin,
    R: AsyncRead + AsyncWrite + Unpin,
{
    let mut refusal = Box::pin(refusal);
    if let Err(error) = remote.write_all(&sent.bytes).await {
        return lost(&error, &mut refusal, sent, false).await;
    }
    let (mut from_local, mut to_local) = tokio::io::split(local);
    let (mut from_remote, mut to_remote) = tokio::io::split(remote);
    let (mut upwards, mut downwards) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut answered = false;
    let mut is_asked = !sent.bytes.is_empty();
    let mut refused = false;
    let mut last = Instant::now();
    loop {
        let silence = if is_asked { SILENCE_ASKED } else { SILENCE_ANSWERED };
        tokio::select! {
            biased;
            word = &mut refusal, if !refused => match word {
                Some(word) => return refused_or_broken(word, answered, sent),
                None => refused = true,
            },
            read = from_remote.read(&mut downwards) => match read {
                Ok(0) if answered => {
                    let _ = to_local.shutdown().await;
                    return End::Closed;
                }
                Ok(0) => return without_answer(&mut refusal, refused, &mut to_local, sent).await,
                Ok(length) => {
                    (answered, is_asked, last) = (true, false, Instant::now());
                    sent.bytes = Vec::new();
                    if to_local.write_all(&downwards[..length]).await.is_err() {
                        return End::Closed;
                    }
                }
                Err(error) => return End::Broken(error.to_string()),
            },
            read = from_local.read(&mut upwards), if !sent.is_over => match read {
                Ok(0) => (sent.is_over, last) = (true, Instant::now()),
                Ok(length) => {
                    (is_asked, last) = (true, Instant::now());
                    if !answered {
                        sent.keep(&upwards[..length]);
                    }
                    if let Err(error) = to_remote.write_all(&upwards[..length]).await {
                        return lost(&error, &mut refusal, sent, answered).await;
                    }
                }
                Err(_) => return End::Closed,
            },
            () = sleep_until(last + silence), if sent.is_over => {
                let _ = to_local.shutdown().await;
                return End::Closed;
            }
        }
    }
}

impl Sent {
    fn keep(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > KEPT {
            self.is_cut = true;
            self.bytes = Vec::new();
        }
        if !self.is_cut {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

/// The pod closed without a byte: a refusal, if a word about it follows; otherwise an answer.
async fn without_answer<W: AsyncWrite + Unpin>(
    refusal: &mut (impl Future<Output = Option<String>> + Unpin),
    is_told: bool,
    to_local: &mut W,
    sent: &Sent,
) -> End {
    if !is_told && let Ok(Some(word)) = timeout(REFUSAL_LIMIT, refusal).await {
        return refused_or_broken(word, false, sent);
    }
    let _ = to_local.shutdown().await;
    End::Closed
}

/// Writing into the tunnel failed: it is gone, and may have said why.
async fn lost(
    error: &io::Error,
    refusal: &mut (impl Future<Output = Option<String>> + Unpin),
    sent: &Sent,
    answered: bool,
) -> End {
    match timeout(REFUSAL_LIMIT, refusal).await {
        Ok(Some(word)) => refused_or_broken(word, answered, sent),
        _ => End::Broken(error.to_string()),
    }
}

fn refused_or_broken(word: String, answered: bool, sent: &Sent) -> End {
    let may_be_heard = !sent.bytes.is_empty() && was_taken(&word);
    if answered || sent.is_cut || may_be_heard { End::Broken(word) } else { End::Refused(word) }
}

/// Whether `word` is of a connection that a program had taken: what the client asked for may have
/// been done, and asking again could do it twice.
fn was_taken(word: &str) -> bool {
    // Go's `net.OpError` names the operation; dialling is called `dial tcp`.
    ["reset by peer", "broken pipe", "read tcp", "write tcp"].iter().any(|sign| word.contains(sign))
}
