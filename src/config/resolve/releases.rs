//! Releases of all sorts: Helm, kustomizations, manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;

use crate::model::{
    Chart, HelmSource, ImageText, KustomizeSource, ManifestSource, Packaging, Release, ReleaseName,
    ReleaseSource, WaitRule,
};

use super::super::error::Problem;
use super::super::forms::{Globs, KustomizeForm, ManifestForm, WaitForm};
use super::super::node::Fault;
use super::super::provenance::Provenance;
use super::super::read::{Named, Spanned, Text};
use super::super::schema::{KustomizeEntry, ManifestEntry, ReleaseEntry};
use super::alterations::{Asked, alterations};
use super::helm_flags;
use super::hooks::HookUse;
use super::{Must, Resolver, check_glob, derived, is_glob, list, refuse_cycle};

impl Resolver<'_> {
    pub(super) fn releases(
        &mut self,
        helm: Option<Spanned<Named<ReleaseEntry>>>,
        kustomize: Option<Spanned<KustomizeForm>>,
        manifests: Option<Spanned<ManifestForm>>,
        provenance: &mut Provenance,
    ) -> Result<BTreeMap<ReleaseName, Release>, Fault> {
        let mut all = Releases::default();
        for (name, entry) in helm.map_or_else(Vec::new, |releases| releases.value.0) {
            let after = entry.after.clone();
            let release = self.helm(&name, entry, provenance)?;
            all.add(&name, release, after)?;
        }
        match kustomize.map(|kustomize| kustomize.value) {
            Some(KustomizeForm::Named(entries)) => {
                for (name, entry) in entries {
                    let after = entry.after.clone();
                    let release = self.kustomization(&name, entry)?;
                    all.add(&name, release, after)?;
                    // The short form `name: path`.
                    let whole = ["kustomize", name.value.as_str()];
                    provenance.alias_unless_known(&whole, &["kustomize", &name.value, "path"]);
                }
            }
            Some(KustomizeForm::List(paths)) => {
                for (index, path) in paths.into_iter().enumerate() {
                    let name = all.free(&derived(&path.value, "kustomize"));
                    let name =
                        Spanned { value: name, at: path.at.clone(), profile: path.profile.clone() };
                    let from = ["kustomize", &index.to_string()];
                    provenance.alias(&from, &["kustomize", &name.value]);
                    provenance.alias(&from, &["kustomize", &name.value, "path"]);
                    let entry = KustomizeEntry { path: Some(path), ..Default::default() };
                    let release = self.kustomization(&name, entry)?;
                    all.add(&name, release, None)?;
                }
            }
            None => {}
        }
        match manifests.map(|manifests| manifests.value) {
            Some(ManifestForm::Named(entries)) => {
                for (name, entry) in entries {
                    let after = entry.after.clone();
                    let files = entry.files.as_ref().map_or(0, |files| files.value.0.len());
                    let release = self.manifests(&name, entry)?;
                    all.add(&name, release, after)?;
                    // The short forms `name: FILE` and `name: [FILE]`.
                    let whole = ["manifests", name.value.as_str()];
                    for index in (0..files).map(|index| index.to_string()) {
                        let item = [&whole[..], &["files", index.as_str()]].concat();
                        provenance
                            .alias_unless_known(&[&whole[..], &[index.as_str()]].concat(), &item);
                    }
                    provenance.alias_unless_known(&whole, &[&whole[..], &["files"]].concat());
                }
            }
            Some(ManifestForm::List(files)) => {
                let name = all.free("manifests");
                let name =
                    Spanned { value: name, at: files.at.clone(), profile: files.profile.clone() };
                for index in 0..files.value.0.len() {
                    let index = index.to_string();
                    provenance.alias(
                        &["manifests", &index],
                        &["manifests", &name.value, "files", &index],
                    );
                }
                provenance.alias(&["manifests"], &["manifests", &name.value]);
                let entry = ManifestEntry { files: Some(files), ..Default::default() };
                let release = self.manifests(&name, entry)?;
                all.add(&name, release, None)?;
            }
            None => {}
        }
        all.finish()
    }

    fn helm(
        &mut self,
        name: &Spanned<String>,
        entry: ReleaseEntry,
        provenance: &mut Provenance,
    ) -> Result<Release, Fault> {
        let own = ReleaseName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let Some(chart) = &entry.chart else {
            return Err(name.fault(Problem::MissingKey {
                key: "chart",
                within: format!("the release `{own}`"),
                example: "chart: FOLDER".to_owned(),
            }));
        };
        let version = entry.version.as_ref().map(|version| version.value.0.clone());
        let is_oci = chart.value.starts_with("oci://");
        let looks_local = chart.value.starts_with(['.', '/']) || chart.value.ends_with(".tgz");
        if let (true, Some(repo)) = (is_oci, &entry.repo) {
            return Err(repo.fault(Problem::Conflict {
                what: "an `oci://` chart has no `repo`".to_owned(),
                help: "take `repo` out".to_owned(),
            }));
        }
        let is_remote = is_oci || entry.repo.is_some() || (entry.version.is_some() && !looks_local);
        let source = if is_remote {
            let repo = entry.repo.as_ref().map(|repo| repo.value.clone());
            Chart::Remote { chart: chart.value.clone(), repo, version }
        } else {
            if let Some(version) = &entry.version {
                return Err(version.fault(Problem::Conflict {
                    what: "a chart in a folder has its version in its `Chart.yaml`".to_owned(),
                    help: "take `version` out".to_owned(),
                }));
            }
            let path = self.path(&chart.value);
            let help = "a chart of a repository has `repo:` or `version:` beside it";
            self.claim(chart, &path, Must::Chart, "chart", help);
            Chart::Path(path)
        };
        let mut values = Vec::new();
        for file in list(entry.values) {
            let path = self.path(&file.value);
            self.claim(&file, &path, Must::File, "values file", "");
            values.push(path);
        }
        let mut secret_values = Vec::new();
        for file in list(entry.secret_values) {
            let path = self.path(&file.value);
            self.claim(&file, &path, Must::File, "values file", "");
            secret_values.push(path);
        }
        let packaging = entry.package.map_or_else(Packaging::default, |package| Packaging {
            version: package.value.version.map(|version| version.value.0),
            app_version: package.value.app_version.map(|version| version.value.0),
        });
        let mut set = BTreeMap::new();
        for (key, value) in entry.set.map_or_else(Vec::new, |set| set.value.0) {
            let from = ["releases", &name.value, "set"];
            let parts = dotted(&key.value);
            let to: Vec<&str> = from.into_iter().chain(parts.iter().map(String::as_str)).collect();
            provenance.alias_tree(&[&from[..], &[key.value.as_str()]].concat(), &to);
            set_value(&mut set, &key, value.0)?;
        }
        let hooks = self.hooks(entry.hooks.as_ref().map(|hooks| &hooks.value), HookUse::Deploy)?;
        let (functions, image_rules) = (entry.functions, entry.image_rules);
        let asked = Asked { functions, image_rules, setters: None };
        let image_values = entry.image_values.map_or_else(Vec::new, |values| values.value.0);
        let image_values = image_values
            .into_iter()
            .map(|(key, Text(text))| (key.value, ImageText::parse(&text)))
            .collect();
        let flags = list(entry.flags);
        flags.iter().try_for_each(helm_flags::check)?;
        let flags = flags.into_iter().map(|flag| flag.value).collect();
        let helm = HelmSource {
            chart: source,
            packaging,
            values,
            secret_values,
            set,
            image_values,
            flags,
            rollback_on_failure: entry.rollback_on_failure.is_some_and(|on| on.value),
            skip_crds: entry.skip_crds.is_some_and(|on| on.value),
        };
        Ok(Release {
            name: own,
            namespace: entry.namespace.map(|namespace| namespace.value),
            source: ReleaseSource::Helm(helm),
            after: BTreeSet::new(),
            wait: wait(entry.wait),
            hooks,
            alterations: alterations(asked)?,
        })
    }

    fn kustomization(
        &mut self,
        name: &Spanned<String>,
        entry: KustomizeEntry,
    ) -> Result<Release, Fault> {
        let own = ReleaseName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let Some(text) = &entry.path else {
            return Err(name.fault(Problem::MissingKey {
                key: "path",
                within: format!("the kustomization `{own}`"),
                example: "path: FOLDER".to_owned(),
            }));
        };
        let path = self.path(&text.value);
        self.claim(text, &path, Must::Kustomization, "kustomization", "");
        let flags = list(entry.flags).into_iter().map(|flag| flag.value).collect();
        let source = KustomizeSource { folder: path, flags };
        let (functions, image_rules, setters) = (entry.functions, entry.image_rules, entry.setters);
        let asked = Asked { functions, image_rules, setters };
        let hooks = self.hooks(entry.hooks.as_ref().map(|hooks| &hooks.value), HookUse::Deploy)?;
        Ok(Release {
            name: own,
            namespace: entry.namespace.map(|namespace| namespace.value),
            source: ReleaseSource::Manifests(ManifestSource::Kustomize(source)),
            after: BTreeSet::new(),
            wait: wait(entry.wait),
            hooks,
            alterations: alterations(asked)?,
        })
    }

    fn manifests(
        &mut self,
        name: &Spanned<String>,
        entry: ManifestEntry,
    ) -> Result<Release, Fault> {
        let own = ReleaseName::parse(&name.value).map_err(|error| name.fault(error.into()))?;
        let files = entry.files.map_or_else(Vec::new, |Spanned { value: Globs(files), .. }| files);
        if files.is_empty() {
            return Err(name.fault(Problem::MissingKey {
                key: "files",
                within: format!("the manifests `{own}`"),
                example: "files: [\"FOLDER/*.yaml\"]".to_owned(),
            }));
        }
        let hooks = self.hooks(entry.hooks.as_ref().map(|hooks| &hooks.value), HookUse::Deploy)?;
        let (functions, image_rules, setters) = (entry.functions, entry.image_rules, entry.setters);
        let asked = Asked { functions, image_rules, setters };
        let mut out = Vec::new();
        for file in files {
            let path = self.path(&file.value);
            let text = path.display().to_string();
            check_glob(&file)?;
            let must = if is_glob(&file.value) { Must::Match } else { Must::File };
            self.claim(&file, &path, must, "manifest", "");
            out.push(text);
        }
        Ok(Release {
            name: own,
            namespace: entry.namespace.map(|namespace| namespace.value),
            source: ReleaseSource::Manifests(ManifestSource::Files(out)),
            after: BTreeSet::new(),
            wait: wait(entry.wait),
            hooks,
            alterations: alterations(asked)?,
        })
    }
}

