//! One release from its source to what will be deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::model::{
    ArtifactName, Chart, Delivery, HelmSource, ImageRef, ManifestSource, Namespace, ObjectRef,
    Release, ReleaseSource, WorkloadKind, WorkloadRef,
};

use super::chart;
use super::checks;
use super::error::RenderError;
use super::fingerprint::fingerprint;
use super::helm::{self, Parts, Purpose};
use super::images::Targets;
use super::scope::RenderScope;
use super::search::{self, Answer, Digests, Question};
use super::yaml::{self, Document};
use super::{functions, kustomize, manifests, packed, replace, setters, watched};

/// Which of the project's images a release uses, and how each gets its reference.
///
/// It stays true as long as the release's fingerprint does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// The project's images that appear in what the release renders to.
    pub uses: BTreeSet<ArtifactName>,
    /// The values keys that each image is given through; none where the chart hard-codes it.
    pub keys: BTreeMap<ArtifactName, Vec<String>>,
    answer: Answer,
    tree: Value,
    plain: Option<Plain>,
}

/// What a release renders to without wharf, as long as its files have this fingerprint.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    fingerprint: String,
    text: Arc<str>,
}

/// What will be deployed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rendered {
    /// Objects, in the order of their source, without hooks, tests and `crds/`.
    pub objects: Vec<Value>,
    /// Helm hooks by weight, without tests.
    pub hooks: Vec<Value>,
    /// What lies in charts' `crds/`.
    pub crds: Vec<Value>,
    /// For Helm: a tree of values to pass with `-f` after the person's own files.
    pub values: Option<Value>,
    /// For Helm: the chart, where it is not the one that the release names.
    pub chart: Option<Chart>,
    /// For Helm: whether it needs [`super::post_renderer()`] with [`Self::images`].
    pub post_render: bool,
    /// The project's images in it, as they appear: with a digest only where the chart bears one.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// The file that makes each object, by the object's short name, as far as it is known.
    pub places: BTreeMap<String, String>,
    /// Everything as one stream.
    pub yaml: String,
    /// Files and folders whose change means rendering anew.
    pub watched: Vec<PathBuf>,
    /// What it was rendered from, as [`super::fingerprint()`] says it.
    pub fingerprint: String,
}

/// Finds which of `images` a release uses, and through which values.
///
/// Each image is given as it would be deployed; of its tag nothing depends on. A Helm chart is
/// rendered as it is, then with marks in place of what may be tags; where the marks come out says
/// which value makes which image.
///
/// # Errors
///
/// [`RenderError`] when the release does not render.
pub async fn uses(
    scope: &RenderScope,
    release: &Release,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<Shape, RenderError> {
    let targets = targets_of(release, images);
    let fingerprint = fingerprint(release, &scope.namespace)?;
    let source = match &release.source {
        ReleaseSource::Helm(source) => source,
        ReleaseSource::Manifests(source) => {
            let (parts, text) = plain_parts(scope, release, source).await?;
            let uses = used(parts.deployed(), &targets);
            let plain = text.map(|text| Plain { fingerprint, text });
            return Ok(Shape { uses, plain, ..Shape::default() });
        }
    };
    let set = helm::set(scope, source, images).await?;
    let text = helm::template(scope, release, source, &set, Purpose::Deploy).await;
    let parts = match &text {
        Ok(text) => Ok(helm::parts(text, release)?),
        Err(_) => Err(()),
    };
    // Values that are made of an image's reference make another text of each image.
    let is_plain = source.image_values.is_empty();
    let plain = text.as_ref().ok().filter(|_| is_plain);
    let plain = plain.map(|text| Plain { fingerprint, text: text.as_str().into() });
    if let Ok(parts) = &parts
        && used(parts.deployed(), &targets).is_empty()
    {
        return Ok(Shape { plain, ..Shape::default() });
    }
    let files = helm::chart_files(scope, release, source).await?;
    let tree = helm::tree(&files, source, &set)?;
    let mentioned = files.mentioned();
    let question = Question { tree: &tree, set: &set, mentioned: &mentioned, targets: &targets };
    let render = |overlay: Value| -> futures::future::BoxFuture<'_, _> {
        Box::pin(async move {
            let text = helm::template(scope, release, source, &overlay, Purpose::Probe).await?;
            let parts = helm::parts(&text, release)?;
            Ok(parts.objects.into_iter().chain(parts.hooks).collect())
        })
    };
    let documents: Result<Vec<Document>, RenderError> = match (parts, text) {
        (Ok(parts), _) => Ok(parts.objects.into_iter().chain(parts.hooks).collect()),
        (Err(()), Err(error)) => Err(error),
        (Err(()), Ok(_)) => Ok(Vec::new()),
    };
    let answer = match &documents {
        Ok(documents) => search::search(question, Ok(documents), &render).await?,
        Err(_) => {
            let error = documents.err().unwrap_or(RenderError::NoHelm);
            search::search(question, Err(error), &render).await?
        }
    };
    let mut keys: BTreeMap<ArtifactName, Vec<String>> = BTreeMap::new();
    for assignment in &answer.assignments {
        if let Some(artifact) = assignment.expression.artifact() {
            keys.entry(artifact.clone()).or_default().push(assignment.path.to_string());
        }
    }
    Ok(Shape { uses: answer.uses.clone(), keys, answer, tree, plain })
}

