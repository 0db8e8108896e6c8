//! Watches the project's workloads for as long as the session lasts: crashes, recoveries, and
//! what somebody else does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::{Namespace, ReleaseName, WorkloadKind, WorkloadRef};
use crate::observe::crash::{self, News};
use crate::observe::pod::last_crash;
use crate::observe::scene::{Scene, Seen};
use crate::observe::workload::{owner_among, workloads};
use crate::report::{ReleaseNews, Report, Reporter};

/// What a release is expected to keep running.
#[derive(Debug, Clone, PartialEq, Default)]
struct Expected {
    /// The replicas that the manifest asks for; absent where it leaves them to somebody else.
    workloads: BTreeMap<WorkloadRef, Option<i32>>,
}

/// Tells what happens to workloads until it is dropped.
#[derive(Debug)]
pub struct Lookout {
    releases: watch::Sender<BTreeMap<ReleaseName, Expected>>,
    task: JoinSet<()>,
}

impl Lookout {
    /// Begins to watch; nothing is expected yet.
    #[must_use]
    pub fn start(scene: &Scene, reporter: &Reporter) -> Self {
        let (releases, releases_rx) = watch::channel(BTreeMap::new());
        let mut task = JoinSet::new();
        let watching = Watching {
            scene: scene.clone(),
            reporter: reporter.clone(),
            known: BTreeMap::new(),
            restarts: BTreeMap::new(),
        };
        task.spawn(watching.run(releases_rx));
        Self { releases, task }
    }

    /// Watches the workloads among `objects` as those of `release`, in the place of its former
    /// ones. Call it before the objects are deployed, so that the deploy itself is no surprise.
    pub fn expect(&self, release: &ReleaseName, objects: &[Value], namespace: &Namespace) {
        let scaled = autoscaled(objects);
        let expected = objects.iter().flat_map(|object| {
            let replicas = object["spec"]["replicas"].as_i64().and_then(|n| i32::try_from(n).ok());
            workloads(std::slice::from_ref(object), namespace)
                .into_iter()
                .map(move |workload| (workload, replicas))
        });
        let expected = expected.map(|(workload, replicas)| {
            let is_free = scaled.contains(&(workload.kind, workload.name.clone()));
            (workload, replicas.filter(|_| !is_free))
        });
        let expected = Expected { workloads: expected.collect() };
        self.releases.send_modify(|releases| _ = releases.insert(release.clone(), expected));
    }

    /// Expects nothing of `release` any more.
    pub fn forget(&self, release: &ReleaseName) {
        self.releases.send_modify(|releases| _ = releases.remove(release));
    }

    /// Ends it and waits until nothing of it runs.
    pub async fn stop(mut self) {
        self.task.shutdown().await;
    }
}

/// Workloads whose replicas a HorizontalPodAutoscaler of the same release sets.
fn autoscaled(objects: &[Value]) -> BTreeSet<(WorkloadKind, String)> {
    let scalers = objects.iter().filter(|object| object["kind"] == "HorizontalPodAutoscaler");
    let targets = scalers.filter_map(|scaler| {
        let target = &scaler["spec"]["scaleTargetRef"];
        let kind = WorkloadKind::of(target["kind"].as_str()?)?;
        Some((kind, target["name"].as_str()?.to_owned()))
    });
    targets.collect()
}

/// A workload as it was seen last: absent, or with so many replicas asked for.
type Known = Option<Option<i32>>;

/// How often pods in trouble are looked at, besides whenever something changes.
const RECOVERY: Duration = Duration::from_secs(1);

struct Watching {
    scene: Scene,
    reporter: Reporter,
    known: BTreeMap<WorkloadRef, Known>,
    /// How often each container had been started again, by UID of the pod.
    restarts: BTreeMap<String, i32>,
}

