//! From Skaffold's modules to the document that `wharf.yaml` would have been.
//!
//! Every value keeps its place in the file it came from, so that errors and `wharf config` point
//! there. Paths are absolute, since modules lie in folders of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::node::{Fault, Kind, Node};
use super::super::read::port;
use super::super::resolve::fit;
use super::addresses::Addresses;
use super::fields;
use super::modules::Module;
use super::releases::Deployed;
use super::sources::Sources;
use super::templates::Templates;
use super::tree::{made_map, made_text};

/// The ports that Skaffold takes where the remote one is for root alone.
const FREE_PORTS: std::ops::RangeInclusive<u16> = 4503..=4533;

/// What Skaffold calls the workloads and services that wharf can forward to.
const FORWARDED: &[(&str, &str)] = &[
    ("service", "service"),
    ("services", "service"),
    ("svc", "service"),
    ("deployment", "deployment"),
    ("deployments", "deployment"),
    ("deploy", "deployment"),
    ("statefulset", "statefulset"),
    ("statefulsets", "statefulset"),
    ("sts", "statefulset"),
    ("daemonset", "daemonset"),
    ("daemonsets", "daemonset"),
    ("ds", "daemonset"),
    ("pod", "pod"),
    ("pods", "pod"),
    ("po", "pod"),
];

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
        self.image_variables = Self::image_variables_of(&names);
        let mut out = made_map();
        let mut images = Vec::new();
        let mut deployed = Vec::new();
        for module in modules {
            images.extend(self.images(module)?);
            deployed.push(self.deployed(module, modules.len())?);
        }
        put_named(&mut out, "images", images);
        self.places(&mut deployed, modules, &mut out)?;
        self.selected(modules, &mut deployed)?;
        order(&mut deployed, modules);
        waits(&mut deployed, modules);
        for deployed in deployed {
            put_named(&mut out, "releases", deployed.helm);
            put_named(&mut out, "kustomize", deployed.kustomize);
            put_named(&mut out, "manifests", deployed.manifests);
        }
        let forwards = self.forwards(modules)?;
        if let Some(first) = forwards.first() {
            let list = first.list_here(forwards.clone());
            out.put("forward", list);
        }
        let mut contexts = modules
            .iter()
            .rev()
            .filter_map(|module| module.document.at_path(&["deploy", "kubeContext"]));
        if let Some(context) = contexts.next().filter(|context| !context.is_vacant()) {
            out.put_path(&["cluster", "context"], context.clone());
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
        for (variable, path) in [
            ("SKAFFOLD_DEFAULT_REPO", &["registry"][..]),
            ("SKAFFOLD_NAMESPACE", &["cluster", "namespace"]),
            ("SKAFFOLD_KUBE_CONTEXT", &["cluster", "context"]),
        ] {
            let value = self.templates.environment.get(variable).filter(|value| !value.is_empty());
            if let Some(value) = value {
                let mut node = made_text(value.as_str());
                node.env.insert(variable.to_owned());
                out.put_path(path, node);
            }
        }
        Ok(out)
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

    fn forwards(&mut self, modules: &[Module]) -> Result<Vec<Node>, Fault> {
        let mut out = Vec::new();
        let mut taken: BTreeSet<u16> = BTreeSet::new();
        let entries: Vec<&Node> =
            modules.iter().flat_map(|module| module.document.list_of("portForward")).collect();
        for entry in &entries {
            // Fixed ones first: a chosen port must not take theirs.
            taken.extend(entry.text_of("localPort").and_then(port));
        }
        for entry in entries {
            let kind = entry.text_of("resourceType").unwrap_or_default().to_lowercase();
            let Some((_, kind)) = FORWARDED.iter().find(|(other, _)| *other == kind) else {
                let instead = "wharf forwards to services, deployments, stateful sets, daemon sets and pods; this one is left out";
                self.remark(entry, "portForward", instead);
                continue;
            };
            let mut forward = entry.map_here();
            let empty = entry.text_here("");
            let name = self.templates.expand(entry.get("resourceName").unwrap_or(&empty))?;
            if *kind == "service" {
                forward.put("service", name);
            } else {
                let name = format!("{kind}/{}", name.as_text().unwrap_or_default());
                forward.put("workload", entry.get("resourceName").unwrap_or(entry).text_here(name));
            }
            if let Some(namespace) = entry.get("namespace").filter(|node| !node.is_vacant()) {
                forward.put("namespace", self.templates.expand(namespace)?);
            }
            let remote = entry.get("port").filter(|port| !matches!(port.as_text(), Some("" | "0")));
            if let Some(remote) = remote {
                forward.put("port", remote.clone());
            }
            let fixed =
                entry.get("localPort").filter(|port| !matches!(port.as_text(), Some("" | "0")));
            match (fixed, remote.and_then(Node::as_text).and_then(port)) {
                (Some(fixed), _) => forward.put("local", fixed.clone()),
                (None, Some(remote)) => {
                    let near = (remote >= 1024).then_some(remote..=remote.saturating_add(9));
                    let ports = near.into_iter().flatten().chain(FREE_PORTS);
                    if let Some(free) = ports.into_iter().find(|port| !taken.contains(port)) {
                        taken.insert(free);
                        forward.put("local", made_text(free.to_string()));
                    }
                }
                (None, None) => {}
            }
            if let Some(address) = entry.get("address")
                && !matches!(address.as_text(), Some("" | "127.0.0.1" | "localhost"))
            {
                self.remark(
                    address,
                    "portForward.address",
                    "local ports are open on 127.0.0.1 alone",
                );
            }
            out.push(forward);
        }
        Ok(out)
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
