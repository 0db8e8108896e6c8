//! One instruction: its flags, its arguments, and where each stands in the file.

use std::ops::Range;

use super::lines::{Line, heredoc_of};

/// What an instruction says, as far as it matters for what a build can see.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Instruction {
    From {
        image: Place,
        name: Option<String>,
        platform: Option<String>,
    },
    /// Names with their defaults, unexpanded.
    Arg(Vec<(String, Option<String>)>),
    /// Names with their values, unexpanded.
    Env(Vec<(String, String)>),
    Copy(Copy),
    /// `--mount`s of a `RUN`.
    Run(Vec<Mount>),
    /// The instruction that is put off.
    Onbuild(String),
    /// Anything that sees neither files nor variables of others.
    Other,
}

/// A `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Copy {
    /// `ADD`: sources may be remote.
    pub(super) is_add: bool,
    /// Unexpanded; here-documents are not among them.
    pub(super) sources: Vec<String>,
    pub(super) from: Option<Place>,
    pub(super) parents: bool,
    /// `--exclude` patterns, unexpanded.
    pub(super) excludes: Vec<String>,
}

/// A `--mount` that brings files.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Mount {
    /// `bind` where nothing is said; unexpanded.
    pub(super) kind: String,
    pub(super) from: Option<Place>,
    /// Unexpanded.
    pub(super) source: String,
}

/// A piece of text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) text: String,
    /// In the file, a range per physical line; empty where it cannot be replaced.
    pub(super) ranges: Vec<Range<usize>>,
}

/// Reads one logical line.
///
/// # Errors
///
/// What about it is not understood, for a person to read.
pub(super) fn parse(line: &Line, escape: char) -> Result<Instruction, String> {
    let trimmed = line.text.trim();
    let (keyword, rest) = match trimmed.find(is_blank) {
        Some(at) => (&trimmed[..at], trimmed[at..].trim_start_matches(is_blank)),
        None => (trimmed, &trimmed[trimmed.len()..]),
    };
    let rest_at = offset(&line.text, rest);
    let place = |range: Range<usize>| Place {
        text: line.text[range.clone()].to_owned(),
        ranges: physical(line, range),
    };
    let unknown = |what: &str| Err(format!("line {}: {what}", line.number));
    let (flags, args) = flags_of(rest);
    let args_at = rest_at + offset(rest, args);
    match keyword.to_ascii_lowercase().as_str() {
        "from" => {
            let mut platform = None;
            for flag in &flags {
                match (flag.name.as_str(), &flag.value) {
                    ("platform", Some(value)) => platform = Some(value.clone()),
                    _ => return unknown(&format!("`--{}` is not known for FROM", flag.name)),
                }
            }
            let words: Vec<Range<usize>> = words_of(args);
            let text = |range: &Range<usize>| args[range.clone()].to_owned();
            let (image, name) = match words.as_slice() {
                [image] => (image, None),
                [image, word, name] if args[word.clone()].eq_ignore_ascii_case("as") => {
                    (image, Some(text(name).to_lowercase()))
                }
                _ => return unknown("FROM wants an image, or an image AS a name"),
            };
            let image = place(args_at + image.start..args_at + image.end);
            Ok(Instruction::From { image, name, platform })
        }
        "arg" => Ok(Instruction::Arg(
            quoted_words(rest, escape)
                .into_iter()
                .map(|word| match word.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (word, None),
                })
                .collect(),
        )),
        "env" => env(rest, escape).map_or_else(|| unknown("ENV wants names and values"), Ok),
        name @ ("copy" | "add") => {
            let mut copy = Copy { is_add: name == "add", ..Copy::default() };
            for flag in &flags {
                match (flag.name.as_str(), &flag.value) {
                    ("from", Some(value)) if !copy.is_add => {
                        let from = place_of_value(line, rest, rest_at, flag, value);
                        copy.from = Some(from);
                    }
                    ("exclude", Some(value)) => copy.excludes.push(value.clone()),
                    ("parents", value) => copy.parents = value.as_deref() != Some("false"),
                    ("chown" | "chmod" | "link" | "checksum" | "keep-git-dir" | "unpack", _) => {}
                    _ => return unknown(&format!("`--{}` is not known", flag.name)),
                }
            }
            let mut sources = json_words(args).unwrap_or_else(|| {
                words_of(args).into_iter().map(|range| args[range].to_owned()).collect()
            });
            if sources.pop().is_none() || sources.is_empty() {
                return unknown("it wants a source and a destination");
            }
            sources.retain(|source| heredoc_of(source).is_none() || line.heredocs.is_empty());
            copy.sources = sources;
            Ok(Instruction::Copy(copy))
        }
        "run" => {
            let mut mounts = Vec::new();
            for flag in &flags {
                match (flag.name.as_str(), &flag.value) {
                    ("mount", Some(value)) => match mount(line, rest, rest_at, flag, value) {
                        Some(mount) => mounts.push(mount),
                        None => return unknown(&format!("`--mount={value}` cannot be read")),
                    },
                    ("network" | "security" | "device", _) => {}
                    _ => return unknown(&format!("`--{}` is not known for RUN", flag.name)),
                }
            }
            Ok(Instruction::Run(mounts))
        }
        "onbuild" => Ok(Instruction::Onbuild(rest.to_owned())),
        "cmd" | "entrypoint" | "expose" | "healthcheck" | "label" | "maintainer" | "shell"
        | "stopsignal" | "user" | "volume" | "workdir" => Ok(Instruction::Other),
        other => unknown(&format!("`{other}` is no instruction")),
    }
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// BuildKit's idea of a blank between words.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\x0B' | '\x0C' | '\r' | ' ')
}

