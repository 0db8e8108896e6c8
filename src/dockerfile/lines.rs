//! A Dockerfile's text as logical lines: continuations joined, comments gone, here-documents set
//! apart, and for every byte the place that it came from.
//!
//! Follows <https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/parser.go>.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::lex::{Lexer, Variable};

/// What a Dockerfile's text consists of.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// `\` unless a directive says otherwise.
    pub(super) escape: char,
    /// The image that `# syntax=` names, and where.
    pub(super) syntax: Option<(String, Range<usize>)>,
    /// Why the text cannot be read exactly.
    pub(super) trouble: Option<String>,
}

/// One instruction.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// The first line it stands on, counted from 1; 0 for an instruction that is in no file.
    pub(super) number: usize,
    /// The instruction's text, continuations joined.
    pub(super) text: String,
    /// Where each byte of `text` stands in the file; empty for an instruction that is in no file.
    pub(super) origin: Vec<usize>,
    /// The names of its here-documents.
    pub(super) heredocs: Vec<String>,
}

static DIRECTIVE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$").expect("a valid expression")
});

static HEREDOC: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(\d*)<<(-?)([^<]*)$").expect("a valid expression"));

/// A physical line: where it begins, and its text without the line's end.
struct Raw<'a> {
    start: usize,
    text: &'a str,
}

/// Splits a Dockerfile into instructions. What is wrong with it ends up in `trouble`.
pub(super) fn read(text: &str) -> Lines {
    let mut lines = Lines { escape: '\\', ..Lines::default() };
    let mut raw = Vec::new();
    let mut start = 0;
    for (index, part) in text.split_inclusive('\n').enumerate() {
        let bom =
            if index == 0 && part.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        raw.push(Raw { start: start + bom, text: part[bom..].trim_end_matches(['\r', '\n']) });
        start += part.len();
    }
    lines.read_directives(&raw);
    lines.read_instructions(&raw);
    lines
}

impl Lines {
    fn read_directives(&mut self, raw: &[Raw<'_>]) {
        let mut seen: Vec<String> = Vec::new();
        for line in raw {
            let trimmed = line.text.trim_start();
            let Some(parts) = DIRECTIVE.captures(trimmed) else { return };
            let (Some(key), Some(value)) = (parts.get(1), parts.get(2)) else { return };
            let key = key.as_str().to_ascii_lowercase();
            if !matches!(key.as_str(), "escape" | "syntax" | "check") {
                return;
            }
            if seen.contains(&key) {
                self.trouble = Some(format!("the directive `{key}` occurs twice"));
                return;
            }
            match (key.as_str(), value.as_str()) {
                ("escape", "`") => self.escape = '`',
                ("escape", "\\") => {}
                ("escape", other) => {
                    self.trouble = Some(format!("`{other}` cannot be the escape character"));
                }
                ("syntax", value_text) => {
                    let at = line.start + (line.text.len() - trimmed.len()) + value.start();
                    let image = value_text.split(' ').next().unwrap_or_default();
                    self.syntax = Some((image.to_owned(), at..at + image.len()));
                }
                _ => {}
            }
            seen.push(key);
        }
    }

    fn read_instructions(&mut self, raw: &[Raw<'_>]) {
        let mut rest = raw.iter().enumerate();
        while let Some((index, first)) = rest.next() {
            let trimmed = first.text.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            let mut line = Line { number: index + 1, ..Line::default() };
            let at = first.start + (first.text.len() - trimmed.len());
            let mut goes_on = self.add(&mut line, trimmed, at);
            if !goes_on && line.text.is_empty() {
                continue;
            }
            while goes_on && let Some((_, next)) = rest.next() {
                let trimmed = next.text.trim_start();
                if !trimmed.is_empty() && !trimmed.starts_with('#') {
                    goes_on = self.add(&mut line, next.text, next.start);
                }
            }
            if line.text.trim().is_empty() {
                continue;
            }
            for heredoc in heredocs_of(&line.text) {
                let ended = rest.any(|(_, next)| {
                    let end = match heredoc.tabs_off {
                        true => next.text.trim_start_matches('\t'),
                        false => next.text,
                    };
                    end == heredoc.name
                });
                if !ended {
                    self.trouble =
                        Some(format!("line {}: a here-document does not end", line.number));
                }
                line.heredocs.push(heredoc.name);
            }
            self.lines.push(line);
        }
    }

    /// Adds a physical line to an instruction; whether the instruction goes on after it.
    fn add(&mut self, line: &mut Line, text: &str, at: usize) -> bool {
        let without_blanks = text.trim_end_matches([' ', '\t']);
        let kept = without_blanks.strip_suffix(self.escape);
        if kept.is_some_and(|kept| kept.ends_with(self.escape)) {
            // Older frontends go on here, newer ones do not.
            self.trouble = Some(format!("line {}: it ends with two escapes", line.number));
        }
        let text_kept = kept.unwrap_or(text);
        line.text.push_str(text_kept);
        line.origin.extend(at..at + text_kept.len());
        kept.is_some()
    }
}

/// A here-document that a word announces.
pub(super) struct Heredoc {
    pub(super) name: String,
    tabs_off: bool,
}

/// The here-documents that an instruction's text announces.
fn heredocs_of(text: &str) -> Vec<Heredoc> {
    let mut instruction = text;
    loop {
        let word = instruction.split_whitespace().next().unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "onbuild" => instruction = instruction.trim_start()[word.len()..].trim_start(),
            "add" | "copy" | "run" if instruction.contains("<<") => break,
            _ => return Vec::new(),
        }
    }
    let lexer = Lexer { raw_quotes: true, raw_escapes: true, keep_unset: true, ..Lexer::new('\\') };
    let words = lexer.words(text, &|_| Variable::Unset).unwrap_or_default();
    words.iter().filter_map(|word| heredoc_of(word)).collect()
}

/// The here-document that `word` announces, if it does.
pub(super) fn heredoc_of(word: &str) -> Option<Heredoc> {
    let parts = HEREDOC.captures(word)?;
    let rest = parts.get(3)?.as_str();
    let lexer = Lexer { keep_unset: true, ..Lexer::new('\\') };
    let words = lexer.words(rest, &|_| Variable::Unset).ok()?;
    match <[String; 1]>::try_from(words) {
        Ok([name]) => Some(Heredoc { name, tabs_off: !parts.get(2)?.is_empty() }),
        Err(_) => None,
    }
}
