//! The channel end that every floor tells through, and the end that `ui` reads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{LogLine, Report};

/// How many log lines may be on their way to `ui` at once. A container that writes faster than
/// the terminal shows waits here, so that a gigabyte of lines needs no memory.
const LOG_LINES_ON_THEIR_WAY: usize = 1024;

/// How long the beginning of a command may be silent.
const SILENCE: Duration = Duration::from_millis(90);

/// A cloneable sender of [`Report`]s to the one task that owns the terminal.
///
/// Telling never waits: reports are few, and their queue is unbounded. Log lines are many: each
/// takes a permit along ([`Reporter::log`] waits for one) that is given back when the line is
/// taken out of the queue. Both share one queue, so that a crash is told after the lines that led
/// to it. What is told after the `ui` task has ended is dropped.
#[derive(Debug, Clone)]
pub struct Reporter {
    report_tx: mpsc::UnboundedSender<Queued>,
    log_permits: Arc<Semaphore>,
}

/// A report and, for a log line, its place among those on their way.
#[derive(Debug)]
struct Queued {
    report: Report,
    _place: Option<OwnedSemaphorePermit>,
}

impl Reporter {
    /// A reporter and the end that `ui` (or a test) reads.
    #[must_use]
    pub fn channel() -> (Self, Reports) {
        let (report_tx, report_rx) = mpsc::unbounded_channel();
        let log_permits = Arc::new(Semaphore::new(LOG_LINES_ON_THEIR_WAY));
        (Self { report_tx, log_permits }, Reports { report_rx })
    }

    /// A reporter that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self::channel().0
    }

    /// Tells `report`. For log lines there is [`Reporter::log`].
    pub fn tell(&self, report: Report) {
        // Nobody listens any more only when the program is about to end.
        let _ = self.report_tx.send(Queued { report, _place: None });
    }

    /// Tells a log line, once the ones before it have gone far enough.
    pub async fn log(&self, line: LogLine) {
        // The semaphore is never closed.
        let place = Arc::clone(&self.log_permits).acquire_owned().await.ok();
        let _ = self.report_tx.send(Queued { report: Report::Log(line), _place: place });
    }

    /// Does `work`, and says that `why` is waited for where it takes longer than a person likes to
    /// look at nothing.
    pub async fn meanwhile<T>(&self, why: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(SILENCE) => {}
        }
        self.tell(Report::Waiting { name: "wharf".to_owned(), why: why.to_owned() });
        work.await
    }

    /// Tells a remark.
    pub fn note(&self, text: impl Into<String>) {
        self.tell(Report::Note { text: text.into() });
    }

    /// Tells a warning.
    pub fn warn(&self, text: impl Into<String>, help: Option<String>) {
        self.tell(Report::Warning { text: text.into(), help });
    }
}

/// The end of the channel where every report comes out, in the order of telling.
#[derive(Debug)]
pub struct Reports {
    report_rx: mpsc::UnboundedReceiver<Queued>,
}

impl Reports {
    /// The next report; `None` once every [`Reporter`] is gone and everything was read. Safe to
    /// drop at any time: no report is lost.
    pub async fn recv(&mut self) -> Option<Report> {
        self.report_rx.recv().await.map(|queued| queued.report)
    }

    /// The next report, if there is one already.
    pub fn try_recv(&mut self) -> Option<Report> {
        self.report_rx.try_recv().ok().map(|queued| queued.report)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            workload: "api".into(),
            replica: None,
            container: None,
            prefix: None,
            stamp: String::new(),
            text: text.into(),
            remark: false,
        }
    }

    #[tokio::test]
    async fn a_log_line_waits_while_too_many_are_on_their_way() {
        let (reporter, mut reports) = Reporter::channel();
        for _ in 0..LOG_LINES_ON_THEIR_WAY {
            reporter.log(line("early")).await;
        }
        assert!(reporter.log(line("late")).now_or_never().is_none());
        reporter.note("a report never waits");
        assert_eq!(reports.try_recv(), Some(Report::Log(line("early"))));
        // Tokio makes a task that was never pending for long pause once; this is that pause.
        tokio::task::yield_now().await;
        assert!(reporter.log(line("late")).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_said_only_where_it_takes_its_time() {
        let (reporter, mut reports) = Reporter::channel();
        assert_eq!(reporter.meanwhile("nobody", async { 1 }).await, 1);
        assert_eq!(reports.try_recv(), None);
        let slow = async {
            tokio::time::sleep(SILENCE * 2).await;
            // By then it was said.
            reports.try_recv()
        };
        let why = "the cluster to answer".to_owned();
        let said = reporter.meanwhile(&why, slow).await;
        assert_eq!(said, Some(Report::Waiting { name: "wharf".to_owned(), why }));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_listener_that_is_gone() {
        let (reporter, reports) = Reporter::channel();
        drop(reports);
        for _ in 0..=2 * LOG_LINES_ON_THEIR_WAY {
            reporter.log(line("unheard")).await;
        }
    }
}
