//! YAML with a comment behind each line, in the form of `wharf.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::model::{
    Alterations, Artifact, Builder, Chart, DockerBuild, Forward, ForwardPort, HelmSource, Hook,
    HookPlace, Hooks, LogFilter, LogPrefix, ManifestSource, NamedContext, Packaging, Project,
    RegistryNames, Release, ReleaseSource, SecretSource, WaitRule,
};

use super::super::error::said;
use super::super::expand::escaped;
use super::super::read::span_text;
use super::super::resolve::derived;

/// A piece of YAML.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// A scalar, as it is to be written.
    Scalar(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// Whether keys that have their default are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defaults {
    Shown,
    Hidden,
}

/// What may be said about the value at a path.
pub(super) struct Remarks<'r> {
    /// Lines above it.
    pub(super) above: &'r dyn Fn(&[String]) -> Vec<String>,
    /// The rest of its line.
    pub(super) behind: &'r dyn Fn(&[String]) -> Option<String>,
    /// Instead of its value.
    pub(super) instead: &'r dyn Fn(&[String], &str) -> Option<String>,
}

/// Text as a YAML scalar that reads back as the same text.
pub(super) fn text(value: &str) -> Piece {
    Piece::Scalar(quoted(&escaped(value)))
}

fn quoted(value: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_./-@+*=".contains(c);
    let begins = |c: char| c.is_ascii_alphabetic() || "_./".contains(c);
    let is_word = value.starts_with(begins) && value.chars().all(safe);
    let reserved =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "<<"];
    if is_word && !reserved.contains(&value.to_lowercase().as_str()) {
        // A word that a number might begin with (`.5`, `.e3`) is quoted as well.
        if !value.starts_with('.')
            || value.starts_with("./")
            || value.starts_with("../")
            || value == "."
        {
            return value.to_owned();
        }
    }
    let is_version = value.matches('.').count() >= 2
        && value.starts_with(|c: char| c.is_ascii_digit())
        && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_version {
        return value.to_owned();
    }
    serde_json::to_string(value).expect("a text is JSON")
}

fn key(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(safe)
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&name.to_lowercase().as_str());
    if plain { name.to_owned() } else { serde_json::to_string(name).expect("a text is JSON") }
}

/// Writes the entries of a map, each with its remarks.
pub(super) fn write(entries: &[(String, Piece)], remarks: &Remarks<'_>) -> String {
    let mut out = String::new();
    write_map(entries, &mut vec![], 0, remarks, &mut out);
    out
}

fn write_map(
    entries: &[(String, Piece)],
    path: &mut Vec<String>,
    depth: usize,
    remarks: &Remarks<'_>,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    for (name, piece) in entries {
        path.push(name.clone());
        for line in (remarks.above)(path) {
            out.push_str(&if line.is_empty() {
                "\n".to_owned()
            } else {
                format!("{indent}# {line}\n")
            });
        }
        let head = format!("{indent}{}:", key(name));
        write_piece(&head, piece, path, depth, remarks, out);
        path.pop();
    }
}

fn write_piece(
    head: &str,
    piece: &Piece,
    path: &mut Vec<String>,
    depth: usize,
    remarks: &Remarks<'_>,
    out: &mut String,
) {
    match piece {
        Piece::Scalar(scalar) => {
            let scalar = (remarks.instead)(path, scalar).unwrap_or_else(|| scalar.clone());
            line(&format!("{head} {scalar}"), path, remarks, out);
        }
        Piece::List(items) if items.is_empty() => line(&format!("{head} []"), path, remarks, out),
        Piece::Map(entries) if entries.is_empty() => {
            line(&format!("{head} {{}}"), path, remarks, out);
        }
        Piece::List(items) => {
            out.push_str(&format!("{head}\n"));
            write_list(items, path, depth + 1, remarks, out);
        }
        Piece::Map(entries) => {
            out.push_str(&format!("{head}\n"));
            write_map(entries, path, depth + 1, remarks, out);
        }
    }
}

fn write_list(
    items: &[Piece],
    path: &mut Vec<String>,
    depth: usize,
    remarks: &Remarks<'_>,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    for (index, item) in items.iter().enumerate() {
        path.push(index.to_string());
        match item {
            Piece::Map(entries) if !entries.is_empty() => {
                // The first key stands behind the dash, the others below it.
                let mut inner = String::new();
                write_map(entries, path, depth + 1, remarks, &mut inner);
                let inner = inner.trim_start();
                out.push_str(&format!("{indent}- {inner}"));
            }
            Piece::List(inner) if !inner.is_empty() => {
                out.push_str(&format!("{indent}-\n"));
                write_list(inner, path, depth + 1, remarks, out);
            }
            item => write_piece(&format!("{indent}-"), item, path, depth, remarks, out),
        }
        path.pop();
    }
}

