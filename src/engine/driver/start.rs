//! Before the loop: the configuration is read, the cluster and the Engine are found.
//!
//! `dev` waits for what can be mended while it waits; every other command ends with the failure.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::cleanup::Journal;
use crate::cluster::{Cluster, ClusterError, ClusterOptions, NoCluster, Perhaps};
use crate::config::{self, ConfigRequest};
use crate::files::StateDir;
use crate::graph::Graph;
use crate::model::{Delivery, Key as Pressed, Origin, Project, Undo};
use crate::report::{Failure, FailureKind, Report, Reporter};
use crate::tools::Tools;

use super::super::{Event, Goal, Only, Options, Request};
use super::desk::Done;
use super::house::House;

/// How long to wait before trying to begin again.
const AGAIN: Duration = Duration::from_secs(2);

/// Everything that the loop begins with.
pub(super) struct Start {
    pub(super) house: House,
    pub(super) project: Project,
    pub(super) options: Options,
    pub(super) undo: Vec<Undo>,
}

/// Begins, once that is possible. `None`: a person left before.
pub(super) async fn start(
    request: &Request,
    tools: &Tools,
    reporter: &Reporter,
    keys: &mut mpsc::Receiver<Pressed>,
) -> Result<Option<Start>, Failure> {
    let mut told: Option<Failure> = None;
    loop {
        let attempt = async {
            let begin = begin(request, tools, reporter);
            match told {
                None => reporter.meanwhile("the cluster and Docker to answer", begin).await,
                Some(_) => begin.await,
            }
        };
        let failure = tokio::select! {
            biased;
            () = interrupted(keys) => return Ok(None),
            done = attempt => match done {
                Ok(start) => return Ok(Some(start)),
                Err(failure) => failure,
            },
        };
        if request.goal != Goal::Watching || !can_be_mended(&failure, request) {
            return Err(failure);
        }
        if told.as_ref() != Some(&failure) {
            reporter.tell(Report::Failed(failure.clone()));
            let why = "this to be mended".to_owned();
            reporter.tell(Report::Waiting { name: "wharf".to_owned(), why });
            told = Some(failure);
        }
        tokio::select! {
            biased;
            () = interrupted(keys) => return Ok(None),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

async fn interrupted(keys: &mut mpsc::Receiver<Pressed>) {
    while keys.recv().await == Some(Pressed::Rebuild) {}
}

/// Whether it is worth waiting: something outside is missing that may come, or another context
/// may be chosen. A context that was typed with the command is chosen by typing it again.
fn can_be_mended(failure: &Failure, request: &Request) -> bool {
    if request.context.is_some() && failure.code == "wharf::cluster::no_such_context" {
        return false;
    }
    failure.kind == FailureKind::Work || CHOICES.contains(&failure.code.as_str())
}

/// Requests that are mended outside of the project, or by an edit of its configuration, while
/// wharf waits: each attempt reads both anew.
const CHOICES: [&str; 7] = [
    "wharf::cluster::bad_kubeconfig",
    "wharf::cluster::incomplete_context",
    "wharf::cluster::no_current_context",
    "wharf::cluster::no_kubeconfig",
    "wharf::cluster::no_such_context",
    "wharf::cluster::not_allowed",
    "wharf::docker::no_context",
];

async fn begin(request: &Request, tools: &Tools, reporter: &Reporter) -> Result<Start, Failure> {
    let (project, notes) = read(&request.config)?;
    let only = only(&project, &request.names)?;
    let mut options = options(request, only);
    let meant = meant(request, &project);
    let cluster = match request.goal {
        Goal::Manifests if request.config.offline => {
            NoCluster::new(tools, &request.paths.runtime).map(Perhaps::Away)
        }
        Goal::Images | Goal::Manifests => Perhaps::connect(&meant, tools).await,
        Goal::Running | Goal::Following | Goal::Watching => {
            Cluster::connect(&meant, tools).await.map(Perhaps::There)
        }
    };
    let cluster = cluster.map_err(|error| error.failure())?;
    if let Some(failure) = cluster.why_not().map(ClusterError::failure) {
        let what = format!("going on without a cluster: {}", failure.what);
        reporter.warn(what, failure.help.into_iter().next());
    }
    let state = match cluster.cluster() {
        Some(cluster) => StateDir::open(&request.paths.state, &project.name, cluster.identity()),
        None => StateDir::open_without_cluster(&request.paths.state, &project.name),
    };
    let state = state.map_err(|error| error.failure())?;
    let lock = match request.goal.deploys() {
        true => Some(state.lock().map_err(|error| error.failure())?),
        false => None,
    };
    let journal = match request.goal.deploys() {
        true => Some(Journal::open(&state).map_err(|error| error.failure())?),
        false => None,
    };
    for command in tools.end_orphans().await {
        reporter.note(format!("ended `{command}`, which a killed wharf had left running"));
    }
    let undo = journal.as_ref().map(Journal::owed).unwrap_or_default();
    let house = House::open(request, &project, cluster, state, journal, lock, reporter).await?;
    options.pushes = house.delivery == Some(Delivery::Push);
    tell_started(&house, &project, request, reporter)?;
    for note in notes {
        reporter.note(note);
    }
    for name in request.given.keys().filter(|name| !project.artifacts.contains_key(*name)) {
        let known = project.artifacts.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let help = format!("images of `{}`: {}", project.name, known.join(", "));
        reporter.warn(format!("the given image `{name}` is none of this project's"), Some(help));
    }
    Ok(Start { house, project, options, undo })
}

/// Reads the project. Its order is checked here, because a Dockerfile may close a circle.
fn read(request: &ConfigRequest) -> Result<(Project, Vec<String>), Failure> {
    let loaded = config::load(request).map_err(|error| error.failure())?;
    Graph::new(&loaded.project).map_err(|error| error.failure())?;
    Ok((loaded.project, loaded.notes))
}

/// Answers `ReadConfig`.
pub(super) async fn read_again(request: ConfigRequest) -> Done {
    let read = tokio::task::spawn_blocking(move || read(&request)).await;
    let result = read.unwrap_or_else(|_| Err(Failure::bug("reading the configuration panicked")));
    Done::of(Event::ConfigChanged(result.map(|(project, _)| Box::new(project))))
}

fn only(project: &Project, names: &[String]) -> Result<Only, Failure> {
    let graph = Graph::new(project).map_err(|error| error.failure())?;
    let selection = graph.select(names).map_err(|error| error.failure())?;
    let named = selection.named.unwrap_or_default();
    Ok(Only { artifacts: named.artifacts, releases: named.releases })
}

fn options(request: &Request, only: Only) -> Options {
    Options {
        only,
        cleanup: request.cleanup,
        wait: request.wait,
        no_cache: request.no_cache,
        no_build: request.no_build || request.goal == Goal::Manifests,
        manual: request.manual,
        tail: request.tail,
        forward: request.forward,
        given: request.given.clone(),
        builds: request.builds,
        ..Options::new(request.goal)
    }
}

fn meant(request: &Request, project: &Project) -> ClusterOptions {
    ClusterOptions {
        context: request.context.clone().or_else(|| project.cluster.context.clone()),
        from_flag: request.context.is_some(),
        namespace: request.namespace.clone().or_else(|| project.cluster.namespace.clone()),
        allow: project.cluster.allow.clone(),
        runtime_dir: request.paths.runtime.clone(),
    }
}

fn tell_started(
    house: &House,
    project: &Project,
    request: &Request,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let (context, namespace) = match &house.cluster {
        Some(cluster) => (cluster.context().to_string(), cluster.namespace().to_string()),
        None => (String::new(), String::new()),
    };
    let file = match &project.origin {
        Origin::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        Origin::Inferred => None,
    };
    // Which releases use a named image is not known yet. For images alone they do not matter.
    let (artifact_names, release_names) = match request.goal {
        Goal::Images => {
            let graph = Graph::new(project).map_err(|error| error.failure())?;
            let selection = graph.select(&request.names).map_err(|error| error.failure())?;
            (selection.artifacts.into_iter().collect::<Vec<_>>(), Vec::new())
        }
        _ => (
            project.artifacts.keys().cloned().collect(),
            project.releases.keys().cloned().collect(),
        ),
    };
    reporter.tell(Report::Started {
        project: project.name.to_string(),
        context,
        namespace,
        artifacts: artifact_names.len(),
        releases: release_names.len(),
        artifact_names,
        release_names,
        asked_for: request.names.clone(),
        file,
    });
    Ok(())
}
