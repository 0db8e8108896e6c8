//! Finds image references in objects, and which of the project's images each one means.
//!
//! Pods name images under `image`, wherever their template lies; other kinds (custom resources)
//! under `image` or keys that end in `Image`. What only looks like one (schemas of CRDs, data of
//! ConfigMaps, labels) is left alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{ArtifactName, ImageRef, ImageRule, WorkloadKind};

/// One image reference in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundImage {
    /// Kind and name of the object, such as `deployment/api`.
    pub(super) object: String,
    /// Where in the object, such as `spec.template.spec.containers[0].image`.
    pub(super) path: String,
    /// `name` beside it: the container's name.
    pub(super) container: Option<String>,
    /// `imagePullPolicy` beside it.
    pub(super) pull_policy: Option<String>,
    /// The reference as it stands there.
    pub(super) image: String,
}

/// Every image reference in `object`.
pub(super) fn found_in(object: &Value) -> Vec<FoundImage> {
    let mut found = Vec::new();
    let Some(rule) = Rule::of(object) else { return found };
    collect(object, &mut found, |map, tell| walk_map(map, "", rule, tell));
    found
}

/// The values in `object` that stand at `paths`, whatever their keys are.
fn found_at(object: &Value, paths: &[String]) -> Vec<FoundImage> {
    let mut found = Vec::new();
    collect(object, &mut found, |map, tell| walk_paths(map, "", paths, tell));
    found
}

/// Tells of an image: its path, the map around it, the reference.
type Tell<'t> = dyn FnMut(&str, &Map<String, Value>, &str) + 't;

fn collect(
    object: &Value,
    found: &mut Vec<FoundImage>,
    walk: impl FnOnce(&Map<String, Value>, &mut Tell<'_>),
) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}/{}", text("/kind").to_ascii_lowercase(), text("/metadata/name"));
    if let Value::Object(map) = object {
        walk(map, &mut |path, map, image| {
            let beside = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
            found.push(FoundImage {
                object: name.clone(),
                path: path.to_owned(),
                container: beside("name"),
                pull_policy: beside("imagePullPolicy").or_else(|| beside("pullPolicy")),
                image: image.to_owned(),
            });
        });
    }
}

fn walk_paths(map: &Map<String, Value>, path: &str, paths: &[String], tell: &mut Tell<'_>) {
    for (key, value) in map {
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::String(image) if !image.is_empty() && is_at(&here, paths) => {
                tell(&here, map, image);
            }
            Value::Object(map) => walk_paths(map, &here, paths, tell),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Object(map) = item {
                        walk_paths(map, &format!("{here}[{index}]"), paths, tell);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether `path`, its places in lists left out, is one of `paths`.
pub(super) fn is_at(path: &str, paths: &[String]) -> bool {
    let mut plain = String::from(".");
    let mut is_inside = false;
    for c in path.chars() {
        match c {
            '[' => is_inside = true,
            ']' => is_inside = false,
            c if !is_inside => plain.push(c),
            _ => {}
        }
    }
    paths.contains(&plain)
}

/// Which keys of an object hold images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// It makes pods: `image` alone.
    Pods,
    /// Some other kind: `image` and `…Image`.
    Custom,
}

impl Rule {
    /// The rule for `object`; absent where nothing in it is an image.
    pub(super) fn of(object: &Value) -> Option<Self> {
        Self::of_kind(object.get("kind").and_then(Value::as_str)?)
    }

    /// The rule for objects of `kind`.
    pub(super) fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "ConfigMap" | "Secret" | "CustomResourceDefinition" => None,
            "PodTemplate" | "ReplicationController" => Some(Self::Pods),
            kind if WorkloadKind::of(kind).is_some() => Some(Self::Pods),
            _ => Some(Self::Custom),
        }
    }

    /// Whether the value at `key`, whose map lies at `parent`, is an image.
    pub(super) fn fits(self, parent: &str, key: &str) -> bool {
        match key {
            "image" => true,
            // An image volume.
            "reference" => parent == "image",
            _ => self == Self::Custom && key.ends_with("Image"),
        }
    }

    /// Whether what lies under `key` is not searched.
    pub(super) fn skips(key: &str) -> bool {
        matches!(key, "metadata" | "status")
    }
}

