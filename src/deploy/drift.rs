//! What somebody else did to an object since it was deployed, in words.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use serde_json::Value;

use super::record::{Part, Recorded};
use super::{MANAGER, live};

/// How many changed fields are named.
const FIELDS: usize = 2;

/// How `recorded` differs from what is `live`; `None` where it does not, or where the cluster's
/// own controllers did it.
pub(super) fn of(recorded: &Recorded, live: Option<&DynamicObject>) -> Option<String> {
    let object = &recorded.object;
    if recorded.part != Part::Object || recorded.uid.is_empty() {
        return None;
    }
    let Some(live) = live else {
        return (!recorded.passing).then(|| format!("{object} was deleted"));
    };
    if live::is_leaving(live) {
        return Some(format!("{object} is being deleted"));
    }
    if live.metadata.uid.as_deref() != Some(&recorded.uid) {
        return (!recorded.passing).then(|| format!("{object} was deleted and made again"));
    }
    if recorded.generation.is_some() && recorded.generation == live.metadata.generation {
        return None;
    }
    let entries = live.metadata.managed_fields.as_deref().unwrap_or_default();
    let replicas = live::replicas(live);
    if replicas != recorded.replicas {
        let who = entries
            .iter()
            .filter(|entry| fields(entry).pointer("/f:spec/f:replicas").is_some())
            .max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
        if who.is_some_and(is_foreign) || who.is_none() {
            let count = |replicas: Option<i64>| {
                replicas.map_or_else(|| "its default".to_owned(), |replicas| replicas.to_string())
            };
            let (from, to) = (count(recorded.replicas), count(replicas));
            return Some(format!("{object} was scaled from {from} to {to}{}", by(who)));
        }
    }
    if live::content(live) == recorded.content {
        return None;
    }
    let newest = entries
        .iter()
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    match newest {
        Some(entry) if !is_foreign(entry) && !is_ours(entry) => None,
        Some(entry) if is_ours(entry) => Some(format!("{object} was changed{}", by(newest))),
        Some(entry) => {
            let mut paths = Vec::new();
            leaves(fields(entry), String::new(), &mut paths);
            paths.truncate(FIELDS);
            let named = if paths.is_empty() { "?".to_owned() } else { paths.join(", ") };
            Some(format!("{object} was changed{} ({named})", by(Some(entry))))
        }
        None => Some(format!("{object} was changed")),
    }
}

fn by(entry: Option<&ManagedFieldsEntry>) -> String {
    let manager = entry.and_then(|entry| entry.manager.as_deref()).unwrap_or_default();
    if manager.is_empty() { String::new() } else { format!(" by {manager}") }
}

fn fields(entry: &ManagedFieldsEntry) -> &Value {
    static NONE: Value = Value::Null;
    entry.fields_v1.as_ref().map_or(&NONE, |fields| &fields.0)
}

/// Whether a person or a person's tool made this entry, rather than wharf, Helm or a controller.
fn is_foreign(entry: &ManagedFieldsEntry) -> bool {
    !is_ours(entry) && !is_controller(entry.manager.as_deref().unwrap_or_default())
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    matches!(entry.manager.as_deref(), Some(MANAGER | "helm"))
}

/// Programs in the cluster that change objects as their job: autoscalers, operators, injectors.
fn is_controller(manager: &str) -> bool {
    let ends = ["controller", "operator", "injector", "webhook", "autoscaler", "manager"];
    manager == "kubelet"
        || manager == "kube-apiserver"
        || manager == "kube-scheduler"
        || ends.iter().any(|end| manager.ends_with(end))
}

/// The paths of the fields in a set, as a person writes them.
fn leaves(set: &Value, path: String, into: &mut Vec<String>) {
    let below: Vec<(&String, &Value)> =
        set.as_object().into_iter().flatten().filter(|(key, _)| *key != ".").collect();
    if below.is_empty() {
        if !path.is_empty() {
            into.push(path);
        }
        return;
    }
    for (key, inner) in below {
        let step = match key.split_once(':') {
            Some(("f", name)) if path.is_empty() => name.to_owned(),
            Some(("f", name)) => format!("{path}.{name}"),
            Some(("k", keys)) => format!("{path}[{}]", item(keys)),
            _ => path.clone(),
        };
        leaves(inner, step, into);
    }
}

/// `{"name":"api"}` as `api`.
fn item(keys: &str) -> String {
    let keys: Value = serde_json::from_str(keys).unwrap_or_default();
    let values = keys.as_object().into_iter().flatten().map(|(_, value)| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    values.collect::<Vec<_>>().join(",")
}
