//! Kubernetes objects: which images they run, which services they have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{ImageRef, Namespace};

use super::super::resolve::fit;

/// A service with a port.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) namespace: Option<Namespace>,
    pub(super) port: u16,
    /// The images of the workloads that it selects; absent where its selector is not known.
    pub(super) images: Option<BTreeSet<String>>,
    /// Where it was found.
    pub(super) found: String,
}

/// An object, and the file that it was found in.
pub(super) type Found = (Value, String);

/// The Kubernetes objects of a YAML text; none when any document is something else.
pub(super) fn objects(text: &str) -> Vec<Value> {
    if text.contains("{{") {
        return vec![];
    }
    let options = serde_saphyr::options! { budget: None };
    let Ok(documents) = serde_saphyr::from_multiple_with_options::<Value>(text, options) else {
        return vec![];
    };
    let documents: Vec<Value> =
        documents.into_iter().filter(|document| !document.is_null()).collect();
    if documents.iter().all(is_object) { documents } else { vec![] }
}

/// Whether `document` is meant for a cluster rather than for a tool that borrows the form.
fn is_object(document: &Value) -> bool {
    let (Some(api), Some(kind)) = (document["apiVersion"].as_str(), document["kind"].as_str())
    else {
        return false;
    };
    let is_kubeconfig = api == "v1" && kind == "Config";
    let tools = ["skaffold/", "kustomize.config.k8s.io/", "kind.x-k8s.io/", "k3d.io/", "ctlptl."];
    !is_kubeconfig && !tools.iter().any(|tool| api.starts_with(tool))
}

/// The repositories of the images in `objects`, and the file that names each first.
pub(super) fn images(objects: &[Found]) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (object, file) in objects {
        for image in images_in(object) {
            out.entry(image).or_insert_with(|| file.clone());
        }
    }
    out
}

fn images_in(value: &Value) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    match value {
        Value::Array(items) => items.iter().for_each(|item| out.extend(images_in(item))),
        Value::Object(entries) => {
            for (key, value) in entries {
                if matches!(key.as_str(), "containers" | "initContainers") {
                    let texts = value.as_array().into_iter().flatten();
                    out.extend(texts.filter_map(|item| repository(item["image"].as_str()?)));
                } else {
                    out.extend(images_in(value));
                }
            }
        }
        _ => {}
    }
    out
}

/// The repository of an image reference.
pub(super) fn repository(text: &str) -> Option<String> {
    ImageRef::parse(text.trim()).ok().map(|image| image.repository().to_owned())
}

/// The services of `objects` that have a port and select something.
///
/// `is_template`: a selector that is missing may just not have been readable.
pub(super) fn services(objects: &[Found], is_template: bool) -> Vec<Service> {
    let all = objects.iter().filter(|(object, _)| {
        object["kind"].as_str() == Some("Service")
            && object["spec"]["type"].as_str() != Some("ExternalName")
            && object["spec"]["clusterIP"].as_str() != Some("None")
    });
    all.filter_map(|(object, file)| {
        let name = object["metadata"]["name"].as_str()?;
        let is_name = fit(name, 63) == name;
        let port = object["spec"]["ports"][0]["port"].as_u64()?;
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        let selector = object["spec"]["selector"].as_object().filter(|map| !map.is_empty());
        let images = match selector {
            Some(selector) => Some(selected_images(objects, selector)),
            None if is_template => None,
            None => return None,
        };
        let namespace = object["metadata"]["namespace"].as_str();
        is_name.then(|| Service {
            name: name.to_owned(),
            namespace: namespace.and_then(|name| Namespace::parse(name).ok()),
            port,
            images: images.filter(|images| !(is_template && images.is_empty())),
            found: file.clone(),
        })
    })
    .collect()
}

fn selected_images(
    objects: &[Found],
    selector: &serde_json::Map<String, Value>,
) -> BTreeSet<String> {
    let is_selected = |labels: &Value| {
        selector.iter().all(|(key, value)| labels.get(key).is_some_and(|label| label == value))
    };
    let workloads = objects.iter().filter(|(object, _)| {
        is_selected(&object["spec"]["template"]["metadata"]["labels"])
            || (object["kind"].as_str() == Some("Pod")
                && is_selected(&object["metadata"]["labels"]))
    });
    workloads.flat_map(|(object, _)| images_in(object)).collect()
}

/// Whether an image of this repository is published by others for everybody.
pub(super) fn is_well_known(repository: &str) -> bool {
    const NAMES: &[&str] = &[
        "alpine",
        "busybox",
        "caddy",
        "cassandra",
        "consul",
        "couchdb",
        "curl",
        "debian",
        "elasticsearch",
        "envoy",
        "golang",
        "grafana",
        "haproxy",
        "httpd",
        "influxdb",
        "kafka",
        "mailhog",
        "mariadb",
        "memcached",
        "minio",
        "mongo",
        "mysql",
        "nats",
        "nginx",
        "node",
        "oauth2-proxy",
        "openjdk",
        "otel",
        "postgres",
        "prometheus",
        "python",
        "rabbitmq",
        "redis",
        "registry",
        "ruby",
        "rust",
        "traefik",
        "ubuntu",
        "vault",
        "zookeeper",
    ];
    const ORGANISATIONS: &[&str] = &[
        "bitnami/",
        "bitnamilegacy/",
        "curlimages/",
        "envoyproxy/",
        "grafana/",
        "hashicorp/",
        "jaegertracing/",
        "library/",
        "minio/",
        "natsio/",
        "otel/",
        "prom/",
        "rancher/",
    ];
    const HOSTS: &[&str] = &[
        "registry.k8s.io/",
        "k8s.gcr.io/",
        "quay.io/",
        "mcr.microsoft.com/",
        "docker.elastic.co/",
        "public.ecr.aws/",
        "gcr.io/distroless/",
    ];
    let plain = repository.strip_prefix("docker.io/").unwrap_or(repository);
    NAMES.contains(&plain)
        || ORGANISATIONS.iter().any(|organisation| plain.starts_with(organisation))
        || HOSTS.iter().any(|host| plain.starts_with(host))
}
