//! `wharf trace`: the last rounds of `dev` as a waterfall, and what is usual.

use std::collections::BTreeSet;

use serde_json::json;

use crate::graph::Graph;
use crate::model::{ContextName, Paths, Project};
use crate::report::{Failure, Report, Reporter};
use crate::timeline;
use crate::timeline::Round;

/// Which rounds are shown, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRequest {
    /// Images and releases; empty: all.
    pub names: Vec<String>,
    /// How many rounds.
    pub last: usize,
    /// Only those on this cluster.
    pub context: Option<ContextName>,
    /// How wide the text may be.
    pub columns: usize,
}

/// Tells the last rounds. Asks no cluster, and disturbs no session that runs.
///
/// # Errors
///
/// A name means nothing in the project.
pub fn trace(
    request: &TraceRequest,
    project: &Project,
    paths: &Paths,
    reporter: &Reporter,
) -> Result<(), Failure> {
    let graph = Graph::new(project).map_err(|error| error.failure())?;
    let named = graph.select(&request.names).map_err(|error| error.failure())?.named;
    let names: Option<BTreeSet<String>> = named.map(|named| {
        let artifacts = named.artifacts.iter().map(ToString::to_string);
        artifacts.chain(named.releases.iter().map(ToString::to_string)).collect()
    });
    let context = request.context.as_ref().map(ToString::to_string);
    let mut rounds: Vec<Round> = timeline::read(&paths.state, &project.name)
        .into_iter()
        .filter(|round| context.as_ref().is_none_or(|context| round.context == *context))
        .filter_map(|round| match &names {
            Some(names) => round.part(|name| names.contains(name)),
            None => Some(round),
        })
        .collect();
    rounds.drain(..rounds.len().saturating_sub(request.last));
    let summaries = timeline::summaries(&rounds);
    let data = json!({
        "project": project.name,
        "rounds": rounds,
        "stages": timeline::to_json(&summaries),
    });
    let mut text = String::new();
    for round in &rounds {
        text.push_str(&timeline::waterfall(round, request.columns));
        text.push('\n');
    }
    match rounds.len() {
        0 => text.push_str("no rounds yet: save a file while `wharf dev` runs\n"),
        _ if summaries.is_empty() => {}
        1 => text.push_str("1 round, without failures:\n"),
        several => text.push_str(&format!("{several} rounds, those without failures:\n")),
    }
    if !summaries.is_empty() {
        text.push_str(&timeline::table(&summaries, false));
    }
    reporter.tell(Report::Data { what: "trace", text, data });
    Ok(())
}
