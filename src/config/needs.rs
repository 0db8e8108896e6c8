//! Images of the project that other images are built from.

use std::collections::BTreeSet;

use crate::model::{Artifact, ArtifactName, ImageRef, Project};

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
