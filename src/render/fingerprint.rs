//! One hash over everything on this disk that decides what a release renders to.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::{Chart, HelmSource, ManifestSource, Namespace, Release, ReleaseSource};

use super::chart::ChartFiles;
use super::error::RenderError;
use super::helm;
use super::{kustomize, manifests};

/// Hashes what `release` is rendered from; images do not count.
///
/// 64 hexadecimal digits over the chart's files (or the archive's, or a remote chart's name and
/// version), values and `set`, or over the manifests' files, with release name and namespace.
/// Paths count only as far as they lie inside the chart or kustomization, so that a copy of the
/// project has the same fingerprint. Runs no program.
///
/// # Errors
///
/// [`RenderError`] names the file that is missing or cannot be read.
pub fn fingerprint(release: &Release, namespace: &Namespace) -> Result<String, RenderError> {
    let mut hash = Hash::new();
    hash.text(release.name.as_str());
    hash.text(helm::namespace(release, namespace).as_str());
    match &release.source {
        ReleaseSource::Helm(source) => hash.helm(source)?,
        ReleaseSource::Manifests(ManifestSource::Files(globs)) => {
            hash.text("files");
            for file in manifests::files(globs)? {
                let name = file.file_name().unwrap_or_default();
                hash.text(&name.to_string_lossy());
                hash.bytes(&read(&file)?);
            }
        }
        ReleaseSource::Manifests(ManifestSource::Kustomize(source)) => {
            let folder = &source.folder;
            hash.text("kustomize");
            hash.flags(&source.flags);
            let closure = kustomize::closure(folder)?;
            for file in &closure.files {
                hash.text(&relative(folder, file));
                // A generator's folder, or a file that kustomize will miss itself.
                hash.bytes(&std::fs::read(file).unwrap_or_default());
            }
            for remote in &closure.remote {
                hash.text(remote);
            }
        }
    }
    // Nothing of it changes nothing, so that a release without any keeps its hash.
    if !release.alterations.is_empty() {
        hash.text(&serde_json::to_string(&release.alterations).unwrap_or_default());
    }
    Ok(hex::encode(hash.0.finalize()))
}

struct Hash(Sha256);

impl Hash {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Each piece is preceded by its length, so that no two sequences of pieces look alike.
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// None of them changes nothing, so that a release without flags keeps its hash.
    fn flags(&mut self, flags: &[String]) {
        for flag in flags {
            self.text(flag);
        }
    }

    fn helm(&mut self, source: &HelmSource) -> Result<(), RenderError> {
        self.text("helm");
        match &source.chart {
            Chart::Path(path) => {
                self.text("files");
                self.chart(path, 0)?;
            }
            Chart::Remote { chart, repo, version } => {
                self.text("remote");
                self.text(chart);
                self.text(repo.as_deref().unwrap_or_default());
                self.text(version.as_deref().unwrap_or_default());
            }
        }
        self.text("values");
        for file in &source.values {
            self.bytes(&read(file)?);
        }
        for file in &source.secret_values {
            self.bytes(&read(file)?);
        }
        if !source.packaging.is_empty() {
            self.text(&serde_json::to_string(&source.packaging).unwrap_or_default());
        }
        self.text(&canonical(&helm::plain_set(source)));
        self.text(if source.skip_crds { "skip-crds" } else { "" });
        for (key, value) in &source.image_values {
            self.text(key);
            self.text(&value.to_string());
        }
        self.flags(&source.flags);
        Ok(())
    }

    fn chart(&mut self, path: &Path, depth: usize) -> Result<(), RenderError> {
        let files = ChartFiles::read(path)?;
        self.files(&files);
        // Charts beside this one that it is put together with: the packed copy may be older.
        if depth < 8 && path.is_dir() {
            for dependency in files.dependencies() {
                if let Some(folder) = dependency.folder(path)
                    && folder.join("Chart.yaml").is_file()
                {
                    self.chart(&folder, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn files(&mut self, files: &ChartFiles) {
        for (path, bytes) in &files.file_by_path {
            match path.as_str() {
                // It says when it was made, which changes nothing.
                "Chart.lock" | "requirements.lock" => {
                    for locked in files.locked().unwrap_or_default() {
                        self.text(&format!("{} {}", locked.name, locked.version));
                    }
                }
                // Packing writes times into an archive; what is in it decides.
                path if path.ends_with(".tgz") => match ChartFiles::read_archive(bytes) {
                    Ok(inner) => {
                        self.text(path);
                        self.files(&inner);
                    }
                    Err(_) => self.file(path, bytes),
                },
                path => self.file(path, bytes),
            }
        }
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        self.text(path);
        self.bytes(bytes);
    }
}

fn read(file: &Path) -> Result<Vec<u8>, RenderError> {
    std::fs::read(file).map_err(|source| RenderError::Unreadable { path: file.to_owned(), source })
}

/// `value` with its keys in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::String(key.clone()), canonical(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// `file` as seen from `folder`, with `..` where it lies outside.
fn relative(folder: &Path, file: &Path) -> String {
    let mut up = PathBuf::new();
    for ancestor in folder.ancestors() {
        if let Ok(rest) = file.strip_prefix(ancestor) {
            return up.join(rest).to_string_lossy().into_owned();
        }
        up.push("..");
    }
    file.to_string_lossy().into_owned()
}
