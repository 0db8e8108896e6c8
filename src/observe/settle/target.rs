//! Which objects of a release are waited for, and where to look at them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, try_join_all};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::model::{Namespace, WorkloadRef};
use crate::observe::error::ObserveError;
use crate::observe::pod::probation;
use crate::observe::scene::{Object, Scene, Seen, Table, in_short};
use crate::observe::verdict::{self, Verdict};
use crate::observe::workload::{owner_among, workloads};
use crate::observe::{claim, crd, job, rollout, service};

/// The kinds that are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Job,
    Pod,
    Service,
    Claim,
}

impl Kind {
    fn of(api_version: &str, kind: &str) -> Option<Self> {
        Some(match (api_version, kind) {
            ("apps/v1", "Deployment") => Self::Deployment,
            ("apps/v1", "StatefulSet") => Self::StatefulSet,
            ("apps/v1", "DaemonSet") => Self::DaemonSet,
            ("apps/v1", "ReplicaSet") => Self::ReplicaSet,
            ("batch/v1", "Job") => Self::Job,
            ("v1", "Pod") => Self::Pod,
            ("v1", "Service") => Self::Service,
            ("v1", "PersistentVolumeClaim") => Self::Claim,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::ReplicaSet => "replicaset",
            Self::Job => "job",
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Claim => "claim",
        }
    }
}

/// An object that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    kind: Kind,
    namespace: Namespace,
    name: String,
    /// A finished Job that removes itself is done, not lost.
    may_vanish: bool,
}

impl Target {
    fn subject(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }
}

/// The objects of a release that are waited for.
#[derive(Debug, Default)]
pub(super) struct Targets {
    targets: Vec<Target>,
    definitions: Vec<String>,
    workloads: BTreeSet<WorkloadRef>,
    /// Kind and name of everything in the release, by namespace.
    deployed: BTreeMap<Namespace, BTreeSet<(String, String)>>,
}

/// Names of StorageClasses that bind a claim when a pod uses it.
pub(super) type Classes = BTreeSet<String>;

impl Targets {
    /// Picks out of `objects`; what names no namespace lies in `default`.
    pub(super) fn of(objects: &[Value], default: &Namespace) -> Self {
        let mut all = Self { workloads: workloads(objects, default), ..Self::default() };
        for object in objects {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
            let name = text(&object["metadata"]["name"]);
            let namespace = Namespace::parse(&text(&object["metadata"]["namespace"]));
            let namespace = namespace.unwrap_or_else(|_| default.clone());
            if kind == "CustomResourceDefinition" {
                all.definitions.push(name.clone());
            }
            if let Some(kind) = Kind::of(&api_version, &kind) {
                let may_vanish = !object["spec"]["ttlSecondsAfterFinished"].is_null();
                let namespace = namespace.clone();
                all.targets.push(Target { kind, namespace, name: name.clone(), may_vanish });
            }
            all.deployed.entry(namespace).or_default().insert((kind, name));
        }
        all
    }

    /// The workloads among them.
    pub(super) fn workloads(&self) -> &BTreeSet<WorkloadRef> {
        &self.workloads
    }

    /// Where the object called `subject` lies.
    pub(super) fn namespace_of(&self, subject: &str) -> Option<&Namespace> {
        let target = self.targets.iter().find(|target| target.subject() == subject);
        target.map(|target| &target.namespace)
    }

    /// What cannot start without the claim called `subject`, whether it has pods yet or not.
    pub(super) fn users_of(&self, scene: &Scene, subject: &str) -> Vec<String> {
        let claim = self.targets.iter().find(|target| target.subject() == subject);
        let Some(claim) = claim.filter(|target| target.kind == Kind::Claim) else { return vec![] };
        let users = self.targets.iter().filter(|target| {
            target.namespace == claim.namespace
                && mounts(target.pod_spec(scene).as_ref(), &claim.name)
        });
        users.map(Target::subject).collect()
    }

