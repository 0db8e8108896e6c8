//! Waits until what was deployed is ready, by watching, and says what it waits for.
//!
//! Comes in: the objects of a release as they were rendered, and how long they may take. Goes
//! out: what is waited for whenever that changes, pods in trouble at once, and in the end
//! readiness or the reason why no time will bring it. Knows nothing of how the objects got there.

mod late;
mod target;

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::model::{ImageRef, Namespace, ReleaseName, WaitRule};
use crate::observe::crash;
use crate::observe::error::{Broken, ObserveError};

use crate::observe::outcome::{Complaint, Outcome, Patience, sum_up};
use crate::observe::scene::Scene;
use crate::report::{ReleaseNews, Report};

use late::Late;
use target::Targets;

/// What is to become ready.
#[derive(Debug, Clone, Copy)]
pub struct Settling<'a> {
    /// Whose objects they are; reports carry this name.
    pub release: &'a ReleaseName,
    /// Where objects lie that name no namespace.
    pub namespace: &'a Namespace,
    /// The objects as rendered, or as much of each as a wait needs: type, name, and whether it goes
    /// by itself when it is done.
    pub objects: &'a [Value],
    /// Images that may have come to the nodes after pods that want them, and are there now.
    pub late: &'a BTreeSet<ImageRef>,
    /// How long they may take.
    pub rule: &'a WaitRule,
}

/// Waits until every object of a release is ready.
///
/// Call it when the objects are in the cluster. Objects that never become ready in any time
/// (`ExternalName` Services, Services that select nothing, claims that no pod uses yet, suspended
/// Jobs, CronJobs, kinds without readiness) are not waited for.
///
/// # Errors
///
/// [`ObserveError::NotReady`] as soon as no time can mend it, [`ObserveError::TooLate`] when the
/// rule's time is over, [`ObserveError::Cancelled`], and what keeps wharf from watching.
pub async fn settle(
    scene: &Scene,
    settling: Settling<'_>,
    tell: &(dyn Fn(Report) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<(), ObserveError> {
    if !settling.rule.ready {
        return Ok(());
    }
    let targets = Targets::of(settling.objects, settling.namespace);
    let limit = settling.rule.timeout;
    let watch = Watch { scene, settling, targets: &targets, told: Vec::new(), lack: None };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ObserveError::Cancelled),
        done = watch.run(Instant::now() + limit, tell) => done,
    }
}

/// The state of one wait.
struct Watch<'a> {
    scene: &'a Scene,
    settling: Settling<'a>,
    targets: &'a Targets,
    /// The waits as they were told last.
    told: Vec<String>,
    /// What is lacking, and since when nothing about it has changed.
    lack: Option<(Patience, Instant)>,
}

