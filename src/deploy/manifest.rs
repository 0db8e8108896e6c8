//! Objects as their manifests say them.

use serde_json::Value;

use super::DeployError;
use crate::cluster::Cluster;
use crate::model::{Namespace, ObjectRef};

/// A manifest and the object that it names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    pub(super) object: ObjectRef,
    pub(super) value: Value,
}

/// Reads names and kinds, takes lists apart, and refuses what wharf could not find again.
pub(super) fn parse(values: &[Value]) -> Result<Vec<Manifest>, DeployError> {
    let mut manifests = Vec::new();
    for value in values {
        if let Some(items) = items(value) {
            manifests.extend(parse(items)?);
        } else {
            manifests.push(Manifest { object: reference(value)?, value: value.clone() });
        }
    }
    Ok(manifests)
}

/// The items of a `List`.
fn items(value: &Value) -> Option<&Vec<Value>> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    value.get("items").and_then(Value::as_array).filter(|_| is_list)
}

fn reference(value: &Value) -> Result<ObjectRef, DeployError> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let kind = text("/kind").filter(|kind| !kind.is_empty());
    let name = text("/metadata/name").filter(|name| !name.is_empty());
    let called = || match (&kind, &name) {
        (Some(kind), Some(name)) => format!("{}/{name}", kind.to_lowercase()),
        (Some(kind), None) => format!("a {kind}"),
        (None, Some(name)) => format!("`{name}`"),
        (None, None) => "a manifest".to_owned(),
    };
    if value.pointer("/metadata/generateName").is_some() && name.is_none() {
        return Err(DeployError::GeneratedName { what: called() });
    }
    let lacks = |key: &'static str| DeployError::Incomplete { what: called(), key };
    let api_version = text("/apiVersion").ok_or_else(|| lacks("apiVersion"))?;
    let namespace = match text("/metadata/namespace").filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Some(Namespace::parse(&namespace).map_err(|error| {
            DeployError::BadNamespace { what: called(), why: error.to_string() }
        })?),
        None => None,
    };
    Ok(ObjectRef {
        api_version,
        namespace,
        kind: kind.clone().ok_or_else(|| lacks("kind"))?,
        name: name.clone().ok_or_else(|| lacks("metadata.name"))?,
    })
}

/// Whether a chart asks Helm to leave the object behind:
/// <https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource>.
/// Helm looks for the word `keep`, whatever stands around it.
pub(super) fn is_kept_by_helm(value: &Value) -> bool {
    let policy = value.pointer("/metadata/annotations/helm.sh~1resource-policy");
    let policy = policy.and_then(Value::as_str).unwrap_or_default();
    policy.trim().eq_ignore_ascii_case("keep")
}

/// Fills in `namespace` where an object lives in one and does not say in which. Kinds that the
/// server does not know yet are taken for namespaced, as most are.
pub(super) async fn settle_namespaces(
    manifests: &mut [Manifest],
    namespace: &Namespace,
    cluster: &Cluster,
) -> Result<(), DeployError> {
    for manifest in manifests {
        let object = &mut manifest.object;
        let known = cluster.api_resource(&object.api_version, &object.kind).await?;
        let namespaced = known.is_none_or(|(_, namespaced)| namespaced);
        if !namespaced {
            object.namespace = None;
            if let Some(metadata) = manifest.value["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
        } else if object.namespace.is_none() {
            object.namespace = Some(namespace.clone());
            manifest.value["metadata"]["namespace"] = namespace.as_str().into();
        }
    }
    Ok(())
}
