//! Carries the bytes of one connection to a pod and back.
//!
//! The end of what the client sends is never passed on: containerd takes it for the end of the
//! whole tunnel and drops the rest of the response after a second. A client that has closed its
//! half still gets everything; one that has closed all of it looks the same, so it is looked for.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::spdy::LOST;

/// How long a word about a refusal may come after the refusal itself.
const REFUSAL_LIMIT: Duration = Duration::from_millis(300);
/// How soon a client that has closed its half is looked for again; then ever more rarely.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// How rarely at most.
const LAST_LOOK: Duration = Duration::from_secs(5);
/// Silence that ends a tunnel whose client has closed its half and waits: a slow answer may take
/// its time.
const SILENCE: Duration = Duration::from_secs(300);
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

/// Carries bytes between `local` and `remote`. `refusal` ends with a word if the pod refuses;
/// `is_gone` tells of a client that has closed its half whether it has closed all of it.
pub(super) async fn carry<L, R>(
    local: &mut L,
    mut remote: R,
    refusal: impl Future<Output = Option<String>>,
    sent: &mut Sent,
    is_gone: impl Fn() -> bool,
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
    let mut refused = false;
    // When anything was heard last, and when the client is looked for next.
    let mut last = Instant::now();
    let (mut look, mut pause) = (last, FIRST_LOOK);
    loop {
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
                    (answered, last) = (true, Instant::now());
                    sent.bytes = Vec::new();
                    if to_local.write_all(&downwards[..length]).await.is_err() {
                        return End::Closed;
                    }
                }
                Err(error) => return End::Broken(error.to_string()),
            },
            read = from_local.read(&mut upwards), if !sent.is_over => match read {
                Ok(0) => {
                    (sent.is_over, last) = (true, Instant::now());
                    look = last;
                }
                Ok(length) => {
                    last = Instant::now();
                    if !answered {
                        sent.keep(&upwards[..length]);
                    }
                    if let Err(error) = to_remote.write_all(&upwards[..length]).await {
                        return lost(&error, &mut refusal, sent, answered).await;
                    }
                }
                Err(_) => return End::Closed,
            },
            () = sleep_until(look), if sent.is_over => {
                if is_gone() || last.elapsed() >= SILENCE {
                    let _ = to_local.shutdown().await;
                    return End::Closed;
                }
                look = Instant::now() + pause;
                pause = (pause * 2).min(LAST_LOOK);
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
    ["reset by peer", "broken pipe", "read tcp", "write tcp", LOST]
        .iter()
        .any(|sign| word.contains(sign))
}
