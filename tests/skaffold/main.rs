//! Small Skaffold configurations, and what each amounts to in the words of `wharf.yaml`.
//!
//! The cases stand in the `.txt` files beside this one:
//!
//! ```text
//! === what the case shows
//! $ NAME=value            the environment; `-p NAME`, `-m NAME`, `! COMMAND` are flags
//! build: ...              without `apiVersion` it is the newest
//!   field: x  #<          the line that the case is about
//! --- has                 or `lacks`, `notes`, `error`
//! images.app.target: x    paths of the effective configuration, or parts of what is said
//! ```
//!
//! Each case runs once more without its marked lines: what it expects must be gone then, so that a
//! field that is read and ignored does not pass.

#![expect(clippy::unwrap_used, reason = "a case that cannot be set up is a failed test")]
#![expect(clippy::disallowed_methods, reason = "commands of templates are looked for on the PATH")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use wharf::config::{ConfigRequest, Provenance, init, load};

mod checks;
mod corpus;
mod elsewhere;
mod fuzz;
mod large;
mod render;

/// What lies around the configuration, in every case.
const FILES: &[(&str, &str)] = &[
    ("Dockerfile", "FROM busybox\n"),
    ("app/Dockerfile", "ARG BASE\nFROM ${BASE:-busybox} AS dev\nCOPY . .\n"),
    ("app/dev.Dockerfile", "FROM busybox\n"),
    ("app/sub/Dockerfile", "FROM busybox\n"),
    ("app/src/main.go", "package main\n"),
    ("base/Dockerfile", "FROM busybox\n"),
    ("maven/pom.xml", "<project/>\n"),
    ("gradle/build.gradle", "\n"),
    ("wrapped/pom.xml", "<project/>\n"),
    ("wrapped/mvnw", "#!/bin/sh\n"),
    ("k8s/web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"),
    ("more/one.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"),
    ("more/notes.md", "no manifest\n"),
    ("more/odd.tmpl", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\n"),
    ("services/two.yaml", SERVICES),
    ("deep/in/it.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: it}\n"),
    ("overlay/kustomization.yaml", "resources: []\n"),
    ("other/kustomization.yml", "resources: []\n"),
    ("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n"),
    ("values.yaml", "{}\n"),
    ("values-dev.yaml", "{}\n"),
    ("note.txt", "hello"),
    ("lib/skaffold.yaml", LIB),
    ("lib/Dockerfile", "FROM busybox\n"),
    ("lib/k8s/lib.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lib}\n"),
    ("both/skaffold.yml", BOTH),
    ("both/k8s/both.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: both}\n"),
];

const SERVICES: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                        spec: {ports: [{port: 8080}, {port: 443}]}\n---\n\
                        apiVersion: v1\nkind: Service\nmetadata: {name: api}\n\
                        spec: {ports: [{port: 8080}]}\n";

const LIB: &str = "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {name: lib}\n\
                   build: {artifacts: [{image: lib}]}\nmanifests: {rawYaml: [k8s/*.yaml]}\n\
                   profiles:\n- {name: prod, build: {artifacts: [{image: lib-prod}]}}\n";

const BOTH: &str = "apiVersion: skaffold/v2beta29\nkind: Config\nmetadata: {name: left}\n\
                    deploy: {kubectl: {manifests: [k8s/both.yaml]}}\n---\n\
                    apiVersion: skaffold/v2beta29\nkind: Config\nmetadata: {name: right}\n\
                    deploy: {kubectl: {manifests: [k8s/both.yaml]}}\n";

/// One case.
#[derive(Debug, Clone, Default)]
struct Case {
    name: String,
    flags: Vec<String>,
    body: String,
    has: Vec<String>,
    lacks: Vec<String>,
    notes: Vec<String>,
    error: Vec<String>,
}

/// What came of a configuration.
struct Outcome {
    /// The effective configuration, a line for each value, its path in front.
    lines: Vec<String>,
    notes: String,
}

fn cases(text: &str) -> Vec<Case> {
    let mut all = Vec::new();
    for text in text.split("\n=== ").skip(1) {
        let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut case = Case { name: name.trim().to_owned(), ..Case::default() };
        let mut section = "body";
        for line in rest.lines() {
            if let Some(next) = line.strip_prefix("--- ") {
                section = next.trim();
                continue;
            }
            let is_flag = ["$ ", "-p ", "-m ", "! "].iter().any(|flag| line.starts_with(flag));
            match section {
                "body" if is_flag => case.flags.push(line.to_owned()),
                "body" => case.body.push_str(&format!("{line}\n")),
                _ if line.trim().is_empty() => {}
                "has" => case.has.push(line.to_owned()),
                "lacks" => case.lacks.push(line.to_owned()),
                "notes" => case.notes.push(line.to_owned()),
                "error" => case.error.push(line.to_owned()),
                other => panic!("`{}` has a section `{other}`", case.name),
            }
        }
        all.push(case);
    }
    all
}

impl Case {
    /// The configuration, with or without the lines that the case is about.
    fn text(&self, with: bool) -> String {
        let lines = self.body.lines().filter(|line| with || !line.ends_with("#<"));
        let lines = lines.map(|line| line.trim_end_matches("#<").trim_end());
        let body: String = lines.map(|line| format!("{line}\n")).collect();
        // A file that says its version, or that it has none, says so first.
        if body.trim_start().starts_with(['#', 'a']) {
            body
        } else {
            format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}")
        }
    }

    fn run(&self, folder: &Path, with: bool) -> Result<Outcome, String> {
        std::fs::write(folder.join("skaffold.yaml"), self.text(with)).unwrap();
        let mut request = request(folder);
        for flag in &self.flags {
            let (sign, rest) = flag.split_once(' ').unwrap();
            let rest = rest.trim().to_owned();
            match sign {
                "$" => {
                    let (name, value) = rest.split_once('=').unwrap();
                    request.environment.insert(name.to_owned(), value.to_owned());
                }
                "-p" => request.profiles.push(rest),
                "-m" => request.modules.push(rest),
                _ => request.command = rest,
            }
        }
        outcome(&request, folder)
    }

    /// What is not as expected; nothing where all is.
    fn differs(&self, outcome: &Result<Outcome, String>) -> Vec<String> {
        let mut wrong = Vec::new();
        match outcome {
            Err(said) => {
                if self.error.is_empty() {
                    wrong.push(format!("it is refused:\n{said}"));
                }
                let missing = self.error.iter().filter(|part| !said.contains(part.trim()));
                wrong.extend(missing.map(|part| format!("`{part}` is not in\n{said}")));
            }
            Ok(outcome) => {
                let shown = outcome.lines.join("\n");
                let has =
                    |line: &String| outcome.lines.iter().any(|other| other.trim() == line.trim());
                if !self.error.is_empty() {
                    wrong.push(format!("it is not refused:\n{shown}"));
                }
                for line in self.has.iter().filter(|line| !has(line)) {
                    wrong.push(format!("`{line}` is missing in\n{shown}"));
                }
                for line in self.lacks.iter().filter(|line| has(line)) {
                    wrong.push(format!("`{line}` is in\n{shown}"));
                }
                for part in self.notes.iter().filter(|part| !outcome.notes.contains(part.trim())) {
                    wrong.push(format!("`{part}` is not among the notes\n{}", outcome.notes));
                }
            }
        }
        wrong
    }
}

