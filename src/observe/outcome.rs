//! From what is thought of each object to what is thought of the release.

use std::time::Duration;

use tokio::time::Instant;

use crate::observe::trouble::{Nature, Trouble};
use crate::observe::verdict::{Verdict, Wait};

/// After so many restarts a program that ends again and again is called broken.
const CRASHES: i32 = 3;
/// The same while other parts of the release are still coming up: the program may need them.
const CRASHES_WHILE_OTHERS_COME: i32 = 6;
/// After so many attempts an image that does not come is given up.
const PULLS: i32 = 2;
/// How long something may lack what only a person, or something outside the release, can give.
const LACK: Duration = Duration::from_secs(10);
/// The same on a cluster that other people and machines work on.
const LACK_ELSEWHERE: Duration = Duration::from_secs(60);

/// What is thought of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything is ready.
    Ready,
    /// Not yet.
    Waiting {
        /// One line per thing that is waited for.
        waits: Vec<String>,
        /// When this lasts unchanged for so long, it has failed.
        patience: Option<Patience>,
    },
    /// No time will mend it.
    Failed(Vec<Complaint>),
}

/// How long an unchanging lack is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patience {
    /// What would be the failure.
    pub(super) complaints: Vec<Complaint>,
    /// How long.
    pub(super) limit: Duration,
}

/// A trouble and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Such as `deployment/api`.
    pub(super) subject: String,
    /// What is wrong.
    pub(super) trouble: Trouble,
}

impl Outcome {
    /// Makes a failure a wait, where all that it complains of is about to be over; returns when
    /// that is no longer to be believed.
    pub(super) fn excused(
        &mut self,
        excuse: impl Fn(&Trouble) -> Option<Instant>,
    ) -> Option<Instant> {
        let Self::Failed(complaints) = self else { return None };
        let until: Option<Vec<Instant>> =
            complaints.iter().map(|complaint| excuse(&complaint.trouble)).collect();
        let until = until?.into_iter().min()?;
        let wait = |complaint: &Complaint| {
            format!("{}: kubelet to find an image that has just come", complaint.subject)
        };
        *self = Self::Waiting { waits: complaints.iter().map(wait).collect(), patience: None };
        Some(until)
    }
}

/// Sums up. `judged` is one object (`deployment/api`) and its verdict each.
pub(super) fn sum_up(judged: &[(String, Verdict)], is_local: bool) -> Outcome {
    let mut waiting: Vec<(&String, &Wait)> = Vec::new();
    let mut absent = Vec::new();
    for (subject, verdict) in judged {
        match verdict {
            Verdict::Ready => {}
            Verdict::Absent => absent.push(subject),
            Verdict::Waiting(waits) => waiting.extend(waits.iter().map(|wait| (subject, wait))),
        }
    }
    let failed = waiting.iter().filter_map(|(subject, wait)| {
        let trouble = wait.trouble.as_ref()?;
        let others_come = waiting.iter().any(|(other, wait)| other != subject && is_coming(wait));
        is_over(trouble, others_come).then(|| complaint(subject, trouble))
    });
    let mut failed: Vec<_> = failed.collect();
    failed.extend(absent.into_iter().map(|subject| {
        let what = "is gone: somebody deleted it".to_owned();
        complaint(subject, &Trouble::new(Nature::Final, subject.clone(), what))
    }));
    if !failed.is_empty() {
        return Outcome::Failed(failed);
    }
    if waiting.is_empty() {
        return Outcome::Ready;
    }
    Outcome::Waiting { waits: lines(&waiting), patience: patience(&waiting, is_local) }
}

/// Whether a wait is a matter of time only.
fn is_coming(wait: &Wait) -> bool {
    wait.trouble.as_ref().is_none_or(|trouble| trouble.nature == Nature::Passing)
}

fn is_over(trouble: &Trouble, others_come: bool) -> bool {
    match trouble.nature {
        Nature::Final => true,
        Nature::Crash { restarts } => {
            restarts >= if others_come { CRASHES_WHILE_OTHERS_COME } else { CRASHES }
        }
        Nature::Pull { attempts } => attempts >= PULLS,
        Nature::Passing | Nature::Capacity | Nature::Missing => false,
    }
}

fn patience(waiting: &[(&String, &Wait)], is_local: bool) -> Option<Patience> {
    let lacks = waiting.iter().filter_map(|(subject, wait)| {
        let trouble = wait.trouble.as_ref()?;
        let counts = match trouble.nature {
            Nature::Missing => true,
            // Elsewhere a node may be added; the release's own time limit holds then.
            Nature::Capacity => is_local,
            _ => false,
        };
        counts.then(|| complaint(subject, trouble))
    });
    let complaints: Vec<_> = lacks.collect();
    let limit = if is_local { LACK } else { LACK_ELSEWHERE };
    (!complaints.is_empty()).then_some(Patience { complaints, limit })
}

fn complaint(subject: &str, trouble: &Trouble) -> Complaint {
    Complaint { subject: subject.to_owned(), trouble: trouble.clone() }
}

/// One line per wait; of many that are alike, the first few.
fn lines(waiting: &[(&String, &Wait)]) -> Vec<String> {
    const OF_ONE: usize = 5;
    let mut lines = Vec::new();
    // A Service waits for pods; as long as these are waited for anyway, it says nothing more.
    let is_service = |subject: &str| subject.starts_with("service/");
    let all_services = waiting.iter().all(|(subject, _)| is_service(subject));
    for (subject, waits) in by_subject(waiting) {
        if is_service(subject) && !all_services {
            continue;
        }
        lines.extend(waits.iter().take(OF_ONE).map(|wait| format!("{subject}: {}", wait.text)));
        if waits.len() > OF_ONE {
            lines.push(format!("{subject}: {} more", waits.len() - OF_ONE));
        }
    }
    lines
}

fn by_subject<'a>(waiting: &[(&'a String, &'a Wait)]) -> Vec<(&'a String, Vec<&'a Wait>)> {
    let mut groups: Vec<(&String, Vec<&Wait>)> = Vec::new();
    for (subject, wait) in waiting {
        match groups.last_mut() {
            Some((of, waits)) if of == subject => waits.push(wait),
            _ => groups.push((subject, vec![wait])),
        }
    }
    groups
}
