//! What a chart shows without Helm: images in its values, services in its templates.
//!
//! Templates are read line by line: simple expressions on values are filled in, control lines are
//! dropped, and what remains unreadable is left out. It is a guess that rendering checks later.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::resolve::fit;
use super::deployable::{Deployable, Shape};
use super::listing::{Listing, folder_of, is_below, is_yaml, joined, name_of};
use super::objects::{Found, images, repository, services};

static EXPRESSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{-?\s*(.*?)\s*-?\}\}").expect("it is a regular expression"));

/// Stands for what could not be read; no name and no port.
const UNREAD: &str = "__UNREAD__";

/// Folders of charts that can be installed: no libraries, no parts of other charts.
pub(super) fn charts(listing: &Listing) -> Vec<String> {
    let folders: Vec<&str> = listing
        .files
        .keys()
        .filter(|path| name_of(path) == "Chart.yaml")
        .map(|path| folder_of(path))
        .collect();
    let is_inner =
        |folder: &str| folders.iter().any(|outer| *outer != folder && is_below(folder, outer));
    let mut dependencies = Vec::new();
    for folder in &folders {
        let document = metadata(listing, folder);
        let all = document["dependencies"].as_array().cloned().unwrap_or_default();
        dependencies.extend(all.iter().filter_map(|dependency| {
            let path = dependency["repository"].as_str()?.strip_prefix("file://")?;
            joined(folder, path)
        }));
    }
    let is_library = |folder: &str| metadata(listing, folder)["type"].as_str() == Some("library");
    folders
        .iter()
        .filter(|folder| {
            !is_inner(folder) && !is_library(folder) && !dependencies.iter().any(|d| d == *folder)
        })
        .map(|folder| (*folder).to_owned())
        .collect()
}

/// The chart in `folder` as one thing to install.
pub(super) fn deployable(listing: &Listing, folder: &str) -> Deployable {
    let chart = chart_name(listing, folder);
    let release = fit(&chart, 53);
    let release = if release.is_empty() { "chart".to_owned() } else { release };
    let values = values(listing, folder);
    let mut found = BTreeMap::new();
    let mut objects = Vec::new();
    read(listing, folder, &release, &values, &mut found, &mut objects);
    for (image, file) in images(&objects) {
        found.entry(image).or_insert(file);
    }
    Deployable {
        name: release,
        shape: Shape::Chart { folder: said(folder) },
        said: said(folder),
        why: format!("{}Chart.yaml", prefix(folder)),
        found_by_image: found,
        services: services(&objects, true),
    }
}

/// Adds what the chart in `folder` and its inner charts show.
fn read(
    listing: &Listing,
    folder: &str,
    release: &str,
    values: &Value,
    found: &mut BTreeMap<String, String>,
    objects: &mut Vec<Found>,
) {
    let at = format!("{}values.yaml", prefix(folder));
    images_in_values(values, &mut vec![], &at, found);
    let scope = Scope { release, chart: &chart_name(listing, folder), values };
    let templates = format!("{}templates", prefix(folder));
    for (path, text) in listing.below(&templates) {
        let Some(text) = text.filter(|_| is_yaml(path)) else { continue };
        objects.extend(scope.objects(text).into_iter().map(|object| (object, path.to_owned())));
    }
    let charts = format!("{}charts", prefix(folder));
    let inner: Vec<&str> = listing
        .below(&charts)
        .filter(|(path, _)| name_of(path) == "Chart.yaml" && folder_of(folder_of(path)) == charts)
        .map(|(path, _)| folder_of(path))
        .collect();
    for inner in inner {
        let name = chart_name(listing, inner);
        let mut own = self::values(listing, inner);
        if let Some(over) = values.get(&name) {
            overlay(&mut own, over);
        }
        read(listing, inner, release, &own, found, objects);
    }
}

fn prefix(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

fn said(folder: &str) -> String {
    if folder.is_empty() { ".".to_owned() } else { folder.to_owned() }
}

fn metadata(listing: &Listing, folder: &str) -> Value {
    let text = listing.text(&format!("{}Chart.yaml", prefix(folder))).unwrap_or_default();
    serde_saphyr::from_str(text).unwrap_or(Value::Null)
}

fn chart_name(listing: &Listing, folder: &str) -> String {
    let document = metadata(listing, folder);
    document["name"].as_str().unwrap_or_else(|| name_of(folder)).to_owned()
}

fn values(listing: &Listing, folder: &str) -> Value {
    let text = listing.text(&format!("{}values.yaml", prefix(folder))).unwrap_or_default();
    serde_saphyr::from_str(text).unwrap_or(Value::Null)
}

fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Finds `repository: api`, `image: api:1`, `apiImage: api:1` and `image: {name: api}`.
fn images_in_values(
    value: &Value,
    path: &mut Vec<String>,
    file: &str,
    found: &mut BTreeMap<String, String>,
) {
    let Value::Object(entries) = value else {
        if let Value::Array(items) = value {
            items.iter().for_each(|item| images_in_values(item, path, file, found));
        }
        return;
    };
    let below_image = path.last().is_some_and(|key| key.to_lowercase().ends_with("image"));
    let is_image =
        below_image || ["tag", "pullPolicy", "digest"].iter().any(|key| entries.contains_key(*key));
    for (key, value) in entries {
        path.push(key.clone());
        let is_text_image = key == "image" || key.ends_with("Image");
        let text = match (key.as_str(), value.as_str()) {
            ("repository", Some(text)) if is_image => Some(text),
            ("name", Some(text)) if below_image && !entries.contains_key("repository") => {
                Some(text)
            }
            (_, Some(text)) if is_text_image => Some(text),
            _ => None,
        };
        let registry = entries.get("registry").and_then(Value::as_str);
        let registry = registry.filter(|registry| !registry.is_empty() && key == "repository");
        let full = text.map(|text| match registry {
            Some(registry) => format!("{registry}/{text}"),
            None => text.to_owned(),
        });
        match full.as_deref().filter(|text| !text.is_empty()).and_then(repository) {
            Some(image) => {
                found.entry(image).or_insert_with(|| format!("{file} ({})", path.join(".")));
            }
            None => images_in_values(value, path, file, found),
        }
        path.pop();
    }
}

/// What a template's expressions may name.
struct Scope<'s> {
    release: &'s str,
    chart: &'s str,
    values: &'s Value,
}

