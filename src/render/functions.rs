//! The functions of kpt's catalogue that need no network, over the objects of a release.
//!
//! What each does is described at <https://catalog.kpt.dev>; where labels and annotations belong,
//! at <https://github.com/kubernetes-sigs/kustomize/tree/master/api/internal/konfig/builtinpluginconsts>.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use crate::model::{Function, FunctionKind};

use super::kinds;
use super::yaml;

/// Kinds that belong to no namespace.
const CLUSTER_WIDE: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

/// Places of labels besides the object's own: the kind, the path, whether it is made where it is
/// not there. A `*` goes into each item of a list.
const LABELS: &[(&str, &str, bool)] = &[
    ("Service", "spec/selector", true),
    ("ReplicationController", "spec/selector", true),
    ("ReplicationController", "spec/template/metadata/labels", true),
    ("Deployment", "spec/selector/matchLabels", true),
    ("Deployment", "spec/template/metadata/labels", true),
    ("ReplicaSet", "spec/selector/matchLabels", true),
    ("ReplicaSet", "spec/template/metadata/labels", true),
    ("DaemonSet", "spec/selector/matchLabels", true),
    ("DaemonSet", "spec/template/metadata/labels", true),
    ("StatefulSet", "spec/selector/matchLabels", true),
    ("StatefulSet", "spec/template/metadata/labels", true),
    ("StatefulSet", "spec/volumeClaimTemplates/*/metadata/labels", true),
    ("Job", "spec/selector/matchLabels", false),
    ("Job", "spec/template/metadata/labels", true),
    ("CronJob", "spec/jobTemplate/metadata/labels", true),
    ("CronJob", "spec/jobTemplate/spec/selector/matchLabels", false),
    ("CronJob", "spec/jobTemplate/spec/template/metadata/labels", true),
    ("PodDisruptionBudget", "spec/selector/matchLabels", false),
    ("NetworkPolicy", "spec/podSelector/matchLabels", false),
    ("NetworkPolicy", "spec/ingress/*/from/*/podSelector/matchLabels", false),
    ("NetworkPolicy", "spec/egress/*/to/*/podSelector/matchLabels", false),
];

/// The same for annotations.
const ANNOTATIONS: &[(&str, &str, bool)] = &[
    ("ReplicationController", "spec/template/metadata/annotations", true),
    ("Deployment", "spec/template/metadata/annotations", true),
    ("ReplicaSet", "spec/template/metadata/annotations", true),
    ("DaemonSet", "spec/template/metadata/annotations", true),
    ("StatefulSet", "spec/template/metadata/annotations", true),
    ("Job", "spec/template/metadata/annotations", true),
    ("CronJob", "spec/jobTemplate/metadata/annotations", true),
    ("CronJob", "spec/jobTemplate/spec/template/metadata/annotations", true),
];

