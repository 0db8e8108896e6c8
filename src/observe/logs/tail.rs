//! Keeps one [`Follower`] per container of the project's workloads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use globset::{Glob, GlobSet, GlobSetBuilder};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::follow::{Begin, Follower, Label};
use super::instance::{containers, instance, is_named};
use crate::model::{LogFilter, LogPrefix, Namespace, WorkloadRef};
use crate::observe::scene::Scene;
use crate::observe::workload::{owner_among, replica_name, version};
use crate::report::Reporter;

/// From where logs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStart {
    /// Pods that are there already: from this moment on. Pods that come: all of it.
    Session(Timestamp),
    /// From the first line that kubelet has.
    First,
    /// So many lines of each container that is there already; of pods that come, all.
    Tail(u32),
}

/// Shows the logs of workloads until it is dropped.
#[derive(Debug)]
pub struct LogTail {
    workloads: watch::Sender<BTreeSet<WorkloadRef>>,
    filter: watch::Sender<LogFilter>,
    task: JoinSet<()>,
}

impl LogTail {
    /// Begins to tell lines through `reporter`.
    #[must_use]
    pub fn start(
        scene: &Scene,
        workloads: BTreeSet<WorkloadRef>,
        filter: &LogFilter,
        start: LogStart,
        reporter: &Reporter,
    ) -> Self {
        let (workloads, workloads_rx) = watch::channel(workloads);
        let (filter, filter_rx) = watch::channel(filter.clone());
        let mut task = JoinSet::new();
        let tail = Tail::new(scene, &filter.borrow(), start, reporter);
        task.spawn(tail.run(workloads_rx, filter_rx));
        Self { workloads, filter, task }
    }

    /// Shows what `filter` lets through from here on. What it did not let through before is shown
    /// from the session's beginning, or from where it was cut off.
    pub fn set_filter(&self, filter: LogFilter) {
        self.filter.send_replace(filter);
    }

    /// Follows these workloads from here on. Those that are new are shown from their first line.
    pub fn set_workloads(&self, workloads: BTreeSet<WorkloadRef>) {
        self.workloads.send_if_modified(|current| {
            let differs = *current != workloads;
            *current = workloads;
            differs
        });
    }

    /// Ends it and waits until nothing of it runs.
    pub async fn stop(mut self) {
        self.task.shutdown().await;
    }
}

/// Tells the lines that there are now, workload by workload, and returns.
pub async fn read_logs(
    scene: &Scene,
    workloads: &BTreeSet<WorkloadRef>,
    filter: &LogFilter,
    start: LogStart,
    reporter: &Reporter,
) {
    let mut tail = Tail::new(scene, filter, start, reporter);
    let mut changes = scene.changes();
    while !namespaces(workloads).iter().all(|namespace| scene.pods(namespace).is_listed()) {
        if changes.changed().await.is_err() {
            return;
        }
    }
    for (follower, _) in tail.missing(workloads) {
        follower.read_once().await;
    }
}

/// One container of one pod.
type Key = (String, String);

#[derive(Debug)]
struct Tail {
    scene: Scene,
    exclude: GlobSet,
    /// Nothing is shown.
    off: bool,
    prefix: LogPrefix,
    json_fields: Arc<[String]>,
    start: LogStart,
    reporter: Reporter,
    /// When containers were last shown that no longer are.
    hidden: BTreeMap<Key, Timestamp>,
    /// Namespaces whose pods of the beginning are known, so that any other pod came later.
    begun: BTreeSet<Namespace>,
    followed: BTreeMap<Key, Followed>,
}

#[derive(Debug)]
struct Followed {
    workload: WorkloadRef,
    has_siblings: Arc<AtomicBool>,
    task: Option<AbortHandle>,
}

impl Tail {
    fn new(scene: &Scene, filter: &LogFilter, start: LogStart, reporter: &Reporter) -> Self {
        Self {
            scene: scene.clone(),
            exclude: excluded(filter),
            off: filter.off,
            prefix: filter.prefix,
            json_fields: filter.json_fields.clone().into(),
            start,
            reporter: reporter.clone(),
            hidden: BTreeMap::new(),
            begun: BTreeSet::new(),
            followed: BTreeMap::new(),
        }
    }

