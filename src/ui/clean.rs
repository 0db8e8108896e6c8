//! Text from outside, made safe to show: no byte of it may move the cursor or clear the screen.

use std::borrow::Cow;

/// Whether `ESC [ … m` (colour) of the text may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Keep,
    Drop,
}

/// One line of foreign text without control characters; of a line that was overwritten with
/// carriage returns, what a terminal would show last.
pub(super) fn clean(text: &str, colours: Colours) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\r', '\n']);
    let text = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or("");
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => {
                let sequence = escape(&mut rest);
                if colours == Colours::Keep && is_colour(&sequence) {
                    coloured = true;
                    kept.push('\x1b');
                    kept.push_str(&sequence);
                }
            }
            '\t' => kept.push_str("    "),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    if coloured {
        kept.push_str("\x1b[0m");
    }
    Cow::Owned(kept)
}

/// Takes what follows an ESC, up to its final character.
///
/// CSI: ECMA-48 §5.4, ended by `@` to `~`. OSC, DCS, PM, APC: ended by BEL or `ESC \`.
fn escape(rest: &mut std::str::Chars<'_>) -> String {
    let mut sequence = String::new();
    let Some(first) = rest.next() else { return sequence };
    sequence.push(first);
    match first {
        '[' => {
            for c in rest.by_ref() {
                sequence.push(c);
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        ']' | 'P' | '^' | '_' | 'X' => {
            while let Some(c) = rest.next() {
                if c == '\x07' {
                    break;
                }
                if c == '\x1b' {
                    rest.next();
                    break;
                }
            }
        }
        ' '..='/' => {
            rest.next();
        }
        _ => {}
    }
    sequence
}

fn is_colour(sequence: &str) -> bool {
    sequence
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix('m'))
        .is_some_and(|inner| inner.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':'))
}
