//! Turns what Helm says into what a person needs: which file, which line, what is wrong.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::model::{Chart, HelmSource, Release};
use crate::tools::ToolError;

use super::chart;
use super::error::RenderError;
use super::snippet;
use super::yaml::{self, Duplicates};

/// `chart/templates/x.yaml:14:21`, with or without the column.
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"([A-Za-z0-9_][\w.+/-]*/[\w.+/-]*\.\w+):(\d+)(?::(\d+))?")
        .expect("the pattern is valid")
});

/// Whether a template rendered to something that is no YAML.
pub(super) fn is_in_rendered_yaml(error: &ToolError) -> bool {
    error.output_tail().iter().any(|line| line.contains("YAML parse error on "))
}

/// What a failed `helm template` means; `written` is what it shows of it with `--debug`.
pub(super) fn explain(
    release: &Release,
    source: &HelmSource,
    error: ToolError,
    written: &str,
) -> RenderError {
    let said = message(error.output_tail());
    let chart = match &source.chart {
        Chart::Path(path) => path.clone(),
        Chart::Remote { chart, .. } => PathBuf::from(chart),
    };
    if let Some((_, names)) = said.split_once("missing in charts/ directory:") {
        let names = names.split(',').map(|name| name.trim().to_owned()).collect();
        return RenderError::MissingDependencies { chart, names };
    }
    if said.contains("values don't meet the specifications of the schema") {
        let problems = said.lines().skip(1).map(|line| line.trim().to_owned());
        let problems = problems.filter(|line| !line.is_empty()).collect();
        return RenderError::Schema { release: release.name.clone(), problems };
    }
    if said.starts_with("cannot load values.yaml") || said.starts_with("failed to parse") {
        let own = chart.join("values.yaml");
        if let Some(problem) = source.values.iter().chain([&own]).find_map(|file| no_yaml(file)) {
            return problem;
        }
    }
    if let Some((_, rest)) = said.split_once("YAML parse error on ")
        && let Some((path, reason)) = rest.split_once(": ")
    {
        let reason = reason.trim_start_matches("error converting YAML to JSON: yaml: ");
        let message = format!("`{path}` renders to invalid YAML: {reason}");
        let snippet = draw_rendered(path, written).unwrap_or_default();
        let place = Some(path.to_owned());
        let release = release.name.clone();
        return RenderError::Template { release, message, place, snippet, help: None };
    }
    let is_of_template =
        ["template: ", "execution error at", "parse error at", "YAML parse error", "executing \""]
            .iter()
            .any(|sign| said.contains(sign));
    if !is_of_template {
        return fetching(release, &source.chart, error);
    }
    let place = Place::find(&said);
    let message = place.as_ref().map_or_else(|| said.clone(), |place| place.rest(&said));
    let drawn = place.map(|place| place.draw(&chart, &message)).unwrap_or_default();
    let Drawn { place, snippet, help } = drawn;
    RenderError::Template { release: release.name.clone(), message, place, snippet, help }
}

/// What it means that Helm did not get at a remote chart; of another error, that a tool failed.
pub(super) fn fetching(release: &Release, chart: &Chart, error: ToolError) -> RenderError {
    let said = message(error.output_tail());
    let Chart::Remote { chart, repo, version } = chart else {
        return RenderError::Tool { release: release.name.clone(), source: error };
    };
    let (place, name) = match (repo, chart.rsplit_once('/')) {
        (Some(repo), _) => (repo.clone(), chart.clone()),
        (None, Some((place, name))) => (place.to_owned(), name.to_owned()),
        (None, None) => ("the repositories that Helm knows".to_owned(), chart.clone()),
    };
    if UNREACHABLE.iter().any(|sign| said.contains(sign)) {
        let why = said.rsplit_once("\": ").map_or(said.as_str(), |(_, why)| why).to_owned();
        return RenderError::ChartUnreachable { chart: name, place, why };
    }
    if !said.contains("not found") {
        return RenderError::Tool { release: release.name.clone(), source: error };
    }
    let repo = repo.as_ref().map(|repo| format!(" --repo {repo}")).unwrap_or_default();
    let ask = format!("helm show chart {chart}{repo}");
    RenderError::NoSuchChart { chart: name, version: version.clone(), place, ask }
}

/// What a server that cannot be reached makes Helm say.
const UNREACHABLE: [&str; 6] = [
    "connection refused",
    "no such host",
    "i/o timeout",
    "deadline exceeded",
    "network is unreachable",
    "no route to host",
];