    /// Waits for definitions, and until the watches know what was deployed.
    pub(super) async fn prepare(&self, scene: &Scene) -> Result<Classes, ObserveError> {
        if !self.definitions.is_empty() {
            crd::settle(scene.client(), &self.definitions).await?;
        }
        let mut places = BTreeSet::new();
        for target in &self.targets {
            places.insert((target.kind, target.namespace.clone()));
        }
        for (_, namespace) in &places {
            // Opened now, so that they list while the others catch up.
            scene.pods(namespace);
            scene.events(namespace);
            scene.replica_sets(namespace);
        }
        let catch_up = try_join_all(places.into_iter().map(|place| caught_up(scene, place)));
        let classes = self.classes(scene);
        let (caught_up, classes) = futures::join!(catch_up, classes);
        caught_up?;
        Ok(classes)
    }

    /// StorageClasses, where a claim is waited for. Somebody who may not list them goes by events.
    async fn classes(&self, scene: &Scene) -> Classes {
        if !self.targets.iter().any(|target| target.kind == Kind::Claim) {
            return Classes::new();
        }
        let api: Api<StorageClass> = Api::all(scene.client().clone());
        let Ok(classes) = api.list(&ListParams::default()).await else { return Classes::new() };
        let on_use = classes
            .items
            .into_iter()
            .filter(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"));
        on_use.filter_map(|class| class.metadata.name).collect()
    }

    /// Looks at the namespaces of all targets.
    pub(super) fn look(&self, scene: &Scene, classes: &Classes) -> BTreeMap<Namespace, Seen> {
        let mut looks = BTreeMap::new();
        for target in &self.targets {
            if looks.contains_key(&target.namespace) {
                continue;
            }
            let namespace = &target.namespace;
            let mut seen = Seen::look(scene, namespace);
            let has = |kind| {
                self.targets.iter().any(|one| one.kind == kind && one.namespace == *namespace)
            };
            if has(Kind::Service) {
                seen.endpoint_slices = scene.endpoint_slices(namespace).all();
            }
            if has(Kind::Claim) || has(Kind::StatefulSet) {
                seen.claims = scene.claims(namespace).all();
            }
            seen.deployed = self.deployed.get(namespace).cloned().unwrap_or_default();
            seen.binds_on_use.clone_from(classes);
            looks.insert(namespace.clone(), seen);
        }
        looks
    }

    /// How long the pods must be seen ready before that is believed.
    pub(super) fn probation(
        &self,
        seen: &BTreeMap<Namespace, Seen>,
        now: Timestamp,
    ) -> Option<Duration> {
        let pods = seen.values().flat_map(|seen| &seen.pods);
        let own = pods.filter(|pod| owner_among(pod, &self.workloads).is_some());
        own.filter_map(|pod| probation(pod, now)).max()
    }

    /// A kind that may not be watched, once the API server has said so.
    pub(super) fn refusal(&self, scene: &Scene) -> Option<ObserveError> {
        self.targets.iter().find_map(|target| {
            let namespace = &target.namespace;
            let refused = |trouble: Option<crate::observe::scene::WatchTrouble>, what: &str| {
                let trouble = trouble.filter(|trouble| matches!(trouble.status, 401 | 403))?;
                let what = format!("{what} in namespace `{namespace}`");
                Some(ObserveError::Forbidden { what, why: trouble.text })
            };
            refused(scene.pods(namespace).trouble(), "pods")
        })
    }

    /// Judges every target.
    pub(super) fn judge(
        &self,
        scene: &Scene,
        seen: &BTreeMap<Namespace, Seen>,
    ) -> Vec<(String, Verdict)> {
        let nothing = Seen::default();
        let judged = self.targets.iter().map(|target| {
            let seen = seen.get(&target.namespace).unwrap_or(&nothing);
            (target.subject(), target.judge(scene, seen))
        });
        judged.collect()
    }
}

impl Target {
    fn judge(&self, scene: &Scene, seen: &Seen) -> Verdict {
        let at = &self.namespace;
        let verdict = match self.kind {
            Kind::Deployment => self.find(&scene.deployments(at), seen, rollout::deployment),
            Kind::StatefulSet => self.find(&scene.stateful_sets(at), seen, rollout::stateful_set),
            Kind::DaemonSet => self.find(&scene.daemon_sets(at), seen, rollout::daemon_set),
            Kind::ReplicaSet => self.find(&scene.replica_sets(at), seen, rollout::replica_set),
            Kind::Job => self.find(&scene.jobs(at), seen, job::judge),
            Kind::Pod => self.find(&scene.pods(at), seen, verdict::of_pod),
            Kind::Service => self.find(&scene.services(at), seen, service::judge),
            Kind::Claim => self.find(&scene.claims(at), seen, claim::judge),
        };
        match verdict {
            Verdict::Absent if self.may_vanish => Verdict::Ready,
            verdict => verdict,
        }
    }

