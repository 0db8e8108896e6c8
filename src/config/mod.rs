//! What the project is: `wharf.yaml`, `skaffold.yaml` (see `skaffold`), or what a folder shows by
//! itself, as a validated `Project`.
//!
//! Comes in: a folder, perhaps a file, profiles, the environment. Goes out: a [`Project`] whose
//! names and paths fit together, and where each value came from; or a [`ConfigError`] that points
//! at the line. [`load`] and [`infer`] read the disk; everything else here is pure.
//!
//! The way of a file: `node` (YAML with places) → `merge` (profiles) → `expand` (`${NAME}`) →
//! `read` and `schema` (typed, unknown keys refused) → `resolve` (paths, names) → claims about the
//! disk, checked last.

mod diff;
mod disk;
mod document;
mod error;
mod expand;
mod forms;
mod inference;
mod mask;
mod merge;
mod needs;
mod node;
mod provenance;
mod read;
mod resolve;
mod schema;
mod skaffold;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Checks, ClusterChoice, LogFilter, Origin, Project};

use error::{Place, Problem};
use expand::Missing;
use node::{Fault, Node};
use read::Read as _;
use resolve::Claim;

pub use diff::{Changes, ProjectDiff, diff};
pub use document::{init, render_effective, sources};
pub use error::ConfigError;
pub use mask::sounds_secret;
pub use needs::{with_inferred_needs, with_needs_of_dockerfiles};
pub use provenance::{Provenance, Source};
pub use schema::schema;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct ConfigRequest {
    /// The folder that wharf was started in, absolute.
    pub dir: PathBuf,
    /// `-f`: this file and no other; relative to `dir`; `-` is [`Self::stdin`].
    pub file: Option<PathBuf>,
    /// What was written to stdin.
    pub stdin: Option<Arc<str>>,
    /// `-p`: profiles, laid over the rest in this order.
    pub profiles: Vec<String>,
    /// `-m`: these modules of a Skaffold configuration, and what they require.
    pub modules: Vec<String>,
    /// The command, such as `dev`: a profile of a Skaffold configuration may depend on it.
    pub command: String,
    /// `--context`, which such a profile may depend on, too.
    pub kube_context: Option<String>,
    /// What `${NAME}` may name.
    pub environment: BTreeMap<String, String>,
    /// What `~` means.
    pub home: Option<PathBuf>,
    /// Nobody but this machine may be asked: what comes from elsewhere comes from the cache.
    pub offline: bool,
    /// Files of manifests that are deployed instead of what the configuration deploys.
    pub manifests: Vec<PathBuf>,
    /// Nothing is built or deployed: names, the cluster and the filter of logs are enough. Files
    /// that are missing, and variables that say nothing of these, are passed over.
    pub lenient: bool,
}

/// A project and how it came to be.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The project.
    pub project: Project,
    /// Where its values came from.
    pub provenance: Provenance,
    /// What a person should know about it, such as a Dockerfile that nothing uses.
    pub notes: Vec<String>,
}

impl Loaded {
    /// A project of which nothing is known but its folder.
    fn empty(dir: &Path) -> Self {
        let project = Project {
            name: resolve::project_name(dir),
            root: dir.to_path_buf(),
            origin: Origin::Inferred,
            artifacts: BTreeMap::new(),
            releases: BTreeMap::new(),
            forwards: vec![],
            logs: LogFilter::default(),
            cluster: ClusterChoice::default(),
            registry: None,
            insecure_registries: Vec::new(),
            registry_names: crate::model::RegistryNames::default(),
            config_files: BTreeSet::new(),
        };
        Self { project, provenance: Provenance::default(), notes: vec![] }
    }
}

