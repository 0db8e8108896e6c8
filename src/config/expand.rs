//! `${NAME}`, `${NAME:-default}` and `$$` in every text of the configuration.

use std::collections::BTreeMap;

use super::error::{Problem, closest};
use super::node::{Fault, Kind, Node};

/// What becomes of a text with a variable that is not set. What says which project this is, or
/// where it is deployed, must be known in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is an error.
    Refused,
    /// It stays as it is written.
    Kept,
    /// Where nothing stands beside the variable, it is as if the text were not there.
    LeftOut,
}

/// Replaces the variables in every text of `node`. A default may hold variables again.
pub(super) fn expand(
    node: &mut Node,
    source: &str,
    environment: &BTreeMap<String, String>,
    missing: Missing,
) -> Result<(), Fault> {
    match &mut node.kind {
        Kind::Null => Ok(()),
        Kind::List(items) => {
            items.iter_mut().try_for_each(|item| expand(item, source, environment, missing))?;
            if missing == Missing::LeftOut {
                items.retain(|item| item.kind != Kind::Null);
            }
            Ok(())
        }
        Kind::Map(entries) => entries.iter_mut().try_for_each(|(key, value)| {
            let must = matches!(key.text.as_str(), "name" | "cluster" | "namespace");
            let missing = if must { Missing::Refused } else { missing };
            expand(value, source, environment, missing)
        }),
        Kind::Scalar { text, plain } => {
            if !text.contains('$') {
                return Ok(());
            }
            let mut used = Vec::new();
            match expanded(text, environment, &mut used) {
                Ok(full) => {
                    node.kind = if full.is_empty() && *plain {
                        // `key: ${EMPTY:-}` is `key:`.
                        Kind::Null
                    } else {
                        Kind::Scalar { text: full, plain: *plain }
                    };
                    node.env.extend(used);
                    Ok(())
                }
                Err((Problem::MissingVariable { .. }, _)) if missing == Missing::Kept => Ok(()),
                Err((Problem::MissingVariable { .. }, name)) if missing == Missing::LeftOut => {
                    if *text == name {
                        node.kind = Kind::Null;
                    }
                    Ok(())
                }
                Err((problem, name)) => {
                    let mut fault = node.fault(problem);
                    // Where the text stands as it was parsed, the mark fits the variable alone.
                    let line = source.get(fault.at.clone()).unwrap_or_default();
                    if let Some(start) = line.find(&name) {
                        let start = fault.at.start + start;
                        fault.at = start..start + name.len();
                    }
                    Err(fault)
                }
            }
        }
    }
}

/// `text` with its variables replaced; on failure the problem and the piece of text it is about.
fn expanded(
    text: &str,
    environment: &BTreeMap<String, String>,
    used: &mut Vec<String>,
) -> Result<String, (Problem, String)> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix("${") {
            let Some(length) = closing(inside) else {
                return Err((Problem::BadVariable(rest.to_owned()), rest.to_owned()));
            };
            let whole = &rest[..length + 3];
            out.push_str(&value(&inside[..length], whole, environment, used)?);
            rest = &inside[length + 1..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn value(
    inside: &str,
    whole: &str,
    environment: &BTreeMap<String, String>,
    used: &mut Vec<String>,
) -> Result<String, (Problem, String)> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !is_name {
        return Err((Problem::BadVariable(whole.to_owned()), whole.to_owned()));
    }
    match (environment.get(name), default) {
        // As in a shell, `:-` also stands in for an empty value.
        (Some(value), None) => {
            used.push(name.to_owned());
            Ok(value.clone())
        }
        (Some(value), Some(_)) if !value.is_empty() => {
            used.push(name.to_owned());
            Ok(value.clone())
        }
        (_, Some(default)) => expanded(default, environment, used),
        (None, None) => {
            let known: Vec<&String> = environment.keys().collect();
            let suggestion = closest(name, &known).map(str::to_owned);
            let problem = Problem::MissingVariable { name: name.to_owned(), suggestion };
            Err((problem, whole.to_owned()))
        }
    }
}

/// Where the brace that was opened before `inside` is closed.
fn closing(inside: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// `text` written so that [`expand`] reads it back unchanged.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '$' && matches!(rest.peek(), Some('$' | '{')) {
            out.push('$');
        }
    }
    out
}
