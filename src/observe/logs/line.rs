//! One line of a container's output, made fit for a terminal.

use serde_json::{Map, Value};

/// What of a line is shown at most. Kubelet joins what the runtime had split, so that a line may
/// be of any length; dumps of megabytes help nobody.
const LONGEST: usize = 16 * 1024;

/// How many bytes of a line are kept while it is read: what is shown, and some for what is taken
/// out of it.
pub(super) const KEPT: usize = 2 * LONGEST;

const RESET: &str = "\u{1b}[0m";

/// Makes a line fit to be printed: bytes that are no UTF-8 are replaced, control sequences are
/// taken out except for colours, and what a carriage return would overwrite is gone.
pub(in crate::observe) fn tidy(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\r', '\n']);
    // A progress bar rewrites its line; the last state of it is what a terminal would show.
    let text = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    let (mut line, coloured) = without_controls(text);
    if line.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    if coloured && !line.ends_with(RESET) {
        // A colour that its program left on must not reach the next prefix.
        line.push_str(RESET);
    }
    line
}

/// `fields` of a line that is a JSON object, as `name: value, name: value`; nothing of another.
pub(super) fn fields_of(text: &str, fields: &[String]) -> Option<String> {
    if fields.is_empty() {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let shown = fields.iter().filter_map(|field| {
        Some(match object.get(field)? {
            Value::String(text) => format!("{field}: {text}"),
            value => format!("{field}: {value}"),
        })
    });
    Some(shown.collect::<Vec<_>>().join(", "))
}

/// Takes control characters and sequences out, and says whether a colour was kept.
fn without_controls(text: &str) -> (String, bool) {
    let mut line = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let sequence = match character {
            '\u{1b}' => sequence_length(rest, 1),
            '\u{9b}' => control_length(rest, '\u{9b}'.len_utf8()),
            _ => 0,
        };
        if sequence > 0 {
            let (whole, after) = rest.split_at(sequence);
            if is_colour(whole) && line.len() + whole.len() <= LONGEST {
                line.push_str(whole);
                coloured = true;
            }
            rest = after;
            continue;
        }
        if character == '\t' || !character.is_control() {
            line.push(character);
        }
        rest = &rest[character.len_utf8()..];
    }
    (line, coloured)
}

/// `ESC [ numbers m`, and nothing else.
fn is_colour(sequence: &str) -> bool {
    let inner = sequence.strip_prefix("\u{1b}[").and_then(|inner| inner.strip_suffix('m'));
    inner.is_some_and(|inner| {
        inner.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'))
    })
}

/// How long the escape sequence at the beginning of `text` is; the escape itself has `introducer`
/// bytes. The kinds are those of ECMA-48.
fn sequence_length(text: &str, introducer: usize) -> usize {
    let Some(kind) = text[introducer..].chars().next() else { return introducer };
    let begin = introducer + kind.len_utf8();
    match kind {
        '[' => control_length(text, begin),
        // Titles, links, device strings: up to BEL or ESC \.
        ']' | 'P' | '_' | '^' | 'X' => {
            let body = &text[begin..];
            let bell = body.find('\u{7}').map(|at| at + 1);
            let terminator = body.find("\u{1b}\\").map(|at| at + 2);
            match (bell, terminator) {
                (Some(bell), Some(terminator)) => begin + bell.min(terminator),
                (Some(end), None) | (None, Some(end)) => begin + end,
                (None, None) => text.len(),
            }
        }
        // Two characters, or three where intermediate bytes come first.
        ' '..='/' => {
            let after = text[begin..].chars().next();
            begin + after.map_or(0, char::len_utf8)
        }
        _ => begin,
    }
}

/// A control sequence ends with a byte from `@` to `~`; anything else in it breaks it off.
fn control_length(text: &str, begin: usize) -> usize {
    for (at, character) in text[begin..].char_indices() {
        match character {
            '@'..='~' => return begin + at + 1,
            ' '..='?' => {}
            _ => return begin + at,
        }
    }
    text.len()
}

#[cfg(test)]
mod field_tests {
    use super::fields_of;

    #[test]
    fn of_lines_that_are_objects_the_wanted_fields_are_shown() {
        let fields = ["level".to_owned(), "n".to_owned(), "gone".to_owned()];
        let line = r#"{"n": 3, "level": "info", "other": [1]}"#;
        assert_eq!(fields_of(line, &fields).as_deref(), Some("level: info, n: 3"));
        assert_eq!(fields_of("plain", &fields), None);
        assert_eq!(fields_of("[1]", &fields), None);
        assert_eq!(fields_of(line, &[]), None);
    }
}
