//! The program as a child: its reports as they come, its end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::{Project, wait_for};

/// A running wharf.
pub(crate) struct Wharf {
    child: Child,
    reports: Arc<Mutex<Vec<Value>>>,
    /// How many reports the test has looked at.
    seen: usize,
}

impl Wharf {
    /// Starts `wharf --json ARGS` in the project's folder.
    pub(crate) fn start(project: &Project, args: &[&str]) -> Self {
        Self::read(command(project, args).stdin(Stdio::null()))
    }

    /// Starts `wharf --json ARGS` as `change` leaves the command: with other variables, say.
    pub(crate) fn start_with(
        project: &Project,
        args: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = command(project, args);
        change(&mut command);
        Self::read(command.stdin(Stdio::null()))
    }

    /// Starts `wharf --json ARGS` in namespaces of its own, in which it is root: what `script`
    /// mounts and sets there concerns nobody else.
    pub(crate) fn start_apart(project: &Project, script: &str, args: &[&str]) -> Self {
        let inner = command(project, args);
        let mut outer = Command::new("unshare");
        // The shell becomes wharf, so that signals reach it and the exit code is its own.
        let script = format!("set -e; {script}; exec \"$0\" \"$@\"");
        outer.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        outer.arg(inner.get_program()).args(inner.get_args()).current_dir(project.folder());
        for (name, value) in inner.get_envs() {
            outer.env(name, value.expect("none is removed"));
        }
        Self::read(outer.stdin(Stdio::null()))
    }

    /// The same in a terminal of its own, as a person does. Keys go in by [`Wharf::press`].
    pub(crate) fn start_in_terminal(project: &Project, args: &[&str]) -> Self {
        let inner = command(project, args);
        let words = std::iter::once(inner.get_program()).chain(inner.get_args());
        let words: Vec<String> =
            words.map(|word| format!("'{}'", word.to_str().expect("it is text"))).collect();
        // `script` makes the terminal; it passes on what it reads, and the exit code. Its shell
        // must not stay between, for it would get the signals too, and some end of them.
        let mut outer = Command::new("script");
        let line = format!("exec {}", words.join(" "));
        outer.args(["-qefc", &line, "/dev/null"]).current_dir(project.folder());
        for (name, value) in inner.get_envs() {
            outer.env(name, value.expect("none is removed"));
        }
        Self::read(outer.stdin(Stdio::piped()))
    }

    fn read(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wharf starts");
        let reports = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&reports);
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A terminal shows `^C` and the like between the reports.
                let Some(report) = line.find('{').map(|at| &line[at..]) else { continue };
                let report = serde_json::from_str(report).expect("each line is a report");
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
        });
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                eprintln!("wharf: {line}");
            }
        });
        Self { child, reports, seen: 0 }
    }

    /// Runs `wharf --json ARGS` to its end.
    pub(crate) fn run(project: &Project, args: &[&str]) -> (ExitStatus, Vec<Value>) {
        let mut wharf = Self::start(project, args);
        let status = wharf.wait();
        (status, wharf.reports())
    }

    /// Everything told so far.
    pub(crate) fn reports(&self) -> Vec<Value> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next report that `wanted` picks; those before it count as seen.
    ///
    /// # Panics
    ///
    /// When it does not come in time, or wharf ends before; what was told is in the message.
    pub(crate) fn next<T>(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> Option<T>) -> T {
        let reports = Arc::clone(&self.reports);
        let began = std::time::Instant::now();
        loop {
            let ended = self.child.try_wait().ok().flatten();
            let all = reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
            while self.seen < all.len() {
                self.seen += 1;
                if let Some(found) = wanted(&all[self.seen - 1]) {
                    return found;
                }
            }
            let told = || all.iter().map(|report| format!("  {report}\n")).collect::<String>();
            assert!(ended.is_none(), "{what}: wharf ended with {ended:?}; told:\n{}", told());
            assert!(began.elapsed() < super::LIMIT, "{what}: not told in time; told:\n{}", told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end of the next round and returns how many things failed in it.
    pub(crate) fn round(&mut self) -> u64 {
        self.next("the end of a round", |report| {
            (report["report"] == "round").then(|| report["failed"].as_u64().unwrap_or(u64::MAX))
        })
    }

    /// How many reports of images or releases told this so far, such as `building`.
    pub(crate) fn told(&self, name: &str, news: &str) -> usize {
        let reports = self.reports();
        let is_it = |report: &&Value| report["name"] == name && report["news"] == news;
        reports.iter().filter(is_it).count()
    }

    /// Waits for the local port of `target` (such as `service/hello`) and returns it.
    pub(crate) fn port(&mut self, target: &str) -> u16 {
        self.next(&format!("the port of `{target}`"), |report| {
            let open = report["report"] == "forward"
                && report["target"] == target
                && report["news"] == "open";
            let local = open.then(|| report["local"].as_str())??;
            local.rsplit(':').next()?.parse().ok()
        })
    }

    /// Types bytes, such as `\x03` for Ctrl+C, into the terminal.
    pub(crate) fn press(&mut self, bytes: &[u8]) {
        let keyboard = self.child.stdin.as_mut().expect("it runs in a terminal");
        keyboard.write_all(bytes).and_then(|()| keyboard.flush()).expect("the terminal is there");
    }

    /// The process's id; in a terminal that of the terminal.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        super::output("kill", &["-s", name, &self.id().to_string()]);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = wait_for("the end of wharf", || self.child.try_wait().expect("it is a child"));
        // What it told last may still be on its way from the pipe.
        let mut before = usize::MAX;
        wait_for("the last report", || {
            let now = self.reports().len();
            let same = now == before;
            before = now;
            same.then_some(())
        });
        status
    }

    /// Ctrl+C, and the end. Returns the exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        self.signal("INT");
        self.wait().code()
    }
}

impl Drop for Wharf {
    /// A test that failed leaves nothing running.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            for _ in 0..500 {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The command that starts wharf in `project`, with places of its own for everything it keeps.
pub(crate) fn command(project: &Project, args: &[&str]) -> Command {
    let mut command = bare(project);
    command.args(["--json", "-n", project.namespace()]).args(args);
    command
}

/// What `wharf ARGS` writes for people, wherever the arguments say; it must succeed.
pub(crate) fn said(project: &Project, args: &[&str]) -> String {
    let output = bare(project).args(args).output().expect("wharf starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

fn bare(project: &Project) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(project.folder())
        .env("XDG_STATE_HOME", project.home().join("state"))
        .env("XDG_CACHE_HOME", project.home().join("cache"))
        .env("XDG_RUNTIME_DIR", project.home().join("run"))
        .env("TMPDIR", project.home().join("tmp"))
        .envs(project.environment().iter().cloned());
    command
}

/// Where cargo has built the program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_wharf"))
}
