//! Where each value of the effective configuration came from.

use std::collections::BTreeMap;

use super::node::{Kind, Node};

/// Where values came from, by their path in the effective configuration, such as
/// `images.api.context`. What is not in it is a default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    by_path: BTreeMap<Vec<String>, Source>,
}

/// Tells the file and line of a place.
type Locate<'l> = dyn Fn(usize) -> Option<(String, usize)> + 'l;

/// Places in the one file `name` with the text `text`.
pub(super) fn in_text<'t>(
    name: &'t str,
    text: &'t str,
) -> impl Fn(usize) -> Option<(String, usize)> + 't {
    move |at| {
        let before = &text.as_bytes()[..at.min(text.len())];
        Some((name.to_owned(), before.iter().filter(|byte| **byte == b'\n').count() + 1))
    }
}

/// Where one value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The configuration file.
    File {
        /// The file's name.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The profile that it stands in.
        profile: Option<String>,
        /// The environment variables that went into it.
        env: Vec<String>,
    },
    /// It was inferred; from what.
    Inferred(String),
    /// The command line; which flag.
    Flag(&'static str),
}

impl Source {
    /// As a comment says it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Inferred(from) => format!("inferred: {from}"),
            Self::Flag(name) => (*name).to_owned(),
            Self::File { file, line, profile, env } => {
                let mut text = format!("{file}:{line}");
                if let Some(profile) = profile {
                    text.push_str(&format!(", profile {profile}"));
                }
                for name in env {
                    text.push_str(&format!(", env {name}"));
                }
                text
            }
        }
    }
}

impl Source {
    /// For programs.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Inferred(from) => serde_json::json!({"inferred": from}),
            Self::Flag(name) => serde_json::json!({"flag": name}),
            Self::File { file, line, profile, env } => {
                serde_json::json!({"file": file, "line": line, "profile": profile, "env": env})
            }
        }
    }
}

impl Provenance {
    /// Where every value of `node` stands in the file `name` with the text `text`.
    pub(super) fn of(node: &Node, name: &str, text: &str) -> Self {
        Self::located(node, &in_text(name, text))
    }

    /// Where every value of `node` stands, with `locate` to tell the file and line of a place;
    /// what it knows no place of is a default, unless it came from an environment variable.
    pub(super) fn located(node: &Node, locate: &Locate<'_>) -> Self {
        let mut out = Self::default();
        out.walk(&mut vec![], node, locate);
        out
    }

    fn walk(&mut self, path: &mut Vec<String>, node: &Node, locate: &Locate<'_>) {
        let env: Vec<String> = node.env.iter().cloned().collect();
        if let Some((file, line)) = locate(node.at.start) {
            let source = Source::File { file, line, profile: node.profile.clone(), env };
            self.by_path.insert(path.clone(), source);
        } else if !env.is_empty() {
            let names = env.join(", ");
            self.by_path.insert(path.clone(), Source::Inferred(format!("env {names}")));
        }
        match &node.kind {
            Kind::Null | Kind::Scalar { .. } => {}
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.walk(path, item, locate);
                    path.pop();
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    path.push(key.text.clone());
                    self.walk(path, value, locate);
                    path.pop();
                }
            }
        }
    }

    /// Remembers that the value at `path` was inferred `from` something.
    pub(super) fn infer(&mut self, path: &[&str], from: impl Into<String>) {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        self.by_path.insert(path, Source::Inferred(from.into()));
    }

    /// Remembers that the value at `path` was given by the flag `name`.
    pub fn flag(&mut self, path: &[&str], name: &'static str) {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        self.by_path.insert(path, Source::Flag(name));
    }

    /// Makes what is known of `from` known of `to` as well.
    pub(super) fn alias(&mut self, from: &[&str], to: &[&str]) {
        if let Some(source) = self.get(from).cloned() {
            self.by_path.insert(to.iter().map(|&part| part.to_owned()).collect(), source);
        }
    }

    /// Like [`Self::alias`], with everything below.
    pub(super) fn alias_tree(&mut self, from: &[&str], to: &[&str]) {
        let below: Vec<(Vec<String>, Source)> = self
            .by_path
            .iter()
            .filter(|(path, _)| {
                path.iter().zip(from).filter(|(one, other)| one == *other).count() == from.len()
            })
            .map(|(path, source)| {
                let to = to.iter().map(|&part| part.to_owned());
                (to.chain(path[from.len()..].iter().cloned()).collect(), source.clone())
            })
            .collect();
        self.by_path.extend(below);
    }

    /// Where the value at `path` came from; absent for a default.
    #[must_use]
    pub fn get<T: AsRef<str>>(&self, path: &[T]) -> Option<&Source> {
        let path: Vec<String> = path.iter().map(|part| part.as_ref().to_owned()).collect();
        self.by_path.get(&path)
    }

    /// Like [`Self::alias`], unless something is known of `to` already.
    pub(super) fn alias_unless_known(&mut self, from: &[&str], to: &[&str]) {
        if self.get(to).is_none() {
            self.alias(from, to);
        }
    }

    /// Gives the items of the list at `path` these sources, in order, instead of what they had.
    pub(super) fn list(&mut self, path: &[&str], sources: Vec<Option<Source>>) {
        let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
        let at = |index: usize| {
            let mut path = path.clone();
            path.push(index.to_string());
            path
        };
        let mut index = 0;
        while self.by_path.remove(&at(index)).is_some() {
            index += 1;
        }
        for (index, source) in sources.into_iter().enumerate() {
            if let Some(source) = source {
                self.by_path.insert(at(index), source);
            }
        }
    }

    /// Remembers what a profile took out: nobody but it gave the default that is in its place.
    pub(super) fn taken_out(&mut self, changes: &Node, profile: &str, locate: &Locate<'_>) {
        self.nulls(&mut vec![], changes, profile, locate);
    }

    fn nulls(&mut self, path: &mut Vec<String>, node: &Node, profile: &str, locate: &Locate<'_>) {
        match &node.kind {
            Kind::Null if !self.by_path.contains_key(path) => {
                if let Some((file, line)) = locate(node.at.start) {
                    let profile = Some(profile.to_owned());
                    let source = Source::File { file, line, profile, env: vec![] };
                    self.by_path.insert(path.clone(), source);
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    path.push(key.text.clone());
                    self.nulls(path, value, profile, locate);
                    path.pop();
                }
            }
            Kind::Null | Kind::Scalar { .. } | Kind::List(_) => {}
        }
    }
}
