//! Where in a chart's values an image's repository, tag or digest may stand.
//!
//! Only a guess, by names of keys and by values; which guesses are true is found by rendering
//! (see `search`). Sure guesses are tried first, the rest only for images that those leave
//! unexplained, since a value that merely looks like a tag may steer something else.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::images::{self, Targets};
use super::values::ValuePath;

/// A place that may hold (a part of) an image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: ValuePath,
    pub(super) form: Form,
    /// What stands there; empty where nothing does.
    pub(super) before: String,
    pub(super) sure: bool,
}

/// What a place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A repository or a part of one, perhaps a whole reference without a tag.
    Repository,
    /// A reference with its tag or digest.
    Reference,
    /// A longer text that has references in it.
    Text,
    Tag,
    Digest,
}

/// The places of `tree` worth trying. `mentioned` are places that templates name; `tags` and
/// `digests` are those that the project's images have without wharf.
pub(super) fn find(
    tree: &Value,
    mentioned: &[Vec<String>],
    targets: &Targets,
    tags: &BTreeSet<String>,
    digests: &BTreeSet<String>,
) -> Vec<Candidate> {
    let mut finder = Finder { targets, tags, digests, found: Vec::new() };
    if let Value::Object(map) = tree {
        finder.map(map, &ValuePath::default());
    }
    finder.mentioned(tree, mentioned);
    finder.found
}

struct Finder<'a> {
    targets: &'a Targets,
    tags: &'a BTreeSet<String>,
    digests: &'a BTreeSet<String>,
    found: Vec<Candidate>,
}

impl Finder<'_> {
    fn add(&mut self, path: ValuePath, form: Form, before: &str, sure: bool) {
        if !self.found.iter().any(|candidate| candidate.path == path) {
            self.found.push(Candidate { path, form, before: before.to_owned(), sure });
        }
    }

    fn map(&mut self, map: &Map<String, Value>, path: &ValuePath) {
        let kin = self.kin(map);
        let names_a_tag = map.keys().any(|key| is_tag_key(key));
        for (key, value) in map {
            // With a tag beside it, a plain name that may stay need not be tried; charts build
            // much else of names.
            let is_plain = value.as_str().is_some_and(|text| !text.contains(':'));
            if key != "name" || !names_a_tag || !is_plain || self.targets.moves() {
                self.value(value, &path.key(key), key, kin);
            }
        }
        if kin == Kin::Ours && !names_a_tag {
            // `{{ .tag | default .Chart.AppVersion }}` needs no key in the values.
            self.add(path.key("tag"), Form::Tag, "", true);
        }
        if kin == Kin::Ours && !map.keys().any(|key| is_digest_key(key)) {
            self.add(path.key("digest"), Form::Digest, "", false);
        }
    }

    /// Whose image a map is about, by the repository in it.
    fn kin(&self, map: &Map<String, Value>) -> Kin {
        let mut kin = Kin::Nobodys;
        for (key, value) in map {
            let Some(text) = value.as_str().filter(|text| !text.is_empty()) else { continue };
            if names_repository(key) || key == "name" {
                match self.relation(text) {
                    Relation::Whole | Relation::End => return Kin::Ours,
                    Relation::Part => {}
                    // A name need not be that of an image.
                    Relation::None if key == "name" => {}
                    Relation::None => kin = Kin::Anothers,
                }
            }
        }
        kin
    }

    fn value(&mut self, value: &Value, path: &ValuePath, key: &str, kin: Kin) {
        match value {
            Value::Object(map) => self.map(map, path),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &path.index(index), key, Kin::Nobodys);
                }
            }
            Value::String(text) => self.text(text, path, key, kin),
            Value::Number(number) if is_tag_place(path, key) => {
                self.tag(path, &number.to_string(), kin);
            }
            Value::Number(number) => self.other(path, key, &number.to_string(), kin),
            Value::Null if is_tag_key(key) => self.tag(path, "", kin),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, text: &str, path: &ValuePath, key: &str, kin: Kin) {
        if text.contains('\n') || text.contains(' ') {
            if !references_in(text, self.targets).is_empty() {
                self.add(path.clone(), Form::Text, text, true);
            }
            return;
        }
        // A template in a value: what it takes from other values is found there.
        if text.contains("{{") {
            return;
        }
        if is_digest_key(key) {
            if kin == Kin::Ours || self.digests.contains(text) {
                self.add(path.clone(), Form::Digest, text, !text.is_empty());
            }
            return;
        }
        if is_tag_place(path, key) && !text.contains([':', '/']) {
            return self.tag(path, text, kin);
        }
        let has_tag = matches!(images::split(text), (_, Some(_), _) | (_, _, Some(_)));
        match self.relation(text) {
            Relation::Whole | Relation::End if has_tag => {
                self.add(path.clone(), Form::Reference, text, true);
            }
            Relation::Whole | Relation::End => {
                let sure = names_repository(key) || (key == "name" && kin == Kin::Ours);
                self.add(path.clone(), Form::Repository, text, sure);
            }
            Relation::Part
                if self.targets.moves() && (names_registry(key) || names_repository(key)) =>
            {
                self.add(path.clone(), Form::Repository, text, true);
            }
            Relation::None if self.targets.moves() && names_registry(key) => {
                if kin != Kin::Anothers {
                    self.add(path.clone(), Form::Repository, text, true);
                }
            }
            Relation::Part | Relation::None => {
                self.other(path, key, text, kin);
                if self.targets.moves() && self.relation(text) == Relation::Part {
                    self.add(path.clone(), Form::Repository, text, false);
                }
            }
        }
    }

    fn tag(&mut self, path: &ValuePath, text: &str, kin: Kin) {
        if kin != Kin::Anothers {
            self.add(path.clone(), Form::Tag, text, true);
        }
    }

    /// A value that may be a tag although its key does not say so.
    fn other(&mut self, path: &ValuePath, key: &str, text: &str, kin: Kin) {
        let lower = key.to_ascii_lowercase();
        let says_version = lower.ends_with("version") && !lower.contains("api");
        let is_plain = matches!(lower.as_str(), "version" | "imageversion" | "appversion");
        if is_plain && kin == Kin::Ours {
            self.add(path.clone(), Form::Tag, text, true);
        } else if kin != Kin::Anothers && (says_version || self.tags.contains(text)) {
            self.add(path.clone(), Form::Tag, text, false);
        }
    }

    /// Places that templates name and the values do not.
    fn mentioned(&mut self, tree: &Value, mentioned: &[Vec<String>]) {
        for steps in mentioned {
            let path = steps.iter().fold(ValuePath::default(), |path, step| path.key(step));
            let key = path.last_key();
            let is_map =
                mentioned.iter().any(|other| other.len() > steps.len() && other.starts_with(steps));
            let around = path.parent();
            let around = around.get(tree);
            let fits = around.is_none_or(Value::is_object);
            if is_map || !fits || path.get(tree).is_some() {
                continue;
            }
            let kin = around.and_then(Value::as_object).map_or(Kin::Nobodys, |map| self.kin(map));
            if is_tag_key(key) {
                self.tag(&path, "", kin);
            } else if key.to_ascii_lowercase().ends_with("image") {
                self.add(path, Form::Repository, "", false);
            } else if is_digest_key(key) && kin == Kin::Ours {
                self.add(path, Form::Digest, "", false);
            } else if self.targets.moves() && names_registry(key) && kin != Kin::Anothers {
                self.add(path, Form::Repository, "", true);
            } else if key.to_ascii_lowercase().ends_with("version") && kin != Kin::Anothers {
                self.add(path, Form::Tag, "", false);
            }
        }
    }

    /// What `text` has to do with the repositories of the project's images.
    fn relation(&self, text: &str) -> Relation {
        let (repository, _, _) = images::split(text);
        if repository.is_empty() {
            return Relation::None;
        }
        let full = images::full_repository(repository);
        let mut best = Relation::None;
        for (ours, _) in self.targets.repositories() {
            let short = ours.strip_prefix("docker.io/library/").unwrap_or(ours);
            let relation = if full == ours || repository == short {
                Relation::Whole
            } else if ends_with_part(ours, repository) {
                Relation::End
            } else if format!("/{ours}/").contains(&format!("/{repository}/")) {
                Relation::Part
            } else {
                Relation::None
            };
            best = best.max(relation);
        }
        best
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// About an image of the project.
    Ours,
    /// About some other image.
    Anothers,
    /// About none that could be told.
    Nobodys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    None,
    /// The registry or another part of the path.
    Part,
    /// The last parts of the path.
    End,
    Whole,
}

