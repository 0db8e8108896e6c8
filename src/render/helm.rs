//! Drives `helm template`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::{
    ArtifactName, Chart, HelmSource, ImageRef, Namespace, Release, annotation, hook_events,
    template_flags,
};
use crate::tools::{ToolCommand, Tools};

use super::chart::ChartFiles;
use super::error::RenderError;
use super::helm_errors;
use super::scope::RenderScope;
use super::values;
use super::yaml::{self, Document, Duplicates};
use super::{packed, secrets};

/// Rendering a chart from this disk takes well below a second; a chart of a thousand templates on
/// a busy machine some ten.
const LOCAL_LIMIT: Duration = Duration::from_secs(90);

/// A remote chart is fetched first.
const REMOTE_LIMIT: Duration = Duration::from_secs(240);

/// The Helm that is on the `PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helm {
    /// 3 or 4.
    pub major: u32,
    /// Counts features within the major version.
    pub minor: u32,
    /// As it says itself, such as `v3.22.0`.
    pub version: String,
    /// Where it lies.
    pub path: PathBuf,
}

impl Helm {
    /// Asks `helm` for its version.
    ///
    /// # Errors
    ///
    /// [`RenderError::NoHelm`] where there is none, [`RenderError::UnknownHelm`] where it is
    /// neither Helm 3 nor Helm 4.
    pub async fn detect(tools: &Tools) -> Result<Self, RenderError> {
        let Some(path) = tools.find("helm") else { return Err(RenderError::NoHelm) };
        let command = tools.command("helm").args(["version", "--template", "{{.Version}}"]);
        let answer = match command.time_limit(Duration::from_secs(30)).run().await {
            Ok(output) => output.text().trim().to_owned(),
            Err(error) => return Err(RenderError::UnknownHelm { answer: error.to_string() }),
        };
        let numbers = answer.trim_start_matches('v').splitn(3, ['.', '-', '+']);
        let mut numbers = numbers.map_while(|number| number.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major @ (3 | 4)), minor) => {
                Ok(Self { major, minor: minor.unwrap_or_default(), version: answer, path })
            }
            _ => Err(RenderError::UnknownHelm { answer }),
        }
    }

    /// Whether post-renderers get hooks too.
    #[must_use]
    pub fn post_renders_hooks(&self) -> bool {
        self.major >= 4
    }

    fn can_skip_schemas(&self) -> bool {
        (self.major, self.minor) >= (3, 16)
    }
}

/// What a rendering is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To find out what comes of marks; a schema may refuse these.
    Probe,
    /// To be deployed.
    Deploy,
}

/// Renders `release` with `overlay` over the person's values.
pub(super) async fn template(
    scope: &RenderScope,
    release: &Release,
    source: &HelmSource,
    overlay: &Value,
    purpose: Purpose,
) -> Result<String, RenderError> {
    let helm = scope.helm().await?;
    let chart = packed::chart(scope, release, source).await?;
    let command = || command(scope, release, source, &chart, overlay, purpose, helm);
    let error = match command().run().await {
        Ok(output) => return Ok(output.text()),
        Err(error) => error,
    };
    let mut written = Vec::new();
    if helm_errors::is_in_rendered_yaml(&error) && purpose == Purpose::Deploy {
        // It fails as before, and shows what it could not read.
        let _ = command().arg("--debug").run_into(&mut written).await;
    }
    Err(helm_errors::explain(release, source, error, &String::from_utf8_lossy(&written)))
}

