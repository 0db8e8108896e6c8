//! The objects of one kind in one namespace, as a watch tells them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// What a watched kind must be able to do; every kind of `k8s_openapi` is.
pub(in crate::observe) trait Object:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
}

/// The longest pause between two attempts to watch: short enough that a restarted API server is
/// noticed while somebody looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The objects of one kind in one namespace, kept by a watch.
#[derive(Debug)]
pub(in crate::observe) struct Table<K> {
    rows: Mutex<Rows<K>>,
}

#[derive(Debug)]
struct Rows<K> {
    objects: BTreeMap<String, Arc<K>>,
    /// Objects of a list that is still being received.
    coming: Option<BTreeMap<String, Arc<K>>>,
    /// How many lists were received in full.
    lists: u64,
    /// The largest resource version seen; they are comparable within one kind.
    newest: u64,
    /// Why the watch does not work at the moment.
    trouble: Option<WatchTrouble>,
}

/// Why a watch does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::observe) struct WatchTrouble {
    /// The HTTP status of the refusal; 0 where there was no answer.
    pub(in crate::observe) status: u16,
    /// In the server's or library's own words.
    pub(in crate::observe) text: String,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        let rows =
            Rows { objects: BTreeMap::new(), coming: None, lists: 0, newest: 0, trouble: None };
        Self { rows: Mutex::new(rows) }
    }
}

impl<K: Object> Table<K> {
    /// The object called `name`.
    pub(in crate::observe) fn get(&self, name: &str) -> Option<Arc<K>> {
        self.rows().objects.get(name).cloned()
    }

    /// All objects, sorted by name.
    pub(in crate::observe) fn all(&self) -> Vec<Arc<K>> {
        self.rows().objects.values().cloned().collect()
    }

    /// Whether the objects are known at all.
    pub(in crate::observe) fn is_listed(&self) -> bool {
        self.rows().lists > 0
    }

    /// Why the watch does not work at the moment.
    pub(in crate::observe) fn trouble(&self) -> Option<WatchTrouble> {
        self.rows().trouble.clone()
    }

    /// How many lists were received in full.
    pub(super) fn lists(&self) -> u64 {
        self.rows().lists
    }

    /// The largest resource version seen.
    pub(super) fn newest(&self) -> u64 {
        self.rows().newest
    }

    /// Follows the watch for ever; ends only by being dropped.
    pub(super) async fn follow(self: Arc<Self>, api: Api<K>, changed: watch::Sender<u64>) {
        let mut events = pin!(watcher::watcher(api, watcher::Config::default()));
        let mut failures = 0;
        while let Some(event) = events.next().await {
            let pause = match event {
                Ok(event) => {
                    if !matches!(event, Event::Init) {
                        failures = 0;
                    }
                    self.take(event);
                    None
                }
                Err(error) => {
                    failures += 1;
                    self.rows().trouble = Some(trouble_of(&error));
                    Some(pause_after(failures))
                }
            };
            changed.send_modify(|version| *version += 1);
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
        }
    }

    fn take(&self, event: Event<K>) {
        let mut rows = self.rows();
        match event {
            Event::Init => rows.coming = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                rows.see(&object);
                let (name, object) = row(object);
                rows.coming.get_or_insert_default().insert(name, object);
            }
            Event::InitDone => {
                rows.objects = rows.coming.take().unwrap_or_default();
                rows.lists += 1;
                rows.trouble = None;
            }
            Event::Apply(object) => {
                rows.see(&object);
                let (name, object) = row(object);
                rows.objects.insert(name, object);
                rows.trouble = None;
            }
            Event::Delete(object) => {
                rows.see(&object);
                rows.objects.remove(&object.name_any());
                rows.trouble = None;
            }
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows<K>> {
        // Nothing panics while it holds the lock; the rows are whole in any case.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Object> Rows<K> {
    fn see(&mut self, object: &K) {
        self.newest = self.newest.max(version_of(object.meta().resource_version.as_deref()));
    }
}

/// A resource version as a number: since Kubernetes 1.35 they are promised to be comparable
/// within a kind, and were so before.
pub(super) fn version_of(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Managed fields are half of an object's bytes and nobody here reads them.
fn row<K: Object>(mut object: K) -> (String, Arc<K>) {
    object.meta_mut().managed_fields = None;
    (object.name_any(), Arc::new(object))
}

fn pause_after(failures: u32) -> Duration {
    Duration::from_millis(200).saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE)
}

fn trouble_of(error: &watcher::Error) -> WatchTrouble {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            return WatchTrouble { status: 0, text: in_short(error) };
        }
        watcher::Error::NoResourceVersion => {
            return WatchTrouble { status: 0, text: error.to_string() };
        }
    };
    WatchTrouble { status: status.code, text: status.message.clone() }
}

/// The last cause says it best: the others are the layers it came through.
pub(in crate::observe) fn in_short(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