/// The first place that is no YAML in what the template at `path` rendered to.
fn draw_rendered(path: &str, written: &str) -> Option<String> {
    let marker = format!("# Source: {path}\n");
    let (_, rest) = written.split_once(&marker)?;
    let rest = rest.split_once("\n---\n# Source: ").map_or(rest, |(own, _)| own);
    let mut parts = yaml::split(rest).into_iter();
    parts.find_map(|(_, text)| {
        let problem = yaml::parse(text, Duplicates::LastCounts).err()?;
        Some(problem.draw(&format!("{path}, rendered"), text))
    })
}

/// What is wrong with `file`, if it is no YAML.
fn no_yaml(file: &Path) -> Option<RenderError> {
    let bytes = std::fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let problem = yaml::parse(&text, Duplicates::LastCounts).err()?;
    Some(RenderError::yaml(file, &text, problem))
}

/// Helm's message: what stands after `Error:`, without its advice.
fn message(tail: &[String]) -> String {
    let from = tail.iter().rposition(|line| line.starts_with("Error: ")).unwrap_or_default();
    let lines = tail[from..].iter().map(|line| line.strip_prefix("Error: ").unwrap_or(line));
    let lines = lines.take_while(|line| !line.starts_with("Use --debug flag"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The innermost place that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// As Helm names it: the chart's name, then the path in it.
    path: String,
    line: usize,
    /// In bytes, from 0, as Go's templates count.
    column: Option<usize>,
    /// Where the message goes on.
    end: usize,
}

impl Place {
    fn find(message: &str) -> Option<Self> {
        let captures = PLACE.captures_iter(message).last()?;
        Some(Self {
            path: captures.get(1)?.as_str().to_owned(),
            line: captures.get(2)?.as_str().parse().ok()?,
            column: captures.get(3).and_then(|column| column.as_str().parse().ok()),
            end: captures.get(0)?.end(),
        })
    }

    /// What the message says about this place.
    fn rest(&self, message: &str) -> String {
        static EXECUTING: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#"^executing "[^"]*" at (<(?s:.*?)>): ?"#).expect("the pattern is valid")
        });
        let rest = message[self.end..].trim_start_matches([')', ':', ' ', '\n']);
        let rest = EXECUTING.replace(rest, "$1: ");
        let lines: Vec<&str> =
            rest.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() { message.to_owned() } else { lines.join(" ") }
    }

    /// The place as text, and drawn where the file lies on this disk.
    fn draw(&self, chart: &Path, message: &str) -> Drawn {
        let column = self.column.map(|column| format!(":{}", column + 1)).unwrap_or_default();
        let file = chart::file_of_source(chart, &self.path);
        let shown = file.as_ref().map_or(self.path.clone(), |file| file.display().to_string());
        let place = Some(format!("{shown}:{}{column}", self.line));
        let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) else {
            return Drawn { place, ..Drawn::default() };
        };
        let line = text.lines().nth(self.line - 1).unwrap_or_default();
        let expression = expression(line, message);
        let span = match (&expression, self.column) {
            (Some((at, expression)), _) => Some(*at..at + expression.len()),
            (None, Some(column)) => snippet::letter(line, column),
            (None, None) => None,
        };
        // What is wrong stands in the first line already.
        let snippet = snippet::draw(&shown, &text, self.line, span, "");
        let help = expression.and_then(|(_, expression)| unset(expression, message));
        Drawn { place, snippet, help }
    }
}

/// How a place is told.
#[derive(Debug, Default)]
struct Drawn {
    place: Option<String>,
    snippet: String,
    help: Option<String>,
}

/// Where in `line` the expression stands that a message begins with, and the whole of it: Go's
/// templates show twenty characters.
fn expression<'l>(line: &'l str, message: &str) -> Option<(usize, &'l str)> {
    let (shown, _) = message.strip_prefix('<')?.split_once(">:")?;
    let shown = shown.strip_suffix("...").unwrap_or(shown);
    let at = line.find(shown)?;
    let rest = line[at + shown.len()..].find(|c: char| !(c.is_alphanumeric() || "._".contains(c)));
    let end = rest.map_or(line.len(), |rest| at + shown.len() + rest);
    Some((at, line[at..end].trim_end_matches('.')))
}

/// What to do about a value that is not set: `.Values.image.tga.x` asks for `x` of nothing.
fn unset(expression: &str, message: &str) -> Option<String> {
    let (_, asked) = message.split_once("nil pointer evaluating interface {}.")?;
    let asked = asked.split_whitespace().next()?;
    let path = expression.strip_prefix("$").unwrap_or(expression).strip_prefix(".Values.")?;
    let at = format!("{path}.").find(&format!(".{asked}."))?;
    let name = &path[..at];
    Some(format!("the values have no `{name}`: add it, or correct the name"))
}
