//! What goes on beside the rounds: local ports, logs, pods in trouble, the cluster's identity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use serde_json::Value;

use tokio::sync::mpsc;

use crate::model::{
    Forward, Generation, ImageRef, LogFilter, Namespace, Project, Release, ReleaseName, WorkloadRef,
};
use crate::observe::{
    self, LogStart, LogTail, Lookout, Milestone, Moment, Moments, OpenForward, Sight,
};
use crate::report::{ForwardNews, Report, Reporter};

use super::super::{Event, Goal, Request};
use super::desk::{Desk, Done, Kept, Prepared};
use super::house::House;
use super::stopwatch::Stopwatch;

/// Everything that runs until the session leaves.
pub(super) struct Following {
    house: Arc<House>,
    reporter: Reporter,
    filter: LogFilter,
    shows_logs: bool,
    logs: Option<LogTail>,
    lookout: Option<Lookout>,
    workloads: BTreeMap<ReleaseName, BTreeSet<WorkloadRef>>,
    forwards: Vec<(Forward, OpenForward)>,
    /// What happens to pods, where anything is observed.
    moments: Option<Moments>,
    /// What each release was deployed as last.
    placed: BTreeMap<ReleaseName, Placed>,
    /// Resolves once the cluster is another one.
    changed: BoxFuture<'static, Event>,
    begun: jiff::Timestamp,
}

/// What is heard by following.
pub(super) enum Heard {
    /// Something that the session has to know.
    Event(Event),
    /// A new pod of a release has come on.
    Passed {
        /// Of which release.
        release: ReleaseName,
        /// How far.
        milestone: Milestone,
        /// When.
        at: Instant,
    },
}

/// What a release was deployed as, so that its new pods are known from others.
struct Placed {
    generation: Generation,
    workloads: BTreeSet<WorkloadRef>,
    images: Vec<ImageRef>,
    /// UIDs of the pods that ran before.
    before: BTreeSet<String>,
}

impl Placed {
    /// Whether it is a pod of what was deployed that this happened to.
    fn concerns(&self, moment: &Moment) -> bool {
        moment.workload(&self.workloads).is_some()
            && !self.before.contains(&moment.uid())
            && moment.is_made_of(&self.images)
    }
}

