//! Plain manifests: patterns → files → objects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

use super::error::RenderError;
use super::helm::flattened;
use super::setters;
use super::snippet;
use super::yaml::{self, Document, Duplicates};

/// The files that `globs` mean, each once: those of one pattern sorted, patterns in their order.
pub(super) fn files(globs: &[String]) -> Result<Vec<PathBuf>, RenderError> {
    let mut files: Vec<PathBuf> = Vec::new();
    for glob in globs {
        let mut fitting = Vec::new();
        let root = root_of(glob);
        if root.as_os_str() == glob.as_str() {
            match root.metadata() {
                Ok(meta) if meta.is_file() => fitting.push(root),
                // A folder means the manifests in it.
                Ok(meta) if meta.is_dir() => {
                    let pattern = format!("{}/*.{{yaml,yml,json}}", glob.trim_end_matches('/'));
                    walk(&root, &matcher(&pattern)?, 1, &mut fitting);
                }
                _ => {}
            }
        } else {
            let depth = if glob.contains("**") { 64 } else { glob.matches('/').count() + 1 };
            walk(&root, &matcher(glob)?, depth, &mut fitting);
        }
        fitting.sort();
        for file in fitting {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    if files.is_empty() { Err(RenderError::NoFiles { globs: globs.to_vec() }) } else { Ok(files) }
}

/// The folder below which everything lies that `glob` can mean; the whole of a plain path.
pub(super) fn root_of(glob: &str) -> PathBuf {
    let Some(first) = glob.find(['*', '?', '[', '{']) else { return PathBuf::from(glob) };
    let end = glob[..first].rfind('/').unwrap_or_default();
    PathBuf::from(if end == 0 { "/" } else { &glob[..end] })
}

fn matcher(glob: &str) -> Result<GlobMatcher, RenderError> {
    let glob_of = |source| RenderError::BadGlob { glob: glob.to_owned(), source };
    let built = GlobBuilder::new(glob).literal_separator(true).build().map_err(glob_of)?;
    Ok(built.compile_matcher())
}

fn walk(folder: &Path, matcher: &GlobMatcher, depth: usize, found: &mut Vec<PathBuf>) {
    // What cannot be listed has nothing that fits.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = path.metadata() else { continue };
        if meta.is_dir() && depth > 1 {
            walk(&path, matcher, depth - 1, found);
        } else if meta.is_file() && matcher.is_match(&path) {
            found.push(path);
        }
    }
}

/// One object and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    pub(super) file: PathBuf,
    pub(super) document: Document,
}

/// Reads every object of `files`; items of Lists on their own.
pub(super) fn read(
    files: &[PathBuf],
    setters: &BTreeMap<String, String>,
) -> Result<Vec<Manifest>, RenderError> {
    let mut manifests = Vec::new();
    for file in files {
        let bytes = std::fs::read(file)
            .map_err(|source| RenderError::Unreadable { path: file.clone(), source })?;
        let text = setters::applied(&String::from_utf8_lossy(&bytes), setters);
        let text =
            text.map_err(|(line, why)| RenderError::Setter { file: file.clone(), line, why })?;
        manifests.extend(parse(file, &text)?);
    }
    let mut place_by_object = BTreeMap::new();
    for Manifest { file, document } in &manifests {
        let place = format!("{}:{}", file.display(), document.line);
        if let Some(first) = place_by_object.insert(identity(&document.value), place.clone()) {
            let object = name_of(&document.value);
            return Err(RenderError::Twice { object, first, second: place });
        }
    }
    Ok(manifests)
}

/// Reads the objects of one file.
pub(super) fn parse(file: &Path, text: &str) -> Result<Vec<Manifest>, RenderError> {
    let shown = file.display().to_string();
    let documents = yaml::documents(text, Duplicates::Refused)
        .map_err(|problem| RenderError::yaml(file, text, problem))?;
    let mut manifests = Vec::new();
    for document in documents {
        let place = document.clone_without_value();
        for value in flattened(document.value) {
            if let Some(missing) = missing_in(&value) {
                return Err(RenderError::NotAnObject {
                    file: file.to_owned(),
                    line: place.line,
                    missing,
                    snippet: snippet::draw(&shown, text, place.line, None, "this object"),
                });
            }
            let document = Document { value, ..place.clone() };
            manifests.push(Manifest { file: file.to_owned(), document });
        }
    }
    Ok(manifests)
}

/// What every object has and `value` has not.
pub(super) fn missing_in(value: &Value) -> Option<&'static str> {
    let has = |pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    };
    if !has("/apiVersion") {
        Some("apiVersion")
    } else if !has("/kind") {
        Some("kind")
    } else if !has("/metadata/name") && !has("/metadata/generateName") {
        Some("metadata.name")
    } else {
        None
    }
}

/// What makes an object this one: the version of its API does not count.
fn identity(value: &Value) -> (String, String, String, String) {
    let text = |pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let version = text("/apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
    (group, text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

fn name_of(value: &Value) -> String {
    let (_, kind, _, name) = identity(value);
    format!("{}/{name}", kind.to_ascii_lowercase())
}
