//! Manifests, kustomizations and Helm releases: from Skaffold's to those of `wharf.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::ImageText;

use super::super::disk;
use super::super::error::Problem;
use super::super::node::{Fault, Key, Kind, Node};
use super::super::resolve::{absolute, derived, is_glob};
use super::helm_flags::helm_flags;
use super::hooks;
use super::modules::Module;
use super::set_flag;
use super::translate::Translator;
use super::tree::{made_map, made_text};

/// What a module without any manifests has.
const DEFAULT_MANIFESTS: &str = "k8s/*.yaml";

/// What of the files that a glob takes in is a manifest.
const MANIFEST: &str = "{yaml,yml,json}";

/// What templates of values may name of an image, and which part of its reference that is.
///
/// Before they were said to be of no use, the last three were what people had.
const IMAGE_VARIABLES: &[(&str, &str)] = &[
    ("IMAGE_FULLY_QUALIFIED", "image"),
    ("IMAGE_REPO", "repository"),
    ("IMAGE_TAG", "tag"),
    ("IMAGE_DIGEST", "digest"),
    ("IMAGE_DOMAIN", "domain"),
    ("IMAGE_REPO_NO_DOMAIN", "path"),
    ("DIGEST", "image"),
    ("DIGEST_ALGO", "repository"),
    ("DIGEST_HEX", "tag"),
];

/// What a module deploys, each by name.
#[derive(Default)]
pub(super) struct Deployed {
    pub(super) manifests: Vec<(Node, Node)>,
    pub(super) kustomize: Vec<(Node, Node)>,
    pub(super) helm: Vec<(Node, Node)>,
}