impl Following {
    /// Nothing is followed yet; the cluster's identity is watched from here on.
    pub(super) fn new(
        house: &Arc<House>,
        request: &Request,
        project: &Project,
        reporter: &Reporter,
    ) -> Self {
        let stays = matches!(request.goal, Goal::Watching | Goal::Following);
        let changed: BoxFuture<'static, Event> = match house.cluster.clone() {
            Some(cluster) if stays => {
                let reporter = reporter.clone();
                Box::pin(async move {
                    let reachable = |reachable: bool| {
                        let text = match reachable {
                            true => "the cluster answers again",
                            false => "the cluster does not answer; waiting for it",
                        };
                        reporter.note(text);
                    };
                    Event::ClusterChanged(cluster.changed(reachable).await.failure())
                })
            }
            _ => Box::pin(std::future::pending()),
        };
        let lookout = house.scene.as_ref().filter(|_| stays);
        let lookout = lookout.map(|scene| Lookout::start(scene, reporter));
        Self {
            house: Arc::clone(house),
            reporter: reporter.clone(),
            filter: project.logs.clone(),
            shows_logs: request.tail,
            logs: None,
            lookout,
            workloads: BTreeMap::new(),
            forwards: Vec::new(),
            moments: house.scene.as_ref().filter(|_| stays).map(Moments::start),
            placed: BTreeMap::new(),
            changed,
            begun: jiff::Timestamp::now(),
        }
    }

    /// The next thing that happens by itself. Safe to drop at any time.
    pub(super) async fn next(&mut self, project: &Project, stopwatch: &Stopwatch) -> Heard {
        let (lookout, moments, placed) = (&mut self.lookout, &mut self.moments, &self.placed);
        let seen = async {
            match lookout {
                Some(lookout) => lookout.next().await,
                None => std::future::pending().await,
            }
        };
        let passed = async {
            let Some(moments) = moments else { return std::future::pending().await };
            loop {
                let moment = moments.next().await;
                if let Some(heard) = heard(placed, moment, stopwatch) {
                    return heard;
                }
            }
        };
        tokio::select! {
            heard = passed => heard,
            event = &mut self.changed => {
                self.changed = Box::pin(std::future::pending());
                Heard::Event(event)
            }
            sight = seen => Heard::Event(match sight {
                Sight::Recovered(release) => Event::Recovered { release },
                Sight::Lost(namespace) => {
                    let releases = project.releases.values();
                    let in_it = |release: &&Release| self.house.namespace_of(release) == namespace;
                    let releases = releases.filter(in_it).map(|release| release.name.clone());
                    Event::Lost { releases: releases.collect(), namespace }
                }
            }),
        }
    }

    /// A release is about to be deployed: what changes in it is no surprise.
    pub(super) fn expect(&self, release: &ReleaseName, objects: &[Value], namespace: &Namespace) {
        if let Some(lookout) = &self.lookout {
            lookout.expect(release, objects, namespace);
        }
    }

    /// A release is about to be deployed in this attempt: its pods from here on are new ones.
    pub(super) fn begins(
        &mut self,
        release: &ReleaseName,
        generation: Generation,
        prepared: Option<&Prepared>,
    ) {
        let Some((moments, prepared)) = self.moments.as_ref().zip(prepared) else { return };
        let plan = &prepared.plan;
        let workloads = observe::workloads(&plan.objects, &plan.namespace);
        let before = moments.look_at(&workloads);
        let images = plan.images.values().cloned().collect();
        self.placed.insert(release.clone(), Placed { generation, workloads, images, before });
    }

    /// Where moments of pods are told.
    pub(super) fn moments(&self) -> Option<mpsc::Sender<Moment>> {
        self.moments.as_ref().map(Moments::teller)
    }

    /// Follows the pods and logs of a release as last deployed or found.
    pub(super) fn follow(&mut self, release: &ReleaseName, desk: &Desk, project: &Project) {
        let Some(scene) = &self.house.scene else { return };
        let Some(namespace) =
            project.releases.get(release).map(|release| self.house.namespace_of(release))
        else {
            return;
        };
        let workloads = observe::workloads(&desk.objects(release), &namespace);
        self.workloads.insert(release.clone(), workloads);
        if !self.shows_logs {
            return;
        }
        let all: BTreeSet<WorkloadRef> = self.workloads.values().flatten().cloned().collect();
        match &self.logs {
            Some(logs) => logs.set_workloads(all),
            None => {
                let start = LogStart::Session(self.begun);
                self.logs = Some(LogTail::start(scene, all, &self.filter, start, &self.reporter));
            }
        }
    }

    /// Shows other logs from here on, if the configuration says so.
    pub(super) fn adopt(&mut self, filter: &LogFilter) {
        if self.filter == *filter {
            return;
        }
        self.filter = filter.clone();
        if let Some(logs) = &self.logs {
            logs.set_filter(filter.clone());
        }
    }

    /// Releases are about to be taken back: that they go is no news.
    pub(super) fn forget<'a>(&mut self, releases: impl Iterator<Item = &'a ReleaseName>) {
        for release in releases {
            if let Some(lookout) = &self.lookout {
                lookout.forget(release);
            }
            self.workloads.remove(release);
        }
        if let Some(logs) = &self.logs {
            logs.set_workloads(self.workloads.values().flatten().cloned().collect());
        }
    }

    /// Keeps a local port open.
    pub(super) fn keep(&mut self, forward: Forward, open: OpenForward) {
        let news = ForwardNews::Open { local: open.local(), remote: open.remote().to_owned() };
        let target = open.target().to_owned();
        self.reporter.tell(Report::Forward { target, news });
        self.forwards.push((forward, open));
    }

    /// Closes a local port.
    pub(super) fn close(&mut self, forward: &Forward) {
        self.forwards.retain(|(known, _)| known != forward);
    }

    /// Stops everything: what is taken back is no news.
    pub(super) fn stop(&mut self) {
        self.logs = None;
        self.lookout = None;
        self.moments = None;
        self.forwards.clear();
    }
}

/// What a pod's moment means, if it is one of what was deployed last.
fn heard(
    placed: &BTreeMap<ReleaseName, Placed>,
    moment: Moment,
    stopwatch: &Stopwatch,
) -> Option<Heard> {
    let (release, of) = placed.iter().find(|(_, placed)| placed.concerns(&moment))?;
    let (release, generation) = (release.clone(), of.generation);
    Some(match moment.milestone {
        Milestone::Answered { target } => {
            let took = stopwatch.since_save(moment.at);
            Heard::Event(Event::Answered { release, generation, target, took })
        }
        milestone => Heard::Passed { release, milestone, at: moment.at },
    })
}

/// Answers `OpenForward`.
pub(super) async fn open(
    house: Arc<House>,
    reporter: Reporter,
    moments: Option<mpsc::Sender<Moment>>,
    forward: Forward,
) -> Done {
    let (Some(scene), Some(cluster)) = (&house.scene, &house.cluster) else {
        return Done::of(Event::ForwardOpened { forward, result: Ok(()) });
    };
    let opened = observe::open_forward(scene, &forward, cluster.namespace(), &reporter, moments);
    match opened.await {
        Err(error) => {
            let result = Err(error.failure());
            Done::of(Event::ForwardOpened { forward, result })
        }
        Ok(open) => {
            let event = Event::ForwardOpened { forward: forward.clone(), result: Ok(()) };
            Done::keeping(event, Kept::Forward(forward, open))
        }
    }
}