fn command(
    scope: &RenderScope,
    release: &Release,
    source: &HelmSource,
    chart: &Chart,
    overlay: &Value,
    purpose: Purpose,
    helm: &Helm,
) -> ToolCommand {
    let namespace = scope.namespace_of(release);
    let mut command = scope
        .tools
        .command("helm")
        .args(["template", release.name.as_str()])
        .args(chart_arguments(chart))
        .args(["--namespace", namespace.as_str()]);
    for file in &source.values {
        command = command.args(["-f", &one_item(&file.to_string_lossy())]);
    }
    command = command.args(["-f", "-"]).stdin(overlay.to_string());
    command = command.args(template_flags(&source.flags));
    command = command.arg(if source.skip_crds { "--skip-crds" } else { "--include-crds" });
    let says_version = source.flags.iter().any(|flag| flag.starts_with("--kube-version"));
    if let Some(version) = scope.kube_version.as_ref().filter(|_| !says_version) {
        command = command.args(["--kube-version", version]);
    }
    if !scope.api_versions.is_empty() {
        command = command.args(["--api-versions", &scope.api_versions.join(",")]);
    }
    if purpose == Purpose::Probe && helm.can_skip_schemas() {
        command = command.arg("--skip-schema-validation");
    }
    command.time_limit(match source.chart {
        Chart::Path(_) => LOCAL_LIMIT,
        Chart::Remote { .. } => REMOTE_LIMIT,
    })
}

/// `path` as one item of a flag that takes a comma-separated list.
fn one_item(path: &str) -> String {
    if path.contains([',', '"']) {
        format!("\"{}\"", path.replace('"', "\"\""))
    } else {
        path.to_owned()
    }
}

/// The arguments that name a chart, for `helm template`, `upgrade` and `pull` alike.
pub(super) fn chart_arguments(chart: &Chart) -> Vec<String> {
    match chart {
        Chart::Path(path) => vec![path.display().to_string()],
        Chart::Remote { chart, repo, version } => {
            let mut arguments = vec![chart.clone()];
            for (flag, value) in [("--repo", repo), ("--version", version)] {
                if let Some(value) = value {
                    arguments.extend([flag.to_owned(), value.clone()]);
                }
            }
            arguments
        }
    }
}

/// The files of a release's chart; a remote one is fetched for it.
pub(super) async fn chart_files(
    scope: &RenderScope,
    release: &Release,
    source: &HelmSource,
) -> Result<ChartFiles, RenderError> {
    if let Chart::Path(path) = &source.chart {
        return ChartFiles::read(path);
    }
    let unreadable = |source| RenderError::Unreadable { path: scope.folder.clone(), source };
    let folder =
        tempfile::Builder::new().prefix("chart-").tempdir_in(&scope.folder).map_err(unreadable)?;
    scope
        .tools
        .command("helm")
        .arg("pull")
        .args(chart_arguments(&source.chart))
        .args(pull_flags(&source.flags))
        .arg("--destination")
        .arg(folder.path())
        .time_limit(REMOTE_LIMIT)
        .run()
        .await
        .map_err(|error| helm_errors::fetching(release, &source.chart, error))?;
    let archive = std::fs::read_dir(folder.path())
        .map_err(unreadable)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    match archive {
        Some(archive) => ChartFiles::read(&archive),
        None => Err(RenderError::NoChart { path: folder.path().to_owned() }),
    }
}

/// All values of a release as they are without wharf.
pub(super) fn tree(
    files: &ChartFiles,
    source: &HelmSource,
    set: &Value,
) -> Result<Value, RenderError> {
    let mut tree = files.values();
    for file in &source.values {
        values::merge(&mut tree, &values_file(file)?);
    }
    values::merge(&mut tree, set);
    Ok(tree)
}

/// What lies over the values files: those that are decrypted, and `set:` with the values that are
/// made of `images`.
pub(super) async fn set(
    scope: &RenderScope,
    source: &HelmSource,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<Value, RenderError> {
    let mut tree = secrets::values(scope, source).await?;
    values::lay(&mut tree, &set_of(source, images));
    Ok(tree)
}

fn set_of(source: &HelmSource, images: &BTreeMap<ArtifactName, ImageRef>) -> Value {
    let mut tree = plain_set(source);
    for (key, text) in &source.image_values {
        let text = text.filled(|name| images.get(name).cloned());
        values::set_at(&mut tree, key, Value::String(text));
    }
    tree
}

/// Flags by which a chart is fetched, each with the number of words that it takes.
const FETCHING: &[(&str, usize)] = &[
    ("--ca-file", 2),
    ("--cert-file", 2),
    ("--devel", 1),
    ("--insecure-skip-tls-verify", 1),
    ("--key-file", 2),
    ("--keyring", 2),
    ("--pass-credentials", 1),
    ("--password", 2),
    ("--plain-http", 1),
    ("--username", 2),
    ("--verify", 1),
];

/// What of a release's flags `helm pull` takes, too.
fn pull_flags(flags: &[String]) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        let name = flag.split('=').next().unwrap_or_default();
        let Some((_, words)) = FETCHING.iter().find(|(known, _)| *known == name) else { continue };
        out.push(flag.as_str());
        if *words == 2 && !flag.contains('=') {
            out.extend(rest.next().map(String::as_str));
        }
    }
    out
}

