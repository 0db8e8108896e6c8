//! A project from what lies in a folder: Dockerfiles, and charts, kustomizations or manifests.
//!
//! Pure, but for [`Listing::of`]. Each step takes the likeliest reading; where two are equally
//! likely it takes the first and poses a question, and the question's answer is a `wharf.yaml`.

mod chart;
mod deployable;
mod dockerfiles;
mod listing;
mod objects;
mod pairing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::{
    Alterations, Artifact, ArtifactName, Builder, Chart, ClusterChoice, DockerBuild, Forward,
    ForwardPort, HelmSource, Hooks, KustomizeSource, LogFilter, ManifestSource, Origin, Project,
    Release, ReleaseName, ReleaseSource, WaitRule,
};

use super::error::{ConfigError, Problem};
use super::provenance::Provenance;
use super::resolve::{absolute, local_port, project_name};
use super::{Loaded, document};

use deployable::{Deployable, Shape};
use dockerfiles::Candidate;
use objects::Service;
use pairing::Pairing;

pub(super) use listing::{Listing, counts};

/// Something that cannot be known from the files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    text: String,
    candidates: Vec<String>,
}

/// The project that `listing` shows.
pub(super) fn infer(listing: &Listing) -> Result<Loaded, ConfigError> {
    let candidates = dockerfiles::candidates(listing);
    let mut questions = Vec::new();
    let deployables = deployable::all(listing, &mut questions);
    if candidates.is_empty() || deployables.is_empty() {
        return Err(nothing(listing, &candidates, &deployables));
    }
    let pairing = pairing::pair(listing, &candidates, &deployables, &mut questions);
    let loaded = assemble(listing, &candidates, &deployables, &pairing);
    match questions.into_iter().next() {
        None => Ok(loaded),
        Some(Question { text, candidates }) => {
            let draft = document::init(&loaded.project, &loaded.provenance);
            let problem = Problem::Question { question: text, candidates, draft };
            Err(ConfigError::new(problem))
        }
    }
}

fn nothing(listing: &Listing, candidates: &[Candidate], deployables: &[Deployable]) -> ConfigError {
    let dockerfile = match candidates.first() {
        Some(candidate) => format!("found Dockerfile `{}`", candidate.path),
        None => "found no Dockerfile".to_owned(),
    };
    let deployed = match deployables.first() {
        Some(Deployable { said, shape, .. }) => {
            let sort = match shape {
                Shape::Chart { .. } => "chart",
                Shape::Kustomize { .. } => "kustomization",
                Shape::Manifests { .. } => "manifests",
            };
            format!("found {sort} `{said}`")
        }
        None => "found no chart, kustomization or manifest".to_owned(),
    };
    let is_half = !candidates.is_empty() || !deployables.is_empty();
    let (folder, why) = (listing.root.clone(), vec![dockerfile, deployed]);
    ConfigError::new(Problem::Nothing { folder, why, is_half })
}

fn assemble(
    listing: &Listing,
    candidates: &[Candidate],
    deployables: &[Deployable],
    pairing: &Pairing,
) -> Loaded {
    let mut provenance = Provenance::default();
    let mut notes = Vec::new();
    provenance.infer(&["name"], "the folder's name");
    let mut artifacts = BTreeMap::new();
    for (name, (index, why)) in &pairing.candidate_by_image {
        let Ok(name) = ArtifactName::parse(name) else { continue };
        let artifact = artifact(listing, &candidates[*index], name.clone());
        for key in ["context", "dockerfile"] {
            provenance.infer(&["images", name.as_str(), key], why.clone());
        }
        artifacts.insert(name, artifact);
    }
    for index in &pairing.unused {
        let path = &candidates[*index].path;
        notes.push(format!("`{path}` is left out, since nothing here uses its image"));
    }
    let mut releases: BTreeMap<ReleaseName, Release> = BTreeMap::new();
    for deployable in deployables {
        let release = release(listing, deployable, &releases);
        let (section, key) = match &deployable.shape {
            Shape::Chart { .. } => ("releases", "chart"),
            Shape::Kustomize { .. } => ("kustomize", "path"),
            Shape::Manifests { .. } => ("manifests", "files"),
        };
        let path = [section, release.name.as_str(), key];
        provenance.infer(&path, deployable.why.clone());
        releases.insert(release.name.clone(), release);
    }
    remember_lists(&releases, &mut provenance);
    let own: BTreeSet<&str> = artifacts.keys().map(ArtifactName::as_str).collect();
    let services = deployables.iter().flat_map(|deployable| deployable.forwarded(&own));
    let forwards = forwards(services.collect(), &mut provenance);
    let project = Project {
        name: project_name(&listing.root),
        root: listing.root.clone(),
        origin: Origin::Inferred,
        artifacts,
        releases,
        forwards,
        logs: LogFilter::default(),
        cluster: ClusterChoice::default(),
        registry: None,
        insecure_registries: Vec::new(),
        registry_names: crate::model::RegistryNames::default(),
        config_files: watched(listing),
    };
    let project = super::with_inferred_needs(project, |artifact| match &artifact.builder {
        Builder::Docker(docker) => dockerfiles::references(listing, &docker.dockerfile),
        Builder::Command(_) => BTreeSet::new(),
    });
    Loaded { project, provenance, notes }
}

