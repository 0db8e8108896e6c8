//! Kustomizations: building one, and which files it is made of.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::model::{KustomizeSource, Release};

use super::error::RenderError;
use super::scope::RenderScope;
use super::yaml::{self, Duplicates};

/// Local kustomizations build in well below a second; remote bases are cloned first.
const LIMIT: Duration = Duration::from_secs(240);

/// The names that kustomize looks for, in its order.
const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Builds the kustomization in `folder`.
pub(super) async fn build(
    scope: &RenderScope,
    release: &Release,
    source: &KustomizeSource,
) -> Result<String, RenderError> {
    let closure = closure(&source.folder)?;
    let tools = &scope.tools;
    let mut command = if tools.find("kustomize").is_some() {
        tools.command("kustomize").arg("build")
    } else if tools.find("kubectl").is_some() {
        tools.command("kubectl").arg("kustomize")
    } else {
        return Err(RenderError::NoKustomize);
    };
    command = command.arg(&source.folder).args(&source.flags);
    if closure.inflates_charts && !source.flags.iter().any(|flag| flag == "--enable-helm") {
        command = command.arg("--enable-helm");
    }
    let output = command.time_limit(LIMIT).run().await.map_err(|source| {
        match said(&source.output_tail().join("\n")) {
            Some(message) => RenderError::Kustomize { release: release.name.clone(), message },
            None => RenderError::Tool { release: release.name.clone(), source },
        }
    })?;
    Ok(output.text())
}

/// The cause in what kustomize says, which nests one message per kustomization on the way.
pub(super) fn said(tail: &str) -> Option<String> {
    static FROM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"accumulating resources from '([^']*)': ").expect("the pattern is valid")
    });
    let text = match tail.split_once("err=\"") {
        // kubectl writes it as a line of a log.
        Some((_, quoted)) => serde_json::from_str(&format!("\"{}", quoted.trim_end())).ok()?,
        None => tail.split_once("rror: ")?.1.trim().to_owned(),
    };
    let text: String = text;
    let inner = FROM.captures_iter(&text).last().map_or(text.clone(), |captures| {
        let end = captures.get(0).map_or(0, |whole| whole.end());
        let reason = text[end..].split("': must build at directory").next().unwrap_or_default();
        format!("`{}`: {}", &captures[1], reason.trim_end_matches('\''))
    });
    // `lstat PATH: no such file or directory`: the path has been said.
    let inner = match inner.split_once(": evalsymlink failure on ") {
        Some((name, reason)) => {
            format!("{name}: {}", reason.rsplit(": ").next().unwrap_or(reason))
        }
        None => inner,
    };
    Some(inner.lines().next().unwrap_or_default().trim().to_owned())
}

/// What a kustomization is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Closure {
    /// Files that it names, directly or through bases.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders with kustomizations.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Bases that lie elsewhere.
    pub(super) remote: BTreeSet<String>,
    /// Whether a chart is rendered on the way.
    pub(super) inflates_charts: bool,
}

/// Follows the kustomization in `folder` to everything that it refers to.
pub(super) fn closure(folder: &Path) -> Result<Closure, RenderError> {
    let mut closure = Closure::default();
    let folder = plain(folder);
    if !closure.add_folder(&folder) {
        return Err(RenderError::NoKustomization { folder });
    }
    Ok(closure)
}

impl Closure {
    /// Adds the kustomization in `folder`; `false` where there is none.
    fn add_folder(&mut self, folder: &Path) -> bool {
        let Some(file) = FILE_NAMES.map(|name| folder.join(name)).into_iter().find(|f| f.is_file())
        else {
            return false;
        };
        if !self.folders.insert(folder.to_owned()) {
            return true;
        }
        let text = std::fs::read(&file).unwrap_or_default();
        self.files.insert(file);
        // What is no YAML is kustomize's to complain about.
        let value = yaml::parse(&String::from_utf8_lossy(&text), Duplicates::LastCounts);
        if let Ok(Value::Object(map)) = value {
            for (key, value) in &map {
                self.add_field(folder, key, value);
            }
        }
        true
    }

    fn add_field(&mut self, folder: &Path, key: &str, value: &Value) {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match key {
            "resources"
            | "bases"
            | "components"
            | "crds"
            | "configurations"
            | "generators"
            | "transformers"
            | "validators"
            | "patchesStrategicMerge" => {
                for item in items.iter().filter_map(Value::as_str) {
                    // Patches, generators and transformers may stand there in full.
                    if !item.contains('\n') {
                        self.add_reference(folder, item);
                    }
                }
            }
            "patches" | "patchesJson6902" | "replacements" => {
                for item in items {
                    if let Some(path) = item.get("path").and_then(Value::as_str) {
                        self.add_reference(folder, path);
                    }
                }
            }
            "configMapGenerator" | "secretGenerator" => {
                for item in items {
                    self.add_generator(folder, item);
                }
            }
            "helmCharts" | "helmChartInflationGenerator" => {
                self.inflates_charts = true;
                for item in items {
                    for key in ["valuesFile", "values"] {
                        if let Some(path) = item.get(key).and_then(Value::as_str) {
                            self.add_reference(folder, path);
                        }
                    }
                    let more = item.get("additionalValuesFiles").and_then(Value::as_array);
                    for path in more.into_iter().flatten().filter_map(Value::as_str) {
                        self.add_reference(folder, path);
                    }
                    if let Some(name) = item.get("name").and_then(Value::as_str) {
                        self.add_tree(&folder.join("charts").join(name), 0);
                    }
                }
            }
            "helmGlobals" => {
                if let Some(home) = value.get("chartHome").and_then(Value::as_str) {
                    self.add_tree(&plain(&folder.join(home)), 0);
                }
            }
            "openapi" => {
                if let Some(path) = value.get("path").and_then(Value::as_str) {
                    self.add_reference(folder, path);
                }
            }
            _ => {}
        }
    }

    fn add_generator(&mut self, folder: &Path, generator: &Value) {
        let listed = |key| generator.get(key).and_then(Value::as_array).into_iter().flatten();
        for file in listed("files").filter_map(Value::as_str) {
            // `name=path` or a path.
            let path = file.split_once('=').map_or(file, |(_, path)| path);
            self.add_reference(folder, path);
        }
        for file in listed("envs").filter_map(Value::as_str) {
            self.add_reference(folder, file);
        }
        if let Some(file) = generator.get("env").and_then(Value::as_str) {
            self.add_reference(folder, file);
        }
    }

    fn add_reference(&mut self, folder: &Path, reference: &str) {
        let path = plain(&folder.join(reference));
        if path.is_dir() {
            if !self.add_folder(&path) {
                self.add_tree(&path, 0);
            }
        } else if is_remote(reference) && !path.exists() {
            self.remote.insert(reference.to_owned());
        } else {
            // One that is missing is watched for as well.
            self.files.insert(path);
        }
    }

    /// Adds every file below `folder`.
    fn add_tree(&mut self, folder: &Path, depth: usize) {
        if depth > 16 {
            return;
        }
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.add_tree(&path, depth + 1);
            } else {
                self.files.insert(path);
            }
        }
        if folder.is_dir() {
            self.folders.insert(folder.to_owned());
        }
    }
}

/// Whether kustomize fetches `reference` from elsewhere.
fn is_remote(reference: &str) -> bool {
    reference.contains("://")
        || reference.starts_with("git@")
        || reference.starts_with("github.com/")
        || reference.contains("?ref=")
}

/// `path` without `.` and `..`, as far as names alone tell.
fn plain(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            component => result.push(component),
        }
    }
    result
}
