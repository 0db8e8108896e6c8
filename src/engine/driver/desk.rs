//! What tasks leave for later tasks: inputs for the builder, manifests for the deploy. Too large
//! for events, and of no use to the session.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use crate::build::BuildInputs;
use crate::deploy::{Found, Installed, Part, Plan, Recorded, Swap};
use crate::model::{ArtifactName, Forward, Generation, Project, ReleaseName};
use crate::observe::OpenForward;
use crate::render::Shape;

use super::super::Event;

/// What a task brings: its event, and what later tasks need.
pub(super) struct Done {
    pub(super) event: Event,
    pub(super) kept: Option<Kept>,
}

impl Done {
    /// An event alone.
    pub(super) fn of(event: Event) -> Self {
        Self { event, kept: None }
    }

    /// An event, and something for later.
    pub(super) fn keeping(event: Event, kept: Kept) -> Self {
        Self { event, kept: Some(kept) }
    }
}

/// A step of a build that ran.
pub(super) struct StepTook {
    pub(super) step: String,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

/// Something for later tasks.
pub(super) enum Kept {
    /// What was hashed, for the builder.
    Inputs(ArtifactName, Generation, Arc<BuildInputs>),
    /// What was found out about a release.
    Examined(ReleaseName, Arc<ExaminedRelease>),
    /// What is to be deployed.
    Prepared(ReleaseName, Generation, Arc<Prepared>),
    /// What now runs.
    Deployed(ReleaseName, Vec<Recorded>, Option<Arc<Installed>>),
    /// The same objects with other images.
    Patched(ReleaseName, Arc<Installed>),
    /// The steps that a build ran.
    Steps(ArtifactName, Vec<StepTook>),
    /// An open local port; `following` keeps it.
    Forward(Forward, OpenForward),
}

/// What was found out about a release.
pub(super) struct ExaminedRelease {
    /// How its images get into it; absent where the record in the cluster says all that is needed.
    pub(super) shape: Option<Shape>,
    /// What there is of it in the cluster.
    pub(super) found: Option<Found>,
    /// Files and folders whose change means examining it anew.
    pub(super) watched: Vec<PathBuf>,
}

/// A release as rendered, with what the deploy needs to know about the cluster.
pub(super) struct Prepared {
    /// What is to be deployed.
    pub(super) plan: Plan,
    /// What there was before; absent where nothing is deployed.
    pub(super) found: Option<Found>,
    /// The manifests as YAML, for `render`.
    pub(super) yaml: String,
    /// What is to be changed, where that is images alone.
    pub(super) swap: Option<Swap>,
    /// The file that makes each object, by the object's short name.
    pub(super) places: BTreeMap<String, String>,
}

/// What is known of a release that is to be rendered.
pub(super) struct KnownRelease {
    /// What was found out about it last.
    pub(super) examined: Option<Arc<ExaminedRelease>>,
    /// As this session installed it last.
    pub(super) installed: Option<Arc<Installed>>,
    /// Its namespace was deleted since.
    pub(super) lost: bool,
}

/// The desk itself.
#[derive(Default)]
pub(super) struct Desk {
    inputs: BTreeMap<ArtifactName, (Generation, Arc<BuildInputs>)>,
    examined: BTreeMap<ReleaseName, Arc<ExaminedRelease>>,
    prepared: BTreeMap<ReleaseName, (Generation, Arc<Prepared>)>,
    objects: BTreeMap<ReleaseName, Vec<Value>>,
    installed: BTreeMap<ReleaseName, Arc<Installed>>,
    lost: BTreeSet<ReleaseName>,
}

impl Desk {
    /// Takes what a task left. Only the latest of each counts.
    pub(super) fn keep(&mut self, kept: Option<Kept>) {
        match kept {
            None | Some(Kept::Forward(..) | Kept::Steps(..)) => {}
            Some(Kept::Inputs(name, generation, inputs)) => {
                self.inputs.insert(name, (generation, inputs));
            }
            Some(Kept::Examined(name, examined)) => {
                if let Some(record) =
                    examined.found.as_ref().and_then(|found| found.record.as_ref())
                {
                    let objects = record.inventory.iter().filter(|one| one.part != Part::Hook);
                    self.objects.insert(name.clone(), objects.map(Recorded::outline).collect());
                }
                self.examined.insert(name, examined);
            }
            Some(Kept::Prepared(name, generation, prepared)) => {
                self.prepared.insert(name, (generation, prepared));
            }
            Some(Kept::Deployed(name, objects, installed)) => {
                self.installed.remove(&name);
                self.lost.remove(&name);
                self.installed.extend(installed.map(|installed| (name.clone(), installed)));
                self.objects.insert(name, objects.iter().map(Recorded::outline).collect());
            }
            Some(Kept::Patched(name, installed)) => {
                self.installed.insert(name, installed);
            }
        }
    }

