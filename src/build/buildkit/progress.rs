//! What BuildKit tells while it builds: steps for the person, everything for the log.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};

use crate::report::ArtifactNews;

use super::hidden::Hidden;

/// How many of a step's last lines are kept for an error.
const TAIL_LINES: usize = 40;

/// Who hears about steps.
pub(super) type Tell<'a> = &'a (dyn Fn(ArtifactNews) + Send + Sync);

/// One step of the build, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Step {
    number: usize,
    /// Such as `[build 2/4] RUN go build`.
    pub(super) name: String,
    pub(super) cached: bool,
    /// Why it failed; empty while it has not.
    pub(super) error: String,
    /// Its last lines, each with the time that the builder gave it.
    pub(super) tail: VecDeque<(Stamp, String)>,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
    told_start: bool,
    told_end: bool,
    /// The line that each of stdout and stderr has begun, and when.
    begun: [(Stamp, Vec<u8>); 2],
}

/// When the builder read something: seconds and nanoseconds.
pub(super) type Stamp = (i64, i32);

/// Everything that was told about one build.
pub(super) struct Progress<'a> {
    tell: Tell<'a>,
    log: Option<File>,
    steps: BTreeMap<String, Step>,
    hidden: Hidden,
}

impl<'a> Progress<'a> {
    /// Writes the log to `path`, replacing the last build's. A log that cannot be written is no
    /// reason to build nothing.
    pub(super) fn new(tell: Tell<'a>, path: &Path, hidden: Hidden) -> Self {
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let log = folder.and_then(|()| File::create(path));
        if let Err(error) = &log {
            tracing::warn!(path = %path.display(), %error, "the build is not logged");
        }
        Self { tell, log: log.ok(), steps: BTreeMap::new(), hidden }
    }

    /// Takes one message into account.
    pub(super) fn take(&mut self, status: &StatusResponse) {
        for vertex in &status.vertexes {
            self.vertex(vertex);
        }
        // Stdout and stderr are read side by side: their pieces come in any order.
        let mut logs: Vec<&VertexLog> = status.logs.iter().collect();
        logs.sort_by_key(|log| stamp(log));
        for log in logs {
            self.output(log);
        }
        for warning in &status.warnings {
            let text = String::from_utf8_lossy(&warning.short).into_owned();
            self.write(&format!("WARNING: {text}"));
        }
    }

    fn vertex(&mut self, vertex: &Vertex) {
        let next = self.steps.len() + 1;
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        if step.number == 0 {
            step.number = next;
            step.name = self.hidden.strike(&vertex.name).into_owned();
        }
        step.cached |= vertex.cached;
        step.started = vertex.started.or(step.started);
        step.completed = vertex.completed.or(step.completed);
        if !vertex.error.is_empty() {
            step.error = self.hidden.strike(&vertex.error).into_owned();
        }
        let is_internal = step.name.starts_with("[internal]")
            && !step.name.starts_with("[internal] load metadata");
        let number = step.number;
        let mut lines = Vec::new();
        let mut news = Vec::new();
        let name = step.name.clone();
        let tells = |done, took| ArtifactNews::Step {
            step: name.clone(),
            cached: vertex.cached,
            done,
            took,
        };
        if step.started.is_some() && !step.told_start {
            step.told_start = true;
            lines.push(format!("#{number} {}", step.name));
            news.push(tells(false, None));
        }
        if step.completed.is_some() && !step.told_end {
            step.told_end = true;
            let took = took(step.started.as_ref(), step.completed.as_ref());
            let begun = std::mem::take(&mut step.begun);
            for (stamp, rest) in begun.iter().filter(|(_, rest)| !rest.is_empty()) {
                let text = self.hidden.strike(&String::from_utf8_lossy(rest)).into_owned();
                lines.push(format!("#{number} {text}"));
                step.keep(*stamp, text);
            }
            lines.push(match (&*step.error, step.cached) {
                ("", true) => format!("#{number} CACHED"),
                ("", false) => format!("#{number} DONE {:.1}s", took.as_secs_f64()),
                (error, _) => format!("#{number} ERROR: {error}"),
            });
            news.push(tells(true, Some(took)));
        }
        for line in lines {
            self.write(&line);
        }
        if !is_internal {
            news.into_iter().for_each(self.tell);
        }
    }

    fn output(&mut self, log: &VertexLog) {
        let Some(step) = self.steps.get_mut(&log.vertex) else { return };
        let number = step.number;
        let stream = usize::from(log.stream == 2);
        let now = stamp(log);
        let (mut since, mut begun) = std::mem::take(&mut step.begun[stream]);
        if begun.is_empty() {
            since = now;
        }
        begun.extend_from_slice(&log.msg);
        let mut lines = Vec::new();
        while let Some(end) = begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            let text = self.hidden.strike(text.trim_end_matches(['\n', '\r'])).into_owned();
            step.keep(since, text.clone());
            since = now;
            lines.push(format!("#{number} {text}"));
        }
        step.begun[stream] = (since, begun);
        for line in lines {
            self.write(&line);
        }
    }

    /// Adds a line to the log.
    pub(super) fn write(&mut self, line: &str) {
        let line = self.hidden.strike(line).into_owned();
        if let Some(log) = &mut self.log
            && writeln!(log, "{line}").is_err()
        {
            // A full disk: the build goes on without a log.
            self.log = None;
        }
    }

    /// Steps of the Dockerfile that came from the cache, and all of them; `FROM` is none.
    pub(super) fn counts(&self) -> (usize, usize) {
        let steps = self.steps.values().filter(|step| {
            step.name.starts_with('[')
                && !step.name.starts_with("[internal]")
                && !step.name.contains("] FROM ")
                && step.completed.is_some()
        });
        steps.fold((0, 0), |(cached, all), step| (cached + usize::from(step.cached), all + 1))
    }

    /// The step that failed, rather than one that was stopped because another had.
    pub(super) fn failed(&self) -> Option<&Step> {
        let failed = self.steps.values().filter(|step| !step.error.is_empty());
        failed.min_by_key(|step| (step.error.contains("context canceled"), step.number))
    }
}

impl Step {
    fn keep(&mut self, stamp: Stamp, line: String) {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back((stamp, line));
    }
}

fn stamp(log: &VertexLog) -> Stamp {
    log.timestamp.as_ref().map_or((0, 0), |at| (at.seconds, at.nanos))
}

fn took(started: Option<&Timestamp>, completed: Option<&Timestamp>) -> Duration {
    let (Some(started), Some(completed)) = (started, completed) else { return Duration::ZERO };
    let nanoseconds =
        |at: &Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    let took = nanoseconds(completed) - nanoseconds(started);
    Duration::from_nanos(u64::try_from(took).unwrap_or(0))
}
