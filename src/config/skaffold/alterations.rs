//! `manifests.transform` and `validate`, setters, and `resourceSelector`: what is done to manifests
//! besides putting images in.

use std::path::Path;

use crate::model::FunctionKind;

use super::super::error::Problem;
use super::super::node::{Fault, Node};
use super::super::resolve::absolute;
use super::super::{disk, node};
use super::dotenv;
use super::fields;
use super::modules::Module;
use super::releases::Deployed;
use super::translate::Translator;
use super::tree::{made_map, made_text};

/// The kpt function that puts values in where comments mark the place.
const SETTERS: &str = "apply-setters";

/// Functions that Skaffold lets through, and wharf does not have.
const ABSENT: &[(&str, &str)] = &[
    ("ensure-name-substring", "`namePrefix` and `nameSuffix` of a kustomization do the same"),
    ("create-setters", "write the `# kpt-set:` comments into the manifests"),
];

/// The pairs of `configMap`, `key:value` each.
fn pairs(entry: &Node) -> Result<Node, Fault> {
    let mut with = entry.map_here();
    for item in entry.list_of("configMap") {
        let text = item.as_text().unwrap_or_default();
        let Some((key, value)) = text.split_once(':') else {
            return Err(item.wrong("`KEY:VALUE`"));
        };
        with.put(key.trim(), item.text_here(value.trim()));
    }
    Ok(with)
}

/// Adds `more` to the map under `key` of `entry`.
fn add(entry: &mut Node, key: &str, more: &Node) {
    let mut all = entry.get(key).cloned().unwrap_or_else(|| more.map_here());
    for (name, value) in more.entries("a map").unwrap_or_default() {
        all.put(&name.text, value.clone());
    }
    if !all.is_vacant() {
        entry.put(key, all);
    }
}

impl Translator<'_> {
    /// What `manifests` of a module does to all that it renders, put into each of `deployed`; the
    /// releases of `deploy.helm`, which begin at `first_installed`, have nothing to do with it.
    pub(super) fn transformed(
        &mut self,
        manifests: &Node,
        deployed: &mut Deployed,
        first_installed: usize,
    ) -> Result<(), Fault> {
        let (mut functions, mut setters) = (Vec::new(), manifests.map_here());
        for section in ["transform", "validate"] {
            for entry in manifests.list_of(section) {
                let name = entry.get("name").cloned().unwrap_or_else(|| entry.text_here(""));
                let text = name.as_text().unwrap_or_default();
                let with = pairs(entry)?;
                if text == SETTERS && section == "transform" {
                    for (key, value) in with.entries("a map")? {
                        setters.put(&key.text, value.clone());
                    }
                    continue;
                }
                if let Some((_, help)) = ABSENT.iter().find(|(absent, _)| *absent == text) {
                    return Err(name.fault(Problem::Conflict {
                        what: format!("wharf does not have the function `{text}`"),
                        help: (*help).to_owned(),
                    }));
                }
                let is_check = FunctionKind::named(text) == Some(FunctionKind::Kubeval);
                if FunctionKind::named(text).is_none() || is_check != (section == "validate") {
                    let fits = |kind: FunctionKind| {
                        (kind == FunctionKind::Kubeval) == (section == "validate")
                    };
                    let known = FunctionKind::ALL.iter().filter(|(_, kind)| fits(*kind));
                    let mut known: Vec<String> =
                        known.map(|(name, _)| (*name).to_owned()).collect();
                    known.extend((section == "transform").then(|| SETTERS.to_owned()));
                    let name_of = text.to_owned();
                    let problem = Problem::UnknownName { sort: "function", name: name_of, known };
                    return Err(name.fault(problem));
                }
                let mut function = entry.map_here();
                function.put("name", name);
                if !with.is_vacant() {
                    function.put("with", with);
                }
                functions.push(function);
            }
        }
        let asked = self.asked_setters()?;
        for (key, value) in asked.entries("a map")? {
            setters.put(&key.text, value.clone());
        }
        let plain = deployed.manifests.iter_mut().chain(&mut deployed.kustomize);
        for (_, entry) in plain {
            add(entry, "setters", &setters);
        }
        let plain = deployed.manifests.iter_mut().chain(&mut deployed.kustomize);
        let rendered = deployed.helm.iter_mut().take(first_installed);
        for (_, entry) in plain.chain(rendered) {
            if let Some(first) = functions.first() {
                entry.put("functions", first.list_here(functions.clone()));
            }
        }
        Ok(())
    }

    /// The pairs of `--set` and `--set-value-file`.
    fn asked_setters(&mut self) -> Result<Node, Fault> {
        let mut setters = made_map();
        let environment = self.templates.environment;
        let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let mut put = |pair: &str, variable: &str| -> Result<(), Fault> {
            let mut value = made_text(pair.split_once('=').map_or("", |(_, value)| value));
            value.env.insert(variable.to_owned());
            let Some((key, _)) = pair.split_once('=') else {
                let what = format!("`--set {pair}` is no `NAME=VALUE`");
                return Err(value.fault(Problem::Conflict { what, help: String::new() }));
            };
            setters.put(key.trim(), value);
            Ok(())
        };
        if let Some(file) = given("SKAFFOLD_SET_VALUE_FILE") {
            let path = absolute(&self.dir, Path::new(file));
            let Ok(text) = disk::text(&path) else {
                return Err(made_text("").fault(Problem::MissingPath {
                    sort: "file",
                    path: file.clone(),
                    suggestion: None,
                    help: "`--set-value-file` names a file of `NAME=VALUE` lines".to_owned(),
                }));
            };
            for (name, value) in dotenv::variables(&text) {
                put(&format!("{name}={value}"), "SKAFFOLD_SET_VALUE_FILE")?;
            }
            self.files.push(path);
        }
        if let Some(text) = given("SKAFFOLD_SET") {
            for pair in text.lines().flat_map(apart) {
                put(&pair, "SKAFFOLD_SET")?;
            }
        }
        Ok(setters)
    }

    /// `resourceSelector` of all modules, put into everything that is deployed.
    pub(super) fn selected(
        &mut self,
        modules: &[Module],
        deployed: &mut [Deployed],
    ) -> Result<(), Fault> {
        let mut rules: Vec<(String, Option<Node>)> = Vec::new();
        let mut sections: Vec<Node> = Vec::new();
        for list in ["allow", "deny"] {
            for module in modules {
                let filters = module.document.at_path(&["resourceSelector"]);
                for filter in filters.map_or(&[][..], |selector| selector.list_of(list)) {
                    select(&mut rules, list, filter)?;
                }
            }
        }
        let file = self.templates.environment.get("SKAFFOLD_RESOURCE_SELECTOR_RULES_FILE");
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            let path = absolute(&self.dir, Path::new(file));
            let read = disk::text(&path).ok().and_then(|text| node::parse(&text).ok());
            let Some(selector) = read.filter(|read| fields::check_selector(read).is_ok()) else {
                return Err(made_text("").fault(Problem::Conflict {
                    what: format!("`{file}` has no `allow` and `deny` of a `resourceSelector`"),
                    help: "`--resource-selector-rules-file` names a file of them".to_owned(),
                }));
            };
            self.files.push(path);
            // Its places are those of another text.
            sections.push(selector);
        }
        for selector in &sections {
            for list in ["allow", "deny"] {
                for filter in selector.list_of(list) {
                    select(&mut rules, list, &made(filter))?;
                }
            }
        }
        let rules: Vec<Node> = rules.into_iter().filter_map(|(_, rule)| rule).collect();
        let Some(first) = rules.first() else { return Ok(()) };
        let rules = first.list_here(rules.clone());
        for deployed in deployed {
            let plain = deployed.manifests.iter_mut().chain(&mut deployed.kustomize);
            for (_, entry) in plain.chain(&mut deployed.helm) {
                entry.put("imageRules", rules.clone());
            }
        }
        Ok(())
    }
}