impl Watching {
    async fn run(mut self, mut releases_rx: watch::Receiver<BTreeMap<ReleaseName, Expected>>) {
        let mut changes = self.scene.changes();
        let scene = self.scene.clone();
        let mut reports = FuturesUnordered::new();
        loop {
            changes.borrow_and_update();
            let releases = releases_rx.borrow_and_update().clone();
            reports.extend(self.news(&releases).into_iter().map(|news| news.report(&scene)));
            self.tell_drift(&releases);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                changed = releases_rx.changed() => if changed.is_err() { return },
                Some(report) = reports.next() => self.reporter.tell(report),
                // A pod that has recovered is believed after a while, in which nothing changes.
                () = tokio::time::sleep(RECOVERY), if self.scene.ledger().has_any() => {}
            }
        }
    }

    fn news(&mut self, releases: &BTreeMap<ReleaseName, Expected>) -> Vec<News> {
        let all: BTreeSet<WorkloadRef> =
            releases.values().flat_map(|release| release.workloads.keys().cloned()).collect();
        let namespaces: BTreeSet<_> = all.iter().map(|one| one.namespace.clone()).collect();
        let mut news = Vec::new();
        for namespace in &namespaces {
            let seen = Seen::look(&self.scene, namespace);
            news.extend(self.restarts(&seen, &all));
            news.extend(crash::news(&self.scene, namespace, &seen, &all));
        }
        news
    }

    /// Crashes that were over before anybody looked.
    fn restarts(&mut self, seen: &Seen, workloads: &BTreeSet<WorkloadRef>) -> Vec<News> {
        let crashed = seen.pods.iter().filter_map(|pod| {
            let workload = owner_among(pod, workloads)?;
            let now = restarts(pod);
            let before = self.restarts.insert(pod.uid().unwrap_or_default(), now)?;
            let (_, trouble) = last_crash(pod).filter(|_| now > before)?;
            // One that goes on is told with its state.
            let is_news =
                crate::observe::pod::is_ready(pod) && self.scene.ledger().is_news(&trouble);
            is_news.then(|| News::of_crash(workload, pod, trouble))
        });
        crashed.collect()
    }

    fn tell_drift(&mut self, releases: &BTreeMap<ReleaseName, Expected>) {
        let scene = self.scene.clone();
        for (name, release) in releases {
            let drifts = release.workloads.iter().filter_map(|(workload, expected)| {
                let now = look(&scene, workload)?;
                let before = self.known.insert(workload.clone(), now)?;
                drift(workload, *expected, before, now)
            });
            let what: Vec<_> = drifts.collect();
            if !what.is_empty() {
                let news = ReleaseNews::Drifted { what };
                self.reporter.tell(Report::Release { name: name.clone(), news });
            }
        }
        self.known.retain(|workload, _| {
            releases.values().any(|release| release.workloads.contains_key(workload))
        });
    }
}

/// What somebody did to `workload` between two looks, if it was not what the manifest says.
fn drift(
    workload: &WorkloadRef,
    expected: Option<i32>,
    before: Known,
    now: Known,
) -> Option<String> {
    match (before, now) {
        (Some(_), None) => Some(format!("{workload} was deleted")),
        (Some(before), Some(now)) if before != now && expected.is_some() && now != expected => {
            let count = |replicas: Option<i32>| replicas.map_or(1, |replicas| replicas);
            Some(format!(
                "{workload} was scaled from {} to {}; its manifest says {}",
                count(before),
                count(now),
                count(expected)
            ))
        }
        _ => None,
    }
}

/// The workload as it is; `None` while that is not known.
fn look(scene: &Scene, workload: &WorkloadRef) -> Option<Known> {
    let WorkloadRef { kind, namespace, name } = workload;
    Some(match kind {
        WorkloadKind::Deployment => {
            let table = scene.deployments(namespace);
            let object = table.is_listed().then(|| table.get(name))?;
            object.map(|object| object.spec.replicas)
        }
        WorkloadKind::StatefulSet => {
            let table = scene.stateful_sets(namespace);
            let object = table.is_listed().then(|| table.get(name))?;
            object.map(|object| object.spec.replicas)
        }
        WorkloadKind::DaemonSet => {
            let table = scene.daemon_sets(namespace);
            table.is_listed().then(|| table.get(name))?.map(|_| None)
        }
        // These come and go by themselves.
        WorkloadKind::ReplicaSet
        | WorkloadKind::Job
        | WorkloadKind::CronJob
        | WorkloadKind::Pod => return None,
    })
}

fn restarts(pod: &Arc<Pod>) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).sum()
}
