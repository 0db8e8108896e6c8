//! The rounds of a session as stages on a line of time: kept for later, summed up, drawn.
//!
//! Comes in: what was measured. Goes out: the last rounds from the state directory, their medians,
//! a waterfall as text. Measures nothing itself and knows nothing of how a round goes.

mod statistics;
mod store;
#[cfg(test)]
mod tests;
mod waterfall;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use statistics::{Summary, slowest, summaries, to_json};
pub use store::{Store, read};
pub use waterfall::{table, waterfall};

/// A part of a round, in the order in which they come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From the write until the system told of it.
    Event,
    /// Until no further write had come for a while.
    Quiet,
    /// The image's inputs were hashed.
    Hash,
    /// Somebody was asked whether the image is there already.
    Look,
    /// The image was built.
    Build,
    /// One step of a build, which is part of it.
    Step,
    /// The image went to the nodes or the registry.
    Transfer,
    /// The release's chart, values or manifests were read.
    Examine,
    /// Its manifests were made, and compared with what runs.
    Render,
    /// Images were put into what runs.
    Patch,
    /// It went through Helm, or was applied.
    Deploy,
    /// Until a node was found for its first new pod.
    Scheduled,
    /// Until that had a network.
    Sandbox,
    /// Until its containers ran.
    Started,
    /// Until new connections of local ports went to it.
    Answered,
    /// Until Kubernetes called all of it ready.
    Ready,
}

impl Stage {
    /// As people and programs read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Quiet => "quiet",
            Self::Hash => "hash",
            Self::Look => "look",
            Self::Build => "build",
            Self::Step => "step",
            Self::Transfer => "transfer",
            Self::Examine => "examine",
            Self::Render => "render",
            Self::Patch => "patch",
            Self::Deploy => "deploy",
            Self::Scheduled => "scheduled",
            Self::Sandbox => "sandbox",
            Self::Started => "started",
            Self::Answered => "answered",
            Self::Ready => "ready",
        }
    }
}

/// One stage of one image or release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Which stage.
    pub stage: Stage,
    /// Of which image or release; empty where it belongs to the round.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The step of a build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When it began, from the save.
    #[serde(with = "seconds")]
    pub from: Duration,
    /// When it ended, from the save.
    #[serde(with = "seconds")]
    pub to: Duration,
}

impl Span {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// One round, from a save to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// When it was saved, as RFC 3339.
    pub at: String,
    /// The kubeconfig's context.
    #[serde(default)]
    pub context: String,
    /// Some of the changed paths.
    #[serde(default)]
    pub paths: Vec<String>,
    /// How many changed in all.
    #[serde(default)]
    pub count: usize,
    /// How many things failed.
    #[serde(default)]
    pub failed: usize,
    /// From the save to the end of the round.
    #[serde(with = "seconds", rename = "seconds")]
    pub took: Duration,
    /// Until new connections went to the new version.
    #[serde(default, with = "optional_seconds", rename = "live_seconds")]
    pub live: Option<Duration>,
    /// Until Kubernetes called it ready.
    #[serde(default, with = "optional_seconds", rename = "ready_seconds")]
    pub ready: Option<Duration>,
    /// Its stages, as they began.
    #[serde(default)]
    pub spans: Vec<Span>,
}

impl Round {
    /// Whether anything was built or deployed in it, or failed.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        let acts = [Stage::Build, Stage::Patch, Stage::Deploy];
        self.failed > 0 || self.spans.iter().any(|span| acts.contains(&span.stage))
    }

    /// What of it concerns these images and releases; `None` where nothing does.
    #[must_use]
    pub fn part(mut self, concerns: impl Fn(&str) -> bool) -> Option<Self> {
        self.spans.retain(|span| span.name.is_empty() || concerns(&span.name));
        self.spans.iter().any(|span| !span.name.is_empty()).then_some(self)
    }
}

/// Durations as seconds with six digits at most.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn rounded(took: Duration) -> f64 {
        (took.as_secs_f64() * 1e6).round() / 1e6
    }

    pub(super) fn parsed<E: serde::de::Error>(seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds).map_err(E::custom)
    }

    pub(super) fn serialize<S: Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(rounded(*took))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        parsed(f64::deserialize(from)?)
    }
}

/// The same where there may be none.
mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::seconds::{parsed, rounded};

    pub(super) fn serialize<S: Serializer>(
        took: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        took.map(rounded).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(from)?.map(parsed).transpose()
    }
}
