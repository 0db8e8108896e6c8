//! Base images: what is hashed of them, and what the Dockerfile that is sent calls them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{BoxFuture, try_join_all};

use crate::docker::{BaseImage, DockerError, EngineImage};
use crate::dockerfile::{Analysis, Site, rewrite};
use crate::model::{Artifact, ArtifactName, Digest, DockerBuild, ImageRef, NamedContext, Platform};

use super::hash::Tell;
use super::inputs::LocalBase;
use super::remote::{Answer, Note, ago};
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
    /// Its `ONBUILD` instructions, where they are known.
    pub(super) triggers: Option<Vec<String>>,
    /// What a person should know about it.
    pub(super) note: Option<Note>,
}

/// What an image is for in a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A stage begins with it, and does what it asks for by `ONBUILD`.
    Stage,
    /// Files are taken from it, or it reads the Dockerfile.
    Files,
}

/// How long a registry's word counts in a session: a tag that moves is seen at the save after.
const FRESH: Duration = Duration::from_secs(300);

/// How long a registry may take whose last word is known.
const KNOWN_LIMIT: Duration = Duration::from_secs(5);

/// Finds out what a base image is: by the Engine, or by a table in tests.
pub(super) type Lookup<'a> =
    dyn Fn(String, Platform, Role) -> BoxFuture<'a, Result<Known, DockerError>> + Send + Sync + 'a;

/// Asks the Engine, and through it the registry.
pub(super) async fn ask_engine(
    scope: &BuildScope,
    tell: &Tell<'_>,
    reference: String,
    platform: Platform,
    role: Role,
) -> Result<Known, DockerError> {
    let (base, away) = base(scope, &reference, &platform).await?;
    let note = away.map(|age| Note {
        about: reference.clone(),
        text: format!(
            "the registry of `{reference}` is out of reach: it is taken as it was {}",
            ago(age)
        ),
    });
    let triggers = match role {
        Role::Files => None,
        Role::Stage if base.is_local => {
            scope.engine.image(&reference).await?.map(|image| on_build(&image))
        }
        Role::Stage => triggers(scope, tell, &base, &platform).await,
    };
    let BaseImage { reference_to_use, identity, is_local } = base;
    Ok(Known { reference: reference_to_use, identity, is_local, triggers, note })
}

/// What `reference` is, and where its registry is out of reach, the age of what is known of it.
pub(super) async fn base(
    scope: &BuildScope,
    reference: &str,
    platform: &Platform,
) -> Result<(BaseImage, Option<Duration>), DockerError> {
    let mut age = None;
    let in_registry = async |image: &ImageRef| {
        let key = format!("image {image} for {platform}");
        let answer = match scope.remote.asked(&key, FRESH) {
            Some(answer) => answer,
            None => asked(scope, image, &key).await?,
        };
        let broken = || DockerError::NoImage {
            image: image.to_string(),
            why: "its registry gave no answer".to_owned(),
            here: None,
        };
        let digest = match answer {
            Answer::Says(digest) => digest,
            Answer::Away(Some((digest, since))) => {
                age = Some(since);
                digest
            }
            Answer::Away(None) | Answer::Nothing => return Err(broken()),
        };
        Digest::parse(&digest).map_err(|_| broken())
    };
    let base = scope.engine.base(reference, platform, in_registry).await?;
    Ok((base, age))
}

/// Asks a registry what `image` is. Its last word counts where it is out of reach.
async fn asked(scope: &BuildScope, image: &ImageRef, key: &str) -> Result<Answer, DockerError> {
    let ask = scope.engine.in_registry(image, &scope.credentials);
    let answer = match scope.remote.last(key) {
        None => ask.await,
        Some(_) => match tokio::time::timeout(KNOWN_LIMIT, ask).await {
            Ok(Err(DockerError::NoImage { why, .. })) if is_away(&why) => {
                return Ok(scope.remote.is_away(key));
            }
            Ok(answer) => answer,
            Err(_) => return Ok(scope.remote.is_away(key)),
        },
    };
    Ok(scope.remote.says(key, &answer?.to_string()))
}

