//! Reaching into YAML nodes and making new ones: what the rules for older versions, profiles and
//! patches are written with.

use std::ops::Range;

use super::super::node::{Key, Kind, Node};

/// A place outside every file: what was made up rather than read.
pub(super) const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

impl Node {
    /// The value under `key` of a map; nothing counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else { return None };
        let (_, value) = entries.iter().find(|(other, _)| other.text == key)?;
        (value.kind != Kind::Null).then_some(value)
    }

    /// The value below several keys.
    pub(super) fn at_path(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Like [`Self::at_path`], to change it.
    pub(super) fn at_path_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        let mut node = self;
        for key in path {
            let Kind::Map(entries) = &mut node.kind else { return None };
            node = entries.iter_mut().find(|(other, _)| other.text == *key).map(|(_, v)| v)?;
        }
        (node.kind != Kind::Null).then_some(node)
    }

    /// Whether a map has `key`, with a value or without.
    pub(super) fn has(&self, key: &str) -> bool {
        matches!(&self.kind, Kind::Map(entries) if entries.iter().any(|(other, _)| other.text == key))
    }

    /// The text of a scalar under `key`, unless it is empty.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text().filter(|text| !text.is_empty())
    }

    /// The text of a scalar.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether a scalar is a YAML 1.1 yes, as the library behind Skaffold has it.
    pub(super) fn is_yes(&self) -> bool {
        self.truth() == Some(true)
    }

    /// The truth value that a scalar means.
    pub(super) fn truth(&self) -> Option<bool> {
        match self.as_text()? {
            "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
                Some(true)
            }
            "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off"
            | "OFF" => Some(false),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The items of the list under `key`.
    pub(super) fn list_of(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// The entries of the map under `key`.
    pub(super) fn map_of(&self, key: &str) -> &[(Key, Self)] {
        match self.get(key).map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The items of a list, to change them.
    pub(super) fn items_mut(&mut self) -> &mut [Self] {
        match &mut self.kind {
            Kind::List(items) => items,
            _ => &mut [],
        }
    }

    /// Takes the entry `key` out of a map.
    pub(super) fn take(&mut self, key: &str) -> Option<(Key, Self)> {
        let Kind::Map(entries) = &mut self.kind else { return None };
        let index = entries.iter().position(|(other, _)| other.text == key)?;
        let (key, value) = entries.remove(index);
        (value.kind != Kind::Null).then_some((key, value))
    }

    /// Puts `value` under `key`, in place of what is there. Nothing becomes a map; a list or text
    /// is left alone.
    pub(super) fn put(&mut self, key: &str, value: Self) {
        if self.kind == Kind::Null {
            self.kind = Kind::Map(vec![]);
        }
        let Kind::Map(entries) = &mut self.kind else { return };
        match entries.iter_mut().find(|(other, _)| other.text == key) {
            Some((_, existing)) => *existing = value,
            None => {
                let key = Key { text: key.to_owned(), at: value.at.clone() };
                entries.push((key, value));
            }
        }
    }

    /// Puts `value` where `path` leads, making the maps on the way.
    pub(super) fn put_path(&mut self, path: &[&str], value: Self) {
        let Some((key, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            return self.put(key, value);
        }
        if self.get(key).is_none() {
            self.put(key, Self::new(Kind::Map(vec![]), value.at.clone()));
        }
        if let Some(next) = self.at_path_mut(&[key]) {
            next.put_path(rest, value);
        }
    }

    /// Renames an entry, unless the new name is taken.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if self.get(to).is_some() {
            return;
        }
        let Kind::Map(entries) = &mut self.kind else { return };
        entries.retain(|(key, _)| key.text != to);
        if let Some((key, _)) = entries.iter_mut().find(|(key, _)| key.text == from) {
            to.clone_into(&mut key.text);
        }
    }

    /// Whether there is nothing in it: no value, an empty text, list or map.
    pub(super) fn is_vacant(&self) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Scalar { text, .. } => text.is_empty(),
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
        }
    }

    /// A text that stands where this node does.
    pub(super) fn text_here(&self, text: impl Into<String>) -> Self {
        Self { kind: Kind::Scalar { text: text.into(), plain: false }, ..self.clone() }
    }

    /// A list that stands where this node does.
    pub(super) fn list_here(&self, items: Vec<Self>) -> Self {
        Self { kind: Kind::List(items), ..self.clone() }
    }

    /// An empty map that stands where this node does.
    pub(super) fn map_here(&self) -> Self {
        Self { kind: Kind::Map(vec![]), ..self.clone() }
    }

    /// Moves every place in it by `by`, so that several files share one line of places.
    pub(super) fn shift(&mut self, by: usize) {
        self.at = self.at.start + by..self.at.end + by;
        match &mut self.kind {
            Kind::Null | Kind::Scalar { .. } => {}
            Kind::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Kind::Map(entries) => {
                for (key, value) in entries {
                    key.at = key.at.start + by..key.at.end + by;
                    value.shift(by);
                }
            }
        }
    }

    /// Remembers that it was given by `profile`.
    pub(super) fn of_profile(mut self, profile: &str) -> Self {
        self.profile = Some(profile.to_owned());
        match &mut self.kind {
            Kind::Null | Kind::Scalar { .. } => {}
            Kind::List(items) => {
                *items = std::mem::take(items)
                    .into_iter()
                    .map(|item| item.of_profile(profile))
                    .collect();
            }
            Kind::Map(entries) => {
                *entries = std::mem::take(entries)
                    .into_iter()
                    .map(|(key, value)| (key, value.of_profile(profile)))
                    .collect();
            }
        }
        self
    }
}

/// An empty map out of nowhere.
pub(super) fn made_map() -> Node {
    Node::new(Kind::Map(vec![]), NOWHERE)
}

/// A text out of nowhere.
pub(super) fn made_text(text: impl Into<String>) -> Node {
    Node::new(Kind::Scalar { text: text.into(), plain: false }, NOWHERE)
}