/// Releases of all sorts share one set of names.
#[derive(Default)]
struct Releases {
    by_name: BTreeMap<ReleaseName, Release>,
    name_at: BTreeMap<ReleaseName, Range<usize>>,
    after: BTreeMap<ReleaseName, Spanned<Vec<Spanned<String>>>>,
}

impl Releases {
    fn add(
        &mut self,
        name: &Spanned<String>,
        release: Release,
        after: Option<Spanned<Vec<Spanned<String>>>>,
    ) -> Result<(), Fault> {
        if let Some(first) = self.name_at.get(&release.name) {
            let fault = name.fault(Problem::DuplicateName {
                what: format!("the name `{}` is given to two releases", release.name),
                help: "releases, kustomizations and manifests share their names; rename one of \
                       them"
                    .to_owned(),
            });
            return Err(fault.also(first.clone(), "first here"));
        }
        self.name_at.insert(release.name.clone(), name.at.clone());
        if let Some(after) = after {
            self.after.insert(release.name.clone(), after);
        }
        self.by_name.insert(release.name.clone(), release);
        Ok(())
    }

    /// `wanted`, or with a number behind it where that is taken.
    fn free(&self, wanted: &str) -> String {
        let taken = |name: &String| self.by_name.keys().any(|other| other.as_str() == name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned())
            .chain(numbered)
            .find(|name| !taken(name))
            .expect("one of endless numbers is free")
    }

