//! A profile's `patches`: JSON Patch as Skaffold's library has it.
//!
//! Beyond RFC 6902 a step `key=value` chooses the items of a list (or the map itself) in which
//! `key` is `value`, and a patch applies to every place that its path leads to. No crate does
//! this, and none keeps places in the file, so the few lines are here.

use super::super::error::Problem;
use super::super::node::{Fault, Kind, Node};

/// Applies `patches`, in order, to `document`.
pub(super) fn apply(document: &mut Node, patches: &[Node], profile: &str) -> Result<(), Fault> {
    patches.iter().try_for_each(|patch| one(document, patch, profile))
}

fn one(document: &mut Node, patch: &Node, profile: &str) -> Result<(), Fault> {
    let Some(path) = patch.text_of("path") else {
        return Err(patch.fault(Problem::MissingKey {
            key: "path",
            within: "this patch".to_owned(),
            example: "path: /build/artifacts/0/docker/target".to_owned(),
        }));
    };
    let at = patch.get("path").unwrap_or(patch);
    let operation = patch.text_of("op").unwrap_or("replace");
    // A `value:` that is nothing is a value, too.
    let value = || match &patch.kind {
        Kind::Map(entries) => entries.iter().find(|(key, _)| key.text == "value"),
        _ => None,
    };
    let value = value().map_or_else(
        || Node::new(Kind::Null, patch.at.clone()),
        |(_, value)| value.clone().of_profile(profile),
    );
    let places = places(document, path);
    let lost = || {
        at.fault(Problem::Conflict {
            what: format!("the path `{path}` leads nowhere"),
            help: "it is a path of the configuration in the newest version, such as \
                   `/build/artifacts/0/docker/target`"
                .to_owned(),
        })
    };
    let (last, parents) = match places {
        Some(found) if !found.1.is_empty() => found,
        _ => return Err(lost()),
    };
    match operation {
        "add" | "replace" | "remove" => {
            let mut done = false;
            // Back to front, so that removing one item does not move the next.
            for place in parents.iter().rev() {
                let Some(parent) = reach(document, place) else { continue };
                done |= match operation {
                    "add" => add(parent, &last, value.clone()),
                    "replace" => replace(parent, &last, &value),
                    _ => remove(parent, &last).is_some(),
                };
            }
            if done { Ok(()) } else { Err(lost()) }
        }
        "test" => {
            let place = &parents[0];
            let found = reach(document, place).and_then(|parent| child(parent, &last).cloned());
            if found.is_some_and(|found| same(&found, &value)) {
                Ok(())
            } else {
                Err(at.fault(Problem::Conflict {
                    what: format!("the value at `{path}` is not the one that the patch tests for"),
                    help: String::new(),
                }))
            }
        }
        "move" | "copy" => {
            let from = patch.text_of("from").unwrap_or_default();
            let source = match self::places(document, from) {
                Some((last, parents)) if !parents.is_empty() => Some((last, parents)),
                _ => None,
            };
            let taken = source.and_then(|(last, parents)| {
                let parent = reach(document, &parents[0])?;
                if operation == "move" {
                    remove(parent, &last)
                } else {
                    child(parent, &last).cloned()
                }
            });
            let Some(taken) = taken else {
                let at = patch.get("from").unwrap_or(patch);
                return Err(at.fault(Problem::Conflict {
                    what: format!("the path `{from}` leads nowhere"),
                    help: String::new(),
                }));
            };
            let done = reach(document, &parents[0]).is_some_and(|parent| add(parent, &last, taken));
            if done { Ok(()) } else { Err(lost()) }
        }
        _ => Err(patch
            .get("op")
            .unwrap_or(patch)
            .wrong("`add`, `remove`, `replace`, `move`, `copy` or `test`")),
    }
}

/// One step from a node to one in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The last step of `path`, and the ways to the nodes that it starts from.
fn places(document: &Node, path: &str) -> Option<(String, Vec<Vec<Step>>)> {
    let steps = path.strip_prefix('/')?;
    let steps: Vec<String> =
        steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let (last, before) = steps.split_last()?;
    let mut ways: Vec<Vec<Step>> = vec![vec![]];
    for step in before {
        ways = ways.iter().flat_map(|way| further(document, way, step)).collect();
    }
    if !last.contains('=') {
        return Some((last.clone(), ways));
    }
    // A choice at the end names items; the item's own index is the last step then.
    let ways: Vec<Vec<Step>> = ways.iter().flat_map(|way| further(document, way, last)).collect();
    match ways.first()?.last()? {
        Step::Index(index) => {
            let parent = ways[0][..ways[0].len() - 1].to_vec();
            Some((index.to_string(), vec![parent]))
        }
        Step::Key(_) => None,
    }
}

