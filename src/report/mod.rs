//! What can be told: [`Report`], [`Failure`] and the channel end that carries them.
//!
//! Every floor may tell; only `ui` shows. A report is plain comparable data, so that a test can
//! say what it expects and `--json` can print it. A secret never gets into one.

mod failure;
mod reporter;

use std::time::Duration;

use serde::Serialize;

use crate::model::{ArtifactName, ImageRef, ObjectRef, ReleaseName, WorkloadRef};

pub use failure::{Failure, FailureKind};
pub use reporter::{Reporter, Reports};

/// One thing that a person or a program may want to know.
///
/// The JSON form (one object a line, `report` says which) is a promise: fields are added, never
/// changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The first line: what will be worked on, and where.
    Started {
        /// The project's name.
        project: String,
        /// The kubeconfig context.
        context: String,
        /// The namespace that releases go to unless they say otherwise.
        namespace: String,
        /// How many images the goal needs.
        artifacts: usize,
        /// How many releases the goal needs.
        releases: usize,
        /// The names of all images of the project that the goal may touch.
        artifact_names: Vec<ArtifactName>,
        /// The names of all releases of the project that the goal may touch.
        release_names: Vec<ReleaseName>,
        /// The names that were asked for; empty: the whole project.
        asked_for: Vec<String>,
        /// The configuration file's name, absent where there is none.
        file: Option<String>,
    },
    /// Something about one image.
    Artifact {
        /// Which image.
        name: ArtifactName,
        /// What happened to it.
        #[serde(flatten)]
        news: ArtifactNews,
    },
    /// Something about one release.
    Release {
        /// Which release.
        name: ReleaseName,
        /// What happened to it.
        #[serde(flatten)]
        news: ReleaseNews,
    },
    /// A save was noticed.
    Changed {
        /// Some of the changed paths, relative to the project where they lie in it.
        paths: Vec<String>,
        /// How many changed in all.
        count: usize,
        /// `true` when nothing depends on any of them.
        ignored: bool,
    },
    /// A local port leads into the cluster, or no longer does.
    Forward {
        /// What it leads to, such as `service/web`.
        target: String,
        /// What happened to it.
        #[serde(flatten)]
        news: ForwardNews,
    },
    /// A line that a container wrote.
    Log(LogLine),
    /// A pod cannot start or has crashed.
    Pod {
        /// The workload it belongs to, if any.
        workload: Option<WorkloadRef>,
        /// The pod's name.
        pod: String,
        /// The container, if one is at fault.
        container: Option<String>,
        /// What is wrong, in one line.
        what: String,
        /// The program's own last lines.
        last_lines: Vec<String>,
        /// The pod's trouble is over.
        mended: bool,
    },
    /// A round ended: everything that the last saves asked for is live or has failed.
    Round {
        /// From the last save that led to something (or the start) to the end of the round.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// From the save until new connections went to the new version, where local ports lead to
        /// what was deployed.
        #[serde(rename = "live_seconds", serialize_with = "optional_seconds")]
        live: Option<Duration>,
        /// From the save until Kubernetes called ready what was deployed.
        #[serde(rename = "ready_seconds", serialize_with = "optional_seconds")]
        ready: Option<Duration>,
        /// How many things failed.
        failed: usize,
        /// `true` for the round that began with the start.
        first: bool,
    },
    /// The loop waits for saves.
    Watching {
        /// How many files are watched.
        files: usize,
    },
    /// Something waits, and why.
    Waiting {
        /// What waits.
        name: String,
        /// Why, as the end of "waits for …".
        why: String,
    },
    /// A failure that does not belong to one image or release.
    Failed(Failure),
    /// Something a person should know that is no failure.
    Note {
        /// One line, or a few.
        text: String,
    },
    /// A warning: it works, but not as one might think.
    Warning {
        /// One line, or a few.
        text: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// One finding of `wharf doctor`.
    Check(Check),
    /// What the command was asked for: the data for pipes.
    Data {
        /// What it is, such as `images`, `manifests` or `version`.
        what: &'static str,
        /// As a person or a pipe wants it.
        #[serde(skip)]
        text: String,
        /// As a program wants it.
        data: serde_json::Value,
    },
    /// A line of the developers' own log, asked for with `-v`.
    Trace {
        /// The formatted line.
        text: String,
    },
    /// The way out has begun.
    Leaving,
    /// One thing was taken back.
    Undone {
        /// What, such as "uninstalled `shop`".
        what: String,
    },
    /// The end.
    Stopped {
        /// From the interrupt to the end.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// What could not be taken back: what, why and the command.
        leftovers: Vec<crate::model::Leftover>,
        /// What stays on purpose, because it was there before or was asked to stay.
        kept: Vec<String>,
    },
}

/// One finding of `wharf doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, such as `docker`.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// What was found, in one line.
    pub what: String,
    /// How to mend it, one action each.
    pub help: Vec<String>,
}