/// What an image of a registry asks for by `ONBUILD`: no registry tells it through the Engine but
/// with the image itself, which the build takes from there as well. Asked once per digest.
async fn triggers(
    scope: &BuildScope,
    tell: &Tell<'_>,
    base: &BaseImage,
    platform: &Platform,
) -> Option<Vec<String>> {
    let key = format!("onbuild {} for {platform}", base.reference_to_use);
    if let Some((text, _)) = scope.remote.last(&key)
        && let Ok(known) = serde_json::from_str(&text)
    {
        return Some(known);
    }
    let pinned = &base.reference_to_use;
    let image = ImageRef::parse(pinned).ok()?;
    // By its digest alone, so that no tag of the person's comes to mean another image.
    let by_digest = format!("{}@{}", image.repository(), base.identity);
    let read = async {
        if let Some(image) = scope.engine.image(&by_digest).await? {
            return Ok(Some(image));
        }
        let login = scope.credentials.login(image.host()).await?;
        let text = format!("pulling {pinned}, to see what it does in a build (`ONBUILD`)");
        tell(Note { about: pinned.clone(), text });
        scope.engine.pull(&image, Some(platform), login.as_ref()).await?;
        scope.engine.image(&by_digest).await
    };
    let read: Result<_, DockerError> = read.await;
    match read {
        Ok(Some(image)) => {
            let found = on_build(&image);
            scope.remote.says(&key, &serde_json::json!(found).to_string());
            Some(found)
        }
        Ok(None) => None,
        Err(error) => {
            tracing::debug!(%error, %pinned, "what it does in a build is not known");
            None
        }
    }
}

fn on_build(image: &EngineImage) -> Vec<String> {
    let texts = image.config.get("OnBuild").and_then(|texts| texts.as_array());
    texts.into_iter().flatten().filter_map(|text| text.as_str()).map(str::to_owned).collect()
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
    meaning_by_name: BTreeMap<(String, Platform), (Meaning, Role)>,
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
        let mut wanted: BTreeMap<(String, Platform), Role> = BTreeMap::new();
        for base in &analysis.bases {
            let platform = base.platform.as_ref().unwrap_or(names.platform);
            let role = if base.is_stage_base { Role::Stage } else { Role::Files };
            wanted.insert((base.reference.clone(), platform.clone()), role);
        }
        for context in &analysis.contexts {
            if let Some(NamedContext::Image(reference)) = names.context(&context.name) {
                wanted.entry((reference.clone(), names.platform.clone())).or_insert(Role::Files);
            }
        }
        if let Some(frontend) = &analysis.frontend {
            let name = (frontend.reference.clone(), names.build_platform.clone());
            wanted.entry(name).or_insert(Role::Files);
        }
        wanted.retain(|name, role| match self.meaning_by_name.get(name) {
            // It was looked at for its files alone.
            Some((Meaning::External(_), Role::Files)) => *role == Role::Stage,
            known => known.is_none(),
        });
        let found = wanted.into_iter().map(|((reference, platform), role)| async move {
            let meaning = match names.project(&reference) {
                Some((name, image)) => Meaning::Project(name, image),
                None => {
                    let known = lookup(reference.clone(), platform.clone(), role).await;
                    Meaning::External(
                        known.map_err(|error| no_base(names, &reference, &platform, error))?,
                    )
                }
            };
            Ok(((reference, platform), (meaning, role)))
        });
        self.meaning_by_name.extend(try_join_all(found).await?);
        Ok(())
    }

    /// `ONBUILD` instructions of the images that stages begin with.
    pub(super) fn triggers(&self, analysis: &Analysis) -> BTreeMap<String, Vec<String>> {
        let bases = analysis.bases.iter().filter(|base| base.is_stage_base);
        let mut triggers = BTreeMap::new();
        for ((reference, _), (meaning, _)) in &self.meaning_by_name {
            if let Meaning::External(Known { triggers: Some(known), .. }) = meaning
                && !known.is_empty()
                && bases.clone().any(|base| base.reference == *reference)
            {
                triggers.insert(reference.clone(), known.clone());
            }
        }
        triggers
    }

    /// An image that a stage begins with, and of which it is not known what it does then.
    pub(super) fn unread(&self) -> Option<&str> {
        self.meaning_by_name.iter().find_map(|((reference, _), meaning)| match meaning {
            (Meaning::External(Known { triggers: None, .. }), Role::Stage) => Some(&**reference),
            _ => None,
        })
    }

    fn meaning(&self, reference: &str, platform: &Platform) -> Option<&Meaning> {
        let (meaning, _) = self.meaning_by_name.get(&(reference.to_owned(), platform.clone()))?;
        Some(meaning)
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
                    let about = base.reference.clone();
                    let text = format!(
                        "`{about}` is quoted in a way that it cannot be pinned to {to_use}"
                    );
                    applied.notes.push(Note { about, text });
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
    pub(super) notes: Vec<Note>,
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
                self.notes.extend(known.note.clone());
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

/// Whether the Engine's words mean that the registry may say more another time.
fn is_away(why: &str) -> bool {
    const SIGNS: [&str; 4] =
        ["toomanyrequests", "Service Unavailable", "Bad Gateway", "Gateway Time"];
    is_out_of_reach(why) || SIGNS.iter().any(|sign| why.contains(sign))
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
