//! Trees of values: places in them, and what lies over them.

use std::fmt;

use serde_json::{Map, Value};

/// A place in a tree of values, such as `web.containers[0].image`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct ValuePath(pub(super) Vec<Step>);

/// One step of a [`ValuePath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl ValuePath {
    /// The place below this one.
    pub(super) fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// The item of the list at this place.
    pub(super) fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// The last key, passing over indices.
    pub(super) fn last_key(&self) -> &str {
        self.0
            .iter()
            .rev()
            .find_map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Index(_) => None,
            })
            .unwrap_or_default()
    }

    /// The place around this one.
    pub(super) fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// How many steps both have in common from the root.
    pub(super) fn shared_steps(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).take_while(|(one, other)| one == other).count()
    }

    /// What lies at this place of `tree`.
    pub(super) fn get<'t>(&self, tree: &'t Value) -> Option<&'t Value> {
        self.0.iter().try_fold(tree, |tree, step| match step {
            Step::Key(key) => tree.get(key),
            Step::Index(index) => tree.get(index),
        })
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Puts `value` where the dotted `key` says, such as `web.hosts[0].name`, making the maps and
/// lists on the way; `\.` is a dot of the name itself.
pub(super) fn set_at(tree: &mut Value, key: &str, value: Value) {
    let mut place = tree;
    for step in steps(key) {
        place = match step {
            Step::Key(key) => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                let Value::Object(map) = place else { return };
                map.entry(key).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                let Value::Array(items) = place else { return };
                if items.len() <= index {
                    items.resize(index + 1, Value::Null);
                }
                &mut items[index]
            }
        };
    }
    *place = value;
}

/// Helm's own limit to the length of a list that a key makes.
const LONGEST: usize = 65_536;

fn steps(key: &str) -> Vec<Step> {
    let mut out = Vec::new();
    let mut name = String::new();
    let mut rest = key.chars();
    let end = |name: &mut String, out: &mut Vec<Step>| {
        if !name.is_empty() {
            out.push(Step::Key(std::mem::take(name)));
        }
    };
    while let Some(c) = rest.next() {
        match c {
            '\\' => name.extend(rest.next()),
            '.' => end(&mut name, &mut out),
            '[' => {
                end(&mut name, &mut out);
                let index: String = rest.by_ref().take_while(|c| *c != ']').collect();
                let index = index.parse().ok().filter(|index| *index < LONGEST);
                out.extend(index.map(Step::Index));
            }
            c => name.push(c),
        }
    }
    end(&mut name, &mut out);
    out
}

/// Lays `over` on `base` as Helm does: maps merge, null takes a key away, anything else replaces.
pub(super) fn merge(base: &mut Value, over: &Value) {
    let (Value::Object(base), Value::Object(over)) = (&mut *base, over) else {
        over.clone_into(base);
        return;
    };
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (_, Value::Null) => {
                base.remove(key);
            }
            (Some(below), Value::Object(_)) if below.is_object() => merge(below, value),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Lays `over` on `base`, which itself lies over something: as [`merge`], with `null` kept, since
/// it has yet to take a key away there.
pub(super) fn lay(base: &mut Value, over: &Value) {
    let (Value::Object(base), Value::Object(over)) = (&mut *base, over) else {
        over.clone_into(base);
        return;
    };
    for (key, value) in over {
        match base.get_mut(key) {
            Some(below) if below.is_object() && value.is_object() => lay(below, value),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Puts `value` at `path` of `overlay`, which lies over `base`.
///
/// Helm replaces lists as a whole, so a list on the way is taken over from `base` first.
pub(super) fn put(overlay: &mut Value, base: &Value, path: &ValuePath, value: Value) {
    put_below(overlay, Some(base), &path.0, value);
}

fn put_below(overlay: &mut Value, base: Option<&Value>, steps: &[Step], value: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *overlay = value;
        return;
    };
    match step {
        Step::Key(key) => {
            if !overlay.is_object() {
                *overlay = Value::Object(Map::new());
            }
            let below = base.and_then(|base| base.get(key));
            if let Value::Object(map) = overlay {
                let next = map.entry(key.clone()).or_insert(Value::Null);
                put_below(next, below, rest, value);
            }
        }
        Step::Index(index) => {
            if !overlay.is_array() {
                *overlay = base.filter(|base| base.is_array()).cloned().unwrap_or_default();
            }
            let below = base.and_then(|base| base.get(index));
            if let Some(item) = overlay.get_mut(index) {
                put_below(item, below, rest, value);
            }
        }
    }
}
