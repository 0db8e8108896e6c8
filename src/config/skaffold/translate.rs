//! From Skaffold's modules to the document that `wharf.yaml` would have been.
//!
//! Every value keeps its place in the file it came from, so that errors and `wharf config` point
//! there. Paths are absolute, since modules lie in folders of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::node::{Fault, Kind, Node};
use super::super::resolve::fit;
use super::addresses::Addresses;
use super::fields;
use super::modules::Module;
use super::releases::Deployed;
use super::sources::Sources;
use super::templates::Templates;
use super::tree::{made_map, made_text};

/// Writes the document, and what there is to say about it.
pub(super) struct Translator<'t> {
    pub(super) templates: Templates<'t>,
    pub(super) image_variables: BTreeMap<String, String>,
    /// Files that the document took something from.
    pub(super) files: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
    /// Whether all modules are meant, rather than those asked for by name.
    pub(super) is_whole: bool,
    /// Manifests that lie on no disk.
    pub(super) addresses: Addresses,
    /// The folder that wharf was started in.
    pub(super) dir: PathBuf,
    sources: &'t Sources,
    names: BTreeSet<String>,
}

impl<'t> Translator<'t> {
    pub(super) fn new(
        environment: &'t BTreeMap<String, String>,
        dir: &Path,
        sources: &'t Sources,
        addresses: Addresses,
    ) -> Self {
        Self {
            addresses,
            dir: dir.to_path_buf(),
            templates: Templates::new(environment, dir),
            image_variables: BTreeMap::new(),
            files: vec![],
            notes: vec![],
            is_whole: true,
            sources,
            names: BTreeSet::new(),
        }
    }

