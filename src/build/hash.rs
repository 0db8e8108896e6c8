//! The content hash: everything that can change an image, and nothing that cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::dockerfile::{Analysis, Options, Visibility, analyse};
use crate::files::{FilesError, Globs};
use crate::model::{
    Artifact, ArtifactName, Builder, CommandBuild, DockerBuild, ImageRef, NamedContext, Platform,
};

use super::bases::{Applied, Bases, Lookup, Names, Role, ask_engine};
use super::context::{self, Unread};
use super::inputs::{BuildInputs, CommandInputs, DockerInputs, InputsKind, NamedInputs};
use super::remote::{Answer, Note, ago};
use super::why::InputsDigest;
use super::{BuildError, BuildScope};

/// Hashes everything that can change the image of `artifact`.
///
/// The result's tag is the first 16 hexadecimal digits of a SHA-256 over: the entries that the
/// Dockerfile can see after its ignore file (path, type, mode, content or target), the Dockerfile,
/// its frontend, target, arguments, ids of secrets and agents, remote sources as their server
/// identifies them, the platform, the content hash of the project's images that it is built from
/// (`bases` says which there are), and the identity of external base images. Never times, owners,
/// order or the place of the project: the same files make the same tag everywhere.
///
/// What a person should know about it is told as it is found out, such as a remote source that
/// names no version. Dropping the future ends the work soon.
///
/// # Errors
///
/// [`BuildError`] names what is missing or cannot be read. What is wrong inside the Dockerfile is
/// left for the builder to report.
pub async fn hash(
    scope: &BuildScope,
    artifact: &Artifact,
    bases: &BTreeMap<ArtifactName, ImageRef>,
    tell: &Tell<'_>,
) -> Result<BuildInputs, BuildError> {
    let build_platform = match &artifact.builder {
        Builder::Docker(_) => scope.engine.platform().await.map_err(|source| {
            BuildError::Engine { artifact: artifact.name.clone(), source: Box::new(source) }
        })?,
        Builder::Command(_) => scope.platform.clone(),
    };
    let lookup = |reference: String, platform: Platform, role: Role| {
        ask_engine(scope, tell, reference, platform, role).boxed()
    };
    Hashing { scope, artifact, bases, build_platform, lookup: &lookup, tell }.run().await
}

/// One hash on its way.
pub(super) struct Hashing<'a> {
    pub(super) scope: &'a BuildScope,
    pub(super) artifact: &'a Artifact,
    pub(super) bases: &'a BTreeMap<ArtifactName, ImageRef>,
    /// What the builder runs on.
    pub(super) build_platform: Platform,
    pub(super) lookup: &'a Lookup<'a>,
    pub(super) tell: &'a Tell<'a>,
}

/// Where notes for a person go.
pub type Tell<'a> = dyn Fn(Note) + Send + Sync + 'a;

