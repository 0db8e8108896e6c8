//! What is usual: how long each stage takes at the median, and when it goes slowly.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::seconds::rounded;
use super::{Round, Stage};

/// How long one stage took, over several rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The stage's name, or `to live`, `to ready` or `total`, which count from the save.
    pub name: &'static str,
    /// The stage, where it is one.
    pub stage: Option<Stage>,
    /// How many there were.
    pub count: usize,
    /// The shortest.
    pub min: Duration,
    /// Half took no longer.
    pub p50: Duration,
    /// Of twenty, nineteen took no longer.
    pub p95: Duration,
}

/// Sums up the rounds in which nothing failed, by stage in their order, then from the save until
/// new connections went to it, until it was ready, and in all. Steps are part of a build.
#[must_use]
pub fn summaries(rounds: &[Round]) -> Vec<Summary> {
    let well = || rounds.iter().filter(|round| round.failed == 0);
    let mut stages: BTreeMap<Stage, Vec<Duration>> = BTreeMap::new();
    for span in well().flat_map(|round| &round.spans) {
        if span.stage != Stage::Step {
            stages.entry(span.stage).or_default().push(span.took());
        }
    }
    let stages = stages.into_iter().map(|(stage, took)| (stage.as_str(), Some(stage), took));
    let whole = [
        ("to live", None, well().filter_map(|round| round.live).collect()),
        ("to ready", None, well().filter_map(|round| round.ready).collect()),
        ("total", None, well().map(|round| round.took).collect()),
    ];
    let all = stages.chain(whole);
    all.filter_map(|(name, stage, took)| summary(name, stage, took)).collect()
}

/// The stage that takes longest at the median.
#[must_use]
pub fn slowest(summaries: &[Summary]) -> Option<&Summary> {
    summaries.iter().filter(|summary| summary.stage.is_some()).max_by_key(|summary| summary.p50)
}

fn summary(name: &'static str, stage: Option<Stage>, mut took: Vec<Duration>) -> Option<Summary> {
    took.sort_unstable();
    let min = *took.first()?;
    let (p50, p95) = (rank(&took, 50), rank(&took, 95));
    Some(Summary { name, stage, count: took.len(), min, p50, p95 })
}

/// The smallest value that `percent` of all do not exceed (nearest rank). `sorted` is not empty.
fn rank(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank.min(sorted.len()) - 1]
}

/// As a program reads them; `from_save` tells the whole way to a moment from a stage of it.
#[must_use]
pub fn to_json(summaries: &[Summary]) -> Value {
    let one = |summary: &Summary| {
        json!({
            "name": summary.name,
            "from_save": summary.stage.is_none(),
            "count": summary.count,
            "min_seconds": rounded(summary.min),
            "p50_seconds": rounded(summary.p50),
            "p95_seconds": rounded(summary.p95),
        })
    };
    summaries.iter().map(one).collect()
}
