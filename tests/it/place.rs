//! A place to start wharf in: a project, a home, programs, an environment; nothing of the
//! machine's own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A folder that holds a project, a home and programs; gone when it is dropped.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// How a start of wharf ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// An empty project; neither Docker nor a cluster can be reached from it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project", "home", "bin", "run"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let variables = BTreeMap::from([
            ("HOME".to_owned(), path("home")),
            ("PATH".to_owned(), path("bin")),
            ("XDG_RUNTIME_DIR".to_owned(), path("run")),
            ("KUBECONFIG".to_owned(), path("no-kubeconfig")),
            ("DOCKER_HOST".to_owned(), format!("unix://{}", path("no-docker.sock"))),
        ]);
        Self { folder, variables }
    }

    /// Adds a file to the project.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Adds a program, as a shell script.
    pub(crate) fn program(self, name: &str, script: &str) -> Self {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The project's folder.
    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Where its programs are.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// The text of one of the project's files.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.project().join(name)).unwrap()
    }

    /// Wharf's state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("home/.local/state/wharf")
    }

    /// Starts wharf in the project and waits for its end.
    pub(crate) fn wharf(&self, arguments: &[&str]) -> Ended {
        self.wharf_reading(arguments, "")
    }

    /// The same with `input` on its stdin; it must fit into a pipe.
    pub(crate) fn wharf_reading(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program need not read what it is given.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| self.anonymous(&String::from_utf8(bytes).unwrap());
        Ended {
            code: output.status.code().expect("it was not killed"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Starts wharf in the project, with both outputs piped.
    pub(crate) fn start(&self, arguments: &[&str]) -> std::process::Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        self.other(env!("CARGO_BIN_EXE_wharf").as_ref(), arguments)
    }

    /// Another program, in the project and its environment.
    pub(crate) fn other(&self, program: &Path, arguments: &[&str]) -> std::process::Command {
        #[expect(clippy::disallowed_methods, reason = "the program under test is a child")]
        let mut command = std::process::Command::new(program);
        command.args(arguments).current_dir(self.project());
        command.env_clear().envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// `text` without the folder's random name.
    fn anonymous(&self, text: &str) -> String {
        let canonical = self.folder.path().canonicalize().unwrap();
        let text = text.replace(&canonical.display().to_string(), "PLACE");
        text.replace(&self.folder.path().display().to_string(), "PLACE")
    }
}

/// A project with one image and one chart, as `wharf.yaml` says.
pub(crate) fn hello() -> Place {
    Place::new()
        .file("Dockerfile", "FROM scratch\nCOPY app /app\n")
        .file("app", "app")
        .file("chart/Chart.yaml", "apiVersion: v2\nname: hello\nversion: 0.1.0\n")
        .file("chart/values.yaml", "image: {repository: hello, tag: latest}\n")
        .file("chart/templates/deployment.yaml", DEPLOYMENT)
        .file("wharf.yaml", WHARF_YAML)
}

/// An example of this repository, without its configuration.
pub(crate) fn example(name: &str) -> Place {
    let place = Place::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    copy(&from, &place.project());
    let _ = fs::remove_file(place.project().join("wharf.yaml"));
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

const WHARF_YAML: &str = "\
name: hello
images:
  hello: {context: .}
releases:
  hello: {chart: chart}
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello}}
    spec:
      containers:
        - {name: hello, image: \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"}
";

/// Whether `path` is there and not empty.
pub(crate) fn is_filled(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.len() > 0)
}
