//! Reads a chart, packed or not: its values, its subcharts and what its templates ask for.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::RenderError;
use super::ignore_rules::IgnoreRules;
use super::values;
use super::yaml::{self, Duplicates};

/// How deep links and subcharts are followed; deeper is a circle.
const DEEPEST: usize = 32;

/// The files of a chart by their path in it, subcharts in `charts/` included.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ChartFiles {
    pub(super) file_by_path: BTreeMap<String, Vec<u8>>,
}

/// A dependency as `Chart.yaml` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The subchart's own name.
    pub name: String,
    /// What it is called here.
    pub alias: Option<String>,
    /// A version or a range of them.
    pub version: String,
    /// Where it is fetched from; empty where it has to lie in `charts/`.
    pub repository: String,
}

impl Dependency {
    /// The folder that a `file://` dependency of the chart in `folder` comes from.
    pub(super) fn folder(&self, folder: &Path) -> Option<PathBuf> {
        let path = Path::new(self.repository.strip_prefix("file://")?);
        Some(if path.is_absolute() { path.to_owned() } else { folder.join(path) })
    }
}

impl ChartFiles {
    /// Reads the chart at `path`: a folder (respecting `.helmignore`) or an archive.
    pub(super) fn read(path: &Path) -> Result<Self, RenderError> {
        let meta = path.metadata().map_err(|_| RenderError::NoChart { path: path.to_owned() })?;
        if meta.is_dir() { Self::read_folder(path) } else { Self::read_archive_file(path) }
    }

    fn read_folder(folder: &Path) -> Result<Self, RenderError> {
        let rules = match std::fs::read(folder.join(".helmignore")) {
            Ok(text) => IgnoreRules::parse(&String::from_utf8_lossy(&text)),
            Err(_) => IgnoreRules::parse(""),
        };
        let mut files = Self::default();
        files.add_folder(folder, "", &rules, 0)?;
        Ok(files)
    }

