//! The moments of each pod's way from the scheduler to its first answer, told as soon as they are
//! seen and once each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::model::{ImageRef, Namespace, WorkloadRef};
use crate::observe::pod;
use crate::observe::pod::{has_sandbox, is_ready, is_scheduled, is_started};
use crate::observe::scene::Scene;
use crate::observe::workload::owner_among;

/// How many moments may wait for whoever takes them; then those who see them wait.
const WAITING: usize = 64;

/// Something that happened to a pod.
#[derive(Debug, Clone)]
pub struct Moment {
    /// What happened.
    pub milestone: Milestone,
    /// When it was seen.
    pub at: Instant,
    pod: Arc<Pod>,
}

/// What happens to a pod once on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// A node was found for it.
    Scheduled,
    /// It has a network of its own.
    Sandbox,
    /// Its containers run.
    Started,
    /// New connections of a local port go to it.
    Answered {
        /// What the local port leads to, such as `service/web`.
        target: String,
    },
    /// Kubernetes calls it ready.
    Ready,
}

/// Where moments are told.
pub(super) type Teller = mpsc::Sender<Moment>;

impl Moment {
    pub(super) fn new(milestone: Milestone, pod: Arc<Pod>) -> Self {
        Self { milestone, at: Instant::now(), pod }
    }

    /// The pod's UID.
    #[must_use]
    pub fn uid(&self) -> String {
        self.pod.uid().unwrap_or_default()
    }

    /// The one of `workloads` that the pod belongs to.
    #[must_use]
    pub fn workload<'a>(&self, workloads: &'a BTreeSet<WorkloadRef>) -> Option<&'a WorkloadRef> {
        owner_among(&self.pod, workloads)
    }

    /// Whether the pod runs no other version of any of `images`.
    #[must_use]
    pub fn is_made_of(&self, images: &[ImageRef]) -> bool {
        pod::images(&self.pod).all(|(_, image)| {
            let mut wanted = images.iter().filter(|one| one.same_repository(&image));
            wanted.all(|wanted| match image.digest() {
                Some(digest) => wanted.digest() == Some(digest),
                None => wanted.tag() == image.tag(),
            })
        })
    }
}

/// Sees the moments of pods until it is dropped.
#[derive(Debug)]
pub struct Moments {
    scene: Scene,
    moment_tx: Teller,
    moment_rx: mpsc::Receiver<Moment>,
    namespaces: watch::Sender<BTreeSet<Namespace>>,
    _task: JoinSet<()>,
}

impl Moments {
    /// Begins; no namespace is looked at yet.
    #[must_use]
    pub fn start(scene: &Scene) -> Self {
        let (moment_tx, moment_rx) = mpsc::channel(WAITING);
        let (namespaces, namespaces_rx) = watch::channel(BTreeSet::new());
        let mut task = JoinSet::new();
        task.spawn(look(scene.clone(), namespaces_rx, moment_tx.clone()));
        Self { scene: scene.clone(), moment_tx, moment_rx, namespaces, _task: task }
    }

    /// The next moment of any pod. Safe to drop at any time.
    pub async fn next(&mut self) -> Moment {
        match self.moment_rx.recv().await {
            Some(moment) => moment,
            None => std::future::pending().await,
        }
    }

    /// Where further moments may be told.
    #[must_use]
    pub fn teller(&self) -> mpsc::Sender<Moment> {
        self.moment_tx.clone()
    }

    /// Looks at the pods of these workloads too, and returns the UIDs of those that there are.
    pub fn look_at(&self, workloads: &BTreeSet<WorkloadRef>) -> BTreeSet<String> {
        let namespaces: BTreeSet<Namespace> =
            workloads.iter().map(|workload| workload.namespace.clone()).collect();
        let pods = namespaces.iter().flat_map(|namespace| self.scene.pods(namespace).all());
        let own = pods.filter(|pod| owner_among(pod, workloads).is_some());
        let uids = own.filter_map(|pod| pod.uid()).collect();
        self.namespaces.send_if_modified(|known| {
            let before = known.len();
            known.extend(namespaces);
            known.len() > before
        });
        uids
    }
}

