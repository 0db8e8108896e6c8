//! What can go wrong when looking at what runs.

use std::net::SocketAddr;
use std::time::Duration;

use crate::observe::outcome::Complaint;
use crate::observe::trouble::{LastLines, Nature};
use crate::report::Failure;

/// How many of a program's last lines stand in a failure; a report about the pod has more.
const LINES: usize = 5;

/// Why something cannot be observed, or will not be ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// Objects that no time will make ready.
    #[error("{}", headline(.0))]
    NotReady(Vec<Broken>),

    /// They might still become ready, but the release's own time is over.
    #[error("not ready after {} s", .limit.as_secs())]
    TooLate {
        /// The release's time limit.
        limit: Duration,
        /// One line per thing that is waited for.
        waits: Vec<String>,
    },

    /// A definition's names are taken by another one.
    #[error("`crd/{definition}` is not accepted by the API server")]
    NamesTaken {
        /// The definition's name.
        definition: String,
        /// The API server's reason.
        why: String,
    },

    /// The API server does not let wharf look.
    #[error("{what} may not be watched")]
    Forbidden {
        /// What was to be looked at.
        what: String,
        /// The API server's reason.
        why: String,
    },

    /// The API server does not answer.
    #[error("{what} cannot be watched")]
    Unreachable {
        /// What was to be looked at.
        what: String,
        /// The last cause.
        why: String,
    },

    /// A local port that somebody else holds.
    #[error("port {} is taken{}", .local.port(), holder_words(.holder.as_deref()))]
    PortTaken {
        /// What was to listen.
        local: SocketAddr,
        /// What the port was for, such as `service/web`.
        target: String,
        /// The process, such as "`python3` (pid 4711)".
        holder: Option<String>,
    },

    /// A local port that cannot be opened for another reason.
    #[error("{local} cannot be opened")]
    PortRefused {
        /// What was to listen.
        local: SocketAddr,
        /// The system's reason.
        why: String,
    },

    /// What a forward leads to does not exist.
    #[error("{target} is not in namespace `{namespace}`")]
    NoTarget {
        /// Such as `service/web`.
        target: String,
        /// Where it was looked for.
        namespace: String,
    },

    /// A forward does not say which port, or names one that does not exist.
    #[error("{target} {why}")]
    NoPort {
        /// Such as `service/web`.
        target: String,
        /// How it goes on: "has no port `http`".
        why: String,
        /// The ports it has, as they are to be written.
        ports: Vec<String>,
    },

    /// The wait was given up because something newer came, or wharf ends.
    #[error("cancelled")]
    Cancelled,
}

/// An object that will not become ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Such as `deployment/api`.
    pub subject: String,
    /// The pod, if there is one to blame.
    pub pod: Option<String>,
    /// The container, if one is at fault.
    pub container: Option<String>,
    /// What is wrong, as the end of "`api` …".
    pub what: String,
    /// The program's own last lines.
    pub last_lines: Vec<String>,
    /// What to do, one action each.
    pub help: Vec<String>,
    /// What sort of trouble it is, for the failure's code.
    pub(super) sort: &'static str,
}

impl Broken {
    pub(super) fn new(complaint: &Complaint, last_lines: Vec<String>) -> Self {
        let Complaint { subject, trouble } = complaint;
        let sort = match trouble.nature {
            Nature::Crash { .. } => "crash_loop",
            Nature::Pull { .. } => "image_not_pulled",
            Nature::Capacity => "unschedulable",
            _ if ["cannot be pulled", "is not on the node"]
                .iter()
                .any(|end| trouble.what.contains(end)) =>
            {
                "image_not_pulled"
            }
            _ if trouble.what.contains("is unbound") => "unbound_claim",
            _ if trouble.last_lines != LastLines::None => "crash_loop",
            _ if trouble.what.contains("couldn't find key") => "missing",
            Nature::Missing => "missing",
            _ => "not_ready",
        };
        Self {
            subject: subject.clone(),
            pod: trouble.pod.clone(),
            container: trouble.container.clone(),
            what: trouble.what.clone(),
            last_lines,
            help: trouble.help.clone(),
            sort,
        }
    }

