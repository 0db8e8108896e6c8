//! A project in a folder of its own, with a namespace of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells the projects of one test run apart.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A copy of an example, or a project made of a few files. Gone with the test, namespace included.
pub(crate) struct Project {
    root: tempfile::TempDir,
    name: String,
    namespace: String,
    environment: Vec<(String, String)>,
    port: Option<u16>,
    /// The namespace goes with the project.
    owns_namespace: bool,
}

impl Project {
    /// A copy of `examples/NAME`, as it is.
    pub(crate) fn example(name: &str) -> Self {
        let project = Self::empty(name);
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        copy(&from, &project.folder());
        project
    }

    /// A copy of `examples/hello` with a local port and content of its own, so that tests can run
    /// side by side, and no image of an earlier one is found.
    pub(crate) fn hello() -> Self {
        let mut project = Self::example("hello");
        let port = free_port();
        project.port = Some(port);
        project.edit("chart/values.yaml", "port: 8080", &format!("port: {port}"));
        let app = project.read("app.py");
        project.write("app.py", &format!("{app}# {}\n", project.namespace));
        project
    }

    /// A project of these files.
    pub(crate) fn of(name: &str, files: &[(&str, &str)]) -> Self {
        let project = Self::empty(name);
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// A web server of one image, one chart and no wharf file; what it serves lies in `www`.
    /// Its image holds little and starts and ends at once.
    pub(crate) fn web() -> Self {
        let project = Self::of(
            "web",
            &[
                (
                    "Dockerfile",
                    "FROM busybox:1.36\nCOPY www /www\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n",
                ),
                ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"),
                ("chart/templates/web.yaml", WEB),
            ],
        );
        let values = format!("port: {}\nimage: {{repository: web, tag: none}}\n", free_port());
        project.write("chart/values.yaml", &values);
        project.write("www/index.html", &format!("{} first", project.namespace));
        project
    }

    fn empty(name: &str) -> Self {
        let root = tempfile::tempdir().expect("a folder can be made");
        std::fs::create_dir_all(root.path().join(name)).expect("a folder can be made");
        for own in ["home/run", "home/tmp"] {
            std::fs::create_dir_all(root.path().join(own)).expect("a folder can be made");
        }
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("t{}-{nth}", std::process::id());
        Self {
            root,
            name: name.to_owned(),
            namespace,
            environment: Vec::new(),
            port: None,
            owns_namespace: true,
        }
    }

    /// Sets a variable of the environment that wharf gets.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Variables that wharf gets beside those of the test.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// A copy of `examples/shop` with local ports and content of its own. Its database's image is
    /// on the nodes, as if they had pulled it.
    pub(crate) fn shop() -> Self {
        let project = Self::example("shop");
        project.edit(
            "wharf.yaml",
            "service/web: 80 ",
            &format!("service/web: {}:80 ", free_port()),
        );
        project.edit("wharf.yaml", "8081:http", &format!("{}:http", free_port()));
        for path in ["base/shopkit.py", "migrations/migrate.sh", "catalog/main.go", "web/server.js"]
        {
            let mark = if path.ends_with('s') || path.ends_with("go") { "//" } else { "#" };
            let text = project.read(path);
            project.write(path, &format!("{text}{mark} {}\n", project.namespace));
        }
        super::bring("postgres:15");
        project
    }

    /// A project of `examples/monorepo`, with a local port and content of its own.
    pub(crate) fn monorepo(services: usize, per_team: usize) -> Self {
        let project = Self::empty("monorepo");
        let folder = project.folder();
        let generate = "examples/monorepo/generate.sh";
        let (services, per_team) = (services.to_string(), per_team.to_string());
        let folder = folder.to_str().expect("it is text");
        super::output("sh", &[generate, folder, &services, &per_team]);
        let forward = format!("service/s01: {}:80", free_port());
        project.edit("wharf.yaml", "service/s01: 80", &forward);
        for number in 1..=services.parse::<usize>().expect("it is a number") {
            let path = format!("services/s{number:02}/www/index.html");
            let text = project.read(&path);
            project.write(&path, &format!("{text}{}\n", project.namespace));
        }
        project
    }

    /// The same files in another folder, deployed to the same namespace. Wharf has never seen it.
    pub(crate) fn copy(&self) -> Self {
        let mut copied = Self::empty(&self.name);
        copied.namespace.clone_from(&self.namespace);
        copied.environment.clone_from(&self.environment);
        copied.owns_namespace = false;
        copy(&self.folder(), &copied.folder());
        copied
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join(&self.name)
    }

    /// Where wharf keeps its own files for this project.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The namespace that it is deployed to.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The local port that is its own.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Writes a file, as an editor that saves in place does.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("a folder can be made");
        }
        std::fs::write(&path, text).expect("a file can be written");
    }

    /// Reads a file.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder().join(path)).expect("the file can be read")
    }

    /// Replaces `from` by `to` in a file; both must differ and `from` must be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is in {path}");
        self.write(path, &text.replace(from, to));
    }
}

impl Drop for Project {
    /// Whatever a failed test left goes with its namespace.
    fn drop(&mut self) {
        if !self.owns_namespace {
            return;
        }
        let delete = ["delete", "namespace", &self.namespace, "--ignore-not-found", "--wait=false"];
        let _ = std::process::Command::new("kubectl").args(delete).output();
    }
}

/// The objects of [`Project::web`].
const WEB: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: {{ .Values.port }}, targetPort: http}]
"#;

/// A port on 127.0.0.1 that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the example is there") {
        let entry = entry.expect("the example can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("the example can be copied");
        }
    }
}
