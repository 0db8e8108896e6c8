//! Follows the log of one container of one pod, from run to run, until the pod is gone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::AsyncBufRead;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::LogParams;
use tokio::time::{Instant, timeout};

use super::dedupe::Seen;
use super::instance::{Instance, instance};
use super::line::{fields_of, tidy};
use super::read::{Lines, RawLine};
use crate::model::Namespace;
use crate::observe::scene::Scene;
use crate::report::{LogLine, Reporter};

/// The longest pause before a log is taken up again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a stream may go on after its pod is gone: its last lines are on their way then.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How many runs that begin while an earlier one is read have their logs opened. A container that
/// ends again and again is started later and later, so that more are not to be expected.
const AHEAD: usize = 4;

/// An answer of the API server, line by line.
type Stream = Lines<Pin<Box<dyn AsyncBufRead + Send>>>;

/// Runs that began while an earlier one was read, oldest first. Kubelet reads the newest file of a
/// run to those who come, and drops old ones: an open log is a whole one.
type Ahead = VecDeque<(Instance, Stream)>;

/// The log of one container of one pod.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) scene: Scene,
    pub(super) namespace: Namespace,
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) container: String,
    /// What lines are told with: workload, replica and container.
    pub(super) label: Label,
    pub(super) reporter: Reporter,
    /// Where the first run's log is begun.
    pub(super) begin: Begin,
}

/// Where a log is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// With the first line there is.
    First,
    /// With the first line after this moment.
    Since(Timestamp),
    /// With so many lines before the end.
    Tail(i64),
}

/// Who a line is of.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) workload: String,
    pub(super) replica: String,
    /// Whether there are several replicas, so that the line must say which one.
    pub(super) has_siblings: Arc<AtomicBool>,
    pub(super) container: Option<String>,
    /// In place of those, where the configuration says so.
    pub(super) prefix: Option<String>,
    /// Of lines that are JSON objects, the fields that are shown.
    pub(super) json_fields: Arc<[String]>,
}

/// Which part of a container's log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A run that goes on, from where it is to be begun.
    Beginning,
    /// A run that goes on, from where its stream broke.
    Continuation,
    /// What is left of a run that has ended.
    End,
    /// A run that has ended, of which nothing was read.
    Whole,
    /// What is left of the run before.
    Previous,
    /// The same, of a run that lines were read of.
    PreviousEnd,
}

/// How a stream ended.
enum End {
    /// Nothing more comes from this run, or the connection was closed.
    Over,
    /// The log may not be read, or there is no such pod.
    Refused(String),
    /// It may work next time.
    Broken,
}

/// What is known of a container's log so far.
#[derive(Debug, Default)]
struct Progress {
    seen: Seen,
    /// The run that was read last, and whether it was read to its end.
    run: Option<(Instance, bool)>,
    /// Whether lines were read since the stream was taken up.
    is_moving: bool,
    /// The run that the newest line is of.
    newest: Option<String>,
    /// The last thing that kubelet itself said in the stream.
    kubelet: Option<String>,
}

