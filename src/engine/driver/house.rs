//! What all tasks of a session share: connections, caches, places on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::build::{BuildScope, RemoteSources};
use crate::cleanup::Journal;
use crate::cluster::{Cluster, Node, Perhaps};
use crate::deploy::{DeployScope, Plan, PostRenderer};
use crate::docker::{Credentials, Engine, intake};
use crate::files::{StatCache, StateDir, StateLock};
use crate::load::Loader;
use crate::model::{
    ArtifactName, Delivery, ImageRef, Namespace, Platform, Project, Release, ReleaseSource,
};
use crate::observe::Scene;
use crate::push::Pusher;
use crate::render::{self, RenderScope, Rendered};
use crate::report::{Failure, Reporter};
use crate::timeline::Store;
use crate::tools::Tools;

use super::super::{Goal, Request};

/// Where the stat cache lies in the state directory.
const STAT_CACHE: &str = "stat-cache";

/// Where in the cache directory lies what registries and servers said.
const REMOTE: &str = "remote.json";

/// The platform of containers on this machine.
const HERE: &str = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };

/// Connections, caches and places. Made once; tasks share it.
pub(super) struct House {
    /// Absent where the goal needs none and none was found.
    pub(super) cluster: Option<Cluster>,
    /// By which way images get to the cluster; absent: they stay in the Engine.
    pub(super) delivery: Option<Delivery>,
    loader: Option<Loader>,
    pub(super) pusher: Pusher,
    pub(super) build: BuildScope,
    /// Absent where nothing is deployed.
    pub(super) deploy: Option<DeployScope>,
    /// Absent where nothing is observed.
    pub(super) scene: Option<Scene>,
    pub(super) journal: Option<Journal>,
    /// The last rounds.
    pub(super) rounds: Arc<Store>,
    render: OnceCell<RenderScope>,
    tools: Tools,
    /// Where there is no cluster: the kubeconfig that says so to children.
    _perhaps: Perhaps,
    namespace: Namespace,
    /// The session's own files; gone with it.
    runtime: tempfile::TempDir,
    state: StateDir,
    /// What is deployed is meant to stay.
    pub(super) standing: bool,
    /// What a session says once.
    said: Mutex<BTreeSet<String>>,
    _lock: Option<StateLock>,
    /// What is made ready beside the first hashes; ends with the house.
    _beside: JoinSet<()>,
}

impl House {
    /// Opens everything that the goal needs.
    pub(super) async fn open(
        request: &Request,
        project: &Project,
        perhaps: Perhaps,
        state: StateDir,
        journal: Option<Journal>,
        lock: Option<StateLock>,
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        // Whatever a child is, a build command of the project's own included: the cluster that it
        // talks to is the pinned one, or none.
        let cluster = perhaps.cluster().cloned();
        let tools = &perhaps.tools().clone();
        let engine = Engine::connect(tools).map_err(|error| error.failure())?;
        let platform = platform(request, cluster.as_ref(), &engine, reporter).await?;
        let deploys = request.goal.deploys();
        let delivery = match (&cluster, &project.registry) {
            (Some(cluster), registry) if deploys => Some(cluster.delivery(registry.as_deref())),
            (_, Some(_)) => Some(Delivery::Push),
            _ => None,
        };
        let loader = match cluster.as_ref().filter(|_| delivery == Some(Delivery::Load)) {
            Some(cluster) => Some(loader(cluster, &engine, tools).await?),
            None => None,
        };
        let mut beside = JoinSet::new();
        if let Some(loader) = loader.clone() {
            beside.spawn(async move {
                // Whoever needs the links will be told.
                if let Err(error) = loader.connect().await {
                    tracing::debug!(%error, "the links to the nodes are not open yet");
                }
            });
        }
        if delivery == Some(Delivery::Push) {
            let engine = engine.clone();
            beside.spawn(async move { intake::sweep(&engine).await });
        }
        let credentials = Credentials::new(tools);
        let pusher =
            Pusher::new(&engine, &credentials, tools, &project.insecure_registries, state.path());
        let scene = cluster.as_ref().filter(|_| deploys).map(|cluster| {
            let scene = Scene::new(cluster.client(), cluster.kind());
            scene.open(cluster.namespace());
            scene
        });
        let deploy = cluster.clone().filter(|_| deploys);
        let deploy = deploy.map(|cluster| DeployScope { cluster, project: project.name.clone() });
        let namespace = match (&cluster, &request.namespace, &project.cluster.namespace) {
            (Some(cluster), ..) => cluster.namespace().clone(),
            (None, Some(named), _) | (None, None, Some(named)) => named.clone(),
            (None, None, None) => {
                Namespace::parse("default").map_err(|error| Failure::bug(error.to_string()))?
            }
        };
        let cache = Arc::new(StatCache::load(&state.path().join(STAT_CACHE)));
        let build = BuildScope {
            tools: tools.clone(),
            credentials,
            state_dir: state.path().to_owned(),
            cache,
            remote: Arc::new(RemoteSources::kept_in(request.paths.cache.join(REMOTE))),
            platform,
            engine,
            root: project.root.clone(),
        };
        let runtime = runtime_folder(&request.paths.runtime)?;
        let tools = tools.clone();
        Ok(Self {
            rounds: Arc::new(Store::open(state.path())),
            render: OnceCell::new(),
            standing: request.goal != Goal::Watching || !request.cleanup,
            said: Mutex::default(),
            _lock: lock,
            _beside: beside,
            cluster,
            _perhaps: perhaps,
            delivery,
            loader,
            pusher,
            build,
            deploy,
            scene,
            journal,
            tools,
            namespace,
            runtime,
            state,
        })
    }

