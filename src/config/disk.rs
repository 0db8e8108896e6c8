//! What the room reads from the disk: the file itself, and whether what it names is there.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use ignore::WalkBuilder;

use super::error::{ConfigError, Problem, closest, said};
use super::resolve::{Claim, Must, absolute, is_glob};

/// Names of the configuration file, the first wins.
const FILE_NAMES: &[&str] = &["wharf.yaml", "wharf.yml"];

/// Names of a kustomization, as kustomize knows them.
pub(super) const KUSTOMIZATION_NAMES: &[&str] =
    &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Where the configuration is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    File(PathBuf),
    Skaffold(PathBuf),
    Nothing,
}

/// Finds the file that is meant.
pub(super) fn find(dir: &Path, file: Option<&Path>) -> Result<Found, ConfigError> {
    if let Some(file) = file {
        let path = absolute(dir, file);
        if path.is_dir() {
            return Err(ConfigError::new(Problem::Folder(path)));
        }
        // A pipe is as good as a file: `-f <(…)`.
        if !path.exists() {
            return Err(ConfigError::new(Problem::NoSuchFile(path)));
        }
        // By what it says, since such files have all sorts of names.
        let is_skaffold = text(&path).is_ok_and(|text| super::skaffold::is_one(&text));
        return Ok(if is_skaffold { Found::Skaffold(path) } else { Found::File(path) });
    }
    let repository = dir.ancestors().find(|folder| folder.join(".git").exists());
    for folder in dir.ancestors() {
        if let Some(name) = FILE_NAMES.iter().find(|name| folder.join(name).is_file()) {
            return Ok(Found::File(folder.join(name)));
        }
        if repository.is_none_or(|root| folder == root) {
            break;
        }
    }
    let skaffold =
        super::skaffold::FILE_NAMES.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    Ok(skaffold.map_or(Found::Nothing, Found::Skaffold))
}

/// The text of the file at `path`.
pub(super) fn text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(Problem::Unreadable {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })
    })
}

/// Whether the disk is as `claim` has it.
pub(super) fn check(claim: &Claim, root: &Path) -> Result<(), Problem> {
    let path = said(&claim.path, root);
    let (sort, help) = (claim.sort, claim.help.clone());
    let wrong = |what| Problem::WrongPath { sort, path: path.clone(), what, help: String::new() };
    if claim.must == Must::Match {
        return if some_file_matches(&claim.path) {
            Ok(())
        } else {
            Err(Problem::WrongPath { sort: "glob", path, what: "matches no file", help })
        };
    }
    if !claim.path.exists() {
        let suggestion = neighbour(&claim.path, root);
        return Err(Problem::MissingPath { sort, path, suggestion, help });
    }
    let is_folder = claim.path.is_dir();
    match claim.must {
        Must::Folder if !is_folder => Err(wrong("is not a folder")),
        Must::File if is_folder => Err(wrong("is a folder, and must be a file")),
        Must::Chart if is_folder && !claim.path.join("Chart.yaml").is_file() => {
            Err(wrong("has no `Chart.yaml`"))
        }
        Must::Kustomization if !is_folder => Err(wrong("is not a folder")),
        Must::Kustomization
            if !KUSTOMIZATION_NAMES.iter().any(|name| claim.path.join(name).is_file()) =>
        {
            Err(wrong("has no `kustomization.yaml`"))
        }
        _ => Ok(()),
    }
}

/// A path that is there and nearly the one that is missing.
fn neighbour(path: &Path, root: &Path) -> Option<String> {
    // The first part that is missing may be the only one that is wrong.
    let there = path.ancestors().skip(1).find(|folder| folder.is_dir())?;
    let mut below = path.strip_prefix(there).ok()?.components();
    let name = below.next()?.as_os_str().to_string_lossy().into_owned();
    let names: Vec<String> = std::fs::read_dir(there)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut meant = there.join(closest(&name, &names)?);
    meant.extend(below);
    meant.exists().then(|| said(&meant, root))
}

/// Whether any file matches the absolute `glob`.
pub(super) fn some_file_matches(glob: &Path) -> bool {
    matching(glob).next().is_some()
}

/// The files that match the absolute `glob`, sorted.
pub(super) fn files_matching(glob: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = matching(glob).collect();
    files.sort();
    files
}

fn matching(glob: &Path) -> impl Iterator<Item = PathBuf> {
    let text = glob.display().to_string();
    let matcher = GlobBuilder::new(&text).literal_separator(true).build();
    let matcher = matcher.ok().map(|glob| glob.compile_matcher());
    let parts = glob.components().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy()));
    let base: PathBuf = parts.collect();
    let entries = WalkBuilder::new(base).standard_filters(false).build().flatten();
    let fits = move |path: &PathBuf| {
        matcher.as_ref().is_some_and(|matcher| matcher.is_match(path)) && path.is_file()
    };
    entries.map(ignore::DirEntry::into_path).filter(fits)
}