impl Follower {
    /// Tells lines until the pod is gone.
    pub(super) async fn run(self) {
        let mut changes = self.scene.changes();
        let mut progress = Progress::default();
        let mut ahead = Ahead::new();
        let mut failures = 0;
        loop {
            changes.borrow_and_update();
            if let Some((next, stream)) = ahead.pop_front() {
                self.opened_run(next, stream, &mut ahead, &mut progress).await;
            }
            let Some(pod) = self.find() else { return };
            let now = instance(&pod, &self.container);
            let before = progress.run.clone();
            let unread = now.filter(
                |now| !matches!(&before, Some((run, true)) if run.id == now.id && !now.is_running),
            );
            let Some(now) = unread else {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let is_another = before.as_ref().is_none_or(|(run, _)| run.id != now.id);
            if is_another
                && now.is_running
                && self.begins_with_first(&progress)
                && let Ok(stream) = self.request(&LogParams { follow: true, ..self.params() }).await
            {
                self.opened_run(now, stream, &mut ahead, &mut progress).await;
                continue;
            }
            if is_another {
                self.earlier_runs(&now, &mut progress).await;
            }
            progress.run = Some((now.clone(), false));
            let began = Instant::now();
            let part = match (is_another, now.is_running) {
                (true, true) => Part::Beginning,
                (false, true) => Part::Continuation,
                (true, false) => Part::Whole,
                (false, false) => Part::End,
            };
            let stream = self.stream(part, &mut progress);
            let end = self.meanwhile(&mut ahead, &now, stream).await;
            match end {
                End::Refused(why) => {
                    return self.remark(format!("its log cannot be read: {why}")).await;
                }
                End::Over if !now.is_running => {
                    progress.run = Some((now, true));
                    continue;
                }
                End::Over | End::Broken => {}
            }
            failures = if progress.is_moving || began.elapsed() > LONGEST_PAUSE {
                0
            } else {
                failures + 1
            };
            if ahead.is_empty() {
                self.pause(&now, failures).await;
            }
        }
    }

    /// Reads a run whose log is open already, after what is left of the run before.
    async fn opened_run(
        &self,
        now: Instance,
        stream: Stream,
        ahead: &mut Ahead,
        progress: &mut Progress,
    ) {
        let is_current = || {
            let current = self.find().and_then(|pod| instance(&pod, &self.container));
            current.is_some_and(|current| current.id == now.id)
        };
        // Once there is another one, kubelet's run before is this one.
        if is_current() {
            self.meanwhile(ahead, &now, self.earlier_runs(&now, progress)).await;
        }
        progress.run = Some((now.clone(), false));
        progress.seen.take_up();
        let read = self.read(stream, true, false, progress);
        let _ = self.meanwhile(ahead, &now, read).await;
    }

    /// Whether the next run is shown from its first line.
    fn begins_with_first(&self, progress: &Progress) -> bool {
        self.begin == Begin::First || progress.run.is_some()
    }

    /// Waits for `reading`, which reads `current` or what was before it. The logs of runs that
    /// begin meanwhile are opened.
    async fn meanwhile<T>(
        &self,
        ahead: &mut Ahead,
        current: &Instance,
        reading: impl Future<Output = T>,
    ) -> T {
        tokio::select! {
            done = reading => done,
            never = self.open_ahead(ahead, current) => match never {},
        }
    }

    async fn open_ahead(&self, ahead: &mut Ahead, current: &Instance) -> Infallible {
        let mut changes = self.scene.changes();
        loop {
            changes.borrow_and_update();
            let newest = ahead.back().map_or(current.restarts, |(run, _)| run.restarts);
            let next = self.find().and_then(|pod| instance(&pod, &self.container));
            let next = next.filter(|next| next.is_running && next.restarts > newest);
            if let Some(next) = next.filter(|_| ahead.len() < AHEAD)
                && let Ok(stream) = self.request(&LogParams { follow: true, ..self.params() }).await
            {
                ahead.push_back((next, stream));
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Reads what there is now, once, and does not wait for more.
    pub(super) async fn read_once(self) {
        let Some(pod) = self.find() else { return };
        if instance(&pod, &self.container).is_none() {
            return;
        }
        let mut progress = Progress::default();
        if let End::Refused(why) = self.stream(Part::Whole, &mut progress).await {
            self.remark(format!("its log cannot be read: {why}")).await;
        }
    }

    /// The pod, while it is there; another pod of the same name is another pod.
    fn find(&self) -> Option<Arc<Pod>> {
        let pod = self.scene.pods(&self.namespace).get(&self.pod)?;
        (pod.metadata.uid.as_deref() == Some(&self.uid)).then_some(pod)
    }

    /// Reads what is left of the runs before `now`, as far as kubelet has them.
    async fn earlier_runs(&self, now: &Instance, progress: &mut Progress) {
        let Some(previous) = &now.previous else { return };
        let (missed, is_known) = match &progress.run {
            // Runs before the first look count only where the log is read from the beginning.
            None if self.begin != Begin::First => return,
            None => (now.restarts - 1, false),
            Some((run, _)) => (now.restarts - run.restarts - 1, run.id == *previous),
        };
        let lost = missed - i32::from(!is_known);
        if lost > 0 && progress.run.is_some() {
            self.remark(format!(
                "it was started {lost} times in between whose lines kubelet no longer has"
            ))
            .await;
        }
        let has_begun = is_known && progress.newest.as_ref() == Some(previous);
        let part = if has_begun { Part::PreviousEnd } else { Part::Previous };
        self.stream(part, progress).await;
    }

    /// Reads one answer of the API server to its end.
    async fn stream(&self, part: Part, progress: &mut Progress) -> End {
        let follow = matches!(part, Part::Beginning | Part::Continuation);
        let mut params = LogParams {
            follow,
            previous: matches!(part, Part::Previous | Part::PreviousEnd),
            since_time: progress.seen.take_up(),
            ..self.params()
        };
        let may_have_gap = matches!(part, Part::Continuation | Part::End | Part::PreviousEnd);
        if params.since_time.is_none() {
            match self.begin {
                Begin::First => {}
                Begin::Since(moment) => {
                    params.since_time = Timestamp::from_second(moment.as_second()).ok();
                }
                Begin::Tail(lines) => params.tail_lines = Some(lines),
            }
        }
        progress.is_moving = false;
        match self.request(&params).await {
            Ok(stream) => self.read(stream, follow, may_have_gap, progress).await,
            Err(end) => end,
        }
    }

    fn params(&self) -> LogParams {
        LogParams {
            container: Some(self.container.clone()),
            timestamps: true,
            ..LogParams::default()
        }
    }

    async fn request(&self, params: &LogParams) -> Result<Stream, End> {
        let pods: Api<Pod> = Api::namespaced(self.scene.client().clone(), self.namespace.as_str());
        match pods.log_stream(&self.pod, params).await {
            Ok(stream) => Ok(Lines::new(Box::pin(stream))),
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                Err(End::Refused(status.message))
            }
            Err(_) => Err(End::Broken),
        }
    }

    async fn read(
        &self,
        mut lines: Stream,
        follow: bool,
        mut may_have_gap: bool,
        progress: &mut Progress,
    ) -> End {
        loop {
            let line = tokio::select! {
                biased;
                line = lines.next() => line,
                () = self.gone() => return End::Over,
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return End::Over,
                Err(_) => return End::Broken,
            };
            if !line.is_whole && follow {
                // The rest of it may still come; it is read whole when the stream is taken up.
                continue;
            }
            let Some(mark) = line.mark() else {
                self.kubelets_word(&line, progress).await;
                continue;
            };
            if !progress.seen.is_new(mark) {
                continue;
            }
            if may_have_gap && !progress.seen.has_overlap() {
                self.remark("lines may be missing here: kubelet began a new log file".to_owned())
                    .await;
            }
            may_have_gap = false;
            progress.is_moving = true;
            if let Some((run, _)) = &progress.run {
                progress.newest = Some(run.id.clone());
            }
            self.tell(line).await;
        }
    }

    /// What kubelet itself says in the place of lines, such as that it can watch no more files.
    async fn kubelets_word(&self, line: &RawLine, progress: &mut Progress) {
        // It finds no file of a pod that goes, which is no news.
        if self.find().is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()) {
            return;
        }
        let word = tidy(&line.text);
        if !word.is_empty() && progress.kubelet.as_ref() != Some(&word) {
            self.remark(format!("kubelet: {word}")).await;
            progress.kubelet = Some(word);
        }
    }

    async fn tell(&self, line: RawLine) {
        let mut text = tidy(&line.text);
        if line.length > line.text.len() as u64 {
            text = format!("{} (line of {} bytes, cut)", text.trim_end_matches('…'), line.length);
        }
        if let Some(fields) = fields_of(&text, &self.label.json_fields) {
            text = fields;
        }
        let stamp = line.stamp.map(|(text, _)| text).unwrap_or_default();
        self.reporter.log(self.line(stamp, text, false)).await;
    }

    async fn remark(&self, text: String) {
        self.reporter.log(self.line(String::new(), text, true)).await;
    }

    fn line(&self, stamp: String, text: String, remark: bool) -> LogLine {
        let Label { workload, replica, has_siblings, container, prefix, .. } = &self.label;
        LogLine {
            workload: workload.clone(),
            replica: has_siblings.load(Ordering::Relaxed).then(|| replica.clone()),
            container: container.clone(),
            prefix: prefix.clone(),
            stamp,
            text,
            remark,
        }
    }

    /// Ends some time after the pod is gone.
    async fn gone(&self) {
        let mut changes = self.scene.changes();
        while self.find().is_some() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// Waits until the container is in another state, or for a while.
    async fn pause(&self, now: &Instance, failures: u32) {
        let pause = Duration::from_millis(100).saturating_mul(1 << failures.min(6));
        let other_state = async {
            let mut changes = self.scene.changes();
            loop {
                let pod = self.find();
                let state = pod.and_then(|pod| instance(&pod, &self.container));
                if state.as_ref() != Some(now) || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(pause.min(LONGEST_PAUSE), other_state).await;
    }
}
