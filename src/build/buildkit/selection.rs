//! Which entries of a context BuildKit asks for: its `followpaths`, include and exclude patterns.
//!
//! <https://github.com/tonistiigi/fsutil/blob/master/followlinks.go> and `filter.go`.

use std::collections::{BTreeMap, BTreeSet};

use crate::build::{Entry, EntryKind};
use crate::dockerfile::{Patterns, clean};

/// What BuildKit says it wants of one context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Paths whose links are followed; empty: everything.
    pub(super) follow: Vec<String>,
    /// Patterns by path components; empty: everything.
    pub(super) include: Vec<String>,
    /// What an ignore file takes out.
    pub(super) exclude: Vec<String>,
}

/// The indices of the entries that are wanted, in their order. Folders on the way to one count.
pub(super) fn select(entries: &[Entry], wanted: &Wanted) -> Vec<usize> {
    let mut patterns = wanted.include.clone();
    if !wanted.follow.is_empty() {
        patterns.extend(follow(entries, &wanted.follow));
    }
    let everything = patterns.iter().any(|pattern| pattern == ".");
    let patterns: Vec<Vec<&str>> = if everything {
        Vec::new()
    } else {
        patterns.iter().map(|pattern| pattern.split('/').collect()).collect()
    };
    // What cannot be read as patterns takes nothing out: sending more is never wrong, since an
    // ignore file has been applied to the entries already.
    let exclude = Patterns::new(&wanted.exclude).ok().filter(|exclude| !exclude.is_empty());
    let chosen = entries.iter().enumerate().filter(|(_, entry)| {
        let is_folder = matches!(entry.kind, EntryKind::Directory);
        let path: Vec<&str> = entry.path.split('/').collect();
        let included = patterns.is_empty()
            || patterns.iter().any(|pattern| match begins(pattern, &path) {
                Begins::Whole => true,
                Begins::OnTheWay => is_folder,
                Begins::No => false,
            });
        let excluded =
            !is_folder && exclude.as_ref().is_some_and(|exclude| exclude.matches(&entry.path));
        included && !excluded
    });
    chosen.map(|(index, _)| index).collect()
}

enum Begins {
    /// The pattern matches the path or one of its parents.
    Whole,
    /// The path leads towards what the pattern may match.
    OnTheWay,
    No,
}

fn begins(pattern: &[&str], path: &[&str]) -> Begins {
    if !pattern.iter().zip(path).all(|(pattern, name)| matches(pattern, name)) {
        return Begins::No;
    }
    if path.len() >= pattern.len() { Begins::Whole } else { Begins::OnTheWay }
}

/// The paths, with every link on the way and what it leads to.
fn follow(entries: &[Entry], paths: &[String]) -> BTreeSet<String> {
    let by_path: BTreeMap<&str, &Entry> =
        entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut resolved = BTreeSet::new();
    let mut open: Vec<String> = paths.to_vec();
    while let Some(path) = open.pop() {
        resolve(&by_path, &path, &mut resolved, &mut open);
    }
    resolved
}

fn resolve(
    by_path: &BTreeMap<&str, &Entry>,
    path: &str,
    resolved: &mut BTreeSet<String>,
    open: &mut Vec<String>,
) {
    let path = inside(path);
    if path == "." {
        resolved.insert(path);
        return;
    }
    let mut current = String::new();
    let mut rest = path.as_str();
    loop {
        let (name, after) = rest.split_once('/').unwrap_or((rest, ""));
        let parent = current.clone();
        current = joined(&current, name);
        let targets = links(by_path, &parent, name);
        if (after.is_empty() || !targets.is_empty()) && resolved.contains(&current) {
            return;
        }
        if !targets.is_empty() {
            resolved.insert(current);
            open.extend(targets.iter().map(|target| joined(target, after)));
            return;
        }
        if after.is_empty() {
            resolved.insert(current);
            return;
        }
        rest = after;
    }
}

/// What the links named `name` in `folder` lead to, as paths inside the context.
fn links(by_path: &BTreeMap<&str, &Entry>, folder: &str, name: &str) -> Vec<String> {
    let target_of = |path: &str| match &by_path.get(path)?.kind {
        EntryKind::Symlink { target } if target.starts_with('/') => Some(inside(target)),
        EntryKind::Symlink { target } => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            Some(inside(&format!("{folder}/{target}")))
        }
        EntryKind::File { .. } | EntryKind::Directory => None,
    };
    if !name.contains(['*', '?', '[', '\\']) {
        return target_of(&joined(folder, name)).into_iter().collect();
    }
    let inside_folder = by_path.keys().filter(|path| {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        parent == folder && matches(name, last)
    });
    inside_folder.filter_map(|path| target_of(path)).collect()
}

fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("" | ".", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// `path` from the context's root; what would leave it ends there.
fn inside(path: &str) -> String {
    let rooted = clean(&format!("/{path}"));
    match rooted.trim_start_matches('/') {
        "" => ".".to_owned(),
        path => path.to_owned(),
    }
}

/// Go's `filepath.Match` for one path component; a pattern that cannot be read matches nothing.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_chars(&pattern, &name)
}

fn matches_chars(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|skip| matches_chars(rest, &name[skip..])),
        ['?', rest @ ..] => !name.is_empty() && matches_chars(rest, &name[1..]),
        ['[', rest @ ..] => {
            let Some((&first, after)) = name.split_first() else { return false };
            let Some((class, rest)) = class(rest) else { return false };
            class.holds(first) && matches_chars(rest, after)
        }
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            name.first() == Some(literal) && matches_chars(rest, &name[1..])
        }
    }
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn holds(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != self.negated
    }
}

/// Reads a class after its `[`, and what follows its `]`.
fn class(text: &[char]) -> Option<(Class, &[char])> {
    let (negated, mut rest) = match text {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        if let [']', after @ ..] = rest
            && !ranges.is_empty()
        {
            return Some((Class { negated, ranges }, after));
        }
        let (low, after) = one(rest)?;
        let (high, after) = match after {
            ['-', after @ ..] => one(after)?,
            after => (low, after),
        };
        ranges.push((low, high));
        rest = after;
    }
}

fn one(text: &[char]) -> Option<(char, &[char])> {
    match text {
        ['\\', c, rest @ ..] => Some((*c, rest)),
        ['-' | ']' | '\\', ..] | [] => None,
        [c, rest @ ..] => Some((*c, rest)),
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
