//! Whether what was rendered can run with the images that were built.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::model::ArtifactName;

use super::chart;
use super::error::{AlwaysPulled, HardCodedHook, RenderError, Suggestion};
use super::helm::Parts;
use super::images::{FoundImage, Targets};
use super::marks;
use super::search::{Assignment, Expression};
use super::values::{Step, ValuePath};
use super::yaml::Document;

/// What is known of a chart's values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) tree: &'a Value,
    pub(super) assignments: &'a [Assignment],
    /// The chart's folder, where it has one.
    pub(super) chart: Option<&'a Path>,
}

impl Known<'_> {
    /// The file that Helm calls `source`.
    fn file(&self, source: &str) -> String {
        let file = self.chart.and_then(|chart| chart::file_of_source(chart, source));
        file.map_or_else(|| source.to_owned(), |file| file.display().to_string())
    }
}

/// Checks that each hook has its images already: Helm 3 lets nobody put them in afterwards.
pub(super) fn hooks(parts: &Parts, known: Known<'_>, targets: &Targets) -> Result<(), RenderError> {
    for document in &parts.hooks {
        for found in targets.found_in(&document.value) {
            if targets.correction(&found.image).is_none() {
                continue;
            }
            let Some(artifact) = targets.artifact_of(&found.image) else { continue };
            return Err(RenderError::HardCodedHook(Box::new(HardCodedHook {
                artifact: artifact.clone(),
                workload: found.object.clone(),
                path: found.path.clone(),
                image: found.image.clone(),
                template: document.source.as_deref().map(|source| known.file(source)),
                suggestion: suggestion(artifact, &found, known),
            })));
        }
    }
    Ok(())
}

/// What a template should say in place of an image that it hard-codes.
fn suggestion(artifact: &ArtifactName, found: &FoundImage, known: Known<'_>) -> Suggestion {
    let of_artifact = |assignment: &&Assignment| assignment.expression.artifact() == Some(artifact);
    let plain = |assignment: &&Assignment| {
        assignment.path.0.iter().all(|step| matches!(step, Step::Key(_)))
    };
    for Assignment { path, expression } in
        known.assignments.iter().filter(of_artifact).filter(plain)
    {
        match expression {
            Expression::Reference { .. } => {
                let template = format!("{{{{ .Values.{path} | quote }}}}");
                return Suggestion { key: path.to_string(), exists: true, template };
            }
            Expression::Tag { .. } => {
                let Some(repository) = repository_beside(path, known.tree) else { continue };
                let template =
                    format!("\"{{{{ .Values.{repository} }}}}:{{{{ .Values.{path} }}}}\"");
                return Suggestion { key: path.to_string(), exists: true, template };
            }
            Expression::Digest(_) | Expression::Fixed(_) | Expression::Text(_) => {}
        }
    }
    let owner = found.container.as_deref().unwrap_or("image");
    let mut words = owner.split(|c: char| !c.is_ascii_alphanumeric());
    let first = words.next().unwrap_or_default().to_owned();
    let camel = words.fold(first, |mut camel, word| {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
        camel
    });
    let key = format!("{camel}.image");
    let template = format!("{{{{ .Values.{key} | quote }}}}");
    Suggestion { key: format!("{key}: {artifact}"), exists: false, template }
}

/// The key of the repository that stands beside the tag at `path`.
fn repository_beside(path: &ValuePath, tree: &Value) -> Option<ValuePath> {
    let around = path.parent();
    let map = around.get(tree)?.as_object()?;
    let key =
        ["repository", "name", "image", "repo"].into_iter().find(|key| map.contains_key(*key))?;
    // A registry beside it would belong in front.
    if map.keys().any(|key| key.to_ascii_lowercase().ends_with("registry")) {
        return None;
    }
    Some(around.key(key))
}

/// Checks that no image which is only on the nodes is to be pulled each time.
pub(super) fn pull_policies(
    parts: &Parts,
    known: Known<'_>,
    targets: &Targets,
) -> Result<(), RenderError> {
    for document in parts.deployed() {
        for found in targets.found_in(&document.value) {
            let Some(artifact) = targets.artifact_of(&found.image) else { continue };
            if found.pull_policy.as_deref() != Some("Always") {
                continue;
            }
            let around = found.path.rsplit_once('.').map_or("", |(around, _)| around);
            return Err(RenderError::AlwaysPulled(Box::new(AlwaysPulled {
                workload: found.object.clone(),
                path: format!("{around}.imagePullPolicy"),
                image: found.image.clone(),
                key: policy_key(artifact, known).map(|path| path.to_string()),
                file: document.source.as_deref().map(|source| known.file(source)),
            })));
        }
    }
    Ok(())
}

/// The value that says `Always` nearest to where the image's tag stands.
fn policy_key(artifact: &ArtifactName, known: Known<'_>) -> Option<ValuePath> {
    let mut found = Vec::new();
    each_policy(known.tree, &ValuePath::default(), &mut found);
    let near = |path: &ValuePath| {
        let of_artifact = known
            .assignments
            .iter()
            .filter(|assignment| assignment.expression.artifact() == Some(artifact));
        of_artifact.map(|assignment| assignment.path.shared_steps(path)).max().unwrap_or_default()
    };
    let nearest = found.iter().map(near).max()?;
    let mut at_best = found.into_iter().filter(|path| near(path) == nearest);
    // Of two that are equally near neither can be named.
    match (at_best.next(), at_best.next()) {
        (Some(path), None) => Some(path),
        _ => None,
    }
}

fn each_policy(value: &Value, path: &ValuePath, found: &mut Vec<ValuePath>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                each_policy(value, &path.key(key), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_policy(item, &path.index(index), found);
            }
        }
        Value::String(text)
            if text == "Always" && path.last_key().to_ascii_lowercase().ends_with("policy") =>
        {
            found.push(path.clone());
        }
        _ => {}
    }
}

/// Whether tags with digests came out as images and nothing else.
pub(super) fn bears_digests(parts: &Parts, targets: &Targets) -> bool {
    let mut is_clean = true;
    for document in parts.deployed() {
        marks::each_structural(&document.value, &mut |text| {
            is_clean &= !text.contains("@sha256");
        });
        is_clean &= targets.found_in(&document.value).iter().all(|found| {
            targets.correction(&found.image).is_none() || !is_mixed_up(found, targets)
        });
    }
    is_clean
}

/// Whether an image has its digest in it, but not as its digest.
fn is_mixed_up(found: &FoundImage, targets: &Targets) -> bool {
    let wanted = targets.artifact_of(&found.image).and_then(|artifact| targets.image(artifact));
    let digest = wanted.and_then(|image| image.digest());
    digest.is_some_and(|digest| found.image.contains(digest.as_str()))
}

/// Images that come out with the digest that is wanted everywhere.
pub(super) fn images_with_digests(parts: &Parts, targets: &Targets) -> BTreeSet<ArtifactName> {
    let mut with = BTreeSet::new();
    let mut without = BTreeSet::new();
    for found in parts.deployed().flat_map(|document: &Document| targets.found_in(&document.value))
    {
        if let Some(artifact) = targets.artifact_of(&found.image) {
            let set = if found.image.contains('@') { &mut with } else { &mut without };
            set.insert(artifact.clone());
        }
    }
    with.difference(&without).cloned().collect()
}
