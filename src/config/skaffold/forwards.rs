//! `portForward`, and the services that `--port-forward` opens besides.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::forms::TARGETS;
use super::super::node::{Fault, Node};
use super::super::read::port;
use super::super::{disk, node};
use super::modules::Module;
use super::releases::Deployed;
use super::translate::Translator;
use super::tree::{made_map, made_text};

/// The ports that Skaffold takes where the remote one is for root alone.
const FREE_PORTS: std::ops::RangeInclusive<u16> = 4503..=4533;

impl Translator<'_> {
    /// The local ports of all modules: those that are named, and with `--port-forward` those of
    /// the services in `deployed` too.
    pub(super) fn forwards(
        &mut self,
        modules: &[Module],
        deployed: &[Deployed],
    ) -> Result<Vec<Node>, Fault> {
        let modes: Vec<&str> = match self.given("SKAFFOLD_PORT_FORWARD") {
            Some(modes) => modes.split(',').map(str::trim).collect(),
            None => vec!["user"],
        };
        let is_on = |mode: &str| modes.contains(&mode) || modes.contains(&"true");
        let (user, services) = (is_on("user"), is_on("services"));
        let mut taken: BTreeSet<u16> = BTreeSet::new();
        let mut out = if user { self.named(modules, &mut taken)? } else { vec![] };
        if services {
            self.of_services(deployed, &mut out, &mut taken);
        }
        Ok(out)
    }

    fn named(&mut self, modules: &[Module], taken: &mut BTreeSet<u16>) -> Result<Vec<Node>, Fault> {
        let mut out = Vec::new();
        let entries: Vec<&Node> =
            modules.iter().flat_map(|module| module.document.list_of("portForward")).collect();
        for entry in &entries {
            // Fixed ones first: a chosen port must not take theirs.
            taken.extend(entry.text_of("localPort").and_then(port));
        }
        for entry in entries {
            let kind = entry.text_of("resourceType").unwrap_or_default().to_lowercase();
            let Some((_, kind)) = TARGETS.iter().find(|(other, _)| *other == kind) else {
                let instead = "wharf forwards to services, workloads and pods of the cluster; this one is left out";
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
                    if let Some(local) = free_port(remote, taken) {
                        forward.put("local", local);
                    }
                }
                (None, None) => {}
            }
            if let Some(address) = entry.get("address").filter(|address| !address.is_vacant()) {
                forward.put("address", address.clone());
            }
            out.push(forward);
        }
        Ok(out)
    }

    /// Every port of every service among plain manifests; what charts and kustomizations make is
    /// not known here.
    fn of_services(
        &mut self,
        deployed: &[Deployed],
        out: &mut Vec<Node>,
        taken: &mut BTreeSet<u16>,
    ) {
        let lists = deployed.iter().flat_map(|deployed| &deployed.manifests);
        let globs = lists.flat_map(|(_, entry)| entry.list_of("files")).filter_map(Node::as_text);
        let files = globs.flat_map(|glob| disk::files_matching(Path::new(glob)));
        let files: BTreeSet<std::path::PathBuf> = files.collect();
        for file in &files {
            // What cannot be read is told where it is rendered.
            let text = disk::text(file).unwrap_or_default();
            for object in node::documents(&text).unwrap_or_default() {
                services(&object, out, taken);
            }
        }
        let mut others = deployed.iter().flat_map(|one| one.helm.iter().chain(&one.kustomize));
        if let Some((_, entry)) = others.next() {
            let instead = "services of charts and kustomizations are not found by themselves: name them in `portForward`";
            self.remark(entry, "--port-forward", instead);
        }
    }
}

/// Adds the ports of `object`, where it is a service.
fn services(object: &Node, out: &mut Vec<Node>, taken: &mut BTreeSet<u16>) {
    if object.text_of("kind") != Some("Service") {
        return;
    }
    let metadata = object.get("metadata");
    let Some(name) = metadata.and_then(|metadata| metadata.text_of("name")) else { return };
    let ports = object.get("spec").map_or(&[][..], |spec| spec.list_of("ports"));
    for remote in ports.iter().filter_map(|port| port.text_of("port")) {
        let is_named = |forward: &Node| {
            let same = |key: &str, text: &str| forward.text_of(key).is_none_or(|one| one == text);
            forward.text_of("service") == Some(name) && same("port", remote)
        };
        if out.iter().any(is_named) {
            continue;
        }
        let Some(number) = port(remote) else { continue };
        let mut forward = made_map();
        forward.put("service", made_text(name));
        forward.put("port", made_text(remote));
        if let Some(namespace) = metadata.and_then(|metadata| metadata.text_of("namespace")) {
            forward.put("namespace", made_text(namespace));
        }
        if let Some(local) = free_port(number, taken) {
            forward.put("local", local);
        }
        out.push(forward);
    }
}

/// The local port that Skaffold takes for `remote`, of those that are free.
fn free_port(remote: u16, taken: &mut BTreeSet<u16>) -> Option<Node> {
    let near = (remote >= 1024).then_some(remote..=remote.saturating_add(9));
    let mut ports = near.into_iter().flatten().chain(FREE_PORTS);
    let free = ports.find(|port| !taken.contains(port))?;
    taken.insert(free);
    Some(made_text(free.to_string()))
}
