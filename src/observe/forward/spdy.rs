//! One connection to a pod that carries one tunnel after the other.
//!
//! A tunnel of its own for each connection costs the node some 30 ms of CPU: two TLS handshakes and
//! a walk through three servers. Within a connection that is open already it costs a dial. The
//! protocol is SPDY/3.1, which API servers of every age speak for this
//! (<https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/>); a tunnel is a pair of
//! streams, one for data and one for a word about what went wrong, told apart by headers:
//! <https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/client-go/tools/portforward/portforward.go>.
//!
//! One tunnel at a time: Kubernetes' side of SPDY knows no flow control, so a client that does not
//! read would have to be dropped, buffered without end, or let stall its neighbours. When it is
//! alone, TCP's own flow control does.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use flate2::{Compress, Compression, FlushCompress};
use futures::FutureExt as _;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::{mpsc, oneshot};

/// The highest bit of the first word: a control frame.
const CONTROL: u32 = 1 << 31;
const VERSION: u32 = 3;
const SYN_STREAM: u32 = 1;
const SYN_REPLY: u32 = 2;
const RST_STREAM: u32 = 3;
const PING: u32 = 6;
const GOAWAY: u32 = 7;
/// The flag on the last frame of a direction.
const FIN: u8 = 1;
/// Why a stream is given up: it is no longer wanted.
const CANCEL: u32 = 5;
/// First word, flags and length.
const HEAD: usize = 8;
/// A control frame here holds a few bytes; headers of a reply are empty.
const LONGEST_CONTROL: usize = 64 * 1024;
/// Bytes on their way to the pod in one frame.
const PIECE: usize = 16 * 1024;
/// The longest word about what went wrong.
const WORD: usize = 4 * 1024;

/// What became of a connection in the middle of a tunnel.
pub(super) const LOST: &str = "the connection to the API server was lost";

/// A connection to one pod.
pub(super) struct Connection<S> {
    frames: Frames<ReadHalf<S>>,
    writer: Writer<WriteHalf<S>>,
    /// The number of the next stream; a client's are odd.
    next: u32,
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// `stream` has just been upgraded.
    pub(super) fn new(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            frames: Frames { from: read, buffer: BytesMut::new(), rest: None },
            writer: Writer { to: write, headers: Compress::new(Compression::none(), true) },
            next: 1,
        }
    }

    /// Whether another tunnel may be tried on it.
    pub(super) fn is_alive(&mut self) -> bool {
        loop {
            match self.frames.next().now_or_never() {
                None => return true,
                Some(Ok(Frame::Over) | Err(_)) => return false,
                // Late ones of tunnels before, which nobody waits for.
                Some(Ok(_)) => {}
            }
        }
    }

    /// Carries a tunnel to `port` until the other end of `near` is dropped; `word_tx` gets a word
    /// about what went wrong. Afterwards the connection can carry another one.
    ///
    /// # Errors
    ///
    /// The connection is lost, and the word says so.
    pub(super) async fn serve(
        &mut self,
        port: u16,
        near: DuplexStream,
        word_tx: oneshot::Sender<String>,
    ) -> io::Result<()> {
        let Self { frames, writer, next } = self;
        let (error, data) = (*next, *next + 2);
        *next += 4;
        let (mut from_near, to_near) = tokio::io::split(near);
        let (pong_tx, mut pong_rx) = mpsc::unbounded_channel();
        // Whoever waits hears the word before it sees the end.
        let mut down = Down { data, error, word: Vec::new(), word_tx: Some(word_tx), to_near };
        let served = {
            let up = async {
                writer.open(error, data, port).await?;
                let mut piece = vec![0; PIECE];
                loop {
                    tokio::select! {
                        Some(id) = pong_rx.recv() => writer.ping(id).await?,
                        read = from_near.read(&mut piece) => match read {
                            Ok(0) | Err(_) => return writer.reset(data).await,
                            Ok(length) => writer.data(data, &piece[..length]).await?,
                        },
                    }
                }
            };
            let receive = down.run(frames, &pong_tx);
            tokio::pin!(up, receive);
            let mut is_received = false;
            loop {
                // Only `up` may end it: half a frame would be left of what it was writing.
                tokio::select! {
                    done = &mut up => break done,
                    done = &mut receive, if !is_received => match done {
                        Ok(()) => is_received = true,
                        Err(error) => break Err(error),
                    },
                }
            }
        };
        if let (Err(error), Some(word_tx)) = (&served, down.word_tx.take()) {
            let _ = word_tx.send(format!("{LOST}: {error}"));
        }
        served
    }
}

/// What comes from the pod within one tunnel.
struct Down {
    data: u32,
    error: u32,
    word: Vec<u8>,
    word_tx: Option<oneshot::Sender<String>>,
    to_near: WriteHalf<DuplexStream>,
}

impl Down {
    /// Ends when both streams have ended.
    async fn run<R: AsyncRead + Unpin>(
        &mut self,
        frames: &mut Frames<R>,
        pong_tx: &mpsc::UnboundedSender<u32>,
    ) -> io::Result<()> {
        let mut is_open = true;
        while is_open || self.word_tx.is_some() {
            match frames.next().await? {
                Frame::Over => return Err(io::ErrorKind::UnexpectedEof.into()),
                Frame::Ping(id) => {
                    // Its receiver lives as long as this does.
                    let _ = pong_tx.send(id);
                }
                Frame::Data { stream, bytes } if stream == self.data && is_open => {
                    // Nobody may want it any more; then the tunnel is about to be closed.
                    let _ = self.to_near.write_all(&bytes).await;
                }
                Frame::Data { stream, bytes } if stream == self.error => {
                    let room = WORD.saturating_sub(self.word.len());
                    self.word.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Frame::End { stream } if stream == self.data => {
                    is_open = false;
                    let _ = self.to_near.shutdown().await;
                }
                Frame::End { stream } if stream == self.error => {
                    let word = String::from_utf8_lossy(&self.word).into_owned();
                    if let Some(word_tx) = self.word_tx.take().filter(|_| !word.is_empty()) {
                        let _ = word_tx.send(word);
                    }
                }
                Frame::Data { .. } | Frame::End { .. } => {}
            }
        }
        Ok(())
    }
}

/// What concerns a tunnel.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Data {
        stream: u32,
        bytes: Bytes,
    },
    /// Nothing more comes on this stream.
    End {
        stream: u32,
    },
    Ping(u32),
    /// The connection ends.
    Over,
}