impl Hashing<'_> {
    pub(super) async fn run(&self) -> Result<BuildInputs, BuildError> {
        match &self.artifact.builder {
            Builder::Docker(build) => self.docker(build).await,
            Builder::Command(build) => self.command(build).await,
        }
    }

    fn platform(&self) -> &Platform {
        self.artifact.platform.as_ref().unwrap_or(&self.scope.platform)
    }

    async fn docker(&self, build: &DockerBuild) -> Result<BuildInputs, BuildError> {
        let artifact = &self.artifact.name;
        if !build.context.is_dir() {
            let (artifact, path) = (artifact.clone(), build.context.clone());
            return Err(BuildError::NoContext { artifact, path });
        }
        let text = self.dockerfile(build)?;
        let names = Names {
            artifact: self.artifact,
            build,
            platform: self.platform(),
            build_platform: &self.build_platform,
            bases: self.bases,
        };
        let (analysis, found) = self.analyse(&names, &text).await?;
        let visible = visible(&analysis, &found);
        if let Visibility::Whole { because: Some(because) } = &visible {
            tracing::debug!(%artifact, because, "the whole context counts");
        }
        let files = self.files(build, visible, &analysis).await?;

        let mut digest = InputsDigest::new();
        digest.add("platform", &self.platform().to_string(), "-");
        if let Some(target) = &build.target {
            digest.add_hashed("target", target.as_bytes(), "-");
        }
        let dockerfile_name = file_name(&build.dockerfile);
        digest.add_hashed("dockerfile", &text, "-");
        for (name, value) in &build.args {
            digest.add_hashed("arg", value.as_bytes(), name);
        }
        for secret in &build.secrets {
            digest.add("secret", "-", &secret.id);
        }
        for agent in &build.ssh {
            digest.add("ssh", "-", &agent.id);
        }
        if let Some(network) = &build.network {
            digest.add_hashed("network", network.as_bytes(), "-");
        }
        for host in &build.add_hosts {
            digest.add("host", "-", host);
        }
        let applied = found.apply(&names, &analysis, &text, &mut digest);
        let Applied { dockerfile_text, local_bases, images, notes, .. } = applied;
        notes.into_iter().for_each(self.tell);
        self.remote(&analysis, &mut digest).await;
        let mut named: BTreeMap<String, NamedInputs> =
            images.into_iter().map(|(name, image)| (name, NamedInputs::Image(image))).collect();
        for (name, path, entries) in files.named {
            digest.add_entries(&format!("{name}:"), &entries);
            named.insert(name, NamedInputs::Folder { path, entries });
        }
        digest.add_entries("", &files.main.entries);
        let inputs = DockerInputs {
            context: build.context.clone(),
            entries: files.main.entries,
            named,
            dockerfile_name,
            dockerfile_text,
            dockerignore: files.main.dockerignore,
            target: build.target.clone(),
            args: build.args.clone(),
            platform: self.platform().clone(),
            secrets: build.secrets.clone(),
            ssh: build.ssh.clone(),
            network: build.network.clone(),
            add_hosts: build.add_hosts.clone(),
            local_bases,
        };
        Ok(self.inputs(InputsKind::Docker(Box::new(inputs)), digest, &build.context))
    }

    fn inputs(&self, kind: InputsKind, digest: InputsDigest, folder: &Path) -> BuildInputs {
        let shown = folder.strip_prefix(&self.scope.root).unwrap_or(folder);
        BuildInputs {
            artifact: self.artifact.name.clone(),
            hash: digest.hash(),
            kind,
            digest,
            shown_folder: shown.display().to_string(),
        }
    }

    fn dockerfile(&self, build: &DockerBuild) -> Result<Vec<u8>, BuildError> {
        let artifact = self.artifact.name.clone();
        let path = build.dockerfile.clone();
        std::fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => BuildError::NoDockerfile { artifact, path },
            _ => {
                let source = FilesError::Unreadable { path, source };
                BuildError::Unreadable { artifact, source }
            }
        })
    }

    /// Reads the Dockerfile; anew where a base image brings instructions of its own.
    async fn analyse(
        &self,
        names: &Names<'_>,
        text: &[u8],
    ) -> Result<(Analysis, Bases), BuildError> {
        let contexts: BTreeSet<String> = names.build.contexts.keys().cloned().collect();
        let mut triggers = BTreeMap::new();
        let mut bases = Bases::default();
        loop {
            let options = Options {
                target: names.build.target.as_deref(),
                args: &names.build.args,
                platform: names.platform,
                build_platform: names.build_platform,
                contexts: &contexts,
                triggers: &triggers,
            };
            let analysis = analyse(text, &options);
            bases.find(names, &analysis, self.lookup).await?;
            let now = bases.triggers(&analysis);
            if now == triggers {
                return Ok((analysis, bases));
            }
            triggers = now;
        }
    }

    async fn files(
        &self,
        build: &DockerBuild,
        visible: Visibility,
        analysis: &Analysis,
    ) -> Result<Files, BuildError> {
        let is_exact = !matches!(visible, Visibility::Whole { because: Some(_) });
        // Where the Dockerfile is not understood, it may take anything from anywhere.
        let taken = |name: &String| match is_exact {
            true => {
                let mut used = analysis.contexts.iter();
                used.find(|used| used.name == *name).map(|used| used.visible.clone())
            }
            false => Some(Visibility::Whole { because: None }),
        };
        let folders: Vec<(String, PathBuf, Visibility)> = build
            .contexts
            .iter()
            .filter_map(|(name, context)| match context {
                NamedContext::Folder(path) => Some((name.clone(), path.clone(), taken(name)?)),
                NamedContext::Artifact(_) | NamedContext::Image(_) => None,
            })
            .collect();
        for (_, path, _) in &folders {
            if !path.is_dir() {
                let (artifact, path) = (self.artifact.name.clone(), path.clone());
                return Err(BuildError::NoContext { artifact, path });
            }
        }
        let (root, dockerfile) = (build.context.clone(), build.dockerfile.clone());
        let cache = self.scope.cache.clone();
        self.read(move |cancel| {
            let main = context::read(&root, Some(&dockerfile), &visible, &cache, cancel)?;
            let mut named = Vec::new();
            for (name, path, visible) in folders {
                let files = context::read(&path, None, &visible, &cache, cancel)?;
                named.push((name, path, files.entries));
            }
            Ok(Files { main, named })
        })
        .await
    }

    /// Runs `work` where it may block. It ends soon after nobody waits for it any more.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CancellationToken) -> Result<T, Unread> + Send + 'static,
    ) -> Result<T, BuildError> {
        let cancel = CancellationToken::new();
        let ended = cancel.clone().drop_guard();
        let result = tokio::task::spawn_blocking(move || work(&cancel)).await;
        drop(ended);
        let artifact = self.artifact.name.clone();
        match result {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(Unread::Cancelled)) => Err(BuildError::Cancelled { artifact }),
            Ok(Err(Unread::BadIgnore(path, bad))) => {
                Err(BuildError::BadIgnore { artifact, path, pattern: bad.pattern })
            }
            Ok(Err(Unread::Files(source))) => Err(BuildError::Unreadable { artifact, source }),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(BuildError::Cancelled { artifact }),
        }
    }

    /// Hashes remote sources, and tells what a person should know about them.
    async fn remote(&self, analysis: &Analysis, digest: &mut InputsDigest) {
        let asked = analysis.remote.iter().map(|url| async move {
            (url, self.scope.remote.identity(url, &self.scope.tools).await)
        });
        let note = |about: &str, text: String| (self.tell)(Note { about: about.to_owned(), text });
        for (url, answer) in futures::future::join_all(asked).await {
            let identity = match answer {
                Answer::Says(identity) => Some(identity),
                Answer::Nothing => {
                    let what = "does not say which version it is: a change there is not noticed";
                    note(url, format!("{url} {what}"));
                    None
                }
                Answer::Away(Some((identity, age))) => {
                    let when = ago(age);
                    note(url, format!("{url} does not answer: it is taken as it was {when}"));
                    Some(identity)
                }
                Answer::Away(None) => {
                    note(url, format!("{url} does not answer: a change there is not noticed"));
                    None
                }
            };
            match identity {
                Some(identity) => digest.add_hashed("remote", identity.as_bytes(), url),
                None => digest.add("remote", "-", url),
            }
        }
        for source in &analysis.vague {
            let what = "is known to the builder alone: a change there is not noticed";
            note(source, format!("{source} {what}"));
        }
    }

    async fn command(&self, build: &CommandBuild) -> Result<BuildInputs, BuildError> {
        let artifact = self.artifact.name.clone();
        if !build.dir.is_dir() {
            return Err(BuildError::NoContext { artifact, path: build.dir.clone() });
        }
        let globs = Globs::new(&build.inputs, &build.ignore)
            .map_err(|(glob, source)| BuildError::BadGlob { artifact, glob, source })?;
        let (dir, cache) = (build.dir.clone(), self.scope.cache.clone());
        let entries =
            self.read(move |cancel| context::read_globs(&dir, &globs, &cache, cancel)).await?;
        let mut digest = InputsDigest::new();
        digest.add("platform", &self.platform().to_string(), "-");
        digest.add_hashed("command", build.command.as_bytes(), "-");
        // A command may use any image that it is said to need.
        for name in &self.artifact.needs {
            if let Some(image) = self.bases.get(name) {
                let tag = image.tag().map(ToString::to_string).unwrap_or_default();
                digest.add("project", &tag, name.as_str());
            }
        }
        let mut env = BTreeMap::new();
        for (name, value) in &build.env {
            let of_project = self.bases.iter().find(|(artifact, _)| artifact.as_str() == value);
            // The image's own hash counts already.
            digest.add_hashed("env", value.as_bytes(), name);
            let value = of_project.map_or_else(|| value.clone(), |(_, image)| image.to_string());
            env.insert(name.clone(), value);
        }
        digest.add_entries("", &entries);
        let (command, dir) = (build.command.clone(), build.dir.clone());
        let inputs = CommandInputs { command, dir, env, platform: self.platform().clone() };
        Ok(self.inputs(InputsKind::Command(inputs), digest, &build.dir))
    }
}

/// The files of all contexts.
struct Files {
    main: context::ContextFiles,
    named: Vec<(String, PathBuf, std::sync::Arc<Vec<super::Entry>>)>,
}

/// What a frontend other than Docker's makes of the text is not known, nor what a base image adds
/// that could not be read.
fn visible(analysis: &Analysis, bases: &Bases) -> Visibility {
    let known = |reference: &str| {
        ImageRef::parse(reference).is_ok_and(|image| {
            let repository = image.full_repository();
            matches!(
                repository.as_str(),
                "docker.io/docker/dockerfile" | "docker.io/docker/dockerfile-upstream"
            )
        })
    };
    match &analysis.frontend {
        Some(frontend) if !known(&frontend.reference) => Visibility::Whole {
            because: Some(format!("frontend {} is not known", frontend.reference)),
        },
        _ => match bases.unread() {
            Some(base) => Visibility::Whole {
                because: Some(format!("what {base} does in a build is not known")),
            },
            None => analysis.visible.clone(),
        },
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "Dockerfile".to_owned(), |name| name.to_string_lossy().into())
}
