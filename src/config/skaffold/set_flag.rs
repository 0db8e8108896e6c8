//! Values as Helm reads them from `--set`: `a.b[0]=1,c={x,y}`.

use super::super::error::Problem;
use super::super::node::{Fault, Kind, Node};

/// How long a list may become by naming one of its items; Helm's own limit.
const LONGEST: usize = 65_536;

/// Sets the value at `key` of `tree` as `--set key=value` does.
///
/// `value` is split at commas that are not escaped: what follows one is another `key=value`.
pub(super) fn set(tree: &mut Node, key: &str, value: &Node) -> Result<(), Fault> {
    let text = match &value.kind {
        Kind::Scalar { text, .. } => text.as_str(),
        Kind::Null => "",
        // An empty map or list of `setValues` sets nothing.
        _ => return Ok(()),
    };
    let mut parts = split(text, ',').into_iter();
    let first = parts.next().unwrap_or_default();
    put(tree, key, &typed(value, &first))?;
    for part in parts {
        let pair = part.split_once('=');
        let Some((key, part)) = pair else {
            return Err(value.wrong("`\\,` for a comma in a value"));
        };
        put(tree, key, &typed(value, part))?;
    }
    Ok(())
}

/// Puts `value` at `key` of `tree`, whatever it is.
pub(super) fn put(tree: &mut Node, key: &str, value: &Node) -> Result<(), Fault> {
    let Some(steps) = steps(key) else {
        let what = format!("`{key}` is not a path of names with dots between, and `[0]` for items");
        return Err(value.fault(Problem::Conflict { what, help: String::new() }));
    };
    put_below(tree, &steps, value);
    Ok(())
}

enum Step {
    Key(String),
    Index(usize),
}

fn steps(key: &str) -> Option<Vec<Step>> {
    let mut out = Vec::new();
    for part in split(key, '.') {
        let (name, mut rest) = match part.find('[') {
            Some(at) if part.ends_with(']') => part.split_at(at),
            _ => (part.as_str(), ""),
        };
        if name.is_empty() && rest.is_empty() {
            return None;
        }
        if !name.is_empty() {
            out.push(Step::Key(unescaped(name)));
        }
        while let Some((index, after)) =
            rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            out.push(Step::Index(index.parse().ok().filter(|index| *index < LONGEST)?));
            rest = after;
        }
    }
    Some(out)
}

fn put_below(tree: &mut Node, steps: &[Step], value: &Node) {
    let Some((step, rest)) = steps.split_first() else {
        *tree = value.clone();
        return;
    };
    match step {
        Step::Key(key) => {
            if !matches!(tree.kind, Kind::Map(_)) {
                *tree = value.map_here();
            }
            let mut below = match &tree.kind {
                Kind::Map(entries) => entries.iter().find(|(other, _)| other.text == *key),
                _ => None,
            }
            .map_or_else(|| Node::new(Kind::Null, value.at.clone()), |(_, below)| below.clone());
            put_below(&mut below, rest, value);
            tree.put(key, below);
        }
        Step::Index(index) => {
            if !matches!(tree.kind, Kind::List(_)) {
                *tree = value.list_here(vec![]);
            }
            if let Kind::List(items) = &mut tree.kind {
                while items.len() <= *index {
                    items.push(Node::new(Kind::Null, value.at.clone()));
                }
                put_below(&mut items[*index], rest, value);
            }
        }
    }
}

/// A value with the type that Helm gives it; `{a,b}` is a list.
fn typed(node: &Node, text: &str) -> Node {
    if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let items =
            split(inner, ',').into_iter().filter(|item| !item.is_empty() || !inner.is_empty());
        return node.list_here(items.map(|item| typed(node, &item)).collect());
    }
    let text = unescaped(text);
    let is_number = text == "0"
        || (text.parse::<i64>().is_ok() && !text.trim_start_matches('-').starts_with(['0', '+']));
    let plain = is_number || matches!(text.as_str(), "true" | "false");
    let kind = if text == "null" { Kind::Null } else { Kind::Scalar { text, plain } };
    Node { kind, ..node.clone() }
}

/// Splits at `by` where it is neither escaped nor in braces; escapes stay as they are.
fn split(text: &str, by: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let last = parts.len() - 1;
        match c {
            '\\' => {
                parts[last].push('\\');
                parts[last].extend(rest.next());
            }
            c if c == by && depth == 0 => parts.push(String::new()),
            c => {
                match c {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                parts[last].push(c);
            }
        }
    }
    parts
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    out
}
