//! Judging as tables, and settling, logs and the lookout against an API server in the process.

#![expect(
    clippy::needless_pass_by_value,
    clippy::cloned_ref_to_slice_refs,
    reason = "cases read better so"
)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::outcome::{Outcome, sum_up};
use super::pod::{PodState, judge};
use super::reachable::Answers;
use super::scene::Seen;
use super::trouble::Nature;
use super::verdict::Verdict;
use super::{
    LogStart, LogTail, Lookout, ObserveError, Scene, Settling, claim, job, rollout, service,
    settle, status, workloads,
};
use crate::model::{ClusterKind, LogFilter, Namespace, ReleaseName, WaitRule};
use crate::report::{Report, Reporter, Reports};

fn typed<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn shop() -> Namespace {
    Namespace::parse("shop").unwrap()
}

/// A pod of Deployment `api` in the state that `status` says.
fn pod(name: &str, status: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "labels": {"app": "api", "pod-template-hash": "6c9f"},
            "creationTimestamp": "2026-11-02T10:00:00Z",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api-6c9f",
                "uid": "uid-api-6c9f", "controller": true}],
        },
        "spec": {"nodeName": "node", "containers": [{"name": "api", "image": "api:1",
            "resources": {"limits": {"memory": "64Mi"}}, "readinessProbe": {"httpGet": {"port": 80}}}]},
        "status": status,
    })
}

fn ready_status() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [container(json!({"running": {}}), true)]})
}

fn container(state: Value, ready: bool) -> Value {
    json!({"name": "api", "image": "api:1", "imageID": "", "ready": ready, "started": true,
        "restartCount": 0, "containerID": "containerd://one", "state": state})
}

fn waiting(reason: &str, message: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    json!({"phase": "Pending", "containerStatuses": [container(state, false)]})
}

fn crashed(restarts: i32, terminated: Value) -> Value {
    let mut status = waiting("CrashLoopBackOff", "back-off 10s restarting failed container");
    status["containerStatuses"][0]["restartCount"] = json!(restarts);
    status["containerStatuses"][0]["lastState"] = json!({"terminated": terminated});
    status
}

fn event(about: &str, reason: &str, message: &str, count: i32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{about}.{reason}"), "namespace": "shop"},
        "involvedObject": {"uid": format!("uid-{about}")}, "reason": reason, "message": message, "count": count,
        "lastTimestamp": "2026-11-02T10:00:01Z",
    })
}

fn seen(pods: &[Value], events: &[Value]) -> Seen {
    let mut seen = Seen::default();
    seen.pods = pods.iter().map(|pod| Arc::new(typed(pod.clone()))).collect();
    seen.replica_sets = vec![Arc::new(typed(replica_set()))];
    seen.with_events(events.iter().map(|event| Arc::new(typed(event.clone()))).collect())
}

fn replica_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "api-6c9f", "namespace": "shop", "uid": "uid-api-6c9f",
            "annotations": {"deployment.kubernetes.io/revision": "2"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api",
                "uid": "uid-api", "controller": true}]},
        "spec": {"selector": {}},
    })
}

