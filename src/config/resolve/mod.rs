//! From what the file says to what wharf believes: paths, names, and whether they fit together.
//!
//! Pure: what must exist on disk is returned as claims, which the caller checks.

mod alterations;
mod helm_flags;
mod hooks;
mod images;
mod releases;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::model::{
    Hooks, ManifestSource, Origin, Project, ProjectName, Release, ReleaseName, ReleaseSource,
};

#[cfg(test)]
pub(in crate::config) use hooks::HookUse;

use super::error::{ConfigError, Problem};
use super::node::Fault;
use super::provenance::Provenance;
use super::read::Spanned;
use super::schema::ConfigFile;
use super::{ConfigRequest, Loaded};

pub(super) use session::local_port;

/// Something that the configuration takes for granted about the disk.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) path: PathBuf,
    pub(super) must: Must,
    /// What it is to the person, such as `chart`.
    pub(super) sort: &'static str,
    pub(super) help: String,
    pub(super) at: Range<usize>,
    pub(super) profile: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// A folder.
    Folder,
    /// Anything but a folder.
    File,
    /// A folder with a `Chart.yaml`, or a packed chart.
    Chart,
    /// A folder with a kustomization.
    Kustomization,
    /// A glob that some file matches.
    Match,
}

/// The project that `file` describes, and what it takes for granted.
pub(super) fn resolve(
    file: ConfigFile,
    path: &Path,
    home: Option<&Path>,
    provenance: &mut Provenance,
) -> Result<(Project, Vec<Claim>), Fault> {
    let root = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut resolver = Resolver { root: &root, home, claims: vec![] };
    let name = match &file.name {
        Some(name) => ProjectName::parse(&name.value).map_err(|error| name.fault(error.into()))?,
        None => project_name(&root),
    };
    let artifacts = resolver.artifacts(file.images.map(|images| images.value.0), provenance)?;
    let releases = resolver.releases(file.releases, file.kustomize, file.manifests, provenance)?;
    let forwards =
        session::forwards(file.forward.map_or_else(Vec::new, |list| list.value), provenance)?;
    let registry = file.registry.as_ref().map(session::registry).transpose()?;
    let insecure_registries = list(file.insecure_registries)
        .iter()
        .map(session::insecure)
        .collect::<Result<Vec<_>, _>>()?;
    let project = Project {
        name,
        origin: Origin::File(path.to_path_buf()),
        artifacts,
        releases,
        forwards,
        logs: session::logs(file.logs)?,
        cluster: session::cluster(file.cluster.map(|cluster| cluster.value).unwrap_or_default())?,
        registry,
        insecure_registries,
        registry_names: file
            .registry_names
            .as_ref()
            .map(session::registry_names)
            .transpose()?
            .unwrap_or_default(),
        config_files: BTreeSet::from([path.to_path_buf()]),
        root: root.clone(),
    };
    Ok((project, resolver.claims))
}

/// `loaded` with the manifests of `request` in place of all that it deploys; nothing is built.
pub(super) fn with_manifests(
    mut loaded: Loaded,
    request: &ConfigRequest,
) -> Result<Loaded, ConfigError> {
    let files: Vec<PathBuf> =
        request.manifests.iter().map(|file| absolute(&request.dir, file)).collect();
    for (file, given) in files.iter().zip(&request.manifests) {
        if !file.exists() {
            return Err(ConfigError::new(Problem::MissingPath {
                sort: "manifest",
                path: given.display().to_string(),
                suggestion: None,
                help: "write it with `wharf render -o FILE`".to_owned(),
            }));
        }
    }
    let name = ReleaseName::parse("manifests").expect("`manifests` is a name");
    let release = Release {
        name: name.clone(),
        namespace: None,
        source: ReleaseSource::Manifests(ManifestSource::Files(
            files.iter().map(|file| file.display().to_string()).collect(),
        )),
        after: BTreeSet::new(),
        wait: loaded.project.releases.values().next().map(|r| r.wait.clone()).unwrap_or_default(),
        hooks: Hooks::default(),
        alterations: crate::model::Alterations::default(),
    };
    loaded.project.artifacts.clear();
    loaded.project.releases = BTreeMap::from([(name, release)]);
    Ok(loaded)
}

