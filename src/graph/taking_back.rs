//! In which order releases are taken back: the reverse of that in which they come.

use std::collections::BTreeSet;

use crate::model::{Project, ReleaseName, Undo};

use super::reached;

/// Puts `steps` in the order of deploying, so that what is undone newest first goes before what it
/// was deployed after. Steps that have nothing to do with each other keep their order.
#[must_use]
pub fn oldest_first(project: &Project, steps: Vec<Undo>) -> Vec<Undo> {
    let releases = project.releases.iter();
    let after = releases.map(|(name, release)| (name.clone(), release.after.clone())).collect();
    let before = |step: &Undo| -> BTreeSet<ReleaseName> {
        step.release().map(|release| reached(&after, [release])).unwrap_or_default()
    };
    let mut left = steps;
    let mut sorted = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_next = |step: &Undo| {
            let before = before(step);
            !left.iter().any(|other| {
                let other = other.release();
                other != step.release() && other.is_some_and(|other| before.contains(other))
            })
        };
        // Without circles there is always one.
        let next = left.iter().position(is_next).unwrap_or_default();
        sorted.push(left.remove(next));
    }
    sorted
}
