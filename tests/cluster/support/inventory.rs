//! Everything that a session could leave behind, to be compared before and after.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Project, kubectl, output};

/// What there is: objects of every kind, containers, and what else belongs to one project. Other
/// tests' namespaces, and what is in them, are left out, so that tests can run side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// `Kind group/version namespace name uid` of every object of every kind that can be listed,
    /// but events, leases and other things that Kubernetes renews by itself.
    pub(crate) objects: BTreeSet<String>,
    /// The Engine's containers, running or not.
    pub(crate) containers: BTreeSet<String>,
    /// Processes of the project's sessions, wherever they hang in the tree.
    pub(crate) processes: BTreeSet<String>,
    /// Files of the project's sessions outside their state and cache directories.
    pub(crate) files: BTreeSet<String>,
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
    /// Looks at what there is now.
    pub(crate) fn take(project: &Project) -> Self {
        let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
        let kinds: Vec<&str> = kinds.lines().filter(|kind| !RENEWED.contains(kind)).collect();
        let columns = "jsonpath={range .items[*]}{.kind} {.apiVersion} {.metadata.namespace} \
                       {.metadata.name} {.metadata.uid} {.spec.claimRef.namespace}{\"\\n\"}{end}";
        let listed = kubectl(&["get", &kinds.join(","), "-A", "--ignore-not-found", "-o", columns]);
        let objects = listed.lines().filter(|line| !is_foreign(line, project.namespace()));
        let containers = output("docker", &["ps", "-a", "--format", "{{.Names}} {{.ID}}"]);
        let mut files = BTreeSet::new();
        for folder in ["run", "tmp"] {
            list(&project.home().join(folder), &mut files);
        }
        Self {
            objects: objects.map(|line| line.trim_end().to_owned()).collect(),
            containers: containers.lines().map(str::to_owned).collect(),
            processes: processes(&project.home()),
            files,
        }
    }

    /// What `self` has and `before` has not.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let objects = self.objects.difference(&before.objects);
        let containers = self.containers.difference(&before.containers);
        let processes = self.processes.difference(&before.processes);
        let files = self.files.difference(&before.files);
        objects.chain(containers).chain(processes).chain(files).cloned().collect()
    }
}

/// Whether a line of the list belongs to another test: it is a test's namespace, lies in one, or
/// is a volume that was made for a claim in one.
fn is_foreign(line: &str, own: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, _, namespace, name, _, claim] = words[..] else { return false };
    let place = match (kind, namespace, claim) {
        ("Namespace", ..) => name,
        (_, "", claim) => claim,
        (_, namespace, _) => namespace,
    };
    place != own && is_of_a_test(place)
}

/// Tests' namespaces end with the id of the test's process, or with that and a number.
fn is_of_a_test(namespace: &str) -> bool {
    let tail = namespace.rsplit('-').next().unwrap_or_default();
    namespace.contains('-') && !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit())
}

/// The command lines of all processes whose environment names the project's own folder.
fn processes(home: &Path) -> BTreeSet<String> {
    let mark = format!("XDG_STATE_HOME={}", home.join("state").display());
    let all = std::fs::read_dir("/proc").expect("there is a process table").flatten();
    let own = all.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    });
    own.map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        format!("process {} {line}", entry.file_name().display())
    })
    .collect()
}

/// Every file below a folder.
fn list(folder: &Path, files: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), files);
        } else {
            files.insert(format!("file {}", entry.path().display()));
        }
    }
}
