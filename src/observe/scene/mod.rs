//! What runs, as the API server tells it: one watch per kind and namespace, opened when first
//! asked for and shared by everything that observes, so that thirty services need as many
//! connections as one. Nothing is polled.

mod seen;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::{ClusterKind, Namespace};
use crate::observe::ledger::Ledger;
use crate::observe::reachable::Reachable;

pub(super) use seen::{Seen, times};
pub(super) use table::{Object, Table, WatchTrouble, in_short};

/// How long a watch may take to catch up with what a list showed. It takes milliseconds; the
/// limit is there for a watch that broke in between, which then starts with a list of its own.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(2);

/// What runs in the cluster, as watched. Clones share the watches; the last one to go ends them.
#[derive(Clone)]
pub struct Scene {
    stage: Arc<Stage>,
}

struct Stage {
    client: Client,
    kind: ClusterKind,
    changed: watch::Sender<u64>,
    watches: Mutex<JoinSet<()>>,
    ledger: Ledger,
    reachable: Reachable,
    pods: Shelf<Pod>,
    events: Shelf<Event>,
    deployments: Shelf<Deployment>,
    replica_sets: Shelf<ReplicaSet>,
    stateful_sets: Shelf<StatefulSet>,
    daemon_sets: Shelf<DaemonSet>,
    jobs: Shelf<Job>,
    services: Shelf<Service>,
    endpoint_slices: Shelf<EndpointSlice>,
    claims: Shelf<PersistentVolumeClaim>,
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene").field("kind", &self.stage.kind).finish_non_exhaustive()
    }
}

/// The tables of one kind, by namespace.
type Shelf<K> = Mutex<BTreeMap<Namespace, Arc<Table<K>>>>;

macro_rules! shelves {
    ($($(#[$doc:meta])* $shelf:ident: $kind:ty;)*) => {
        impl Scene {$(
            $(#[$doc])*
            pub(super) fn $shelf(&self, namespace: &Namespace) -> Arc<Table<$kind>> {
                self.table(&self.stage.$shelf, namespace)
            }
        )*}
    };
}

shelves! {
    /// Pods.
    pods: Pod;
    /// What controllers and kubelets had to say.
    events: Event;
    /// Deployments.
    deployments: Deployment;
    /// ReplicaSets, those of Deployments included.
    replica_sets: ReplicaSet;
    /// StatefulSets.
    stateful_sets: StatefulSet;
    /// DaemonSets.
    daemon_sets: DaemonSet;
    /// Jobs.
    jobs: Job;
    /// Services.
    services: Service;
    /// The addresses behind Services.
    endpoint_slices: EndpointSlice;
    /// PersistentVolumeClaims.
    claims: PersistentVolumeClaim;
}

impl Scene {
    /// Nothing is watched yet. To a cluster of a local `kind` nobody adds a node while wharf waits.
    #[must_use]
    pub fn new(client: Client, kind: &ClusterKind) -> Self {
        let stage = Stage {
            client,
            kind: kind.clone(),
            changed: watch::channel(0).0,
            watches: Mutex::default(),
            ledger: Ledger::default(),
            reachable: Reachable::default(),
            pods: Mutex::default(),
            events: Mutex::default(),
            deployments: Mutex::default(),
            replica_sets: Mutex::default(),
            stateful_sets: Mutex::default(),
            daemon_sets: Mutex::default(),
            jobs: Mutex::default(),
            services: Mutex::default(),
            endpoint_slices: Mutex::default(),
            claims: Mutex::default(),
        };
        Self { stage: Arc::new(stage) }
    }

    /// Opens the watches that every project needs, so that the first settling finds them open.
    /// Returns at once.
    pub fn open(&self, namespace: &Namespace) {
        self.pods(namespace);
        self.events(namespace);
        self.deployments(namespace);
        self.replica_sets(namespace);
        self.services(namespace);
        self.endpoint_slices(namespace);
    }

    /// The connection to the cluster.
    pub(super) fn client(&self) -> &Client {
        &self.stage.client
    }

    /// Whether the cluster runs on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.stage.kind.is_local()
    }

    /// Which kind of cluster it is.
    pub(super) fn kind(&self) -> &ClusterKind {
        &self.stage.kind
    }

    /// Which troubles were told already.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.stage.ledger
    }

    /// Which pods answer through a local port.
    pub(super) fn reachable(&self) -> &Reachable {
        &self.stage.reachable
    }

    /// Wakes up at every change of anything watched. Look after subscribing, not before.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.stage.changed.subscribe()
    }

    /// Wakes up who waits for changes: something was learnt in another way than by watching.
    pub(super) fn touch(&self) {
        self.stage.changed.send_modify(|count| *count += 1);
    }

    fn table<K>(&self, shelf: &Shelf<K>, namespace: &Namespace) -> Arc<Table<K>>
    where
        K: Object + kube::Resource<Scope = NamespaceResourceScope>,
    {
        let mut tables = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(namespace) {
            return Arc::clone(table);
        }
        let table = Arc::<Table<K>>::default();
        tables.insert(namespace.clone(), Arc::clone(&table));
        let api = Api::<K>::namespaced(self.stage.client.clone(), namespace.as_str());
        let watch = Arc::clone(&table).follow(api, self.stage.changed.clone());
        self.stage.watches.lock().unwrap_or_else(PoisonError::into_inner).spawn(watch);
        table
    }

    /// Waits until `table` knows everything that was true when this was called.
    ///
    /// A watch lags behind the API server by some milliseconds: without this, what was deployed
    /// just now would be judged by what ran before. Only names and versions are listed.
    ///
    /// # Errors
    ///
    /// The API server refuses the list or does not answer.
    pub(super) async fn catch_up<K>(
        &self,
        table: &Table<K>,
        namespace: &Namespace,
    ) -> Result<(), kube::Error>
    where
        K: Object + kube::Resource<Scope = NamespaceResourceScope>,
    {
        let mut changes = self.changes();
        let lists = table.lists();
        let api = Api::<K>::namespaced(self.stage.client.clone(), namespace.as_str());
        let now = api.list_metadata(&ListParams::default()).await?;
        let newest = now.items.iter().map(|object| object.metadata.resource_version.as_deref());
        let newest = newest.map(table::version_of).max().unwrap_or(0);
        // A list that began after this call is as good as having seen every change.
        let caught_up = async {
            while !(table.is_listed() && (table.newest() >= newest || table.lists() > lists + 1)) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // Past the limit, the watch has to start anew and brings everything then.
        let _ = tokio::time::timeout(CATCH_UP_LIMIT, caught_up).await;
        Ok(())
    }
}