/// Reads frames; giving up a read in between loses nothing.
struct Frames<R> {
    from: R,
    /// What was read and not looked at yet.
    buffer: BytesMut,
    rest: Option<Rest>,
}

/// What is still to come of a data frame.
struct Rest {
    stream: u32,
    left: usize,
    is_last: bool,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(frame);
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(Frame::Over);
            }
        }
    }

    fn parse(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(rest) = &mut self.rest {
                let stream = rest.stream;
                if rest.left > 0 {
                    let length = rest.left.min(self.buffer.len());
                    rest.left -= length;
                    let bytes = self.buffer.split_to(length).freeze();
                    return Ok((length > 0).then_some(Frame::Data { stream, bytes }));
                }
                let is_last = rest.is_last;
                self.rest = None;
                if is_last {
                    return Ok(Some(Frame::End { stream }));
                }
            }
            let Some(mut head) = self.buffer.get(..HEAD) else { return Ok(None) };
            let (first, second) = (head.get_u32(), head.get_u32());
            let (flags, length) = (second.to_be_bytes()[0], (second & 0x00ff_ffff) as usize);
            if first & CONTROL == 0 {
                self.buffer.advance(HEAD);
                let is_last = flags & FIN != 0;
                self.rest = Some(Rest { stream: first, left: length, is_last });
                continue;
            }
            if length > LONGEST_CONTROL {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not SPDY"));
            }
            if self.buffer.len() < HEAD + length {
                return Ok(None);
            }
            let mut body = self.buffer.split_to(HEAD + length).freeze().slice(HEAD..);
            let word = if body.len() < 4 { 0 } else { body.get_u32() };
            match first & 0xffff {
                SYN_REPLY if flags & FIN != 0 => return Ok(Some(Frame::End { stream: word })),
                RST_STREAM => return Ok(Some(Frame::End { stream: word })),
                PING => return Ok(Some(Frame::Ping(word))),
                GOAWAY => return Ok(Some(Frame::Over)),
                _ => {}
            }
        }
    }
}

/// Writes frames, each as a whole.
struct Writer<W> {
    to: W,
    /// Headers are compressed as one stream over the whole connection.
    headers: Compress,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Opens both streams of a tunnel. Nothing is ever said on the one for errors.
    async fn open(&mut self, error: u32, data: u32, port: u16) -> io::Result<()> {
        let mut frames = BytesMut::new();
        let (request, port) = (error.to_string(), port.to_string());
        for (stream, kind) in [(error, "error"), (data, "data")] {
            let headers = [("streamtype", kind), ("port", &port), ("requestid", &request)];
            let block = self.block(&headers)?;
            // The stream, the one that it belongs to, priority and slot.
            head(&mut frames, SYN_STREAM, 10 + block.len());
            frames.put_u32(stream);
            frames.put_slice(&[0; 6]);
            frames.put_slice(&block);
        }
        frames.put_u32(error);
        frames.put_u32(u32::from(FIN) << 24);
        self.to.write_all(&frames).await?;
        self.to.flush().await
    }

    async fn data(&mut self, stream: u32, bytes: &[u8]) -> io::Result<()> {
        let mut frame = BytesMut::with_capacity(HEAD + bytes.len());
        frame.put_u32(stream);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX) & 0x00ff_ffff;
        frame.put_u32(length);
        frame.put_slice(bytes);
        self.to.write_all(&frame).await?;
        self.to.flush().await
    }

    /// Gives a stream up.
    async fn reset(&mut self, stream: u32) -> io::Result<()> {
        self.control(RST_STREAM, &[stream, CANCEL]).await
    }

    async fn ping(&mut self, id: u32) -> io::Result<()> {
        self.control(PING, &[id]).await
    }

    async fn control(&mut self, kind: u32, words: &[u32]) -> io::Result<()> {
        let mut frame = BytesMut::new();
        head(&mut frame, kind, 4 * words.len());
        words.iter().for_each(|word| frame.put_u32(*word));
        self.to.write_all(&frame).await?;
        self.to.flush().await
    }

    /// Headers: how many, then each name and value with its length; all of it compressed. A
    /// dictionary would save bytes and is not needed to be understood.
    fn block(&mut self, headers: &[(&str, &str)]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        plain.put_u32(u32::try_from(headers.len()).unwrap_or(u32::MAX));
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
            plain.put_slice(text.as_bytes());
        }
        // Room for the marks around what is not made smaller.
        let mut block = Vec::with_capacity(plain.len() + 64);
        self.headers.compress_vec(&plain, &mut block, FlushCompress::Sync)?;
        Ok(block)
    }
}

fn head(frame: &mut BytesMut, kind: u32, length: usize) {
    frame.put_u32(CONTROL | VERSION << 16 | kind);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX) & 0x00ff_ffff);
}

#[cfg(test)]
#[path = "spdy_tests.rs"]
mod tests;