/// Applies `functions` to `objects`; what is wrong with an object, otherwise.
pub(super) fn apply<'o>(
    functions: &[Function],
    objects: impl Iterator<Item = &'o mut Value>,
) -> Result<(), Refusal> {
    let mut objects: Vec<&mut Value> = objects.collect();
    for function in functions {
        let given = |key: &str| function.with.get(key).map_or("", String::as_str);
        match function.kind {
            FunctionKind::SetNamespace => set_namespace(&mut objects, given("namespace")),
            FunctionKind::SetLabels => {
                objects
                    .iter_mut()
                    .for_each(|object| everywhere(object, "labels", LABELS, &function.with));
            }
            FunctionKind::SetAnnotations => objects
                .iter_mut()
                .for_each(|object| everywhere(object, "annotations", ANNOTATIONS, &function.with)),
            FunctionKind::SearchReplace => {
                let search =
                    Search::of(&function.with).map_err(|why| Refusal::of(function, why))?;
                objects.iter_mut().for_each(|object| search.replace(object));
            }
            FunctionKind::SetEnforcementAction => {
                for object in &mut objects {
                    let is_constraint =
                        text(object, "/apiVersion").starts_with("constraints.gatekeeper.sh/");
                    if is_constraint && let Some(spec) = map_at(object, "spec") {
                        spec.insert(
                            "enforcementAction".to_owned(),
                            given("enforcementAction").into(),
                        );
                    }
                }
            }
            FunctionKind::Kubeval => {
                for object in &objects {
                    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
                    kinds::check(object).map_err(|why| {
                        Refusal::of(
                            function,
                            format!("{}/{name}: {why}", kind.to_ascii_lowercase()),
                        )
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// Why a function does not go through.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) function: &'static str,
    pub(super) why: String,
}

impl Refusal {
    fn of(function: &Function, why: String) -> Self {
        Self { function: function.kind.name(), why }
    }
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The map at `key`, made where there is none.
fn map_at<'v>(object: &'v mut Value, key: &str) -> Option<&'v mut Map<String, Value>> {
    let below = object.as_object_mut()?.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if below.is_null() {
        *below = Value::Object(Map::new());
    }
    below.as_object_mut()
}

fn set_namespace(objects: &mut [&mut Value], namespace: &str) {
    let accounts: Vec<String> = objects
        .iter()
        .filter(|object| text(object, "/kind") == "ServiceAccount")
        .map(|object| text(object, "/metadata/name").to_owned())
        .collect();
    for object in objects {
        let kind = text(object, "/kind").to_owned();
        if kind == "Namespace" {
            if let Some(metadata) = map_at(object, "metadata") {
                metadata.insert("name".to_owned(), namespace.into());
            }
        } else if !CLUSTER_WIDE.contains(&kind.as_str())
            && let Some(metadata) = map_at(object, "metadata")
        {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        if matches!(kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
            && let Some(Value::Array(subjects)) = object.get_mut("subjects")
        {
            for subject in subjects {
                let name = text(subject, "/name");
                let is_here = name == "default" || accounts.iter().any(|account| account == name);
                if text(subject, "/kind") == "ServiceAccount" && is_here {
                    subject["namespace"] = namespace.into();
                }
            }
        }
    }
}

/// Puts `pairs` into `metadata/KEY` and the further places of the object's kind.
fn everywhere(
    object: &mut Value,
    key: &str,
    places: &[(&str, &str, bool)],
    pairs: &BTreeMap<String, String>,
) {
    let kind = text(object, "/kind").to_owned();
    put(object, &["metadata", key], true, pairs);
    for (_, path, makes) in places.iter().filter(|(own, ..)| *own == kind) {
        let steps: Vec<&str> = path.split('/').collect();
        put(object, &steps, *makes, pairs);
    }
}

fn put(value: &mut Value, steps: &[&str], makes: bool, pairs: &BTreeMap<String, String>) {
    match (steps, value) {
        ([], Value::Object(map)) => {
            map.extend(pairs.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
        }
        (["*", rest @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|item| put(item, rest, makes, pairs));
        }
        ([key, rest @ ..], value @ Value::Object(_)) if *key != "*" => {
            let is_list = rest.first() == Some(&"*");
            let below = match value.get(*key) {
                None | Some(Value::Null) if makes && !is_list => map_at(value, key).is_some(),
                None => false,
                Some(_) => true,
            };
            if let (true, Some(below)) = (below, value.get_mut(*key)) {
                put(below, rest, makes, pairs);
            }
        }
        _ => {}
    }
}

/// What `search-replace` looks for.
struct Search {
    value: Option<String>,
    expression: Option<Regex>,
    path: Option<String>,
    put: String,
}

impl Search {
    fn of(with: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = |key: &str| with.get(key).filter(|value| !value.is_empty()).cloned();
        let expression = given("by-value-regex").map(|text| Regex::new(&text)).transpose();
        let own = Self {
            value: given("by-value"),
            expression: expression.map_err(|error| format!("`by-value-regex`: {error}"))?,
            path: given("by-path").map(|path| path.trim_start_matches('.').to_owned()),
            put: with.get("put-value").cloned().unwrap_or_default(),
        };
        if own.value.is_none() && own.expression.is_none() && own.path.is_none() {
            return Err("it needs `by-value`, `by-value-regex` or `by-path`".to_owned());
        }
        Ok(own)
    }

    fn replace(&self, object: &mut Value) {
        if let (None, None, Some(path)) = (&self.value, &self.expression, &self.path)
            && !path.contains(['*', '['])
        {
            // A whole path is made where it is not there.
            let mut at = object;
            let steps: Vec<&str> = path.split('.').collect();
            let (Some((last, around)), true) = (steps.split_last(), at.is_object()) else { return };
            for step in around {
                if map_at(at, step).is_none() {
                    return;
                }
                let Some(below) = at.get_mut(*step) else { return };
                at = below;
            }
            if let Some(map) = at.as_object_mut() {
                map.insert((*last).to_owned(), typed(&self.put));
            }
            return;
        }
        self.walk(object, &mut vec![]);
    }

    fn walk(&self, value: &mut Value, path: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    path.push(key.clone());
                    self.walk(value, path);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(format!("[{index}]"));
                    self.walk(item, path);
                    path.pop();
                }
            }
            value => {
                if let Some(new) = self.fits(value, path) {
                    *value = new;
                }
            }
        }
    }

    /// What a scalar becomes; nothing where it stays.
    fn fits(&self, value: &Value, path: &[String]) -> Option<Value> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if self.path.as_ref().is_some_and(|wanted| !is_path(wanted, path)) {
            return None;
        }
        if self.value.as_ref().is_some_and(|wanted| *wanted != text) {
            return None;
        }
        let put = match &self.expression {
            None => self.put.clone(),
            Some(expression) => {
                let found = expression.captures(&text)?;
                let mut put = self.put.clone();
                for (index, group) in found.iter().enumerate().skip(1) {
                    let group = group.map_or("", |group| group.as_str());
                    put = put.replace(&format!("${{{index}}}"), group);
                }
                put
            }
        };
        Some(typed(&put))
    }
}

/// A scalar as YAML reads it.
fn typed(text: &str) -> Value {
    match yaml::parse(text, yaml::Duplicates::LastCounts) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => text.into(),
    }
}

/// Whether `path` is what `wanted` means: `*` is one step, `**` any number, `[0]` and `[*]` items.
fn is_path(wanted: &str, path: &[String]) -> bool {
    let wanted = wanted.replace('[', ".[");
    let steps: Vec<&str> = wanted.split('.').filter(|step| !step.is_empty()).collect();
    matches(&steps, path)
}

fn matches(wanted: &[&str], path: &[String]) -> bool {
    match (wanted, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=path.len()).any(|skip| matches(rest, &path[skip..])),
        ([step, rest @ ..], [own, path @ ..]) => {
            let fits = match *step {
                "*" => true,
                "[*]" => own.starts_with('['),
                step => step == own,
            };
            fits && matches(rest, path)
        }
        _ => false,
    }
}