    /// Whether this is the first time that `subject` is spoken of.
    pub(super) fn says_first(&self, subject: &str) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_owned())
    }

    /// A person wants everything looked at again: servers are asked, and what is said once is said
    /// again.
    pub(super) fn begin_again(&self) {
        self.build.remote.ask_again();
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The way into the nodes.
    pub(super) fn loader(&self) -> Result<&Loader, Failure> {
        self.loader.as_ref().ok_or_else(|| Failure::bug("images are loaded without a loader"))
    }

    /// Where a release goes.
    pub(super) fn namespace_of(&self, release: &Release) -> Namespace {
        release.namespace.clone().unwrap_or_else(|| self.namespace.clone())
    }

    /// What rendering needs to know; the cluster is asked once.
    pub(super) async fn render(&self) -> Result<&RenderScope, Failure> {
        let ask = async {
            let delivery = self.delivery.clone().unwrap_or(Delivery::Push);
            let folder = self.runtime.path().to_owned();
            let mut scope =
                RenderScope::new(self.tools.clone(), self.namespace.clone(), delivery, folder);
            if let Some(cluster) = &self.cluster {
                let (version, served) = tokio::join!(cluster.version(), cluster.api_versions());
                scope.kube_version = Some(version.map_err(|error| error.failure())?);
                scope.api_versions = served.map_err(|error| error.failure())?;
            }
            Ok(scope)
        };
        self.render.get_or_try_init(|| ask).await
    }

    /// What is to be deployed of a rendered release.
    pub(super) async fn plan(
        &self,
        release: &Release,
        rendered: Rendered,
        keep_data: bool,
        may_repair: bool,
    ) -> Result<Plan, Failure> {
        let post_renderer = match rendered.post_render {
            true => Some(self.post_renderer(release, &rendered.images).await?),
            false => None,
        };
        let mut release = release.clone();
        if let (Some(chart), ReleaseSource::Helm(source)) = (rendered.chart, &mut release.source) {
            source.chart = chart;
        }
        Ok(Plan {
            namespace: self.namespace_of(&release),
            release,
            objects: rendered.objects,
            hooks: rendered.hooks,
            crds: rendered.crds,
            values: rendered.values,
            post_renderer,
            fingerprint: rendered.fingerprint,
            images: rendered.images,
            keep_data,
            standing: self.standing,
            may_repair,
        })
    }

    async fn post_renderer(
        &self,
        release: &Release,
        images: &BTreeMap<ArtifactName, ImageRef>,
    ) -> Result<PostRenderer, Failure> {
        let scope = self.render().await?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::bug(format!("wharf does not find itself: {error}")))?;
        let folder = self.runtime.path().join("post-render").join(release.name.as_str());
        let made = render::post_renderer(scope, &program, &folder, &release.alterations, images);
        Ok(match made.await.map_err(|error| error.failure())? {
            render::PostRenderer::Program { path, args } => PostRenderer::Program { path, args },
            render::PostRenderer::Plugin { name, folder, args } => {
                PostRenderer::Plugin { name, folder, args }
            }
        })
    }

    /// Writes down what the next start can use.
    pub(super) fn save_caches(&self) {
        let path: PathBuf = self.state.path().join(STAT_CACHE);
        if let Err(error) = self.build.cache.save(&path) {
            tracing::warn!(%error, "the stat cache is not saved");
        }
        if let Err(error) = self.build.remote.save() {
            tracing::warn!(%error, "what servers said is not saved");
        }
    }
}

