//! Tunnels over a connection whose other end a test holds.

use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;
use tokio::io::duplex;
use tokio::task::JoinSet;

use super::*;

/// What a server sees of a connection.
struct Server {
    io: DuplexStream,
    headers: Decompress,
}

/// A frame as a server reads it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Open { stream: u32, headers: Vec<(String, String)> },
    Data { stream: u32, bytes: Vec<u8>, is_last: bool },
    Reset { stream: u32 },
    Pong(u32),
}

impl Server {
    fn pair() -> (Connection<DuplexStream>, Self) {
        let (client, io) = duplex(1 << 20);
        (Connection::new(client), Self { io, headers: Decompress::new(true) })
    }

    async fn see(&mut self) -> Seen {
        let (first, second) =
            (self.io.read_u32().await.unwrap(), self.io.read_u32().await.unwrap());
        let length = (second & 0x00ff_ffff) as usize;
        let mut body = vec![0; length];
        self.io.read_exact(&mut body).await.unwrap();
        if first & CONTROL == 0 {
            return Seen::Data { stream: first, bytes: body, is_last: second >> 24 == 1 };
        }
        let mut rest = &body[..];
        let stream = rest.get_u32();
        match first & 0xffff {
            SYN_STREAM => Seen::Open { stream, headers: self.headers(&body[10..]) },
            RST_STREAM => Seen::Reset { stream },
            PING => Seen::Pong(stream),
            other => panic!("a client sends no frame of kind {other}"),
        }
    }

    fn headers(&mut self, block: &[u8]) -> Vec<(String, String)> {
        let mut plain = Vec::with_capacity(4096);
        self.headers.decompress_vec(block, &mut plain, FlushDecompress::Sync).unwrap();
        let mut plain = &plain[..];
        let text = |plain: &mut &[u8]| {
            let length = plain.get_u32() as usize;
            let (text, rest) = plain.split_at(length);
            *plain = rest;
            String::from_utf8(text.to_vec()).unwrap()
        };
        let count = plain.get_u32();
        let headers = (0..count).map(|_| (text(&mut plain), text(&mut plain))).collect();
        assert!(plain.is_empty());
        headers
    }

    /// The frames with which every tunnel begins.
    async fn opened(&mut self, error: u32, port: u16) {
        let headers = |kind: &str| {
            let port = port.to_string();
            [("streamtype", kind), ("port", &port), ("requestid", &error.to_string())]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec()
        };
        let data = error + 2;
        assert_eq!(self.see().await, Seen::Open { stream: error, headers: headers("error") });
        assert_eq!(self.see().await, Seen::Open { stream: data, headers: headers("data") });
        let closed = Seen::Data { stream: error, bytes: vec![], is_last: true };
        assert_eq!(self.see().await, closed);
    }

    async fn say(&mut self, frames: &[u8]) {
        self.io.write_all(frames).await.unwrap();
    }
}

fn data(stream: u32, bytes: &[u8], is_last: bool) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_u32(stream);
    frame.put_u32(u32::from(is_last) << 24 | u32::try_from(bytes.len()).unwrap());
    frame.put_slice(bytes);
    frame
}

fn control(kind: u32, flags: u8, words: &[u32]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_u32(CONTROL | VERSION << 16 | kind);
    frame.put_u32(u32::from(flags) << 24 | u32::try_from(4 * words.len()).unwrap());
    words.iter().for_each(|word| frame.put_u32(*word));
    frame
}

/// A tunnel at work, and what came of it.
struct Tunnel {
    near: DuplexStream,
    word: oneshot::Receiver<String>,
    task: JoinSet<(Connection<DuplexStream>, io::Result<()>)>,
}

impl Tunnel {
    fn over(mut connection: Connection<DuplexStream>, port: u16) -> Self {
        let (near, far) = duplex(64);
        let (word_tx, word) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let served = connection.serve(port, far, word_tx).await;
            (connection, served)
        });
        Self { near, word, task }
    }

    async fn leave(self) -> (Connection<DuplexStream>, io::Result<()>) {
        let Self { near, mut task, .. } = self;
        drop(near);
        task.join_next().await.unwrap().unwrap()
    }

    async fn read(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.near.read_to_end(&mut bytes).await.unwrap();
        bytes
    }
}