/// Reads the configuration that `request` means, or infers one where there is no file.
///
/// Without `-f` it is `wharf.yaml` or `wharf.yml` in the folder or the nearest of its parents, up
/// to the root of the repository.
///
/// # Errors
///
/// [`ConfigError`] says what is wrong with it, and where.
pub fn load(request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    let loaded = found(request);
    if request.manifests.is_empty() {
        return loaded;
    }
    let loaded = match loaded {
        // Manifests need no configuration, only somewhere to go.
        Err(error) if error.is_nothing_found() => Ok(Loaded::empty(&request.dir)),
        loaded => loaded,
    };
    resolve::with_manifests(loaded?, request)
}

/// A field of a configuration that wharf does not carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Its path, such as `build.artifacts.sync`.
    pub field: String,
    /// Where it stands, such as `skaffold.yaml:12`.
    pub place: String,
    /// What wharf does instead, or what to do.
    pub instead: String,
    /// Whether the configuration is refused because of it.
    pub refused: bool,
}

/// Every field of the configuration that wharf does not carry out, refused ones and others.
///
/// # Errors
///
/// What keeps the configuration from being read at all.
pub fn unmet(request: &ConfigRequest) -> Result<Vec<Unmet>, ConfigError> {
    match disk::find(&request.dir, request.file.as_deref())? {
        disk::Found::Skaffold(path) => skaffold::unmet(&path, request),
        disk::Found::File(_) | disk::Found::Nothing => Ok(vec![]),
    }
}

/// What the configuration runs to its end beside the loop: tests, verifications, custom actions.
///
/// # Errors
///
/// What keeps the configuration from being read.
pub fn checks(request: &ConfigRequest) -> Result<Checks, ConfigError> {
    if request.is_stdin() && request.stdin.as_deref().is_some_and(skaffold::is_one) {
        return skaffold::checks(&request.dir.join("stdin"), request);
    }
    match disk::find(&request.dir, request.file.as_deref())? {
        disk::Found::Skaffold(path) => skaffold::checks(&path, request),
        disk::Found::File(_) | disk::Found::Nothing => Ok(Checks::default()),
    }
}

/// Whether the configuration that `request` means is one of Skaffold's.
#[must_use]
pub fn is_skaffold(request: &ConfigRequest) -> bool {
    if request.is_stdin() {
        return request.stdin.as_deref().is_some_and(skaffold::is_one);
    }
    matches!(disk::find(&request.dir, request.file.as_deref()), Ok(disk::Found::Skaffold(_)))
}

/// Whether there is a configuration, or nothing but a folder, and it is none of Skaffold's.
#[must_use]
pub fn is_none_of_skaffold(request: &ConfigRequest) -> bool {
    let found = disk::find(&request.dir, request.file.as_deref());
    !is_skaffold(request) && (request.is_stdin() || found.is_ok())
}

/// The text of a Go template for `data`; why it cannot be used, otherwise.
///
/// # Errors
///
/// What is wrong with the template.
pub fn fill(template: &str, data: &serde_json::Value) -> Result<String, String> {
    skaffold::fill(template, data)
}

/// Whether text is a Go template at all, before there is data for it.
///
/// # Errors
///
/// What is wrong with the template.
pub fn check_template(template: &str) -> Result<(), String> {
    skaffold::check_template(template)
}

/// The configuration of a folder for `wharf init`: that of Skaffold's file where there is one and
/// no other, else what can be inferred.
///
/// # Errors
///
/// As [`load`] and [`infer`].
pub fn proposal(request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    match proposed_from(request) {
        Some(path) => skaffold::load(&path, request),
        None => infer(&request.dir),
    }
}

/// The `skaffold.yaml` that a `wharf.yaml` is made from, where there is one.
fn proposed_from(request: &ConfigRequest) -> Option<PathBuf> {
    let own = skaffold::FILE_NAMES.iter().map(|name| request.dir.join(name));
    let named = request.file.as_ref().map(|file| request.dir.join(file));
    named.into_iter().chain(own).find(|path| path.is_file())
}

/// What [`proposal`] has no words for, though it was read from a file that has it.
///
/// # Errors
///
/// As [`checks`].
pub fn left_out(request: &ConfigRequest) -> Result<Checks, ConfigError> {
    match proposed_from(request) {
        Some(path) => skaffold::checks(&path, request),
        None => Ok(Checks::default()),
    }
}