async fn look(
    scene: Scene,
    mut namespaces_rx: watch::Receiver<BTreeSet<Namespace>>,
    moment_tx: Teller,
) {
    let mut changes = scene.changes();
    let mut passed: BTreeMap<String, BTreeSet<Milestone>> = BTreeMap::new();
    loop {
        changes.borrow_and_update();
        let namespaces = namespaces_rx.borrow_and_update().clone();
        let pods = namespaces.iter().flat_map(|namespace| scene.pods(namespace).all());
        let pods: BTreeMap<String, Arc<Pod>> =
            pods.filter_map(|pod| Some((pod.uid()?, pod))).collect();
        passed.retain(|uid, _| pods.contains_key(uid));
        for (uid, pod) in pods {
            let known = passed.entry(uid).or_default();
            for milestone in milestones(&pod) {
                if known.insert(milestone.clone())
                    && moment_tx.send(Moment::new(milestone, Arc::clone(&pod))).await.is_err()
                {
                    return;
                }
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = namespaces_rx.changed() => if changed.is_err() { return },
        }
    }
}

/// What a pod has behind it, as its status says.
fn milestones(pod: &Pod) -> Vec<Milestone> {
    let ready = is_ready(pod);
    // What comes later shows that what comes before is over, even where nothing says so.
    let started = ready || is_started(pod);
    let sandbox = started || has_sandbox(pod);
    let scheduled = sandbox || is_scheduled(pod);
    let all = [
        (scheduled, Milestone::Scheduled),
        (sandbox, Milestone::Sandbox),
        (started, Milestone::Started),
        (ready, Milestone::Ready),
    ];
    all.into_iter().filter(|(is_over, _)| *is_over).map(|(_, milestone)| milestone).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(spec: &Value, status: &Value) -> Pod {
        serde_json::from_value(json!({"spec": spec, "status": status})).unwrap()
    }

    #[test]
    fn a_pod_passes_one_milestone_after_the_other() {
        let placed = json!({"nodeName": "node", "containers": [{"name": "web"}]});
        let running = json!([{"name": "web", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"running": {}}}]);
        let condition = |sort: &str| json!([{"type": sort, "status": "True"}]);
        let check = |spec: &Value, status: Value, expected: &[Milestone]| {
            assert_eq!(milestones(&pod(spec, &status)), expected, "{status}");
        };
        use Milestone::{Ready, Sandbox, Scheduled, Started};
        check(&json!({"containers": []}), json!({}), &[]);
        check(&placed, json!({}), &[Scheduled]);
        let sandbox = json!({"conditions": condition("PodReadyToStartContainers")});
        check(&placed, sandbox, &[Scheduled, Sandbox]);
        check(&placed, json!({"podIP": "10.244.0.7"}), &[Scheduled, Sandbox]);
        check(&placed, json!({"containerStatuses": running}), &[Scheduled, Sandbox, Started]);
        let ready = json!({"conditions": condition("Ready")});
        check(&placed, ready, &[Scheduled, Sandbox, Started, Ready]);
    }

    #[test]
    fn a_pod_of_another_version_is_not_taken_for_the_new_one() {
        let moment = |image: &str| {
            let spec = json!({"containers": [{"name": "web", "image": image},
                {"name": "proxy", "image": "proxy:1"}]});
            Moment::new(Milestone::Ready, Arc::new(pod(&spec, &json!({}))))
        };
        let wanted = [ImageRef::parse("web:2").unwrap(), ImageRef::parse("api:7").unwrap()];
        assert!(moment("web:2").is_made_of(&wanted));
        assert!(moment("docker.io/library/web:2").is_made_of(&wanted));
        assert!(!moment("web:1").is_made_of(&wanted));
        assert!(moment("other:1").is_made_of(&wanted), "it uses none of them");
    }
}
