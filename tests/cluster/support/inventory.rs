//! Everything that a session could leave behind, to be compared before and after.

use std::collections::BTreeSet;

use super::{kubectl, output};

/// What there is: objects of every kind, containers, processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// `kind.group/namespace/name uid` of every object of every kind that can be listed, but
    /// events, leases and other things that Kubernetes renews by itself.
    pub(crate) objects: BTreeSet<String>,
    /// The Engine's containers, running or not.
    pub(crate) containers: BTreeSet<String>,
    /// Processes below this one.
    pub(crate) children: BTreeSet<String>,
}

/// Kinds that come and go without anybody's doing.
const RENEWED: [&str; 6] = [
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "componentstatuses",
    "endpointslices.discovery.k8s.io",
    "csistoragecapacities.storage.k8s.io",
];

impl Inventory {
    /// Looks at what there is now. Other tests' namespaces (on their way out) are left out.
    pub(crate) fn take() -> Self {
        let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
        let kinds: Vec<&str> = kinds.lines().filter(|kind| !RENEWED.contains(kind)).collect();
        let columns = "jsonpath={range .items[*]}{.kind} {.apiVersion} {.metadata.namespace} \
                       {.metadata.name} {.metadata.uid} {.metadata.deletionTimestamp}{\"\\n\"}{end}";
        let listed = kubectl(&["get", &kinds.join(","), "-A", "--ignore-not-found", "-o", columns]);
        let leaving: BTreeSet<String> = listed
            .lines()
            .filter(|line| line.starts_with("Namespace v1  ") && line.split(' ').count() > 5)
            .filter(|line| !line.ends_with(' '))
            .filter_map(|line| line.split(' ').nth(3).map(str::to_owned))
            .collect();
        let objects = listed
            .lines()
            .filter(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let namespace = words.get(2).copied().unwrap_or_default();
                let name = words.get(3).copied().unwrap_or_default();
                let is_leaving = words.get(5).is_some_and(|stamp| !stamp.is_empty());
                let is_namespace = words.first() == Some(&"Namespace");
                !leaving.contains(namespace)
                    && !(is_namespace && (is_leaving || leaving.contains(name)))
            })
            .map(str::to_owned)
            .collect();
        let containers = output("docker", &["ps", "-a", "--format", "{{.Names}} {{.ID}}"]);
        let containers = containers.lines().map(str::to_owned).collect();
        Self { objects, containers, children: children() }
    }

    /// What `self` has and `before` has not.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let objects = self.objects.difference(&before.objects);
        let containers = self.containers.difference(&before.containers);
        let children = self.children.difference(&before.children);
        objects.chain(containers).chain(children).cloned().collect()
    }
}

/// The command lines of all descendants of this process but the tools of the tests themselves.
fn children() -> BTreeSet<String> {
    let all = output("ps", &["-eo", "pid=,ppid=,args="]);
    let rows: Vec<(u32, u32, String)> = all
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some((pid, parent, words.collect::<Vec<_>>().join(" ")))
        })
        .collect();
    let mut below = BTreeSet::from([std::process::id()]);
    loop {
        let more: Vec<u32> = rows
            .iter()
            .filter(|(pid, parent, _)| below.contains(parent) && !below.contains(pid))
            .map(|(pid, ..)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        below.extend(more);
    }
    rows.into_iter()
        .filter(|(pid, _, args)| {
            *pid != std::process::id() && below.contains(pid) && !args.starts_with("ps ")
        })
        .map(|(pid, _, args)| format!("{pid} {args}"))
        .collect()
}
