//! Watches the project's workloads for as long as the session lasts: crashes, recoveries, and
//! what somebody else does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace as ApiNamespace, Pod};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::model::{Namespace, ReleaseName, WorkloadKind, WorkloadRef};
use crate::observe::crash::{self, News};
use crate::observe::pod::{PodState, judge, last_crash, probation};
use crate::observe::scene::{Scene, Seen};
use crate::observe::workload::{owner_among, workloads};
use crate::report::{ReleaseNews, Report, Reporter};

/// What a release is expected to keep running.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    /// Where it goes.
    namespace: Namespace,
    /// The replicas that the manifest asks for; absent where it leaves them to somebody else.
    workloads: BTreeMap<WorkloadRef, Option<i32>>,
}

/// What the loop should know of, besides what a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Somebody deleted this namespace with workloads in it, and it is gone.
    Lost(Namespace),
    /// A pod of this release has become ready that was not.
    Recovered(ReleaseName),
}

/// Tells what happens to workloads until it is dropped.
#[derive(Debug)]
pub struct Lookout {
    releases: watch::Sender<BTreeMap<ReleaseName, Expected>>,
    sight_rx: mpsc::Receiver<Sight>,
    task: JoinSet<()>,
}

impl Lookout {
    /// Begins to watch; nothing is expected yet.
    #[must_use]
    pub fn start(scene: &Scene, reporter: &Reporter) -> Self {
        let (releases, releases_rx) = watch::channel(BTreeMap::new());
        // Full, it holds up the news until the loop has taken one.
        let (sight_tx, sight_rx) = mpsc::channel(8);
        let mut task = JoinSet::new();
        let watching = Watching {
            scene: scene.clone(),
            reporter: reporter.clone(),
            known: BTreeMap::new(),
            restarts: BTreeMap::new(),
            places: BTreeSet::new(),
            unready: BTreeSet::new(),
            going: BTreeSet::new(),
            answers: FuturesUnordered::new(),
        };
        task.spawn(watching.run(releases_rx, sight_tx));
        Self { releases, sight_rx, task }
    }

