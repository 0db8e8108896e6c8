//! One command: built up, run, captured.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::{Piped, ToolError, Tools, orphans};

/// How long a program that was asked to end may take before it is killed. Helm ends in 0.1 s and
/// leaves a usable release when it may end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// How many lines of output an error carries.
const TAIL_LINES: usize = 40;

/// How much of one line of output is kept, in bytes.
const LINE_LIMIT: usize = 4096;

/// What a program wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Everything on stdout.
    pub stdout: Vec<u8>,
    /// The last lines on stderr.
    pub stderr_tail: Vec<String>,
}

impl Output {
    /// Stdout as text, with what is no UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

type LineSink = Box<dyn FnMut(&str) + Send>;

/// A command to be run.
pub struct ToolCommand {
    tools: Tools,
    program: String,
    args: Vec<OsString>,
    folder: Option<PathBuf>,
    stdin: Vec<u8>,
    limit: Option<Duration>,
    cancel: CancellationToken,
    on_line: Option<LineSink>,
}

impl ToolCommand {
    pub(super) fn new(tools: Tools, program: &str) -> Self {
        Self {
            tools,
            program: program.to_owned(),
            args: Vec::new(),
            folder: None,
            stdin: Vec::new(),
            limit: None,
            cancel: CancellationToken::new(),
            on_line: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable for this command alone.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.tools = self.tools.with_variable(name, value);
        self
    }

    /// Runs in `folder`.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Writes `bytes` to its stdin and closes it; without this stdin is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Ends it when it has not ended by itself after `limit`.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Ends it when `cancel` is cancelled.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &CancellationToken) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Gives each line of stderr to `sink` as it comes.
    #[must_use]
    pub fn on_stderr_line(mut self, sink: impl FnMut(&str) + Send + 'static) -> Self {
        self.on_line = Some(Box::new(sink));
        self
    }

    /// The command as it can be pasted into a shell.
    #[must_use]
    pub fn display(&self) -> String {
        let words = std::iter::once(self.program.as_str().into())
            .chain(self.args.iter().map(|arg| arg.to_string_lossy()));
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// [`ToolError`] when it is missing, cannot be started, fails, takes too long or is cancelled.
    pub async fn run(self) -> Result<Output, ToolError> {
        let mut stdout = Vec::new();
        let stderr_tail = self.run_into(&mut stdout).await?;
        Ok(Output { stdout, stderr_tail })
    }

    /// Like [`Self::run`], for callers that cannot wait otherwise.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_blocking(self) -> Result<Output, ToolError> {
        let command = self.display();
        let not_started = |source| ToolError::NotStarted { command: command.clone(), source };
        // A thread of its own, since the caller's may belong to a runtime already.
        std::thread::scope(|scope| {
            let ran = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                Ok(runtime?.block_on(self.run()))
            });
            match ran.join() {
                Ok(Ok(result)) => result,
                Ok(Err(error)) => Err(not_started(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs it to its end and adds what it writes on stdout to `out`, also when it fails; returns
    /// the last lines on stderr.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub async fn run_into(mut self, out: &mut Vec<u8>) -> Result<Vec<String>, ToolError> {
        let display = self.display();
        if self.cancel.is_cancelled() {
            return Err(ToolError::Cancelled { command: display });
        }
        let Some(path) = self.tools.find(&self.program) else {
            return Err(ToolError::Missing { program: self.program });
        };
        let stdin = if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut child = self
            .spawn(&path, stdin, Stdio::piped())
            .map_err(|source| ToolError::NotStarted { command: display.clone(), source })?;
        // A child that has been reaped already has no id; its group is empty then.
        let group = child.id().and_then(Group::led_by);
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let mut on_line = self.on_line.take();
        let mut tail = VecDeque::new();
        let bytes = std::mem::take(&mut self.stdin);

        let ended = {
            let io = async {
                let feed = async {
                    if let Some(mut stdin) = stdin {
                        // A program need not read what it is given.
                        let _ = stdin.write_all(&bytes).await;
                    }
                };
                let read_out = async {
                    if let Some(mut stdout) = stdout {
                        let _ = stdout.read_to_end(out).await;
                    }
                };
                let read_err = async {
                    if let Some(stderr) = stderr {
                        keep_tail(stderr, &mut tail, &mut on_line).await;
                    }
                };
                tokio::join!(feed, read_out, read_err);
                child.wait().await
            };
            let limit = self.limit;
            let timer = async {
                match limit {
                    Some(limit) => tokio::time::sleep(limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::pin!(io);
            tokio::select! {
                biased;
                status = &mut io => Ended::ByItself(status),
                () = self.cancel.cancelled() => {
                    end(group.as_ref(), &mut io).await;
                    Ended::Cancelled
                }
                () = timer => {
                    end(group.as_ref(), &mut io).await;
                    Ended::TooLate
                }
            }
        };
        drop(group);
        let mut tail: Vec<String> = tail.into();
        match ended {
            Ended::ByItself(Ok(status)) if status.success() => Ok(tail),
            Ended::ByItself(Ok(status)) => {
                if tail.iter().all(|line| line.trim().is_empty()) {
                    let text = String::from_utf8_lossy(out);
                    let lines: Vec<&str> = text.lines().collect();
                    let from = lines.len().saturating_sub(TAIL_LINES);
                    tail = lines[from..].iter().map(|&line| line.to_owned()).collect();
                }
                let code = status.code();
                let status = match code {
                    Some(code) => format!("status {code}"),
                    None => {
                        use std::os::unix::process::ExitStatusExt as _;
                        format!("signal {}", status.signal().unwrap_or_default())
                    }
                };
                Err(ToolError::Failed { command: display, status, code, output_tail: tail })
            }
            Ended::ByItself(Err(source)) => Err(ToolError::NotStarted { command: display, source }),
            Ended::Cancelled => Err(ToolError::Cancelled { command: display }),
            Ended::TooLate => Err(ToolError::TimedOut {
                command: display,
                limit: self.limit.unwrap_or_default(),
                output_tail: tail,
            }),
        }
    }

    /// Starts it and hands out its stdin and stdout as one connection; stderr is dropped.
    ///
    /// # Errors
    ///
    /// [`ToolError`] when it is missing or cannot be started.
    pub fn open(self) -> Result<Piped, ToolError> {
        let command = self.display();
        let Some(path) = self.tools.find(&self.program) else {
            return Err(ToolError::Missing { program: self.program });
        };
        let refused = |source| ToolError::NotStarted { command, source };
        let mut child = match self.spawn(&path, Stdio::piped(), Stdio::null()) {
            Ok(child) => child,
            Err(error) => return Err(refused(error)),
        };
        let group = child.id().and_then(Group::led_by);
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Ok(Piped { stdin, stdout, _group: group, _child: child })
            }
            _ => Err(refused(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn spawn(
        &self,
        path: &std::path::Path,
        stdin: Stdio,
        stderr: Stdio,
    ) -> std::io::Result<tokio::process::Child> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts children")]
        let mut command = tokio::process::Command::new(path);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.tools.environment())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(owner) = orphans::owner() {
            command.env(orphans::OWNER, owner);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.spawn()
    }
}

enum Ended {
    ByItself(std::io::Result<std::process::ExitStatus>),
    Cancelled,
    TooLate,
}

/// Asks the group to end and waits a while; dropping the group does the rest.
async fn end<F: Future>(group: Option<&Group>, io: &mut std::pin::Pin<&mut F>) {
    if let Some(group) = group {
        group.terminate();
    }
    let _ = tokio::time::timeout(GRACE, io).await;
}

async fn keep_tail(
    stderr: tokio::process::ChildStderr,
    tail: &mut VecDeque<String>,
    on_line: &mut Option<LineSink>,
) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        shorten(&mut line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if let Some(sink) = on_line {
            sink(text);
        }
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text.to_owned());
    }
}

/// Leaves out the middle of a very long line: what is wrong stands at its beginning or its end.
fn shorten(line: &mut Vec<u8>) {
    if line.len() > LINE_LIMIT {
        let half = LINE_LIMIT / 2;
        line.splice(half..line.len() - half, "…".bytes());
    }
}

/// `word` as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
