//! What can go wrong on the way into the cluster.

use std::time::Duration;

use jiff::Timestamp;

use super::refusal;
use crate::cluster::{ClusterError, said};
use crate::model::{Namespace, ObjectRef, ReleaseName};
use crate::report::Failure;
use crate::tools::ToolError;

/// A release could not be deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The cluster does not answer or refuses the user.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Helm is not installed.
    #[error("`helm` is not on the PATH")]
    HelmMissing,
    /// Helm failed in a way that is not known here.
    #[error("`{release}` could not be deployed")]
    Helm {
        /// Which release.
        release: ReleaseName,
        /// Helm's own words.
        #[source]
        source: ToolError,
    },
    /// A template or values file is wrong.
    #[error("the chart of `{release}` does not render{}", at(place))]
    Template {
        /// Which release.
        release: ReleaseName,
        /// `path:line:column`, as far as Helm tells; empty where it does not.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// Subcharts are missing.
    #[error("the chart of `{release}` lacks its dependencies {names}")]
    MissingDependency {
        /// Which release.
        release: ReleaseName,
        /// Their names.
        names: String,
        /// The chart's folder or name.
        chart: String,
    },
    /// An operation on the release has begun and not ended.
    #[error("release `{release}` is {status}: another operation has not ended")]
    Pending {
        /// Which release.
        release: ReleaseName,
        /// Where.
        namespace: Namespace,
        /// Helm's word.
        status: String,
        /// Since when, where known.
        since: Option<Timestamp>,
        /// A Helm process that works on it runs on this machine.
        running: bool,
        /// The revision to go back to.
        last_good: Option<u32>,
    },
    /// A hook did not succeed.
    #[error("hook `{hook}` of `{release}` failed")]
    Hook {
        /// Which release.
        release: ReleaseName,
        /// Such as `job/migrate`.
        hook: String,
        /// Such as "container `migrate` exited with code 1", or `BackoffLimitExceeded`.
        why: String,
        /// What its pod wrote last.
        last_lines: Vec<String>,
    },
    /// An object is not as it was a moment ago.
    #[error("{object} of `{release}` was changed by somebody else meanwhile")]
    Overtaken {
        /// Which release.
        release: ReleaseName,
        /// Which object.
        object: ObjectRef,
    },
    /// The server refuses a manifest.
    #[error("{what} of `{release}` is not valid")]
    Invalid {
        /// Which release.
        release: ReleaseName,
        /// Which object, such as `deployment/api`, or "a manifest".
        what: String,
        /// The server's words, one line each.
        why: Vec<String>,
    },
    /// A field that can only be set once differs.
    #[error("{what} of `{release}` cannot be changed in place")]
    Immutable {
        /// Which release.
        release: ReleaseName,
        /// Which object, such as `job/migrate`.
        what: String,
        /// The server's words.
        why: String,
        /// The command that deletes the object; empty where it is not known.
        by_hand: String,
    },
    /// Helm finds an object that is not the release's.
    #[error("{what} is there already and does not belong to release `{release}`")]
    NotTheReleases {
        /// Which release.
        release: ReleaseName,
        /// Which object.
        what: String,
        /// Helm's words.
        why: String,
    },
    /// Fields are owned by somebody else.
    #[error("{object} of `{release}` is managed by {manager} as well")]
    Conflict {
        /// Which release.
        release: ReleaseName,
        /// Which object.
        object: ObjectRef,
        /// The other manager.
        manager: String,
        /// The fields in question.
        fields: Vec<String>,
    },
    /// The server does not know the kind.
    #[error("the cluster knows no kind `{kind}` in `{api_version}`")]
    NoSuchKind {
        /// Such as `example.com/v1`.
        api_version: String,
        /// Such as `Widget`.
        kind: String,
        /// The object of that kind.
        name: String,
    },
    /// The namespace of an object is not there.
    #[error("namespace `{namespace}` of {object} is not there")]
    NoSuchNamespace {
        /// Which one.
        namespace: String,
        /// Which object.
        object: ObjectRef,
    },
    /// An object without a name of its own could not be found again.
    #[error("{what} has `metadata.generateName`")]
    GeneratedName {
        /// Such as "a Job".
        what: String,
    },
    /// A manifest lacks what every object has.
    #[error("{what} has no `{key}`")]
    Incomplete {
        /// Which manifest, as far as it says.
        what: String,
        /// Such as `kind`.
        key: &'static str,
    },
    /// A manifest names a namespace that cannot be.
    #[error("{what} cannot live in its namespace")]
    BadNamespace {
        /// Which manifest.
        what: String,
        /// The rule.
        why: String,
    },
    /// The server's answer to one object is not known here.
    #[error("{object} of `{release}` was refused")]
    Refused {
        /// Which release.
        release: ReleaseName,
        /// Which object.
        object: ObjectRef,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// Something did not happen in time.
    #[error("{what} took longer than {} s", limit.as_secs())]
    TooSlow {
        /// Such as "deleting job/migrate".
        what: String,
        /// How long it was given.
        limit: Duration,
        /// What to look at.
        help: String,
    },
    /// The record was changed by others again and again.
    #[error("the record `{name}` in namespace `{namespace}` is being written by somebody else")]
    RecordBusy {
        /// Where it lies.
        namespace: Namespace,
        /// The Secret.
        name: String,
    },
    /// It was cancelled.
    #[error("deploying `{release}` was cancelled")]
    Cancelled {
        /// Which release.
        release: ReleaseName,
    },
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(": {place}") }
}

