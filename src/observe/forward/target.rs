//! Which pod and which of its ports a forward leads to: decisions over what is watched.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerPort, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::scout::Answering;
use crate::model::{Forward, ForwardPort, Namespace, WorkloadKind};
use crate::observe::error::ObserveError;
use crate::observe::pod::is_ready;
use crate::observe::scene::Scene;
use crate::observe::service::selects;
use crate::observe::workload::belongs;

/// What a forward leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) namespace: Namespace,
    pub(super) port: Option<ForwardPort>,
}

/// The kinds that a forward can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    Workload(WorkloadKind),
}

/// A way to a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) port: u16,
}

impl Target {
    /// What `forward` leads to; `default` is the namespace where it names none.
    pub(super) fn of(forward: &Forward, default: &Namespace) -> Self {
        let kind = match forward.kind.to_ascii_lowercase().as_str() {
            "deployment" | "deploy" => Kind::Workload(WorkloadKind::Deployment),
            "statefulset" | "sts" => Kind::Workload(WorkloadKind::StatefulSet),
            "daemonset" | "ds" => Kind::Workload(WorkloadKind::DaemonSet),
            "replicaset" | "rs" => Kind::Workload(WorkloadKind::ReplicaSet),
            "job" => Kind::Workload(WorkloadKind::Job),
            "cronjob" => Kind::Workload(WorkloadKind::CronJob),
            "pod" | "po" => Kind::Workload(WorkloadKind::Pod),
            _ => Kind::Service,
        };
        let namespace = forward.namespace.clone().unwrap_or_else(|| default.clone());
        Self { kind, name: forward.name.clone(), namespace, port: forward.port.clone() }
    }

    /// `service/web`.
    pub(super) fn short(&self) -> String {
        match self.kind {
            Kind::Service => format!("service/{}", self.name),
            Kind::Workload(kind) => format!("{}/{}", kind.as_str(), self.name),
        }
    }

    /// The same with its namespace and port, which tells it from every other.
    pub(super) fn place(&self) -> String {
        format!("{}/{} {:?}", self.namespace, self.short(), self.port)
    }

    /// Whether everything that choosing needs has been listed; begins to watch it.
    pub(super) fn is_listed(&self, scene: &Scene) -> bool {
        let pods = scene.pods(&self.namespace);
        match self.kind {
            Kind::Service => {
                let services = scene.services(&self.namespace);
                let slices = scene.endpoint_slices(&self.namespace);
                pods.is_listed() && services.is_listed() && slices.is_listed()
            }
            Kind::Workload(_) => pods.is_listed(),
        }
    }

    /// The newest pod that is ready or was seen to answer, and its port; `None` while there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`ObserveError::NoPort`]: there is a pod, but it has no such port.
    pub(super) fn choose(
        &self,
        scene: &Scene,
        answering: &Answering,
    ) -> Result<Option<Way>, ObserveError> {
        let pods = self.pods(scene);
        let newest = pods
            .into_iter()
            .filter(|pod| is_ready(pod) || answering.has(pod))
            .max_by_key(|pod| (pod.creation_timestamp().map(|time| time.0), pod.name_any()));
        match newest {
            Some(pod) => self.way_to(scene, &pod),
            None => Ok(None),
        }
    }

    /// The way to `pod`; `None` while the Service is not there.
    ///
    /// # Errors
    ///
    /// [`ObserveError::NoPort`]: it has no such port.
    pub(super) fn way_to(&self, scene: &Scene, pod: &Pod) -> Result<Option<Way>, ObserveError> {
        let port = match self.kind {
            Kind::Service => match scene.services(&self.namespace).get(&self.name) {
                Some(service) => self.pod_port(self.service_port(&service)?, pod)?,
                None => return Ok(None),
            },
            Kind::Workload(_) => self.container_port(pod)?,
        };
        Ok(Some(Way { pod: pod.name_any(), uid: pod.uid().unwrap_or_default(), port }))
    }

    /// The number of the port as the person knows it, before any pod is chosen; `None` where it
    /// cannot be known yet.
    ///
    /// # Errors
    ///
    /// [`ObserveError::NoPort`]: the object is there, but has no such port, or several.
    pub(super) fn named_port(&self, scene: &Scene) -> Result<Option<u16>, ObserveError> {
        match self.kind {
            Kind::Service => match scene.services(&self.namespace).get(&self.name) {
                Some(service) => Ok(u16::try_from(self.service_port(&service)?.port).ok()),
                None => Ok(self.number()),
            },
            Kind::Workload(_) => match self.pods(scene).first() {
                Some(pod) => self.container_port(pod).map(Some),
                None => Ok(self.number()),
            },
        }
    }

