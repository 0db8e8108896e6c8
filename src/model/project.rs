//! The validated configuration, whichever file format it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Alterations, ArtifactName, ContextName, Hooks, ImageRef, ImageText, Namespace, Platform,
    ProjectName, ReleaseName, TagPattern,
};

/// Everything that wharf was told, or inferred, about one project. Consistent by construction:
/// `config` makes it, and every name that one part uses of another exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Names the state on disk and the record in the cluster.
    pub name: ProjectName,
    /// Absolute; relative paths of the configuration were resolved against it.
    pub root: PathBuf,
    /// Where the configuration came from.
    pub origin: Origin,
    /// Images that wharf makes.
    pub artifacts: BTreeMap<ArtifactName, Artifact>,
    /// What is installed: Helm releases, kustomizations, manifests.
    pub releases: BTreeMap<ReleaseName, Release>,
    /// Local ports.
    pub forwards: Vec<Forward>,
    /// Which logs are shown.
    pub logs: LogFilter,
    /// Which cluster is meant.
    pub cluster: ClusterChoice,
    /// Repository prefix that images are pushed under, such as `ghcr.io/acme/dev`; absent: images
    /// are loaded into the nodes of a local cluster.
    pub registry: Option<String>,
    /// Hosts, with or without a port, of registries whose certificates are not checked, and that
    /// may have none.
    pub insecure_registries: Vec<String>,
    /// How images are called below that.
    #[serde(default)]
    pub registry_names: RegistryNames,
    /// Files whose change means a new `Project`.
    pub config_files: BTreeSet<PathBuf>,
}

impl Project {
    /// The repository that `artifact`'s images get: under the registry where there is one.
    ///
    /// By [`RegistryNames::Path`] the artifact's own registry host gives way to the configured
    /// one; its path stays, so that two images with the same last part do not collide.
    ///
    /// # Panics
    ///
    /// Never: an artifact's name is a repository, and a registry was checked when it was read.
    #[must_use]
    pub fn image(&self, artifact: &ArtifactName, tag: super::Tag) -> ImageRef {
        let own = ImageRef::parse(artifact.as_str()).expect("an artifact's name is a repository");
        let Some(registry) = &self.registry else { return own.with_tag(tag) };
        let registry = registry.trim_end_matches('/');
        let below = match self.registry_names {
            RegistryNames::Path => None,
            RegistryNames::Flat => Some(format!("{registry}/{}", flat(own.repository()))),
            RegistryNames::Whole => Some(below_whole(registry, own.repository())),
        };
        if let Some(image) = below.and_then(|below| ImageRef::parse(&cut(below)).ok()) {
            return image.with_tag(tag);
        }
        if own.repository() == registry || own.repository().starts_with(&format!("{registry}/")) {
            return own.with_tag(tag);
        }
        let path = match own.host() {
            "docker.io" => own.repository().trim_start_matches("docker.io/").to_owned(),
            host => own.repository().trim_start_matches(host).trim_start_matches('/').to_owned(),
        };
        ImageRef::parse(&format!("{registry}/{path}"))
            .expect("a registry is a repository prefix")
            .with_tag(tag)
    }

    /// The namespace of `release`: its own, else `default`, which is the session's.
    #[must_use]
    pub fn namespace_of(&self, release: &ReleaseName, default: &Namespace) -> Namespace {
        let own = self.releases.get(release).and_then(|release| release.namespace.clone());
        own.unwrap_or_else(|| default.clone())
    }
}

/// How images are called below a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryNames {
    /// By their path: `gcr.io/shop/api` as `REGISTRY/shop/api`.
    #[default]
    Path,
    /// By their whole name in one part: `gcr.io/shop/api` as `REGISTRY/gcr_io_shop_api`, for
    /// registries that know no deeper names.
    Flat,
    /// By their whole name: `gcr.io/shop/api` as `REGISTRY/gcr.io/shop/api`, host and project only
    /// once where both begin with the same.
    Whole,
}