fn line(text: &str, path: &[String], remarks: &Remarks<'_>, out: &mut String) {
    match (remarks.behind)(path) {
        Some(remark) => out.push_str(&format!("{text:<40} # {remark}\n")),
        None => out.push_str(&format!("{text}\n")),
    }
}

/// `project` in the form of `wharf.yaml`.
pub(super) fn project(project: &Project, defaults: Defaults) -> Vec<(String, Piece)> {
    let writer = Writer { root: &project.root, all: defaults == Defaults::Shown };
    let mut out = vec![("name".to_owned(), text(project.name.as_str()))];
    let artifacts = project.artifacts.values();
    let artifacts =
        artifacts.map(|artifact| (artifact.name.to_string(), writer.artifact(artifact)));
    writer.section(&mut out, "images", artifacts.collect());
    let (mut helm, mut kustomize, mut manifests) = (vec![], vec![], vec![]);
    for release in project.releases.values() {
        let name = release.name.to_string();
        match &release.source {
            ReleaseSource::Helm(source) => helm.push((name, writer.helm(release, source))),
            ReleaseSource::Manifests(ManifestSource::Kustomize(source)) => {
                let mut own = vec![("path".to_owned(), writer.path(&source.folder))];
                writer.list(&mut own, "flags", texts(&source.flags));
                kustomize.push((name, writer.plain(release, own)));
            }
            ReleaseSource::Manifests(ManifestSource::Files(files)) => {
                let files = files.iter().map(|file| writer.path(Path::new(file))).collect();
                let own = vec![("files".to_owned(), Piece::List(files))];
                manifests.push((name, writer.plain(release, own)));
            }
        }
    }
    writer.section(&mut out, "releases", helm);
    let derived_name = |name: &str, path: &str| derived(path, "kustomize") == name;
    writer.named_or_listed(&mut out, "kustomize", kustomize, derived_name);
    let is_only = manifests.len() == 1;
    let manifests_name = |name: &str, _: &str| is_only && name == "manifests";
    writer.named_or_listed(&mut out, "manifests", manifests, manifests_name);
    let forwards: Vec<Piece> =
        project.forwards.iter().map(|forward| writer.forward(forward)).collect();
    if writer.all || !forwards.is_empty() {
        out.push(("forward".to_owned(), Piece::List(forwards)));
    }
    let logs = if project.logs.off {
        Some(Piece::Scalar("false".to_owned()))
    } else if writer.all || project.logs != LogFilter::default() {
        let mut logs = vec![];
        writer.list(&mut logs, "exclude", texts(&project.logs.exclude));
        if project.logs.prefix != LogPrefix::default() {
            logs.push(("prefix".to_owned(), text(project.logs.prefix.name())));
        }
        rare(&mut logs, "jsonFields", texts(&project.logs.json_fields));
        Some(Piece::Map(logs))
    } else {
        None
    };
    out.extend(logs.map(|logs| ("logs".to_owned(), logs)));
    let mut cluster = vec![];
    let choice = &project.cluster;
    writer.optional(
        &mut cluster,
        "context",
        choice.context.as_ref().map(|name| text(name.as_str())),
    );
    writer.optional(
        &mut cluster,
        "namespace",
        choice.namespace.as_ref().map(|name| text(name.as_str())),
    );
    writer.list(&mut cluster, "allow", texts(&choice.allow));
    writer.section(&mut out, "cluster", cluster);
    writer.optional(&mut out, "registry", project.registry.as_deref().map(text));
    writer.list(&mut out, "insecureRegistries", texts(&project.insecure_registries));
    if project.registry_names != RegistryNames::default() {
        out.push(("registryNames".to_owned(), text(project.registry_names.name())));
    }
    out
}

struct Writer<'w> {
    root: &'w Path,
    all: bool,
}