fn ends_with_part(repository: &str, end: &str) -> bool {
    repository.strip_suffix(end).is_some_and(|before| before.ends_with('/'))
}

fn is_tag_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.ends_with("tag") || (lower.contains("tag") && lower.contains("image"))
}

fn is_tag_place(path: &ValuePath, key: &str) -> bool {
    let parent = path.parent();
    let around = parent.last_key().to_ascii_lowercase();
    is_tag_key(key) || matches!(around.as_str(), "tags" | "imagetags" | "image_tags" | "versions")
}

fn is_digest_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.ends_with("digest") || matches!(lower.as_str(), "sha" | "sha256")
}

fn names_repository(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let lower = lower.trim_end_matches('s');
    lower == "repo"
        || lower.ends_with("image")
        || lower.ends_with("repository")
        || (lower.ends_with("repositorie") && key.ends_with('s'))
        || lower.ends_with("imagename")
        || lower.ends_with("image_name")
        || lower.ends_with("imagerepo")
}

fn names_registry(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.ends_with("registry")
        || lower.ends_with("hub")
        || (lower.ends_with("prefix") && (lower.contains("image") || lower.contains("repo")))
        || matches!(lower.as_str(), "org" | "organization" | "organisation" | "imagehost")
}

/// References to the project's images in a longer text: where they stand and whose they are.
///
/// Only what has a tag or digest, or follows `image:`, counts: a bare `api` may be anything.
pub(super) fn references_in(
    text: &str,
    targets: &Targets,
) -> Vec<(std::ops::Range<usize>, crate::model::ArtifactName)> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(image:\s*)?["']?([A-Za-z0-9][A-Za-z0-9._/:@-]*)"#)
            .expect("the pattern is valid")
    });
    let mut found = Vec::new();
    for captures in WORD.captures_iter(text) {
        let Some(word) = captures.get(2) else { continue };
        let reference = word.as_str().trim_end_matches([':', '.', '/', '-', '@']);
        let (_, tag, digest) = images::split(reference);
        let counts = captures.get(1).is_some() || tag.is_some() || digest.is_some();
        let templated = text[word.end()..].trim_start().starts_with("{{");
        if let Some(artifact) = targets.artifact_of(reference).filter(|_| counts && !templated) {
            let range = word.start()..word.start() + reference.len();
            found.push((range, artifact.clone()));
        }
    }
    found
}
