//! From what the file says to what wharf believes: paths, names, and whether they fit together.
//!
//! Pure: what must exist on disk is returned as claims, which the caller checks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::model::{
    Artifact, ArtifactName, BuildSecret, Builder, Chart, ClusterChoice, CommandBuild, DockerBuild,
    Forward, ForwardPort, HelmSource, ImageRef, LogFilter, ManifestSource, NamedContext, Origin,
    Project, ProjectName, Release, ReleaseName, ReleaseSource, SecretSource, SshAgent, WaitRule,
};

use super::error::{Problem, said};
use super::node::Fault;
use super::provenance::Provenance;
use super::read::{Named, Spanned, Text, port};
use super::schema::{
    ClusterEntry, ConfigFile, ForwardEntry, Globs, ImageEntry, KustomizeEntry, KustomizeForm,
    LogForm, ManifestEntry, ManifestForm, ReleaseEntry, SecretEntry, SshForm, WaitForm, is_port,
};

/// Something that the configuration takes for granted about the disk.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) path: PathBuf,
    pub(super) must: Must,
    /// What it is to the person, such as `chart`.
    pub(super) sort: &'static str,
    pub(super) help: String,
    pub(super) at: Range<usize>,
    pub(super) profile: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// A folder.
    Folder,
    /// Anything but a folder.
    File,
    /// A folder with a `Chart.yaml`, or a packed chart.
    Chart,
    /// A folder with a kustomization.
    Kustomization,
    /// A glob that some file matches.
    Match,
}

/// The project that `file` describes, and what it takes for granted.
pub(super) fn resolve(
    file: ConfigFile,
    path: &Path,
    home: Option<&Path>,
    provenance: &mut Provenance,
) -> Result<(Project, Vec<Claim>), Fault> {
    let root = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut resolver = Resolver { root: &root, home, claims: vec![] };
    let name = match &file.name {
        Some(name) => ProjectName::parse(&name.value).map_err(|error| name.fault(error.into()))?,
        None => project_name(&root),
    };
    let artifacts = resolver.artifacts(file.images.map(|images| images.value.0))?;
    let releases = resolver.releases(file.releases, file.kustomize, file.manifests, provenance)?;
    let forwards = forwards(file.forward.map_or_else(Vec::new, |list| list.value), provenance)?;
    let registry = file.registry.as_ref().map(registry).transpose()?;
    let project = Project {
        name,
        origin: Origin::File(path.to_path_buf()),
        artifacts,
        releases,
        forwards,
        logs: logs(file.logs)?,
        cluster: cluster(file.cluster.map(|cluster| cluster.value).unwrap_or_default())?,
        registry,
        config_files: BTreeSet::from([path.to_path_buf()]),
        root: root.clone(),
    };
    Ok((project, resolver.claims))
}

/// The name of a project in `root` that gives none: the folder's, made fit.
pub(super) fn project_name(root: &Path) -> ProjectName {
    let folder = root.file_name().unwrap_or_default().to_string_lossy();
    ProjectName::parse(&fit(&folder, 63))
        .unwrap_or_else(|_| ProjectName::parse("project").expect("`project` is a label"))
}

/// `text` as a DNS label of at most `longest` characters; empty where nothing remains.
pub(super) fn fit(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    // The end says more than the beginning: `…-overlays-dev`.
    let skip = out.trim_end_matches('-').len().saturating_sub(longest);
    out.trim_end_matches('-')[skip..].trim_start_matches('-').to_owned()
}

/// `path` below `root`, without `.` and `..`.
pub(super) fn absolute(root: &Path, path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in root.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether `text` is a glob rather than a path.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

struct Resolver<'r> {
    root: &'r Path,
    home: Option<&'r Path>,
    claims: Vec<Claim>,
}

