//! Verifications, custom actions and tests of images: each is run to its end, its output shown.
//!
//! Comes in: what the configuration has, the images to use. Goes out: a line for each, or a failure
//! that names those that failed. A container is removed when it ends, a Job with its pods too;
//! whatever kills wharf, the container goes when it ends and the cluster takes its Job back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, ClusterError, Perhaps};
use crate::docker::ContainerForm;
use crate::model::{
    Action, ActionContainer, ActionPlace, ArtifactName, Checks, ImageRef, ImageTest,
};
use crate::report::{Failure, Report, Reporter};
use crate::tools::{ToolError, Tools};

use super::containers;
use super::jobs;
use super::standing::Place;

/// How long a container may run where nobody says otherwise: as long as a release may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct ChecksRequest {
    /// Which ones, by name; none: all.
    pub names: Vec<String>,
    /// The project's images to use.
    pub images: BTreeMap<ArtifactName, ImageRef>,
    /// The network of local containers.
    pub network: Option<String>,
    /// A file of variables for all containers.
    pub env_file: Option<PathBuf>,
}

impl ChecksRequest {
    /// The reference that `image` means: that of the project's image of this name, else itself.
    pub(super) fn image(&self, image: &str) -> String {
        let whole = |image: &str| ImageRef::parse(image).map(|image| image.full_repository());
        let wanted = whole(image);
        let own =
            self.images.iter().find(|(name, _)| wanted.is_ok() && whole(name.as_str()) == wanted);
        own.map_or_else(|| image.to_owned(), |(_, image)| image.to_string())
    }
}

/// How one of them ended.
struct Ended {
    name: String,
    took: Duration,
    /// Why it failed.
    failed: Option<String>,
}

/// Runs every verification, all at once.
///
/// # Errors
///
/// A [`Failure`] that names those that failed.
pub async fn verify(
    place: &Place,
    checks: &Checks,
    request: &ChecksRequest,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let chosen = chosen(&checks.verify, &request.names, "verification")?;
    run_all(place, &chosen, request, cancel, "verify").await
}

/// Runs one custom action.
///
/// # Errors
///
/// A [`Failure`] that says which of its containers failed.
pub async fn exec(
    place: &Place,
    checks: &Checks,
    request: &ChecksRequest,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let chosen = chosen(&checks.actions, &request.names, "custom action")?;
    run_all(place, &chosen, request, cancel, "exec").await
}

/// Runs the tests of the images that are given.
///
/// # Errors
///
/// A [`Failure`] that names the images whose tests failed.
pub async fn test(
    place: &Place,
    checks: &Checks,
    request: &ChecksRequest,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    if request.images.is_empty() {
        return Err(Failure::request("wharf::test::no_images", "no images are given to test")
            .help("`wharf build --file-output images.json`, then `wharf test -a images.json`"));
    }
    let is_given = |test: &&ImageTest| {
        request.images.keys().any(|name| name.as_str() == test.image)
            && (request.names.is_empty() || request.names.contains(&test.image))
    };
    // A test may well ask the cluster that is meant; it must not meet another one.
    let perhaps = Perhaps::connect(&place.cluster, &place.tools).await;
    let perhaps = perhaps.map_err(|error| error.failure())?;
    if let Some(failure) = perhaps.why_not().map(ClusterError::failure) {
        let what = format!("going on without a cluster: {}", failure.what);
        place.reporter.warn(what, failure.help.into_iter().next());
    }
    let mut ended = Vec::new();
    for test in checks.tests.iter().filter(is_given) {
        ended.push(run_test(place, perhaps.tools(), test, request, cancel).await);
    }
    tell(&place.reporter, "test", &ended)
}

fn chosen<'a>(all: &'a [Action], names: &[String], sort: &str) -> Result<Vec<&'a Action>, Failure> {
    let known: Vec<&str> = all.iter().map(|action| action.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let help = match known.is_empty() {
            true => "the configuration has none".to_owned(),
            false => format!("there are `{}`", known.join("`, `")),
        };
        let what = format!("there is no {sort} named `{name}`");
        return Err(Failure::request("wharf::checks::unknown", what).help(help));
    }
    Ok(all.iter().filter(|action| names.is_empty() || names.contains(&action.name)).collect())
}

async fn run_all(
    place: &Place,
    actions: &[&Action],
    request: &ChecksRequest,
    cancel: &CancellationToken,
    what: &'static str,
) -> Result<(), Failure> {
    let in_cluster = |action: &&&Action| matches!(action.place, ActionPlace::Cluster { .. });
    let cluster = match actions.iter().find(in_cluster) {
        None => None,
        Some(_) => {
            let connected = Cluster::connect(&place.cluster, &place.tools).await;
            Some(connected.map_err(|error| error.failure())?)
        }
    };
    let run = actions.iter().map(|action| run(place, action, request, cluster.as_ref(), cancel));
    let ended: Vec<Ended> = join_all(run).await.into_iter().flatten().collect();
    tell(&place.reporter, what, &ended)
}