    fn add_folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        rules: &IgnoreRules,
        depth: usize,
    ) -> Result<(), RenderError> {
        let unreadable =
            |path: &Path, source| RenderError::Unreadable { path: path.to_owned(), source };
        if depth > DEEPEST {
            return Err(unreadable(folder, std::io::Error::other("links lead in a circle")));
        }
        for entry in std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
            let entry = entry.map_err(|source| unreadable(folder, source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let inner = format!("{prefix}{name}");
            // Links are followed, as Helm does; what vanished meanwhile is not there.
            let Ok(meta) = path.metadata() else { continue };
            if rules.ignores(&inner, meta.is_dir()) {
                continue;
            }
            if meta.is_dir() {
                self.add_folder(&path, &format!("{inner}/"), rules, depth + 1)?;
            } else if meta.is_file() {
                match std::fs::read(&path) {
                    Ok(bytes) => {
                        self.file_by_path.insert(inner, bytes);
                    }
                    Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
                    Err(source) => return Err(unreadable(&path, source)),
                }
            }
        }
        Ok(())
    }

    fn read_archive_file(path: &Path) -> Result<Self, RenderError> {
        let unreadable = |source| RenderError::Unreadable { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Self::read_archive(&bytes).map_err(unreadable)
    }

    /// Unpacks a `.tgz`; the folder that everything lies in is left out of the paths.
    pub(super) fn read_archive(bytes: &[u8]) -> std::io::Result<Self> {
        let mut files = Self::default();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path()?.to_string_lossy().into_owned();
            let Some((_, inner)) = path.trim_start_matches("./").split_once('/') else { continue };
            let inner = inner.to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.file_by_path.insert(inner, bytes);
        }
        Ok(files)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.file_by_path.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn yaml(&self, path: &str) -> Value {
        // What is no YAML is Helm's to complain about, when it renders.
        self.text(path)
            .and_then(|text| yaml::parse(&text, Duplicates::LastCounts).ok())
            .unwrap_or_default()
    }

    /// `name` of `Chart.yaml`.
    pub(super) fn name(&self) -> Option<String> {
        self.yaml("Chart.yaml").get("name")?.as_str().map(str::to_owned)
    }

    /// `version` of `Chart.yaml`.
    pub(super) fn version(&self) -> Option<String> {
        match self.yaml("Chart.yaml").get("version")? {
            Value::String(version) => Some(version.clone()),
            other => Some(other.to_string()),
        }
    }

    /// What `Chart.yaml` (or `requirements.yaml`) depends on.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        let mut found = dependencies_in(&self.yaml("Chart.yaml"));
        found.extend(dependencies_in(&self.yaml("requirements.yaml")));
        found
    }

    /// What `Chart.lock` (or `requirements.lock`) holds; absent where there is none.
    pub(super) fn locked(&self) -> Option<Vec<Dependency>> {
        ["Chart.lock", "requirements.lock"]
            .into_iter()
            .find(|name| self.file_by_path.contains_key(*name))
            .map(|name| dependencies_in(&self.yaml(name)))
    }

    /// The subcharts in `charts/`, by their names.
    pub(super) fn subcharts(&self) -> BTreeMap<String, Self> {
        let mut subcharts: BTreeMap<String, Self> = BTreeMap::new();
        for (path, bytes) in &self.file_by_path {
            let Some(rest) = path.strip_prefix("charts/") else { continue };
            match rest.split_once('/') {
                Some((folder, inner)) if !folder.starts_with(['_', '.']) => {
                    let subchart = subcharts.entry(folder.to_owned()).or_default();
                    subchart.file_by_path.insert(inner.to_owned(), bytes.clone());
                }
                None if rest.ends_with(".tgz") => {
                    if let Ok(subchart) = Self::read_archive(bytes) {
                        subcharts.insert(rest.to_owned(), subchart);
                    }
                }
                _ => {}
            }
        }
        let named =
            subcharts.into_iter().map(|(place, chart)| (chart.name().unwrap_or(place), chart));
        named.collect()
    }

    /// The chart's values with those of its subcharts below their names or aliases.
    pub(super) fn values(&self) -> Value {
        self.values_to_depth(0)
    }

    fn values_to_depth(&self, depth: usize) -> Value {
        let mut all = Value::Object(Map::new());
        if depth < DEEPEST {
            let dependencies = self.dependencies();
            for (name, subchart) in self.subcharts() {
                let below = subchart.values_to_depth(depth + 1);
                for key in keys_of(&name, &dependencies) {
                    values::merge(&mut all, &Value::Object(Map::from_iter([(key, below.clone())])));
                }
            }
        }
        let own = self.yaml("values.yaml");
        if own.is_object() {
            values::merge(&mut all, &own);
        }
        all
    }

    /// The places below `.Values` that templates name in full, subcharts included.
    pub(super) fn mentioned(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.add_mentioned(&[], &mut found, 0);
        found.sort();
        found.dedup();
        found
    }

    fn add_mentioned(&self, prefix: &[String], found: &mut Vec<Vec<String>>, depth: usize) {
        for (path, bytes) in &self.file_by_path {
            if path.starts_with("templates/") {
                let text = String::from_utf8_lossy(bytes);
                for (at, marker) in text.match_indices(".Values.") {
                    let rest = &text[at + marker.len()..];
                    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
                    let name = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
                    let steps = name.split('.').map(str::to_owned);
                    let global = name.starts_with("global.");
                    let outer = if global { &[][..] } else { prefix };
                    found.push(outer.iter().cloned().chain(steps).collect());
                }
            }
        }
        if depth < DEEPEST {
            let dependencies = self.dependencies();
            for (name, subchart) in self.subcharts() {
                for key in keys_of(&name, &dependencies) {
                    let prefix: Vec<String> = prefix.iter().cloned().chain([key]).collect();
                    subchart.add_mentioned(&prefix, found, depth + 1);
                }
            }
        }
    }
}

/// The keys that values of the subchart `name` lie under: one for each time it is named.
fn keys_of(name: &str, dependencies: &[Dependency]) -> Vec<String> {
    let keys: Vec<String> = dependencies
        .iter()
        .filter(|dependency| dependency.name == name)
        .map(|dependency| dependency.alias.clone().unwrap_or_else(|| name.to_owned()))
        .collect();
    if keys.is_empty() { vec![name.to_owned()] } else { keys }
}

fn dependencies_in(file: &Value) -> Vec<Dependency> {
    let items = file.get("dependencies").and_then(Value::as_array);
    let one = |item: &Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Dependency {
            name: text("name")?,
            alias: text("alias").filter(|alias| !alias.is_empty()),
            version: text("version").unwrap_or_default(),
            repository: text("repository").unwrap_or_default(),
        })
    };
    items.into_iter().flatten().filter_map(one).collect()
}

/// The file of the chart in `folder` that Helm calls `source`: the chart's name, then the path.
pub(super) fn file_of_source(folder: &Path, source: &str) -> Option<PathBuf> {
    let mut folder = folder.to_owned();
    let mut parts = source.split('/').skip(1).peekable();
    while parts.peek() == Some(&"charts") {
        parts.next();
        let name = parts.next()?;
        let inner = folder.join("charts").join(name);
        folder = if inner.is_dir() {
            inner
        } else {
            // Helm names a subchart by its alias.
            let dependencies = ChartFiles::read(&folder).ok()?.dependencies();
            let aliased = dependencies.iter().find(|d| d.alias.as_deref() == Some(name))?;
            folder.join("charts").join(&aliased.name)
        };
    }
    let file = parts.fold(folder, |folder, part| folder.join(part));
    file.is_file().then_some(file)
}