struct Resolver<'r> {
    root: &'r Path,
    home: Option<&'r Path>,
    claims: Vec<Claim>,
}

impl Resolver<'_> {
    fn path(&self, text: &str) -> PathBuf {
        absolute(self.root, Path::new(text))
    }

    /// Like [`Self::path`], with `~` as the home folder.
    fn home_path(&self, text: &Spanned<String>) -> Result<PathBuf, Fault> {
        let below = match text.value.as_str() {
            "~" => "",
            value => match value.strip_prefix("~/") {
                Some(below) => below,
                None => return Ok(self.path(value)),
            },
        };
        let Some(home) = self.home else {
            return Err(text.fault(Problem::Conflict {
                what: "`~` has no meaning here, since `HOME` is not set".to_owned(),
                help: "write the whole path".to_owned(),
            }));
        };
        Ok(absolute(home, Path::new(below)))
    }

    fn claim<T>(
        &mut self,
        of: &Spanned<T>,
        path: &Path,
        must: Must,
        sort: &'static str,
        help: &str,
    ) {
        self.claims.push(Claim {
            path: path.to_path_buf(),
            must,
            sort,
            help: help.to_owned(),
            at: of.at.clone(),
            profile: of.profile.clone(),
        });
    }
}

impl<T> Spanned<T> {
    pub(super) fn wrong(&self, expected: &str) -> Fault
    where
        T: std::fmt::Display,
    {
        let found = format!("`{}`", self.value);
        self.fault(Problem::WrongValue { expected: expected.to_owned(), found })
    }
}

/// The name of a project in `root` that gives none: the folder's, made fit.
pub(super) fn project_name(root: &Path) -> ProjectName {
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    ProjectName::parse(&fit(&folder, 63))
        .unwrap_or_else(|_| ProjectName::parse("project").expect("`project` is a label"))
}

/// `text` as a DNS label of at most `longest` characters; empty where nothing remains.
pub(super) fn fit(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    // The end says more than the beginning: `…-overlays-dev`.
    let skip = out.trim_end_matches('-').len().saturating_sub(longest);
    out.trim_end_matches('-')[skip..].trim_start_matches('-').to_owned()
}

/// The name of a kustomization that has none: the names of its folders.
pub(super) fn derived(path: &str, otherwise: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let name = fit(&parts.join("-"), 50);
    if name.is_empty() { otherwise.to_owned() } else { name }
}

/// `path` below `root`, without `.` and `..`.
pub(super) fn absolute(root: &Path, path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in root.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether `text` is a glob rather than a path.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn refuse_cycle<N: Ord + Clone + ToString>(
    waits_for: &BTreeMap<N, BTreeSet<N>>,
    sort: &'static str,
    key: &'static str,
    at: &BTreeMap<N, Range<usize>>,
) -> Result<(), Fault> {
    let Some(cycle) = crate::model::cycle(waits_for) else { return Ok(()) };
    let place = cycle.iter().find_map(|name| at.get(name)).cloned().unwrap_or_default();
    let cycle = cycle.iter().map(ToString::to_string).collect();
    Err(Fault::new(Problem::Cycle { sort, key, cycle }, place))
}

fn list<T>(value: Option<Spanned<Vec<T>>>) -> Vec<T> {
    value.map_or_else(Vec::new, |list| list.value)
}

fn globs(entries: Vec<Spanned<String>>) -> Result<Vec<String>, Fault> {
    entries.iter().try_for_each(check_glob)?;
    Ok(entries.into_iter().map(|entry| entry.value).collect())
}

fn check_glob(text: &Spanned<String>) -> Result<(), Fault> {
    match globset::Glob::new(&text.value) {
        Ok(_) => Ok(()),
        Err(error) => Err(text.fault(Problem::WrongValue {
            expected: format!("a glob ({})", error.kind()),
            found: format!("`{}`", text.value),
        })),
    }
}
