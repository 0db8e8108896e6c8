//! `wharf status`: what of the project runs, and how it is.

use std::time::Duration;

use serde_json::json;

use crate::model::WorkloadKind;
use crate::observe;
use crate::observe::{Scene, WorkloadStatus};
use crate::report::{Failure, Report};

use super::Place;
use super::standing::{Part, Standing};

/// Tells what runs; `true` when all of it is well.
///
/// # Errors
///
/// When the cluster does not answer, or a name means nothing that is deployed.
pub async fn status(place: &Place, names: &[String]) -> Result<bool, Failure> {
    let standing = Standing::read(place).await?;
    let part = standing.part(names)?;
    let cluster = &standing.cluster;
    let scene = Scene::new(cluster.client(), cluster.kind());
    let all = observe::status(&scene, &part.workloads).await.map_err(|error| error.failure())?;
    let is_shown = |status: &WorkloadStatus| {
        let is_done = !status.exists && part.passing.contains(&status.workload);
        !is_done && part.includes(&status.workload, &status.images)
    };
    let statuses: Vec<WorkloadStatus> = all.into_iter().filter(is_shown).collect();
    let head = format!("{} on {}", place.project.name, cluster.context());
    let data = json!({
        "project": place.project.name,
        "context": cluster.context(),
        "releases": part.releases.iter().map(|((namespace, name), release)| json!({
            "name": name,
            "namespace": namespace,
            "revision": release.revision,
            "images": release.images,
        })).collect::<Vec<_>>(),
        "workloads": statuses,
    });
    let text = match part.releases.is_empty() {
        true => nothing(&head, &standing),
        false => table(&head, &part, &statuses),
    };
    place.reporter.tell(Report::Data { what: "status", text, data });
    cluster.close();
    Ok(statuses.iter().all(|status| status.messages.is_empty()))
}

fn nothing(head: &str, standing: &Standing) -> String {
    let mut text = format!("{head}: nothing is deployed in {}\n", standing.where_looked());
    for namespace in &standing.elsewhere {
        text.push_str(&format!("one is in namespace {namespace}: `wharf status -n {namespace}`\n"));
    }
    text
}

/// Releases, then workloads, each a row; what a workload waits for stands below it.
pub(super) fn table(head: &str, part: &Part, statuses: &[WorkloadStatus]) -> String {
    let mut text = format!("{head}\n");
    let releases = part.releases.iter().map(|((namespace, name), release)| {
        let revision = release.revision.map(|revision| format!("revision {revision}"));
        let images: Vec<String> = release.images.values().map(ToString::to_string).collect();
        let place = format!("namespace {namespace}");
        vec![name.to_string(), revision.unwrap_or_default(), place, images.join(", ")]
    });
    let releases: Vec<_> = releases.map(|row| (row, vec![])).collect();
    text.push_str(&aligned(&releases));
    let workloads = statuses.iter().map(|status| {
        let restarts = match status.restarts {
            0 => String::new(),
            1 => "1 restart".to_owned(),
            many => format!("{many} restarts"),
        };
        let row = vec![
            status.workload.to_string(),
            readiness(status),
            status.age.map(age).unwrap_or_default(),
            restarts,
        ];
        (row, status.messages.clone())
    });
    let workloads = aligned(&workloads.collect::<Vec<_>>());
    if !workloads.is_empty() {
        text.push('\n');
        text.push_str(&workloads);
    }
    text
}

/// `1/2 ready`, or that a job is done: it wants no pod any more.
fn readiness(status: &WorkloadStatus) -> String {
    let is_job = status.workload.kind == WorkloadKind::Job;
    if is_job && status.exists && status.wanted == 0 && status.messages.is_empty() {
        return "done".to_owned();
    }
    format!("{}/{} ready", status.ready, status.wanted)
}

/// Rows with columns as wide as their widest cell; remarks stand below their row.
fn aligned(rows: &[(Vec<String>, Vec<String>)]) -> String {
    let columns = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|(row, _)| Some(row.get(column)?.len())).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let mut text = String::new();
    for (row, remarks) in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .filter(|(_, width)| **width > 0)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
        for remark in remarks {
            text.push_str(&format!("  {remark}\n"));
        }
    }
    text
}

/// `12s`, `3m`, `5h`, `9d`: the coarsest unit, as kubectl does.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