/// The way into the nodes. Where the context may lead to a cluster of the same name on another
/// machine, its nodes are recognised.
async fn loader(cluster: &Cluster, engine: &Engine, tools: &Tools) -> Result<Loader, Failure> {
    if cluster.is_plainly_its_kind() {
        return Ok(Loader::new(engine, cluster.kind(), tools));
    }
    let nodes = cluster.nodes().await.map_err(|error| error.failure())?;
    let known = nodes.into_iter().map(|node| (node.name, node.machine_id)).collect();
    Ok(Loader::into_nodes(engine, cluster.kind(), tools, known))
}

/// What images are built for: what was asked for, else what the nodes are, else what the Engine is.
async fn platform(
    request: &Request,
    cluster: Option<&Cluster>,
    engine: &Engine,
    reporter: &Reporter,
) -> Result<Platform, Failure> {
    if let Some(platform) = &request.platform {
        return Ok(platform.clone());
    }
    if let Some(cluster) = cluster
        && let Ok(nodes) = cluster.nodes().await
        && let Some((platform, others)) = of_nodes(&nodes)
    {
        if !others.is_empty() {
            let others = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            reporter.warn(
                format!("images are built for {platform} alone; there are nodes of {others}, too"),
                Some(format!(
                    "choose with `--platform`, and keep pods where they can run: `nodeSelector: \
                     {{kubernetes.io/arch: {}}}`",
                    platform.arch
                )),
            );
        }
        return Ok(platform);
    }
    match engine.platform().await {
        // Images that are given need no Engine, and then nobody asks for the platform either.
        Err(_) if request.config.offline => {
            Platform::parse(HERE).map_err(|error| Failure::bug(error.to_string()))
        }
        asked => asked.map_err(|error| error.failure()),
    }
}

/// What images are built for so that they run on most of these nodes, and what other nodes are.
fn of_nodes(nodes: &[Node]) -> Option<(Platform, BTreeSet<Platform>)> {
    let linux = nodes.iter().filter(|node| node.platform.os == "linux");
    let mut count: BTreeMap<&Platform, usize> = BTreeMap::new();
    linux.for_each(|node| *count.entry(&node.platform).or_default() += 1);
    if count.is_empty() {
        count.extend(nodes.first().map(|node| (&node.platform, 1)));
    }
    // Of those that are as many, the first by name.
    let (most, _) = count.iter().rev().max_by_key(|(_, nodes)| **nodes)?;
    let others = count.keys().filter(|platform| *platform != most);
    Some(((*most).clone(), others.map(|platform| (*platform).clone()).collect()))
}

fn runtime_folder(base: &std::path::Path) -> Result<tempfile::TempDir, Failure> {
    let made = std::fs::create_dir_all(base)
        .and_then(|()| tempfile::Builder::new().prefix("session-").tempdir_in(base));
    made.map_err(|error| {
        Failure::work(
            "wharf::engine::read_only",
            format!("no folder can be made in `{}`", base.display()),
        )
        .because(error.to_string())
        .help("set XDG_RUNTIME_DIR to a folder that can be written")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_built_for_most_of_the_nodes() {
        let most = |platforms: &[&str]| {
            let nodes = platforms.iter().enumerate().map(|(index, platform)| Node {
                name: format!("node-{index}"),
                platform: Platform::parse(platform).unwrap(),
                ready: true,
                machine_id: String::new(),
            });
            let (most, others) = of_nodes(&nodes.collect::<Vec<_>>())?;
            Some((most.to_string(), others.iter().map(ToString::to_string).collect::<Vec<_>>()))
        };
        let (arm, intel, windows) = ("linux/arm64", "linux/amd64", "windows/amd64");
        let is = |platform: &str, others: &[&str]| {
            Some((platform.to_owned(), others.iter().map(|&other| other.to_owned()).collect()))
        };
        assert_eq!(most(&[]), None);
        assert_eq!(most(&[arm, arm]), is(arm, &[]));
        assert_eq!(most(&[intel, arm, arm]), is(arm, &[intel]));
        assert_eq!(most(&[arm, intel]), is(intel, &[arm]));
        assert_eq!(most(&[windows, windows, intel]), is(intel, &[]));
        assert_eq!(most(&[windows]), is(windows, &[]));
    }
}
