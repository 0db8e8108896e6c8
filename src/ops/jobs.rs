//! A container as a Job of the cluster: made, followed to its end, its log shown, taken back.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::model::ActionContainer;
use crate::report::Reporter;

/// How long the cluster keeps a Job that has ended, where wharf is no longer there to delete it.
const KEPT: u64 = 120;

/// What a Job is made from.
pub(super) struct Form<'f> {
    pub(super) job: Option<&'f Value>,
    pub(super) overrides: Option<&'f Value>,
}

/// The container that is to run.
pub(super) struct Wanted<'w> {
    pub(super) container: &'w ActionContainer,
    pub(super) image: String,
    pub(super) env: Vec<(String, String)>,
    pub(super) limit: Duration,
}

/// Runs it to its end.
pub(super) async fn run(
    cluster: &Cluster,
    form: &Form<'_>,
    wanted: &Wanted<'_>,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<(), String> {
    let said = |error: kube::Error| crate::cluster::said(&error);
    let job: Job = serde_json::from_value(manifest(form, wanted)).map_err(|e| e.to_string())?;
    let namespace = job.metadata.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| cluster.namespace().to_string());
    let jobs: Api<Job> = Api::namespaced(cluster.client(), &namespace);
    let made = jobs.create(&PostParams::default(), &job).await.map_err(said)?;
    let name = made.metadata.name.unwrap_or_default();
    let has_ended = |job: Option<&Job>| job.is_none_or(|job| ended(job).is_some());
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err("it was ended".to_owned()),
        done = tokio::time::timeout(wanted.limit, await_condition(jobs.clone(), &name, has_ended)) => {
            match done {
                Err(_) => Err(format!("it did not end within {} s", wanted.limit.as_secs())),
                Ok(Err(error)) => Err(error.to_string()),
                Ok(Ok(None)) => Err("somebody deleted its Job".to_owned()),
                Ok(Ok(Some(job))) => match ended(&job) {
                    Some(true) => Ok(()),
                    _ => Err("its pod failed".to_owned()),
                },
            }
        }
    };
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    if cancel.is_cancelled() {
        end_at_once(&jobs, &pods, &name).await;
        return outcome;
    }
    let outcome = match show(&pods, &name, wanted, reporter).await {
        Some(code) if outcome.is_err() && code != 0 => Err(format!("it ended with {code}")),
        _ => outcome,
    };
    // Its pods go with it.
    let _ = jobs.delete(&name, &DeleteParams::background()).await;
    outcome
}

/// Ends a Job that nobody waits for any more: its pods get no time to think about it.
async fn end_at_once(jobs: &Api<Job>, pods: &Api<Pod>, name: &str) {
    let _ = jobs.delete(name, &DeleteParams::background()).await;
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    let _ = pods.delete_collection(&now, &of_job(name)).await;
}

fn of_job(name: &str) -> ListParams {
    ListParams::default().labels(&format!("job-name={name}"))
}

