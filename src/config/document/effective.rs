//! `wharf config`: every value, and where it came from.

use serde_json::{Map, Value};

use crate::model::Project;

use super::super::Source;
use super::super::mask::{sounds_secret, without_secrets};
use super::super::provenance::Provenance;
use super::write::{Defaults, Piece, Remarks, project as written, write};

/// Instead of a secret.
const HIDDEN: &str = "\"***\"";

/// The effective configuration as YAML, each value with a remark on where it came from, and
/// secrets starred out.
///
/// What nobody gave and nothing showed is a `default`. A value is a secret when a key above it, or
/// an environment variable that went into it, sounds like one; so are the passwords, tokens and
/// secret variables inside of texts.
#[must_use]
pub fn render_effective(project: &Project, provenance: &Provenance) -> String {
    let mut entries = written(project, Defaults::Shown);
    redact(&mut entries, provenance);
    write(
        &entries,
        &Remarks {
            above: &|path| {
                let section = path.len() == 1 && path[0] != "name";
                if section { vec![String::new()] } else { vec![] }
            },
            behind: &|path| {
                Some(source(provenance, path).map_or_else(|| "default".to_owned(), Source::text))
            },
            instead: &|_, _| None,
        },
    )
}

/// Where each value of [`render_effective`] came from, by its JSON pointer, for programs. What is
/// not there is a default.
#[must_use]
pub fn sources(project: &Project, provenance: &Provenance) -> Value {
    let mut out = Map::new();
    let mut path = Vec::new();
    leaves(&written(project, Defaults::Shown), &mut path, &mut |path| {
        if let Some(source) = source(provenance, path) {
            let parts = path.iter().map(|part| part.replace('~', "~0").replace('/', "~1"));
            let pointer: String = parts.map(|part| format!("/{part}")).collect();
            out.insert(pointer, source.json());
        }
    });
    Value::Object(out)
}

fn source<'p>(provenance: &'p Provenance, path: &[String]) -> Option<&'p Source> {
    provenance.get(path).or_else(|| {
        // A list of one may be written without its brackets.
        let (index, list) = path.split_last()?;
        index.parse::<usize>().ok().and_then(|_| provenance.get(list))
    })
}

/// Calls `each` with the path of everything that has a line of its own.
fn leaves(entries: &[(String, Piece)], path: &mut Vec<String>, each: &mut impl FnMut(&[String])) {
    for (name, piece) in entries {
        path.push(name.clone());
        leaf(piece, path, each);
        path.pop();
    }
}

fn leaf(piece: &Piece, path: &mut Vec<String>, each: &mut impl FnMut(&[String])) {
    match piece {
        Piece::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                leaf(item, path, each);
                path.pop();
            }
        }
        Piece::Map(entries) if !entries.is_empty() => leaves(entries, path, each),
        _ => each(path),
    }
}

fn redact(entries: &mut [(String, Piece)], provenance: &Provenance) {
    let mut path = Vec::new();
    for (name, piece) in entries {
        path.push(name.clone());
        redact_piece(piece, &mut path, provenance);
        path.pop();
    }
}

fn redact_piece(piece: &mut Piece, path: &mut Vec<String>, provenance: &Provenance) {
    match piece {
        Piece::Scalar(scalar) => {
            if is_secret(path, scalar, provenance) {
                HIDDEN.clone_into(scalar);
                return;
            }
            let plain = plain(scalar);
            if let Some(masked) = without_secrets(&plain) {
                *scalar = serde_json::to_string(&masked).expect("a text is JSON");
            }
        }
        Piece::Map(entries) => {
            for (name, piece) in entries {
                path.push(name.clone());
                redact_piece(piece, path, provenance);
                path.pop();
            }
        }
        Piece::List(items) => {
            let mut is_value = false;
            for (index, item) in items.iter_mut().enumerate() {
                let flag = match item {
                    Piece::Scalar(scalar) => plain(scalar),
                    Piece::List(_) | Piece::Map(_) => String::new(),
                };
                if is_value && !flag.starts_with('-') && !flag.is_empty() {
                    *item = Piece::Scalar(HIDDEN.to_owned());
                } else {
                    path.push(index.to_string());
                    redact_piece(item, path, provenance);
                    path.pop();
                }
                // `--password` has its value in the next item, or behind `=`.
                is_value = flag.starts_with("--") && !flag.contains('=') && sounds_secret(&flag);
            }
        }
    }
}

/// The text that a scalar was written for.
fn plain(scalar: &str) -> String {
    serde_json::from_str(scalar).unwrap_or_else(|_| scalar.to_owned())
}

fn is_secret(path: &[String], scalar: &str, provenance: &Provenance) -> bool {
    if matches!(scalar, "null" | "true" | "false") {
        return false;
    }
    // The first two are the section and the name of an image or a release.
    path.iter().skip(2).any(|part| sounds_secret(part)) || has_secret_variable(path, provenance)
}

fn has_secret_variable(path: &[String], provenance: &Provenance) -> bool {
    match source(provenance, path) {
        Some(Source::File { env, .. }) => env.iter().any(|name| sounds_secret(name)),
        Some(Source::Inferred(from)) => {
            from.strip_prefix("env ").is_some_and(|names| names.split(", ").any(sounds_secret))
        }
        _ => false,
    }
}