/// Renders a release with `images` in it.
///
/// # Errors
///
/// [`RenderError`] when it does not render, when an image cannot be brought to where it belongs,
/// or when what is rendered could not run.
pub async fn render(
    scope: &RenderScope,
    release: &Release,
    shape: &Shape,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<Rendered, RenderError> {
    let fingerprint = fingerprint(release, &scope.namespace)?;
    let plain = shape.plain.as_ref().filter(|plain| plain.fingerprint == fingerprint);
    let (mut parts, values, targets) = match &release.source {
        ReleaseSource::Helm(source) => {
            helm_parts(scope, release, source, shape, plain, images).await?
        }
        ReleaseSource::Manifests(source) => {
            let parts = match plain {
                Some(plain) => kustomized(&plain.text, release)?,
                None => plain_parts(scope, release, source).await?.0,
            };
            (parts, None, targets_of(release, images))
        }
    };
    let chart = match &release.source {
        ReleaseSource::Helm(source) if !source.packaging.is_empty() => {
            Some(packed::chart(scope, release, source).await?)
        }
        _ => None,
    };
    let is_helm = values.is_some();
    let changes_hooks = !is_helm || scope.helm().await?.post_renders_hooks();
    if !changes_hooks {
        checks::hooks(&parts, known(release, shape), &targets)?;
    }
    let mut corrected = false;
    for document in parts.objects.iter_mut().chain(&mut parts.hooks) {
        let is_off = targets
            .found_in(&document.value)
            .iter()
            .any(|found| targets.correction(&found.image).is_some());
        if is_off {
            corrected = true;
            replace::in_object(&mut document.value, &targets);
        }
    }
    alter(release, &mut parts, changes_hooks)?;
    if matches!(scope.delivery, Delivery::Load | Delivery::Shared) {
        checks::pull_policies(&parts, known(release, shape), &targets)?;
    }
    let used = used(parts.deployed(), &targets);
    let images = targets.images().iter().filter(|(name, _)| used.contains(*name));
    let images = images.map(|(name, image)| (name.clone(), image.clone())).collect();
    let places = places(release, &parts);
    let values_of = |documents: Vec<Document>| -> Vec<Value> {
        documents.into_iter().map(|document| document.value).collect()
    };
    let Parts { objects, hooks, crds } = parts;
    let (objects, hooks, crds) = (values_of(objects), values_of(hooks), values_of(crds));
    let yaml = yaml::write(crds.iter().chain(&objects).chain(&hooks));
    Ok(Rendered {
        objects,
        hooks,
        crds,
        values,
        chart,
        post_render: is_helm && (corrected || !release.alterations.functions.is_empty()),
        images,
        places,
        yaml,
        watched: watched::watched(release),
        fingerprint,
    })
}

/// The project's images, where the release lets them be replaced.
fn targets_of(release: &Release, images: &BTreeMap<ArtifactName, ImageRef>) -> Targets {
    Targets::new(images).with_rules(&release.alterations.images)
}

/// Applies the release's functions.
fn alter(release: &Release, parts: &mut Parts, with_hooks: bool) -> Result<(), RenderError> {
    let Parts { objects, hooks, .. } = parts;
    let hooks = hooks.iter_mut().take(if with_hooks { usize::MAX } else { 0 });
    let all = objects.iter_mut().chain(hooks).map(|document| &mut document.value);
    functions::apply(&release.alterations.functions, all).map_err(|refusal| {
        let functions::Refusal { function, why } = refusal;
        RenderError::Function { release: release.name.clone(), function, why }
    })
}

/// The file that makes each object. Where Helm rendered it, the line is not known.
fn places(release: &Release, parts: &Parts) -> BTreeMap<String, String> {
    let chart = match &release.source {
        ReleaseSource::Helm(HelmSource { chart: Chart::Path(chart), .. }) => Some(chart),
        _ => None,
    };
    let documents = parts.crds.iter().chain(&parts.objects).chain(&parts.hooks);
    let placed = documents.filter_map(|document| {
        let source = document.source.as_deref()?;
        let file = chart.and_then(|chart| chart::file_of_source(chart, source));
        let place = match (file, &release.source) {
            (Some(file), _) => file.display().to_string(),
            (None, ReleaseSource::Helm(_)) => source.to_owned(),
            (None, ReleaseSource::Manifests(_)) => format!("{source}:{}", document.line),
        };
        Some((object_ref(&document.value)?.short(), place))
    });
    placed.collect()
}

/// What checks need of a shape.
fn known<'a>(release: &'a Release, shape: &'a Shape) -> checks::Known<'a> {
    let chart = match &release.source {
        ReleaseSource::Helm(HelmSource { chart: Chart::Path(path), .. }) => Some(path.as_path()),
        _ => None,
    };
    checks::Known { tree: &shape.tree, assignments: &shape.answer.assignments, chart }
}

async fn helm_parts(
    scope: &RenderScope,
    release: &Release,
    source: &HelmSource,
    shape: &Shape,
    plain: Option<&Plain>,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<(Parts, Option<Value>, Targets), RenderError> {
    let set = helm::set(scope, source, images).await?;
    let assignments = &shape.answer.assignments;
    let overlay =
        |targets, digests| search::overlay(&set, &shape.tree, assignments, targets, digests);
    let rendered = async |values: &Value| {
        let text = match plain {
            Some(plain) if *values == set => plain.text.clone(),
            _ => helm::template(scope, release, source, values, Purpose::Deploy).await?.into(),
        };
        helm::parts(&text, release)
    };
    let targets = targets_of(release, images);
    let values = overlay(&targets, Digests::InTags);
    let parts = rendered(&values).await;
    let is_pinned = images.values().any(|image| image.digest().is_some());
    let bears_digests = match &parts {
        Ok(parts) => checks::bears_digests(parts, &targets),
        Err(_) => false,
    };
    if !is_pinned || bears_digests {
        return Ok((parts?, Some(values), targets));
    }
    // The chart does more with the tag than name an image with it: without digest, it may do so.
    let values_alone = overlay(&targets, Digests::Dropped);
    if values_alone == values {
        return Ok((parts?, Some(values), targets));
    }
    let alone = rendered(&values_alone).await?;
    let without: BTreeMap<_, _> =
        images.iter().map(|(name, image)| (name.clone(), image.without_digest())).collect();
    // Images whose digest has a value of its own keep it.
    let kept = checks::images_with_digests(&alone, &targets);
    let mixed = images.iter().map(|(name, image)| {
        let image = if kept.contains(name) { image } else { &without[name] };
        (name.clone(), image.clone())
    });
    Ok((alone, Some(values_alone), targets_of(release, &mixed.collect())))
}

/// Objects of a release that is no chart, and their text where a tool made it.
async fn plain_parts(
    scope: &RenderScope,
    release: &Release,
    source: &ManifestSource,
) -> Result<(Parts, Option<Arc<str>>), RenderError> {
    match source {
        ManifestSource::Kustomize(source) => {
            refuse_setters(release, &source.folder)?;
            let text = kustomize::build(scope, release, source).await?;
            Ok((kustomized(&text, release)?, Some(text.into())))
        }
        ManifestSource::Files(globs) => {
            let manifests =
                manifests::read(&manifests::files(globs)?, &release.alterations.setters)?;
            let objects = manifests.into_iter().map(|manifest| Document {
                source: Some(manifest.file.display().to_string()),
                ..manifest.document
            });
            Ok((Parts { objects: objects.collect(), ..Parts::default() }, None))
        }
    }
}

/// Refuses setters where kustomize would read the manifests before them.
fn refuse_setters(release: &Release, folder: &std::path::Path) -> Result<(), RenderError> {
    let given = &release.alterations.setters;
    if given.is_empty() {
        return Ok(());
    }
    let files = kustomize::closure(folder)?.files;
    let marked = files.into_iter().find(|file| {
        std::fs::read_to_string(file).is_ok_and(|text| setters::mentions(&text, given))
    });
    match marked {
        None => Ok(()),
        Some(file) => Err(RenderError::Setter {
            file,
            line: 0,
            why: "values of setters are put into plain manifests alone, not into a kustomization"
                .to_owned(),
        }),
    }
}

fn kustomized(text: &str, release: &Release) -> Result<Parts, RenderError> {
    let documents = yaml::documents(text, yaml::Duplicates::LastCounts).map_err(|problem| {
        RenderError::RenderedYaml {
            tool: "kustomize",
            release: release.name.clone(),
            snippet: problem.draw("rendered", text),
            message: problem.message,
        }
    })?;
    let objects = documents.into_iter().flat_map(|document| {
        let place = document.clone_without_value();
        let one = move |value| Document { value, ..place.clone() };
        helm::flattened(document.value).into_iter().map(one)
    });
    Ok(Parts { objects: objects.collect(), ..Parts::default() })
}

/// The project's images in `documents`.
fn used<'d>(
    documents: impl Iterator<Item = &'d Document>,
    targets: &Targets,
) -> BTreeSet<ArtifactName> {
    documents
        .flat_map(|document| targets.found_in(&document.value))
        .filter_map(|found| targets.artifact_of(&found.image).cloned())
        .collect()
}

impl Rendered {
    /// What makes pods among the objects; `default` is the release's namespace.
    #[must_use]
    pub fn workloads(&self, default: &Namespace) -> Vec<WorkloadRef> {
        let one = |object: &Value| {
            let reference = object_ref(object)?;
            Some(WorkloadRef {
                kind: WorkloadKind::of(&reference.kind)?,
                namespace: reference.namespace.unwrap_or_else(|| default.clone()),
                name: reference.name,
            })
        };
        self.objects.iter().filter_map(one).collect()
    }

    /// Names of the objects, hooks and `crds/` apart.
    #[must_use]
    pub fn object_refs(&self) -> Vec<ObjectRef> {
        self.objects.iter().filter_map(object_ref).collect()
    }
}

/// The name of a manifest's object, with the namespace that it says itself.
#[must_use]
pub fn object_ref(object: &Value) -> Option<ObjectRef> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Some(ObjectRef {
        api_version: text("/apiVersion")?.to_owned(),
        kind: text("/kind")?.to_owned(),
        namespace: text("/metadata/namespace").and_then(|name| Namespace::parse(name).ok()),
        name: text("/metadata/name")?.to_owned(),
    })
}