impl RegistryNames {
    /// All of them, by the names that a configuration has for them.
    pub const ALL: [(&'static str, Self); 3] =
        [("path", Self::Path), ("flat", Self::Flat), ("whole", Self::Whole)];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("path", |(name, _)| name)
    }
}

/// Longer repositories are cut, as the tool does that these names come from.
const LONGEST_REPOSITORY: usize = 255;

fn cut(mut name: String) -> String {
    name.truncate(LONGEST_REPOSITORY);
    name
}

fn flat(name: &str) -> String {
    name.replace(['/', '.', '_', ':', '@'], "_")
}

fn below_whole(registry: &str, name: &str) -> String {
    if name.starts_with(&format!("{registry}/")) {
        return name.to_owned();
    }
    let (own, wanted): (Vec<&str>, Vec<&str>) =
        (name.split('/').collect(), registry.split('/').collect());
    let shared = own.len() > 2 && wanted.len() > 2 && own[..2] == wanted[..2];
    let rest = if shared { &own[2..] } else { &own[..] };
    format!("{registry}/{}", rest.join("/"))
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Read from this file.
    File(PathBuf),
    /// No file: inferred from what lies in the folder.
    Inferred,
}

/// An image wharf knows how to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// What manifests and values call it.
    pub name: ArtifactName,
    /// How it is made.
    pub builder: Builder,
    /// Images of the project that must be built first, those found in `FROM` included.
    pub needs: BTreeSet<ArtifactName>,
    /// Asked for explicitly; absent: the platform of the cluster's nodes.
    pub platform: Option<Platform>,
    /// Commands on this machine around each build.
    pub hooks: Hooks,
    /// The tag that the image gets beside the one that follows from its content.
    pub also_tagged: Option<TagPattern>,
}

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Builder {
    /// From a Dockerfile.
    Docker(DockerBuild),
    /// By the user's own command.
    Command(CommandBuild),
}

/// A Dockerfile build. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DockerBuild {
    /// The folder that `COPY` reads from.
    pub context: PathBuf,
    /// The Dockerfile, inside the context or not.
    pub dockerfile: PathBuf,
    /// Stage to stop at.
    pub target: Option<String>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--secret`: the content never counts for the hash, the id does.
    pub secrets: Vec<BuildSecret>,
    /// `--ssh`.
    pub ssh: Vec<SshAgent>,
    /// `--build-context`: further contexts by name.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--network` of RUN steps (`default`, `none`, `host`).
    pub network: Option<String>,
    /// `--add-host`, as `host:address`.
    pub add_hosts: Vec<String>,
}

impl DockerBuild {
    /// A build of `Dockerfile` in the folder `context`, with nothing further.
    #[must_use]
    pub fn at(context: &std::path::Path) -> Self {
        Self {
            context: context.to_path_buf(),
            dockerfile: context.join("Dockerfile"),
            target: None,
            args: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            contexts: BTreeMap::new(),
            network: None,
            add_hosts: Vec::new(),
        }
    }
}

/// A further build context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedContext {
    /// A folder, absolute.
    Folder(PathBuf),
    /// An image that wharf makes.
    Artifact(ArtifactName),
    /// Any other image reference.
    Image(String),
}

/// One `--secret` of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSecret {
    /// What `RUN --mount=type=secret,id=…` calls it.
    pub id: String,
    /// Where its content comes from at build time.
    pub source: SecretSource,
}

/// Where a secret's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// A file, absolute.
    File(PathBuf),
    /// An environment variable of wharf's own environment.
    Env(String),
}

/// One `--ssh` of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAgent {
    /// What `RUN --mount=type=ssh,id=…` calls it; `default` where none is named.
    pub id: String,
    /// The agent's socket; absent: `SSH_AUTH_SOCK`.
    pub socket: Option<PathBuf>,
}

/// A build by the user's own command.
///
/// It gets `IMAGE` (the reference to make), `IMAGE_REPO`, `IMAGE_TAG`, `PUSH_IMAGE`,
/// `BUILD_CONTEXT`, `PLATFORMS` and `SKIP_TEST`, as custom builders of other tools do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandBuild {
    /// Run by `sh -c`.
    pub command: String,
    /// The folder it runs in, absolute.
    pub dir: PathBuf,
    /// Globs below `dir` of the files that can change the image.
    pub inputs: Vec<String>,
    /// Globs taken out of `inputs` again.
    pub ignore: Vec<String>,
    /// Further variables; a value that is the name of an image in `needs` becomes its reference.
    pub env: BTreeMap<String, String>,
}

/// What is installed as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Helm's release name, or the name given to a kustomization or set of manifests.
    pub name: ReleaseName,
    /// Absent: the project's namespace.
    pub namespace: Option<Namespace>,
    /// What it is installed from.
    pub source: ReleaseSource,
    /// Releases that must be live before this one is deployed.
    pub after: BTreeSet<ReleaseName>,
    /// When it counts as live.
    pub wait: WaitRule,
    /// Commands around each deploy.
    pub hooks: Hooks,
    /// What is done to what it renders to.
    #[serde(default, skip_serializing_if = "Alterations::is_empty")]
    pub alterations: Alterations,
}