impl Resolver<'_> {
    fn path(&self, text: &str) -> PathBuf {
        absolute(self.root, Path::new(text))
    }

    /// Like [`Self::path`], with `~` as the home folder.
    fn home_path(&self, text: &Spanned<String>) -> Result<PathBuf, Fault> {
        let below = match text.value.as_str() {
            "~" => "",
            value => match value.strip_prefix("~/") {
                Some(below) => below,
                None => return Ok(self.path(value)),
            },
        };
        let Some(home) = self.home else {
            return Err(text.fault(Problem::Conflict {
                what: "`~` has no meaning here, since `HOME` is not set".to_owned(),
                help: "write the whole path".to_owned(),
            }));
        };
        Ok(absolute(home, Path::new(below)))
    }

    fn claim<T>(
        &mut self,
        of: &Spanned<T>,
        path: &Path,
        must: Must,
        sort: &'static str,
        help: &str,
    ) {
        self.claims.push(Claim {
            path: path.to_path_buf(),
            must,
            sort,
            help: help.to_owned(),
            at: of.at.clone(),
            profile: of.profile.clone(),
        });
    }

    fn artifacts(
        &mut self,
        images: Option<Vec<(Spanned<String>, ImageEntry)>>,
    ) -> Result<BTreeMap<ArtifactName, Artifact>, Fault> {
        let images = images.unwrap_or_default();
        let mut names: BTreeMap<ArtifactName, Range<usize>> = BTreeMap::new();
        for (name, _) in &images {
            let parsed =
                ArtifactName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
            let same = |other: &&ArtifactName| same_repository(&parsed, other);
            if let Some(other) = names.keys().find(same).cloned() {
                let fault = name.fault(Problem::DuplicateName {
                    what: format!("`{parsed}` and `{other}` are the same repository"),
                    help: "take one of them out".to_owned(),
                });
                return Err(fault.also(names[&other].clone(), "first here"));
            }
            names.insert(parsed, name.at.clone());
        }
        let mut needs_at = BTreeMap::new();
        let mut out = BTreeMap::new();
        for (name, entry) in images {
            let artifact = self.artifact(&name, entry, &names, &mut needs_at)?;
            out.insert(artifact.name.clone(), artifact);
        }
        let waits = out.iter().map(|(name, artifact): (&ArtifactName, &Artifact)| {
            (name.clone(), artifact.needs.clone())
        });
        refuse_cycle(&waits.collect(), "images", "needs", &needs_at)?;
        Ok(out)
    }

    fn artifact(
        &mut self,
        name: &Spanned<String>,
        entry: ImageEntry,
        names: &BTreeMap<ArtifactName, Range<usize>>,
        needs_at: &mut BTreeMap<ArtifactName, Range<usize>>,
    ) -> Result<Artifact, Fault> {
        let own = ArtifactName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let mut needs = BTreeSet::new();
        if let Some(list) = &entry.needs {
            needs_at.insert(own.clone(), list.at.clone());
            for need in &list.value {
                needs.insert(known_artifact(need, names)?);
            }
        }
        let platform = entry.platform.as_ref().map(|platform| platform.value.clone());
        let builder = if entry.command.is_some() {
            Builder::Command(self.command(&own, entry)?)
        } else {
            refuse_command_keys(&entry)?;
            let docker = self.docker(name, entry, names)?;
            needs.extend(docker.contexts.values().filter_map(|context| match context {
                NamedContext::Artifact(artifact) => Some(artifact.clone()),
                NamedContext::Folder(_) | NamedContext::Image(_) => None,
            }));
            Builder::Docker(docker)
        };
        Ok(Artifact { name: own, builder, needs, platform })
    }

    fn docker(
        &mut self,
        name: &Spanned<String>,
        entry: ImageEntry,
        names: &BTreeMap<ArtifactName, Range<usize>>,
    ) -> Result<DockerBuild, Fault> {
        let context = match &entry.context {
            Some(text) => {
                let path = self.path(&text.value);
                self.claim(text, &path, Must::Folder, "build context", "");
                path
            }
            None => self.root.to_path_buf(),
        };
        let dockerfile = match &entry.dockerfile {
            Some(text) => {
                let path = self.path(&text.value);
                let help = "the path is relative to the folder of `wharf.yaml`";
                self.claim(text, &path, Must::File, "Dockerfile", help);
                path
            }
            None => {
                let path = context.join("Dockerfile");
                // A context that is missing altogether was claimed before, and is said first.
                let at = entry.context.as_ref().unwrap_or(name);
                self.claim(at, &path, Must::File, "Dockerfile", "name it with `dockerfile:`");
                path
            }
        };
        let network = match entry.network {
            Some(network) if !matches!(network.value.as_str(), "default" | "none" | "host") => {
                return Err(network.fault(Problem::WrongValue {
                    expected: "`default`, `none` or `host`".to_owned(),
                    found: format!("`{}`", network.value),
                }));
            }
            network => network.map(|network| network.value),
        };
        let mut contexts = BTreeMap::new();
        for (name, context) in entry.contexts.map_or_else(Vec::new, |contexts| contexts.value.0) {
            contexts.insert(name.value, self.named_context(&context, names)?);
        }
        let args = entry.args.map_or_else(|| Named(vec![]), |args| args.value);
        let args = args.0.into_iter().map(|(name, Text(text))| (name.value, text)).collect();
        Ok(DockerBuild {
            context,
            dockerfile,
            target: entry.target.map(|target| target.value),
            args,
            secrets: self.secrets(list(entry.secrets))?,
            ssh: self.ssh(list(entry.ssh))?,
            contexts,
            network,
            add_hosts: add_hosts(list(entry.add_hosts))?,
        })
    }

    fn secrets(&mut self, entries: Vec<Spanned<SecretEntry>>) -> Result<Vec<BuildSecret>, Fault> {
        let mut out: Vec<BuildSecret> = Vec::new();
        for entry in entries {
            let missing = |key: &'static str, example: &str| Problem::MissingKey {
                key,
                within: "this build secret".to_owned(),
                example: example.to_owned(),
            };
            let Some(id) = &entry.value.id else {
                return Err(entry.fault(missing("id", "id: NAME")));
            };
            if out.iter().any(|other| other.id == id.value) {
                return Err(id.fault(Problem::DuplicateName {
                    what: format!("the build secret `{}` is given twice", id.value),
                    help: String::new(),
                }));
            }
            let source = match (&entry.value.file, &entry.value.env) {
                (Some(file), None) => {
                    let path = self.home_path(file)?;
                    self.claim(file, &path, Must::File, "secret's file", "");
                    SecretSource::File(path)
                }
                (None, Some(env)) => SecretSource::Env(env.value.clone()),
                (Some(_), Some(env)) => {
                    return Err(env.fault(Problem::Conflict {
                        what: "a secret comes from a `file` or from `env`, not both".to_owned(),
                        help: "take one of them out".to_owned(),
                    }));
                }
                (None, None) => {
                    return Err(entry.fault(missing("file", "file: PATH` or `env: NAME")));
                }
            };
            out.push(BuildSecret { id: id.value.clone(), source });
        }
        Ok(out)
    }

    fn ssh(&self, entries: Vec<Spanned<SshForm>>) -> Result<Vec<SshAgent>, Fault> {
        let agent = |entry: Spanned<SshForm>| {
            let socket = match entry.value.socket {
                Some(socket) => Some(self.home_path(&Spanned {
                    value: socket,
                    at: entry.at,
                    profile: entry.profile,
                })?),
                None => None,
            };
            Ok(SshAgent { id: entry.value.id, socket })
        };
        entries.into_iter().map(agent).collect()
    }

    fn named_context(
        &mut self,
        text: &Spanned<String>,
        names: &BTreeMap<ArtifactName, Range<usize>>,
    ) -> Result<NamedContext, Fault> {
        if let Some(reference) = text.value.strip_prefix("docker-image://") {
            if ImageRef::parse(reference).is_err() {
                return Err(text.wrong("`docker-image://` and an image reference"));
            }
            return Ok(NamedContext::Image(reference.to_owned()));
        }
        if let Some(name) =
            ArtifactName::parse(&text.value).ok().filter(|name| names.contains_key(name))
        {
            return Ok(NamedContext::Artifact(name));
        }
        if text.value.contains("://") {
            return Err(text.wrong(
                "a folder, the name of an image of this project, or `docker-image://` and a reference",
            ));
        }
        let path = self.path(&text.value);
        self.claim(text, &path, Must::Folder, "build context", "");
        Ok(NamedContext::Folder(path))
    }

    fn command(&mut self, name: &ArtifactName, entry: ImageEntry) -> Result<CommandBuild, Fault> {
        let command = entry.command.expect("called for images with a command");
        let docker_keys = [
            ("context", at(&entry.context)),
            ("dockerfile", at(&entry.dockerfile)),
            ("target", at(&entry.target)),
            ("args", at(&entry.args)),
            ("secrets", at(&entry.secrets)),
            ("ssh", at(&entry.ssh)),
            ("contexts", at(&entry.contexts)),
            ("network", at(&entry.network)),
            ("addHosts", at(&entry.add_hosts)),
        ];
        for (key, at) in docker_keys {
            if let Some((at, profile)) = at {
                let problem = Problem::Conflict {
                    what: format!("`{key}` is for Dockerfile builds, and `{name}` has a `command`"),
                    help: "take one of them out".to_owned(),
                };
                return Err(Fault { profile, ..Fault::new(problem, at) });
            }
        }
        let dir = match &entry.dir {
            Some(text) => {
                let path = self.path(&text.value);
                self.claim(text, &path, Must::Folder, "folder", "");
                path
            }
            None => self.root.to_path_buf(),
        };
        let inputs = globs(list(entry.inputs))?;
        if inputs.is_empty() {
            return Err(command.fault(Problem::MissingKey {
                key: "inputs",
                within: format!("`{name}`"),
                example: "inputs: [\"**\"]".to_owned(),
            }));
        }
        let ignore = globs(list(entry.ignore))?;
        Ok(CommandBuild { command: command.value, dir, inputs, ignore })
    }

    fn releases(
        &mut self,
        helm: Option<Spanned<Named<ReleaseEntry>>>,
        kustomize: Option<Spanned<KustomizeForm>>,
        manifests: Option<Spanned<ManifestForm>>,
        provenance: &mut Provenance,
    ) -> Result<BTreeMap<ReleaseName, Release>, Fault> {
        let mut all = Releases::default();
        for (name, entry) in helm.map_or_else(Vec::new, |releases| releases.value.0) {
            let after = entry.after.as_ref().map(clone_list);
            let release = self.helm(&name, entry, provenance)?;
            all.add(&name, release, after)?;
        }
        match kustomize.map(|kustomize| kustomize.value) {
            Some(KustomizeForm::Named(entries)) => {
                for (name, entry) in entries {
                    let after = entry.after.as_ref().map(clone_list);
                    let release = self.kustomization(&name, entry)?;
                    all.add(&name, release, after)?;
                    // The short form `name: path`.
                    provenance
                        .alias(&["kustomize", &name.value], &["kustomize", &name.value, "path"]);
                }
            }
            Some(KustomizeForm::List(paths)) => {
                for (index, path) in paths.into_iter().enumerate() {
                    let name = all.free(&derived(&path.value, "kustomize"));
                    let name =
                        Spanned { value: name, at: path.at.clone(), profile: path.profile.clone() };
                    let from = ["kustomize", &index.to_string()];
                    provenance.alias(&from, &["kustomize", &name.value]);
                    provenance.alias(&from, &["kustomize", &name.value, "path"]);
                    let entry = KustomizeEntry { path: Some(path), ..Default::default() };
                    let release = self.kustomization(&name, entry)?;
                    all.add(&name, release, None)?;
                }
            }
            None => {}
        }
        match manifests.map(|manifests| manifests.value) {
            Some(ManifestForm::Named(entries)) => {
                for (name, entry) in entries {
                    let after = entry.after.as_ref().map(clone_list);
                    let release = self.manifests(&name, entry)?;
                    all.add(&name, release, after)?;
                }
            }
            Some(ManifestForm::List(files)) => {
                let name = all.free("manifests");
                let name =
                    Spanned { value: name, at: files.at.clone(), profile: files.profile.clone() };
                for index in 0..files.value.0.len() {
                    let index = index.to_string();
                    provenance.alias(
                        &["manifests", &index],
                        &["manifests", &name.value, "files", &index],
                    );
                }
                provenance.alias(&["manifests"], &["manifests", &name.value]);
                let entry = ManifestEntry { files: Some(files), ..Default::default() };
                let release = self.manifests(&name, entry)?;
                all.add(&name, release, None)?;
            }
            None => {}
        }
        all.finish()
    }

    fn helm(
        &mut self,
        name: &Spanned<String>,
        entry: ReleaseEntry,
        provenance: &mut Provenance,
    ) -> Result<Release, Fault> {
        let own = ReleaseName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let Some(chart) = &entry.chart else {
            return Err(name.fault(Problem::MissingKey {
                key: "chart",
                within: format!("the release `{own}`"),
                example: "chart: FOLDER".to_owned(),
            }));
        };
        let version = entry.version.as_ref().map(|version| version.value.0.clone());
        let is_oci = chart.value.starts_with("oci://");
        let looks_local = chart.value.starts_with(['.', '/']) || chart.value.ends_with(".tgz");
        if let (true, Some(repo)) = (is_oci, &entry.repo) {
            return Err(repo.fault(Problem::Conflict {
                what: "an `oci://` chart has no `repo`".to_owned(),
                help: "take `repo` out".to_owned(),
            }));
        }
        let is_remote = is_oci || entry.repo.is_some() || (entry.version.is_some() && !looks_local);
        let source = if is_remote {
            let repo = entry.repo.as_ref().map(|repo| repo.value.clone());
            Chart::Remote { chart: chart.value.clone(), repo, version }
        } else {
            if let Some(version) = &entry.version {
                return Err(version.fault(Problem::Conflict {
                    what: "a chart in a folder has its version in its `Chart.yaml`".to_owned(),
                    help: "take `version` out".to_owned(),
                }));
            }
            let path = self.path(&chart.value);
            let help = "a chart of a repository has `repo:` or `version:` beside it";
            self.claim(chart, &path, Must::Chart, "chart", help);
            Chart::Path(path)
        };
        let mut values = Vec::new();
        for file in list(entry.values) {
            let path = self.path(&file.value);
            self.claim(&file, &path, Must::File, "values file", "");
            values.push(path);
        }
        let mut set = BTreeMap::new();
        for (key, value) in entry.set.map_or_else(Vec::new, |set| set.value.0) {
            let from = ["releases", &name.value, "set"];
            let parts = dotted(&key.value);
            let to: Vec<&str> = from.into_iter().chain(parts.iter().map(String::as_str)).collect();
            provenance.alias_tree(&[&from[..], &[key.value.as_str()]].concat(), &to);
            set_value(&mut set, &key, value.0)?;
        }
        let helm = HelmSource {
            chart: source,
            values,
            set,
            rollback_on_failure: entry.rollback_on_failure.is_some_and(|on| on.value),
            skip_crds: entry.skip_crds.is_some_and(|on| on.value),
        };
        Ok(Release {
            name: own,
            namespace: entry.namespace.map(|namespace| namespace.value),
            source: ReleaseSource::Helm(helm),
            after: BTreeSet::new(),
            wait: wait(entry.wait),
        })
    }

    fn kustomization(
        &mut self,
        name: &Spanned<String>,
        entry: KustomizeEntry,
    ) -> Result<Release, Fault> {
        let own = ReleaseName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let Some(text) = &entry.path else {
            return Err(name.fault(Problem::MissingKey {
                key: "path",
                within: format!("the kustomization `{own}`"),
                example: "path: FOLDER".to_owned(),
            }));
        };
        let path = self.path(&text.value);
        self.claim(text, &path, Must::Kustomization, "kustomization", "");
        Ok(Release {
            name: own,
            namespace: entry.namespace.map(|namespace| namespace.value),
            source: ReleaseSource::Manifests(ManifestSource::Kustomize(path)),
            after: BTreeSet::new(),
            wait: wait(entry.wait),
        })
    }

    fn manifests(
        &mut self,
        name: &Spanned<String>,
        entry: ManifestEntry,
    ) -> Result<Release, Fault> {
        let own = ReleaseName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let files = entry.files.map_or_else(Vec::new, |Spanned { value: Globs(files), .. }| files);
        if files.is_empty() {
            return Err(name.fault(Problem::MissingKey {
                key: "files",
                within: format!("the manifests `{own}`"),
                example: "files: [\"FOLDER/*.yaml\"]".to_owned(),
            }));
        }
        let mut out = Vec::new();
        for file in files {
            let path = self.path(&file.value);
            let text = path.display().to_string();
            check_glob(&file)?;
            let must = if is_glob(&file.value) { Must::Match } else { Must::File };
            self.claim(&file, &path, must, "manifest", "");
            out.push(text);
        }
        Ok(Release {
            name: own,
            namespace: entry.namespace.map(|namespace| namespace.value),
            source: ReleaseSource::Manifests(ManifestSource::Files(out)),
            after: BTreeSet::new(),
            wait: wait(entry.wait),
        })
    }
}

