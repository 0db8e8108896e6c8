//! Puts values into manifests where a comment marks the place: `replicas: 1 # from-param: ${n}`.
//!
//! Works on the text, since what is parsed has no comments. A value that nobody gives stays as it
//! is; a pattern of several is solved for the others from what stands there.

use std::collections::BTreeMap;

use regex::Regex;

/// What marks a place: Skaffold's own mark, and kpt's.
const MARKS: [&str; 2] = ["# from-param:", "# kpt-set:"];

/// Whether any place in `text` is marked with one of `setters`.
pub(super) fn mentions(text: &str, setters: &BTreeMap<String, String>) -> bool {
    text.lines().filter_map(mark).any(|(_, pattern)| is_meant(pattern, setters))
}

/// `text` with `setters` put in; what is wrong, and in which line, otherwise.
pub(super) fn applied(
    text: &str,
    setters: &BTreeMap<String, String>,
) -> Result<String, (usize, String)> {
    if !mentions(text, setters) {
        return Ok(text.to_owned());
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out = String::with_capacity(text.len());
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        index += 1;
        let Some((before, pattern)) = mark(line).filter(|(_, pattern)| is_meant(pattern, setters))
        else {
            out.push_str(line);
            continue;
        };
        let place = Place::of(before);
        let old = place.value.trim();
        let is_list = old.is_empty() || old.starts_with('[');
        let fault = |what: String| (index, what);
        if !is_list {
            let value = solved(pattern, &unquoted(old), setters).map_err(fault)?;
            out.push_str(place.head);
            out.push_str(&written(&value, old));
        } else {
            let value = list(pattern, setters).map_err(fault)?;
            out.push_str(place.head);
            if place.head.ends_with(':') {
                out.push(' ');
            }
            out.push_str(&value);
            if old.is_empty() {
                // The items that stood below.
                let depth = indent(line);
                while let Some(item) = lines.get(index).filter(|item| is_item(item, depth)) {
                    let _ = item;
                    index += 1;
                }
            }
        }
        let comment = &line[before.len()..];
        out.push(' ');
        out.push_str(comment);
    }
    Ok(out)
}

/// What stands before the mark of a line, and the pattern behind it.
fn mark(line: &str) -> Option<(&str, &str)> {
    MARKS.iter().find_map(|mark| {
        let at = line.find(mark)?;
        let before = &line[..at];
        // A comment that stands alone marks nothing.
        let is_behind = before.ends_with([' ', '\t']) && !before.trim().is_empty();
        is_behind.then(|| (before, line[at + mark.len()..].trim()))
    })
}

fn is_meant(pattern: &str, setters: &BTreeMap<String, String>) -> bool {
    names(pattern).any(|name| setters.contains_key(name))
}

/// The names in `${…}`.
fn names(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// A line before its mark: what is kept, and the value.
struct Place<'l> {
    head: &'l str,
    value: &'l str,
}

impl<'l> Place<'l> {
    fn of(before: &'l str) -> Self {
        let end = before.trim_end().len();
        let mut from = before.len() - before.trim_start().len();
        while before[from..end].starts_with("- ") {
            from += 2;
            from += before[from..end].len() - before[from..end].trim_start().len();
        }
        // A key may be quoted, and hold a colon then.
        let key_end = match before[from..end].chars().next() {
            Some(quote @ ('"' | '\'')) => before[from + 1..end]
                .find(quote)
                .map(|at| from + 1 + at + 1)
                .filter(|at| before[*at..end].trim_start().starts_with(':')),
            _ => Some(from),
        };
        let colon = key_end.and_then(|start| {
            let rest = &before[start..end];
            let inner = rest.find(": ").or_else(|| rest.ends_with(':').then(|| rest.len() - 1));
            inner.map(|at| start + at + 1)
        });
        let start = colon.unwrap_or(from);
        let blank = before[start..end].len() - before[start..end].trim_start().len();
        let start = start + blank;
        Self { head: &before[..start], value: &before[start..end] }
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line belongs to the list below a key that is indented by `depth`.
fn is_item(line: &str, depth: usize) -> bool {
    let text = line.trim();
    if text.is_empty() {
        return false;
    }
    let own = indent(line);
    own > depth || (own == depth && (text.starts_with("- ") || text == "-"))
}

/// The text of a scalar without its quotes.
fn unquoted(text: &str) -> String {
    match text.chars().next() {
        Some('"') => serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').into()),
        Some('\'') => text.trim_matches('\'').replace("''", "'"),
        _ => text.to_owned(),
    }
}

/// A value in place of `old`, quoted as that was, or where it would be read as something else.
fn written(value: &str, old: &str) -> String {
    let json = || serde_json::Value::from(value).to_string();
    if value.is_empty() || old.starts_with('"') {
        return json();
    }
    if old.starts_with('\'') {
        return format!("'{}'", value.replace('\'', "''"));
    }
    let is_risky = value.contains(": ")
        || value.contains(" #")
        || value.ends_with(':')
        || value.contains('\n')
        || value != value.trim()
        || value.starts_with(['[', '{', '&', '*', '!', '|', '>', '%', '@', '`', '"', '\'', '#'])
        || value.starts_with("- ");
    if is_risky { json() } else { value.to_owned() }
}

/// The value of `pattern`: given names filled in, the others from what stands there.
fn solved(pattern: &str, old: &str, setters: &BTreeMap<String, String>) -> Result<String, String> {
    let standing = standing(pattern, old);
    let mut value = pattern.to_owned();
    for name in names(pattern) {
        let found = setters.get(name).or_else(|| standing.get(name));
        let found = found.ok_or_else(|| format!("the setter `{name}` has no value"))?;
        value = value.replace(&format!("${{{name}}}"), found);
    }
    Ok(value)
}

/// What the names of `pattern` are where it made `old`.
fn standing(pattern: &str, old: &str) -> BTreeMap<String, String> {
    let mut expression = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, after)) = after.split_once('}') else { break };
        expression.push_str(&regex::escape(before));
        expression.push_str("(.*)");
        rest = after;
    }
    expression.push_str(&regex::escape(rest));
    let Ok(expression) = Regex::new(&expression) else { return BTreeMap::new() };
    let Some(found) = expression.captures(old) else { return BTreeMap::new() };
    let values: Vec<&str> =
        found.iter().skip(1).map(|value| value.map_or("", |value| value.as_str())).collect();
    if values.contains(&"") {
        return BTreeMap::new();
    }
    names(pattern).map(str::to_owned).zip(values.into_iter().map(str::to_owned)).collect()
}