    /// The document for `modules`.
    pub(super) fn document(&mut self, modules: &[Module]) -> Result<Node, Fault> {
        for module in modules {
            for remark in fields::check_fates(&module.document)? {
                self.note(remark.at.start, &remark.field, remark.instead);
            }
        }
        let mut names = Vec::new();
        let artifacts = |module: &'_ Module| -> Vec<Node> {
            let build = module.document.at_path(&["build"]);
            build.map_or_else(Vec::new, |build| build.list_of("artifacts").to_vec())
        };
        for artifact in modules.iter().flat_map(artifacts) {
            names.push(self.name_of(&artifact)?.as_text().unwrap_or_default().to_owned());
        }
        // Manifests stay as they are, and nothing is built for them.
        let are_replaced = self.given("SKAFFOLD_DIGEST_SOURCE").is_none_or(|from| from != "none");
        self.image_variables = match are_replaced {
            true => Self::image_variables_of(&names),
            false => Self::plain_variables_of(&names),
        };
        let mut out = made_map();
        let mut images = Vec::new();
        let mut deployed = Vec::new();
        for module in modules {
            if are_replaced {
                images.extend(self.images(module)?);
            }
            deployed.push(self.deployed(module, modules.len())?);
        }
        put_named(&mut out, "images", images);
        self.places(&mut deployed, modules, &mut out)?;
        self.selected(modules, &mut deployed)?;
        order(&mut deployed, modules);
        waits(&mut deployed, modules);
        let forwards = self.forwards(modules, &deployed)?;
        for deployed in deployed {
            put_named(&mut out, "releases", deployed.helm);
            put_named(&mut out, "kustomize", deployed.kustomize);
            put_named(&mut out, "manifests", deployed.manifests);
        }
        if let Some(first) = forwards.first() {
            let list = first.list_here(forwards.clone());
            out.put("forward", list);
        }
        // Those that require others come last, and count first.
        let of_deploy = |path: &[&str]| {
            let mut given = modules.iter().rev().filter_map(|module| module.document.at_path(path));
            given.find(|node| !node.is_vacant()).cloned()
        };
        for (path, key) in [
            (&["deploy", "kubeContext"][..], &["cluster", "context"]),
            (&["deploy", "logs", "prefix"], &["logs", "prefix"]),
            (&["deploy", "logs", "jsonParse", "fields"], &["logs", "jsonFields"]),
        ] {
            if let Some(node) = of_deploy(path) {
                out.put_path(key, node);
            }
        }
        let insecure: Vec<Node> = modules
            .iter()
            .filter_map(|module| module.document.at_path(&["build"]))
            .flat_map(|build| build.list_of("insecureRegistries").to_vec())
            .collect();
        if let Some(first) = insecure.first() {
            let list = first.list_here(insecure.clone());
            out.put("insecureRegistries", list);
        }
        // A part of a project goes by the project's name, so that all of it can be taken back at once.
        if let ([only], true) = (modules, self.is_whole)
            && let Some(name) = only.document.at_path(&["metadata", "name"])
        {
            let fitting = fit(name.as_text().unwrap_or_default(), 63);
            if !fitting.is_empty() {
                out.put("name", name.text_here(fitting));
            }
        }
        if let Some(registry) = self.given("SKAFFOLD_DEFAULT_REPO") {
            // Those of Google know names of any depth; of others it has to be said.
            let host = registry.split('/').next().unwrap_or_default();
            let is_deep = host == "gcr.io"
                || host.ends_with(".gcr.io")
                || host.ends_with("-docker.pkg.dev")
                || self.given("SKAFFOLD_MULTI_LEVEL_REPO").is_some_and(|value| value == "true");
            out.put("registryNames", made_text(if is_deep { "whole" } else { "flat" }));
        }
        for (variable, path) in [
            ("SKAFFOLD_DEFAULT_REPO", &["registry"][..]),
            ("SKAFFOLD_NAMESPACE", &["cluster", "namespace"]),
            ("SKAFFOLD_KUBE_CONTEXT", &["cluster", "context"]),
        ] {
            if let Some(value) = self.given(variable) {
                let mut node = made_text(value.as_str());
                node.env.insert(variable.to_owned());
                out.put_path(path, node);
            }
        }
        Ok(out)
    }

    /// A variable of the environment that says something.
    pub(super) fn given(&self, variable: &str) -> Option<&String> {
        self.templates.environment.get(variable).filter(|value| !value.is_empty())
    }

    /// Tells what wharf does about a field that it does not carry out.
    pub(super) fn remark(&mut self, node: &Node, field: &str, instead: &str) {
        self.note(node.at.start, field, instead);
    }

    fn note(&mut self, at: usize, field: &str, instead: &str) {
        let place = self.sources.line(at);
        let place = place.map_or_else(String::new, |(file, line)| format!(" ({file}:{line})"));
        // Once for each field and answer, however many modules have it.
        let told = format!("`{field}`");
        if !self.notes.iter().any(|note| note.starts_with(&told) && note.ends_with(instead)) {
            self.notes.push(format!("{told}{place}: {instead}"));
        }
    }

    /// `name`, made fit for a release, or with a number behind it where that is taken.
    pub(super) fn free_name(&mut self, name: &str) -> String {
        let name = match fit(name, 50) {
            fitting if fitting.is_empty() => "manifests".to_owned(),
            fitting => fitting,
        };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free =
            std::iter::once(name.clone()).chain(numbered).find(|name| !self.names.contains(name));
        let free = free.unwrap_or(name);
        self.names.insert(free.clone());
        free
    }

    /// `deploy.kubectl.defaultNamespace`: the project's where that fits all, else that of each
    /// set of manifests.
    fn places(
        &self,
        deployed: &mut [Deployed],
        modules: &[Module],
        out: &mut Node,
    ) -> Result<(), Fault> {
        let namespaces: Vec<Option<Node>> = modules
            .iter()
            .map(|module| {
                let node = module.document.at_path(&["deploy", "kubectl", "defaultNamespace"]);
                node.filter(|node| !node.is_vacant())
                    .map(|node| self.templates.expand(node))
                    .transpose()
            })
            .collect::<Result<_, _>>()?;
        let texts: BTreeSet<Option<&str>> =
            namespaces.iter().map(|node| node.as_ref().and_then(Node::as_text)).collect();
        let has_helm = deployed.iter().any(|deployed| {
            deployed.helm.iter().any(|(_, release)| release.get("namespace").is_none())
        });
        if texts.len() == 1 && !has_helm {
            if let Some(Some(namespace)) = namespaces.into_iter().next() {
                out.put_path(&["cluster", "namespace"], namespace);
            }
            return Ok(());
        }
        for (deployed, namespace) in deployed.iter_mut().zip(namespaces) {
            let Some(namespace) = namespace else { continue };
            for (_, entry) in deployed.manifests.iter_mut().chain(&mut deployed.kustomize) {
                entry.put("namespace", namespace.clone());
            }
        }
        Ok(())
    }
}