/// Where the entries of `kustomize` and `manifests` came from when they are written as lists.
fn remember_lists(releases: &BTreeMap<ReleaseName, Release>, provenance: &mut Provenance) {
    let mut kustomizations = 0;
    for (name, release) in releases {
        match &release.source {
            ReleaseSource::Manifests(ManifestSource::Kustomize(_)) => {
                let index = kustomizations.to_string();
                provenance.alias(&["kustomize", name.as_str(), "path"], &["kustomize", &index]);
                kustomizations += 1;
            }
            ReleaseSource::Manifests(ManifestSource::Files(files)) => {
                for index in 0..files.len() {
                    let from = ["manifests", name.as_str(), "files"];
                    let index = index.to_string();
                    provenance.alias(&from, &["manifests", &index]);
                    provenance.alias(&from, &["manifests", name.as_str(), "files", &index]);
                }
            }
            ReleaseSource::Helm(_) => {}
        }
    }
}

/// A configuration file that appears is a new configuration.
fn watched(listing: &Listing) -> BTreeSet<std::path::PathBuf> {
    BTreeSet::from([listing.root.join("wharf.yaml")])
}

fn artifact(listing: &Listing, candidate: &Candidate, name: ArtifactName) -> Artifact {
    let context = absolute(&listing.root, Path::new(&candidate.context));
    let dockerfile = absolute(&listing.root, Path::new(&candidate.path));
    let docker = DockerBuild { dockerfile, ..DockerBuild::at(&context) };
    Artifact {
        name,
        builder: Builder::Docker(docker),
        needs: BTreeSet::new(),
        platform: None,
        hooks: Hooks::default(),
        also_tagged: None,
    }
}

fn release(
    listing: &Listing,
    deployable: &Deployable,
    others: &BTreeMap<ReleaseName, Release>,
) -> Release {
    let path = |text: &str| absolute(&listing.root, Path::new(text));
    let source = match &deployable.shape {
        Shape::Chart { folder } => ReleaseSource::Helm(HelmSource {
            packaging: crate::model::Packaging::default(),
            secret_values: vec![],
            chart: Chart::Path(path(folder)),
            values: vec![],
            set: BTreeMap::new(),
            image_values: BTreeMap::new(),
            flags: vec![],
            rollback_on_failure: false,
            skip_crds: false,
        }),
        Shape::Kustomize { folder } => {
            ReleaseSource::Manifests(ManifestSource::Kustomize(KustomizeSource::at(path(folder))))
        }
        Shape::Manifests { globs } => ReleaseSource::Manifests(ManifestSource::Files(
            globs.iter().map(|glob| path(glob).display().to_string()).collect(),
        )),
    };
    let numbered = (2..).map(|number| format!("{}-{number}", deployable.name));
    let name = std::iter::once(deployable.name.clone())
        .chain(numbered)
        .filter_map(|name| ReleaseName::parse(&name).ok())
        .find(|name| !others.contains_key(name))
        .expect("one of endless numbers is free");
    let (after, wait) = (BTreeSet::new(), WaitRule::default());
    Release {
        name,
        namespace: None,
        source,
        after,
        wait,
        hooks: Hooks::default(),
        alterations: Alterations::default(),
    }
}

/// A forward per service, each with a local port of its own.
fn forwards(services: Vec<&Service>, provenance: &mut Provenance) -> Vec<Forward> {
    let mut out: Vec<Forward> = Vec::new();
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    for service in services {
        let mut forward = Forward {
            kind: "service".to_owned(),
            name: service.name.clone(),
            namespace: service.namespace.clone(),
            port: Some(ForwardPort::Number(service.port)),
            local: None,
            address: None,
        };
        let same = |other: &Forward| {
            (&other.name, &other.namespace) == (&forward.name, &forward.namespace)
        };
        if out.iter().any(same) {
            continue;
        }
        let wanted = local_port(&forward).expect("a port by number gives a local port");
        let Some(local) = (wanted..=u16::MAX).find(|port| !taken.contains(port)) else { continue };
        taken.insert(local);
        if local != wanted {
            forward.local = Some(local);
        }
        let index = out.len().to_string();
        for key in ["service", "port", "local", &format!("service/{}", forward.name)] {
            provenance.infer(&["forward", &index, key], service.found.clone());
        }
        out.push(forward);
    }
    out
}