    /// What its pods are to be, where it has any.
    fn pod_spec(&self, scene: &Scene) -> Option<PodSpec> {
        let (at, name) = (&self.namespace, &self.name);
        match self.kind {
            Kind::Deployment => scene.deployments(at).get(name)?.spec.template.spec.clone(),
            Kind::StatefulSet => scene.stateful_sets(at).get(name)?.spec.template.spec.clone(),
            Kind::DaemonSet => scene.daemon_sets(at).get(name)?.spec.template.spec.clone(),
            Kind::ReplicaSet => {
                scene.replica_sets(at).get(name)?.spec.template.as_ref()?.spec.clone()
            }
            Kind::Job => scene.jobs(at).get(name)?.spec.as_ref()?.template.spec.clone(),
            Kind::Pod => scene.pods(at).get(name)?.spec.clone(),
            Kind::Service | Kind::Claim => None,
        }
    }

    fn find<K: Object>(
        &self,
        table: &Arc<Table<K>>,
        seen: &Seen,
        judge: impl Fn(&K, &Seen) -> Verdict,
    ) -> Verdict {
        match table.get(&self.name) {
            Some(object) => judge(&object, seen),
            None if table.is_listed() => Verdict::Absent,
            None => match table.trouble() {
                Some(trouble) => {
                    Verdict::waits(format!("waits for the API server: {}", trouble.text))
                }
                None => Verdict::waits("waits for the API server"),
            },
        }
    }
}

fn mounts(pods: Option<&PodSpec>, claim: &str) -> bool {
    let volumes = pods.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let mut claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims.any(|mounted| mounted.claim_name == claim)
}

fn caught_up(
    scene: &Scene,
    (kind, namespace): (Kind, Namespace),
) -> BoxFuture<'_, Result<(), ObserveError>> {
    match kind {
        Kind::Deployment => catch_up(scene, scene.deployments(&namespace), namespace),
        Kind::StatefulSet => {
            scene.claims(&namespace);
            catch_up(scene, scene.stateful_sets(&namespace), namespace)
        }
        Kind::DaemonSet => catch_up(scene, scene.daemon_sets(&namespace), namespace),
        Kind::ReplicaSet => catch_up(scene, scene.replica_sets(&namespace), namespace),
        Kind::Job => catch_up(scene, scene.jobs(&namespace), namespace),
        Kind::Pod => catch_up(scene, scene.pods(&namespace), namespace),
        Kind::Service => {
            scene.endpoint_slices(&namespace);
            catch_up(scene, scene.services(&namespace), namespace)
        }
        Kind::Claim => catch_up(scene, scene.claims(&namespace), namespace),
    }
}

fn catch_up<K>(
    scene: &Scene,
    table: Arc<Table<K>>,
    namespace: Namespace,
) -> BoxFuture<'_, Result<(), ObserveError>>
where
    K: Object + kube::Resource<Scope = NamespaceResourceScope>,
{
    async move {
        let done = scene.catch_up(&table, &namespace).await;
        done.map_err(|error| {
            let what = format!("{} in namespace `{namespace}`", K::plural(&()));
            ObserveError::unwatched(what, in_short(&error))
        })
    }
    .boxed()
}