impl Writer<'_> {
    fn path(&self, path: &Path) -> Piece {
        text(&said(path, self.root))
    }

    fn section(&self, out: &mut Vec<(String, Piece)>, name: &str, entries: Vec<(String, Piece)>) {
        if self.all || !entries.is_empty() {
            out.push((name.to_owned(), Piece::Map(entries)));
        }
    }

    /// Entries by name, or as a list where each has the name that it would get in one.
    fn named_or_listed(
        &self,
        out: &mut Vec<(String, Piece)>,
        section: &str,
        entries: Vec<(String, Piece)>,
        is_derived: impl Fn(&str, &str) -> bool,
    ) {
        let only = |piece: &Piece| match piece {
            Piece::Map(keys) => match keys.as_slice() {
                [(_, only)] => Some(only.clone()),
                _ => None,
            },
            Piece::Scalar(_) | Piece::List(_) => None,
        };
        let listed = entries.iter().map(|(name, entry)| {
            let only = only(entry)?;
            let path = match &only {
                Piece::Scalar(path) => path.as_str(),
                Piece::List(_) | Piece::Map(_) => "",
            };
            is_derived(name, path).then_some(only)
        });
        match listed.collect::<Option<Vec<Piece>>>() {
            Some(pieces) if !pieces.is_empty() && !self.all => {
                let flat = pieces.into_iter().flat_map(|piece| match piece {
                    Piece::List(items) => items,
                    piece => vec![piece],
                });
                out.push((section.to_owned(), Piece::List(flat.collect())));
            }
            _ => self.section(out, section, entries),
        }
    }

    fn optional(&self, out: &mut Vec<(String, Piece)>, name: &str, piece: Option<Piece>) {
        match piece {
            Some(piece) => out.push((name.to_owned(), piece)),
            None if self.all => out.push((name.to_owned(), Piece::Scalar("null".to_owned()))),
            None => {}
        }
    }

    fn list(&self, out: &mut Vec<(String, Piece)>, name: &str, piece: Piece) {
        if self.all || piece != Piece::List(vec![]) {
            out.push((name.to_owned(), piece));
        }
    }

    fn map(&self, out: &mut Vec<(String, Piece)>, name: &str, entries: Vec<(String, Piece)>) {
        if self.all || !entries.is_empty() {
            out.push((name.to_owned(), Piece::Map(entries)));
        }
    }

    fn switch(&self, out: &mut Vec<(String, Piece)>, name: &str, value: bool) {
        if self.all || value {
            out.push((name.to_owned(), Piece::Scalar(value.to_string())));
        }
    }

    fn artifact(&self, artifact: &Artifact) -> Piece {
        let mut out = vec![];
        let mut needs: Vec<String> = artifact.needs.iter().map(ToString::to_string).collect();
        match &artifact.builder {
            Builder::Docker(docker) => {
                self.docker(&mut out, docker);
                let through_contexts = |need: &String| {
                    docker.contexts.values().any(|context| {
                        matches!(context, NamedContext::Artifact(name) if name.as_str() == need)
                    })
                };
                needs.retain(|need| self.all || !through_contexts(need));
            }
            Builder::Command(command) => {
                out.push(("command".to_owned(), text(&command.command)));
                if self.all || command.dir != self.root {
                    out.push(("dir".to_owned(), self.path(&command.dir)));
                }
                out.push(("inputs".to_owned(), texts(&command.inputs)));
                self.list(&mut out, "ignore", texts(&command.ignore));
                let env = command.env.iter().map(|(name, value)| (name.clone(), text(value)));
                self.map(&mut out, "env", env.collect());
            }
        }
        let platform = artifact.platform.as_ref().map(|platform| text(&platform.to_string()));
        self.optional(&mut out, "platform", platform);
        self.list(&mut out, "needs", texts(&needs));
        let tag = artifact.also_tagged.as_ref().map(|tag| text(&tag.to_string()));
        self.optional(&mut out, "tag", tag);
        self.hooks(&mut out, &artifact.hooks);
        Piece::Map(out)
    }

    fn docker(&self, out: &mut Vec<(String, Piece)>, docker: &DockerBuild) {
        let says_nothing_else = *docker == DockerBuild::at(self.root);
        if self.all || docker.context != self.root || says_nothing_else {
            out.push(("context".to_owned(), self.path(&docker.context)));
        }
        if self.all || docker.dockerfile != docker.context.join("Dockerfile") {
            out.push(("dockerfile".to_owned(), self.path(&docker.dockerfile)));
        }
        self.optional(out, "target", docker.target.as_deref().map(text));
        let args = docker.args.iter().map(|(name, value)| (name.clone(), text(value)));
        self.map(out, "args", args.collect());
        let secrets = docker.secrets.iter().map(|secret| {
            let source = match &secret.source {
                SecretSource::File(path) => ("file".to_owned(), self.path(path)),
                SecretSource::Env(name) => ("env".to_owned(), text(name)),
            };
            Piece::Map(vec![("id".to_owned(), text(&secret.id)), source])
        });
        self.list(out, "secrets", Piece::List(secrets.collect()));
        let agents = docker.ssh.iter().map(|agent| match &agent.socket {
            None => text(&agent.id),
            Some(socket) => Piece::Map(vec![
                ("id".to_owned(), text(&agent.id)),
                ("socket".to_owned(), self.path(socket)),
            ]),
        });
        self.list(out, "ssh", Piece::List(agents.collect()));
        let contexts = docker.contexts.iter().map(|(name, context)| {
            let context = match context {
                NamedContext::Folder(path) => self.path(path),
                NamedContext::Artifact(name) => text(name.as_str()),
                NamedContext::Image(reference) => text(&format!("docker-image://{reference}")),
            };
            (name.clone(), context)
        });
        self.map(out, "contexts", contexts.collect());
        self.optional(out, "network", docker.network.as_deref().map(text));
        self.list(out, "addHosts", texts(&docker.add_hosts));
    }

    fn helm(&self, release: &Release, source: &HelmSource) -> Piece {
        let mut out = vec![];
        match &source.chart {
            Chart::Path(path) => out.push(("chart".to_owned(), self.path(path))),
            Chart::Remote { chart, repo, version } => {
                out.push(("chart".to_owned(), text(chart)));
                self.optional(&mut out, "repo", repo.as_deref().map(text));
                self.optional(&mut out, "version", version.as_deref().map(text));
            }
        }
        let mut package = vec![];
        let Packaging { version, app_version } = &source.packaging;
        package.extend(version.as_deref().map(|version| ("version".to_owned(), text(version))));
        package
            .extend(app_version.as_deref().map(|version| ("appVersion".to_owned(), text(version))));
        rare(&mut out, "package", Piece::Map(package));
        let values = source.values.iter().map(|path| self.path(path)).collect();
        self.list(&mut out, "values", Piece::List(values));
        let values = source.secret_values.iter().map(|path| self.path(path)).collect();
        rare(&mut out, "secretValues", Piece::List(values));
        let set = source.set.iter().map(|(name, value)| (undotted(name), anything(value)));
        self.map(&mut out, "set", set.collect());
        let values =
            source.image_values.iter().map(|(key, value)| (key.clone(), text(&value.to_string())));
        self.map(&mut out, "imageValues", values.collect());
        self.list(&mut out, "flags", texts(&source.flags));
        self.common(&mut out, release);
        self.switch(&mut out, "rollbackOnFailure", source.rollback_on_failure);
        self.switch(&mut out, "skipCrds", source.skip_crds);
        Piece::Map(out)
    }

    fn plain(&self, release: &Release, mut out: Vec<(String, Piece)>) -> Piece {
        self.common(&mut out, release);
        Piece::Map(out)
    }

    fn common(&self, out: &mut Vec<(String, Piece)>, release: &Release) {
        let namespace = release.namespace.as_ref().map(|name| text(name.as_str()));
        self.optional(out, "namespace", namespace);
        let default = WaitRule::default();
        let mut wait = vec![];
        if self.all || release.wait.ready != default.ready {
            wait.push(("ready".to_owned(), Piece::Scalar(release.wait.ready.to_string())));
        }
        if self.all || release.wait.timeout != default.timeout {
            wait.push(("timeout".to_owned(), text(&span_text(release.wait.timeout))));
        }
        self.map(out, "wait", wait);
        self.hooks(out, &release.hooks);
        let after: Vec<String> = release.after.iter().map(ToString::to_string).collect();
        self.list(out, "after", texts(&after));
        self.alterations(out, release);
    }

    /// What is done to what a release renders to.
    fn alterations(&self, out: &mut Vec<(String, Piece)>, release: &Release) {
        let Alterations { setters, functions, images } = &release.alterations;
        let pairs = |pairs: &BTreeMap<String, String>| -> Vec<(String, Piece)> {
            pairs.iter().map(|(name, value)| (name.clone(), text(value))).collect()
        };
        // A chart has values instead.
        if !matches!(release.source, ReleaseSource::Helm(_)) || !setters.is_empty() {
            self.map(out, "setters", pairs(setters));
        }
        let functions = functions.iter().map(|function| {
            let mut one = vec![("name".to_owned(), text(function.kind.name()))];
            rare(&mut one, "with", Piece::Map(pairs(&function.with)));
            Piece::Map(one)
        });
        self.list(out, "functions", Piece::List(functions.collect()));
        let rules = images.iter().map(|rule| {
            let mut one = vec![("kind".to_owned(), text(&rule.kind))];
            rare(&mut one, "paths", texts(&rule.paths));
            Piece::Map(one)
        });
        self.list(out, "imageRules", Piece::List(rules.collect()));
    }

    fn hooks(&self, out: &mut Vec<(String, Piece)>, hooks: &Hooks) {
        let all = |hooks: &[Hook]| Piece::List(hooks.iter().map(|hook| self.hook(hook)).collect());
        let mut both = vec![];
        rare(&mut both, "before", all(&hooks.before));
        rare(&mut both, "after", all(&hooks.after));
        self.map(out, "hooks", both);
    }

    fn hook(&self, hook: &Hook) -> Piece {
        let mut out = vec![("command".to_owned(), texts(&hook.command))];
        match &hook.place {
            HookPlace::Host(folder) if self.all || folder != self.root => {
                out.push(("dir".to_owned(), self.path(folder)));
            }
            HookPlace::Host(_) => {}
            HookPlace::Container { pod, container } => {
                let every = || Some(text("*"));
                let pod_piece = pod.as_deref().map(text);
                let is_bare = pod.is_none() && container.is_none();
                self.optional(&mut out, "pod", pod_piece.or_else(|| is_bare.then(every).flatten()));
                self.optional(&mut out, "container", container.as_deref().map(text));
            }
        }
        Piece::Map(out)
    }

    fn forward(&self, forward: &Forward) -> Piece {
        let port = forward.port.as_ref().map(|port| match port {
            ForwardPort::Number(number) => number.to_string(),
            ForwardPort::Name(name) => name.clone(),
        });
        let target = format!("{}/{}", forward.kind, forward.name);
        if forward.namespace.is_none() && forward.address.is_none() && !self.all {
            return match (port, forward.local) {
                (Some(port), Some(local)) => {
                    Piece::Map(vec![(target, text(&format!("{local}:{port}")))])
                }
                (Some(port), None) => {
                    let piece = match forward.port {
                        Some(ForwardPort::Number(_)) => Piece::Scalar(port),
                        _ => text(&port),
                    };
                    Piece::Map(vec![(target, piece)])
                }
                (None, None) => text(&target),
                (None, Some(_)) => self.full_forward(forward, None),
            };
        }
        self.full_forward(forward, port)
    }

    fn full_forward(&self, forward: &Forward, port: Option<String>) -> Piece {
        let mut out = vec![if forward.kind == "service" {
            ("service".to_owned(), text(&forward.name))
        } else {
            ("workload".to_owned(), text(&format!("{}/{}", forward.kind, forward.name)))
        }];
        let port = port.map(|port| match forward.port {
            Some(ForwardPort::Number(_)) => Piece::Scalar(port),
            _ => text(&port),
        });
        self.optional(&mut out, "port", port);
        let local =
            if self.all { super::super::resolve::local_port(forward) } else { forward.local };
        self.optional(&mut out, "local", local.map(|local| Piece::Scalar(local.to_string())));
        out.extend(
            forward.address.map(|address| ("address".to_owned(), text(&address.to_string()))),
        );
        let namespace = forward.namespace.as_ref().map(|name| text(name.as_str()));
        self.optional(&mut out, "namespace", namespace);
        Piece::Map(out)
    }
}

/// Adds what few projects have: only where it is given, so that the rest is not lost in it.
fn rare(out: &mut Vec<(String, Piece)>, name: &str, piece: Piece) {
    if piece != Piece::List(vec![]) && piece != Piece::Map(vec![]) {
        out.push((name.to_owned(), piece));
    }
}

fn texts<T: AsRef<str>>(values: &[T]) -> Piece {
    Piece::List(values.iter().map(|value| text(value.as_ref())).collect())
}

/// A key of `set` whose dots are its own.
fn undotted(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.")
}

fn anything(value: &Value) -> Piece {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Piece::Scalar(value.to_string()),
        Value::String(value) => text(value),
        Value::Array(items) => Piece::List(items.iter().map(anything).collect()),
        Value::Object(entries) => Piece::Map(
            entries.iter().map(|(name, value)| (name.clone(), anything(value))).collect(),
        ),
    }
}
