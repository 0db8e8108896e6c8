//! What Helm's error text means.
//!
//! Helm 3 and 4 tell failures only as text on stderr; the sentences recognised here come from
//! their sources and have been stable for years. What is not recognised is shown as it is.

use super::hooks::HookFailure;
use super::{DeployError, refusal};
use crate::model::{Chart, HelmSource, Namespace, ReleaseName};
use crate::tools::ToolError;

/// What is known besides Helm's words.
pub(super) struct Circumstances<'a> {
    pub(super) release: &'a ReleaseName,
    pub(super) namespace: &'a Namespace,
    pub(super) source: &'a HelmSource,
    pub(super) failed_hook: Option<HookFailure>,
}

/// Names the failure of a `helm upgrade --install`.
pub(super) fn explain(error: ToolError, known: Circumstances<'_>) -> DeployError {
    let release = known.release.clone();
    match &error {
        ToolError::Missing { .. } => return DeployError::HelmMissing,
        ToolError::Cancelled { .. } => return DeployError::Cancelled { release },
        _ => {}
    }
    let text = message(error.output_tail());
    if text.contains("hooks failed")
        || text.contains("failed pre-")
        || text.contains("failed post-")
    {
        return hook(release, &text, known.failed_hook);
    }
    if let Some((_, names)) = text.split_once("missing in charts/ directory: ") {
        let names = names.lines().next().unwrap_or_default().trim().to_owned();
        return DeployError::MissingDependency { release, names, chart: chart(known.source) };
    }
    if text.contains("another operation (install/upgrade/rollback) is in progress") {
        return DeployError::Pending {
            release,
            namespace: known.namespace.clone(),
            status: "pending".to_owned(),
            since: None,
            running: false,
            last_good: None,
        };
    }
    if let Some(at) = text.find("cannot be imported into the current release") {
        let what = object_before(&text[..at]);
        return DeployError::NotTheReleases { release, what, why: owner(&text[at..]) };
    }
    if let Some((place, why)) = template(&text) {
        let place = own_place(known.source, &place);
        return DeployError::Template { release, place, why };
    }
    if let Some((what, why)) = refused(&text) {
        if why.iter().any(|line| is_immutable(line)) {
            let by_hand = format!("kubectl delete {what} -n {}", known.namespace);
            return DeployError::Immutable { release, what, why: why.join("; "), by_hand };
        }
        let why = why.iter().map(|reason| refusal::plain(reason)).collect();
        return DeployError::Invalid { release, what, why };
    }
    DeployError::Helm { release, source: error }
}