#[test]
fn a_pod_says_what_it_waits_for() {
    let check = |status: Value, events: &[Value], expected: &str, nature: Option<Nature>| {
        let mut one = pod("api-1", status);
        if one["status"]["unassigned"] == true {
            one["spec"]["nodeName"] = Value::Null;
        }
        let seen = seen(&[one.clone()], events);
        match judge(&typed::<Pod>(one), &seen) {
            PodState::Unready(unready) => {
                assert_eq!(unready.text, expected);
                assert_eq!(unready.trouble.map(|trouble| trouble.nature), nature, "{expected}");
            }
            state => assert_eq!(format!("{state:?}"), expected),
        }
    };
    let running = |ready: bool| json!({"phase": "Running", "containerStatuses": [container(json!({"running": {}}), ready)]});
    let unscheduled = |message: &str| {
        json!({"unassigned": true, "phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]})
    };

    check(ready_status(), &[], "Ready", None);
    check(json!({"phase": "Succeeded"}), &[], "Succeeded", None);
    check(json!({"unassigned": true, "phase": "Pending"}), &[], "is starting", None);
    check(
        unscheduled(
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        ),
        &[],
        "is unschedulable: 0/1 nodes are available: 1 Insufficient cpu",
        Some(Nature::Capacity),
    );
    check(
        unscheduled(
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not eligible due to preemptionPolicy=Never.",
        ),
        &[],
        "is unschedulable: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not eligible due to preemptionPolicy=Never",
        None,
    );
    check(waiting("ContainerCreating", ""), &[], "is starting", None);
    check(
        waiting("ContainerCreating", ""),
        &[event("api-1", "Pulling", "Pulling image \"api:1\"", 1)],
        "is pulling image `api:1`",
        None,
    );
    check(
        waiting("ContainerCreating", ""),
        &[event(
            "api-1",
            "FailedMount",
            "MountVolume.SetUp failed for volume \"cfg\" : configmap \"shop\" not found",
            3,
        )],
        "waits for its volumes: configmap \"shop\" not found",
        Some(Nature::Missing),
    );
    for (times, nature) in [(1, None), (2, Some(Nature::Final))] {
        check(
            waiting("ContainerCreating", ""),
            &[event(
                "api-1",
                "FailedMount",
                "MountVolume.SetUp failed for volume \"cfg\" : references non-existent config key: kye",
                times,
            )],
            "waits for its volumes: references non-existent config key: kye",
            nature,
        );
    }
    check(running(false), &[], "waits for its readiness probe", None);
    check(
        running(false),
        &[event(
            "api-1",
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
            4,
        )],
        "waits for its readiness probe (HTTP probe failed with statuscode: 503)",
        None,
    );
    check(
        running(false),
        &[event("api-1", "Unhealthy", "Readiness probe failed: ", 4)],
        "waits for its readiness probe",
        None,
    );
    check(
        waiting(
            "ErrImagePull",
            "failed to pull and unpack image \"docker.io/library/api:1\": failed to resolve reference \"docker.io/library/api:1\": docker.io/library/api:1: not found",
        ),
        &[],
        "cannot start: image `api:1` cannot be pulled: not found",
        Some(Nature::Pull { attempts: 0 }),
    );
    check(
        waiting(
            "ImagePullBackOff",
            "Back-off pulling image \"api:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/api:1\": failed to resolve reference \"docker.io/library/api:1\": docker.io/library/api:1: not found",
        ),
        &[],
        "cannot start: image `api:1` cannot be pulled: not found",
        Some(Nature::Final),
    );
    check(
        waiting(
            "ImagePullBackOff",
            "Back-off pulling image \"api:1\": ErrImagePull: failed to pull and unpack image \"x/api:1\": failed to resolve reference \"x/api:1\": failed to do request: Head \"https://x/v2/api/manifests/1\": dial tcp: lookup x: no such host",
        ),
        &[event("api-1", "Pulling", "Pulling image \"api:1\"", 2)],
        "cannot start: image `api:1` cannot be pulled: x is out of reach: no such host",
        Some(Nature::Pull { attempts: 2 }),
    );
    check(
        waiting(
            "ErrImageNeverPull",
            "Container image \"api:1\" is not present with pull policy of Never",
        ),
        &[],
        "cannot start: image `api:1` is not on the node, and `imagePullPolicy: Never` forbids to pull it",
        Some(Nature::Final),
    );
    let missing_key = "couldn't find key password in Secret shop/db";
    check(
        waiting("CreateContainerConfigError", missing_key),
        &[event("api-1", "Failed", &format!("Error: {missing_key}"), 2)],
        "cannot start `api`: couldn't find key password in Secret shop/db",
        Some(Nature::Final),
    );
    check(
        waiting("CreateContainerConfigError", "secret \"db\" not found"),
        &[],
        "cannot start `api`: secret \"db\" not found",
        Some(Nature::Missing),
    );
    check(
        waiting(
            "RunContainerError",
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: \"serve\": executable file not found in $PATH: unknown",
        ),
        &[],
        "cannot start `api`: exec: \"serve\": executable file not found in $PATH",
        Some(Nature::Final),
    );
    check(
        crashed(2, json!({"exitCode": 1, "reason": "Error"})),
        &[],
        "was started again 2 times: it exited with code 1",
        Some(Nature::Crash { restarts: 2 }),
    );
    check(
        crashed(1, json!({"exitCode": 137, "reason": "OOMKilled"})),
        &[],
        "was started again: it ran out of memory (limit 64Mi)",
        Some(Nature::Crash { restarts: 1 }),
    );
    check(
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
        &[],
        "ended as Evicted: The node was low on resource: memory.",
        Some(Nature::Final),
    );
}

#[test]
fn a_missing_secret_that_is_deployed_together_is_only_late() {
    let one = pod("api-1", waiting("CreateContainerConfigError", "secret \"db\" not found"));
    let mut seen = seen(&[one.clone()], &[]);
    seen.deployed.insert(("Secret".into(), "db".into()));
    let PodState::Unready(unready) = judge(&typed::<Pod>(one), &seen) else { panic!() };
    assert_eq!(unready.trouble.unwrap().nature, Nature::Passing);
}

fn deployment(replicas: i32, status: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "shop", "uid": "uid-api", "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": replicas, "selector": {}, "template": {"spec": {"containers": [{"name": "api", "image": "api:1"}]}}},
        "status": status,
    })
}

fn live(replicas: i32) -> Value {
    json!({"observedGeneration": 2, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas})
}

