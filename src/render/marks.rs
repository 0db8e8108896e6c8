//! Marks: values that occur nowhere else, so that it shows where they come out.
//!
//! A mark looks like the tags that wharf gives (16 lower case hexadecimal digits, beginning with a
//! letter so that no YAML reader takes it for a number), since charts do things with tags: make
//! them labels, append to them, cut them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::images;

/// The mark of a repository, or of a part of one.
pub(super) fn repository(index: usize) -> String {
    format!("facade{index:08}ba")
}

/// The mark of a tag.
pub(super) fn tag(index: usize) -> String {
    format!("facade{index:08}ed")
}

/// The mark of a whole reference.
pub(super) fn reference(index: usize) -> String {
    format!("{}:{}", repository(index), tag(index))
}

/// The mark of a digest.
pub(super) fn digest(index: usize) -> String {
    format!("sha256:facade{index:08}dd{}", "0".repeat(48))
}

/// What of a marked value came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Reference,
    Repository,
    Tag,
    Digest,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    /// The mark of the candidate with this number.
    Mark(usize, Part),
}

static MARK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"facade(\d{8})ba:facade(\d{8})ed|facade(\d{8})(ba|ed)|sha256:facade(\d{8})dd0{48}")
        .expect("the pattern is valid")
});

/// Takes `text` apart at its marks.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut from = 0;
    let push_text = |tokens: &mut Vec<Token>, text: &str| {
        if !text.is_empty() {
            tokens.push(Token::Text(text.to_owned()));
        }
    };
    for captures in MARK.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        let number = |group: usize| captures.get(group).and_then(|m| m.as_str().parse().ok());
        push_text(&mut tokens, &text[from..whole.start()]);
        from = whole.end();
        match (number(1), number(2), number(3), number(5)) {
            (Some(one), Some(other), ..) if one == other => {
                tokens.push(Token::Mark(one, Part::Reference));
            }
            (Some(one), Some(other), ..) => {
                tokens.push(Token::Mark(one, Part::Repository));
                push_text(&mut tokens, ":");
                tokens.push(Token::Mark(other, Part::Tag));
            }
            (_, _, Some(one), _) if captures.get(4).is_some_and(|m| m.as_str() == "ba") => {
                tokens.push(Token::Mark(one, Part::Repository));
            }
            (_, _, Some(one), _) => tokens.push(Token::Mark(one, Part::Tag)),
            (_, _, _, Some(one)) => tokens.push(Token::Mark(one, Part::Digest)),
            _ => {}
        }
    }
    push_text(&mut tokens, &text[from..]);
    tokens
}

/// The candidates whose marks are in `tokens`.
pub(super) fn indices(tokens: &[Token]) -> impl Iterator<Item = usize> {
    tokens.iter().filter_map(|token| match token {
        Token::Mark(index, _) => Some(*index),
        Token::Text(_) => None,
    })
}

/// The tokens of a reference's repository, of its tag and of its digest.
pub(super) fn split(tokens: &[Token]) -> (Vec<Token>, Option<Vec<Token>>, Option<Vec<Token>>) {
    // Each mark stands as one character that no reference has.
    let stand_in = |place: usize| {
        u32::try_from(place).ok().and_then(|place| char::from_u32(0xE000 + place)).unwrap_or('?')
    };
    let skeleton: String = tokens
        .iter()
        .enumerate()
        .map(|(place, token)| match token {
            Token::Text(text) => text.clone(),
            Token::Mark(..) => stand_in(place).to_string(),
        })
        .collect();
    let back = |text: &str| -> Vec<Token> {
        let mut found = Vec::new();
        let mut literal = String::new();
        for c in text.chars() {
            let place = (c as usize).checked_sub(0xE000);
            match place.and_then(|place| tokens.get(place)) {
                Some(mark @ Token::Mark(..)) => {
                    if !literal.is_empty() {
                        found.push(Token::Text(std::mem::take(&mut literal)));
                    }
                    found.push(mark.clone());
                }
                _ => literal.push(c),
            }
        }
        if !literal.is_empty() {
            found.push(Token::Text(literal));
        }
        found
    };
    let (repository, tag, digest) = images::split(&skeleton);
    (back(repository), tag.map(back), digest.map(back))
}

/// What each mark must be for `tokens` to say `target`: as few as possible other than `before`,
/// and of those that change, the first takes as much as it can.
pub(super) fn match_parts<'b>(
    tokens: &[Token],
    target: &str,
    before: &dyn Fn(usize) -> &'b str,
) -> Option<Vec<(usize, String)>> {
    fn go<'b>(
        tokens: &[Token],
        target: &str,
        before: &dyn Fn(usize) -> &'b str,
    ) -> Option<(usize, Vec<(usize, String)>)> {
        let Some((token, rest)) = tokens.split_first() else {
            return target.is_empty().then(|| (0, Vec::new()));
        };
        match token {
            Token::Text(text) => go(rest, target.strip_prefix(text.as_str())?, before),
            Token::Mark(index, _) => {
                let own = before(*index);
                let ends = (1..=target.len()).rev().filter(|end| target.is_char_boundary(*end));
                let mut best: Option<(usize, Vec<(usize, String)>)> = None;
                for end in ends {
                    let (text, after) = target.split_at(end);
                    let Some((cost, mut parts)) = go(rest, after, before) else { continue };
                    let cost = cost + usize::from(text != own);
                    if best.as_ref().is_none_or(|(best, _)| cost < *best) {
                        parts.insert(0, (*index, text.to_owned()));
                        best = Some((cost, parts));
                    }
                }
                best
            }
        }
    }
    let (_, parts) = go(tokens, target, before)?;
    // One mark cannot be two things.
    let consistent = parts.iter().all(|(index, text)| {
        parts.iter().all(|(other, other_text)| index != other || text == other_text)
    });
    consistent.then_some(parts)
}

/// The candidates whose marks come out in names, labels, selectors or keys: what a change of them
/// would make different objects of.
pub(super) fn steering<'v>(documents: impl Iterator<Item = &'v Value>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for document in documents {
        each_structural(document, &mut |text| found.extend(indices(&tokens(text))));
    }
    found
}

/// Tells each text of `object` that names something: keys, names, labels, selectors.
pub(super) fn each_structural(object: &Value, tell: &mut dyn FnMut(&str)) {
    walk(object, Place::Plain, tell);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    /// In labels or a selector.
    Naming,
    /// In annotations, or data that Kubernetes does not look into.
    Free,
}

fn walk(value: &Value, place: Place, tell: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if place != Place::Free {
                    tell(key);
                }
                let names = matches!(
                    key.as_str(),
                    "name" | "generateName" | "namespace" | "serviceName" | "serviceAccountName"
                );
                let lower = key.to_ascii_lowercase();
                let below = match key.as_str() {
                    "annotations" | "data" | "stringData" | "env" | "args" | "command" => {
                        Place::Free
                    }
                    _ if place == Place::Free => Place::Free,
                    _ if lower.ends_with("labels") || lower.ends_with("selector") => Place::Naming,
                    _ => place,
                };
                match value {
                    Value::String(text) if names && below != Place::Free => tell(text),
                    value => walk(value, below, tell),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, place, tell);
            }
        }
        Value::String(text) if place == Place::Naming => tell(text),
        _ => {}
    }
}
