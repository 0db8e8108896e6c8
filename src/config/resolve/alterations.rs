//! What is done to what a release renders to, besides putting images in.

use std::collections::BTreeMap;

use crate::model::{Alterations, Function, FunctionKind, ImageRule};

use super::super::error::Problem;
use super::super::node::Fault;
use super::super::read::{Named, Spanned, Text};
use super::super::schema::{FunctionEntry, ImageRuleEntry};
use super::list;

/// The keys of a release that have to do with it.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) functions: Option<Spanned<Vec<Spanned<FunctionEntry>>>>,
    pub(super) image_rules: Option<Spanned<Vec<Spanned<ImageRuleEntry>>>>,
    pub(super) setters: Option<Spanned<Named<Text>>>,
}

/// Reads and checks them.
pub(super) fn alterations(asked: Asked) -> Result<Alterations, Fault> {
    let functions = list(asked.functions).iter().map(function).collect::<Result<_, _>>()?;
    let images = list(asked.image_rules).iter().map(image_rule).collect::<Result<_, _>>()?;
    Ok(Alterations { setters: texts(asked.setters), functions, images })
}

fn texts(named: Option<Spanned<Named<Text>>>) -> BTreeMap<String, String> {
    let pairs = named.map_or_else(Vec::new, |named| named.value.0);
    pairs.into_iter().map(|(name, Text(value))| (name.value, value)).collect()
}

fn function(entry: &Spanned<FunctionEntry>) -> Result<Function, Fault> {
    let missing = |key: &'static str, within: String, example: &str| {
        Err(entry.fault(Problem::MissingKey { key, within, example: example.to_owned() }))
    };
    let Some(name) = &entry.value.name else {
        return missing("name", "this function".to_owned(), "name: set-labels");
    };
    let Some(kind) = FunctionKind::named(&name.value) else {
        return Err(name.fault(Problem::UnknownName {
            sort: "function",
            name: name.value.clone(),
            known: FunctionKind::ALL.iter().map(|(name, _)| (*name).to_owned()).collect(),
        }));
    };
    let with = texts(entry.value.with.clone());
    if let Some((known, needed)) = kind.keys() {
        if let Some(unknown) = with.keys().find(|key| !known.contains(&key.as_str())) {
            let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
            return Err(entry.fault(Problem::Conflict {
                what: format!("wharf's `{}` takes no `{unknown}`", kind.name()),
                help: format!("it takes {}", known.join(", ")),
            }));
        }
        if let Some(key) = needed.iter().find(|key| !with.contains_key(**key)) {
            return missing(key, format!("`{}`", kind.name()), &format!("{key}: VALUE"));
        }
    }
    Ok(Function { kind, with })
}

fn image_rule(entry: &Spanned<ImageRuleEntry>) -> Result<ImageRule, Fault> {
    let Some(kind) = &entry.value.kind else {
        return Err(entry.fault(Problem::MissingKey {
            key: "kind",
            within: "this image rule".to_owned(),
            example: "kind: Deployment.apps".to_owned(),
        }));
    };
    let mut paths = Vec::new();
    for path in list(entry.value.paths.clone()) {
        if !path.value.starts_with('.') {
            return Err(path.fault(Problem::Conflict {
                what: format!("`{}` is no path of keys with dots before them", path.value),
                help: "such as `.spec.template.spec.containers.image`, lists left out".to_owned(),
            }));
        }
        paths.push(path.value);
    }
    Ok(ImageRule { kind: kind.value.clone(), paths })
}