/// Whether the server's words mean that a field cannot be changed.
pub(super) fn is_immutable(text: &str) -> bool {
    let phrases = [
        "field is immutable",
        "updates to statefulset spec for fields other than",
        "pod updates may not change fields other than",
        "cannot change roleRef",
        "is immutable after creation",
        "updates to parameters are forbidden",
    ];
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// Helm's message: from the line that begins with `Error:` on, without warnings before it.
fn message(lines: &[String]) -> String {
    let from = lines.iter().rposition(|line| line.starts_with("Error:")).unwrap_or(0);
    let text = lines[from..].join("\n");
    text.trim_start_matches("Error: ").to_owned()
}

fn chart(source: &HelmSource) -> String {
    match &source.chart {
        Chart::Path(path) => path.display().to_string(),
        Chart::Remote { chart, .. } => chart.clone(),
    }
}

fn hook(release: ReleaseName, text: &str, failed: Option<HookFailure>) -> DeployError {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = line.trim().trim_start_matches("* ");
    if let Some(failed) = failed {
        let helms = || line.rsplit(": ").next().unwrap_or_default().to_owned();
        let why = failed.how.unwrap_or_else(helms);
        return DeployError::Hook {
            release,
            hook: failed.hook,
            why,
            last_lines: failed.last_lines,
        };
    }
    // "job migrate failed: BackoffLimitExceeded"
    let named = line.strip_prefix("job ").and_then(|rest| rest.split_once(" failed"));
    let hook = named.map_or_else(|| "a hook".to_owned(), |(name, _)| format!("job/{name}"));
    DeployError::Hook { release, hook, why: line.to_owned(), last_lines: Vec::new() }
}

/// `path:line:column` and what is wrong there.
fn template(text: &str) -> Option<(String, String)> {
    let first = text.lines().next().unwrap_or_default();
    for opening in ["parse error at (", "execution error at ("] {
        if let Some((_, rest)) = first.split_once(opening) {
            let (place, why) = rest.split_once("): ")?;
            return Some((place.to_owned(), why.trim().to_owned()));
        }
    }
    if let Some((_, rest)) = first.split_once("YAML parse error on ") {
        let (path, why) = rest.split_once(": ")?;
        let line = why.split("line ").nth(1).and_then(|rest| rest.split(':').next());
        let place = line.map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"));
        return Some((place, why.rsplit(": ").next()?.trim().to_owned()));
    }
    if let Some(at) = first.find("template: ") {
        // template: shop/templates/a.yaml:12:20: executing "…" at <…>: why
        let rest = &first[at + "template: ".len()..];
        let (place, why) = rest.split_once(": ")?;
        let expression =
            why.strip_prefix("executing \"").and_then(|rest| rest.split_once("\" at "));
        let why = expression.map_or(why, |(_, why)| why);
        return Some((place.to_owned(), why.trim().to_owned()));
    }
    let values = ["failed to parse", "values don't meet the specifications of the schema"];
    values
        .iter()
        .any(|phrase| text.contains(phrase))
        .then(|| (String::new(), text.lines().map(str::trim).collect::<Vec<_>>().join(" ")))
}

/// A place as Helm names it (the chart's name, then the path in it, columns from 0), as the
/// person's own file.
fn own_place(source: &HelmSource, place: &str) -> String {
    let Chart::Path(chart) = &source.chart else { return place.to_owned() };
    let mut parts = place.splitn(3, ':');
    let inner = parts.next().and_then(|path| path.split_once('/')).map(|(_, inner)| inner);
    let Some(file) = inner.map(|inner| chart.join(inner)).filter(|file| file.is_file()) else {
        return place.to_owned();
    };
    let line = parts.next().map(|line| format!(":{line}")).unwrap_or_default();
    let column = parts.next().and_then(|column| column.parse::<usize>().ok());
    let column = column.map(|column| format!(":{}", column + 1)).unwrap_or_default();
    format!("{}{line}{column}", file.display())
}

/// Which object the server refuses, and why, one line each.
fn refused(text: &str) -> Option<(String, Vec<String>)> {
    if let Some((_, why)) = text.split_once("unable to build kubernetes objects") {
        let why = why.split_once(": ").map_or(why, |(_, why)| why);
        let why = why.trim_start_matches("error validating \"\": ");
        return Some(("a manifest".to_owned(), vec![why.trim().replace('\n', " ")]));
    }
    if let Some(at) = text.find("no matches for kind ") {
        // resource mapping not found for name: "x" namespace: "" from "": no matches for kind "X"
        // in version "v"\nensure CRDs are installed first
        let name = text[..at].rsplit("name: \"").next().and_then(|rest| rest.split('"').next());
        let kind = text[at..].split('"').nth(1).unwrap_or_default().to_lowercase();
        let what = name.map_or_else(|| "a manifest".to_owned(), |name| format!("{kind}/{name}"));
        return Some((what, text[at..].lines().map(str::to_owned).collect()));
    }
    if let Some(refused) = of_another_type(text) {
        return Some(refused);
    }
    let at = text.find("\" is invalid: ")?;
    // Deployment.apps "api" is invalid: spec.selector: Invalid value: …: field is immutable
    let (before, after) = (&text[..at], &text[at + "\" is invalid: ".len()..]);
    let (kind, name) = before.rsplit_once(" \"")?;
    let kind = kind.rsplit([' ', ':', '\n']).next()?.split('.').next()?.to_lowercase();
    let after = after.trim().trim_start_matches('[').trim_end_matches(']');
    let reasons = after.split(", spec.").enumerate().map(|(index, reason)| {
        if index == 0 { reason.to_owned() } else { format!("spec.{reason}") }
    });
    Some((format!("{kind}/{name}"), reasons.take(3).collect()))
}

/// The same for a value of another type than its field: Helm shows the whole object before it says
/// so, or names no object at all.
fn of_another_type(text: &str) -> Option<(String, Vec<String>)> {
    let at = text.find("json: cannot unmarshal")?;
    let why = refusal::plain(text[at..].lines().next()?);
    let named = |before: &str| {
        // cannot patch "api" with kind Deployment:  "" is invalid: patch: Invalid value: …
        let (_, rest) = text.split_once(before)?;
        let (name, rest) = rest.split_once("\" with kind ")?;
        Some(format!("{}/{name}", rest.split(':').next()?.to_lowercase()))
    };
    // Deployment in version "v1" cannot be handled as a Deployment: …
    let kind = text.split_once(" cannot be handled as a ").map(|(_, rest)| rest);
    let kind = kind.and_then(|rest| rest.split(':').next()).map(str::to_lowercase);
    let what = named("cannot patch \"").or(kind).unwrap_or_else(|| "a manifest".to_owned());
    Some((what, vec![why]))
}

/// `ConfigMap "settings" in namespace "shop" exists and` as `configmap/settings`.
fn object_before(text: &str) -> String {
    let mut words = text.split('"');
    let kind = words.next().and_then(|kind| kind.split_whitespace().next_back());
    match (kind, words.next()) {
        (Some(kind), Some(name)) => format!("{}/{name}", kind.to_lowercase()),
        _ => "an object".to_owned(),
    }
}

/// Whose an object is that Helm refuses to take over.
fn owner(text: &str) -> String {
    let other = text.split("\"meta.helm.sh/release-name\" must equal").nth(1);
    match other.and_then(|rest| rest.split("current value is \"").nth(1)?.split('"').next()) {
        Some(other) => format!("it belongs to release `{other}`"),
        None => "Helm has not made it".to_owned(),
    }
}
