//! Whether a Job has done its work.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::observe::pod::one_line;
use crate::observe::scene::Seen;
use crate::observe::trouble::{LastLines, Nature, Trouble};
use crate::observe::verdict::{Verdict, Wait, waits_of};

/// Judges a Job. A suspended one is not waited for.
pub(super) fn judge(job: &Job, seen: &Seen) -> Verdict {
    let status = job.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let is = |sort: &str| conditions.iter().find(|one| one.type_ == sort && one.status == "True");
    if is("Complete").is_some() || is("SuccessCriteriaMet").is_some() {
        return Verdict::Ready;
    }
    let pods = || seen.pods_of(job.metadata.uid.as_deref()).map(AsRef::as_ref);
    if let Some(failed) = is("Failed").or(is("FailureTarget")) {
        return Verdict::Waiting(vec![given_up(job, failed, pods(), seen)]);
    }
    if job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true) {
        return Verdict::Ready;
    }
    let mut waits = waits_of(pods(), seen);
    for trouble in waits.iter_mut().filter_map(|wait| wait.trouble.as_mut()) {
        // How often a program may fail is the Job's own affair.
        if matches!(trouble.nature, Nature::Crash { .. }) || trouble.last_lines != LastLines::None {
            trouble.nature = Nature::Passing;
        }
    }
    if waits.is_empty() {
        waits.push(Wait::ordinary(
            match (status.active.unwrap_or(0), status.failed.unwrap_or(0)) {
                (0, 0) => "waits for its pod to be made".to_owned(),
                (0, _) => "waits to be tried again".to_owned(),
                _ => "waits for its pod to end".to_owned(),
            },
        ));
    }
    Verdict::Waiting(waits)
}

fn given_up<'a>(
    job: &Job,
    failed: &k8s_openapi::api::batch::v1::JobCondition,
    pods: impl Iterator<Item = &'a Pod>,
    seen: &Seen,
) -> Wait {
    let mut pods: Vec<&Pod> = pods.collect();
    pods.sort_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
    let reason = match failed.reason.as_deref() {
        Some("BackoffLimitExceeded") => {
            let limit = job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(6);
            format!("failed after {} attempts", limit + 1)
        }
        Some("DeadlineExceeded") => "ran longer than its `activeDeadlineSeconds`".to_owned(),
        _ => {
            format!("failed: {}", one_line(failed.message.as_deref().unwrap_or("no reason given")))
        }
    };
    let last = waits_of(pods.into_iter(), seen).into_iter().rev().find_map(|wait| wait.trouble);
    let what = match &last {
        Some(trouble) => format!("{reason}; the last one {}", trouble.what),
        None => reason,
    };
    let uid = job.uid().unwrap_or_default();
    let trouble = last.unwrap_or_else(|| Trouble::new(Nature::Final, uid, what.clone()));
    Wait::of_trouble(what.clone(), Trouble { what, nature: Nature::Final, ..trouble })
}