#[tokio::test]
async fn one_connection_carries_one_tunnel_after_the_other() {
    let (mut connection, mut server) = Server::pair();
    for (error, port) in [(1, 8080), (5, 9000)] {
        assert!(connection.is_alive());
        let mut tunnel = Tunnel::over(connection, port);
        server.opened(error, port).await;
        tunnel.near.write_all(b"ping").await.unwrap();
        let ping = Seen::Data { stream: error + 2, bytes: b"ping".to_vec(), is_last: false };
        assert_eq!(server.see().await, ping);
        server.say(&control(SYN_REPLY, 0, &[error])).await;
        server.say(&data(error + 2, b"pong", true)).await;
        assert_eq!(tunnel.read().await, b"pong");
        let (back, served) = tunnel.leave().await;
        served.unwrap();
        assert_eq!(server.see().await, Seen::Reset { stream: error + 2 });
        // The server ends late, when nobody listens any more.
        server.say(&data(error, b"a word that comes too late", true)).await;
        connection = back;
    }
    assert!(connection.is_alive());
    server.say(&control(GOAWAY, 0, &[1, 0])).await;
    assert!(!connection.is_alive());
}

#[tokio::test]
async fn a_refusal_comes_with_its_word() {
    let (connection, mut server) = Server::pair();
    let mut tunnel = Tunnel::over(connection, 80);
    server.opened(1, 80).await;
    // As kubelet has it: the end of the data before the word.
    server.say(&data(3, b"", true)).await;
    server.say(&data(1, b"connection ", false)).await;
    server.say(&data(1, b"refused", false)).await;
    server.say(&control(RST_STREAM, 0, &[3, 5])).await;
    server.say(&control(RST_STREAM, 0, &[1, 5])).await;
    assert_eq!(tunnel.read().await, b"");
    assert_eq!((&mut tunnel.word).await.unwrap(), "connection refused");
    tunnel.leave().await.1.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_not_taken_for_an_end() {
    for frames in [control(GOAWAY, 0, &[1, 0]), vec![], b"HTTP/1.1 502 Bad Gateway\r\n".to_vec()] {
        let (connection, mut server) = Server::pair();
        let mut tunnel = Tunnel::over(connection, 80);
        server.opened(1, 80).await;
        server.say(&data(3, b"half of", false)).await;
        server.say(&frames).await;
        drop(server);
        assert_eq!(tunnel.read().await, b"half of");
        assert!((&mut tunnel.word).await.unwrap().contains(LOST));
        tunnel.leave().await.1.unwrap_err();
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_server_back() {
    let (connection, mut server) = Server::pair();
    let tunnel = Tunnel::over(connection, 80);
    server.opened(1, 80).await;
    let frame = data(3, &[7; 100_000], false);
    let mut sent = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(200), server.io.write_all(&frame))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 1000, "it is taken without end");
    }
    tunnel.leave().await.1.unwrap();
}

proptest! {
    #[test]
    fn wherever_the_bytes_are_cut_the_same_arrives(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let mut frames = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            frames.extend(control(PING, 0, &[2 * u32::try_from(index).unwrap()]));
            frames.extend(data(3, piece, false));
            frames.extend(data(9, b"another's", false));
        }
        frames.extend(control(SYN_REPLY, FIN, &[3]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (read, pongs) = runtime.block_on(async {
            let (connection, mut server) = Server::pair();
            let mut tunnel = Tunnel::over(connection, 80);
            server.opened(1, 80).await;
            let mut rest = &frames[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                server.say(now).await;
                tokio::task::yield_now().await;
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let read = tunnel.read().await;
            let mut pongs = 0;
            while pongs < pieces.len() {
                let expected = Seen::Pong(2 * u32::try_from(pongs).unwrap());
                assert_eq!(server.see().await, expected);
                pongs += 1;
            }
            tunnel.leave().await.1.unwrap();
            (read, pongs)
        });
        prop_assert_eq!(read, pieces.concat());
        prop_assert_eq!(pongs, pieces.len());
    }
}