/// A `--name` or `--name=value`, and where it stands in the arguments.
struct Flag {
    name: String,
    value: Option<String>,
    range: Range<usize>,
}

/// The flags at the beginning, and what follows them.
fn flags_of(rest: &str) -> (Vec<Flag>, &str) {
    let mut flags = Vec::new();
    let mut at = 0;
    loop {
        at += rest[at..].len() - rest[at..].trim_start().len();
        if !rest[at..].starts_with("--") {
            return (flags, rest[at..].trim());
        }
        let start = at;
        let mut word = String::new();
        let mut quote = None;
        let mut chars = rest[start..].char_indices();
        let mut end = rest.len();
        while let Some((offset, c)) = chars.next() {
            match (c, quote) {
                (c, None) if c.is_whitespace() => {
                    end = start + offset;
                    break;
                }
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                ('\\', _) => word.extend(chars.next().map(|(_, c)| c)),
                (c, _) => word.push(c),
            }
        }
        at = end;
        if word == "--" {
            return (flags, rest[at..].trim());
        }
        let (name, value) = match word[2..].split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word[2..].to_owned(), None),
        };
        flags.push(Flag { name, value, range: start..end });
    }
}

/// Where a flag's value stands, if it stands there as it is.
fn place_of_value(line: &Line, rest: &str, rest_at: usize, flag: &Flag, value: &str) -> Place {
    let raw = &rest[flag.range.clone()];
    let plain = format!("--{}={value}", flag.name);
    let end = rest_at + flag.range.end;
    let ranges = if raw == plain { physical(line, end - value.len()..end) } else { Vec::new() };
    Place { text: value.to_owned(), ranges }
}

fn mount(line: &Line, rest: &str, rest_at: usize, flag: &Flag, value: &str) -> Option<Mount> {
    let raw = &rest[flag.range.clone()];
    let is_plain = raw == format!("--mount={value}") && !value.contains('"');
    let mut mount = Mount { kind: "bind".to_owned(), ..Mount::default() };
    let mut at = rest_at + flag.range.start + "--mount=".len();
    for field in csv(value)? {
        let (key, text) = field.split_once('=').unwrap_or((&field, ""));
        match key.to_ascii_lowercase().as_str() {
            "type" => mount.kind = text.to_lowercase(),
            "source" | "src" => mount.source = text.to_owned(),
            "from" => {
                let start = at + key.len() + 1;
                let ranges = match is_plain {
                    true => physical(line, start..start + text.len()),
                    false => Vec::new(),
                };
                mount.from = Some(Place { text: text.to_owned(), ranges });
            }
            _ => {}
        }
        at += field.len() + 1;
    }
    Some(mount)
}

/// One record of comma-separated values, as Go's `encoding/csv` reads it.
fn csv(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(mut quoted) => {
                let mut field = String::new();
                loop {
                    let end = quoted.find('"')?;
                    field.push_str(&quoted[..end]);
                    quoted = &quoted[end + 1..];
                    let Some(more) = quoted.strip_prefix('"') else { break };
                    field.push('"');
                    quoted = more;
                }
                (field, quoted)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return None;
                }
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// The words between blanks.
fn words_of(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (is_blank(c), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| from..text.len()));
    words
}

/// The JSON form of arguments; what follows the array does not matter to BuildKit.
fn json_words(text: &str) -> Option<Vec<String>> {
    if !text.starts_with('[') {
        return None;
    }
    serde_json::Deserializer::from_str(text).into_iter::<Vec<String>>().next()?.ok()
}

/// Words between blanks that are not quoted or escaped; quotes and escapes stay.
fn quoted_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, open) if c == escape && open != Some('\'') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn env(rest: &str, escape: char) -> Option<Instruction> {
    let words = quoted_words(rest, escape);
    if !words.first()?.contains('=') {
        // The old form: a name, and the rest of the line.
        let (name, value) = rest.split_once(is_blank)?;
        return Some(Instruction::Env(vec![(name.to_owned(), value.trim().to_owned())]));
    }
    let pairs = words.iter().map(|word| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(Instruction::Env(pairs.collect::<Option<_>>()?))
}

/// Where a range of a logical line stands in the file, a range per physical line.
fn physical(line: &Line, range: Range<usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let Some(places) = line.origin.get(range) else { return ranges };
    for &at in places {
        match ranges.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => ranges.push(at..at + 1),
        }
    }
    ranges
}
