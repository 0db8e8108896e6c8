//! Names of images and releases, offered while they are typed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap_complete::CompletionCandidate;

use crate::cluster;
use crate::config;
use crate::config::ConfigRequest;
use crate::model::Project;

use super::environment::Environment;

/// Images, then releases, of the project that the words before mean.
pub(super) fn all() -> Vec<CompletionCandidate> {
    let Some(project) = project() else { return Vec::new() };
    let images = project.artifacts.keys().map(|name| (name.to_string(), "image"));
    let releases = project.releases.keys().map(|name| (name.to_string(), "release"));
    candidates(images.chain(releases))
}

/// Images of the project that the words before mean.
pub(super) fn images() -> Vec<CompletionCandidate> {
    let Some(project) = project() else { return Vec::new() };
    candidates(project.artifacts.keys().map(|name| (name.to_string(), "image")))
}

/// Profiles of the project that the words before mean.
pub(super) fn profiles() -> Vec<CompletionCandidate> {
    let names = request().and_then(|request| config::profile_names(&request).ok());
    candidates(names.unwrap_or_default().into_iter().map(|name| (name, "profile")))
}

/// Contexts of the kubeconfig.
pub(super) fn contexts() -> Vec<CompletionCandidate> {
    let names = cluster::contexts(&Environment::read().tools());
    candidates(names.into_iter().map(|name| (name, "context")))
}

/// Namespaces that the project's own configuration names; asking the cluster would keep people
/// waiting at the Tab key.
pub(super) fn namespaces() -> Vec<CompletionCandidate> {
    let Some(project) = project() else { return Vec::new() };
    let releases = project.releases.values().filter_map(|release| release.namespace.as_ref());
    let all: BTreeSet<String> =
        releases.chain(&project.cluster.namespace).map(ToString::to_string).collect();
    candidates(all.into_iter().map(|name| (name, "namespace")))
}

fn candidates(names: impl Iterator<Item = (String, &'static str)>) -> Vec<CompletionCandidate> {
    let mut offered: Vec<String> = Vec::new();
    let mut candidates = Vec::new();
    for (name, sort) in names {
        // A name that means an image and a release means both at once.
        if !offered.contains(&name) {
            candidates.push(CompletionCandidate::new(&name).help(Some(sort.into())));
            offered.push(name);
        }
    }
    candidates
}

/// Modules of the Skaffold configuration that the words before mean.
pub(super) fn modules() -> Vec<CompletionCandidate> {
    let names = request().and_then(|request| config::module_names(&request).ok());
    candidates(names.unwrap_or_default().into_iter().map(|name| (name, "module")))
}

/// A configuration that cannot be read offers nothing: nobody wants to see errors at a Tab.
fn project() -> Option<Project> {
    let request = request()?;
    let request = ConfigRequest { lenient: true, offline: true, ..request };
    config::load(&request).ok().map(|loaded| loaded.project)
}

fn request() -> Option<ConfigRequest> {
    let words: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let words: Vec<String> =
        words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut dir = std::env::current_dir().ok()?;
    if let Some(folder) = values_of(&words, "-C", "--directory").pop() {
        dir.push(folder);
    }
    let environment = Environment::read();
    // What is being typed is no choice yet.
    let before = words.split_last().map_or(&[][..], |(_, before)| before);
    let listed = |short, long| {
        let values = values_of(before, short, long);
        let names = values.iter().flat_map(|value| value.split(','));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    // There it means `--follow`.
    let short = if words.iter().any(|word| word == "logs") { "" } else { "-f" };
    Some(ConfigRequest {
        dir,
        file: values_of(&words, short, "--file").pop().map(PathBuf::from),
        profiles: listed("-p", "--profile"),
        modules: listed("-m", "--module"),
        environment: environment.tools().variables(),
        home: environment.home(),
        ..ConfigRequest::default()
    })
}

/// The values of a flag among words that are not a whole command line yet: `-f FILE`, `-fFILE`,
/// `-f=FILE` and the same with the long name.
fn values_of(words: &[String], short: &str, long: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let glued = match word.strip_prefix(long) {
            Some(rest) => rest.strip_prefix('='),
            None if short.is_empty() => None,
            None => word.strip_prefix(short).map(|rest| rest.strip_prefix('=').unwrap_or(rest)),
        };
        if word == long || (word == short && !short.is_empty()) {
            values.extend(words.next().cloned());
        } else {
            values.extend(glued.map(str::to_owned));
        }
    }
    values
}
