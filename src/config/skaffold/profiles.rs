//! Profiles: which are active, and how one is laid over the rest.
//!
//! Skaffold overlays field by field: a struct is gone into, while a list, a map or a struct behind
//! a pointer is replaced as a whole, unless the profile leaves it empty. Of the kinds of build
//! (`local`, `googleCloudBuild`, `cluster`) the profile's puts the others out.

use std::collections::BTreeMap;

use regex::Regex;

use super::super::error::Problem;
use super::super::node::{Fault, Kind, Node};
use super::patches;

/// Fields that are gone into.
const STRUCTS: &[&[&str]] = &[
    &["build"],
    &["build", "hooks"],
    &["manifests"],
    &["manifests", "hooks"],
    &["deploy"],
    &["deploy", "logs"],
    &["deploy", "logs", "jsonParse"],
    &["resourceSelector"],
];

/// Kinds of build, of which there is one.
const BUILD_KINDS: &[&str] = &["local", "googleCloudBuild", "cluster"];

/// Keys of a profile that are not laid over anything.
const OWN_KEYS: &[&str] = &["name", "activation", "requiresAllActivations", "patches"];

/// What activations ask about.
pub(super) struct Circumstances<'c> {
    /// The command, such as `dev`.
    pub(super) command: &'c str,
    pub(super) environment: &'c BTreeMap<String, String>,
    /// The context of the kubeconfig; asked for only when a profile depends on it.
    pub(super) kube_context: &'c dyn Fn() -> Option<String>,
    /// Whether profiles activate themselves.
    pub(super) auto: bool,
}

/// The names of the profiles of `document` that are active: those that activate themselves, then
/// the wanted ones; `-name` keeps one out. Wanted ones that it does not have are left out.
pub(super) fn active(
    document: &Node,
    wanted: &[String],
    circumstances: &Circumstances<'_>,
) -> Result<Vec<String>, Fault> {
    let mut active: Vec<String> = Vec::new();
    let profiles = document.list_of("profiles");
    for profile in profiles {
        let name = name_of(profile)?;
        if !circumstances.auto {
            continue;
        }
        let all = profile.get("requiresAllActivations").is_some_and(Node::is_yes);
        let activations = profile.list_of("activation");
        let mut fits = activations.iter().map(|activation| circumstances.fit(activation));
        let is_active = if all {
            !activations.is_empty() && fits.try_fold(true, |all, fits| Ok(all && fits?))?
        } else {
            fits.try_fold(false, |any, fits| Ok(any || fits?))?
        };
        if is_active {
            active.push(name.to_owned());
        }
    }
    for name in wanted {
        if let Some(unwanted) = name.strip_prefix('-') {
            active.retain(|active| active != unwanted);
        } else if !active.contains(name)
            && profiles.iter().any(|profile| profile.text_of("name") == Some(name))
        {
            active.push(name.clone());
        }
    }
    Ok(active)
}

fn name_of(profile: &Node) -> Result<&str, Fault> {
    profile.text_of("name").ok_or_else(|| {
        profile.fault(Problem::MissingKey {
            key: "name",
            within: "this profile".to_owned(),
            example: "name: NAME".to_owned(),
        })
    })
}

impl Circumstances<'_> {
    fn fit(&self, activation: &Node) -> Result<bool, Fault> {
        let command = match activation.get("command") {
            Some(node) => matches(node.as_text().unwrap_or_default(), self.command),
            None => true,
        };
        let environment = match activation.get("env") {
            Some(node) => self.environment_fits(node)?,
            None => true,
        };
        let context = match activation.get("kubeContext") {
            Some(node) => {
                let current = (self.kube_context)().unwrap_or_default();
                matches(node.as_text().unwrap_or_default(), &current)
            }
            None => true,
        };
        Ok(command && environment && context)
    }

    fn environment_fits(&self, node: &Node) -> Result<bool, Fault> {
        let text = node.as_text().unwrap_or_default();
        let Some((name, pattern)) = text.split_once('=') else {
            return Err(node.wrong("`NAME=PATTERN`"));
        };
        let value = self.environment.get(name).map_or("", String::as_str);
        if pattern.is_empty() {
            return Ok(value.is_empty());
        }
        Ok(matches(pattern, value))
    }
}

/// Whether `value` is `pattern`, or has a part that it matches as a regular expression; `!` in
/// front turns it around.
fn matches(pattern: &str, value: &str) -> bool {
    if let Some(pattern) = pattern.strip_prefix('!') {
        return !matches(pattern, value);
    }
    if pattern == value {
        return true;
    }
    // What is no regular expression can still be equal, and is not.
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(value))
}

/// Lays the profile `name` of `document` over it.
pub(super) fn lay_over(document: &mut Node, name: &str) -> Result<(), Fault> {
    let profile = document.list_of("profiles").iter();
    let profile = profile.rev().find(|profile| profile.text_of("name") == Some(name)).cloned();
    let Some(profile) = profile else { return Ok(()) };
    if let Kind::Map(entries) = &profile.kind {
        for (key, value) in entries.iter().filter(|(key, _)| !OWN_KEYS.contains(&key.text.as_str()))
        {
            overlay(document, &mut vec![&key.text], value, name);
        }
    }
    patches::apply(document, profile.list_of("patches"), name)
}

fn overlay<'k>(document: &mut Node, path: &mut Vec<&'k str>, over: &'k Node, profile: &str) {
    if STRUCTS.contains(&path.as_slice()) {
        let Kind::Map(entries) = &over.kind else { return };
        for (key, value) in entries {
            path.push(&key.text);
            overlay(document, path, value, profile);
            path.pop();
        }
        return;
    }
    // An empty map is a pointer to something empty, which counts; the rest is as if not given.
    let is_given = matches!(over.kind, Kind::Map(_)) || !over.is_vacant();
    if !is_given || (path.as_slice() == ["build", "tagPolicy"] && over.is_vacant()) {
        return;
    }
    if let ["build", kind] = path.as_slice()
        && BUILD_KINDS.contains(kind)
        && let Some(build) = document.at_path_mut(&["build"])
    {
        for other in BUILD_KINDS {
            build.take(other);
        }
    }
    document.put_path(path, over.clone().of_profile(profile));
}
