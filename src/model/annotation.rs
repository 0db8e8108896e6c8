//! Annotations of an object that tools agree on.

use serde_json::Value;

/// The text of the annotation `name` of a manifest, if it has one.
#[must_use]
pub fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

/// The events that Helm runs a hook at, such as `pre-upgrade`; `None` for what is no hook.
///
/// Format: <https://helm.sh/docs/topics/charts_hooks/>.
#[must_use]
pub fn hook_events(object: &Value) -> Option<Vec<&str>> {
    let events = annotation(object, "helm.sh/hook")?;
    Some(events.split(',').map(str::trim).filter(|event| !event.is_empty()).collect())
}
