//! What wharf does about each field of Skaffold's newest schema; `tables` lists them.
//!
//! A field is used, or quietly right (it tunes what wharf does by itself), or told of (what runs
//! is the same without it), or refused (what runs would differ). Nothing is ignored.

use super::super::error::Problem;
use super::super::node::{Fault, Key, Kind, Node};
use super::super::read::unknown;
use super::tables::{CONFIG, SELECTOR};

/// The keys of one map.
pub(super) struct Table {
    pub(super) within: &'static str,
    pub(super) known: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

pub(super) struct Field {
    pub(super) shape: Shape,
    pub(super) fate: Fate,
}

/// What a value looks like.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Text,
    Flag,
    Number,
    Texts,
    /// Texts by name, at any depth.
    TextMap,
    Map(&'static Table),
    List(&'static Table),
    Any,
}

/// What wharf does about a field that is given.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Used,
    /// What wharf does is the same or better without it.
    Quiet,
    /// It makes no difference to what runs; the text says what wharf does instead.
    Told(&'static str),
    /// It makes a difference to what runs; the text says what to do.
    Refused(&'static str),
}

use Fate::{Quiet, Refused, Told, Used};
use Shape::{Any, Flag, List, Map, Number, Text, TextMap, Texts};

/// A field that is not carried out: where it stands, and what wharf does, or what to do, instead.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) field: String,
    pub(super) at: std::ops::Range<usize>,
    pub(super) instead: &'static str,
    pub(super) is_refused: bool,
    pub(super) profile: Option<String>,
}

/// Checks that `document` has the fields of the schema and no others, profiles included.
pub(super) fn check_shape(document: &Node) -> Result<(), Fault> {
    CONFIG.check(document, &mut |_, _, _, _| Ok(()))
}

/// Checks that `selector` is what may stand below `resourceSelector`.
pub(super) fn check_selector(selector: &Node) -> Result<(), Fault> {
    SELECTOR.check(selector, &mut |_, _, _, _| Ok(()))
}

/// What wharf does not carry out of `document`, each field once, in the order of the file.
pub(super) fn remarks(document: &Node) -> Result<Vec<Remark>, Fault> {
    let mut remarks: Vec<Remark> = Vec::new();
    CONFIG.check(document, &mut |path: &[&'static str], key: &Key, value: &Node, fate| {
        // Profiles were laid over the rest, or are not active.
        if path.first() == Some(&"profiles") || asks_for_nothing(value) {
            return Ok(());
        }
        let (instead, is_refused) = match fate {
            Used | Quiet => return Ok(()),
            Told(instead) => (instead, false),
            Refused(help) => (help, true),
        };
        let field = path.join(".");
        if !remarks.iter().any(|other| other.field == field) {
            let (at, profile) = (key.at.clone(), value.profile.clone());
            remarks.push(Remark { field, at, instead, is_refused, profile });
        }
        Ok(())
    })?;
    Ok(remarks)
}

/// Refuses what wharf does not carry out and what would change what runs; the rest is remarked on.
pub(super) fn check_fates(document: &Node) -> Result<Vec<Remark>, Fault> {
    let remarks = remarks(document)?;
    match remarks.iter().find(|remark| remark.is_refused) {
        None => Ok(remarks),
        Some(refused) => {
            let problem = Problem::Conflict {
                what: format!("`{}` of Skaffold is not carried out by wharf", refused.field),
                help: refused.instead.to_owned(),
            };
            let at = refused.at.clone();
            Err(Fault { profile: refused.profile.clone(), ..Fault::new(problem, at) })
        }
    }
}

/// `key:`, `key: []` and `key: false` ask for nothing; `key: {}` does.
fn asks_for_nothing(value: &Node) -> bool {
    match &value.kind {
        Kind::Map(_) => false,
        _ => value.is_vacant() || value.truth() == Some(false),
    }
}

type Visit<'v> = dyn FnMut(&[&'static str], &Key, &Node, Fate) -> Result<(), Fault> + 'v;

impl Table {
    fn check(&'static self, node: &Node, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.walk(node, &mut vec![], visit)
    }

    fn walk(
        &'static self,
        node: &Node,
        path: &mut Vec<&'static str>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        for (key, value) in node.entries(&format!("a map with the keys of {}", self.within))? {
            let Some(index) = self.known.iter().position(|known| *known == key.text) else {
                return Err(unknown(key, value, self.within, self.known));
            };
            let field = &self.fields[index];
            path.push(self.known[index]);
            field.shape.walk(value, path, visit)?;
            visit(path, key, value, field.fate)?;
            path.pop();
        }
        Ok(())
    }
}

impl Shape {
    fn walk(
        self,
        value: &Node,
        path: &mut Vec<&'static str>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        if value.kind == Kind::Null {
            return Ok(());
        }
        let is_scalar = matches!(value.kind, Kind::Scalar { .. });
        match self {
            Any => Ok(()),
            Text if is_scalar => Ok(()),
            Text => Err(value.wrong("a text")),
            Flag if value.truth().is_some() => Ok(()),
            Flag => Err(value.wrong("`true` or `false`")),
            Number if value.as_text().is_some_and(|text| text.parse::<i64>().is_ok()) => Ok(()),
            Number => Err(value.wrong("a whole number")),
            Texts => {
                let Kind::List(items) = &value.kind else {
                    return Err(value.wrong("a list of texts"));
                };
                let wrong = items
                    .iter()
                    .find(|item| !matches!(item.kind, Kind::Scalar { .. } | Kind::Null));
                wrong.map_or(Ok(()), |item| Err(item.wrong("a text")))
            }
            TextMap => {
                for (_, value) in value.entries("a map of texts by name")? {
                    match &value.kind {
                        Kind::Map(_) => self.walk(value, path, visit)?,
                        Kind::List(items) if items.iter().all(|item| item.as_text().is_some()) => {}
                        Kind::List(_) => return Err(value.wrong("a text")),
                        Kind::Null | Kind::Scalar { .. } => {}
                    }
                }
                Ok(())
            }
            Map(table) => table.walk(value, path, visit),
            List(table) => {
                let Kind::List(items) = &value.kind else { return Err(value.wrong("a list")) };
                items.iter().try_for_each(|item| table.walk(item, path, visit))
            }
        }
    }
}
