//! Tells what is wrong with pods: once, at once, with the program's own last lines.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, ResourceExt};

use crate::model::{Namespace, WorkloadRef};
use crate::observe::logs::tidy;
use crate::observe::pod::{PodState, judge, probation};
use crate::observe::scene::{Scene, Seen};
use crate::observe::trouble::{LastLines, Nature, Trouble};
use crate::observe::workload::owner_among;
use crate::report::Report;

/// How many of a program's last lines are shown.
const LINES: i64 = 20;
/// Lines are an extra: a kubelet that does not answer must not hold up the news itself.
const LINES_LIMIT: Duration = Duration::from_secs(3);

/// Something that a person should hear about a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    workload: Option<WorkloadRef>,
    namespace: Namespace,
    pod: String,
    container: Option<String>,
    /// Absent: its trouble is over.
    trouble: Option<Trouble>,
}

/// What is new about the pods of `workloads` in `namespace`. What this returns is to be told: it
/// will not be returned again.
pub(super) fn news(
    scene: &Scene,
    namespace: &Namespace,
    seen: &Seen,
    workloads: &BTreeSet<WorkloadRef>,
) -> Vec<News> {
    let mut news = Vec::new();
    for pod in &seen.pods {
        let Some(workload) = owner_among(pod, workloads) else { continue };
        let about = |container, trouble| News {
            workload: Some(workload.clone()),
            namespace: namespace.clone(),
            pod: pod.name_any(),
            container,
            trouble,
        };
        match judge(pod, seen) {
            PodState::Unready(unready) => {
                let trouble = unready.trouble.filter(|trouble| trouble.nature != Nature::Passing);
                if let Some(trouble) = trouble.filter(|trouble| scene.ledger().is_news(trouble)) {
                    news.push(about(trouble.container.clone(), Some(trouble)));
                }
            }
            // A program that ends again and again runs in between.
            PodState::Ready if probation(pod, Timestamp::now()).is_some() => {}
            PodState::Ready | PodState::Succeeded => {
                let uid = pod.metadata.uid.as_deref().unwrap_or_default();
                if let Some(container) = scene.ledger().is_mended(uid) {
                    news.push(about(container, None));
                }
            }
            PodState::Going => {}
        }
    }
    news
}

impl News {
    /// News of a crash that `pod` has recovered from already.
    pub(super) fn of_crash(workload: &WorkloadRef, pod: &Pod, trouble: Trouble) -> Self {
        Self {
            workload: Some(workload.clone()),
            namespace: workload.namespace.clone(),
            pod: pod.name_any(),
            container: trouble.container.clone(),
            trouble: Some(trouble),
        }
    }

    /// The report, with the program's last lines where it ran.
    pub(super) async fn report(self, scene: &Scene) -> Report {
        let Some(trouble) = self.trouble else {
            return Report::Pod {
                workload: self.workload,
                pod: self.pod,
                container: self.container,
                what: "is ready".to_owned(),
                last_lines: vec![],
                mended: true,
            };
        };
        Report::Pod {
            workload: self.workload,
            last_lines: last_lines(scene, &self.namespace, &trouble).await,
            pod: self.pod,
            container: self.container,
            what: trouble.what,
            mended: false,
        }
    }
}

/// The last lines of the program that `trouble` is about; none where there are none to be had.
pub(super) async fn last_lines(
    scene: &Scene,
    namespace: &Namespace,
    trouble: &Trouble,
) -> Vec<String> {
    let Some(pod) = &trouble.pod else { return vec![] };
    let previous = match trouble.last_lines {
        LastLines::None => return vec![],
        LastLines::Current => false,
        LastLines::Previous => true,
    };
    let pods: Api<Pod> = Api::namespaced(scene.client().clone(), namespace.as_str());
    // A container is replaced while one looks; then its lines are under the other name.
    for previous in [previous, !previous] {
        let params = LogParams {
            container: trouble.container.clone(),
            previous,
            tail_lines: Some(LINES),
            ..LogParams::default()
        };
        if let Ok(Ok(text)) = tokio::time::timeout(LINES_LIMIT, pods.logs(pod, &params)).await {
            let lines: Vec<_> = text.lines().map(|line| tidy(line.as_bytes())).collect();
            if !lines.is_empty() {
                return lines;
            }
        }
    }
    vec![]
}
