//! Draws a place in a file.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Draws line `line` of `text` (from 1) with a mark and `label` under `span` (its bytes in the
/// line), or under the whole line; empty where there is no such line.
pub(super) fn draw(
    file: &str,
    text: &str,
    line: usize,
    span: Option<Range<usize>>,
    label: &str,
) -> String {
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    for _ in 1..line {
        match lines.next() {
            Some(before) => start += before.len(),
            None => return String::new(),
        }
    }
    let Some(content) = lines.next() else { return String::new() };
    let content = content.trim_end();
    let indent = content.len() - content.trim_start().len();
    let span = match span {
        Some(span) => span.start.min(content.len())..span.end.min(content.len()),
        None => indent..content.len(),
    };
    let mark = AnnotationKind::Primary.span(start + span.start..start + span.end);
    let mark = if label.is_empty() { mark } else { mark.label(label) };
    let snippet = Snippet::source(text).path(file).annotation(mark);
    let report = [Group::with_level(Level::ERROR).element(snippet)];
    let drawn = Renderer::plain().render(&report);
    drawn.trim_end().to_owned()
}

/// The letter of `line` that begins at byte `at`; nothing where none does.
pub(super) fn letter(line: &str, at: usize) -> Option<Range<usize>> {
    let letter = line.get(at..)?.chars().next()?;
    Some(at..at + letter.len_utf8())
}