impl<T> Spanned<T> {
    fn wrong(&self, expected: &str) -> Fault
    where
        T: std::fmt::Display,
    {
        let found = format!("`{}`", self.value);
        self.fault(Problem::WrongValue { expected: expected.to_owned(), found })
    }
}

/// Releases of all sorts share one set of names.
#[derive(Default)]
struct Releases {
    by_name: BTreeMap<ReleaseName, Release>,
    name_at: BTreeMap<ReleaseName, Range<usize>>,
    after: BTreeMap<ReleaseName, Spanned<Vec<Spanned<String>>>>,
}

impl Releases {
    fn add(
        &mut self,
        name: &Spanned<String>,
        release: Release,
        after: Option<Spanned<Vec<Spanned<String>>>>,
    ) -> Result<(), Fault> {
        if let Some(first) = self.name_at.get(&release.name) {
            let fault = name.fault(Problem::DuplicateName {
                what: format!("the name `{}` is given to two releases", release.name),
                help: "releases, kustomizations and manifests share their names; rename one of \
                       them"
                    .to_owned(),
            });
            return Err(fault.also(first.clone(), "first here"));
        }
        self.name_at.insert(release.name.clone(), name.at.clone());
        if let Some(after) = after {
            self.after.insert(release.name.clone(), after);
        }
        self.by_name.insert(release.name.clone(), release);
        Ok(())
    }