/// Whether a Job has ended, and well.
fn ended(job: &Job) -> Option<bool> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let has = |kind: &str| conditions.iter().any(|one| one.type_ == kind && one.status == "True");
    match (has("Complete"), has("Failed")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Tells what the container wrote; its exit code, where it has one.
async fn show(pods: &Api<Pod>, job: &str, wanted: &Wanted<'_>, reporter: &Reporter) -> Option<i32> {
    let mut code = None;
    for pod in pods.list(&of_job(job)).await.ok()?.items {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let container = wanted.container.name.clone();
        let which = LogParams { container: Some(container.clone()), ..LogParams::default() };
        for line in pods.logs(&name, &which).await.unwrap_or_default().lines() {
            reporter.note(format!("{container} | {line}"));
        }
        let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
        let own = statuses.into_iter().find(|status| status.name == container);
        let state = own.and_then(|status| status.state);
        if let Some(waiting) = state.as_ref().and_then(|state| state.waiting.as_ref()) {
            let reason = waiting.reason.as_deref().unwrap_or("waiting");
            reporter.note(format!("{container} | it did not start: {reason}"));
        }
        code = state.and_then(|state| state.terminated).map(|end| end.exit_code).or(code);
    }
    code
}

/// The Job's manifest.
fn manifest(form: &Form<'_>, wanted: &Wanted<'_>) -> Value {
    let own = wanted.container;
    let env: Vec<Value> =
        wanted.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut container = json!({
        "name": own.name, "image": wanted.image, "imagePullPolicy": "IfNotPresent",
    });
    for (key, words) in [("command", &own.command), ("args", &own.args)] {
        if !words.is_empty() {
            container[key] = json!(words);
        }
    }
    if !env.is_empty() {
        container["env"] = Value::Array(env);
    }
    let mut job = form.job.cloned().unwrap_or_else(|| json!({"spec": {"backoffLimit": 0}}));
    job["apiVersion"] = "batch/v1".into();
    job["kind"] = "Job".into();
    // A name of its own each time, since a Job cannot be run again.
    let base = job.pointer("/metadata/name").and_then(Value::as_str).unwrap_or(&own.name);
    let base: String = base.chars().take(40).collect();
    if job.get("metadata").is_none() {
        job["metadata"] = json!({});
    }
    if let Some(metadata) = job["metadata"].as_object_mut() {
        metadata.remove("name");
        metadata.insert("generateName".to_owned(), format!("{base}-").into());
    }
    let template =
        json!({"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
    let mut spec = json!({
        "ttlSecondsAfterFinished": KEPT, "activeDeadlineSeconds": wanted.limit.as_secs().max(1) + KEPT,
    });
    lay(&mut spec, job.get("spec").unwrap_or(&Value::Null));
    lay(&mut spec, &template);
    if let Some(overrides) = form.overrides {
        lay(&mut spec["template"], overrides);
    }
    job["spec"] = spec;
    job
}

/// Lays `over` over `value`: maps are merged, lists of named things by name, the rest replaced.
fn lay(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Object(map), Value::Object(over)) => {
            for (key, over) in over {
                lay(map.entry(key).or_insert(Value::Null), over);
            }
        }
        (Value::Array(items), Value::Array(over))
            if over.iter().all(|item| item.get("name").is_some()) =>
        {
            for over in over {
                match items.iter_mut().find(|item| item["name"] == over["name"]) {
                    Some(item) => lay(item, over),
                    None => items.push(over.clone()),
                }
            }
        }
        (_, Value::Null) => {}
        (value, over) => *value = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_its_form_the_container_and_what_is_laid_over() {
        let container = ActionContainer {
            name: "check".to_owned(),
            image: "curl".to_owned(),
            command: vec!["curl".to_owned()],
            args: vec![],
            env: vec![],
        };
        let env = vec![("A".to_owned(), "b".to_owned())];
        let wanted = Wanted {
            container: &container,
            image: "curl:1".to_owned(),
            env,
            limit: Duration::from_secs(60),
        };
        let job = json!({
            "metadata": {"name": "smoke", "labels": {"a": "b"}},
            "spec": {"backoffLimit": 3, "template": {"spec": {
                "serviceAccountName": "robot",
                "containers": [{"name": "check", "image": "x", "workingDir": "/w"}]}}},
        });
        let overrides = json!({"spec": {"nodeSelector": {"disk": "ssd"}}});
        let form = Form { job: Some(&job), overrides: Some(&overrides) };
        let made = manifest(&form, &wanted);
        assert_eq!(made["metadata"], json!({"labels": {"a": "b"}, "generateName": "smoke-"}));
        assert_eq!(made["spec"]["backoffLimit"], 3);
        let spec = &made["spec"]["template"]["spec"];
        assert_eq!(spec["serviceAccountName"], "robot");
        assert_eq!(spec["nodeSelector"], json!({"disk": "ssd"}));
        assert_eq!(spec["containers"][0]["image"], "curl:1");
        assert_eq!(spec["containers"][0]["workingDir"], "/w");
        assert_eq!(spec["containers"][0]["env"], json!([{"name": "A", "value": "b"}]));
        let bare = manifest(&Form { job: None, overrides: None }, &wanted);
        assert_eq!(bare["metadata"], json!({"generateName": "check-"}));
        assert_eq!(bare["spec"]["backoffLimit"], 0);
    }
}