impl Translator<'_> {
    /// What `module`, one of `count`, deploys.
    pub(super) fn deployed(&mut self, module: &Module, count: usize) -> Result<Deployed, Fault> {
        let nothing = made_map();
        let manifests = module.document.get("manifests").unwrap_or(&nothing);
        let deploy = module.document.get("deploy").unwrap_or(&nothing);
        let mut out = Deployed::default();
        let base = module.name.as_deref().unwrap_or("manifests");
        if let Some(list) = manifests.get("rawYaml").filter(|list| !list.is_vacant()) {
            let mut files = Vec::new();
            for item in list.items() {
                files.extend(self.manifest(module, item)?);
            }
            let name = list.text_here(self.free_name(base));
            let mut entry = list.map_here();
            entry.put("files", list.list_here(files));
            out.manifests.push((name, entry));
        }
        if let Some(kustomize) = manifests.get("kustomize") {
            let here = kustomize.list_here(vec![kustomize.text_here(".")]);
            let paths = kustomize.get("paths").filter(|paths| !paths.is_vacant()).unwrap_or(&here);
            for item in paths.items() {
                let (name, mut entry) = self.kustomization(module, item, base)?;
                if let Some(flags) = kustomize.get("buildArgs").filter(|flags| !flags.is_vacant()) {
                    let words = flags.items().iter().flat_map(|flag| {
                        let words = flag.as_text().unwrap_or_default().split_whitespace();
                        words.map(|word| flag.text_here(word)).collect::<Vec<_>>()
                    });
                    entry.put("flags", flags.list_here(words.collect()));
                }
                out.kustomize.push((name, entry));
            }
        }
        let mut first_installed = usize::MAX;
        for (section, is_template) in [(manifests.get("helm"), true), (deploy.get("helm"), false)] {
            let Some(helm) = section else { continue };
            if is_template {
                self.remark(
                    helm,
                    "manifests.helm",
                    "the release is installed by Helm, its hooks run as hooks",
                );
            }
            if !is_template {
                first_installed = out.helm.len();
            }
            for release in helm.list_of("releases") {
                out.helm.push(self.release(module, helm, release)?);
            }
        }
        let is_bare = ["rawYaml", "kustomize", "helm", "kpt", "remoteManifests"]
            .iter()
            .all(|key| manifests.get(key).is_none_or(Node::is_vacant))
            && manifests.get("kustomize").is_none();
        let others = ["helm", "docker", "cloudrun", "kpt"];
        if count == 1 && is_bare && others.iter().all(|key| deploy.get(key).is_none()) {
            let glob = absolute(&module.dir, Path::new(DEFAULT_MANIFESTS));
            if disk::some_file_matches(&glob) {
                let mut entry = made_map();
                let files = made_text(glob.display().to_string());
                entry.put("files", files.list_here(vec![files.clone()]));
                out.manifests.push((made_text(self.free_name(base)), entry));
            } else {
                let what =
                    "no manifests are given, and none lie in `k8s/*.yaml`: nothing is deployed";
                self.notes.push(what.to_owned());
            }
        }
        self.deploy_hooks(module, deploy, manifests, &mut out)?;
        self.transformed(manifests, &mut out, first_installed)?;
        Ok(out)
    }

    /// Hooks around what kubectl and Helm deploy.
    fn deploy_hooks(
        &mut self,
        module: &Module,
        deploy: &Node,
        manifests: &Node,
        out: &mut Deployed,
    ) -> Result<(), Fault> {
        let of = |section: &str| {
            deploy.at_path(&[section, "hooks"]).or_else(|| {
                (section == "helm").then(|| manifests.at_path(&["helm", "hooks"])).flatten()
            })
        };
        if let Some(node) = of("helm") {
            hooks::around(&hooks::hooks(node, &module.dir, &module.dir)?, &mut out.helm);
        }
        if let Some(node) = of("kubectl") {
            let hooks = hooks::hooks(node, &module.dir, &module.dir)?;
            let count = out.kustomize.len();
            let mut all: Vec<_> = out.kustomize.drain(..).chain(out.manifests.drain(..)).collect();
            hooks::around(&hooks, &mut all);
            out.manifests = all.split_off(count);
            out.kustomize = all;
        }
        Ok(())
    }

    /// An entry of `rawYaml` as globs; a folder means the YAML files in it.
    fn manifest(&mut self, module: &Module, item: &Node) -> Result<Vec<Node>, Fault> {
        let item = self.templates.expand(item)?;
        let text = item.as_text().unwrap_or_default();
        if text.starts_with("http://") || text.starts_with("https://") {
            let file = self.addresses.file(&item, text)?;
            return Ok(vec![item.text_here(file.display().to_string())]);
        }
        refuse_address(&item, text, "download it to a file, and name that")?;
        let path = absolute(&module.dir, Path::new(text));
        let whole = path.display().to_string();
        if path.is_dir() {
            return Ok(vec![item.text_here(format!("{whole}/**/*.{MANIFEST}"))]);
        }
        if !is_glob(text) {
            return Ok(vec![item.text_here(whole)]);
        }
        let globs = globs(&whole);
        if globs.is_empty() {
            self.remark(&item, "manifests.rawYaml", "the glob matches no file, and adds nothing");
        }
        Ok(globs.into_iter().map(|glob| item.text_here(glob)).collect())
    }

    fn kustomization(
        &mut self,
        module: &Module,
        item: &Node,
        base: &str,
    ) -> Result<(Node, Node), Fault> {
        let item = self.templates.expand(item)?;
        let text = item.as_text().unwrap_or_default();
        refuse_address(&item, text, "clone it, and name its folder")?;
        let mut path = absolute(&module.dir, Path::new(text));
        let is_file = path.file_name().is_some_and(|name| {
            disk::KUSTOMIZATION_NAMES.contains(&name.to_string_lossy().as_ref())
        });
        if is_file {
            path.pop();
        }
        let otherwise = if base == "manifests" { "kustomize" } else { base };
        let name = item.text_here(self.free_name(&derived(text, otherwise)));
        let mut entry = item.map_here();
        entry.put("path", item.text_here(path.display().to_string()));
        Ok((name, entry))
    }

    fn release(
        &mut self,
        module: &Module,
        helm: &Node,
        release: &Node,
    ) -> Result<(Node, Node), Fault> {
        let Some(name) = release.get("name").filter(|name| !name.is_vacant()) else {
            return Err(release.fault(Problem::MissingKey {
                key: "name",
                within: "this release".to_owned(),
                example: "name: NAME".to_owned(),
            }));
        };
        let name = self.templates.expand(name)?;
        let mut out = release.map_here();
        self.chart(&mut out, module, release)?;
        let mut files = Vec::new();
        for file in release.list_of("valuesFiles") {
            let file = self.templates.expand(file)?;
            let text = file.as_text().unwrap_or_default();
            refuse_address(&file, text, "copy it to a file, and name that")?;
            let path = absolute(&module.dir, Path::new(text));
            files.push(file.text_here(path.display().to_string()));
        }
        let key = match release.get("useHelmSecrets").is_some_and(Node::is_yes) {
            true => "secretValues",
            false => "values",
        };
        if let (Some(list), false) = (release.get("valuesFiles"), files.is_empty()) {
            out.put(key, list.list_here(files));
        }
        if let Some(packaged) = release.get("packaged") {
            for key in ["version", "appVersion"] {
                if let Some(node) = packaged.get(key).filter(|node| !node.is_vacant()) {
                    out.put_path(&["package", key], self.templates.expand(node)?);
                }
            }
        }
        let (set, late) = self.values(module, release)?;
        for (key, values) in [("set", set), ("imageValues", late)] {
            if !values.is_vacant() {
                out.put(key, values);
            }
        }
        if let Some(namespace) = release.get("namespace").filter(|namespace| !namespace.is_vacant())
        {
            out.put("namespace", self.templates.expand(namespace)?);
        }
        if let Some(after) = release.get("dependsOn").filter(|after| !after.is_vacant()) {
            out.put("after", after.clone());
        }
        if release.get("wait").is_some_and(Node::is_yes) {
            let wait = release.get("wait").unwrap_or(release);
            out.put_path(&["wait", "ready"], wait.text_here("true"));
        }
        helm_flags(&mut out, helm, &module.dir)?;
        Ok((name, out))
    }

    fn chart(&self, out: &mut Node, module: &Module, release: &Node) -> Result<(), Fault> {
        let given = |key: &str| release.get(key).filter(|node| !node.is_vacant());
        for key in ["version", "repo"] {
            if let Some(node) = given(key) {
                out.put(key, self.templates.expand(node)?);
            }
        }
        match (given("chartPath"), given("remoteChart")) {
            (Some(chart), None) => {
                let chart = self.templates.expand(chart)?;
                let text = chart.as_text().unwrap_or_default();
                let path = absolute(&module.dir, Path::new(text));
                if out.get("repo").is_some() || text.contains("://") {
                    out.put("chart", chart);
                    return Ok(());
                }
                // The version of a chart in a folder is that of its `Chart.yaml`.
                out.take("version");
                out.put("chart", chart.text_here(path.display().to_string()));
            }
            (None, Some(chart)) => {
                let chart = self.templates.expand(chart)?;
                let is_plain = out.get("version").is_none() && out.get("repo").is_none();
                if is_plain && !chart.as_text().unwrap_or_default().starts_with("oci://") {
                    // Helm's own word for the newest there is.
                    out.put("version", made_text("*"));
                }
                out.put("chart", chart);
            }
            (Some(_), Some(second)) => {
                return Err(second.fault(Problem::Conflict {
                    what: "a release has a `chartPath` or a `remoteChart`, not both".to_owned(),
                    help: "take one of them out".to_owned(),
                }));
            }
            (None, None) => {
                return Err(release.fault(Problem::MissingKey {
                    key: "chartPath",
                    within: "this release".to_owned(),
                    example: "chartPath: FOLDER".to_owned(),
                }));
            }
        }
        Ok(())
    }

    /// All values that lie over the files: `overrides`, then what Helm would get with `--set`.
    fn values(&mut self, module: &Module, release: &Node) -> Result<(Node, Node), Fault> {
        let mut late = release.map_here();
        let mut set = match release.get("overrides") {
            Some(overrides) => Node { ..overrides.clone() },
            None => release.map_here(),
        };
        let mut flat = Vec::new();
        flatten("", release.get("setValues").unwrap_or(&made_map()), &mut flat);
        for (key, value) in &flat {
            set_flag::set(&mut set, key, value)?;
        }
        let mut templates = Vec::new();
        flatten("", release.get("setValueTemplates").unwrap_or(&made_map()), &mut templates);
        for (key, value) in &templates {
            let key = self.templates.expand(&value.text_here(key.clone()))?;
            let key = key.as_text().unwrap_or_default().to_owned();
            let value = self.templates.expand_with(value, &self.image_variables)?;
            let text = value.as_text().unwrap_or_default();
            // What is known only when the images are.
            if ImageText::parse(text).images().next().is_some() {
                late.put(&key, value.clone());
                continue;
            }
            let text = text.trim_end_matches('@').to_owned();
            set_flag::set(&mut set, &key, &value.text_here(text))?;
        }
        for (key, file) in release.map_of("setFiles") {
            let path = absolute(&module.dir, Path::new(file.as_text().unwrap_or_default()));
            let Ok(text) = disk::text(&path) else {
                return Err(file.fault(Problem::MissingPath {
                    sort: "file",
                    path: file.as_text().unwrap_or_default().to_owned(),
                    suggestion: None,
                    help: String::new(),
                }));
            };
            self.files.push(path);
            set_flag::put(&mut set, &key.text, &file.text_here(text))?;
        }
        // A dot in a key of `set` leads into a map; these keys are whole.
        if let Kind::Map(entries) = &mut set.kind {
            for (key, _) in entries {
                key.text = key.text.replace('\\', "\\\\").replace('.', "\\.");
            }
        }
        Ok((set, late))
    }

    /// What templates of values may name, for the images of all modules in their order.
    pub(super) fn image_variables_of(names: &[String]) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let number = if index == 0 { String::new() } else { (index + 1).to_string() };
            let suffixes = [number, format!("_{}", variable_suffix(name))];
            for suffix in suffixes {
                let mut put = |variable: &str, value: String| {
                    out.insert(format!("{variable}{suffix}"), value);
                };
                put("IMAGE_NAME", name.clone());
                for (variable, part) in IMAGE_VARIABLES {
                    put(variable, format!("{{{part}:{name}}}"));
                }
            }
        }
        out
    }

    /// The same where images are left as they are called.
    pub(super) fn plain_variables_of(names: &[String]) -> BTreeMap<String, String> {
        let variables = Self::image_variables_of(names).into_iter();
        let plain = variables.map(|(variable, value)| {
            let text = ImageText::parse(&value);
            let filled = text.filled(|name| crate::model::ImageRef::parse(name.as_str()).ok());
            (variable, filled)
        });
        plain.collect()
    }
}