impl ConfigRequest {
    fn is_stdin(&self) -> bool {
        self.file.as_deref() == Some(Path::new("-"))
    }
}

fn found(request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    if request.is_stdin() {
        let text = request.stdin.as_deref().unwrap_or_default();
        // It speaks of paths as a file in this folder would.
        let path = request.dir.join("stdin");
        if skaffold::is_one(text) {
            return skaffold::load(&path, request);
        }
        let mut loaded = understood(text, &path, request)?;
        loaded.project.config_files.remove(&path);
        return Ok(loaded);
    }
    match disk::find(&request.dir, request.file.as_deref())? {
        disk::Found::File(path) => read(&path, request),
        disk::Found::Skaffold(path) => skaffold::load(&path, request),
        disk::Found::Nothing => {
            let loaded = match infer(&request.dir) {
                // The folder's name is the project's, whatever has become of the rest.
                Err(error) if request.lenient && error.is_of_a_project() => {
                    Loaded::empty(&request.dir)
                }
                inferred => inferred?,
            };
            if let Some(name) = request.profiles.first() {
                let problem = Problem::UnknownProfile { name: name.clone(), known: vec![] };
                return Err(ConfigError::new(problem));
            }
            Ok(loaded)
        }
    }
}

/// Infers a project from what lies in `dir`, whether or not there is a file.
///
/// # Errors
///
/// [`ConfigError`] when there is nothing to infer one from, or when it poses a question; the
/// question's answer is part of the error.
pub fn infer(dir: &Path) -> Result<Loaded, ConfigError> {
    let listing = inference::Listing::of(dir)?;
    inference::infer(&listing)
}

/// The names of the profiles that may be asked for.
///
/// # Errors
///
/// [`ConfigError`] when the file cannot be read or is no YAML.
pub fn profile_names(request: &ConfigRequest) -> Result<Vec<String>, ConfigError> {
    match disk::find(&request.dir, request.file.as_deref())? {
        disk::Found::File(path) => {
            let text = disk::text(&path)?;
            let place = |fault| placed(fault, &text, &path);
            let mut document = node::parse(&text).map_err(place)?;
            let profiles = merge::take_profiles(&mut document).map_err(place)?;
            Ok(profiles.into_iter().map(|(name, _)| name).collect())
        }
        disk::Found::Skaffold(path) => skaffold::profile_names(&path),
        disk::Found::Nothing => Ok(vec![]),
    }
}

/// The names of the modules that may be asked for; none but Skaffold's configurations have any.
///
/// # Errors
///
/// [`ConfigError`] when the file cannot be read or is no YAML.
pub fn module_names(request: &ConfigRequest) -> Result<Vec<String>, ConfigError> {
    match disk::find(&request.dir, request.file.as_deref())? {
        disk::Found::Skaffold(path) => skaffold::module_names(&path),
        disk::Found::File(_) | disk::Found::Nothing => Ok(vec![]),
    }
}

/// Whether a change of the file at `path` may make another project of what is inferred from
/// `root`: a Dockerfile, or YAML that may be a chart's, a kustomization's or a manifest.
#[must_use]
pub fn is_inferred_from(path: &Path, root: &Path) -> bool {
    path.strip_prefix(root).ok().and_then(Path::to_str).is_some_and(inference::counts)
}

/// The project that the text of a configuration file describes, without a look at the disk.
///
/// `path` is where the file lies, absolute; its folder is the project's root.
///
/// # Errors
///
/// [`ConfigError`] points at what is wrong.
pub fn parse(text: &str, path: &Path, request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    understand(text, path, request).map(|(loaded, _)| loaded)
}

fn read(path: &Path, request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    understood(&disk::text(path)?, path, request)
}

