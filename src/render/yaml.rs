//! Reads YAML as Kubernetes' own tools do, and writes it so that they read the same back.
//!
//! They follow YAML 1.1: `yes` and `on` are booleans, `0644` is octal. A stream may have any
//! number of documents.

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

use super::snippet;

/// What to do with a key that stands twice in one mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// It is an error, as for the API server.
    Refused,
    /// The last one counts, as for Helm.
    LastCounts,
}

/// A text that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlProblem {
    /// What is wrong, in one line.
    pub(super) message: String,
    /// From 1.
    pub(super) line: usize,
    /// From 1.
    pub(super) column: usize,
}

impl YamlProblem {
    /// The place, drawn; `file` is what it is called.
    pub(super) fn draw(&self, file: &str, text: &str) -> String {
        let line = text.lines().nth(self.line - 1).unwrap_or_default();
        let at = line.char_indices().nth(self.column - 1);
        let span = at.map_or(line.len()..line.len(), |(at, letter)| at..at + letter.len_utf8());
        // What is wrong stands in the first line already.
        snippet::draw(file, text, self.line, Some(span), "")
    }
}

/// One document of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    /// Its first line, from 1.
    pub(super) line: usize,
    /// The path in `# Source: …`, as Helm writes it.
    pub(super) source: Option<String>,
    /// What it says; never null.
    pub(super) value: Value,
}

impl Document {
    /// The same place with nothing in it yet.
    pub(super) fn clone_without_value(&self) -> Self {
        Self { line: self.line, source: self.source.clone(), value: Value::Null }
    }
}

/// Reads every document of `text` that is not empty.
pub(super) fn documents(text: &str, duplicates: Duplicates) -> Result<Vec<Document>, YamlProblem> {
    let mut documents = Vec::new();
    for (line, text) in split(text) {
        let value = parse(text, duplicates)
            .map_err(|problem| YamlProblem { line: problem.line + line - 1, ..problem })?;
        if !value.is_null() {
            let source = text.lines().find_map(|line| line.strip_prefix("# Source: "));
            let source = source.map(|source| source.trim().to_owned());
            let blank = text.lines().take_while(|line| is_blank(line));
            let line = line + blank.count();
            documents.push(Document { line, source, value });
        }
    }
    Ok(documents)
}

/// Reads one document; an empty one is null.
pub(super) fn parse(text: &str, duplicates: Duplicates) -> Result<Value, YamlProblem> {
    let options = serde_saphyr::options! {
        budget: None,
        legacy_octal_numbers: true,
        with_snippet: false,
        duplicate_keys: match duplicates {
            Duplicates::Refused => DuplicateKeyPolicy::Error,
            Duplicates::LastCounts => DuplicateKeyPolicy::LastWins,
        },
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.lines().all(is_blank) {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |location| {
            (
                usize::try_from(location.line()).unwrap_or(1),
                usize::try_from(location.column()).unwrap_or(1),
            )
        });
        let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let message = message.lines().next().unwrap_or_default().trim();
        // The place is told apart from the message.
        let place = format!(" at line {line}, column {column}");
        let message = message.replace(&place, "").trim_end_matches([':', '.']).to_owned();
        YamlProblem { message, line: line.max(1), column: column.max(1) }
    })
}

/// Whether a line says nothing.
fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || matches!(line, "---" | "...")
}

/// Splits a stream into its documents, each with the number of its first line, from 1. Together
/// the parts are the whole text.
pub(super) fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut first_line, mut at) = (0, 1, 0);
    let mut has_only_directives = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end_matches(['\n', '\r']);
        let starts = bare
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if starts && at > start && !has_only_directives {
            parts.push((first_line, &text[start..at]));
            (start, first_line) = (at, index + 1);
        }
        let is_directive = bare.starts_with('%');
        has_only_directives = is_directive && (at == start || has_only_directives);
        at += line.len();
        if bare.trim_end() == "..." {
            parts.push((first_line, &text[start..at]));
            (start, first_line) = (at, index + 2);
        }
    }
    if start < text.len() {
        parts.push((first_line, &text[start..]));
    }
    parts
}

/// Writes `values` as one stream. Strings that YAML 1.1 would read as something else are quoted.
pub(super) fn write<'v>(values: impl IntoIterator<Item = &'v Value>) -> String {
    let mut text = String::new();
    for value in values {
        text.push_str("---\n");
        text.push_str(&write_one(value));
    }
    text
}

fn write_one(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let written = serde_saphyr::to_string_with_options(value, options).ok();
    // JSON is YAML as well: what would not be read back as it was is written as JSON.
    match written {
        Some(text) if parse(&text, Duplicates::Refused).is_ok_and(|back| back == *value) => {
            if text.ends_with('\n') { text } else { text + "\n" }
        }
        _ => format!("{value:#}\n"),
    }
}
