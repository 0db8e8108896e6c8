//! Containers of the Engine, and commands run in them: the nodes of kind and k3d are containers.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::connection::Connection;
use super::http::escaped;
use super::{DockerError, Engine};

/// How much of a command's stderr is kept.
const STDERR_LIMIT: usize = 64 * 1024;

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its ID.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// It runs.
    pub running: bool,
    /// `created`, `running`, `paused`, `exited` …
    pub state: String,
}

/// How a command in a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// Everything on stdout.
    pub stdout: Vec<u8>,
    /// The first part of stderr.
    pub stderr: String,
}

impl Engine {
    /// All containers that have `label` (`key` or `key=value`), running or not.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the Engine does not answer.
    pub async fn containers(&self, label: &str) -> Result<Vec<Container>, DockerError> {
        let filters = json!({"label": [label]}).to_string();
        let path = format!("/containers/json?all=1&filters={}", escaped(&filters));
        let listed: Vec<Listed> = self.get(&path).await?.json().await?;
        let containers = listed.into_iter().map(|listed| Container {
            name: listed
                .names
                .first()
                .map(|name| name.trim_start_matches('/').to_owned())
                .unwrap_or_default(),
            id: listed.id,
            labels: listed.labels.unwrap_or_default(),
            running: listed.state == "running",
            state: listed.state,
        });
        Ok(containers.collect())
    }

    /// Runs `command` in `container` to its end.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it cannot be started; its own failure is an [`Ended::code`].
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<Ended, DockerError> {
        let mut running = self.open_exec(container, command).await?;
        let _ = running.shutdown().await;
        running.finish().await
    }

    /// Starts `command` in `container` and connects to it. Dropping the connection closes its
    /// stdin and stdout; the Engine does not end it, so it must end by itself then.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when it cannot be started.
    pub async fn open_exec(&self, container: &str, command: &[&str]) -> Result<Exec, DockerError> {
        let body = json!({
            "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Cmd": command,
        });
        let path = format!("/containers/{container}/exec");
        let created: Created =
            self.request(Method::POST, &path, |request| request.json(&body)).await?.json().await?;
        let path = format!("/exec/{}/start", created.id);
        let connection = self.open_tcp(&path, r#"{"Detach":false,"Tty":false}"#).await?;
        Ok(Exec {
            engine: self.clone(),
            id: created.id,
            connection,
            header: [0; 8],
            header_filled: 0,
            left: 0,
            is_stderr: false,
            stderr: Vec::new(),
        })
    }
}

/// A command that runs in a container: reading gives its stdout, writing goes to its stdin.
#[derive(Debug)]
pub struct Exec {
    engine: Engine,
    id: String,
    connection: Connection,
    /// Each frame begins with its stream and length:
    /// <https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach>
    header: [u8; 8],
    header_filled: usize,
    left: usize,
    is_stderr: bool,
    stderr: Vec<u8>,
}

impl Exec {
    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Reads what is left and says how it ended. Its stdin should have been shut down.
    ///
    /// # Errors
    ///
    /// [`DockerError`] when the connection breaks.
    pub async fn finish(mut self) -> Result<Ended, DockerError> {
        let mut stdout = Vec::new();
        self.read_to_end(&mut stdout).await.map_err(|source| DockerError::Broken {
            what: "POST /exec/start".to_owned(),
            source: Box::new(source),
        })?;
        // The end of the output comes a moment before the end of the command.
        let path = format!("/exec/{}/json", self.id);
        loop {
            let state: ExecState = self.engine.get(&path).await?.json().await?;
            if let (false, Some(code)) = (state.running, state.exit_code) {
                return Ok(Ended { code, stdout, stderr: self.stderr() });
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

impl AsyncRead for Exec {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.left == 0 {
                let mut head = ReadBuf::new(&mut this.header[this.header_filled..]);
                ready!(Pin::new(&mut this.connection).poll_read(cx, &mut head))?;
                let count = head.filled().len();
                if count == 0 {
                    return Poll::Ready(Ok(()));
                }
                this.header_filled += count;
                if this.header_filled == this.header.len() {
                    let [stream, _, _, _, length @ ..] = this.header;
                    this.is_stderr = stream == 2;
                    this.left = u32::from_be_bytes(length) as usize;
                    this.header_filled = 0;
                }
                continue;
            }
            if this.is_stderr {
                let mut bytes = [0; 1024];
                let room = bytes.len().min(this.left);
                let mut piece = ReadBuf::new(&mut bytes[..room]);
                ready!(Pin::new(&mut this.connection).poll_read(cx, &mut piece))?;
                let count = piece.filled().len();
                if count == 0 {
                    return Poll::Ready(Ok(()));
                }
                this.left -= count;
                let keep = count.min(STDERR_LIMIT - this.stderr.len());
                this.stderr.extend_from_slice(&piece.filled()[..keep]);
                continue;
            }
            let room = buffer.remaining().min(this.left);
            let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(room));
            ready!(Pin::new(&mut this.connection).poll_read(cx, &mut piece))?;
            let count = piece.filled().len();
            buffer.advance(count);
            this.left -= count;
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Exec {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    names: Vec<String>,
    labels: Option<BTreeMap<String, String>>,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecState {
    running: bool,
    exit_code: Option<i64>,
}
