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
        if let Some(prefix) = &line.prefix {
            let prefix = clean(prefix, Colours::Drop).into_owned();
            let start = match prefix.is_empty() {
                true => Line::new(),
                false => Line::of(Tone::Series(self.position(&prefix)), prefix.as_str()).and(" "),
            };
            return written(start, line, colour);
        }
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
        written(start, line, colour)
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

/// `start` with what was written behind it.
fn written(start: Line, line: &LogLine, colour: bool) -> Line {
    if line.remark {
        return start.with(Tone::Faint, format!("-- {}", clean(&line.text, Colours::Drop)));
    }
    let colours = if colour { Colours::Keep } else { Colours::Drop };
    start.and(clean(&line.text, colours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_the_configuration_stands_in_place_of_the_usual_one() {
        let line = |prefix: Option<&str>, remark| LogLine {
            workload: "web".into(),
            replica: None,
            container: None,
            prefix: prefix.map(Into::into),
            stamp: String::new(),
            text: "hello".into(),
            remark,
        };
        let mut prefixes = Prefixes::default();
        let mut shown = |line: &LogLine| {
            let mut out = String::new();
            prefixes.line(line, false).write(false, &mut out);
            out
        };
        assert_eq!(shown(&line(None, false)), "web | hello\n");
        assert_eq!(shown(&line(Some("[web-1 web]"), false)), "[web-1 web] hello\n");
        assert_eq!(shown(&line(Some("[web]"), true)), "[web] -- hello\n");
        assert_eq!(shown(&line(Some(""), false)), "hello\n");
    }
}
