//! Pods that were made before their image had reached the node.
//!
//! Of wharf's own images that is known. What somebody else has brought there since a pod was last
//! judged is not: whoever waits anew lets kubelet look once more.
//!
//! Kubelet that has looked for an image in vain looks again after ten seconds, then twenty, and so
//! on. Any change of the pod wakes it, and an annotation changes nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use crate::model::{ImageRef, Namespace};
use crate::observe::pod;
use crate::observe::scene::Seen;

/// The annotation by which kubelet is woken.
const WAKE: &str = "dev.wharf/image-is-there";

/// The field manager of the annotation.
const MANAGER: &str = "wharf";

/// How soon a pod is woken again: kubelet takes up to a second to notice.
const AGAIN: Duration = Duration::from_secs(2);

/// How long a pod may take to find an image that is there. What keeps it from it then is for a
/// person.
const LIMIT: Duration = Duration::from_secs(20);
/// The same for an image of which it is not known that it is there.
const GLANCE: Duration = Duration::from_secs(4);

/// Images that are on the nodes by now, and the pods that do not know it.
#[derive(Debug)]
pub(super) struct Late<'a> {
    images: &'a BTreeSet<ImageRef>,
    /// By UID.
    pods: BTreeMap<String, Asleep>,
    /// Nobody has looked yet.
    is_new: bool,
}

/// A pod that looked in vain.
#[derive(Debug)]
struct Asleep {
    since: Instant,
    woken: Option<Instant>,
    /// How long it is excused.
    limit: Duration,
}

impl<'a> Late<'a> {
    /// `images` are on every node.
    pub(super) fn of(images: &'a BTreeSet<ImageRef>) -> Self {
        Self { images, pods: BTreeMap::new(), is_new: true }
    }

    /// The pods to be woken now.
    pub(super) fn asleep(
        &mut self,
        seen: &BTreeMap<Namespace, Seen>,
        now: Instant,
    ) -> Vec<(Namespace, String)> {
        let mut asleep = Vec::new();
        let mut in_vain = BTreeSet::new();
        for (namespace, seen) in seen {
            for pod in &seen.pods {
                let images = looked_in_vain(pod);
                if images.is_empty() {
                    continue;
                }
                let uid = pod.uid().unwrap_or_default();
                in_vain.insert(uid.clone());
                let is_known = images.iter().any(|image| self.has(image));
                let limit = if is_known { LIMIT } else { GLANCE };
                if !is_known && !self.is_new {
                    continue;
                }
                let pod_asleep = Asleep { since: now, woken: None, limit };
                let state = self.pods.entry(uid).or_insert(pod_asleep);
                if state.woken.is_none_or(|woken| now >= woken + AGAIN) {
                    state.woken = Some(now);
                    asleep.push((namespace.clone(), pod.name_any()));
                }
            }
        }
        self.is_new = false;
        self.pods.retain(|uid, _| in_vain.contains(uid));
        asleep
    }

    /// When what the pod with this UID waits for is to be believed: until then it is about to find
    /// its image. `None` where nothing is wrong with it, or has been for too long.
    pub(super) fn excuses(&self, uid: &str, now: Instant) -> Option<Instant> {
        let asleep = self.pods.get(uid)?;
        Some(asleep.since + asleep.limit).filter(|until| now < *until)
    }

    fn has(&self, image: &ImageRef) -> bool {
        self.images.iter().any(|late| late.full() == image.full())
    }
}

/// The images for which kubelet has looked in vain.
fn looked_in_vain(pod: &Pod) -> Vec<ImageRef> {
    const IN_VAIN: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"];
    let Some(status) = &pod.status else { return vec![] };
    let statuses = status.container_statuses.iter().chain(&status.init_container_statuses);
    let in_vain: BTreeSet<&str> = statuses
        .flatten()
        .filter(|status| {
            let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
            let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
            reason.is_some_and(|reason| IN_VAIN.contains(&reason))
        })
        .map(|status| status.name.as_str())
        .collect();
    let all = pod::images(pod).filter(|(container, _)| in_vain.contains(container));
    all.map(|(_, image)| image).collect()
}

/// Makes kubelet look at a pod. That it could not be done shows in the wait.
pub(super) async fn wake(client: Client, namespace: Namespace, pod: String) {
    let stamp = jiff::Timestamp::now().to_string();
    let change = json!({"metadata": {"annotations": {WAKE: stamp}}});
    let api: Api<Pod> = Api::namespaced(client, namespace.as_str());
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patched = api.patch_metadata(&pod, &params, &Patch::Merge(change)).await;
    tracing::debug!(pod, failed = ?patched.err(), "a pod is told that its image is there");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(image: &str, reason: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "one"},
            "spec": {"containers": [{"name": "web", "image": image}]},
            "status": {"containerStatuses": [{
                "name": "web", "image": image, "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason}},
            }]},
        }))
        .unwrap()
    }

    fn seen(pod: Pod) -> BTreeMap<Namespace, Seen> {
        let mut seen = Seen::default();
        seen.pods.push(pod.into());
        [(Namespace::parse("shop").unwrap(), seen)].into()
    }

    #[test]
    fn a_pod_is_woken_for_an_image_that_is_there_and_no_other() {
        let images = BTreeSet::from([ImageRef::parse("web:2").unwrap()]);
        let asleep = |image: &str, reason: &str| {
            Late::of(&images).asleep(&seen(pod(image, reason)), Instant::now()).len()
        };
        assert_eq!(asleep("web:2", "ErrImagePull"), 1);
        assert_eq!(asleep("docker.io/library/web:2", "ImagePullBackOff"), 1);
        assert_eq!(asleep("web:2", "ContainerCreating"), 0);
        assert_eq!(asleep("", "ErrImagePull"), 0);
    }

    #[test]
    fn what_somebody_else_may_have_brought_is_looked_for_once() {
        let images = BTreeSet::from([ImageRef::parse("web:2").unwrap()]);
        let mut late = Late::of(&images);
        let (stuck, began) = (seen(pod("db:1", "ImagePullBackOff")), Instant::now());
        assert_eq!(late.asleep(&stuck, began).len(), 1);
        assert_eq!(late.excuses("one", began), Some(began + GLANCE));
        assert_eq!(late.asleep(&stuck, began + AGAIN).len(), 0);
        assert_eq!(late.excuses("one", began + GLANCE), None);
        // It comes to this while it is waited for.
        let mut late = Late::of(&images);
        assert_eq!(late.asleep(&seen(pod("db:1", "ContainerCreating")), began).len(), 0);
        assert_eq!(late.asleep(&stuck, began).len(), 0);
        assert_eq!(late.excuses("one", began), None);
    }

    #[test]
    fn a_pod_is_woken_again_after_a_while_and_not_excused_for_ever() {
        let images = BTreeSet::from([ImageRef::parse("web:2").unwrap()]);
        let mut late = Late::of(&images);
        let (stuck, began) = (seen(pod("web:2", "ErrImagePull")), Instant::now());
        assert_eq!(late.excuses("one", began), None);
        assert_eq!(late.asleep(&stuck, began).len(), 1);
        assert_eq!(late.asleep(&stuck, began + AGAIN / 2).len(), 0);
        assert_eq!(late.asleep(&stuck, began + AGAIN).len(), 1);
        assert_eq!(late.excuses("one", began + AGAIN), Some(began + LIMIT));
        assert_eq!(late.excuses("one", began + LIMIT), None);
        // It runs meanwhile.
        assert_eq!(late.asleep(&seen(pod("web:2", "")), began + LIMIT).len(), 0);
        assert_eq!(late.excuses("one", began), None);
    }
}
