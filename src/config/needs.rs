//! Images of the project that other images are built from.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Options, analyse};
use crate::model::{Artifact, ArtifactName, Builder, ImageRef, Platform, Project};

use super::error::said;
use super::provenance::{Provenance, Source};

/// Tags that say "the one from here" rather than a published version.
const OWN_TAGS: &[&str] = &["latest", "dev", "local"];

/// `project` with `needs` completed by the images that Dockerfiles name.
///
/// `references` gives for an image what its Dockerfile takes from other images: the references in
/// `FROM`, `COPY --from` and `RUN --mount=from=`. One that names the repository of another image
/// of the project, without a tag or as `latest`, `dev` or `local`, is a need; another tag or a
/// digest is a published version and none. An image's own repository is no need of it.
#[must_use]
pub fn with_inferred_needs(
    mut project: Project,
    mut references: impl FnMut(&Artifact) -> BTreeSet<String>,
) -> Project {
    let names: Vec<ArtifactName> = project.artifacts.keys().cloned().collect();
    for artifact in project.artifacts.values_mut() {
        let found = references(artifact);
        let found = found.iter().filter_map(|text| own(text, &names));
        let others = found.filter(|name| *name != artifact.name).collect::<Vec<_>>();
        artifact.needs.extend(others);
    }
    project
}

/// `project` with `needs` completed from the Dockerfiles on disk; one that cannot be read adds
/// nothing, and is the build's to complain about.
#[must_use]
pub fn with_needs_of_dockerfiles(project: Project, provenance: &mut Provenance) -> Project {
    let given: Vec<BTreeSet<ArtifactName>> =
        project.artifacts.values().map(|artifact| artifact.needs.clone()).collect();
    let project = with_inferred_needs(project, |artifact| {
        let Builder::Docker(docker) = &artifact.builder else { return BTreeSet::new() };
        let Ok(text) = std::fs::read(&docker.dockerfile) else { return BTreeSet::new() };
        let contexts = docker.contexts.keys().cloned().collect();
        references(&text, docker.target.as_deref(), &docker.args, &contexts)
    });
    for (artifact, given) in project.artifacts.values().zip(given) {
        if let Builder::Docker(docker) = &artifact.builder {
            let dockerfile = said(&docker.dockerfile, &project.root);
            say_where(artifact, &given, &dockerfile, provenance);
        }
    }
    project
}

/// The needs that were `given` keep their sources; the others came from `dockerfile`.
fn say_where(
    artifact: &Artifact,
    given: &BTreeSet<ArtifactName>,
    dockerfile: &str,
    provenance: &mut Provenance,
) {
    if artifact.needs.len() == given.len() {
        return;
    }
    let path = ["images", artifact.name.as_str(), "needs"];
    let source = |need: &ArtifactName| match given.iter().position(|one| one == need) {
        None => Some(Source::Inferred(dockerfile.to_owned())),
        Some(index) => {
            let index = index.to_string();
            let item = [&path[..], &[index.as_str()]].concat();
            provenance.get(&item).or_else(|| provenance.get(&path)).cloned()
        }
    };
    let sources = artifact.needs.iter().map(source).collect();
    provenance.list(&path, sources);
}

/// The images that the Dockerfile `text` takes something from.
pub(super) fn references(
    text: &[u8],
    target: Option<&str>,
    args: &BTreeMap<String, String>,
    contexts: &BTreeSet<String>,
) -> BTreeSet<String> {
    // Which platform it is makes no difference to the names but where they spell it out.
    let platform = Platform { os: "linux".into(), arch: "amd64".into(), variant: None };
    let options = Options {
        target,
        args,
        platform: &platform,
        build_platform: &platform,
        contexts,
        triggers: &BTreeMap::new(),
    };
    analyse(text, &options).bases.into_iter().map(|base| base.reference).collect()
}

/// Which of the project's images `reference` means.
pub(super) fn own(reference: &str, names: &[ArtifactName]) -> Option<ArtifactName> {
    let image = ImageRef::parse(reference).ok()?;
    let is_own =
        image.digest().is_none() && image.tag().is_none_or(|tag| OWN_TAGS.contains(&tag.as_str()));
    if !is_own {
        return None;
    }
    names
        .iter()
        .find(|name| ImageRef::parse(name.as_str()).is_ok_and(|name| name.same_repository(&image)))
        .cloned()
}