/// A name of an image as part of a variable's name.
pub(super) fn variable_suffix(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The leaves of a map, by their dotted keys.
pub(super) fn flatten(prefix: &str, node: &Node, out: &mut Vec<(String, Node)>) {
    let Kind::Map(entries) = &node.kind else { return };
    for (Key { text, .. }, value) in entries {
        let key = if prefix.is_empty() { text.clone() } else { format!("{prefix}.{text}") };
        match &value.kind {
            Kind::Map(inner) if !inner.is_empty() => flatten(&key, value, out),
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.push((format!("{key}[{index}]"), item.clone()));
                }
            }
            _ => out.push((key, value.clone())),
        }
    }
}

/// The files that Skaffold takes for `glob`, as globs of wharf's that match something: as in Go,
/// `**` goes no deeper than `*`; a folder means what lies anywhere in it; what is no manifest by
/// its name is left out.
fn globs(glob: &str) -> Vec<String> {
    let mut glob = glob.to_owned();
    while glob.contains("**") {
        glob = glob.replace("**", "*");
    }
    let is_open = glob.ends_with('*');
    let files = if is_open { format!("{glob}.{MANIFEST}") } else { glob.clone() };
    let below = format!("{glob}/**/*.{MANIFEST}");
    [files, below].into_iter().filter(|glob| disk::some_file_matches(Path::new(glob))).collect()
}

fn refuse_address(node: &Node, text: &str, help: &str) -> Result<(), Fault> {
    let is_address =
        text.contains("://") || text.starts_with("github.com/") || text.contains("?ref=");
    if !is_address {
        return Ok(());
    }
    let what = "wharf reads manifests and values from files, not from addresses".to_owned();
    Err(node.fault(Problem::Conflict { what, help: help.to_owned() }))
}