/// How a thing that `wharf doctor` looks at stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// Nothing to do.
    Ok,
    /// It works, but something is amiss.
    Warn,
    /// It does not work.
    Fail,
}

/// What happens to an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum ArtifactNews {
    /// Its inputs hash to the image that is there already.
    Unchanged {
        /// The image.
        image: ImageRef,
        /// Where it was found: `nodes`, `engine` or `registry`.
        found: &'static str,
    },
    /// A build began.
    Building {
        /// The image that it will be.
        image: ImageRef,
        /// Why: which inputs differ from the last known build.
        why: String,
    },
    /// A step of the build began or ended.
    Step {
        /// Such as `[build 2/4] RUN go build`.
        step: String,
        /// It came from the cache.
        cached: bool,
        /// It ended.
        done: bool,
        /// How long it ran, once it ended.
        #[serde(rename = "seconds", serialize_with = "optional_seconds")]
        took: Option<Duration>,
    },
    /// The build succeeded.
    Built {
        /// The image.
        image: ImageRef,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// Steps that came from the cache, and all steps.
        cached: (usize, usize),
    },
    /// A newer save made the build pointless.
    Cancelled,
    /// It is on its way, with what has gone over so far; told while that changes.
    Sending {
        /// Bytes that have gone over.
        sent_bytes: u64,
        /// Bytes that are known to go over; more may come.
        total_bytes: u64,
    },
    /// The image is where the pods can use it.
    Delivered {
        /// The image, with its digest where a registry named one.
        image: ImageRef,
        /// `loaded` or `pushed`.
        how: &'static str,
        /// Bytes that went over.
        sent_bytes: u64,
        /// Bytes of the whole image; 0 where unknown.
        total_bytes: u64,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// It cannot be hashed, built or delivered.
    Failed(Failure),
}

/// What happens to a release.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum ReleaseNews {
    /// What runs is what is wanted.
    Unchanged {
        /// Helm's revision, where there is one.
        revision: Option<u32>,
    },
    /// Somebody changed or deleted its objects.
    Drifted {
        /// What differs, one line each.
        what: Vec<String>,
    },
    /// Deploying began.
    Deploying {
        /// Why: which input differs from what runs.
        why: String,
    },
    /// A Helm hook runs or has ended.
    Hook {
        /// The hook's object, such as `job/migrate`.
        hook: String,
        /// `running`, `succeeded` or `failed`.
        state: &'static str,
        /// How long it ran, once it ended.
        #[serde(rename = "seconds", serialize_with = "optional_seconds")]
        took: Option<Duration>,
    },
    /// Its objects are as rendered.
    Deployed {
        /// Helm's revision, where there is one.
        revision: Option<u32>,
        /// Objects that are no longer in the manifests and were deleted.
        pruned: Vec<ObjectRef>,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// Other images were put into what runs; nothing else differed.
    Patched {
        /// Helm's history does not say so yet, and `recorded` follows.
        lags: bool,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// Helm's history says what runs, after images were put in without Helm.
    Recorded {
        /// Helm's revision.
        revision: Option<u32>,
        /// What Helm found to change besides.
        changed: Vec<ObjectRef>,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// It is not ready yet; said when the reason changes.
    Settling {
        /// One line per thing that is waited for.
        waits: Vec<String>,
    },
    /// Its new version answers: new connections of a local port go to it, whether Kubernetes calls
    /// it ready yet or not.
    Answers {
        /// What the local port leads to, such as `service/web`.
        target: String,
        /// From the save (or the start) to here.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// Everything in it is ready.
    Live {
        /// From the end of the deploy to here.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// It was rolled back, as its configuration asks.
    RolledBack {
        /// The revision that runs.
        revision: u32,
    },
    /// It cannot be rendered, deployed or does not settle.
    Failed(Failure),
}

/// What happens to a port forward.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum ForwardNews {
    /// The local port listens.
    Open {
        /// `127.0.0.1:PORT`.
        local: std::net::SocketAddr,
        /// The remote port.
        remote: String,
    },
    /// The local port is closed.
    Closed,
    /// It cannot be opened.
    Failed(Failure),
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The workload's name: what the prefix shows.
    pub workload: String,
    /// Tells replicas apart; absent where there is only one.
    pub replica: Option<String>,
    /// The container, absent where the pod has only one.
    pub container: Option<String>,
    /// Kubelet's RFC 3339 stamp, empty where there is none.
    pub stamp: String,
    /// The line without its end; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// What stands before the line in place of the three above, where the configuration says so;
    /// empty: nothing.
    pub prefix: Option<String>,
    /// Not the container's: a remark about the stream, such as lost lines.
    pub remark: bool,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}

fn optional_seconds<S: serde::Serializer>(
    took: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match took {
        Some(took) => seconds(took, serializer),
        None => serializer.serialize_none(),
    }
}