    /// Such as "deployment/api: container `api` exited with code 1".
    fn line(&self) -> String {
        let own = self.subject.split_once('/').map(|(kind, name)| format!("{kind} `{name}` "));
        if let Some(rest) = own.and_then(|own| self.what.strip_prefix(&own)) {
            return format!("{} {rest}", self.subject);
        }
        match &self.container {
            // What is wrong may have a subject of its own.
            Some(container)
                if self.what.starts_with(['`', 'i']) && !self.what.starts_with("is ") =>
            {
                format!("{}: container `{container}`: {}", self.subject, self.what)
            }
            Some(container) => format!("{}: container `{container}` {}", self.subject, self.what),
            None => format!("{}: {}", self.subject, self.what),
        }
    }
}

impl ObserveError {
    /// `why` is the API server's or the connection's own word.
    pub(super) fn unwatched(what: impl Into<String>, why: String) -> Self {
        let what = what.into();
        if why.contains("forbidden") {
            Self::Forbidden { what, why }
        } else {
            Self::Unreachable { what, why }
        }
    }

    fn code(&self) -> String {
        let name = match self {
            Self::NotReady(broken) => broken.first().map_or("not_ready", |broken| broken.sort),
            Self::TooLate { .. } => "too_late",
            Self::NamesTaken { .. } => "names_taken",
            Self::Forbidden { .. } => "forbidden",
            Self::Unreachable { .. } => "unreachable",
            Self::PortTaken { .. } => "port_taken",
            Self::PortRefused { .. } => "port_refused",
            Self::NoTarget { .. } => "no_target",
            Self::NoPort { .. } => "no_port",
            Self::Cancelled => "cancelled",
        };
        format!("wharf::observe::{name}")
    }

    /// The failure as plain data.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let mut failure = match self {
            Self::NoPort { .. } => Failure::request(&self.code(), self.to_string()),
            _ => Failure::work(&self.code(), self.to_string()),
        };
        if matches!(self, Self::Cancelled) {
            failure.kind = crate::report::FailureKind::Interrupted;
        }
        (failure.why, failure.help) = (self.why(), self.help());
        failure
    }

    fn why(&self) -> Vec<String> {
        match self {
            Self::NotReady(broken) => {
                let mut why = Vec::new();
                for (index, one) in broken.iter().enumerate() {
                    let told = broken[..index].iter().find(|before| before.what == one.what);
                    match told {
                        _ if index == 0 => {}
                        Some(claim) if claim.subject.starts_with("claim/") => {
                            why.push(format!("{} waits for it", one.subject));
                        }
                        _ => why.push(one.line()),
                    }
                    let lines = &one.last_lines;
                    why.extend(lines[lines.len().saturating_sub(LINES)..].iter().cloned());
                }
                why
            }
            Self::TooLate { waits, .. } => waits.clone(),
            Self::NamesTaken { why, .. }
            | Self::Forbidden { why, .. }
            | Self::Unreachable { why, .. }
            | Self::PortRefused { why, .. } => vec![why.clone()],
            Self::PortTaken { .. }
            | Self::NoTarget { .. }
            | Self::NoPort { .. }
            | Self::Cancelled => vec![],
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NotReady(broken) => {
                let mut help: Vec<String> = Vec::new();
                for action in broken.iter().flat_map(|broken| &broken.help) {
                    if !help.contains(action) {
                        help.push(action.clone());
                    }
                }
                help
            }
            Self::TooLate { .. } => vec![
                "give it longer with `wait: {timeout: …}` of the release, or wait for less with `wait: false`"
                    .to_owned(),
            ],
            Self::Forbidden { .. } => vec![
                "ask for the right to get, list and watch it; `kubectl auth can-i --list` shows what you may"
                    .to_owned(),
            ],
            Self::Unreachable { .. } => vec!["`wharf doctor` looks at the cluster".to_owned()],
            Self::PortTaken { target, holder, .. } => {
                let end = "give the forward another `local` port";
                vec![match holder {
                    Some(holder) => format!("end {holder}, or {end} (`forward:` of `{target}`)"),
                    None => format!("{end} (`forward:` of `{target}`)"),
                }]
            }
            Self::NoPort { ports, .. } if !ports.is_empty() => {
                vec![format!("it has: {}", ports.join(", "))]
            }
            Self::NamesTaken { .. }
            | Self::PortRefused { .. }
            | Self::NoTarget { .. }
            | Self::NoPort { .. }
            | Self::Cancelled => vec![],
        }
    }
}

fn headline(broken: &[Broken]) -> String {
    broken.first().map_or_else(|| "not ready".to_owned(), Broken::line)
}

fn holder_words(holder: Option<&str>) -> String {
    holder.map(|holder| format!(" by {holder}")).unwrap_or_default()
}