/// A filter whose places are nowhere.
fn made(filter: &Node) -> Node {
    let mut out = made_map();
    if let Some(kind) = filter.text_of("groupKind") {
        out.put("groupKind", made_text(kind));
    }
    let images = filter.list_of("image").iter().filter_map(Node::as_text).map(made_text);
    let list = made_text("").list_here(images.collect());
    out.put("image", list);
    out
}

/// Takes one filter into account: a kind that is denied has no images of the project's, whatever
/// paths are named; one that is allowed has them where it says, `.*` being everywhere.
fn select(rules: &mut Vec<(String, Option<Node>)>, list: &str, filter: &Node) -> Result<(), Fault> {
    let Some(kind) = filter.get("groupKind").filter(|kind| !kind.is_vacant()) else {
        return Err(filter.fault(Problem::MissingKey {
            key: "groupKind",
            within: "this filter".to_owned(),
            example: "groupKind: Deployment.apps".to_owned(),
        }));
    };
    let name = kind.as_text().unwrap_or_default().to_owned();
    let images = filter.list_of("image");
    let is_everywhere = images.iter().any(|path| path.as_text() == Some(".*"));
    let rule = if list == "allow" && is_everywhere {
        None
    } else {
        let mut rule = filter.map_here();
        rule.put("kind", kind.clone());
        let paths = images
            .iter()
            .filter(|_| list == "allow")
            .map(|path| path.text_here(path.as_text().unwrap_or_default().replace(".*", "")));
        rule.put("paths", filter.list_here(paths.collect()));
        Some(rule)
    };
    rules.retain(|(other, _)| *other != name);
    rules.push((name, rule));
    Ok(())
}

/// Pairs with commas between; a list in brackets is one value.
fn apart(text: &str) -> Vec<String> {
    let (mut out, mut depth) = (vec![String::new()], 0_usize);
    for c in text.chars() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out.retain(|pair| !pair.trim().is_empty());
    out
}
