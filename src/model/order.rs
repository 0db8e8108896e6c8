//! Who waits for whom.

use std::collections::{BTreeMap, BTreeSet};

/// Finds names that wait for each other, each for the next and the last for the first.
///
/// `waits_for` says for each name which others must come before it; names that are not keys wait
/// for nobody.
#[must_use]
pub fn cycle<N: Ord + Clone>(waits_for: &BTreeMap<N, BTreeSet<N>>) -> Option<Vec<N>> {
    let mut done: BTreeSet<&N> = BTreeSet::new();
    for start in waits_for.keys() {
        let mut path: Vec<(&N, std::collections::btree_set::Iter<'_, N>)> = Vec::new();
        if !done.contains(start) {
            path.push((start, waits_for[start].iter()));
        }
        while let Some((name, others)) = path.last_mut() {
            let name = *name;
            let Some(other) = others.next() else {
                done.insert(name);
                path.pop();
                continue;
            };
            if let Some(from) = path.iter().position(|(name, _)| *name == other) {
                return Some(path[from..].iter().map(|(name, _)| (*name).clone()).collect());
            }
            if let (false, Some((other, next))) =
                (done.contains(other), waits_for.get_key_value(other))
            {
                path.push((other, next.iter()));
            }
        }
    }
    None
}