/// What a release is installed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseSource {
    /// A Helm chart.
    Helm(HelmSource),
    /// Plain or kustomized manifests.
    Manifests(ManifestSource),
}

/// A Helm release's chart and values. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HelmSource {
    /// The chart.
    pub chart: Chart,
    /// What `helm package` is to write into the chart first.
    #[serde(default, skip_serializing_if = "Packaging::is_empty")]
    pub packaging: Packaging,
    /// `-f`, in order.
    pub values: Vec<PathBuf>,
    /// Values files over those, which the `secrets` plugin of Helm decrypts where they are
    /// encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_values: Vec<PathBuf>,
    /// `set:`, as a tree of values over the files.
    pub set: BTreeMap<String, Value>,
    /// Values that are made of an image's reference, by where they belong.
    pub image_values: BTreeMap<String, ImageText>,
    /// Flags for Helm beyond those that wharf gives it.
    pub flags: Vec<String>,
    /// Roll the release back when it does not settle.
    pub rollback_on_failure: bool,
    /// `--skip-crds`.
    pub skip_crds: bool,
}

/// What a chart is packed with, over what its `Chart.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Packaging {
    /// `--version`.
    pub version: Option<String>,
    /// `--app-version`.
    pub app_version: Option<String>,
}

impl Packaging {
    /// The chart is taken as it lies in its folder.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a chart comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chart {
    /// A folder or `.tgz`, absolute.
    Path(PathBuf),
    /// From a repository or an `oci://` address.
    Remote {
        /// Chart name, or the whole `oci://` address.
        chart: String,
        /// `--repo`; absent for `oci://` and for `repo/chart` names that the user's Helm knows.
        repo: Option<String>,
        /// `--version`.
        version: Option<String>,
    },
}

/// Objects that are applied without Helm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestSource {
    /// A folder with a kustomization.
    Kustomize(KustomizeSource),
    /// Globs of YAML files, absolute.
    Files(Vec<String>),
}

/// A kustomization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KustomizeSource {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Flags for `kustomize build`.
    pub flags: Vec<String>,
}

impl KustomizeSource {
    /// The kustomization in `folder`, without flags.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), flags: Vec::new() }
    }
}

/// When a release counts as live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRule {
    /// `false`: deployed is enough.
    pub ready: bool,
    /// How long it may take to settle.
    pub timeout: Duration,
}

impl Default for WaitRule {
    /// Ready, within ten minutes: the progress deadline that Kubernetes gives a Deployment.
    fn default() -> Self {
        Self { ready: true, timeout: Duration::from_secs(600) }
    }
}

/// One local port that leads into the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// `service`, or a kind of workload such as `deployment`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// Absent: the project's namespace.
    pub namespace: Option<Namespace>,
    /// Which of its ports; absent: its only one.
    pub port: Option<ForwardPort>,
    /// The local port; absent: the same as the remote port where that is at least 1024, otherwise
    /// remote port + 8000.
    pub local: Option<u16>,
    /// The local address; absent: 127.0.0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::IpAddr>,
}

/// A port of a service or container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ForwardPort {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// Which logs are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogFilter {
    /// `false`: none at all.
    pub off: bool,
    /// Globs of container names that are left out.
    pub exclude: Vec<String>,
    /// What stands before each line.
    #[serde(default)]
    pub prefix: LogPrefix,
    /// Of a line that is a JSON object, the fields that are shown; none: the line as it is.
    #[serde(default)]
    pub json_fields: Vec<String>,
}

/// What stands before each line of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogPrefix {
    /// The workload, with what tells its pods and containers apart, in columns.
    #[default]
    Workload,
    /// `[CONTAINER]`.
    Container,
    /// `[POD CONTAINER]`.
    PodAndContainer,
    /// `[POD CONTAINER]`, or one of the two where both are the same.
    Auto,
    /// Nothing.
    None,
}

impl LogPrefix {
    /// All of them, by the names that a configuration has for them.
    pub const ALL: [(&'static str, Self); 5] = [
        ("workload", Self::Workload),
        ("container", Self::Container),
        ("podAndContainer", Self::PodAndContainer),
        ("auto", Self::Auto),
        ("none", Self::None),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("workload", |(name, _)| name)
    }
}

/// Which cluster is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterChoice {
    /// The context; absent: kubeconfig's current one.
    pub context: Option<ContextName>,
    /// The namespace; absent: the context's own, else `default`.
    pub namespace: Option<Namespace>,
    /// Globs of contexts that may be used although they are not local.
    pub allow: Vec<String>,
}
