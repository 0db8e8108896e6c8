//! Why an image is built: which of its inputs differ from the last known build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use sha2::Digest as _;

use crate::files::{FilesError, write_atomically};
use crate::model::{ArtifactName, ContentHash};

use super::inputs::{Entry, EntryKind};
use super::{BuildInputs, BuildScope};

/// Everything that was hashed for one build, as text: a line per input, `sort value name`.
///
/// Its SHA-256 is the content hash. Kept per artifact in the state directory, where it only
/// serves to explain, never to decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputsDigest {
    text: String,
}

impl InputsDigest {
    /// An empty one of this form; the number changes when the same inputs shall get another tag.
    pub(super) fn new() -> Self {
        Self { text: "wharf-inputs 1 -\n".to_owned() }
    }

    /// Adds an input. `sort` and `value` have no blanks.
    pub(super) fn add(&mut self, sort: &str, value: &str, name: &str) {
        let _ = write!(self.text, "{sort} {value} ");
        for c in name.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                c => self.text.push(c),
            }
        }
        self.text.push('\n');
    }

    /// Adds an input whose value is long, secret or has blanks: its hash stands for it.
    pub(super) fn add_hashed(&mut self, sort: &str, value: &[u8], name: &str) {
        self.add(sort, &hex::encode(sha2::Sha256::digest(value)), name);
    }

    /// Adds files, folders and links; `prefix` tells further contexts from the main one.
    pub(super) fn add_entries(&mut self, prefix: &str, entries: &[Entry]) {
        self.text.reserve(entries.len() * 128);
        for entry in entries {
            let name = format!("{prefix}{}", entry.path);
            match &entry.kind {
                EntryKind::File { sha256, .. } => {
                    let value = format!("{:o}:{}", entry.mode, hex::encode(sha256));
                    self.add("file", &value, &name);
                }
                EntryKind::Directory => self.add("folder", &format!("{:o}", entry.mode), &name),
                EntryKind::Symlink { target } => self.add_hashed("link", target.as_bytes(), &name),
            }
        }
    }

    /// The content hash.
    pub(super) fn hash(&self) -> ContentHash {
        ContentHash::new(sha2::Sha256::digest(&self.text).into())
    }

    /// The lines: sort, value, name.
    fn parts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.text.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ' ');
            Some((parts.next()?, parts.next()?, parts.next()?))
        })
    }
}

/// Which input makes the difference, for a person: `services/web/cart.py changed and 3 more`.
#[must_use]
pub fn why(previous: Option<&InputsDigest>, now: &BuildInputs) -> String {
    let Some(previous) = previous else { return "first build".to_owned() };
    let mut before: BTreeMap<(&str, &str), &str> =
        previous.parts().map(|(sort, value, name)| ((kin(sort), name), value)).collect();
    let mut differences: Vec<(u8, String)> = Vec::new();
    for (sort, value, name) in now.digest.parts() {
        let what = |verb| said(sort, name, verb, &now.shown_folder);
        match before.remove(&(kin(sort), name)) {
            Some(old) if old == value => {}
            Some(_) => differences.push((rank(sort), what("changed"))),
            None => differences.push((rank(sort), what("added"))),
        }
    }
    for (sort, name) in before.into_keys() {
        differences.push((rank(sort), said(sort, name, "removed", &now.shown_folder)));
    }
    // Files change most often and say most; a folder comes and goes with what it holds.
    differences.sort();
    let count = differences.len();
    match differences.into_iter().next() {
        None => "its image is gone".to_owned(),
        Some((_, first)) if count == 1 => first,
        Some((_, first)) => format!("{first} and {} more", count - 1),
    }
}

/// A path that turns from a file into a link has changed, not come and gone.
fn kin(sort: &str) -> &str {
    if matches!(sort, "folder" | "link") { "file" } else { sort }
}

fn rank(sort: &str) -> u8 {
    match sort {
        "dockerfile" | "command" => 0,
        "file" | "link" => 1,
        "project" | "base" | "frontend" => 2,
        "arg" | "env" => 3,
        "folder" => 5,
        _ => 4,
    }
}

fn said(sort: &str, name: &str, verb: &str, folder: &str) -> String {
    let in_folder = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    match sort {
        "file" | "link" | "folder" => format!("{in_folder} {verb}"),
        "dockerfile" => "the Dockerfile changed".to_owned(),
        "command" => "the build command changed".to_owned(),
        "project" | "base" => format!("base image {name} {verb}"),
        "frontend" => format!("frontend {name} {verb}"),
        "env" => format!("variable {name} {verb}"),
        "arg" => format!("build arg {name} {verb}"),
        "remote" => format!("{name} {verb}"),
        "secret" => format!("secret {name} {verb}"),
        "ssh" => format!("ssh agent {name} {verb}"),
        "host" => format!("host {name} {verb}"),
        "wharf-inputs" => "wharf hashes in another way".to_owned(),
        other => format!("{other} {verb}"),
    }
}

/// What the last successful build of `artifact` was made of, where that is remembered.
#[must_use]
pub fn previous(scope: &BuildScope, artifact: &ArtifactName) -> Option<InputsDigest> {
    let text = std::fs::read_to_string(digest_path(scope, artifact)).ok()?;
    Some(InputsDigest { text })
}

/// Remembers what an image was made of, once it is made.
///
/// # Errors
///
/// [`FilesError::Unwritable`]; nothing depends on it but the next explanation.
pub fn remember(scope: &BuildScope, inputs: &BuildInputs) -> Result<(), FilesError> {
    let path = digest_path(scope, &inputs.artifact);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|source| FilesError::Unwritable { path: folder.to_owned(), source })?;
    }
    write_atomically(&path, inputs.digest.text.as_bytes(), 0o600)
}

fn digest_path(scope: &BuildScope, artifact: &ArtifactName) -> PathBuf {
    // A repository has no `%`, so that no two of them share a file.
    let name = artifact.as_str().replace('/', "%2f").replace(':', "%3a");
    scope.state_dir.join("inputs").join(format!("{name}.txt"))
}