    fn number(&self) -> Option<u16> {
        match self.port {
            Some(ForwardPort::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// All pods behind the target.
    pub(super) fn pods(&self, scene: &Scene) -> Vec<Arc<Pod>> {
        let mut pods = scene.pods(&self.namespace).all();
        match self.kind {
            Kind::Workload(kind) => pods.retain(|pod| belongs(pod, kind, &self.name)),
            Kind::Service => {
                let Some(service) = scene.services(&self.namespace).get(&self.name) else {
                    return vec![];
                };
                let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone());
                match selector.filter(|selector| !selector.is_empty()) {
                    // Pods know that they are ready before the endpoints do.
                    Some(selector) => pods.retain(|pod| selects(&selector, pod)),
                    None => {
                        let listed = self.pods_of_slices(scene);
                        pods.retain(|pod| listed.contains(&pod.name_any()));
                    }
                }
            }
        }
        pods
    }

    /// Names of pods that somebody wrote into the endpoints of a Service without selector.
    fn pods_of_slices(&self, scene: &Scene) -> Vec<String> {
        let slices = scene.endpoint_slices(&self.namespace).all();
        let slices = slices
            .iter()
            .filter(|slice| slice.labels().get("kubernetes.io/service-name") == Some(&self.name));
        let endpoints = slices.flat_map(|slice| slice.endpoints.iter().flatten());
        let targets = endpoints.filter_map(|endpoint| endpoint.target_ref.as_ref());
        let pods = targets.filter(|target| target.kind.as_deref() == Some("Pod"));
        pods.filter_map(|target| target.name.clone()).collect()
    }

    /// The wanted port of `service`.
    pub(super) fn service_port<'a>(
        &self,
        service: &'a Service,
    ) -> Result<&'a ServicePort, ObserveError> {
        let spec = service.spec.as_ref();
        let ports = spec.and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
        let listed = || {
            let names = ports.iter().map(|port| match &port.name {
                Some(name) => format!("{} ({name})", port.port),
                None => port.port.to_string(),
            });
            names.collect()
        };
        match &self.port {
            None => match ports {
                [only] => Ok(only),
                [] => Err(self.no_port("has no ports", vec![])),
                _ => Err(self.no_port("has several ports: say which one", listed())),
            },
            Some(ForwardPort::Number(number)) => {
                let found = ports.iter().find(|port| port.port == i32::from(*number));
                found.ok_or_else(|| self.no_port(&format!("has no port {number}"), listed()))
            }
            Some(ForwardPort::Name(name)) => {
                let found = ports.iter().find(|port| port.name.as_ref() == Some(name));
                found.ok_or_else(|| self.no_port(&format!("has no port `{name}`"), listed()))
            }
        }
    }

    /// Where `port` of a Service leads to in `pod`.
    pub(super) fn pod_port(&self, port: &ServicePort, pod: &Pod) -> Result<u16, ObserveError> {
        let number = match &port.target_port {
            None => port.port,
            Some(IntOrString::Int(0)) => port.port,
            Some(IntOrString::Int(number)) => *number,
            Some(IntOrString::String(name)) => {
                let mut ports = container_ports(pod);
                let found = ports.find(|port| port.name.as_ref() == Some(name));
                let why =
                    || format!("leads to port `{name}`, which pod {} has not", pod.name_any());
                found.ok_or_else(|| self.no_port(&why(), vec![]))?.container_port
            }
        };
        u16::try_from(number).map_err(|_| self.no_port(&format!("has port {number}"), vec![]))
    }

    /// The wanted port of a container of `pod`.
    fn container_port(&self, pod: &Pod) -> Result<u16, ObserveError> {
        let ports: Vec<_> = container_ports(pod).collect();
        let listed = || {
            let names = ports.iter().map(|port| match &port.name {
                Some(name) => format!("{} ({name})", port.container_port),
                None => port.container_port.to_string(),
            });
            names.collect()
        };
        let number = match &self.port {
            // A container may listen on ports that its manifest does not declare.
            Some(ForwardPort::Number(number)) => return Ok(*number),
            Some(ForwardPort::Name(name)) => {
                let found = ports.iter().find(|port| port.name.as_ref() == Some(name));
                found
                    .ok_or_else(|| self.no_port(&format!("has no port `{name}`"), listed()))?
                    .container_port
            }
            None => match ports.as_slice() {
                [only] => only.container_port,
                [] => return Err(self.no_port("declares no ports: say which one", vec![])),
                _ => return Err(self.no_port("has several ports: say which one", listed())),
            },
        };
        u16::try_from(number).map_err(|_| self.no_port(&format!("has port {number}"), vec![]))
    }

    fn no_port(&self, why: &str, ports: Vec<String>) -> ObserveError {
        ObserveError::NoPort { target: self.short(), why: why.to_owned(), ports }
    }
}

fn container_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let spec = pod.spec.as_ref();
    let main = spec.into_iter().flat_map(|spec| &spec.containers);
    let sidecars = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten());
    main.chain(sidecars).flat_map(|container| container.ports.iter().flatten())
}

/// The local port for a remote one, where nobody chose: the same, unless that needs privileges.
pub(super) fn local_port(remote: u16) -> u16 {
    if remote >= 1024 { remote } else { remote + 8000 }
}
