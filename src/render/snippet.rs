//! Draws a place in a file.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Draws line `line` of `text` (from 1) with `label` under `column`, or under the whole line;
/// empty where there is no such line.
pub(super) fn draw(
    file: &str,
    text: &str,
    line: usize,
    column: Option<usize>,
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
    let (from, to) = match column {
        Some(column) => {
            let at = content.char_indices().nth(column.saturating_sub(1));
            let at = at.map_or(content.len(), |(at, _)| at);
            (at, content[at..].chars().next().map_or(at, |first| at + first.len_utf8()))
        }
        None => (indent, content.len()),
    };
    let snippet = Snippet::source(text)
        .path(file)
        .annotation(AnnotationKind::Primary.span(start + from..start + to).label(label));
    let report = [Group::with_level(Level::ERROR).element(snippet)];
    let drawn = Renderer::plain().render(&report);
    drawn.trim_end().to_owned()
}