fn put_named(out: &mut Node, section: &str, entries: Vec<(Node, Node)>) {
    if entries.is_empty() {
        return;
    }
    if out.get(section).is_none() {
        out.put(section, made_map());
    }
    let Some(Kind::Map(all)) = out.at_path_mut(&[section]).map(|node| &mut node.kind) else {
        return;
    };
    // Two of the same name stay two, and are refused where `wharf.yaml` would refuse them.
    all.extend(entries.into_iter().map(|(name, entry)| {
        let key = super::super::node::Key {
            text: name.as_text().unwrap_or_default().to_owned(),
            at: name.at.clone(),
        };
        (key, entry)
    }));
}

/// What a module deploys comes after what the modules that it requires deploy.
fn order(deployed: &mut [Deployed], modules: &[Module]) {
    let names: Vec<Vec<Node>> = deployed
        .iter()
        .map(|deployed| {
            let all = deployed.manifests.iter().chain(&deployed.kustomize).chain(&deployed.helm);
            all.map(|(name, _)| name.clone()).collect()
        })
        .collect();
    for (index, deployed) in deployed.iter_mut().enumerate() {
        let before = required(modules, index).into_iter().flat_map(|module| &names[module]);
        let before: Vec<Node> = before.cloned().collect();
        if before.is_empty() {
            continue;
        }
        let all =
            deployed.manifests.iter_mut().chain(&mut deployed.kustomize).chain(&mut deployed.helm);
        for (_, entry) in all {
            let mut after = entry.list_of("after").to_vec();
            after.extend(before.iter().cloned());
            let list = entry.list_here(after);
            entry.put("after", list);
        }
    }
}

/// The modules that one requires, and those that these require where they deploy nothing.
fn required(modules: &[Module], index: usize) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    let mut open: Vec<usize> = modules[index].requires.iter().copied().collect();
    while let Some(next) = open.pop() {
        if next != index && out.insert(next) {
            open.extend(&modules[next].requires);
        }
    }
    out
}

/// `deploy.statusCheck` and its deadline, for what each module deploys.
fn waits(deployed: &mut [Deployed], modules: &[Module]) {
    for (deployed, module) in deployed.iter_mut().zip(modules) {
        let Some(deploy) = module.document.at_path(&["deploy"]) else { continue };
        let check = deploy.get("statusCheck").filter(|check| check.truth() == Some(false));
        let deadline = deploy.get("statusCheckDeadlineSeconds");
        let deadline = deadline.filter(|deadline| !matches!(deadline.as_text(), Some("" | "0")));
        let all =
            deployed.manifests.iter_mut().chain(&mut deployed.kustomize).chain(&mut deployed.helm);
        for (_, entry) in all {
            if let Some(check) = check
                && entry.at_path(&["wait", "ready"]).is_none()
            {
                entry.put_path(&["wait", "ready"], check.text_here("false"));
            }
            if let Some(deadline) = deadline
                && entry.at_path(&["wait", "timeout"]).is_none()
            {
                let seconds = format!("{}s", deadline.as_text().unwrap_or_default());
                entry.put_path(&["wait", "timeout"], deadline.text_here(seconds));
            }
        }
    }
}
