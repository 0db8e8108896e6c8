//! The task that owns stdout and stderr.

use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::report::{Check, CheckState, Failure, Report, Reports};

use super::board::{Board, Manner};
use super::failure;
use super::form::Form;
use super::line::{Line, Tone};
use super::logs::Prefixes;
use super::screen::Screen;

/// How often progress is redrawn while nothing else happens.
const TICK: Duration = Duration::from_millis(100);

/// How many reports are taken before the screen is drawn again.
const BATCH: usize = 256;

/// How reports are to be shown.
#[derive(Debug, Clone)]
pub struct UiOptions {
    /// For a person, a log or a program.
    pub form: Form,
    /// Stdout may have colour.
    pub colour_stdout: bool,
    /// Stderr may have colour.
    pub colour_stderr: bool,
    /// Only failures, warnings and data.
    pub quiet: bool,
    /// Times `-v` was given.
    pub verbose: u8,
    /// Ctrl+C takes everything back.
    pub takes_back: bool,
    /// Keys are read.
    pub keys: bool,
    /// Saves wait for a key.
    pub manual: bool,
    /// Cancelled when whoever read stdout has gone.
    pub stdout_closed: CancellationToken,
}

/// Shows every report until the last reporter is gone.
///
/// Errors of writing are left aside: a closed pipe or a lost terminal must not keep the rest of
/// wharf from taking back what it made.
pub async fn run(reports: Reports, options: UiOptions) {
    let screen = Screen::new(
        std::io::stdout(),
        std::io::stderr(),
        options.colour_stdout,
        options.colour_stderr,
    );
    Show::new(screen, options).run(reports).await;
}

/// Prints help or a complaint about flags, which come before any report.
pub fn print(text: &str, to_stderr: bool) {
    // Help into a closed pipe is no failure.
    let _ = if to_stderr {
        std::io::stderr().write_all(text.as_bytes())
    } else {
        std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush())
    };
}

/// Everything that showing needs to remember.
pub(super) struct Show<O, E> {
    screen: Screen<O, E>,
    board: Board,
    prefixes: Prefixes,
    options: UiOptions,
    /// Columns and rows of the terminal, asked for anew each time.
    window: fn() -> (usize, usize),
}

impl<O: Write, E: Write> Show<O, E> {
    pub(super) fn new(screen: Screen<O, E>, options: UiOptions) -> Self {
        let manner = Manner {
            hold: options.form == Form::Terminal,
            quiet: options.quiet,
            verbose: options.verbose,
            takes_back: options.takes_back,
            keys: options.keys,
            manual: options.manual,
        };
        let (board, prefixes) = (Board::new(manner), Prefixes::default());
        Self { screen, board, prefixes, options, window }
    }

    /// The same with a terminal of another size.
    #[cfg(test)]
    pub(super) fn in_window(self, window: fn() -> (usize, usize)) -> Self {
        Self { window, ..self }
    }

    async fn run(&mut self, mut reports: Reports) {
        let start = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shows_time = self.options.form != Form::Json;
        loop {
            let first = tokio::select! {
                biased;
                report = reports.recv() => match report {
                    Some(report) => Some(report),
                    None => break,
                },
                _ = tick.tick(), if shows_time && self.board.is_busy() => None,
            };
            let now = start.elapsed();
            if let Some(first) = first {
                self.take(&first, now);
                for _ in 1..BATCH {
                    let Some(report) = reports.try_recv() else { break };
                    self.take(&report, now);
                }
            }
            self.draw(now);
        }
        self.end();
    }

    /// Shows one report; on a terminal [`Show::draw`] follows.
    pub(super) fn take(&mut self, report: &Report, now: Duration) {
        if self.options.form == Form::Terminal {
            self.fit((self.window)().0);
        }
        if self.options.form == Form::Json {
            self.json(report);
            return;
        }
        match report {
            Report::Log(line) => {
                let line = self.prefixes.line(line, self.screen.colours_stdout());
                self.screen.line(&line);
            }
            Report::Data { text, .. } => self.screen.data(text),
            Report::Check(check) => {
                let lines = check_lines(check);
                lines.iter().for_each(|line| self.screen.line(line));
            }
            report => {
                let lines = self.board.take(report, now);
                self.screen.say(&lines);
            }
        }
        if self.screen.is_closed() {
            self.options.stdout_closed.cancel();
        }
    }

    pub(super) fn draw(&mut self, now: Duration) {
        if self.options.form == Form::Terminal {
            let window = (self.window)();
            self.fit(window.0);
            self.screen.draw(self.board.progress(now), window);
        } else {
            let lines = self.board.lasting(now);
            self.screen.say(&lines);
            self.screen.flush();
        }
    }

    /// Notes how wide the terminal is, which a person may change at any time.
    fn fit(&mut self, columns: usize) {
        self.screen.fit(columns);
        self.board.fit(columns);
    }

    pub(super) fn end(&mut self) {
        let lines = self.board.flush();
        self.screen.say(&lines);
        self.screen.draw(Vec::new(), (0, 0));
    }

    fn json(&mut self, report: &Report) {
        let text = serde_json::to_string(report).unwrap_or_else(|error| {
            let failure =
                Failure::bug("a report cannot be written as JSON").because(error.to_string());
            serde_json::json!({"report": "failed", "what": failure.what, "why": failure.why})
                .to_string()
        });
        self.screen.data(&format!("{text}\n"));
        if self.screen.is_closed() {
            self.options.stdout_closed.cancel();
        }
    }
}

/// `ok    docker    Engine 20.10.24`, and how to mend it below.
fn check_lines(check: &Check) -> Vec<Line> {
    let (tone, word) = match check.state {
        CheckState::Ok => (Tone::Good, "ok"),
        CheckState::Warn => (Tone::Careful, "warn"),
        CheckState::Fail => (Tone::Bad, "fail"),
    };
    let start = Line::new().column(tone, word, 6).column(Tone::Strong, &check.name, 12);
    let mut lines = vec![start.and(" ").and(&check.what)];
    let blanks = " ".repeat(19);
    lines.extend(check.help.iter().flat_map(|help| failure::help_lines(help, &blanks)));
    lines
}

/// Columns and rows of the terminal.
fn window() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 => (size.ws_col.into(), usize::from(size.ws_row).max(1)),
        _ => (80, 24),
    }
}
