//! `wharf logs`: what containers have written, or the log of a build.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::build;
use crate::model::{ArtifactName, LogFilter, Paths, Project, WorkloadRef};
use crate::observe;
use crate::observe::{LogStart, LogTail, Scene};
use crate::report::{Failure, Report, Reporter};

use super::Place;
use super::standing::Standing;

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsRequest {
    /// Images, releases or workloads; empty: all.
    pub names: Vec<String>,
    /// Go on until `enough`.
    pub follow: bool,
    /// Only what is younger.
    pub since: Option<Duration>,
}

/// Tells log lines; with `follow` until `enough` is cancelled.
///
/// # Errors
///
/// When the cluster does not answer, or a name means nothing that is deployed.
pub async fn logs(
    place: &Place,
    request: &LogsRequest,
    enough: &CancellationToken,
) -> Result<(), Failure> {
    let standing = Standing::read(place).await?;
    let part = standing.part(&request.names)?;
    let cluster = &standing.cluster;
    let scene = Scene::new(cluster.client(), cluster.kind());
    let workloads: BTreeSet<WorkloadRef> = if part.only.is_some() {
        let all = observe::status(&scene, &part.workloads).await;
        let all = all.map_err(|error| error.failure())?.into_iter();
        let wanted = all.filter(|status| part.includes(&status.workload, &status.images));
        wanted.map(|status| status.workload).collect()
    } else {
        part.workloads.clone()
    };
    if workloads.is_empty() {
        place.reporter.note("nothing that writes logs is deployed");
        return Ok(());
    }
    // Whoever asks for logs wants them, whatever the loop shows by itself.
    let filter = &LogFilter { off: false, ..place.project.logs.clone() };
    let start = start(request.since)?;
    let told = async {
        if request.follow {
            let tail = LogTail::start(&scene, workloads, filter, start, &place.reporter);
            enough.cancelled().await;
            tail.stop().await;
        } else {
            observe::read_logs(&scene, &workloads, filter, start, &place.reporter).await;
        }
    };
    tokio::select! {
        biased;
        () = told => {}
        () = enough.cancelled() => {}
    }
    cluster.close();
    Ok(())
}

fn start(since: Option<Duration>) -> Result<LogStart, Failure> {
    let Some(since) = since else { return Ok(LogStart::First) };
    let from = SystemTime::now().checked_sub(since).and_then(|from| Timestamp::try_from(from).ok());
    from.map(LogStart::Session).ok_or_else(|| {
        Failure::request("wharf::logs::too_long_ago", "that long ago there were no logs")
            .help("leave `--since` out to see all of them")
    })
}

/// Tells the full log of the last build of `artifact`.
///
/// # Errors
///
/// When there is no such image, or it was not built here yet.
pub fn build_log(
    artifact: &ArtifactName,
    project: &Project,
    paths: &Paths,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let known = project.artifacts.keys().find(|known| {
        *known == artifact || known.as_str().rsplit('/').next() == Some(artifact.as_str())
    });
    let Some(artifact) = known else {
        let what = format!("project `{}` has no image `{artifact}`", project.name);
        let names: Vec<String> = project.artifacts.keys().map(|name| format!("`{name}`")).collect();
        return Err(Failure::request("wharf::names::unknown", what)
            .help(format!("its images: {}", names.join(", "))));
    };
    let missing = || {
        Failure::work("wharf::logs::no_build", format!("`{artifact}` was not built here yet"))
            .help(format!("build it: `wharf build {artifact}`"))
    };
    let path = newest(artifact, project, paths).ok_or_else(missing)?;
    let text = std::fs::read(&path).map_err(|error| {
        Failure::work("wharf::logs::unreadable", format!("`{}` cannot be read", path.display()))
            .because(error.to_string())
    })?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let data = text.clone().into();
    reporter.tell(Report::Data { what: "build_log", text, data });
    Ok(())
}

/// The newest log among the project's folders: there is one per cluster that it was built for,
/// and finding out which is meant must not need a cluster that answers.
fn newest(artifact: &ArtifactName, project: &Project, paths: &Paths) -> Option<PathBuf> {
    let folders = std::fs::read_dir(&paths.state).ok()?.flatten().map(|entry| entry.path());
    let own = folders.filter(|folder| {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| is_folder_of(&name, project.name.as_str()))
    });
    own.map(|folder| build::log_path(&folder, artifact))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
}

/// Whether a state folder's name is the project's: alone, or with a cluster's twelve digits.
fn is_folder_of(folder: &str, project: &str) -> bool {
    let Some(rest) = folder.strip_prefix(project) else { return false };
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|cluster| {
            cluster.len() == 12 && cluster.chars().all(|c| c.is_ascii_hexdigit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_project_are_told_from_those_of_its_namesakes() {
        assert!(is_folder_of("shop", "shop"));
        assert!(is_folder_of("shop-0123456789ab", "shop"));
        assert!(!is_folder_of("shop-api-0123456789ab", "shop"));
        assert!(!is_folder_of("shop-api", "shop"));
        assert!(!is_folder_of("web", "shop"));
    }
}