impl Watch<'_> {
    async fn run(
        mut self,
        deadline: Instant,
        tell: &(dyn Fn(Report) + Send + Sync),
    ) -> Result<(), ObserveError> {
        let prepared = tokio::time::timeout_at(deadline, self.targets.prepare(self.scene)).await;
        let classes = prepared.map_err(|_| self.too_late())??;
        let mut changes = self.scene.changes();
        let mut reports = FuturesUnordered::new();
        let mut late = Late::of(self.settling.late);
        let mut wakes = FuturesUnordered::new();
        let mut ready_since = None;
        let outcome = loop {
            changes.borrow_and_update();
            let seen = self.targets.look(self.scene, &classes);
            let now = Instant::now();
            let asleep = late.asleep(&seen, now).into_iter();
            wakes.extend(
                asleep.map(|(namespace, pod)| {
                    late::wake(self.scene.client().clone(), namespace, pod)
                }),
            );
            for (namespace, seen) in &seen {
                let news = crash::news(self.scene, namespace, seen, self.targets.workloads());
                reports.extend(news.into_iter().map(|news| news.report(self.scene)));
            }
            if let Some(refusal) = self.targets.refusal(self.scene) {
                break Err(refusal);
            }
            let judged = self.targets.judge(self.scene, &seen);
            let mut outcome = sum_up(&judged, self.scene.is_local());
            let excused = outcome.excused(|trouble| late.excuses(&trouble.uid, now));
            if outcome != Outcome::Ready {
                ready_since = None;
            }
            let mut steady_at = None;
            match outcome {
                Outcome::Ready => {
                    let now = Instant::now();
                    let since = *ready_since.get_or_insert(now);
                    let probation = self.targets.probation(&seen, Timestamp::now());
                    let over = probation.map(|probation| (since + probation).min(deadline));
                    match over.filter(|over| now < *over) {
                        None => break Ok(()),
                        Some(over) => steady_at = Some(over),
                    }
                    self.bear(None);
                }
                Outcome::Failed(complaints) => break Err(self.not_ready(complaints).await),
                Outcome::Waiting { waits, patience } => {
                    self.bear(patience);
                    self.say(waits, tell);
                }
            }
            let (patience_ends, complaints) = self.end_of_patience(deadline);
            tokio::select! {
                _ = changes.changed() => {}
                Some(()) = wakes.next() => {}
                () = sleep_until(excused.unwrap_or(deadline)), if excused.is_some() => {}
                Some(report) = reports.next() => tell(report),
                () = sleep_until(steady_at.unwrap_or(deadline)), if steady_at.is_some() => {}
                () = sleep_until(patience_ends), if steady_at.is_none() => break Err(match complaints {
                    Some(complaints) => self.not_ready(complaints).await,
                    None => self.too_late(),
                }),
            }
        };
        while wakes.next().await.is_some() {}
        while let Some(report) = reports.next().await {
            tell(report);
        }
        outcome
    }

    /// Tells what is waited for, if that is news.
    fn say(&mut self, waits: Vec<String>, tell: &(dyn Fn(Report) + Send + Sync)) {
        if self.told != waits {
            self.told.clone_from(&waits);
            let news = ReleaseNews::Settling { waits };
            tell(Report::Release { name: self.settling.release.clone(), news });
        }
    }

    /// Starts the clock of a lack anew, unless nothing about it has changed.
    fn bear(&mut self, patience: Option<Patience>) {
        let since = match (&self.lack, &patience) {
            (Some((before, since)), Some(now)) if before == now => *since,
            _ => Instant::now(),
        };
        self.lack = patience.map(|patience| (patience, since));
    }

    /// When the wait ends if nothing changes, and what it has failed for then; nothing in
    /// particular where the release's own time is over first.
    fn end_of_patience(&self, deadline: Instant) -> (Instant, Option<Vec<Complaint>>) {
        match &self.lack {
            Some((patience, since)) if *since + patience.limit < deadline => {
                (*since + patience.limit, Some(patience.complaints.clone()))
            }
            _ => (deadline, None),
        }
    }

    async fn not_ready(&self, mut complaints: Vec<Complaint>) -> ObserveError {
        self.name_users_of_claims(&mut complaints);
        let mut broken = Vec::new();
        for complaint in &complaints {
            let namespace = self.targets.namespace_of(&complaint.subject);
            let namespace = namespace.unwrap_or(self.settling.namespace);
            let lines = crash::last_lines(self.scene, namespace, &complaint.trouble).await;
            broken.push(Broken::new(complaint, lines));
        }
        ObserveError::NotReady(broken)
    }

    /// A claim is often known to be stuck before its user has a pod that could complain.
    fn name_users_of_claims(&self, complaints: &mut Vec<Complaint>) {
        for index in 0..complaints.len() {
            let Complaint { subject, trouble } = complaints[index].clone();
            for subject in self.targets.users_of(self.scene, &subject) {
                if complaints.iter().all(|complaint| complaint.subject != subject) {
                    complaints.push(Complaint { subject, trouble: trouble.clone() });
                }
            }
        }
    }

    fn too_late(&self) -> ObserveError {
        let limit = self.settling.rule.timeout;
        ObserveError::TooLate { limit, waits: self.told.clone() }
    }
}
