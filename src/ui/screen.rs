//! The two streams that wharf writes to, and the part of the screen that is redrawn.
//!
//! Nothing here fails: when the terminal is gone or the pipe is closed, the work and above all
//! the cleanup go on without words.

use std::io::Write;

use super::line::Line;

/// Rows that are redrawn never take more of the screen than this.
const MOST_ROWS: usize = 12;

/// Where text goes.
pub(super) struct Screen<O, E> {
    stdout: O,
    stderr: E,
    colour_stdout: bool,
    colour_stderr: bool,
    /// Columns of each row of the redrawn part that stands on the terminal.
    drawn: Vec<usize>,
    /// Columns of the terminal.
    width: usize,
    /// What the next flush will write to stderr.
    pending: String,
    /// Stdout's reader has gone.
    closed: bool,
}

impl<O: Write, E: Write> Screen<O, E> {
    pub(super) fn new(stdout: O, stderr: E, colour_stdout: bool, colour_stderr: bool) -> Self {
        let (drawn, width, pending, closed) = (Vec::new(), usize::MAX, String::new(), false);
        Self { stdout, stderr, colour_stdout, colour_stderr, drawn, width, pending, closed }
    }

    /// Notes how wide the terminal is.
    pub(super) fn fit(&mut self, columns: usize) {
        self.width = columns.max(1);
    }

    /// Whether lines on stdout may have colour.
    pub(super) fn colours_stdout(&self) -> bool {
        self.colour_stdout
    }

    /// Whether stdout was closed by whoever read it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes lines that stay to stderr, above the redrawn part.
    pub(super) fn say(&mut self, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        self.erase();
        for line in lines {
            line.write(self.colour_stderr, &mut self.pending);
        }
    }

    /// Writes one line to stdout.
    pub(super) fn line(&mut self, line: &Line) {
        let mut text = String::new();
        line.write(self.colour_stdout, &mut text);
        self.data(&text);
    }

    /// Writes `text` to stdout as it is.
    pub(super) fn data(&mut self, text: &str) {
        // Both may be the same terminal: what was said before must stand before.
        self.erase();
        self.flush();
        let written = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush());
        self.closed |= written.is_err();
    }

    /// Draws the part that is redrawn, and writes everything pending with it.
    pub(super) fn draw(&mut self, rows: Vec<Line>, (width, height): (usize, usize)) {
        self.erase();
        let room = MOST_ROWS.min((height / 2).max(1));
        let more = rows.len().saturating_sub(room);
        let shown = if more > 0 { room - 1 } else { room };
        let left = rows.len().saturating_sub(shown);
        for row in rows.into_iter().take(shown) {
            // One column less, since some terminals wrap when the last one is filled.
            let row = row.cut(width.saturating_sub(1));
            self.drawn.push(row.columns());
            row.write(self.colour_stderr, &mut self.pending);
        }
        if more > 0 {
            let rest = format!("and {left} more");
            let row = Line::of(super::line::Tone::Faint, rest);
            self.drawn.push(row.columns());
            row.write(self.colour_stderr, &mut self.pending);
        }
        self.flush();
    }

    /// Writes what is pending to stderr.
    pub(super) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let written = self.stderr.write_all(self.pending.as_bytes());
        let _ = written.and_then(|()| self.stderr.flush());
        self.pending.clear();
    }

    fn erase(&mut self) {
        if self.drawn.is_empty() {
            return;
        }
        // A terminal that has become narrower has wrapped what was drawn.
        let rows = self.drawn.drain(..).map(|columns| columns.div_ceil(self.width).max(1));
        let rows: usize = rows.sum();
        // Up to the first drawn row, then clear to the end of the screen.
        self.pending.push_str(&format!("\x1b[{rows}A\r\x1b[J"));
    }
}
