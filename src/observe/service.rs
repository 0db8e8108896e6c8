//! Whether a Service has somebody behind it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;

use crate::observe::scene::Seen;
use crate::observe::verdict::Verdict;

/// Judges a Service: it needs one ready address, where any pod could give it one.
///
/// Not waited for: `ExternalName`, a Service without selector, and one that selects nothing that
/// runs or is being started (its workload has no replicas, or is not there).
pub(super) fn judge(service: &Service, seen: &Seen) -> Verdict {
    let spec = service.spec.clone().unwrap_or_default();
    let selector = spec.selector.unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") || selector.is_empty() {
        return Verdict::Ready;
    }
    if !seen.pods.iter().any(|pod| could_serve(pod, &selector)) {
        return Verdict::Ready;
    }
    let name = service.name_any();
    let mut slices = seen.endpoint_slices.iter().filter(|slice| {
        slice.labels().get("kubernetes.io/service-name").is_some_and(|of| *of == name)
    });
    let has_address = slices.any(|slice| {
        slice.endpoints.iter().flatten().any(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            conditions.and_then(|conditions| conditions.ready).unwrap_or(true)
        })
    });
    if has_address { Verdict::Ready } else { Verdict::waits("waits for a ready endpoint") }
}

/// Whether `selector` takes the labels.
pub(super) fn selects(selector: &BTreeMap<String, String>, pod: &Pod) -> bool {
    let labels = pod.labels();
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn could_serve(pod: &Pod, selector: &BTreeMap<String, String>) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    selects(selector, pod)
        && pod.metadata.deletion_timestamp.is_none()
        && !matches!(phase, Some("Succeeded" | "Failed"))
        && !pod.owner_references().iter().any(|owner| owner.kind == "Job")
}
