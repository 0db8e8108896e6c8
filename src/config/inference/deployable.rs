//! What can be installed: charts, kustomizations and manifests, with their images and services.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::disk::KUSTOMIZATION_NAMES;
use super::super::resolve::derived;
use super::Question;
use super::chart;
use super::listing::{Listing, folder_of, is_below, is_yaml, joined, name_of};
use super::objects::{Found, Service, images, is_well_known, objects, repository, services};

/// Folders in which people keep manifests.
const MANIFEST_FOLDERS: &[&str] =
    &["k8s", "kubernetes", "kube", "manifests", "deploy", "deployment", "deployments"];

/// Overlays that a person at a keyboard means.
const DEV_OVERLAYS: &[&str] = &["dev", "development", "local"];

/// So many kustomizations may stand on each other.
const KUSTOMIZE_DEPTH: usize = 16;

/// One thing to install.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deployable {
    pub(super) shape: Shape,
    /// A release name that suits it.
    pub(super) name: String,
    /// Its path, as a person would say it.
    pub(super) said: String,
    /// What shows that it is one.
    pub(super) why: String,
    /// Repositories of the images that it runs, and where each is named.
    pub(super) found_by_image: BTreeMap<String, String>,
    /// Its services, and the repositories of the images behind each where these are known.
    pub(super) services: Vec<Service>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Chart { folder: String },
    Kustomize { folder: String },
    Manifests { globs: Vec<String> },
}

impl Deployable {
    /// Its services that lead to one of the project's `own` images, or may do so.
    pub(super) fn forwarded<'d>(
        &'d self,
        own: &'d BTreeSet<&str>,
    ) -> impl Iterator<Item = &'d Service> {
        self.services.iter().filter(|service| match &service.images {
            None => true,
            Some(images) => images.iter().any(|image| own.contains(image.as_str())),
        })
    }
}

/// Everything in `listing` that can be installed.
pub(super) fn all(listing: &Listing, questions: &mut Vec<Question>) -> Vec<Deployable> {
    let charts = chart::charts(listing);
    let kustomizations = kustomizations(listing, &charts, questions);
    let manifests = manifests(listing, &charts);
    let mut out: Vec<Deployable> =
        charts.iter().map(|folder| chart::deployable(listing, folder)).collect();
    out.extend(kustomizations.iter().map(|folder| kustomize(listing, folder)));
    out.extend(manifests);
    ask_about_alternatives(&mut out, questions);
    out
}

/// The same image in a chart and in manifests is one deployment described twice.
fn ask_about_alternatives(deployables: &mut Vec<Deployable>, questions: &mut Vec<Question>) {
    let is_helm = |deployable: &Deployable| matches!(deployable.shape, Shape::Chart { .. });
    let shared = deployables.iter().filter(|one| is_helm(one)).find_map(|one| {
        deployables.iter().filter(|other| !is_helm(other)).find_map(|other| {
            let mut images = one.found_by_image.keys();
            let image = images
                .find(|image| other.found_by_image.contains_key(*image) && !is_well_known(image))?;
            Some((image.clone(), one.said.clone(), other.said.clone()))
        })
    });
    let Some((image, one, other)) = shared else { return };
    questions.push(Question {
        text: format!("image `{image}` is deployed twice, by `{one}` and by `{other}`"),
        candidates: vec![one, other.clone()],
    });
    deployables.retain(|deployable| deployable.said != other);
}

/// Folders with a kustomization that no other one uses; of several overlays of one base, the one
/// for development.
fn kustomizations(
    listing: &Listing,
    charts: &[String],
    questions: &mut Vec<Question>,
) -> Vec<String> {
    let folders: Vec<&str> = listing
        .files
        .keys()
        .filter(|path| KUSTOMIZATION_NAMES.contains(&name_of(path)))
        .filter(|path| !charts.iter().any(|chart| is_below(path, chart)))
        .map(|path| folder_of(path))
        .collect();
    let used_by: BTreeMap<&str, BTreeSet<String>> =
        folders.iter().map(|folder| (*folder, everything_below(listing, folder))).collect();
    let is_used = |folder: &str| used_by.values().any(|used| used.contains(folder));
    let is_component = |folder: &str| {
        kustomization(listing, folder)
            .is_some_and(|document| document["kind"].as_str() == Some("Component"))
    };
    let tops: Vec<&str> = folders
        .iter()
        .copied()
        .filter(|folder| !is_used(folder) && !is_component(folder))
        .collect();
    let mut out = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for top in &tops {
        if seen.contains(top) {
            continue;
        }
        let shares = |other: &&&str| *other == top || !used_by[**other].is_disjoint(&used_by[top]);
        let group: Vec<&str> = tops.iter().filter(shares).copied().collect();
        seen.extend(&group);
        let for_development: Vec<&&str> =
            group.iter().filter(|folder| DEV_OVERLAYS.contains(&name_of(folder))).collect();
        let chosen = match (group.as_slice(), for_development.as_slice()) {
            ([only], _) => only,
            (_, [only]) => **only,
            ([first, ..], _) => {
                questions.push(Question {
                    text: "which of these overlays is meant?".to_owned(),
                    candidates: group.iter().map(|folder| format!("`{folder}`")).collect(),
                });
                first
            }
            ([], _) => continue,
        };
        out.push(chosen.to_owned());
    }
    out
}

/// The folders that the kustomization in `folder` stands on, directly or not.
fn everything_below(listing: &Listing, folder: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in resources(listing, &folder) {
            if kustomization(listing, &path).is_some() && out.insert(path.clone()) {
                open.push(path);
            }
        }
    }
    out
}

