//! Which pods answer through a local port, whatever kubelet thinks of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use crate::observe::pod::restarts;

/// How a pod stood when it was first seen to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answers {
    /// How often it had been started again: what starts anew has to answer anew.
    pub(super) restarts: i32,
    /// How often kubelet had said that a probe failed.
    pub(super) failures: i32,
}

/// The newest pod that was seen to answer behind each local port.
#[derive(Debug, Default)]
pub(super) struct Reachable {
    by_target: Mutex<BTreeMap<String, (String, Answers)>>,
}

impl Reachable {
    /// `pod` answers behind `target`, and kubelet's probes have failed so often until now.
    pub(super) fn set(&self, target: &str, pod: &Pod, failures: i32) {
        let answers = Answers { restarts: restarts(pod), failures };
        let answers = (pod.uid().unwrap_or_default(), answers);
        let mut known = self.by_target.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(target.to_owned(), answers);
    }

    /// The pods that answer, by their UID.
    pub(super) fn all(&self) -> BTreeMap<String, Answers> {
        let known = self.by_target.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }
}