    /// `wanted`, or with a number behind it where that is taken.
    fn free(&self, wanted: &str) -> String {
        let taken = |name: &String| self.by_name.keys().any(|other| other.as_str() == name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned())
            .chain(numbered)
            .find(|name| !taken(name))
            .expect("one of endless numbers is free")
    }

    fn finish(mut self) -> Result<BTreeMap<ReleaseName, Release>, Fault> {
        let mut after_at = BTreeMap::new();
        for (name, list) in &self.after {
            after_at.insert(name.clone(), list.at.clone());
            let mut after = BTreeSet::new();
            for other in &list.value {
                let known = self.name_at.keys().find(|known| known.as_str() == other.value);
                let Some(known) = known else {
                    let known = self.name_at.keys().map(ToString::to_string).collect();
                    return Err(other.fault(Problem::UnknownName {
                        sort: "release",
                        name: other.value.clone(),
                        known,
                    }));
                };
                after.insert(known.clone());
            }
            if let Some(release) = self.by_name.get_mut(name) {
                release.after = after;
            }
        }
        let waits =
            self.by_name.iter().map(|(name, release)| (name.clone(), release.after.clone()));
        refuse_cycle(&waits.collect(), "releases", "after", &after_at)?;
        Ok(self.by_name)
    }
}