/// What of `set:` says nothing of images.
pub(super) fn plain_set(source: &HelmSource) -> Value {
    Value::Object(source.set.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn values_file(file: &Path) -> Result<Value, RenderError> {
    let bytes = std::fs::read(file)
        .map_err(|source| RenderError::Unreadable { path: file.to_owned(), source })?;
    values_of(file, &String::from_utf8_lossy(&bytes))
}

/// The values in the `text` of `file`.
pub(super) fn values_of(file: &Path, text: &str) -> Result<Value, RenderError> {
    let value = yaml::parse(text, Duplicates::LastCounts)
        .map_err(|problem| RenderError::yaml(file, text, problem))?;
    Ok(if value.is_object() { value } else { Value::Object(Map::new()) })
}

/// What a chart renders to, sorted by what Helm does with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Parts {
    pub(super) objects: Vec<Document>,
    /// Without tests.
    pub(super) hooks: Vec<Document>,
    pub(super) crds: Vec<Document>,
}

impl Parts {
    /// Objects and hooks.
    pub(super) fn deployed(&self) -> impl Iterator<Item = &Document> {
        self.objects.iter().chain(&self.hooks)
    }
}

/// Reads what `helm template` wrote.
pub(super) fn parts(text: &str, release: &Release) -> Result<Parts, RenderError> {
    let documents = yaml::documents(text, Duplicates::LastCounts).map_err(|problem| {
        RenderError::RenderedYaml {
            tool: "helm template",
            release: release.name.clone(),
            snippet: problem.draw("rendered", text),
            message: problem.message,
        }
    })?;
    let mut parts = Parts::default();
    let mut source: Option<String> = None;
    for mut document in documents {
        // A file of `crds/` may have several documents, of which the first names its source.
        if document.source.is_none() {
            document.source.clone_from(&source);
        } else {
            source.clone_from(&document.source);
        }
        if document.value.get("kind").is_none() {
            continue;
        }
        if document.source.as_deref().is_some_and(is_crd_file) {
            parts.crds.push(document);
            continue;
        }
        let place = document.clone_without_value();
        for value in flattened(document.value) {
            let document = Document { value, ..place.clone() };
            match hook_events(&document.value) {
                None => parts.objects.push(document),
                Some(events) if events.iter().all(|event| event.starts_with("test")) => {}
                Some(_) => parts.hooks.push(document),
            }
        }
    }
    let weight = |document: &Document| {
        let annotation = annotation(&document.value, "helm.sh/hook-weight");
        annotation.and_then(|weight| weight.parse::<i64>().ok()).unwrap_or_default()
    };
    parts.hooks.sort_by_key(weight);
    Ok(parts)
}

/// Objects of `List` kinds, each on its own.
pub(super) fn flattened(value: Value) -> Vec<Value> {
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| {
        kind == "List"
            || (kind.ends_with("List") && value.get("items").is_some_and(Value::is_array))
    });
    match value {
        Value::Object(mut map) if is_list => match map.remove("items") {
            Some(Value::Array(items)) => items.into_iter().flat_map(flattened).collect(),
            _ => Vec::new(),
        },
        value => vec![value],
    }
}

/// Whether `source` (`chart/crds/a.yaml`, `chart/charts/sub/crds/a.yaml`) lies in a `crds` folder.
fn is_crd_file(source: &str) -> bool {
    let mut parts = source.split('/').skip(1).peekable();
    while parts.peek() == Some(&"charts") {
        parts.next();
        parts.next();
    }
    parts.next() == Some("crds")
}

/// The namespace that a release goes to.
pub(super) fn namespace<'a>(release: &'a Release, default: &'a Namespace) -> &'a Namespace {
    release.namespace.as_ref().unwrap_or(default)
}