async fn run(
    place: &Place,
    action: &Action,
    request: &ChecksRequest,
    cluster: Option<&Cluster>,
    cancel: &CancellationToken,
) -> Vec<Ended> {
    // The first failure may end the others, and nobody else.
    let together = cancel.child_token();
    let limit = action.limit.unwrap_or(LIMIT);
    let containers = action.containers.iter().map(|container| {
        let together = together.clone();
        async move {
            let began = Instant::now();
            let work = async {
                match (&action.place, cluster) {
                    (ActionPlace::Cluster { job, overrides }, Some(cluster)) => {
                        let form = jobs::Form { job: job.as_ref(), overrides: overrides.as_ref() };
                        let image = request.image(&container.image);
                        let env = env_of(container, request)?;
                        let wanted = jobs::Wanted { container, image, env, limit };
                        jobs::run(cluster, &form, &wanted, &place.reporter, &together).await
                    }
                    _ => in_docker(place, &action.name, container, request, limit, &together).await,
                }
            };
            let failed = work.await.err();
            if failed.is_some() && action.fail_fast {
                together.cancel();
            }
            let name = match action.containers.len() {
                1 => action.name.clone(),
                _ => format!("{}/{}", action.name, container.name),
            };
            Ended { name, took: began.elapsed(), failed }
        }
    });
    join_all(containers).await
}

/// The container's variables, those of the file before its own.
fn env_of(
    container: &ActionContainer,
    request: &ChecksRequest,
) -> Result<Vec<(String, String)>, String> {
    let mut env = Vec::new();
    if let Some(file) = &request.env_file {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("`{}`: {error}", file.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        env.extend(lines.filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        }));
    }
    env.extend(container.env.iter().cloned());
    Ok(env)
}

async fn in_docker(
    place: &Place,
    action: &str,
    container: &ActionContainer,
    request: &ChecksRequest,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<(), String> {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    };
    let process = std::process::id();
    let form = ContainerForm {
        name: format!("wharf-check-{process}-{}-{}", plain(action), plain(&container.name)),
        image: request.image(&container.image),
        entrypoint: container.command.clone(),
        args: container.args.clone(),
        env: env_of(container, request)?,
        network: request.network.clone(),
    };
    let (tools, reporter) = (&place.tools, &place.reporter);
    containers::run(tools, reporter, &form, &container.name, limit, cancel).await
}

async fn run_test(
    place: &Place,
    tools: &Tools,
    test: &ImageTest,
    request: &ChecksRequest,
    cancel: &CancellationToken,
) -> Ended {
    let began = Instant::now();
    let limit = test.limit.unwrap_or(LIMIT);
    let ran = shown(tools, &place.reporter, &test.image)
        .args(["-c", "exec sh -c \"$1\" >&2", "sh", &test.command])
        .variable("IMAGE", request.image(&test.image))
        .folder(&test.dir)
        .time_limit(limit)
        .cancelled_by(cancel)
        .run()
        .await;
    let failed = ran.err().map(|error| why(&error, limit));
    Ended { name: test.image.clone(), took: began.elapsed(), failed }
}

/// A shell whose stderr is told line by line.
fn shown(tools: &Tools, reporter: &Reporter, name: &str) -> crate::tools::ToolCommand {
    let (reporter, name) = (reporter.clone(), name.to_owned());
    tools.command("sh").on_stderr_line(move |line| reporter.note(format!("{name} | {line}")))
}

fn why(error: &ToolError, limit: Duration) -> String {
    match error {
        ToolError::TimedOut { .. } => format!("it did not end within {} s", limit.as_secs()),
        ToolError::Cancelled { .. } => "it was ended".to_owned(),
        ToolError::Failed { code: Some(code), .. } => format!("it ended with {code}"),
        error => error.to_string(),
    }
}

fn tell(reporter: &Reporter, what: &'static str, ended: &[Ended]) -> Result<(), Failure> {
    let width = ended.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let lines = ended.iter().map(|one| {
        let how = match &one.failed {
            None => "passed".to_owned(),
            Some(why) => format!("failed: {why}"),
        };
        format!("{:width$}  {how}  {:.1}s\n", one.name, one.took.as_secs_f64())
    });
    let all = ended.iter().map(|one| {
        serde_json::json!({
            "name": one.name, "passed": one.failed.is_none(), "why": one.failed,
            "seconds": one.took.as_secs_f64(),
        })
    });
    let data = serde_json::Value::Array(all.collect());
    let text: String = lines.collect();
    if ended.is_empty() {
        reporter.note("there is nothing to run");
    }
    reporter.tell(Report::Data { what, text, data });
    let failed: Vec<&str> =
        ended.iter().filter(|one| one.failed.is_some()).map(|one| one.name.as_str()).collect();
    match failed.as_slice() {
        [] => Ok(()),
        names => {
            let said = format!("{} of {} failed: {}", names.len(), ended.len(), names.join(", "));
            Err(Failure::work("wharf::checks::failed", said))
        }
    }
}