fn understood(text: &str, path: &Path, request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    let (mut loaded, claims) = understand(text, path, request)?;
    for claim in claims.iter().filter(|_| !request.lenient) {
        if let Err(problem) = disk::check(claim, &loaded.project.root) {
            let fault =
                Fault { profile: claim.profile.clone(), ..Fault::new(problem, claim.at.clone()) };
            return Err(placed(fault, text, path));
        }
    }
    loaded.project = with_needs_of_dockerfiles(loaded.project, &mut loaded.provenance);
    Ok(loaded)
}

fn understand(
    text: &str,
    path: &Path,
    request: &ConfigRequest,
) -> Result<(Loaded, Vec<Claim>), ConfigError> {
    let read = |missing| understand_with(text, path, request, missing);
    match read(Missing::Refused) {
        Err(error) if request.lenient && error.is_missing_variable() => {
            // Where the text of a variable is no value, such as a port, none is one.
            read(Missing::Kept).or_else(|_| read(Missing::LeftOut)).map_err(|_| error)
        }
        understood => understood,
    }
}

fn understand_with(
    text: &str,
    path: &Path,
    request: &ConfigRequest,
    missing: Missing,
) -> Result<(Loaded, Vec<Claim>), ConfigError> {
    let place = |fault| placed(fault, text, path);
    let mut document = node::parse(text).map_err(place)?;
    let profiles = merge::take_profiles(&mut document).map_err(place)?;
    for name in &request.profiles {
        if !profiles.iter().any(|(known, _)| known == name) {
            let known = profiles.into_iter().map(|(known, _)| known).collect();
            let problem = Problem::UnknownProfile { name: name.clone(), known };
            return Err(ConfigError::new(problem));
        }
    }
    for (name, changes) in &profiles {
        check_profile(&document, name, changes, text, request).map_err(place)?;
    }
    for name in &request.profiles {
        let changes = profiles.iter().find(|(known, _)| known == name);
        let (_, changes) = changes.expect("unknown profiles were refused above");
        merge::lay_over(&mut document, changes, name);
    }
    expand::expand(&mut document, text, &request.environment, missing).map_err(place)?;
    let file = schema::ConfigFile::read(&document).map_err(place)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut provenance = Provenance::of(&document, &name, text);
    let (project, claims) =
        resolve::resolve(file, path, request.home.as_deref(), &mut provenance).map_err(place)?;
    if provenance.get(&["name"]).is_none() {
        provenance.infer(&["name"], "the folder's name");
    }
    for asked in request.profiles.iter().rev() {
        let changes = profiles.iter().filter(|(known, _)| known == asked);
        let locate = provenance::in_text(&name, text);
        changes.for_each(|(_, changes)| provenance.taken_out(changes, asked, &locate));
    }
    let is_empty = project.artifacts.is_empty() && project.releases.is_empty();
    let notes = is_empty.then(|| format!("{name} names nothing to build or to deploy")).into_iter();
    Ok((Loaded { notes: notes.collect(), project, provenance }, claims))
}

/// Checks the shape of a profile, whether it is asked for or not, so that a typo does not wait
/// for the machine that uses it.
fn check_profile(
    document: &Node,
    name: &str,
    changes: &Node,
    text: &str,
    request: &ConfigRequest,
) -> Result<(), Fault> {
    let mut changed = document.clone();
    merge::lay_over(&mut changed, changes, name);
    if expand::expand(&mut changed, text, &request.environment, Missing::Refused).is_err() {
        // Variables of a profile that is not asked for need not be set.
        return Ok(());
    }
    match schema::ConfigFile::read(&changed) {
        Err(fault) if fault.profile.as_deref() == Some(name) => Err(fault),
        _ => Ok(()),
    }
}

fn placed(fault: Fault, text: &str, path: &Path) -> ConfigError {
    let file = path.file_name().map_or_else(|| path.to_path_buf(), PathBuf::from);
    let Fault { problem, at, also, profile } = fault;
    let text: Arc<str> = mask::masked(text).into();
    ConfigError::at(problem, Place { file, text, at, also, profile })
}
