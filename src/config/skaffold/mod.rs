//! Skaffold's configuration as the same `Project` that `wharf.yaml` becomes.
//!
//! Comes in: a `skaffold.yaml` of any version and what it requires. Goes out: a project, where its
//! values came from, and notes on what wharf does otherwise. The way of a file: `versions` (up to
//! the newest schema) → `fields` (nothing unknown) → `modules` and `profiles` (which documents,
//! with what laid over them) → `translate` (`images`, `releases`, with `templates` filled in) →
//! from there on as `wharf.yaml`. Nothing behind this room knows which file it was.

mod dotenv;
mod fields;
mod images;
mod modules;
mod patches;
mod profiles;
mod releases;
mod set_flag;
mod sources;
mod sprig;
mod templates;
#[cfg(test)]
mod tests;
mod translate;
mod tree;
mod versions;

use std::path::Path;

use super::error::ConfigError;
use super::provenance::Provenance;
use super::read::Read as _;
use super::{ConfigRequest, Loaded, disk, node, resolve, schema, with_needs_of_dockerfiles};
use modules::Wanted;
use node::Fault;
use profiles::Circumstances;
use sources::Sources;
use translate::Translator;

pub(super) use modules::FILE_NAMES;

/// Whether `text` is a Skaffold configuration, whatever its file is called.
pub(super) fn is_one(text: &str) -> bool {
    let words = |line: &str| {
        let value = line.trim().strip_prefix("apiVersion:")?;
        Some(value.trim_start_matches([' ', '"', '\'']).starts_with("skaffold/"))
    };
    text.lines().any(|line| words(line) == Some(true))
}

/// Reads the configuration at `path`, and what it requires.
pub(super) fn load(path: &Path, request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    let root = path.parent().unwrap_or(Path::new("/"));
    let environment = dotenv::with_file(&request.dir, &request.environment);
    let from_environment = |given: &[String], variable: &str| {
        if given.is_empty() { listed(environment.get(variable)) } else { given.to_vec() }
    };
    let profiles = from_environment(&request.profiles, "SKAFFOLD_PROFILE");
    let wanted_modules = from_environment(&request.modules, "SKAFFOLD_MODULE");
    let kube_context = || {
        let given = request.kube_context.clone();
        given.or_else(|| environment.get("SKAFFOLD_KUBE_CONTEXT").cloned()).or_else(|| {
            let home = request.home.as_deref();
            current_context(environment.get("KUBECONFIG").map(String::as_str), home)
        })
    };
    let wanted = Wanted {
        modules: &wanted_modules,
        profiles: &profiles,
        circumstances: Circumstances {
            command: &request.command,
            environment: &environment,
            kube_context: &kube_context,
        },
    };
    let mut sources = Sources::new(root);
    let modules = modules::read(path, &request.dir, &wanted, &mut sources)?;
    let mut translator = Translator::new(&environment, &sources);
    let document = translator.document(&modules);
    let (notes, files) = (translator.notes, translator.files);
    let place = |fault: Fault| sources.placed(fault);
    let document = document.map_err(place)?;
    let file = schema::ConfigFile::read(&document).map_err(place)?;
    let mut provenance = Provenance::located(&document, &|at| sources.line(at));
    let (mut project, claims) =
        resolve::resolve(file, path, request.home.as_deref(), &mut provenance).map_err(place)?;
    for claim in &claims {
        if let Err(problem) = disk::check(claim, root) {
            let fault =
                Fault { profile: claim.profile.clone(), ..Fault::new(problem, claim.at.clone()) };
            return Err(place(fault));
        }
    }
    project.config_files.extend(sources.paths().map(Path::to_path_buf));
    project.config_files.extend(files);
    project.config_files.extend(dotenv::file(&request.dir));
    let project = with_needs_of_dockerfiles(project);
    Ok(Loaded { project, provenance, notes })
}

fn listed(value: Option<&String>) -> Vec<String> {
    let words = value.map_or("", String::as_str).split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The current context of the kubeconfig, for profiles that depend on it.
fn current_context(variable: Option<&str>, home: Option<&Path>) -> Option<String> {
    let usual = home.map(|home| home.join(".kube/config"));
    let files: Vec<std::path::PathBuf> = match variable.filter(|variable| !variable.is_empty()) {
        Some(variable) => std::env::split_paths(variable).collect(),
        None => usual.into_iter().collect(),
    };
    files.iter().find_map(|file| {
        let kubeconfig = node::parse(&disk::text(file).ok()?).ok()?;
        kubeconfig.text_of("current-context").map(str::to_owned)
    })
}