fn kustomization(listing: &Listing, folder: &str) -> Option<Value> {
    let path = |name: &&str| joined(folder, name);
    let text = KUSTOMIZATION_NAMES.iter().filter_map(path).find_map(|path| listing.text(&path))?;
    serde_saphyr::from_str(text).ok()
}

/// The paths that the kustomization in `folder` names.
fn resources(listing: &Listing, folder: &str) -> Vec<String> {
    let Some(document) = kustomization(listing, folder) else { return vec![] };
    ["resources", "bases", "components"]
        .iter()
        .filter_map(|key| document[*key].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .filter_map(|path| joined(folder, path))
        .collect()
}

fn kustomize(listing: &Listing, folder: &str) -> Deployable {
    let objects = kustomized(listing, folder, 0);
    let said = if folder.is_empty() { ".".to_owned() } else { folder.to_owned() };
    let why = if DEV_OVERLAYS.contains(&name_of(folder)) {
        "the overlay for development".to_owned()
    } else {
        "its kustomization".to_owned()
    };
    Deployable {
        name: derived(folder, "kustomize"),
        shape: Shape::Kustomize { folder: said.clone() },
        said,
        why,
        found_by_image: images(&objects),
        services: services(&objects, false),
    }
}

/// The objects of the kustomization in `folder`, with what can be told of its transformers.
fn kustomized(listing: &Listing, folder: &str, depth: usize) -> Vec<Found> {
    let Some(document) = kustomization(listing, folder) else { return vec![] };
    let mut out = Vec::new();
    if depth < KUSTOMIZE_DEPTH {
        for path in resources(listing, folder) {
            match listing.text(&path) {
                Some(text) => out.extend(objects(text).into_iter().map(|o| (o, path.clone()))),
                None => out.extend(kustomized(listing, &path, depth + 1)),
            }
        }
    }
    let (prefix, suffix) = (
        document["namePrefix"].as_str().unwrap_or_default(),
        document["nameSuffix"].as_str().unwrap_or_default(),
    );
    let namespace = document["namespace"].as_str();
    let renamed: BTreeMap<&str, &str> = document["images"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|image| Some((image["name"].as_str()?, image["newName"].as_str()?)))
        .collect();
    for (object, _) in &mut out {
        if let Some(name) = object["metadata"]["name"].as_str() {
            let name = format!("{prefix}{name}{suffix}");
            object["metadata"]["name"] = name.into();
        }
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        rename_images(object, &renamed);
    }
    out
}

fn rename_images(value: &mut Value, renamed: &BTreeMap<&str, &str>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename_images(item, renamed)),
        Value::Object(entries) => {
            for (key, value) in entries {
                let new = match (key.as_str(), value.as_str()) {
                    ("image", Some(text)) => repository(text).and_then(|own| {
                        renamed.iter().find(|(old, _)| **old == own).map(|(_, new)| *new)
                    }),
                    _ => None,
                };
                match new {
                    Some(new) => *value = new.into(),
                    None => rename_images(value, renamed),
                }
            }
        }
        _ => {}
    }
}

/// Manifests in the root and in folders where people keep them, as one set.
fn manifests(listing: &Listing, charts: &[String]) -> Option<Deployable> {
    let kustomized: Vec<&str> = listing
        .files
        .keys()
        .filter(|path| KUSTOMIZATION_NAMES.contains(&name_of(path)))
        .map(|path| folder_of(path))
        .collect();
    let is_free = |path: &str| {
        !charts.iter().any(|chart| is_below(path, chart))
            && !kustomized.iter().any(|folder| is_below(path, folder))
    };
    // A kustomization elsewhere may name files of a folder that has none itself.
    let named: BTreeSet<String> =
        kustomized.iter().flat_map(|folder| resources(listing, folder)).collect();
    let is_kept_there = |path: &str| {
        let folder = folder_of(path);
        folder.is_empty() || folder.split('/').any(|part| MANIFEST_FOLDERS.contains(&part))
    };
    let mut objects_found: Vec<Found> = Vec::new();
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, text) in &listing.files {
        if !is_yaml(path) || !is_kept_there(path) || !is_free(path) || named.contains(path) {
            continue;
        }
        let found = text.as_deref().map(objects).unwrap_or_default();
        if found.is_empty() {
            continue;
        }
        objects_found.extend(found.into_iter().map(|object| (object, path.clone())));
        files.entry(folder_of(path)).or_default().insert(name_of(path));
    }
    if files.is_empty() {
        return None;
    }
    let globs: Vec<String> =
        files.iter().flat_map(|(folder, names)| globs(listing, folder, names)).collect();
    let said = globs.join(", ");
    Some(Deployable {
        name: "manifests".to_owned(),
        shape: Shape::Manifests { globs },
        said,
        why: "the objects in these files".to_owned(),
        found_by_image: images(&objects_found),
        services: services(&objects_found, false),
    })
}

/// `folder/*.yaml` where all YAML in the folder are manifests, otherwise each by name.
fn globs(listing: &Listing, folder: &str, names: &BTreeSet<&str>) -> Vec<String> {
    let at = |name: &str| {
        if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
    };
    let mut out = Vec::new();
    for ending in [".yaml", ".yml"] {
        let there: BTreeSet<&str> = listing
            .in_folder(folder)
            .map(|(name, _)| name)
            .filter(|name| name.ends_with(ending))
            .collect();
        let own: BTreeSet<&str> =
            names.iter().copied().filter(|name| name.ends_with(ending)).collect();
        if own.is_empty() {
            continue;
        }
        // The root holds all sorts of files; a new one there need not be a manifest.
        if there == own && !folder.is_empty() {
            out.push(at(&format!("*{ending}")));
        } else {
            out.extend(own.into_iter().map(at));
        }
    }
    out
}
