//! What a save may have changed. Generous: the hash decides whether it really did.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::model::{
    Artifact, ArtifactName, Builder, ChangeSet, Chart, CommandBuild, ManifestSource, NamedContext,
    Project, Release, ReleaseName, ReleaseSource,
};

/// What depends on changed paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affected {
    /// Images with a changed path among their inputs; those built from them are not listed.
    pub artifacts: BTreeSet<ArtifactName>,
    /// Releases with a changed path in their chart, values or manifests.
    pub releases: BTreeSet<ReleaseName>,
    /// The configuration itself.
    pub config: bool,
}

impl Affected {
    /// Whether nothing depends on any of the paths.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.config && self.artifacts.is_empty() && self.releases.is_empty()
    }
}

/// What `changes` may affect.
///
/// `watched` gives paths that a release depends on beyond its own configuration, such as the
/// bases of a kustomization or the file dependencies of a chart.
#[must_use]
pub fn affected(
    project: &Project,
    changes: &ChangeSet,
    watched: impl Fn(&ReleaseName) -> Vec<PathBuf>,
) -> Affected {
    let mut out = Affected {
        config: changes.paths.iter().any(|path| project.config_files.contains(path)),
        ..Affected::default()
    };
    for (name, artifact) in &project.artifacts {
        let inputs = Inputs::of(artifact);
        if changes.paths.iter().any(|path| inputs.touched_by(path)) {
            out.artifacts.insert(name.clone());
        }
    }
    for (name, release) in &project.releases {
        let mut inputs = Inputs::of_release(release);
        inputs.paths.extend(watched(name));
        if changes.paths.iter().any(|path| inputs.touched_by(path)) {
            out.releases.insert(name.clone());
        }
    }
    out
}

/// Paths, with all that is below them, and globs.
#[derive(Default)]
struct Inputs {
    paths: Vec<PathBuf>,
    globs: Vec<GlobMatcher>,
    not: Vec<GlobMatcher>,
    /// Folders that globs look into.
    bases: Vec<PathBuf>,
}

impl Inputs {
    fn of(artifact: &Artifact) -> Self {
        match &artifact.builder {
            Builder::Docker(docker) => {
                let mut paths = vec![docker.context.clone(), docker.dockerfile.clone()];
                let mut own_ignore = docker.dockerfile.clone().into_os_string();
                own_ignore.push(".dockerignore");
                paths.push(own_ignore.into());
                paths.extend(docker.contexts.values().filter_map(|context| match context {
                    NamedContext::Folder(path) => Some(path.clone()),
                    NamedContext::Artifact(_) | NamedContext::Image(_) => None,
                }));
                Self { paths, ..Self::default() }
            }
            Builder::Command(command) => Self::of_command(command),
        }
    }

    fn of_command(command: &CommandBuild) -> Self {
        let below = |globs: &[String]| {
            let full = globs.iter().map(|glob| command.dir.join(glob).display().to_string());
            full.filter_map(|glob| matcher(&glob)).collect()
        };
        Self {
            globs: below(&command.inputs),
            not: below(&command.ignore),
            bases: vec![command.dir.clone()],
            paths: vec![],
        }
    }

    fn of_release(release: &Release) -> Self {
        let mut inputs = Self::default();
        match &release.source {
            ReleaseSource::Helm(helm) => {
                if let Chart::Path(path) = &helm.chart {
                    inputs.paths.push(path.clone());
                }
                inputs.paths.extend(helm.values.iter().cloned());
            }
            ReleaseSource::Manifests(ManifestSource::Kustomize(source)) => {
                inputs.paths.push(source.folder.clone());
            }
            ReleaseSource::Manifests(ManifestSource::Files(globs)) => {
                for glob in globs {
                    inputs.globs.extend(matcher(glob));
                    inputs.bases.push(base(glob));
                }
            }
        }
        inputs
    }

    fn touched_by(&self, path: &Path) -> bool {
        // A folder above may have been renamed, and everything in it with it.
        let above = |input: &PathBuf| input.starts_with(path) && input != path;
        if self.not.iter().any(|glob| glob.is_match(path)) {
            return false;
        }
        self.paths.iter().any(|input| path.starts_with(input) || above(input))
            || self.globs.iter().any(|glob| glob.is_match(path))
            || self.bases.iter().any(|base| above(base) || base == path)
            || self.may_hold_matches(path)
    }

    /// Whether `path` looks like a folder below a glob's base: a folder that came or went is told
    /// as itself, not as what is in it.
    fn may_hold_matches(&self, path: &Path) -> bool {
        let probe = path.join("x");
        path.extension().is_none()
            && self.bases.iter().any(|base| path.starts_with(base))
            && self.globs.iter().any(|glob| {
                let text = glob.glob().glob();
                text.contains("**") && glob.is_match(&probe)
            })
    }
}

fn matcher(glob: &str) -> Option<GlobMatcher> {
    // The configuration was checked when it was read; what is no glob matches nothing.
    let glob = GlobBuilder::new(glob).literal_separator(true).build().ok()?;
    Some(glob.compile_matcher())
}

/// The folder below which `glob` looks.
fn base(glob: &str) -> PathBuf {
    let is_plain = |part: &std::path::Component<'_>| {
        !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{'])
    };
    let parts: PathBuf = Path::new(glob).components().take_while(is_plain).collect();
    if parts == Path::new(glob) {
        return parts;
    }
    parts
}