fn refuse_cycle<N: Ord + Clone + ToString>(
    waits_for: &BTreeMap<N, BTreeSet<N>>,
    sort: &'static str,
    key: &'static str,
    at: &BTreeMap<N, Range<usize>>,
) -> Result<(), Fault> {
    let Some(cycle) = crate::model::cycle(waits_for) else { return Ok(()) };
    let place = cycle.iter().find_map(|name| at.get(name)).cloned().unwrap_or_default();
    let cycle = cycle.iter().map(ToString::to_string).collect();
    Err(Fault::new(Problem::Cycle { sort, key, cycle }, place))
}

fn known_artifact(
    need: &Spanned<String>,
    names: &BTreeMap<ArtifactName, Range<usize>>,
) -> Result<ArtifactName, Fault> {
    names.keys().find(|name| name.as_str() == need.value).cloned().ok_or_else(|| {
        need.fault(Problem::UnknownName {
            sort: "image",
            name: need.value.clone(),
            known: names.keys().map(ToString::to_string).collect(),
        })
    })
}

/// Whether both names mean one repository, as `api` and `docker.io/library/api` do.
pub(super) fn same_repository(one: &ArtifactName, other: &ArtifactName) -> bool {
    match (ImageRef::parse(one.as_str()), ImageRef::parse(other.as_str())) {
        (Ok(one), Ok(other)) => one.same_repository(&other),
        _ => one == other,
    }
}