fn request(folder: &Path) -> ConfigRequest {
    let path = std::env::var("PATH").unwrap_or_default();
    ConfigRequest {
        dir: folder.to_path_buf(),
        command: "dev".to_owned(),
        environment: BTreeMap::from([("PATH".to_owned(), path)]),
        home: Some(folder.join("home")),
        ..ConfigRequest::default()
    }
}

fn outcome(request: &ConfigRequest, folder: &Path) -> Result<Outcome, String> {
    let relative = |text: &str| text.replace(&folder.display().to_string(), "FOLDER");
    let loaded = load(request).map_err(|error| {
        let failure = error.failure();
        let all = [vec![failure.what, failure.snippet], failure.why, failure.help].concat();
        relative(&all.join("\n"))
    })?;
    let text = init(&loaded.project, &Provenance::default());
    let value: Value = serde_saphyr::from_str(&text)
        .unwrap_or_else(|error| panic!("the effective configuration is no YAML: {error}\n{text}"));
    let mut lines = Vec::new();
    flatten("", &value, &mut lines);
    Ok(Outcome {
        lines: lines.iter().map(|line| relative(line)).collect(),
        notes: relative(&loaded.notes.join("\n")),
    })
}

fn flatten(path: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&key, value, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), item, out);
            }
        }
        Value::String(text) => {
            out.push(format!("{path}: {}", text.replace('\n', "\\n").replace("$${", "${")));
        }
        value => out.push(format!("{path}: {value}")),
    }
}

/// A folder with [`FILES`].
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in FILES {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}