    fn finish(mut self) -> Result<BTreeMap<ReleaseName, Release>, Fault> {
        let mut after_at = BTreeMap::new();
        for (name, list) in &self.after {
            after_at.insert(name.clone(), list.at.clone());
            let mut after = BTreeSet::new();
            for other in &list.value {
                let known = self.name_at.keys().find(|known| known.as_str() == other.value);
                let Some(known) = known else {
                    let known = self.name_at.keys().map(ToString::to_string).collect();
                    return Err(other.fault(Problem::UnknownName {
                        sort: "release",
                        name: other.value.clone(),
                        known,
                    }));
                };
                after.insert(known.clone());
            }
            if let Some(release) = self.by_name.get_mut(name) {
                release.after = after;
            }
        }
        let waits =
            self.by_name.iter().map(|(name, release)| (name.clone(), release.after.clone()));
        refuse_cycle(&waits.collect(), "releases", "after", &after_at)?;
        Ok(self.by_name)
    }
}

/// Puts `value` where the dotted `key` says; `\.` is a dot of the name itself.
fn set_value(
    set: &mut BTreeMap<String, Value>,
    key: &Spanned<String>,
    value: Value,
) -> Result<(), Fault> {
    let parts = dotted(&key.value);
    let refuse = |what: String| {
        Err(key.fault(Problem::Conflict {
            what,
            help: "give the whole list or map, such as `hosts: [a, b]`".to_owned(),
        }))
    };
    if parts.iter().any(String::is_empty) || key.value.contains('[') {
        return refuse(format!("`{}` is not a path of names with dots between", key.value));
    }
    let (first, inner) = parts.split_first().expect("a split has at least one part");
    let value = inner.iter().rev().fold(value, |value, part| {
        Value::Object(serde_json::Map::from_iter([(part.clone(), value)]))
    });
    match set.get_mut(first) {
        None => {
            set.insert(first.clone(), value);
            Ok(())
        }
        Some(existing) => {
            if deep_merge(existing, value) {
                Ok(())
            } else {
                refuse(format!("`{}` is set twice", key.value))
            }
        }
    }
}

/// Adds `value` to `into`; false when both say something for the same place.
fn deep_merge(into: &mut Value, value: Value) -> bool {
    let (Value::Object(into), Value::Object(value)) = (into, value) else { return false };
    for (key, value) in value {
        match into.get_mut(&key) {
            None => {
                into.insert(key, value);
            }
            Some(existing) => {
                if !deep_merge(existing, value) {
                    return false;
                }
            }
        }
    }
    true
}

fn dotted(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = key.chars();
    while let Some(c) = rest.next() {
        let last = parts.last_mut().expect("it begins with one part");
        match c {
            '.' => parts.push(String::new()),
            '\\' => last.push(rest.next().unwrap_or('\\')),
            c => last.push(c),
        }
    }
    parts
}

fn wait(form: Option<Spanned<WaitForm>>) -> WaitRule {
    let default = WaitRule::default();
    match form.map(|form| form.value) {
        None => default,
        Some(WaitForm::Switch(ready)) => WaitRule { ready, ..default },
        Some(WaitForm::Full(full)) => WaitRule {
            ready: full.ready.map_or(default.ready, |ready| ready.value),
            timeout: full.timeout.map_or(default.timeout, |timeout| timeout.value.0),
        },
    }
}
