//! The channel end that every floor tells through.

use tokio::sync::mpsc;

use super::Report;

/// A cloneable sender of [`Report`]s to the one task that owns the terminal.
///
/// Unbounded, so that telling never waits: reports are few, and log lines are held back at their
/// source (`observe` bounds what it has in flight). A report told after the `ui` task has ended
/// is dropped.
#[derive(Debug, Clone)]
pub struct Reporter {
    report_tx: mpsc::UnboundedSender<Report>,
}

impl Reporter {
    /// A reporter and the end that `ui` (or a test) reads.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (report_tx, report_rx) = mpsc::unbounded_channel();
        (Self { report_tx }, report_rx)
    }

    /// A reporter that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self::channel().0
    }

    /// Tells `report`.
    pub fn tell(&self, report: Report) {
        // Nobody listens any more only when the program is about to end.
        let _ = self.report_tx.send(report);
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