/// The list that the only name of `pattern` stands for.
fn list(pattern: &str, setters: &BTreeMap<String, String>) -> Result<String, String> {
    let mut all = names(pattern);
    let (Some(name), None) = (all.next(), all.next()) else {
        return Err(format!("a list has one setter, and not `{pattern}`"));
    };
    let value = setters.get(name).map_or("", |value| value.trim());
    if value.is_empty() {
        return Ok("[]".to_owned());
    }
    let parsed = super::yaml::parse(value, super::yaml::Duplicates::LastCounts);
    match parsed {
        Ok(list @ serde_json::Value::Array(_)) => Ok(list.to_string()),
        _ => Err(format!("the setter `{name}` of a list must be a list such as `[a, b]`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, setters: &[(&str, &str)], expected: &str) {
        let setters =
            setters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let applied =
            applied(text, &setters).unwrap_or_else(|(line, why)| format!("{line}: {why}"));
        assert_eq!(applied, expected, "{text}");
    }

    #[test]
    fn values_go_where_a_comment_marks_the_place() {
        check("a: 1 # from-param: ${n}\nb: 1\n", &[("n", "2")], "a: 2 # from-param: ${n}\nb: 1\n");
        check("- 1 # kpt-set: ${n}\n", &[("n", "2")], "- 2 # kpt-set: ${n}\n");
        check("  - a: \"1\" # kpt-set: ${n}", &[("n", "2")], "  - a: \"2\" # kpt-set: ${n}");
        check("a: 'x' # kpt-set: ${n}", &[("n", "it's")], "a: 'it''s' # kpt-set: ${n}");
        check("\"a: b\": x # kpt-set: ${n}", &[("n", "y")], "\"a: b\": y # kpt-set: ${n}");
        check("a: x # kpt-set: ${n}", &[("n", "")], "a: \"\" # kpt-set: ${n}");
        check("a: x # kpt-set: ${n}", &[("n", "b: c")], "a: \"b: c\" # kpt-set: ${n}");
        check("a: 1 # from-param: ${n}\n", &[("m", "2")], "a: 1 # from-param: ${n}\n");
        check("# from-param: ${n}\na: 1\n", &[("n", "2")], "# from-param: ${n}\na: 1\n");
    }

    #[test]
    fn a_pattern_is_solved_for_what_is_not_given() {
        check(
            "image: nginx:1.7 # kpt-set: ${image}:${tag}",
            &[("tag", "1.8")],
            "image: nginx:1.8 # kpt-set: ${image}:${tag}",
        );
        check("a: other # kpt-set: ${x}-${y}", &[("x", "1")], "1: the setter `y` has no value");
    }

    #[test]
    fn a_list_is_replaced_as_a_whole() {
        check(
            "env: # kpt-set: ${env}\n- dev\n- stage\nb: 1\n",
            &[("env", "[prod, 3]")],
            "env: [\"prod\",3] # kpt-set: ${env}\nb: 1\n",
        );
        check(
            "  env: # kpt-set: ${env}\n    - dev\n\n  b: 1\n",
            &[("env", "")],
            "  env: [] # kpt-set: ${env}\n\n  b: 1\n",
        );
        check("e: [a] # kpt-set: ${e}", &[("e", "[b]")], "e: [\"b\"] # kpt-set: ${e}");
        check(
            "e: [a] # kpt-set: ${e}",
            &[("e", "b")],
            "1: the setter `e` of a list must be a list such as `[a, b]`",
        );
    }
}