fn refuse_command_keys(entry: &ImageEntry) -> Result<(), Fault> {
    let keys =
        [("dir", at(&entry.dir)), ("inputs", at(&entry.inputs)), ("ignore", at(&entry.ignore))];
    for (key, at) in keys {
        if let Some((at, profile)) = at {
            let problem = Problem::Conflict {
                what: format!("`{key}` is for images with a `command`"),
                help: "what a Dockerfile build sees is told by `context` and `.dockerignore`"
                    .to_owned(),
            };
            return Err(Fault { profile, ..Fault::new(problem, at) });
        }
    }
    Ok(())
}

fn at<T>(value: &Option<Spanned<T>>) -> Option<(Range<usize>, Option<String>)> {
    value.as_ref().map(|value| (value.at.clone(), value.profile.clone()))
}

fn list<T>(value: Option<Spanned<Vec<T>>>) -> Vec<T> {
    value.map_or_else(Vec::new, |list| list.value)
}

fn clone_list(list: &Spanned<Vec<Spanned<String>>>) -> Spanned<Vec<Spanned<String>>> {
    list.clone()
}

fn globs(entries: Vec<Spanned<String>>) -> Result<Vec<String>, Fault> {
    entries.iter().try_for_each(check_glob)?;
    Ok(entries.into_iter().map(|entry| entry.value).collect())
}

