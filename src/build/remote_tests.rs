//! Remote sources, asked of a server on this machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::remote::{Answer, RemoteSources};
use crate::tools::Tools;

/// Answers by path: the status and headers as they stand, or a file of its folder.
struct Server {
    address: String,
    answers: Arc<Mutex<BTreeMap<String, String>>>,
    folder: tempfile::TempDir,
    tools: Tools,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answers: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let folder = tempfile::tempdir().unwrap();
        let (known, root) = (Arc::clone(&answers), folder.path().to_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = answer(stream, &known, &root).await;
            }
        });
        let variables = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nonexistent")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let tools = Tools::new(variables.into());
        Self { address, answers, folder, tools, _tasks: tasks }
    }

    fn says(&self, path: &str, headers: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), headers.to_owned());
    }

    /// What it says of `path` now, as a new session asks.
    async fn identity(&self, path: &str) -> Option<String> {
        let url = format!("{}{path}", self.address);
        match RemoteSources::default().identity(&url, &self.tools).await {
            Answer::Says(identity) => Some(identity),
            Answer::Nothing | Answer::Away(_) => None,
        }
    }

    async fn git(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@t"];
        let folder = self.folder.path();
        let command = self.tools.command("git").args(identity).args(args).folder(folder);
        let output = command.run().await.unwrap_or_else(|e| panic!("{e}: {:?}", e.output_tail()));
        output.text().trim().to_owned()
    }
}

async fn answer(
    mut stream: TcpStream,
    known: &Mutex<BTreeMap<String, String>>,
    root: &Path,
) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(stream.read_u8().await?);
    }
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let mut words = asked.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let path = path.split('?').next().unwrap();
    let headers = known.lock().unwrap().get(path).cloned();
    let file = std::fs::read(root.join(path.trim_start_matches('/')));
    let (headers, body) = match (headers, file) {
        (Some(headers), _) => (headers, Vec::new()),
        (None, Ok(body)) => ("200 OK".to_owned(), body),
        (None, Err(_)) => ("404 Not Found".to_owned(), Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(&body).await?;
    }
    stream.shutdown().await
}

#[tokio::test]
async fn a_file_is_what_its_server_says_it_is() {
    let server = Server::start().await;
    server
        .says("/tagged", "200 OK\r\nETag: \"one\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT");
    server.says("/dated", "200 OK\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT");
    server.says("/silent", "200 OK");
    server.says("/moved", "302 Found\r\nLocation: /hop/here");
    server.says("/hop/here", "301 Moved Permanently\r\nLocation: ../tagged");
    server.says("/circle", "302 Found\r\nLocation: /circle");
    let first = server.identity("/tagged").await;
    assert_eq!(first.as_deref(), Some("etag \"one\""));
    let dated = server.identity("/dated").await;
    assert_eq!(dated.as_deref(), Some("modified Mon, 01 Jan 2024 00:00:00 GMT"));
    for unknown in ["/silent", "/gone", "/circle"] {
        assert_eq!(server.identity(unknown).await, None, "{unknown}");
    }
    assert_eq!(server.identity("/moved").await, first);
    // A server that closes the connection right after its answer has answered.
    for _ in 0..50 {
        assert_eq!(server.identity("/tagged").await, first);
    }
    server.says("/tagged", "200 OK\r\nETag: \"two\"");
    assert_eq!(server.identity("/tagged").await.as_deref(), Some("etag \"two\""));
    assert_eq!(server.identity("/moved").await.as_deref(), Some("etag \"two\""));
}

#[tokio::test]
async fn within_a_session_a_server_is_not_asked_at_every_save() {
    let server = Server::start().await;
    server.says("/tagged", "200 OK\r\nETag: \"one\"");
    let (sources, url) = (RemoteSources::default(), format!("{}/tagged", server.address));
    let first = sources.identity(&url, &server.tools).await;
    assert_eq!(first, Answer::Says("etag \"one\"".to_owned()));
    server.says("/tagged", "200 OK\r\nETag: \"two\"");
    assert_eq!(sources.identity(&url, &server.tools).await, first);
    sources.ask_again();
    let second = Answer::Says("etag \"two\"".to_owned());
    assert_eq!(sources.identity(&url, &server.tools).await, second);
}

#[tokio::test]
async fn a_server_that_is_away_changes_nothing() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache/remote.json");
    let url = |path: &str| format!("{}{path}", server.address);
    server.says("/tagged", "200 OK\r\nETag: \"one\"");
    server.says("/silent", "200 OK");
    let sources = RemoteSources::kept_in(path.clone());
    let one = sources.identity(&url("/tagged"), &server.tools).await;
    assert_eq!(one, Answer::Says("etag \"one\"".to_owned()));
    assert_eq!(sources.identity(&url("/silent"), &server.tools).await, Answer::Nothing);
    sources.save().unwrap();

    // Another session, which asks in vain.
    server.says("/tagged", "503 Service Unavailable");
    let later = RemoteSources::kept_in(path.clone());
    let last = later.identity(&url("/tagged"), &server.tools).await;
    let Answer::Away(Some((identity, _))) = &last else { panic!("{last:?}") };
    assert_eq!(identity, "etag \"one\"");
    assert_eq!(later.identity(&url("/gone"), &server.tools).await, Answer::Nothing);
    let tools = server.tools.clone();
    let tagged = url("/tagged");
    drop(server);
    later.ask_again();
    let last = later.identity(&tagged, &tools).await;
    assert!(
        matches!(&last, Answer::Away(Some((identity, _))) if identity == "etag \"one\""),
        "{last:?}"
    );
    assert_eq!(later.identity("http://127.0.0.1:1/x", &tools).await, Answer::Away(None));
}

#[tokio::test]
async fn two_sessions_do_not_forget_what_the_other_has_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remote.json");
    let (one, other) = (RemoteSources::kept_in(path.clone()), RemoteSources::kept_in(path.clone()));
    one.says("image a:1", "sha256:1");
    other.says("image b:1", "sha256:2");
    one.save().unwrap();
    other.save().unwrap();
    let later = RemoteSources::kept_in(path);
    for (key, wanted) in [("image a:1", "sha256:1"), ("image b:1", "sha256:2")] {
        assert_eq!(later.last(key).map(|(said, _)| said).as_deref(), Some(wanted));
    }
}

#[tokio::test]
async fn a_repository_is_the_commit_that_its_address_means() {
    let server = Server::start().await;
    server.git(&["init", "-q", "-b", "main", "work"]).await;
    let commit = async |text: &str| {
        std::fs::write(server.folder.path().join("work/a"), text).unwrap();
        server.git(&["-C", "work", "add", "a"]).await;
        server.git(&["-C", "work", "commit", "-qm", text]).await;
        server.git(&["-C", "work", "push", "-q", "../bare.git", "main", "--tags"]).await;
        server.git(&["-C", "bare.git", "update-server-info"]).await;
        server.git(&["-C", "work", "rev-parse", "HEAD"]).await
    };
    server.git(&["init", "-q", "--bare", "-b", "main", "bare.git"]).await;
    let one = commit("one").await;
    server.git(&["-C", "work", "tag", "v1"]).await;
    let two = commit("two").await;
    assert_ne!(one, two);
    assert_eq!(server.identity("/bare.git").await.as_ref(), Some(&two));
    assert_eq!(server.identity("/bare.git#main:docs").await.as_ref(), Some(&two));
    assert_eq!(server.identity("/bare.git#v1").await.as_ref(), Some(&one));
    assert_eq!(server.identity(&format!("/none.git#{one}")).await.as_ref(), Some(&one));
    assert_eq!(server.identity("/none.git").await, None);
}