    /// What is seen next. Safe to drop at any time.
    pub async fn next(&mut self) -> Sight {
        match self.sight_rx.recv().await {
            Some(sight) => sight,
            None => std::future::pending().await,
        }
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
        let expected = Expected { namespace: namespace.clone(), workloads: expected.collect() };
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
    /// Namespaces of which it is asked whether they are deleted.
    places: BTreeSet<Namespace>,
    /// Pods that are not ready, by UID.
    unready: BTreeSet<String>,
    /// Namespaces that are being deleted, told so already.
    going: BTreeSet<Namespace>,
    /// What the server is being asked.
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
}

/// What the server says of a namespace in which workloads were deleted.
enum Answer {
    /// It is there, so somebody deleted just these.
    Stays(Report),
    /// It is going, with everything in it.
    Going(Namespace),
    /// It is gone.
    Gone(Namespace),
}

impl Watching {
    async fn run(
        mut self,
        mut releases_rx: watch::Receiver<BTreeMap<ReleaseName, Expected>>,
        sight_tx: mpsc::Sender<Sight>,
    ) {
        let mut changes = self.scene.changes();
        let scene = self.scene.clone();
        let mut reports = FuturesUnordered::new();
        loop {
            changes.borrow_and_update();
            let releases = releases_rx.borrow_and_update().clone();
            reports.extend(self.news(&releases).into_iter().map(|news| news.report(&scene)));
            self.tell_drift(&releases);
            self.watch_places(&releases);
            for release in self.recovered(&releases) {
                if sight_tx.send(Sight::Recovered(release)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                changed = releases_rx.changed() => if changed.is_err() { return },
                Some(report) = reports.next() => self.reporter.tell(report),
                Some(answer) = self.answers.next() => {
                    if let Some(lost) = self.hear(answer, &releases)
                        && sight_tx.send(Sight::Lost(lost)).await.is_err()
                    {
                        return;
                    }
                }
                // A pod that has recovered is believed after a while, in which nothing changes.
                () = tokio::time::sleep(RECOVERY),
                    if self.scene.ledger().has_any() || !self.unready.is_empty() => {}
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

    /// Releases of which a pod has become ready since the last look.
    fn recovered(&mut self, releases: &BTreeMap<ReleaseName, Expected>) -> BTreeSet<ReleaseName> {
        let mut recovered = BTreeSet::new();
        let mut unready = BTreeSet::new();
        for (name, release) in releases {
            let workloads: BTreeSet<WorkloadRef> = release.workloads.keys().cloned().collect();
            let namespaces: BTreeSet<_> = workloads.iter().map(|one| &one.namespace).collect();
            for seen in namespaces.into_iter().map(|one| Seen::look(&self.scene, one)) {
                let pods = seen.pods.iter().filter(|pod| owner_among(pod, &workloads).is_some());
                for pod in pods {
                    let uid = pod.uid().unwrap_or_default();
                    match judge(pod, &seen) {
                        PodState::Going => {}
                        PodState::Ready | PodState::Succeeded
                            if probation(pod, Timestamp::now()).is_none() =>
                        {
                            if self.unready.contains(&uid) {
                                recovered.insert(name.clone());
                            }
                        }
                        _ => _ = unready.insert(uid),
                    }
                }
            }
        }
        self.unready = unready;
        recovered
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
            let mut scaled = Vec::new();
            let mut deleted: BTreeMap<&Namespace, Vec<String>> = BTreeMap::new();
            for (workload, expected) in &release.workloads {
                let Some(now) = look(&scene, workload) else { continue };
                let before = self.known.insert(workload.clone(), now);
                let Some(text) = before.and_then(|before| drift(workload, *expected, before, now))
                else {
                    continue;
                };
                match now {
                    Some(_) => scaled.push(text),
                    None => deleted.entry(&workload.namespace).or_default().push(text),
                }
            }
            let report = |what| {
                let news = ReleaseNews::Drifted { what };
                Report::Release { name: name.clone(), news }
            };
            if !scaled.is_empty() {
                self.reporter.tell(report(scaled));
            }
            for (namespace, what) in deleted {
                if !self.going.contains(namespace) {
                    let (scene, namespace) = (scene.clone(), namespace.clone());
                    self.answers.push(Box::pin(ask(scene, namespace, report(what))));
                }
            }
        }
        self.known.retain(|workload, _| {
            releases.values().any(|release| release.workloads.contains_key(workload))
        });
    }
}

impl Watching {
    /// Watches the namespaces themselves: not everything in them is watched.
    fn watch_places(&mut self, releases: &BTreeMap<ReleaseName, Expected>) {
        for Expected { namespace, .. } in releases.values() {
            if !self.going.contains(namespace) && self.places.insert(namespace.clone()) {
                self.answers.push(Box::pin(until_going(self.scene.clone(), namespace.clone())));
            }
        }
    }

    /// Tells what the server has answered; returns a namespace that is gone.
    fn hear(
        &mut self,
        answer: Answer,
        releases: &BTreeMap<ReleaseName, Expected>,
    ) -> Option<Namespace> {
        match answer {
            Answer::Stays(report) => self.reporter.tell(report),
            Answer::Going(namespace) => {
                let counts = releases.values().any(|release| release.namespace == namespace);
                if counts && self.going.insert(namespace.clone()) {
                    let text =
                        format!("namespace `{namespace}` was deleted, with all that is in it");
                    let help = "once it is gone, everything in it is deployed again".to_owned();
                    self.reporter.tell(Report::Warning { text, help: Some(help) });
                    self.answers.push(Box::pin(until_gone(self.scene.clone(), namespace)));
                } else if !counts {
                    self.places.remove(&namespace);
                }
            }
            Answer::Gone(namespace) => {
                self.going.remove(&namespace);
                self.places.remove(&namespace);
                return Some(namespace);
            }
        }
        None
    }
}

/// Asks whether `namespace`, in which workloads were deleted, is itself being deleted. Whoever may
/// not ask is told of the workloads.
async fn ask(scene: Scene, namespace: Namespace, drift: Report) -> Answer {
    let api: Api<ApiNamespace> = Api::all(scene.client().clone());
    match api.get_opt(namespace.as_str()).await {
        Ok(Some(found)) if found.metadata.deletion_timestamp.is_none() => Answer::Stays(drift),
        Ok(_) => Answer::Going(namespace),
        Err(_) => Answer::Stays(drift),
    }
}

/// Resolves when `namespace`, once it was there, is being deleted. For whoever may not ask it never
/// does.
async fn until_going(scene: Scene, namespace: Namespace) -> Answer {
    let api: Api<ApiNamespace> = Api::all(scene.client().clone());
    let seen = watch_object(api, namespace.as_str()).default_backoff();
    tokio::pin!(seen);
    let mut was_there = false;
    while let Some(seen) = seen.next().await {
        let is_there = match seen {
            Ok(found) => found.is_some_and(|found| found.metadata.deletion_timestamp.is_none()),
            Err(_) => continue,
        };
        if was_there && !is_there {
            return Answer::Going(namespace);
        }
        was_there |= is_there;
    }
    std::future::pending().await
}

async fn until_gone(scene: Scene, namespace: Namespace) -> Answer {
    let api: Api<ApiNamespace> = Api::all(scene.client().clone());
    let uid = match api.get_opt(namespace.as_str()).await {
        Ok(Some(found)) => found.metadata.uid.unwrap_or_default(),
        Ok(None) | Err(_) => return Answer::Gone(namespace),
    };
    // A watch that breaks is no reason to wait for ever: a deploy waits for the rest.
    let _ = await_condition(api, namespace.as_str(), conditions::is_deleted(&uid)).await;
    Answer::Gone(namespace)
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
