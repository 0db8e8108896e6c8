//! One pattern of an ignore file, exactly as Docker reads it.
//!
//! The semantics are those of <https://github.com/moby/patternmatcher> (patternmatcher.go): a
//! pattern is cleaned like a path, checked by the rules of Go's `filepath.Match`, then translated
//! into a regular expression in which `**` crosses slashes and `*` does not.

use regex::Regex;

/// A pattern that Docker refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern `{pattern}` cannot be read")]
pub struct BadPattern {
    /// As it was written.
    pub pattern: String,
}

/// One pattern, ready to match.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// It begins with `!`: what it matches is let in again.
    pub(super) lets_in: bool,
    cleaned: String,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact,
    /// `x**`: begins with this.
    Prefix(String),
    /// `**x`: ends with this, or is it without its leading slash.
    Suffix(String),
    Regex(Regex),
}

impl Pattern {
    /// Reads one pattern; `None` for one that is empty.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, BadPattern> {
        let bad = || BadPattern { pattern: text.to_owned() };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(None);
        }
        let mut cleaned = clean(trimmed);
        let lets_in = cleaned.starts_with('!');
        if lets_in {
            cleaned.remove(0);
            if cleaned.is_empty() {
                return Err(bad());
            }
        }
        if !is_well_formed(&cleaned) {
            return Err(bad());
        }
        let matcher = compile(&cleaned).ok_or_else(bad)?;
        Ok(Some(Self { lets_in, cleaned, matcher }))
    }

    /// Whether it matches `path` itself; its parents are the caller's business.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.cleaned,
            Matcher::Prefix(prefix) => path.starts_with(prefix),
            Matcher::Suffix(suffix) => {
                path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path)
            }
            Matcher::Regex(regex) => regex.is_match(path),
        }
    }

    /// Whether it could match something below `folder`; `true` where that is not certain.
    pub(super) fn may_match_below(&self, folder: &str) -> bool {
        // Classes and escapes can stand for a slash.
        if self.cleaned.contains("**") || self.cleaned.contains(['[', ']', '\\']) {
            return self.literal_head().is_none_or(|head| {
                let shorter = head.len().min(folder.len());
                head.as_bytes()[..shorter] == folder.as_bytes()[..shorter]
            });
        }
        let mut parts = self.cleaned.split('/');
        for name in folder.split('/') {
            match parts.next() {
                None => return false,
                Some(part) if part.contains(['*', '?']) => {}
                Some(part) if part == name => {}
                Some(_) => return false,
            }
        }
        parts.next().is_some()
    }

    /// The text that everything it matches begins with; `None` where there is none.
    fn literal_head(&self) -> Option<&str> {
        let end = self.cleaned.find(['*', '?', '[', ']', '\\']).unwrap_or(self.cleaned.len());
        (end > 0).then(|| &self.cleaned[..end])
    }
}

/// Go's `filepath.Clean` on a system with `/`: <https://pkg.go.dev/path/filepath#Clean>.
#[must_use]
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Whether Go's `filepath.Match` takes `pattern`:
/// <https://cs.opensource.google/go/go/+/refs/tags/go1.24.0:src/internal/filepathlite/match.go>
/// and `path/filepath/match.go`.
pub(super) fn is_well_formed(pattern: &str) -> bool {
    let mut rest: Vec<char> = pattern.chars().collect();
    // A run of stars, then a chunk up to the next star outside brackets.
    while !rest.is_empty() {
        let stars = rest.iter().take_while(|&&c| c == '*').count();
        rest.drain(..stars);
        let mut inside = false;
        let mut end = 0;
        while end < rest.len() {
            match rest[end] {
                '\\' if end + 1 < rest.len() => end += 1,
                '[' => inside = true,
                ']' => inside = false,
                '*' if !inside => break,
                _ => {}
            }
            end += 1;
        }
        let chunk: Vec<char> = rest.drain(..end).collect();
        if !is_chunk(&chunk) {
            return false;
        }
    }
    true
}

