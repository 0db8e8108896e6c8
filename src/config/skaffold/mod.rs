//! Skaffold's configuration as the same `Project` that `wharf.yaml` becomes.
//!
//! Comes in: a `skaffold.yaml` of any version and what it requires. Goes out: a project, where its
//! values came from, and notes on what wharf does otherwise. The way of a file: `versions` (up to
//! the newest schema) → `fields` (nothing unknown) → `modules` and `profiles` (which documents,
//! with what laid over them) → `translate` (`images`, `releases`, with `templates` filled in) →
//! from there on as `wharf.yaml`. Nothing behind this room knows which file it was.

mod addresses;
mod alterations;
mod builders;
mod checks;
mod dotenv;
mod fields;
mod forwards;
mod git;
mod helm_flags;
mod hooks;
mod images;
mod modules;
mod patches;
mod profiles;
mod releases;
mod set_flag;
mod sources;
mod sprig;
mod tables;
mod tags;
mod templates;
#[cfg(test)]
mod tests;
mod translate;
mod tree;
mod versions;

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfigError;
use super::provenance::Provenance;
use super::read::Read as _;
use super::{ConfigRequest, Loaded, Unmet, disk, node, resolve, schema, with_needs_of_dockerfiles};
use addresses::Addresses;
use git::Repositories;
use modules::{Module, Wanted};
use node::{Fault, Kind};
use profiles::Circumstances;
use sources::Sources;
use translate::Translator;

pub(in crate::config) use checks::checks;
pub(super) use modules::FILE_NAMES;
pub(super) use templates::{check as check_template, fill};

/// Whether `text` is a Skaffold configuration, whatever its file is called.
pub(super) fn is_one(text: &str) -> bool {
    let words = |line: &str| {
        let value = line.trim().strip_prefix("apiVersion:")?;
        Some(value.trim_start_matches([' ', '"', '\'']).starts_with("skaffold/"))
    };
    text.lines().any(|line| words(line) == Some(true))
}

/// The modules that `request` means, with what it was read from.
struct Reading {
    environment: BTreeMap<String, String>,
    sources: Sources,
    modules: Vec<Module>,
    /// Whether nobody but this machine may be asked.
    is_offline: bool,
    notes: Vec<String>,
}

fn reading(path: &Path, request: &ConfigRequest) -> Result<Reading, ConfigError> {
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
    let is_off = |name: &str| {
        environment.get(name).is_some_and(|value| matches!(value.as_str(), "false" | "0"))
    };
    let wanted = Wanted {
        modules: &wanted_modules,
        profiles: &profiles,
        propagate: !is_off("SKAFFOLD_PROPAGATE_PROFILES"),
        circumstances: Circumstances {
            command: &request.command,
            environment: &environment,
            kube_context: &kube_context,
            auto: !is_off("SKAFFOLD_PROFILE_AUTO_ACTIVATION"),
        },
    };
    let given = request.stdin.as_deref().filter(|_| request.is_stdin());
    let mut sources = Sources::new(root, given.map(|text| (path, text)));
    let is_offline = request.offline
        || environment
            .get("SKAFFOLD_OFFLINE")
            .is_some_and(|value| matches!(value.as_str(), "true" | "1"));
    let mut repositories = Repositories::new(&environment, request.home.as_deref(), is_offline);
    let modules = modules::read(path, &request.dir, &wanted, &mut repositories, &mut sources)?;
    Ok(Reading { environment, sources, modules, is_offline, notes: repositories.notes })
}

/// Every field that wharf does not carry out, of all modules.
pub(super) fn unmet(path: &Path, request: &ConfigRequest) -> Result<Vec<Unmet>, ConfigError> {
    let Reading { sources, modules, .. } = reading(path, request)?;
    let mut out: Vec<Unmet> = Vec::new();
    for module in &modules {
        let remarks = fields::remarks(&module.document);
        for remark in remarks.map_err(|fault| sources.placed(fault))? {
            let place = sources.line(remark.at.start);
            let place = place.map(|(file, line)| format!("{file}:{line}"));
            out.push(Unmet {
                field: remark.field,
                place: place.unwrap_or_default(),
                instead: remark.instead.to_owned(),
                refused: remark.is_refused,
            });
        }
    }
    Ok(out)
}

/// Reads the configuration at `path`, and what it requires.
pub(super) fn load(path: &Path, request: &ConfigRequest) -> Result<Loaded, ConfigError> {
    let root = path.parent().unwrap_or(Path::new("/"));
    let reading = reading(path, request)?;
    let Reading { environment, sources, modules, .. } = &reading;
    let addresses = Addresses::new(environment, request.home.as_deref(), reading.is_offline);
    let mut translator = Translator::new(environment, &request.dir, sources, addresses);
    translator.is_whole =
        listed(environment.get("SKAFFOLD_MODULE")).is_empty() && request.modules.is_empty();
    let document = translator.document(modules);
    let files = std::mem::take(&mut translator.files);
    let notes = [reading.notes.clone(), translator.addresses.notes(), translator.notes].concat();
    let place = |fault: Fault| sources.placed(fault);
    let document = document.map_err(place)?;
    let file = schema::ConfigFile::read(&document).map_err(place)?;
    let mut provenance = Provenance::located(&document, &|at| sources.line(at));
    let (mut project, claims) =
        resolve::resolve(file, path, request.home.as_deref(), &mut provenance).map_err(place)?;
    for claim in claims.iter().filter(|_| !request.lenient) {
        if let Err(problem) = disk::check(claim, root) {
            let fault =
                Fault { profile: claim.profile.clone(), ..Fault::new(problem, claim.at.clone()) };
            return Err(place(fault));
        }
    }
    project.config_files.extend(sources.paths().map(Path::to_path_buf));
    if request.is_stdin() {
        project.config_files.remove(path);
    }
    project.config_files.extend(files);
    project.config_files.extend(dotenv::file(&request.dir));
    let project = with_needs_of_dockerfiles(project, &mut provenance);
    Ok(Loaded { project, provenance, notes })
}

/// The names of the profiles of the configuration at `path`.
pub(super) fn profile_names(path: &Path) -> Result<Vec<String>, ConfigError> {
    let documents = Sources::new(path.parent().unwrap_or(Path::new("/")), None).read(path)?;
    let mut names = Vec::new();
    for document in &documents {
        let Some(Kind::List(profiles)) = document.get("profiles").map(|node| &node.kind) else {
            continue;
        };
        for name in profiles.iter().filter_map(|profile| profile.text_of("name")) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}

/// The names of the configurations in the file at `path`.
pub(super) fn module_names(path: &Path) -> Result<Vec<String>, ConfigError> {
    let documents = Sources::new(path.parent().unwrap_or(Path::new("/")), None).read(path)?;
    let names = documents.iter().filter_map(|document| document.get("metadata")?.text_of("name"));
    Ok(names.map(str::to_owned).collect())
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