fn check_glob(text: &Spanned<String>) -> Result<(), Fault> {
    match globset::Glob::new(&text.value) {
        Ok(_) => Ok(()),
        Err(error) => Err(text.fault(Problem::WrongValue {
            expected: format!("a glob ({})", error.kind()),
            found: format!("`{}`", text.value),
        })),
    }
}

fn add_hosts(entries: Vec<Spanned<String>>) -> Result<Vec<String>, Fault> {
    for entry in &entries {
        let fits = entry.value.split_once(':').is_some_and(|(name, address)| {
            !name.is_empty()
                && (address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok())
        });
        if !fits {
            return Err(entry.wrong("a host as `name:address`"));
        }
    }
    Ok(entries.into_iter().map(|entry| entry.value).collect())
}

/// Puts `value` where the dotted `key` says; `\.` is a dot of the name itself.
fn set_value(
    set: &mut BTreeMap<String, Value>,
    key: &Spanned<String>,
    value: Value,
) -> Result<(), Fault> {
    let parts = dotted(&key.value);
    let refuse = |what: String| {
        Err(key.fault(Problem::Conflict {
            what,
            help: "give the whole list or map, such as `hosts: [a, b]`".to_owned(),
        }))
    };
    if parts.iter().any(String::is_empty) || key.value.contains('[') {
        return refuse(format!("`{}` is not a path of names with dots between", key.value));
    }
    let (first, inner) = parts.split_first().expect("a split has at least one part");
    let value = inner.iter().rev().fold(value, |value, part| {
        Value::Object(serde_json::Map::from_iter([(part.clone(), value)]))
    });
    match set.get_mut(first) {
        None => {
            set.insert(first.clone(), value);
            Ok(())
        }
        Some(existing) => {
            if deep_merge(existing, value) {
                Ok(())
            } else {
                refuse(format!("`{}` is set twice", key.value))
            }
        }
    }
}

/// Adds `value` to `into`; false when both say something for the same place.
fn deep_merge(into: &mut Value, value: Value) -> bool {
    let (Value::Object(into), Value::Object(value)) = (into, value) else { return false };
    for (key, value) in value {
        match into.get_mut(&key) {
            None => {
                into.insert(key, value);
            }
            Some(existing) => {
                if !deep_merge(existing, value) {
                    return false;
                }
            }
        }
    }
    true
}