fn is_chunk(mut chunk: &[char]) -> bool {
    while let Some((&first, rest)) = chunk.split_first() {
        chunk = rest;
        match first {
            '[' => {
                if chunk.first() == Some(&'^') {
                    chunk = &chunk[1..];
                }
                let mut ranges = 0;
                loop {
                    if ranges > 0 && chunk.first() == Some(&']') {
                        chunk = &chunk[1..];
                        break;
                    }
                    let Some(after) = class_character(chunk) else { return false };
                    chunk = after;
                    if chunk.first() == Some(&'-') {
                        let Some(after) = class_character(&chunk[1..]) else { return false };
                        chunk = after;
                    }
                    ranges += 1;
                }
            }
            '\\' => {
                let Some((_, rest)) = chunk.split_first() else { return false };
                chunk = rest;
            }
            _ => {}
        }
    }
    true
}

/// What follows one character of a class; `None` where there is none or nothing follows.
fn class_character(chunk: &[char]) -> Option<&[char]> {
    let (&first, mut rest) = chunk.split_first()?;
    match first {
        '-' | ']' => return None,
        '\\' => rest = rest.split_first()?.1,
        _ => {}
    }
    (!rest.is_empty()).then_some(rest)
}

/// Translates a cleaned pattern; `None` where the result is no regular expression.
fn compile(pattern: &str) -> Option<Matcher> {
    #[derive(Clone, Copy, PartialEq)]
    enum Sort {
        Exact,
        Prefix,
        Suffix,
        Regex,
    }
    let mut sort = Sort::Exact;
    let mut regex = String::from("^");
    let mut rest = pattern.chars().peekable();
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                }
                if rest.peek().is_none() {
                    if sort == Sort::Exact {
                        sort = Sort::Prefix;
                    } else {
                        regex.push_str(".*");
                        sort = Sort::Regex;
                    }
                } else {
                    regex.push_str("(.*/)?");
                    sort = Sort::Regex;
                }
                if first {
                    sort = Sort::Suffix;
                }
            }
            '*' => {
                regex.push_str("[^/]*");
                sort = Sort::Regex;
            }
            '?' => {
                regex.push_str("[^/]");
                sort = Sort::Regex;
            }
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => {
                regex.push('\\');
                regex.push(c);
            }
            '\\' => {
                regex.push('\\');
                if let Some(next) = rest.next() {
                    regex.push(next);
                    sort = Sort::Regex;
                }
            }
            '[' | ']' => {
                regex.push(c);
                sort = Sort::Regex;
            }
            _ => regex.push(c),
        }
        first = false;
    }
    Some(match sort {
        Sort::Exact => Matcher::Exact,
        // Go cuts the last two bytes, whatever they are: `a**/` cannot occur after cleaning.
        Sort::Prefix => Matcher::Prefix(pattern[..pattern.len() - 2].to_owned()),
        Sort::Suffix => Matcher::Suffix(pattern[2..].to_owned()),
        Sort::Regex => Matcher::Regex(Regex::new(&as_rust(&format!("{regex}$"))?).ok()?),
    })
}

/// A regular expression of Go's as the `regex` crate means the same; `None` where it has an
/// escape that only one of them knows.
///
/// They differ inside classes, where the crate knows nesting and set operators, and in that a
/// `]` outside of one is literal in Go.
fn as_rust(go: &str) -> Option<String> {
    let mut rust = String::with_capacity(go.len());
    let mut rest = go.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(rest.next()?, &mut rust)?,
            ']' => rust.push_str("\\]"),
            '[' => {
                rust.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    rust.push('^');
                }
                let mut empty = true;
                loop {
                    match rest.next()? {
                        ']' if !empty => break,
                        '\\' => escape(rest.next()?, &mut rust)?,
                        c @ ('[' | ']' | '&' | '~') => {
                            rust.push('\\');
                            rust.push(c);
                        }
                        c => rust.push(c),
                    }
                    empty = false;
                }
                rust.push(']');
            }
            c => rust.push(c),
        }
    }
    Some(rust)
}

/// An escaped character: punctuation stands for itself, letters for what both engines mean.
fn escape(c: char, rust: &mut String) -> Option<()> {
    match c {
        // A class, an anchor or a control character, the same in both.
        'a' | 'f' | 't' | 'n' | 'r' | 'v' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'b' | 'B' | 'A'
        | 'z' => {
            rust.push('\\');
            rust.push(c);
        }
        c if c.is_ascii_alphanumeric() => return None,
        // Go refuses an escaped character beyond ASCII.
        c if !c.is_ascii() => return None,
        c => rust.push_str(&regex::escape(&c.to_string())),
    }
    Some(())
}
