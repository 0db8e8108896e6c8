//! `wharf bench`: real edits of one file, each followed until it is live and ready, in a session of
//! its own.
//!
//! Comes in: what `dev` would be asked for, the file and how often. Goes out: how long each stage
//! took. The file is put back as it was, however this ends: see [`mend`].

mod comment;
mod edited;
mod error;
mod pace;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::engine::{self, Exit, Inbox, Request};
use crate::model::Key;
use crate::report::{Failure, Report, Reporter};
use crate::timeline;
use crate::timeline::{Round, Summary};
use crate::tools::Tools;

use edited::Edited;
use pace::{Pace, Step};

pub use edited::mend;
pub use error::BenchError;

/// What is edited, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits {
    /// The file, absolute.
    pub path: PathBuf,
    /// The file as a person wrote it.
    pub shown: String,
    /// How many edits.
    pub times: usize,
    /// A command that edits the file; absent: wharf does.
    pub with: Option<String>,
}

/// Runs the session, edits, and tells how long each stage took.
///
/// # Errors
///
/// The file cannot be edited, the session does not begin, or an edit leads to nothing or fails.
pub async fn run(
    request: Request,
    edits: &Edits,
    tools: Tools,
    reporter: Reporter,
    mut inbox: Inbox,
) -> Result<Exit, Failure> {
    let begun = Edited::begin(edits, &request.paths.state).map_err(|error| error.failure());
    let mut edited = begun?;
    let (inner, mut reports) = Reporter::channel();
    let (round_tx, mut round_rx) = mpsc::unbounded_channel();
    let (key_tx, key_rx) = mpsc::channel(4);
    let request = Request { rounds: Some(round_tx), ..request };
    let stdout_closed = inbox.stdout_closed.clone();
    let session = engine::run(request, tools.clone(), inner, Inbox { key_rx, stdout_closed });
    tokio::pin!(session);
    let mut rounds: Vec<Round> = Vec::new();
    let mut pace = Pace::new(edits.times);
    let mut failure: Option<Failure> = None;
    let mut interrupted = false;
    let outcome = loop {
        let due = pace.due();
        let step = tokio::select! {
            biased;
            key = inbox.key_rx.recv() => match key {
                Some(Key::Rebuild) => Step::None,
                Some(Key::Interrupt) | None => {
                    interrupted = true;
                    Step::Leave
                }
            },
            Some(round) = round_rx.recv() => {
                if pace.is_edited() {
                    rounds.push(round);
                }
                Step::None
            }
            Some(report) = reports.recv() => {
                let step = pace.hears(&report, Instant::now());
                reporter.tell(report);
                step
            }
            outcome = &mut session => break outcome,
            () = at(due) => pace.is_due(),
        };
        let step = match step {
            Step::Edit(nth) => match edited.edit(nth, &tools).await {
                Ok(()) => {
                    pace.edited(Instant::now());
                    Step::None
                }
                Err(error) => {
                    failure = Some(error.failure());
                    Step::Leave
                }
            },
            Step::Idle => {
                failure = Some(BenchError::Idle { path: edits.shown.clone() }.failure());
                Step::Leave
            }
            Step::Failed => {
                failure = Some(BenchError::RoundFailed { done: rounds.len() }.failure());
                Step::Leave
            }
            step => step,
        };
        if step == Step::Leave {
            pace.leaves();
            // First of all: whatever becomes of the session, the file is as it was.
            if let Err(error) = edited.put_back() {
                failure.get_or_insert(error.failure());
            }
            let _ = key_tx.try_send(Key::Interrupt);
        }
    };
    while let Some(report) = reports.try_recv() {
        reporter.tell(report);
    }
    edited.put_back().map_err(|error| error.failure())?;
    let outcome = outcome?;
    rounds.retain(|round| round.failed == 0);
    if !rounds.is_empty() {
        reporter.tell(told(edits, &rounds));
    }
    match failure {
        Some(failure) => Err(failure),
        None if interrupted => Ok(Exit::Interrupted),
        None => Ok(outcome.exit),
    }
}

/// What came of it, for people and programs.
fn told(edits: &Edits, rounds: &[Round]) -> Report {
    let summaries = timeline::summaries(rounds);
    let slowest = timeline::slowest(&summaries);
    let plural = if rounds.len() == 1 { "" } else { "s" };
    let mut text = format!("{}: {} edit{plural}\n", edits.shown, rounds.len());
    text.push_str(&timeline::table(&summaries, true));
    if let Some(Summary { name, p50, .. }) = slowest {
        text.push_str(&format!("slowest: {name}, {:.2}s at the median\n", p50.as_secs_f64()));
    }
    let data = json!({
        "path": edits.shown,
        "edits": rounds.len(),
        "stages": timeline::to_json(&summaries),
        "slowest": slowest.map(|summary| summary.name),
        "rounds": rounds,
    });
    let data: Value = data;
    Report::Data { what: "bench", text, data }
}

/// Resolves at that time; never, where there is none.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