    /// What was hashed in this attempt.
    pub(super) fn inputs(
        &self,
        artifact: &ArtifactName,
        generation: Generation,
    ) -> Option<Arc<BuildInputs>> {
        let (of, inputs) = self.inputs.get(artifact)?;
        (*of == generation).then(|| Arc::clone(inputs))
    }

    /// What is known of a release.
    pub(super) fn known(&self, release: &ReleaseName) -> KnownRelease {
        KnownRelease {
            examined: self.examined.get(release).cloned(),
            installed: self.installed.get(release).cloned(),
            lost: self.lost.contains(release),
        }
    }

    /// The namespace of these is gone, and they with it.
    pub(super) fn lose(&mut self, releases: &BTreeSet<ReleaseName>) {
        self.lost.extend(releases.iter().cloned());
        self.installed.retain(|release, _| !releases.contains(release));
    }

    /// Nothing that is known of these counts any more.
    pub(super) fn forget(&mut self, releases: &BTreeSet<ReleaseName>) {
        for release in releases {
            self.examined.remove(release);
            self.prepared.remove(release);
            self.objects.remove(release);
            self.installed.remove(release);
            self.lost.remove(release);
        }
    }

    /// What was rendered in this attempt.
    pub(super) fn prepared(
        &self,
        release: &ReleaseName,
        generation: Generation,
    ) -> Option<Arc<Prepared>> {
        let (of, prepared) = self.prepared.get(release)?;
        (*of == generation).then(|| Arc::clone(prepared))
    }

    /// The objects of a release as last deployed or found, in outline.
    pub(super) fn objects(&self, release: &ReleaseName) -> Vec<Value> {
        self.objects.get(release).cloned().unwrap_or_default()
    }

    /// The revision that ran before the last deploy.
    pub(super) fn revision_before(&self, release: &ReleaseName) -> Option<u32> {
        let (_, prepared) = self.prepared.get(release)?;
        prepared.found.as_ref()?.helm.as_ref()?.last_good
    }

    /// Paths beyond its configuration that a release depends on.
    pub(super) fn watched(&self, release: &ReleaseName) -> Vec<PathBuf> {
        self.examined.get(release).map(|examined| examined.watched.clone()).unwrap_or_default()
    }

    /// All manifests as one YAML stream, releases in the order of deploying.
    pub(super) fn manifests(&self, project: &Project) -> String {
        let mut order: Vec<&ReleaseName> = Vec::new();
        while order.len() < project.releases.len() {
            let next: Vec<&ReleaseName> = (project.releases.iter())
                .filter(|(name, _)| !order.contains(name))
                .filter(|(_, release)| release.after.iter().all(|other| order.contains(&other)))
                .map(|(name, _)| name)
                .collect();
            if next.is_empty() {
                break;
            }
            order.extend(next);
        }
        let texts = order.into_iter().filter_map(|name| self.prepared.get(name));
        texts.map(|(_, prepared)| prepared.yaml.as_str()).collect()
    }
}