    async fn run(
        mut self,
        mut workloads_rx: watch::Receiver<BTreeSet<WorkloadRef>>,
        mut filter_rx: watch::Receiver<LogFilter>,
    ) {
        let mut changes = self.scene.changes();
        // Dropped with this future, and every follower with it.
        let mut followers: JoinSet<()> = JoinSet::new();
        loop {
            changes.borrow_and_update();
            let workloads = workloads_rx.borrow_and_update().clone();
            self.drop_others(&workloads);
            let missing = self.missing(&workloads);
            self.count_siblings(&workloads);
            for (follower, key) in missing {
                let task = followers.spawn(follower.run());
                if let Some(followed) = self.followed.get_mut(&key) {
                    followed.task = Some(task);
                }
            }
            while followers.try_join_next().is_some() {}
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                changed = workloads_rx.changed() => if changed.is_err() { break },
                changed = filter_rx.changed() => {
                    if changed.is_err() { break }
                    let filter = filter_rx.borrow_and_update().clone();
                    self.set_filter(&filter);
                }
            }
        }
        join_all([followers.shutdown()]).await;
    }

    fn set_filter(&mut self, filter: &LogFilter) {
        self.exclude = excluded(filter);
        self.off = filter.off;
        self.prefix = filter.prefix;
        self.json_fields = filter.json_fields.clone().into();
        let (off, exclude, hidden) = (self.off, &self.exclude, &mut self.hidden);
        self.followed.retain(|(uid, container), followed| {
            let is_shown = !off && !exclude.is_match(container);
            if let (false, Some(task)) = (is_shown, &followed.task) {
                task.abort();
                hidden.insert((uid.clone(), container.clone()), Timestamp::now());
            }
            is_shown
        });
        // What is shown for the first time is shown as if it had been from the beginning.
        self.begun.clear();
    }

    /// Followers for containers that have none.
    fn missing(&mut self, workloads: &BTreeSet<WorkloadRef>) -> Vec<(Follower, Key)> {
        let mut missing = Vec::new();
        if self.off {
            return missing;
        }
        for namespace in namespaces(workloads) {
            let table = self.scene.pods(&namespace);
            if !table.is_listed() {
                continue;
            }
            let is_first_look = self.begun.insert(namespace.clone());
            for pod in table.all() {
                let Some(workload) = owner_among(&pod, workloads) else { continue };
                missing.extend(self.missing_of(&pod, workload, is_first_look));
            }
        }
        missing
    }

    fn missing_of(
        &mut self,
        pod: &Pod,
        workload: &WorkloadRef,
        is_first_look: bool,
    ) -> Vec<(Follower, Key)> {
        let mut missing = Vec::new();
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        for container in containers(pod) {
            let key = (uid.clone(), container.clone());
            if self.exclude.is_match(&container) || self.followed.contains_key(&key) {
                continue;
            }
            let has_run = instance(pod, &container).is_some();
            let begin = match self.start {
                _ if let Some(moment) = self.hidden.remove(&key) => Begin::Since(moment),
                LogStart::Session(moment) if is_first_look && has_run => Begin::Since(moment),
                LogStart::Tail(lines) if is_first_look && has_run => Begin::Tail(lines.into()),
                _ => Begin::First,
            };
            let has_siblings = Arc::<AtomicBool>::default();
            let label = Label {
                workload: workload.name.clone(),
                replica: replica_name(pod),
                has_siblings: Arc::clone(&has_siblings),
                container: is_named(pod, &container).then(|| container.clone()),
                prefix: prefix(self.prefix, &pod.name_any(), &container),
                json_fields: Arc::clone(&self.json_fields),
            };
            let follower = Follower {
                scene: self.scene.clone(),
                namespace: workload.namespace.clone(),
                pod: pod.name_any(),
                uid: uid.clone(),
                container,
                label,
                reporter: self.reporter.clone(),
                begin,
            };
            let followed = Followed { workload: workload.clone(), has_siblings, task: None };
            self.followed.insert(key.clone(), followed);
            missing.push((follower, key));
        }
        missing
    }

    /// Ends followers of workloads that are no longer wanted, and forgets those of pods that are
    /// gone; the latter end by themselves, after the last lines.
    fn drop_others(&mut self, workloads: &BTreeSet<WorkloadRef>) {
        let mut there = BTreeSet::new();
        for namespace in namespaces(workloads) {
            there.extend(self.scene.pods(&namespace).all().iter().filter_map(|pod| pod.uid()));
        }
        self.followed.retain(|(uid, _), followed| {
            let is_wanted = workloads.contains(&followed.workload);
            if let (false, Some(task)) = (is_wanted, &followed.task) {
                task.abort();
            }
            let is_over = followed.task.as_ref().is_some_and(AbortHandle::is_finished);
            is_wanted && (there.contains(uid) || !is_over)
        });
    }

    /// A line says which replica it is of where a version of a workload has several.
    fn count_siblings(&self, workloads: &BTreeSet<WorkloadRef>) {
        let mut uids: BTreeMap<(&WorkloadRef, Option<String>), BTreeSet<String>> = BTreeMap::new();
        for namespace in namespaces(workloads) {
            for pod in self.scene.pods(&namespace).all() {
                let is_going = pod.metadata.deletion_timestamp.is_some();
                let Some(workload) = owner_among(&pod, workloads).filter(|_| !is_going) else {
                    continue;
                };
                let pods = uids.entry((workload, version(&pod).map(str::to_owned))).or_default();
                pods.extend(pod.metadata.uid.clone());
            }
        }
        for pods in uids.values() {
            for ((uid, _), followed) in &self.followed {
                if pods.contains(uid) {
                    followed.has_siblings.store(pods.len() > 1, Ordering::Relaxed);
                }
            }
        }
    }
}

fn excluded(filter: &LogFilter) -> GlobSet {
    let mut exclude = GlobSetBuilder::new();
    for glob in filter.exclude.iter().filter_map(|glob| Glob::new(glob).ok()) {
        exclude.add(glob);
    }
    exclude.build().unwrap_or_default()
}

/// What stands before the lines of `container`, where it is not what is there by itself.
fn prefix(form: LogPrefix, pod: &str, container: &str) -> Option<String> {
    match form {
        LogPrefix::Workload => None,
        LogPrefix::None => Some(String::new()),
        LogPrefix::PodAndContainer => Some(format!("[{pod} {container}]")),
        LogPrefix::Auto if pod != container => Some(format!("[{pod} {container}]")),
        LogPrefix::Auto | LogPrefix::Container => Some(format!("[{container}]")),
    }
}

fn namespaces(workloads: &BTreeSet<WorkloadRef>) -> BTreeSet<Namespace> {
    workloads.iter().map(|workload| workload.namespace.clone()).collect()
}
