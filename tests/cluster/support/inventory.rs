//! Everything that a session could leave behind, to be compared before and after.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::{Project, kubectl, output, wait_for};

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
    /// Files of the project and its sessions outside their state and cache directories.
    pub(crate) files: BTreeSet<String>,
    /// The project's own local port, while somebody listens on it.
    pub(crate) ports: BTreeSet<String>,
}

/// Kinds that come and go without anybody's doing.
const RENEWED: [&str; 4] =
    ["events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses"];

impl Inventory {
    /// Looks at what there is now.
    pub(crate) fn take(project: &Project) -> Self {
        // A kind that another test has defined may go between the two.
        let listed = wait_for("all objects", objects);
        let objects = listed.lines().filter(|line| !is_foreign(line, project.namespace()));
        let containers = output("docker", &["ps", "-a", "--format", "{{.Names}} {{.ID}}"]);
        let mut files = BTreeSet::new();
        for folder in ["run", "tmp"] {
            list(&project.home().join(folder), &mut files);
        }
        list(&project.folder(), &mut files);
        let taken = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_err();
        let ports = project.port().filter(taken).map(|port| format!("port {port}"));
        Self {
            objects: objects.map(|line| line.trim_end().to_owned()).collect(),
            containers: containers
                .lines()
                .filter(|line| !is_the_testbeds(line))
                .map(str::to_owned)
                .collect(),
            processes: processes(&project.home()),
            files,
            ports: ports.into_iter().collect(),
        }
    }

    /// # Panics
    ///
    /// When anything has come or gone since `before`.
    pub(crate) fn assert_same(&self, before: &Self) {
        assert_eq!(self.since(before), Vec::<String>::new(), "what is left");
        assert_eq!(before.since(self), Vec::<String>::new(), "what is gone");
    }

    /// What `self` has and `before` has not.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let objects = self.objects.difference(&before.objects);
        let containers = self.containers.difference(&before.containers);
        let processes = self.processes.difference(&before.processes);
        let files = self.files.difference(&before.files);
        let ports = self.ports.difference(&before.ports);
        let all = objects.chain(containers).chain(processes).chain(files).chain(ports);
        all.cloned().collect()
    }
}

/// One line per object; nothing when the list could not be read as a whole.
fn objects() -> Option<String> {
    let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !RENEWED.contains(kind)).collect();
    let columns = "jsonpath={range .items[*]}{.kind} {.apiVersion} {.metadata.namespace} \
                   {.metadata.name} {.metadata.uid} \
                   {.spec.claimRef.namespace}{.spec.parentRef.namespace}{\"\\n\"}{end}";
    let get = ["get", &kinds.join(","), "-A", "--ignore-not-found", "-o", columns];
    let listed = Command::new("kubectl").args(get).output().expect("kubectl starts");
    listed.status.success().then(|| String::from_utf8_lossy(&listed.stdout).into_owned())
}

/// Whether a line of the list belongs to another test: it is a test's namespace, lies in one, or
/// is a volume or an address that was made for something in one, or is defined by one.
fn is_foreign(line: &str, own: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, _, namespace, name, _, claim] = words[..] else { return false };
    let place = match (kind, namespace, claim) {
        ("Namespace", ..) => name,
        (_, "", claim) => claim,
        (_, namespace, _) => namespace,
    };
    // Definitions are told apart by their group.
    let mut places = std::iter::once(place).chain(name.split('.'));
    !name.split('.').any(|part| part == own)
        && places.any(|place| place != own && is_of_a_test(place))
}

/// Nodes and registries of the testbed come and go with tests that run beside this one.
fn is_the_testbeds(container: &str) -> bool {
    // Those of verifications end with them, and belong to other tests.
    container.starts_with("wharf-test") || container.starts_with("wharf-check-")
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