impl DeployError {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cluster(error) => error.code(),
            Self::HelmMissing => "wharf::deploy::helm_missing",
            Self::Helm { .. } => "wharf::deploy::helm",
            Self::Template { .. } => "wharf::deploy::template",
            Self::MissingDependency { .. } => "wharf::deploy::missing_dependency",
            Self::Pending { .. } => "wharf::deploy::pending",
            Self::Hook { .. } => "wharf::deploy::hook",
            Self::Invalid { .. } => "wharf::deploy::invalid",
            Self::Immutable { .. } => "wharf::deploy::immutable",
            Self::NotTheReleases { .. } => "wharf::deploy::not_the_releases",
            Self::Conflict { .. } => "wharf::deploy::conflict",
            Self::NoSuchKind { .. } => "wharf::deploy::no_such_kind",
            Self::NoSuchNamespace { .. } => "wharf::deploy::no_such_namespace",
            Self::GeneratedName { .. } => "wharf::deploy::generated_name",
            Self::Incomplete { .. } => "wharf::deploy::incomplete",
            Self::BadNamespace { .. } => "wharf::deploy::bad_namespace",
            Self::Refused { .. } => "wharf::deploy::refused",
            Self::Overtaken { .. } => "wharf::deploy::overtaken",
            Self::TooSlow { .. } => "wharf::deploy::too_slow",
            Self::RecordBusy { .. } => "wharf::deploy::record_busy",
            Self::Cancelled { .. } => "wharf::deploy::cancelled",
        }
    }

    /// The object that it is about, such as `deployment/api`, where it is about one.
    #[must_use]
    pub fn object(&self) -> Option<String> {
        match self {
            Self::Hook { hook: what, .. }
            | Self::Invalid { what, .. }
            | Self::Immutable { what, .. }
            | Self::NotTheReleases { what, .. } => Some(what.clone()),
            Self::Conflict { object, .. }
            | Self::NoSuchNamespace { object, .. }
            | Self::Refused { object, .. } => Some(object.short()),
            Self::NoSuchKind { kind, name, .. } => {
                Some(format!("{}/{name}", kind.to_ascii_lowercase()))
            }
            _ => None,
        }
    }

    /// The failure as it is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let work = Failure::work(self.code(), self.to_string());
        match self {
            Self::Cluster(error) => error.failure(),
            Self::HelmMissing => work
                .help("install Helm 3 or 4: https://helm.sh/docs/intro/install/")
                .help("or deploy plain manifests: `manifests:` or `kustomize:` in wharf.yaml"),
            Self::Overtaken { object, .. } => {
                work.help(format!("see who: `kubectl get {} -o yaml`", object.by_hand()))
            }
            Self::Helm { source, .. } => source.explain(work),
            Self::Template { why, .. } => work.because(why),
            Self::MissingDependency { chart, .. } => {
                work.help(format!("fetch them: `helm dependency build {chart}`"))
            }
            Self::Pending { .. } => self.explain_pending(work),
            Self::Hook { why, last_lines, .. } => {
                let work = if why.is_empty() { work } else { work.because(why) };
                last_lines.iter().fold(work, Failure::because)
            }
            Self::Invalid { what, why, .. } => {
                let work = why.iter().fold(work, Failure::because);
                why.iter()
                    .find_map(|why| refusal::help(what, why))
                    .into_iter()
                    .fold(work, Failure::help)
            }
            Self::Immutable { why, by_hand, .. } => {
                let work = work.because(why);
                if by_hand.is_empty() {
                    return work;
                }
                work.help(format!("delete it, then wharf makes it anew: `{by_hand}`"))
            }
            Self::NotTheReleases { why, .. } => work
                .because(why)
                .help("delete it, or rename it in the chart")
                .help("or hand it to the release: `helm upgrade --install --take-ownership …`"),
            Self::Conflict { object, manager, fields, .. } => fields
                .iter()
                .fold(work, |work, field| work.because(format!("{manager} owns {field}")))
                .help(format!("leave it to {manager}: take it out of the manifests"))
                .help(format!(
                    "or take it over: `kubectl delete {} --cascade=orphan`, then wharf makes it",
                    object.by_hand()
                )),
            Self::NoSuchKind { name, .. } => work
                .because(format!("`{name}` is of that kind"))
                .help("install what defines it first, or add its CustomResourceDefinition"),
            Self::NoSuchNamespace { namespace, .. } => work
                .help(format!("make it: `kubectl create namespace {namespace}`"))
                .help("or add a manifest of kind `Namespace`"),
            Self::GeneratedName { .. } => {
                work.help("give it a `metadata.name`, so that it can be found again")
            }
            Self::Incomplete { key, .. } => work.help(format!("add `{key}` to the manifest")),
            Self::BadNamespace { why, .. } => work.because(why),
            Self::Refused { source, .. } => work.because(said(source)),
            Self::TooSlow { help, .. } => work.help(help),
            Self::RecordBusy { .. } => work
                .help("is another wharf working on the same project? wait for it, then try again"),
            Self::Cancelled { .. } => {
                Failure { kind: crate::report::FailureKind::Interrupted, ..work }
            }
        }
    }

    fn explain_pending(&self, mut work: Failure) -> Failure {
        let Self::Pending { release, namespace, status, since, running, last_good } = self else {
            return work;
        };
        if let Some(since) = since {
            work = work.because(format!("it has been so since {}", since.strftime("%H:%M:%S UTC")));
        }
        if *running {
            return work
                .because("a Helm process on this machine is still working on it")
                .help("wait until it has ended; then wharf goes on by itself");
        }
        work = work.because("its Helm was killed, or runs on another machine");
        let command = match last_good {
            Some(revision) if status != "uninstalling" => {
                format!("helm rollback {release} {revision} -n {namespace}")
            }
            _ => format!("helm uninstall {release} -n {namespace}"),
        };
        work.help(format!("if nobody works on it any more: `{command}`"))
    }
}