fn texts(verdict: Verdict) -> String {
    match verdict {
        Verdict::Ready => "ready".to_owned(),
        Verdict::Absent => "absent".to_owned(),
        Verdict::Waiting(waits) => {
            waits.into_iter().map(|wait| wait.text).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn a_deployment_is_ready_when_its_newest_pods_are() {
    let check = |object: Value, pods: &[Value], expected: &str| {
        let verdict = rollout::deployment(&typed::<Deployment>(object), &seen(pods, &[]));
        assert_eq!(texts(verdict), expected);
    };
    let status = |observed: i32, total: i32, updated: i32, available: i32| json!({"observedGeneration": observed, "replicas": total, "updatedReplicas": updated, "availableReplicas": available});
    check(deployment(2, live(2)), &[], "ready");
    check(deployment(0, json!({"observedGeneration": 2})), &[], "ready");
    check(deployment(2, status(1, 2, 2, 2)), &[], "waits for its controller to notice the change");
    check(deployment(2, status(2, 2, 1, 1)), &[], "waits for 1 of 2 pods to be made");
    check(deployment(2, status(2, 3, 2, 2)), &[], "waits for 1 old pods to go");
    check(deployment(2, status(2, 2, 2, 1)), &[], "waits for 1 of 2 pods to be available");
    check(
        deployment(1, status(2, 1, 1, 0)),
        &[pod(
            "api-1",
            json!({"phase": "Pending", "containerStatuses": [container(json!({"running": {}}), false)]}),
        )],
        "pod api-1 waits for its readiness probe",
    );
    let mut old = pod("api-0", crashed(9, json!({"exitCode": 1})));
    old["metadata"]["ownerReferences"][0]["uid"] = json!("uid-api-0000");
    check(deployment(1, status(2, 2, 1, 1)), &[old], "waits for 1 old pods to go");
    let mut late = deployment(1, status(2, 2, 1, 1));
    late["status"]["conditions"] =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    check(late, &[], "made no progress for 600 s");
    let mut refused = deployment(1, status(2, 0, 0, 0));
    refused["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True",
        "message": "pods \"api-6c9f-\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3"}]);
    check(
        refused,
        &[],
        "its pods are refused: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3",
    );
    let mut paused = deployment(1, status(2, 0, 0, 0));
    paused["spec"]["paused"] = json!(true);
    check(paused, &[], "ready");
}

#[test]
fn sets_follow_their_own_rules() {
    let stateful = |spec: Value, status: Value| {
        let mut object = json!({"metadata": {"name": "db", "namespace": "shop", "uid": "uid-db", "generation": 1},
            "spec": {"replicas": 3, "selector": {}, "template": {}}, "status": status});
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        texts(rollout::stateful_set(&typed::<StatefulSet>(object), &seen(&[], &[])))
    };
    let status = |updated: i32, ready: i32, revision: &str| {
        json!({"observedGeneration": 1, "replicas": 3, "readyReplicas": ready, "availableReplicas": ready,
            "updatedReplicas": updated, "currentRevision": "a", "updateRevision": revision})
    };
    let partition = |n: i32| json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": n}}});
    assert_eq!(stateful(json!({}), status(3, 3, "a")), "ready");
    assert_eq!(stateful(json!({}), status(0, 3, "b")), "waits for 3 of 3 pods to be updated");
    assert_eq!(stateful(json!({}), status(3, 2, "a")), "waits for 1 of 3 pods to be ready");
    assert_eq!(stateful(partition(2), status(1, 3, "b")), "ready");
    assert_eq!(stateful(partition(2), status(0, 3, "b")), "waits for 1 of 3 pods to be updated");
    assert_eq!(
        stateful(json!({"updateStrategy": {"type": "OnDelete"}}), status(0, 3, "b")),
        "ready"
    );

    let daemon = |strategy: &str, updated: i32, available: i32| {
        let object = json!({"metadata": {"name": "agent", "generation": 1},
            "spec": {"selector": {}, "template": {}, "updateStrategy": {"type": strategy}},
            "status": {"observedGeneration": 1, "currentNumberScheduled": 2, "desiredNumberScheduled": 2, "numberMisscheduled": 0,
                "numberReady": available, "updatedNumberScheduled": updated, "numberAvailable": available}});
        texts(rollout::daemon_set(&typed::<DaemonSet>(object), &seen(&[], &[])))
    };
    assert_eq!(daemon("RollingUpdate", 2, 2), "ready");
    assert_eq!(daemon("RollingUpdate", 1, 2), "waits for 1 of 2 pods to be updated");
    assert_eq!(daemon("OnDelete", 0, 2), "ready");
}

#[test]
fn a_broken_pod_of_an_old_revision_blocks_a_stateful_set_for_ever() {
    let mut broken = pod("db-0", crashed(1, json!({"exitCode": 1})));
    broken["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "uid-db", "controller": true}]);
    broken["metadata"]["labels"] = json!({"controller-revision-hash": "a"});
    let object = json!({"metadata": {"name": "db", "namespace": "shop", "uid": "uid-db", "generation": 1},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "replicas": 1, "currentRevision": "a", "updateRevision": "b"}});
    let verdict = rollout::stateful_set(&typed::<StatefulSet>(object), &seen(&[broken], &[]));
    let Verdict::Waiting(waits) = verdict else { panic!("{verdict:?}") };
    let trouble = waits[0].trouble.clone().unwrap();
    assert_eq!(trouble.nature, Nature::Final);
    assert!(trouble.help[0].ends_with("`kubectl delete pod db-0 -n shop`"), "{:?}", trouble.help);
}

#[test]
fn a_job_decides_itself_how_often_it_is_tried() {
    let check = |status: Value, suspend: bool, pods: &[Value], expected: &str| {
        let object = json!({"metadata": {"name": "migrate", "uid": "uid-migrate"},
            "spec": {"backoffLimit": 1, "suspend": suspend, "template": {}}, "status": status});
        let verdict = job::judge(&typed::<Job>(object), &seen(pods, &[]));
        assert_eq!(texts(verdict), expected);
    };
    let condition = |sort: &str, reason: &str| json!({"conditions": [{"type": sort, "status": "True", "reason": reason}]});
    let mut failed = pod(
        "migrate-1",
        json!({"phase": "Failed", "containerStatuses": [container(json!({"terminated": {"exitCode": 5}}), false)]}),
    );
    failed["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "uid-migrate", "controller": true}]);
    check(condition("Complete", ""), false, &[], "ready");
    check(json!({}), true, &[], "ready");
    check(json!({"active": 1}), false, &[], "waits for its pod to end");
    check(json!({"failed": 1}), false, &[failed.clone()], "pod migrate-1 exited with code 5");
    check(
        condition("Failed", "BackoffLimitExceeded"),
        false,
        &[failed],
        "failed after 2 attempts; the last one exited with code 5",
    );
}

#[test]
fn a_service_that_nobody_stands_behind_is_not_waited_for() {
    let check = |spec: Value, pods: &[Value], slice: Option<bool>, expected: &str| {
        let mut seen = seen(pods, &[]);
        if let Some(ready) = slice {
            seen.endpoint_slices.push(Arc::new(typed(json!({
                "metadata": {"name": "api-x", "labels": {"kubernetes.io/service-name": "api"}}, "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
            }))));
        }
        let object = json!({"metadata": {"name": "api"}, "spec": spec});
        assert_eq!(texts(service::judge(&typed::<Service>(object), &seen)), expected);
    };
    let selects = json!({"selector": {"app": "api"}});
    let running = pod("api-1", ready_status());
    check(
        json!({"type": "ExternalName", "externalName": "example.com", "selector": {"app": "api"}}),
        &[running.clone()],
        None,
        "ready",
    );
    check(json!({}), &[running.clone()], None, "ready");
    check(selects.clone(), &[], None, "ready");
    check(selects.clone(), &[running.clone()], None, "waits for a ready endpoint");
    check(selects.clone(), &[running.clone()], Some(false), "waits for a ready endpoint");
    check(selects.clone(), &[running.clone()], Some(true), "ready");
    let mut going = running;
    going["metadata"]["deletionTimestamp"] = json!("2026-11-02T10:00:00Z");
    check(selects, &[going], None, "ready");
}

#[test]
fn a_program_that_listens_on_the_loopback_only_is_reachable_and_not_ready() {
    let mut object = pod(
        "api-1",
        json!({"phase": "Running", "containerStatuses": [{"name": "api", "image": "api:1",
            "imageID": "", "ready": false, "started": true, "restartCount": 0,
            "state": {"running": {}}}]}),
    );
    object["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"port": 8080}});
    let object: Pod = typed(object);
    let refused =
        "Get \"http://10.244.0.7:8080/\": dial tcp 10.244.0.7:8080: connect: connection refused";
    let check = |said: &str, failures: i32, restarts: i32, expected: &str, help: usize| {
        let message = format!("Readiness probe failed: {said}");
        let mut seen = seen(&[], &[event("api-1", "Unhealthy", &message, failures)]);
        let answers = Answers { restarts, failures: 3 };
        seen.answering.insert("uid-api-1".into(), answers);
        let PodState::Unready(unready) = judge(&object, &seen) else { panic!("it is not ready") };
        assert_eq!(unready.text, expected.replace("…", said));
        assert_eq!(unready.trouble.map_or(0, |trouble| trouble.help.len()), help);
    };
    check(refused, 5, 0, "is reachable, not ready: its readiness probe fails (…)", 1);
    check(
        "HTTP probe failed with statuscode: 500",
        5,
        0,
        "is reachable, not ready: its readiness probe fails (…)",
        0,
    );
    // Kubelet may have asked before it answered.
    check(refused, 4, 0, "waits for its readiness probe (…)", 0);
    check(refused, 5, 1, "waits for its readiness probe (…)", 0);
}

#[test]
fn a_claim_that_binds_on_use_is_waited_for_once_a_pod_uses_it() {
    let check = |phase: &str, pods: &[Value], events: &[Value], expected: &str| {
        let object = json!({"metadata": {"name": "data", "uid": "uid-data"}, "spec": {"storageClassName": "standard"}, "status": {"phase": phase}});
        let object: PersistentVolumeClaim = typed(object);
        let mut seen = seen(pods, events);
        seen.binds_on_use.insert("standard".into());
        assert_eq!(texts(claim::judge(&object, &seen)), expected);
    };
    let mut user = pod("db-0", json!({"phase": "Pending"}));
    user["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    check("Bound", &[], &[], "ready");
    check("Pending", &[], &[], "ready");
    check("Pending", &[user.clone()], &[], "waits for a volume");
    let failed = event(
        "data",
        "ProvisioningFailed",
        "storageclass.storage.k8s.io \"standard\" not found",
        1,
    );
    check(
        "Pending",
        &[user],
        &[failed],
        "is unbound: storageclass.storage.k8s.io \"standard\" not found",
    );
}

#[test]
fn a_crash_is_forgiven_longer_while_others_come_up() {
    let check = |restarts: i32, others: &[&str], expected: &str| {
        let one = pod("api-1", crashed(restarts, json!({"exitCode": 1})));
        let status = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1});
        let object = typed::<Deployment>(deployment(1, status));
        let mut judged =
            vec![("deployment/api".to_owned(), rollout::deployment(&object, &seen(&[one], &[])))];
        judged.extend(
            others.iter().map(|name| ((*name).to_owned(), Verdict::waits("is pulling image `x`"))),
        );
        let outcome = match sum_up(&judged, true) {
            Outcome::Failed(_) => "failed",
            Outcome::Waiting { .. } => "waiting",
            Outcome::Ready => "ready",
        };
        assert_eq!(outcome, expected);
    };
    check(2, &[], "waiting");
    check(3, &[], "failed");
    check(3, &["deployment/db"], "waiting");
    check(6, &["deployment/db"], "failed");
}

proptest! {
    #[test]
    fn a_deployment_is_called_ready_only_when_every_wanted_pod_is_new_and_available(
        generation in 1_i64..4, observed in 0_i64..4, wanted in 0..4, total in 0..6, updated in 0..6, available in 0..6,
    ) {
        let mut object = deployment(wanted, json!({"observedGeneration": observed, "replicas": total,
            "updatedReplicas": updated, "availableReplicas": available}));
        object["metadata"]["generation"] = json!(generation);
        let verdict = rollout::deployment(&typed::<Deployment>(object), &seen(&[], &[]));
        let is_ready = observed >= generation && updated >= wanted && total <= updated && available >= updated;
        prop_assert_eq!(verdict == Verdict::Ready, is_ready);
        if let Verdict::Waiting(waits) = verdict {
            prop_assert!(!waits.is_empty(), "it must say what it waits for");
        }
    }
}

/// A scene over an API server in the process, and what was told.
struct Stage {
    fake: Fake,
    scene: Scene,
    told: Arc<Mutex<Vec<Report>>>,
}

impl Stage {
    fn new() -> Self {
        let fake = Fake::new();
        let scene = Scene::new(fake.client(), &ClusterKind::Kind { name: "dev".to_owned() });
        Self { fake, scene, told: Arc::default() }
    }

    /// Begins to settle `objects`.
    fn settle(&self, objects: &[Value], seconds: u64) -> JoinSet<Result<(), ObserveError>> {
        let (scene, told, objects) = (self.scene.clone(), Arc::clone(&self.told), objects.to_vec());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let release = ReleaseName::parse("shop").unwrap();
            let rule = WaitRule { ready: true, timeout: Duration::from_secs(seconds) };
            let namespace = shop();
            let settling = Settling {
                release: &release,
                namespace: &namespace,
                objects: &objects,
                late: &BTreeSet::new(),
                rule: &rule,
            };
            let tell = |report| told.lock().unwrap().push(report);
            settle(&scene, settling, &tell, &CancellationToken::new()).await
        });
        task
    }

    /// Waits until something was told that contains `text`.
    async fn told(&self, text: &str) {
        while !format!("{:?}", self.told.lock().unwrap()).contains(text) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn end(mut task: JoinSet<Result<(), ObserveError>>) -> Result<(), ObserveError> {
    task.join_next().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn settling_goes_by_what_was_deployed_and_not_by_what_ran_before() {
    let stage = Stage::new();
    stage.fake.put(replica_set());
    stage.fake.put(deployment(1, live(1)));
    end(stage.settle(&[deployment(1, Value::Null)], 60)).await.unwrap();
    // The next deploy: the watch may lag behind, the answer may not.
    let mut next = deployment(1, live(1));
    next["metadata"]["generation"] = json!(3);
    stage.fake.put(next.clone());
    let task = stage.settle(&[deployment(1, Value::Null)], 60);
    stage.told("waits for its controller").await;
    next["status"]["observedGeneration"] = json!(3);
    stage.fake.put(next);
    end(task).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_told_once_with_the_programs_last_lines() {
    let stage = Stage::new();
    stage.fake.put(replica_set());
    stage
        .fake
        .put(deployment(1, json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1})));
    stage.fake.log("api-1", "api", false, "2026-11-02T10:00:00.5Z no DATABASE set");
    let task = stage.settle(&[deployment(1, Value::Null)], 60);
    for restarts in 1..=3 {
        stage.fake.put(pod("api-1", crashed(restarts, json!({"exitCode": 3}))));
        stage.told(&format!("{restarts}")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let failure = end(task).await.unwrap_err().failure();
    assert_eq!(failure.code, "wharf::observe::crash_loop");
    assert_eq!(failure.what, "deployment/api: container `api` exited with code 3");
    assert_eq!(failure.why, ["no DATABASE set"]);
    let told = stage.told.lock().unwrap();
    let crashes = told.iter().filter(|report| matches!(report, Report::Pod { last_lines, .. } if last_lines == &["no DATABASE set"]));
    assert_eq!(crashes.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_at_once_is_not_ready_for_the_moment_that_it_runs() {
    let stage = Stage::new();
    stage.fake.put(replica_set());
    stage.fake.put(deployment(1, live(1)));
    let unprobed = |restarts: i32, started: jiff::Timestamp| {
        let mut status = running("one", restarts, None);
        status["containerStatuses"][0]["state"]["running"] = json!({"startedAt": started});
        let mut pod = pod("api-1", status);
        pod["spec"]["containers"][0].as_object_mut().unwrap().remove("readinessProbe");
        pod
    };
    let now = jiff::Timestamp::now();
    let task = stage.settle(&[deployment(1, Value::Null)], 60);
    for restarts in 0..3 {
        stage.fake.put(unprobed(restarts, now));
        stage.fake.put(deployment(1, live(1)));
        tokio::time::sleep(Duration::from_millis(1900)).await;
        // Its Deployment hears of it later.
        let mut ended = unprobed(restarts, now);
        ended["status"] = crashed(restarts + 1, json!({"exitCode": 3}));
        stage.fake.put(ended);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let starting = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1});
        stage.fake.put(deployment(1, starting));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let failure = end(task).await.unwrap_err().failure();
    assert_eq!(failure.code, "wharf::observe::crash_loop");

    let took = async |restarts: i32, started: jiff::Timestamp| {
        stage.fake.put(unprobed(restarts, started));
        stage.fake.put(deployment(1, live(1)));
        let began = tokio::time::Instant::now();
        end(stage.settle(&[deployment(1, Value::Null)], 60)).await.unwrap();
        began.elapsed().as_secs()
    };
    assert_eq!(took(0, now).await, 2);
    assert_eq!(took(1, now).await, 10);
    let long_ago = now - Duration::from_secs(60);
    assert_eq!(took(0, long_ago).await, 0);
    // The clock of its node is an hour ahead.
    assert_eq!(took(0, now + Duration::from_secs(3600)).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unschedulable_pod_is_told_at_once_and_given_up_after_some_time() {
    let stage = Stage::new();
    stage.fake.put(replica_set());
    stage
        .fake
        .put(deployment(1, json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1})));
    stage.fake.put(pod(
        "api-1",
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}]}),
    ));
    let began = tokio::time::Instant::now();
    let task = stage.settle(&[deployment(1, Value::Null)], 600);
    stage.told("is unschedulable: 0/1 nodes are available: 1 Insufficient cpu").await;
    assert!(began.elapsed() < Duration::from_secs(1));
    let failure = end(task).await.unwrap_err().failure();
    assert_eq!(failure.code, "wharf::observe::unschedulable");
    assert!((10..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_never_gets_ready_ends_with_the_releases_own_time() {
    let stage = Stage::new();
    stage.fake.put(replica_set());
    stage
        .fake
        .put(deployment(1, json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1})));
    let failure = end(stage.settle(&[deployment(1, Value::Null)], 30)).await.unwrap_err().failure();
    assert_eq!(
        (failure.what.as_str(), failure.why),
        (
            "not ready after 30 s",
            vec!["deployment/api: waits for 1 of 1 pods to be available".to_owned()]
        )
    );
}

#[tokio::test(start_paused = true)]
async fn who_needs_a_claim_that_is_stuck_is_named_before_its_pods_are_made() {
    let stage = Stage::new();
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data",
        "namespace": "shop", "uid": "uid-data"}, "spec": {}, "status": {"phase": "Pending"},
    });
    let mut user = deployment(1, json!({}));
    user["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let why = "storageclass.storage.k8s.io \"fast\" not found";
    stage.fake.put(event("data", "ProvisioningFailed", why, 1));
    stage.fake.put(claim.clone());
    stage.fake.put(user);
    let outlines = [deployment(1, Value::Null), claim];
    let failure = end(stage.settle(&outlines, 60)).await.unwrap_err().failure();
    assert_eq!(failure.what, format!("claim/data is unbound: {why}"));
    assert_eq!(failure.why, ["deployment/api waits for it"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_meanwhile_is_missed() {
    let stage = Stage::new();
    let object = deployment(1, json!({"observedGeneration": 2}));
    stage.fake.put(object.clone());
    let task = stage.settle(&[object.clone()], 60);
    stage.told("waits for 1 of 1 pods").await;
    stage.fake.delete(&object);
    let failure = end(task).await.unwrap_err().failure();
    assert_eq!(failure.what, "deployment/api: is gone: somebody deleted it");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_look_is_told_so() {
    let stage = Stage::new();
    stage.fake.forbid("/apis/apps/v1/namespaces/shop/deployments");
    stage.fake.put(deployment(1, live(1)));
    let failure = end(stage.settle(&[deployment(1, Value::Null)], 60)).await.unwrap_err().failure();
    assert_eq!(failure.what, "deployments in namespace `shop` may not be watched");
    assert_eq!(failure.why, ["pods is forbidden: not today"]);
}

#[tokio::test(start_paused = true)]
async fn thirty_services_share_their_watches() {
    let stage = Stage::new();
    let objects: Vec<_> = (0..30)
        .map(|n| {
            let mut object = deployment(1, live(1));
            object["metadata"]["name"] = json!(format!("api-{n}"));
            object
        })
        .collect();
    objects.iter().for_each(|object| stage.fake.put(object.clone()));
    end(stage.settle(&objects, 60)).await.unwrap();
    end(stage.settle(&objects, 60)).await.unwrap();
    assert!(stage.fake.asked("watch=true") <= 5, "{}", stage.fake.asked("watch=true"));
}

fn running(id: &str, restarts: i32, previous: Option<&str>) -> Value {
    let mut status = container(json!({"running": {}}), true);
    status["containerID"] = json!(id);
    status["restartCount"] = json!(restarts);
    if let Some(previous) = previous {
        status["lastState"] = json!({"terminated": {"exitCode": 1, "containerID": previous}});
    }
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [status]})
}

async fn log_lines(reports: &mut Reports, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != last) {
        match reports.recv().await.unwrap() {
            Report::Log(line) => lines.push(line.text),
            report => panic!("{report:?}"),
        }
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn a_log_goes_on_through_breaks_and_restarts() {
    let stage = Stage::new();
    let (reporter, mut reports) = Reporter::channel();
    let all = workloads(&[deployment(1, Value::Null)], &shop());
    stage.fake.put(pod("api-1", running("one", 0, None)));
    stage.fake.log(
        "api-1",
        "api",
        false,
        "2026-11-02T10:00:00.1Z before\n2026-11-02T10:00:01.1Z a\n2026-11-02T10:00:01.2Z a",
    );
    let start = LogStart::Session("2026-11-02T10:00:01Z".parse::<Timestamp>().unwrap());
    let tail = LogTail::start(&stage.scene, all, &LogFilter::default(), start, &reporter);
    assert_eq!(log_lines(&mut reports, "a").await, ["a"]);
    assert_eq!(log_lines(&mut reports, "a").await, ["a"]);
    // More, in the same stream taken up again.
    stage.fake.log(
        "api-1",
        "api",
        false,
        "2026-11-02T10:00:01.1Z a\n2026-11-02T10:00:01.2Z a\n2026-11-02T10:00:01.2Z b",
    );
    assert_eq!(log_lines(&mut reports, "b").await, ["b"]);
    // It crashes with last words that nobody had read, and runs again.
    stage.fake.log("api-1", "api", true, "2026-11-02T10:00:01.2Z b\n2026-11-02T10:00:02.0Z panic");
    stage.fake.log("api-1", "api", false, "2026-11-02T10:00:03.0Z hello again");
    stage.fake.put(pod("api-1", running("two", 1, Some("one"))));
    let lines = log_lines(&mut reports, "hello again").await;
    assert!(
        lines == ["panic", "hello again"] || lines[0].starts_with("lines may be missing"),
        "{lines:?}"
    );
    tail.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_kubelet_dropped_are_missed_aloud() {
    let stage = Stage::new();
    let (reporter, mut reports) = Reporter::channel();
    let all = workloads(&[deployment(1, Value::Null)], &shop());
    stage.fake.put(pod("api-1", running("one", 0, None)));
    stage.fake.log("api-1", "api", false, "2026-11-02T10:00:01.1Z a");
    let _tail =
        LogTail::start(&stage.scene, all, &LogFilter::default(), LogStart::First, &reporter);
    log_lines(&mut reports, "a").await;
    stage.fake.log("api-1", "api", false, "2026-11-02T10:00:09.1Z z");
    let lines = log_lines(&mut reports, "z").await;
    assert_eq!(lines, ["lines may be missing here: kubelet began a new log file", "z"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_while_nobody_reads_loses_no_line() {
    let stage = Stage::new();
    let (reporter, mut reports) = Reporter::channel();
    let all = workloads(&[deployment(1, Value::Null)], &shop());
    stage.fake.put(pod("api-1", running("one", 0, None)));
    let stamped = |second: u32, texts: std::ops::Range<u32>| {
        let lines = texts.map(|n| format!("2026-11-02T10:00:{second:02}.{n:06}Z {n}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    // More than may be on their way.
    stage.fake.log("api-1", "api", false, &stamped(1, 0..3000));
    let _tail =
        LogTail::start(&stage.scene, all, &LogFilter::default(), LogStart::First, &reporter);
    let asked = async |count: usize| {
        let wait = async {
            while stage.fake.asked("follow=true") < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it is asked for");
    };
    asked(1).await;
    stage.fake.log("api-1", "api", true, &stamped(1, 2000..3001));
    stage.fake.log("api-1", "api", false, &stamped(3, 3001..3003));
    stage.fake.put(pod("api-1", running("two", 1, Some("one"))));
    asked(2).await;
    // From here on kubelet has a new file.
    stage.fake.log("api-1", "api", false, &stamped(9, 3005..3006));
    let lines = log_lines(&mut reports, "3005").await;
    let expected = (0..3003).map(|n| n.to_string());
    let gap = "lines may be missing here: kubelet began a new log file".to_owned();
    let expected: Vec<_> = expected.chain([gap, "3005".to_owned()]).collect();
    assert_eq!(lines, expected);
}

#[tokio::test(start_paused = true)]
async fn containers_can_be_left_out_and_replicas_are_told_apart() {
    let stage = Stage::new();
    let (reporter, mut reports) = Reporter::channel();
    let all = workloads(&[deployment(2, Value::Null)], &shop());
    for name in ["api-6c9f-aaaaa", "api-6c9f-bbbbb"] {
        let mut one = pod(name, running(name, 0, None));
        one["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "istio-proxy", "image": "istio"}));
        let mut proxy = one["status"]["containerStatuses"][0].clone();
        proxy["name"] = json!("istio-proxy");
        one["status"]["containerStatuses"].as_array_mut().unwrap().push(proxy);
        stage.fake.put(one);
        stage.fake.log(name, "api", false, "2026-11-02T10:00:01.1Z hello");
        stage.fake.log(name, "istio-proxy", false, "2026-11-02T10:00:01.1Z noise");
    }
    let filter = LogFilter { exclude: vec!["istio-*".into()], ..LogFilter::default() };
    let _tail = LogTail::start(&stage.scene, all, &filter, LogStart::First, &reporter);
    let mut prefixes = BTreeSet::new();
    while prefixes.len() < 2 {
        let Some(Report::Log(line)) = reports.recv().await else { panic!() };
        assert_eq!(line.text, "hello");
        prefixes.insert((line.workload, line.replica, line.container));
    }
    let prefix =
        |replica: &str| ("api".to_owned(), Some(replica.to_owned()), Some("api".to_owned()));
    assert_eq!(prefixes, BTreeSet::from([prefix("aaaaa"), prefix("bbbbb")]));
}

#[tokio::test(start_paused = true)]
async fn the_lookout_tells_crashes_recoveries_and_drift() {
    let stage = Stage::new();
    let (reporter, mut reports) = Reporter::channel();
    let lookout = Lookout::start(&stage.scene, &reporter);
    let release = ReleaseName::parse("shop").unwrap();
    stage.fake.put(deployment(1, live(1)));
    stage.fake.put(pod("api-1", ready_status()));
    stage.fake.log("api-1", "api", false, "2026-11-02T10:00:00.5Z boom");
    lookout.expect(&release, &[deployment(1, Value::Null)], &shop());
    tokio::time::sleep(Duration::from_secs(1)).await;

    stage.fake.put(pod("api-1", crashed(1, json!({"exitCode": 1}))));
    let report = reports.recv().await.unwrap();
    assert!(
        matches!(&report, Report::Pod { what, last_lines, mended: false, .. } if what == "exited with code 1" && last_lines == &["boom"]),
        "{report:?}"
    );
    stage.fake.put(pod("api-1", ready_status()));
    assert!(matches!(reports.recv().await.unwrap(), Report::Pod { mended: true, .. }));

    // Expected beforehand, a change of the project's own is no drift.
    lookout.expect(&release, &[deployment(2, Value::Null)], &shop());
    stage.fake.put(deployment(2, live(2)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.fake.put(deployment(0, live(0)));
    let told = serde_json::to_value(reports.recv().await.unwrap()).unwrap();
    assert_eq!(told["what"], json!(["deployment/api was scaled from 2 to 0; its manifest says 2"]));
    stage.fake.delete(&deployment(0, Value::Null));
    let told = serde_json::to_value(reports.recv().await.unwrap()).unwrap();
    assert_eq!(told["what"], json!(["deployment/api was deleted"]));
    lookout.stop().await;
}

#[tokio::test(start_paused = true)]
async fn status_says_what_is_there_and_what_is_not() {
    let stage = Stage::new();
    stage.fake.put(replica_set());
    stage.fake.put(deployment(2, json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1})));
    stage.fake.put(pod("api-1", ready_status()));
    stage.fake.put(pod("api-2", crashed(4, json!({"exitCode": 1}))));
    let mut gone = deployment(1, Value::Null);
    gone["metadata"]["name"] = json!("web");
    let all = workloads(&[deployment(2, Value::Null), gone], &shop());
    let found = status(&stage.scene, &all).await.unwrap();
    assert_eq!((found[0].ready, found[0].wanted, found[0].restarts), (1, 2, 4));
    assert_eq!(found[0].messages, ["pod api-2 was started again 4 times: it exited with code 1"]);
    assert_eq!(found[0].images, ["api:1"]);
    assert!(!found[1].exists);
}