fn dotted(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = key.chars();
    while let Some(c) = rest.next() {
        let last = parts.last_mut().expect("it begins with one part");
        match c {
            '.' => parts.push(String::new()),
            '\\' => last.push(rest.next().unwrap_or('\\')),
            c => last.push(c),
        }
    }
    parts
}

/// The name of a kustomization that has none: the names of its folders.
pub(super) fn derived(path: &str, otherwise: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let name = fit(&parts.join("-"), 50);
    if name.is_empty() { otherwise.to_owned() } else { name }
}

fn wait(form: Option<Spanned<WaitForm>>) -> WaitRule {
    let default = WaitRule::default();
    match form.map(|form| form.value) {
        None => default,
        Some(WaitForm::Switch(ready)) => WaitRule { ready, ..default },
        Some(WaitForm::Full(full)) => WaitRule {
            ready: full.ready.map_or(default.ready, |ready| ready.value),
            timeout: full.timeout.map_or(default.timeout, |timeout| timeout.value.0),
        },
    }
}

fn logs(form: Option<Spanned<LogForm>>) -> Result<LogFilter, Fault> {
    Ok(match form.map(|form| form.value) {
        None => LogFilter::default(),
        Some(LogForm::Switch(on)) => LogFilter { off: !on, exclude: vec![] },
        Some(LogForm::Full(full)) => LogFilter { off: false, exclude: globs(list(full.exclude))? },
    })
}

fn cluster(entry: ClusterEntry) -> Result<ClusterChoice, Fault> {
    Ok(ClusterChoice {
        context: entry.context.map(|context| context.value),
        namespace: entry.namespace.map(|namespace| namespace.value),
        allow: globs(list(entry.allow))?,
    })
}

fn registry(text: &Spanned<String>) -> Result<String, Fault> {
    let trimmed = text.value.trim_end_matches('/');
    match ImageRef::parse(&format!("{trimmed}/x")) {
        Ok(_) if !trimmed.is_empty() => Ok(trimmed.to_owned()),
        _ => Err(text.wrong("a registry such as `localhost:5000` or `ghcr.io/acme/dev`")),
    }
}

fn forwards(
    entries: Vec<Spanned<ForwardEntry>>,
    provenance: &mut Provenance,
) -> Result<Vec<Forward>, Fault> {
    let mut out: Vec<Forward> = Vec::new();
    let mut local_at: BTreeMap<u16, Range<usize>> = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let index = index.to_string();
        for key in ["service", "workload", "port", "local"] {
            provenance.alias(&["forward", &index], &["forward", &index, key]);
        }
        let port = match &entry.value.port {
            None => None,
            Some(text) if !is_port(text) => {
                return Err(entry.fault(Problem::WrongValue {
                    expected: "a port, by number or name".to_owned(),
                    found: format!("`{text}`"),
                }));
            }
            Some(text) => Some(match port(text) {
                Some(number) => ForwardPort::Number(number),
                None => ForwardPort::Name(text.clone()),
            }),
        };
        let ForwardEntry { kind, name, local, namespace, .. } = entry.value;
        let forward = Forward { kind, name, namespace, port, local };
        if let Some(local) = local_port(&forward) {
            if let Some(first) = local_at.get(&local) {
                let problem = Problem::DuplicateName {
                    what: format!("the local port {local} is given to two forwards"),
                    help: "give one of them another `local` port, such as `8081:http`".to_owned(),
                };
                let fault = Fault { profile: entry.profile, ..Fault::new(problem, entry.at) };
                return Err(fault.also(first.clone(), "first here"));
            }
            local_at.insert(local, entry.at);
        }
        out.push(forward);
    }
    Ok(out)
}

/// The local port of `forward`, where it can be known without the cluster.
pub(super) fn local_port(forward: &Forward) -> Option<u16> {
    forward.local.or(match forward.port {
        Some(ForwardPort::Number(port)) if port >= 1024 => Some(port),
        Some(ForwardPort::Number(port)) => Some(port + 8000),
        Some(ForwardPort::Name(_)) | None => None,
    })
}

/// A claim's path as the person wrote it, relative to the project.
pub(super) fn claimed(claim: &Claim, root: &Path) -> String {
    said(&claim.path, root)
}
