//! Profiles: parts of the configuration laid over the rest.

use super::error::Problem;
use super::node::{Fault, Kind, Node};

/// Lays `over` onto `base`: maps are merged deeply, anything else is replaced, and nothing
/// (`key:` or `null`) takes the key out.
pub(super) fn lay_over(base: &mut Node, over: &Node, profile: &str) {
    let (Kind::Map(below), Kind::Map(above)) = (&mut base.kind, &over.kind) else {
        *base = marked(over.clone(), profile);
        return;
    };
    for (key, value) in above {
        if value.kind == Kind::Null {
            below.retain(|(other, _)| other.text != key.text);
        } else if let Some((_, existing)) =
            below.iter_mut().find(|(other, _)| other.text == key.text)
        {
            lay_over(existing, value, profile);
        } else {
            below.push((key.clone(), marked(value.clone(), profile)));
        }
    }
}

/// `node` and all in it, remembered as given by `profile`.
fn marked(mut node: Node, profile: &str) -> Node {
    node.profile = Some(profile.to_owned());
    node.kind = match node.kind {
        Kind::List(items) => {
            Kind::List(items.into_iter().map(|item| marked(item, profile)).collect())
        }
        Kind::Map(entries) => Kind::Map(
            entries.into_iter().map(|(key, value)| (key, marked(value, profile))).collect(),
        ),
        kind => kind,
    };
    node
}

/// The profiles of a document by name, taken out of it.
pub(super) fn take_profiles(document: &mut Node) -> Result<Vec<(String, Node)>, Fault> {
    let Kind::Map(entries) = &mut document.kind else { return Ok(vec![]) };
    let Some(index) = entries.iter().position(|(key, _)| key.text == "profiles") else {
        return Ok(vec![]);
    };
    let (_, profiles) = entries.remove(index);
    let mut out = Vec::new();
    for (key, value) in profiles.entries("a map of profiles by name")? {
        let inner = value.entries("a map with the keys of `wharf.yaml`")?;
        if let Some((key, _)) =
            inner.iter().find(|(key, _)| matches!(key.text.as_str(), "profiles" | "name"))
        {
            let problem = Problem::Conflict {
                what: format!("a profile cannot change `{}`", key.text),
                help: "give it at the top of the file".to_owned(),
            };
            return Err(Fault::new(problem, key.at.clone()));
        }
        out.push((key.text.clone(), value.clone()));
    }
    Ok(out)
}