impl Scope<'_> {
    /// The objects of a template, as far as they can be read.
    fn objects(&self, text: &str) -> Vec<Value> {
        text.split("\n---")
            .filter(|document| !document.contains("{{- range") && !document.contains("{{ range"))
            .filter_map(|document| self.object(document))
            .collect()
    }

    fn object(&self, document: &str) -> Option<Value> {
        let mut lines = Vec::new();
        for line in document.lines() {
            if let Some(condition) = condition(line) {
                let is_off = self
                    .value(condition)
                    .is_some_and(|value| matches!(value, Value::Bool(false) | Value::Null));
                let indent = line.len() - line.trim_start().len();
                // The whole document is off; conditions further in are taken as met.
                if is_off && indent == 0 {
                    return None;
                }
                continue;
            }
            let filled = self.filled(line);
            let rest = filled.trim();
            let is_only_unread = rest == UNREAD || (rest.is_empty() && line.contains("{{"));
            if !is_only_unread && !rest.starts_with("---") {
                lines.push(filled);
            }
        }
        let object: Value = serde_saphyr::from_str(&lines.join("\n")).ok()?;
        object["kind"].is_string().then_some(object)
    }

    /// `line` with its expressions filled in.
    fn filled(&self, line: &str) -> String {
        EXPRESSION
            .replace_all(line, |captures: &regex::Captures<'_>| {
                let inside = &captures[1];
                if is_control(inside) {
                    return String::new();
                }
                self.expression(inside).unwrap_or_else(|| UNREAD.to_owned())
            })
            .into_owned()
    }

    fn expression(&self, text: &str) -> Option<String> {
        let mut parts = text.split('|').map(str::trim);
        let mut value = self.term(parts.next()?);
        for filter in parts {
            let mut words = filter.split_whitespace();
            match words.next()? {
                "quote" | "squote" | "int" | "toString" | "trunc" | "trimSuffix" | "trim" => {}
                "default" => {
                    let given = value.filter(|text| !text.is_empty());
                    value = given.or_else(|| self.term(words.next()?));
                }
                _ => return None,
            }
        }
        value
    }

    fn term(&self, text: &str) -> Option<String> {
        let text = text.trim_start_matches('(').trim_end_matches(')').trim();
        if let Some(literal) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            return (!literal.contains('"')).then(|| literal.to_owned());
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [".Release.Name" | "$.Release.Name"] => Some(self.release.to_owned()),
            [".Chart.Name" | "$.Chart.Name"] => Some(self.chart.to_owned()),
            ["include" | "template", name, _] if name.trim_matches('"').ends_with(".fullname") => {
                Some(self.full_name())
            }
            ["include" | "template", name, _] if name.trim_matches('"').ends_with(".name") => {
                Some(self.text("nameOverride").unwrap_or_else(|| self.chart.to_owned()))
            }
            ["default", otherwise, path] => self.term(path).or_else(|| self.term(otherwise)),
            [path] => match self.value(path)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(value) => Some(value.to_string()),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name that `helm create` gives: the release's where it holds the chart's.
    fn full_name(&self) -> String {
        if let Some(name) = self.text("fullnameOverride") {
            return name;
        }
        let name = self.text("nameOverride").unwrap_or_else(|| self.chart.to_owned());
        if self.release.contains(&name) {
            self.release.to_owned()
        } else {
            format!("{}-{name}", self.release)
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.values.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The value at `.Values.a.b`.
    fn value(&self, path: &str) -> Option<&Value> {
        let path = path.strip_prefix('$').unwrap_or(path).strip_prefix(".Values.")?;
        path.split('.').try_fold(self.values, |value, key| value.get(key))
    }
}

/// The condition of a line that is nothing but `{{ if … }}`.
fn condition(line: &str) -> Option<&str> {
    let captures = EXPRESSION.captures(line.trim())?;
    let whole = captures.get(0)?;
    let inside = captures.get(1)?.as_str();
    let is_alone = whole.as_str().len() == line.trim().len();
    is_alone.then(|| inside.strip_prefix("if ")).flatten().map(str::trim)
}

fn is_control(inside: &str) -> bool {
    let first = inside.split_whitespace().next().unwrap_or_default();
    matches!(first, "if" | "else" | "end" | "with" | "range" | "define" | "block")
        || inside.starts_with("/*")
        || inside.contains(":=")
}
