//! A failure, drawn: what, the place, why, what to do, its code.

use crate::report::{Failure, FailureKind};

use super::clean::{Colours, clean};
use super::line::{Line, Tone};

/// `failure` below the beginning of its first line, which ends where `what` stands.
///
/// The lines after the first are indented by `indent`, causes by two more.
pub(super) fn lines(first: Line, failure: &Failure, indent: usize) -> Vec<Line> {
    let blanks = " ".repeat(indent);
    let below = |tone, text: &str| {
        Line::new().and(format!("{blanks}  ")).with(tone, clean(text, Colours::Drop))
    };
    let mut what = split(&failure.what);
    let mut lines = vec![first.and(what.next().unwrap_or_default())];
    lines.extend(what.map(|line| below(Tone::Plain, line)));
    for line in failure.snippet.lines() {
        // A snippet has its own columns: it begins at the left margin.
        lines.push(Line::of(Tone::Plain, clean(line, Colours::Drop)));
    }
    for line in failure.why.iter().flat_map(|why| split(why)) {
        lines.push(below(Tone::Plain, line));
    }
    for help in &failure.help {
        lines.extend(help_lines(help, &blanks));
    }
    if failure.kind == FailureKind::Bug {
        let text = "this is a mistake of wharf's own; record it with `--record FILE` and report it";
        lines.extend(help_lines(text, &blanks));
    }
    if !failure.code.is_empty() {
        lines.push(Line::new().and(blanks).with(Tone::Faint, format!("[{}]", failure.code)));
    }
    lines
}

/// `help: …`, with further lines below its text.
pub(super) fn help_lines(help: &str, blanks: &str) -> Vec<Line> {
    split(help)
        .enumerate()
        .map(|(index, text)| {
            let start = Line::new().and(blanks);
            if index == 0 {
                start.with(Tone::Good, "help:").and(format!(" {text}"))
            } else {
                start.and(format!("      {text}"))
            }
        })
        .collect()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
}