fn further(document: &Node, way: &[Step], step: &str) -> Vec<Vec<Step>> {
    let Some(node) = look(document, way) else { return vec![] };
    let with = |next: Step| way.iter().cloned().chain([next]).collect::<Vec<_>>();
    let chosen = step.split_once('=');
    match (&node.kind, chosen) {
        (Kind::List(items), Some((key, value))) => {
            let fits = |item: &Node| item.get(key).and_then(Node::as_text) == Some(value);
            let fitting = items.iter().enumerate().filter(|(_, item)| fits(item));
            fitting.map(|(index, _)| with(Step::Index(index))).collect()
        }
        (Kind::Map(_), Some((key, value)))
            if node.get(key).and_then(Node::as_text) == Some(value) =>
        {
            vec![way.to_vec()]
        }
        (Kind::List(items), None) => match step.parse::<usize>() {
            Ok(index) if index < items.len() => vec![with(Step::Index(index))],
            _ if step == "*" => (0..items.len()).map(|index| with(Step::Index(index))).collect(),
            _ => vec![],
        },
        (Kind::Map(entries), None) if entries.iter().any(|(key, _)| key.text == step) => {
            vec![with(Step::Key(step.to_owned()))]
        }
        _ => vec![],
    }
}

fn look<'n>(document: &'n Node, way: &[Step]) -> Option<&'n Node> {
    way.iter().try_fold(document, |node, step| match (step, &node.kind) {
        (Step::Key(key), Kind::Map(entries)) => {
            entries.iter().find(|(other, _)| other.text == *key).map(|(_, value)| value)
        }
        (Step::Index(index), Kind::List(items)) => items.get(*index),
        _ => None,
    })
}

fn reach<'n>(document: &'n mut Node, way: &[Step]) -> Option<&'n mut Node> {
    way.iter().try_fold(document, |node, step| match (step, &mut node.kind) {
        (Step::Key(key), Kind::Map(entries)) => {
            entries.iter_mut().find(|(other, _)| other.text == *key).map(|(_, value)| value)
        }
        (Step::Index(index), Kind::List(items)) => items.get_mut(*index),
        _ => None,
    })
}

fn child<'n>(parent: &'n Node, step: &str) -> Option<&'n Node> {
    match &parent.kind {
        Kind::Map(entries) => {
            entries.iter().find(|(key, _)| key.text == step).map(|(_, value)| value)
        }
        Kind::List(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

fn add(parent: &mut Node, step: &str, value: Node) -> bool {
    if let Kind::List(items) = &mut parent.kind {
        let index = match step {
            "-" => Some(items.len()),
            step => step.parse::<usize>().ok().filter(|index| *index <= items.len()),
        };
        let Some(index) = index else { return false };
        items.insert(index, value);
        return true;
    }
    let is_map = matches!(parent.kind, Kind::Map(_) | Kind::Null);
    if is_map {
        parent.put(step, value);
    }
    is_map
}

fn replace(parent: &mut Node, step: &str, value: &Node) -> bool {
    let existing = match &mut parent.kind {
        Kind::Map(entries) => {
            entries.iter_mut().find(|(key, _)| key.text == step).map(|(_, value)| value)
        }
        Kind::List(items) => step.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
        _ => None,
    };
    existing.map(|existing| *existing = value.clone()).is_some()
}

fn remove(parent: &mut Node, step: &str) -> Option<Node> {
    match &mut parent.kind {
        Kind::Map(entries) => {
            let index = entries.iter().position(|(key, _)| key.text == step)?;
            Some(entries.remove(index).1)
        }
        Kind::List(items) => {
            let index = step.parse::<usize>().ok().filter(|index| *index < items.len())?;
            Some(items.remove(index))
        }
        _ => None,
    }
}

/// Whether two nodes say the same, wherever they stand.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Scalar { text: one, .. }, Kind::Scalar { text: other, .. }) => one == other,
        (Kind::List(one), Kind::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Kind::Map(one), Kind::Map(entries)) => {
            one.len() == entries.len()
                && one.iter().all(|(key, value)| {
                    child(other, &key.text).is_some_and(|other| same(value, other))
                })
        }
        _ => false,
    }
}