fn walk_map(map: &Map<String, Value>, path: &str, rule: Rule, tell: &mut Tell<'_>) {
    let parent = path.rsplit('.').next().unwrap_or_default();
    for (key, value) in map {
        if Rule::skips(key) {
            continue;
        }
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::String(image) if !image.is_empty() && rule.fits(parent, key) => {
                tell(&here, map, image);
            }
            value => walk(value, &here, rule, tell),
        }
    }
}

fn walk(value: &Value, path: &str, rule: Rule, tell: &mut Tell<'_>) {
    match value {
        Value::Object(map) => walk_map(map, path, rule, tell),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), rule, tell);
            }
        }
        _ => {}
    }
}

/// Splits a reference into repository, tag and digest without asking whether they are valid:
/// charts whose tag is empty render `api:`.
pub(super) fn split(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    let name = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest[name..].find(':') {
        Some(colon) => (&rest[..name + colon], Some(&rest[name + colon + 1..]), digest),
        None => (rest, None, digest),
    }
}

/// A repository as runtimes store it; one that is no valid repository stays as it is.
pub(super) fn full_repository(repository: &str) -> String {
    ImageRef::parse(repository)
        .map_or_else(|_| repository.to_owned(), |image| image.full_repository())
}

/// The project's images by the repositories that manifests may call them.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    by_repository: BTreeMap<String, ArtifactName>,
    image_by_artifact: BTreeMap<ArtifactName, ImageRef>,
    rules: Vec<ImageRule>,
}

impl Targets {
    /// Targets for `images`: each is known by its artifact's name and by where it will lie.
    pub(super) fn new(images: &BTreeMap<ArtifactName, ImageRef>) -> Self {
        let mut by_repository = BTreeMap::new();
        for (artifact, image) in images {
            by_repository.insert(image.full_repository(), artifact.clone());
        }
        // An artifact's own name goes before another one's place in a registry.
        for artifact in images.keys() {
            by_repository.insert(full_repository(artifact.as_str()), artifact.clone());
        }
        Self { by_repository, image_by_artifact: images.clone(), rules: Vec::new() }
    }

    /// The same, where images count in certain places only.
    pub(super) fn with_rules(mut self, rules: &[ImageRule]) -> Self {
        self.rules = rules.to_vec();
        self
    }

    /// The only places of images in `object`; absent where they may stand anywhere.
    pub(super) fn paths_in(&self, object: &Value) -> Option<&[String]> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = match text("apiVersion").split_once('/') {
            Some((group, _)) => format!("{}.{group}", text("kind")),
            None => text("kind").to_owned(),
        };
        let rule = self.rules.iter().find(|rule| rule.kind == kind)?;
        Some(&rule.paths)
    }

    /// Every image reference in `object` that is to be looked at.
    pub(super) fn found_in(&self, object: &Value) -> Vec<FoundImage> {
        match self.paths_in(object) {
            None => found_in(object),
            Some(paths) => found_at(object, paths),
        }
    }

    /// The artifact that `image` means, whatever its tag.
    pub(super) fn artifact_of(&self, image: &str) -> Option<&ArtifactName> {
        self.by_repository.get(&full_repository(split(image).0))
    }

    /// The image that `artifact` is to be.
    pub(super) fn image(&self, artifact: &ArtifactName) -> Option<&ImageRef> {
        self.image_by_artifact.get(artifact)
    }

    /// What `image` must be instead, where it means an artifact and is not that already.
    pub(super) fn correction(&self, image: &str) -> Option<&ImageRef> {
        let wanted = self.image(self.artifact_of(image)?)?;
        let is_it = ImageRef::parse(image).is_ok_and(|image| image.full() == wanted.full());
        (!is_it).then_some(wanted)
    }

    /// Whether an image is to lie elsewhere than its artifact's name says.
    pub(super) fn moves(&self) -> bool {
        self.image_by_artifact
            .iter()
            .any(|(artifact, image)| full_repository(artifact.as_str()) != image.full_repository())
    }

    /// Every repository that means one of the images, in full.
    pub(super) fn repositories(&self) -> impl Iterator<Item = (&str, &ArtifactName)> {
        self.by_repository.iter().map(|(repository, artifact)| (repository.as_str(), artifact))
    }

    /// All images by artifact.
    pub(super) fn images(&self) -> &BTreeMap<ArtifactName, ImageRef> {
        &self.image_by_artifact
    }
}
