//! Base images: what is hashed of them, and what the Dockerfile that is sent calls them.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{BoxFuture, try_join_all};

use crate::docker::DockerError;
use crate::dockerfile::{Analysis, Site, rewrite};
use crate::model::{Artifact, ArtifactName, DockerBuild, ImageRef, NamedContext, Platform};

use super::inputs::LocalBase;
use super::why::InputsDigest;
use super::{BuildError, BuildScope};

/// What an external base image is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// What the Dockerfile that is sent says.
    pub(super) reference: String,
    /// What is hashed.
    pub(super) identity: String,
    /// Its name could come to mean another image before the build uses it.
    pub(super) is_local: bool,
    /// Its `ONBUILD` instructions, where they can be known without pulling it.
    pub(super) triggers: Vec<String>,
}

/// Finds out what a base image is: by the Engine, or by a table in tests.
pub(super) type Lookup<'a> =
    dyn Fn(String, Platform) -> BoxFuture<'a, Result<Known, DockerError>> + Send + Sync + 'a;

/// Asks the Engine, and through it the registry.
pub(super) async fn ask_engine(
    scope: &BuildScope,
    reference: String,
    platform: Platform,
) -> Result<Known, DockerError> {
    let base = scope.engine.base(&reference, &platform, &scope.credentials).await?;
    let mut triggers = Vec::new();
    if base.is_local
        && let Some(image) = scope.engine.image(&reference).await?
        && let Some(texts) = image.config.get("OnBuild").and_then(|texts| texts.as_array())
    {
        triggers.extend(texts.iter().filter_map(|text| text.as_str()).map(str::to_owned));
    }
    Ok(Known {
        reference: base.reference_to_use,
        identity: base.identity,
        is_local: base.is_local,
        triggers,
    })
}

/// What one name in a Dockerfile stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// An image of the project.
    Project(ArtifactName, ImageRef),
    /// An image of others.
    External(Known),
}

/// The base images of one build, found out.
#[derive(Debug, Default)]
pub(super) struct Bases {
    meaning_by_name: BTreeMap<(String, Platform), Meaning>,
}

/// Everything that decides what a name means.
pub(super) struct Names<'a> {
    pub(super) artifact: &'a Artifact,
    pub(super) build: &'a DockerBuild,
    /// What the image is built for.
    pub(super) platform: &'a Platform,
    /// What the builder runs on.
    pub(super) build_platform: &'a Platform,
    /// Images of the project that this one may be built from.
    pub(super) bases: &'a BTreeMap<ArtifactName, ImageRef>,
}

impl Names<'_> {
    /// The project's image that `reference` names, if it does. A tag does not matter, a digest
    /// asks for something that exists already.
    fn project(&self, reference: &str) -> Option<(ArtifactName, ImageRef)> {
        let image = ImageRef::parse(reference).ok().filter(|image| image.digest().is_none())?;
        let mut bases = self.bases.iter();
        let (name, built) = bases.find(|(name, _)| {
            ImageRef::parse(name.as_str()).is_ok_and(|own| own.same_repository(&image))
        })?;
        Some((name.clone(), built.clone()))
    }

    fn context(&self, name: &str) -> Option<&NamedContext> {
        self.build.contexts.get(name)
    }
}

impl Bases {
    /// Finds out what every image that `analysis` names is.
    pub(super) async fn find(
        &mut self,
        names: &Names<'_>,
        analysis: &Analysis,
        lookup: &Lookup<'_>,
    ) -> Result<(), BuildError> {
        let mut wanted: Vec<(String, Platform)> = Vec::new();
        for base in &analysis.bases {
            let platform = base.platform.as_ref().unwrap_or(names.platform);
            wanted.push((base.reference.clone(), platform.clone()));
        }
        for context in &analysis.contexts {
            if let Some(NamedContext::Image(reference)) = names.context(&context.name) {
                wanted.push((reference.clone(), names.platform.clone()));
            }
        }
        if let Some(frontend) = &analysis.frontend {
            wanted.push((frontend.reference.clone(), names.build_platform.clone()));
        }
        wanted.retain(|name| !self.meaning_by_name.contains_key(name));
        let found = wanted.into_iter().map(|(reference, platform)| async move {
            let meaning = match names.project(&reference) {
                Some((name, image)) => Meaning::Project(name, image),
                None => {
                    let known = lookup(reference.clone(), platform.clone()).await;
                    Meaning::External(
                        known.map_err(|error| no_base(names, &reference, &platform, error))?,
                    )
                }
            };
            Ok(((reference, platform), meaning))
        });
        self.meaning_by_name.extend(try_join_all(found).await?);
        Ok(())
    }

    /// `ONBUILD` instructions of the images that stages begin with.
    pub(super) fn triggers(&self, analysis: &Analysis) -> BTreeMap<String, Vec<String>> {
        let bases = analysis.bases.iter().filter(|base| base.is_stage_base);
        let mut triggers = BTreeMap::new();
        for ((reference, _), meaning) in &self.meaning_by_name {
            if let Meaning::External(known) = meaning
                && !known.triggers.is_empty()
                && bases.clone().any(|base| base.reference == *reference)
            {
                triggers.insert(reference.clone(), known.triggers.clone());
            }
        }
        triggers
    }

    fn meaning(&self, reference: &str, platform: &Platform) -> Option<&Meaning> {
        self.meaning_by_name.get(&(reference.to_owned(), platform.clone()))
    }

