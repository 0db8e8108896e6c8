//! Lines of containers: who wrote them, in front and in colour.

use crate::report::LogLine;

use super::clean::{Colours, clean};
use super::line::{Line, Tone, columns};

/// A prefix is never padded beyond this: one long name must not push everything aside.
const WIDEST: usize = 28;

/// The prefixes seen so far.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    writers: Vec<String>,
    width: usize,
}

impl Prefixes {
    /// `line` with its prefix, aligned with those before it.
    pub(super) fn line(&mut self, line: &LogLine, colour: bool) -> Line {
        let mut writer = line.workload.clone();
        if let Some(replica) = &line.replica {
            writer = format!("{writer}/{replica}");
        }
        let tone = Tone::Series(self.position(&writer));
        if let Some(container) = &line.container {
            writer = format!("{writer}[{container}]");
        }
        let writer = clean(&writer, Colours::Drop);
        self.width = self.width.max(columns(&writer)).min(WIDEST);
        let start = Line::new().column(tone, &writer, self.width).with(tone, " | ");
        if line.remark {
            return start.with(Tone::Faint, format!("-- {}", clean(&line.text, Colours::Drop)));
        }
        let colours = if colour { Colours::Keep } else { Colours::Drop };
        start.and(clean(&line.text, colours))
    }

    /// The same replica keeps its colour; a new one gets the next.
    fn position(&mut self, writer: &str) -> usize {
        if let Some(position) = self.writers.iter().position(|known| known == writer) {
            return position;
        }
        self.writers.push(writer.to_owned());
        self.writers.len() - 1
    }
}
