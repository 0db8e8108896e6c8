//! What of a project is deployed, as the record in the cluster tells, and which part of it the
//! names on the command line mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Cluster, ClusterOptions};
use crate::deploy::{DeployScope, ProjectRecord, ReleaseRecord};
use crate::model::{
    ImageRef, Namespace, ObjectRef, Paths, Project, ReleaseName, WorkloadKind, WorkloadRef,
};
use crate::report::{Failure, Reporter};
use crate::tools::Tools;

/// Where a command works: a project, a cluster, wharf's folders.
#[derive(Debug, Clone)]
pub struct Place {
    /// The configuration.
    pub project: Project,
    /// Which cluster is meant.
    pub cluster: ClusterOptions,
    /// Wharf's own folders.
    pub paths: Paths,
    /// Programs.
    pub tools: Tools,
    /// Where to tell.
    pub reporter: Reporter,
}

/// What is deployed of a project.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) cluster: Cluster,
    pub(super) records: BTreeMap<Namespace, ProjectRecord>,
    /// Where the project goes, and records were looked for.
    pub(super) places: BTreeSet<Namespace>,
    /// Other namespaces that have a record of a project of this name.
    pub(super) elsewhere: Vec<Namespace>,
}

impl Standing {
    /// Connects, and reads the records in the namespaces that the project goes to.
    pub(super) async fn read(place: &Place) -> Result<Self, Failure> {
        place.reporter.meanwhile("the cluster to answer", Self::ask(place)).await
    }

    async fn ask(place: &Place) -> Result<Self, Failure> {
        let cluster = Cluster::connect(&place.cluster, &place.tools)
            .await
            .map_err(|error| error.failure())?;
        let scope = DeployScope { cluster, project: place.project.name.clone() };
        let mut records = scope.records().await.map_err(|error| error.failure())?;
        // The same project in another namespace is somebody else's, or another session's.
        let releases = place.project.releases.values();
        let mut places: BTreeSet<Namespace> =
            releases.filter_map(|release| release.namespace.clone()).collect();
        places.insert(scope.cluster.namespace().clone());
        let elsewhere = records.keys().filter(|place| !places.contains(*place)).cloned().collect();
        records.retain(|namespace, _| places.contains(namespace));
        Ok(Self { cluster: scope.cluster, records, places, elsewhere })
    }

    /// Where was looked, for a person: `namespace a` or `namespaces a, b`.
    pub(super) fn where_looked(&self) -> String {
        let names: Vec<&str> = self.places.iter().map(Namespace::as_str).collect();
        format!("namespace{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
    }

    /// The part that `names` mean; no names mean all of it.
    pub(super) fn part(&self, names: &[String]) -> Result<Part, Failure> {
        let mut part = Part::default();
        for (namespace, record) in &self.records {
            for (name, release) in &record.releases {
                part.take(namespace, name, release, names);
            }
        }
        match names.iter().find(|name| !part.found.contains(name.as_str())) {
            Some(name) => Err(self.unknown(name)),
            None => Ok(part),
        }
    }

    fn unknown(&self, name: &str) -> Failure {
        let releases = self.records.values().flat_map(|record| &record.releases);
        let known: BTreeSet<String> = releases
            .flat_map(|(release, record)| {
                let images = record.images.keys().map(ToString::to_string);
                std::iter::once(release.to_string()).chain(images)
            })
            .collect();
        let what = format!("nothing that is deployed is called `{name}`");
        let failure = Failure::request("wharf::names::not_deployed", what);
        if known.is_empty() {
            let elsewhere = self.elsewhere.iter();
            let failure = elsewhere.fold(failure, |failure, namespace| {
                failure.help(format!(
                    "the project is deployed in namespace `{namespace}`: `-n {namespace}`"
                ))
            });
            return failure.help("deploy the project: `wharf run`");
        }
        let near = known.iter().find(|known| strsim::damerau_levenshtein(known, name) <= 2);
        match near {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => {
                let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
                failure.help(format!("what is deployed: {}", known.join(", ")))
            }
        }
    }
}

/// A part of what is deployed.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Part {
    /// Releases, with where they are.
    pub(super) releases: BTreeMap<(Namespace, ReleaseName), ReleaseRecord>,
    /// Workloads to look at. Which of them use an image of `images` is known only in the cluster.
    pub(super) workloads: BTreeSet<WorkloadRef>,
    /// Those among them that go by themselves when they are done.
    pub(super) passing: BTreeSet<WorkloadRef>,
    /// Absent: every workload. Otherwise those that are named, or run one of these images.
    pub(super) only: Option<Only>,
    /// Names that meant something.
    found: BTreeSet<String>,
}

/// A choice among workloads.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Only {
    workloads: BTreeSet<WorkloadRef>,
    images: Vec<ImageRef>,
}

impl Part {
    fn take(
        &mut self,
        namespace: &Namespace,
        name: &ReleaseName,
        release: &ReleaseRecord,
        names: &[String],
    ) {
        let workloads = workloads_of(release);
        let mut wanted = names.is_empty();
        for given in names {
            let only = self.only.get_or_insert_with(Only::default);
            let images: Vec<_> = release
                .images
                .iter()
                .filter(|(image, _)| {
                    image.as_str() == given || image.as_str().rsplit('/').next() == Some(given)
                })
                .map(|(_, image)| image.clone())
                .collect();
            let named: Vec<_> =
                workloads.iter().filter(|workload| workload.name == *given).cloned().collect();
            if name.as_str() == given {
                only.workloads.extend(workloads.iter().cloned());
            } else if images.is_empty() && named.is_empty() {
                continue;
            }
            only.images.extend(images);
            only.workloads.extend(named);
            self.found.insert(given.clone());
            wanted = true;
        }
        if wanted {
            self.releases.insert((namespace.clone(), name.clone()), release.clone());
            self.workloads.extend(workloads);
            let passing = release.inventory.iter().filter(|one| one.passing);
            self.passing.extend(passing.filter_map(|one| workload(&one.object)));
        }
    }

    /// Whether a workload that runs `images` belongs to what was asked for.
    pub(super) fn includes(&self, workload: &WorkloadRef, images: &[String]) -> bool {
        let Some(only) = &self.only else { return true };
        only.workloads.contains(workload)
            || images
                .iter()
                .filter_map(|image| ImageRef::parse(image).ok())
                .any(|image| only.images.iter().any(|wanted| wanted.same_repository(&image)))
    }
}

/// The workloads among the objects of a release.
fn workloads_of(release: &ReleaseRecord) -> BTreeSet<WorkloadRef> {
    release.inventory.iter().filter_map(|recorded| workload(&recorded.object)).collect()
}

fn workload(object: &ObjectRef) -> Option<WorkloadRef> {
    if !matches!(object.api_version.as_str(), "v1" | "apps/v1" | "batch/v1") {
        return None;
    }
    let (kind, namespace) = (WorkloadKind::of(&object.kind)?, object.namespace.clone()?);
    Some(WorkloadRef { kind, namespace, name: object.name.clone() })
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
