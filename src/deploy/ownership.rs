//! Who owns which fields of an object, and taking over what a client-side apply owned.
//!
//! What `kubectl apply` had set is recorded as an update by its manager. Unless it is taken over,
//! a server-side apply would conflict with it, and a field dropped from the manifests would stay
//! for ever. The rules are those of kubectl itself:
//! <https://github.com/kubernetes/client-go/blob/master/util/csaupgrade/upgrade.go>.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::Value;

use super::MANAGER;

/// Whether `manager` is a tool by which people apply manifests from their own machine.
pub(super) fn is_client_side(entry: &ManagedFieldsEntry) -> bool {
    let manager = entry.manager.as_deref().unwrap_or_default();
    entry.operation.as_deref() == Some("Update")
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
        && (manager.starts_with("kubectl")
            || matches!(manager, "before-first-apply" | "skaffold" | "tilt" | "k9s" | "oc"))
}

/// The entries with everything that client-side tools own given to wharf; `None` where there is
/// nothing to take over.
pub(super) fn taken_over(entries: &[ManagedFieldsEntry]) -> Option<Vec<ManagedFieldsEntry>> {
    let (theirs, mut rest): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(is_client_side);
    let newest = theirs.iter().max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?.clone();
    let mut fields = Value::Object(serde_json::Map::new());
    for entry in theirs {
        unite(&mut fields, entry.fields_v1.map(|fields| fields.0).unwrap_or_default());
    }
    let ours = rest.iter_mut().find(|entry| {
        entry.manager.as_deref() == Some(MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    match ours {
        Some(ours) => {
            let own = ours.fields_v1.take().map(|fields| fields.0).unwrap_or_default();
            unite(&mut fields, own);
            ours.fields_v1 = Some(FieldsV1(fields));
        }
        None => rest.push(ManagedFieldsEntry {
            manager: Some(MANAGER.to_owned()),
            operation: Some("Apply".to_owned()),
            fields_v1: Some(FieldsV1(fields)),
            ..newest
        }),
    }
    Some(rest)
}

/// Adds the fields of `other` to `fields`; both are sets, nested by path.
fn unite(fields: &mut Value, other: Value) {
    let (Some(into), Value::Object(other)) = (fields.as_object_mut(), other) else { return };
    for (key, below) in other {
        match into.get_mut(&key) {
            Some(own) if own.is_object() => unite(own, below),
            _ => {
                into.insert(key, below);
            }
        }
    }
}

/// The other manager and the fields in a 409 of a server-side apply.
///
/// The server says `conflict with "argocd" using apps/v1: .spec.replicas`.
pub(super) fn conflicts(status: &kube::core::Status) -> Option<(String, Vec<String>)> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice())?;
    let causes: Vec<_> =
        causes.iter().filter(|cause| cause.reason == "FieldManagerConflict").collect();
    let manager = causes.first()?.message.split('"').nth(1)?.to_owned();
    let fields = causes.iter().map(|cause| cause.field.trim_start_matches('.').to_owned());
    Some((manager, fields.collect()))
}

/// Whether every manager in a conflict is a client-side tool's.
pub(super) fn may_take_over(status: &kube::core::Status, entries: &[ManagedFieldsEntry]) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice());
    causes.into_iter().flatten().all(|cause| {
        let manager = cause.message.split('"').nth(1);
        entries.iter().any(|entry| entry.manager.as_deref() == manager && is_client_side(entry))
    })
}