    /// Hashes the images, and writes the Dockerfile that uses exactly these.
    pub(super) fn apply(
        &self,
        names: &Names<'_>,
        analysis: &Analysis,
        text: &[u8],
        digest: &mut InputsDigest,
    ) -> Applied {
        let mut applied = Applied::default();
        let mut replaced: Vec<(&Site, String)> = Vec::new();
        for base in &analysis.bases {
            let platform = base.platform.as_ref().unwrap_or(names.platform);
            let Some(meaning) = self.meaning(&base.reference, platform) else { continue };
            // The build's own platform is hashed already.
            let name = match &base.platform {
                Some(platform) => format!("{} for {platform}", base.reference),
                None => base.reference.clone(),
            };
            let to_use = applied.take(digest, ("base", &name), meaning, platform);
            for place in &base.places {
                if place.is_replaceable() {
                    replaced.push((place, to_use.clone()));
                } else if to_use != base.reference {
                    applied.notes.push(format!(
                        "`{}` is quoted in a way that it cannot be pinned to {to_use}",
                        base.reference
                    ));
                }
            }
        }
        for used in &analysis.contexts {
            let meaning = match names.context(&used.name) {
                Some(NamedContext::Artifact(artifact)) => names
                    .bases
                    .get(artifact)
                    .map(|image| Meaning::Project(artifact.clone(), image.clone())),
                Some(NamedContext::Image(reference)) => {
                    self.meaning(reference, names.platform).cloned()
                }
                Some(NamedContext::Folder(_)) | None => None,
            };
            let Some(meaning) = meaning else { continue };
            let to_use = applied.take(digest, ("context", &used.name), &meaning, names.platform);
            // Written into the Dockerfile it works with builders that know no further contexts.
            if used.places.iter().all(Site::is_replaceable) {
                replaced.extend(used.places.iter().map(|place| (place, to_use.clone())));
            } else {
                applied.images.insert(used.name.clone(), to_use);
            }
        }
        if let Some(frontend) = &analysis.frontend
            && let Some(meaning) = self.meaning(&frontend.reference, names.build_platform)
        {
            let to_use = applied.take(
                digest,
                ("frontend", &frontend.reference),
                meaning,
                names.build_platform,
            );
            replaced.push((&frontend.place, to_use));
        }
        let replaced: Vec<(&Site, &str)> =
            replaced.iter().map(|(place, name)| (*place, name.as_str())).collect();
        applied.dockerfile_text = rewrite(text, &replaced);
        applied
    }
}

/// What comes of the base images for the build.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) dockerfile_text: Vec<u8>,
    pub(super) local_bases: Vec<LocalBase>,
    /// Further contexts that are images and must be given to the builder.
    pub(super) images: BTreeMap<String, String>,
    pub(super) notes: Vec<String>,
    /// The project's images that are hashed already.
    hashed: BTreeSet<ArtifactName>,
}

impl Applied {
    /// Hashes one image of `platform`, as what it is used for and by its name; the reference that
    /// means it.
    fn take(
        &mut self,
        digest: &mut InputsDigest,
        (sort, name): (&str, &str),
        meaning: &Meaning,
        platform: &Platform,
    ) -> String {
        match meaning {
            // The tag is the content hash. The registry and path before it differ by where images
            // are brought, and change nothing.
            Meaning::Project(artifact, image) => {
                let tag = image.tag().map(ToString::to_string).unwrap_or_default();
                if self.hashed.insert(artifact.clone()) {
                    digest.add("project", &tag, artifact.as_str());
                }
                image.to_string()
            }
            Meaning::External(known) => {
                digest.add_hashed(sort, known.identity.as_bytes(), name);
                if known.is_local {
                    let (reference, identity) = (known.reference.clone(), known.identity.clone());
                    let local = LocalBase { reference, platform: platform.clone(), identity };
                    if !self.local_bases.contains(&local) {
                        self.local_bases.push(local);
                    }
                }
                known.reference.clone()
            }
        }
    }
}

fn no_base(
    names: &Names<'_>,
    reference: &str,
    platform: &Platform,
    error: DockerError,
) -> BuildError {
    let artifact = names.artifact.name.clone();
    let image = reference.to_owned();
    match error {
        DockerError::NoImage { why, here, .. } => {
            let out_of_reach = is_out_of_reach(&why);
            let why = match (&here, out_of_reach) {
                (Some(here), true) => format!(
                    "Docker has it for {here}, not for {platform}, and its registry is out of reach: {why}"
                ),
                (Some(here), false) => format!(
                    "Docker has it for {here}, not for {platform}, and its registry has it not: {why}"
                ),
                (None, true) => {
                    format!("Docker does not have it, and its registry is out of reach: {why}")
                }
                (None, false) => format!("neither Docker nor its registry has it: {why}"),
            };
            let platform = here.map(|_| platform.clone());
            BuildError::NoBase { artifact, image, why, platform }
        }
        DockerError::Unauthorized { registry, why, with_login: true, .. } => {
            BuildError::BaseRefused { artifact, image, registry, why }
        }
        error @ DockerError::Unauthorized { .. } => {
            let failure = error.failure();
            let mut why = vec![failure.what];
            why.extend(failure.why);
            BuildError::NoBase { artifact, image, why: why.join(": "), platform: None }
        }
        source => BuildError::Engine { artifact, source: Box::new(source) },
    }
}

/// Whether the Engine's words mean that nobody answered, rather than that there is no such image.
fn is_out_of_reach(why: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "dial tcp",
        "no such host",
        "connection refused",
        "network is unreachable",
        "i/o timeout",
        "Client.Timeout",
        "gave no answer",
    ];
    SIGNS.iter().any(|sign| why.contains(sign))
}
