//! What is watched: folders with their rules, and single files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::dockerfile::{ContextFilter, Patterns};
use crate::files::{Filter, Globs, Keep, tidy};
use crate::model::{Builder, Chart, ManifestSource, NamedContext, Origin, Project, ReleaseSource};

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchScope {
    /// Folders, with everything below them that their rules do not leave out.
    pub roots: BTreeSet<WatchRoot>,
    /// Single files, there or not yet, which no rule leaves out.
    pub files: BTreeSet<PathBuf>,
}

/// A folder that is watched with what lies in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchRoot {
    /// Absolute.
    pub path: PathBuf,
    /// What below it does not matter.
    pub rules: WatchRules,
}

/// What below a folder does not matter. `.git` and editors' temporary files never do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchRules {
    /// What the first of these ignore files of Docker's names that is there.
    Docker(Vec<PathBuf>),
    /// What the `.gitignore` files above, in and below it name.
    Git,
    /// What is not selected by globs.
    Globs {
        /// Selected.
        inputs: Vec<String>,
        /// Taken out again.
        ignore: Vec<String>,
    },
}

impl WatchScope {
    /// Everything whose change can matter to `project`; `also` are further files and folders, such
    /// as a kustomization's bases.
    #[must_use]
    pub fn of(project: &Project, also: &[PathBuf]) -> Self {
        let mut scope = Self { files: project.config_files.clone(), ..Self::default() };
        for artifact in project.artifacts.values() {
            match &artifact.builder {
                Builder::Docker(build) => {
                    let mut own = build.dockerfile.as_os_str().to_owned();
                    own.push(".dockerignore");
                    let own = PathBuf::from(own);
                    let general = build.context.join(".dockerignore");
                    scope.files.extend([build.dockerfile.clone(), own.clone(), general.clone()]);
                    scope.add_root(&build.context, WatchRules::Docker(vec![own, general]));
                    for context in build.contexts.values() {
                        if let NamedContext::Folder(path) = context {
                            let ignore = path.join(".dockerignore");
                            scope.files.insert(ignore.clone());
                            scope.add_root(path, WatchRules::Docker(vec![ignore]));
                        }
                    }
                }
                Builder::Command(build) => {
                    let (inputs, ignore) = (build.inputs.clone(), build.ignore.clone());
                    scope.add_root(&build.dir, WatchRules::Globs { inputs, ignore });
                }
            }
        }
        for release in project.releases.values() {
            scope.add_release(&release.source);
        }
        for path in also {
            scope.add(path);
        }
        if project.origin == Origin::Inferred {
            // A further Dockerfile or chart may come anywhere in it.
            scope.add(&project.root);
        }
        scope
    }

    /// Adds what a release is made of, as far as its configuration says.
    pub(super) fn add_release(&mut self, source: &ReleaseSource) {
        match source {
            ReleaseSource::Helm(helm) => {
                self.files.extend(helm.values.iter().cloned());
                if let Chart::Path(path) = &helm.chart {
                    self.add(path);
                }
            }
            ReleaseSource::Manifests(ManifestSource::Kustomize(kustomization)) => {
                self.add(&kustomization.folder);
            }
            ReleaseSource::Manifests(ManifestSource::Files(globs)) => {
                for glob in globs {
                    let plain = glob.find(['*', '?', '[', '{']).map(|at| &glob[..at]);
                    match plain.and_then(|plain| plain.rsplit_once('/')) {
                        Some((folder, _)) => self.add(Path::new(folder)),
                        None => self.add(Path::new(glob)),
                    }
                    self.add_manifests(glob);
                }
            }
        }
    }

    /// Adds a folder with what is in it, or a file.
    pub fn add(&mut self, path: &Path) {
        if path.is_dir() {
            self.add_root(path, WatchRules::Git);
        } else {
            self.files.insert(tidy(path));
        }
    }

    /// Adds what `glob` selects, which is deployed whether Git ignores it or not. Where that can lie
    /// at any depth, what Git ignores may be a whole `node_modules`: there only the files count
    /// that rendering has found.
    fn add_manifests(&mut self, glob: &str) {
        let (folder, selected) = match glob.find(['*', '?', '[', '{']) {
            Some(at) => {
                let Some(end) = glob[..at].rfind('/') else { return };
                (&glob[..end], glob[end + 1..].to_owned())
            }
            // A folder means the manifests in it.
            None if Path::new(glob).is_dir() => (glob, "*.{yaml,yml,json}".to_owned()),
            None => return,
        };
        if selected.contains("**") {
            return;
        }
        let deeper = format!("{}*/**", "*/".repeat(selected.matches('/').count()));
        let rules = WatchRules::Globs { inputs: vec![selected], ignore: vec![deeper] };
        self.add_root(Path::new(folder), rules);
    }

    fn add_root(&mut self, path: &Path, rules: WatchRules) {
        self.roots.insert(WatchRoot { path: tidy(path), rules });
    }

    /// Reads the ignore files.
    pub(super) fn read(&self) -> Wanted {
        let mut ignore_files = BTreeSet::new();
        let mut roots = Vec::new();
        // Many images of one context have the same ignore file, which is asked once.
        let mut taken: BTreeSet<(&Path, Option<&PathBuf>)> = BTreeSet::new();
        for root in &self.roots {
            let rules = match &root.rules {
                WatchRules::Docker(paths) => {
                    ignore_files.extend(paths.iter().cloned());
                    let there = paths.iter().find(|path| path.is_file());
                    if !taken.insert((&root.path, there)) {
                        continue;
                    }
                    // A pattern that Docker refuses is reported by the hash; here it hides
                    // nothing.
                    let text = there.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
                    let ignored = Patterns::read(&text).unwrap_or_default();
                    Rules::Docker(ContextFilter { visible: None, ignored })
                }
                WatchRules::Git => Rules::Git(git_rules_above(&root.path)),
                WatchRules::Globs { inputs, ignore } => match Globs::new(inputs, ignore) {
                    Ok(globs) => Rules::Globs(globs),
                    Err(_) => Rules::Docker(ContextFilter::default()),
                },
            };
            roots.push((root.path.clone(), rules));
        }
        Wanted { roots, ignore_files }
    }
}

/// A scope with its ignore files read.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    roots: Vec<(PathBuf, Rules)>,
    /// Docker's; a change of one is a change of the scope.
    pub(super) ignore_files: BTreeSet<PathBuf>,
}

#[derive(Debug)]
enum Rules {
    Docker(ContextFilter),
    Git(Vec<Arc<Gitignore>>),
    Globs(Globs),
}

/// What the rules of each root made of a folder; roots that leave it out are not among them.
#[derive(Clone, Default)]
pub(super) struct FolderRules(Vec<(usize, RulesState)>);

#[derive(Clone)]
enum RulesState {
    Docker(Arc<<ContextFilter as Filter>::Folder>),
    Git(Vec<Arc<Gitignore>>),
    Globs,
}

impl FolderRules {
    /// Whether no root wants the folder.
    pub(super) fn is_unwanted(&self) -> bool {
        self.0.is_empty()
    }
}

/// What becomes of an entry of a folder.
pub(super) struct Verdict {
    /// It is watched.
    pub(super) is_kept: bool,
    /// For a folder: the rules in it.
    pub(super) below: FolderRules,
}

impl Wanted {
    /// The roots' folders.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|(path, _)| path.as_path())
    }

    /// The rules in `folder`, found by going down to it from each root.
    pub(super) fn rules_in(&self, folder: &Path) -> FolderRules {
        let mut rules = FolderRules::default();
        for (index, (root, own)) in self.roots.iter().enumerate() {
            let Ok(relative) = folder.strip_prefix(root) else { continue };
            let mut state = Some(own.root(root));
            let mut path = root.clone();
            for part in relative.components() {
                path.push(part);
                state = state.and_then(|state| own.judge(root, &path, true, &state).1);
            }
            rules.0.extend(state.map(|state| (index, state)));
        }
        rules
    }

    /// What becomes of `path`, an entry of the folder with these rules.
    pub(super) fn judge(&self, path: &Path, is_folder: bool, rules: &FolderRules) -> Verdict {
        let mut verdict = Verdict { is_kept: false, below: FolderRules::default() };
        for (index, state) in &rules.0 {
            let (root, own) = &self.roots[*index];
            let (is_kept, below) = own.judge(root, path, is_folder, state);
            verdict.is_kept |= is_kept;
            verdict.below.0.extend(below.map(|below| (*index, below)));
        }
        // Roots that begin right here.
        if is_folder {
            for (index, (root, own)) in self.roots.iter().enumerate() {
                if root == path {
                    verdict.is_kept = true;
                    verdict.below.0.push((index, own.root(root)));
                }
            }
        }
        verdict
    }
}

impl Rules {
    fn root(&self, root: &Path) -> RulesState {
        match self {
            Self::Docker(filter) => RulesState::Docker(Arc::new(filter.root())),
            Self::Git(above) => RulesState::Git(with_own_rules(above, root)),
            Self::Globs(_) => RulesState::Globs,
        }
    }

    /// Whether `path` is watched, and for a folder that is entered, the rules in it.
    fn judge(
        &self,
        root: &Path,
        path: &Path,
        is_folder: bool,
        state: &RulesState,
    ) -> (bool, Option<RulesState>) {
        if is_folder && path.file_name().is_some_and(|name| name == ".git") {
            return (false, None);
        }
        let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
        let (keep, below) = match (self, state) {
            (Self::Docker(filter), RulesState::Docker(folder)) => {
                let (keep, below) = filter.judge(&relative, is_folder, folder);
                (keep, RulesState::Docker(Arc::new(below)))
            }
            (Self::Globs(globs), _) => {
                (globs.judge(&relative, is_folder, &()).0, RulesState::Globs)
            }
            (_, RulesState::Git(rules)) => {
                let matched = rules.iter().rev().map(|rules| rules.matched(path, is_folder));
                let decided = matched.into_iter().find(|matched| !matched.is_none());
                if decided.is_some_and(|matched| matched.is_ignore()) {
                    return (false, None);
                }
                let below = if is_folder { with_own_rules(rules, path) } else { Vec::new() };
                (Keep::Yes, RulesState::Git(below))
            }
            (_, state) => (Keep::Yes, state.clone()),
        };
        match keep {
            Keep::Yes => (true, is_folder.then_some(below)),
            // Its own coming and going does not matter, what is in it may.
            Keep::IfNeeded => (false, is_folder.then_some(below)),
            Keep::Never => (false, None),
        }
    }
}

/// The rules of the repository around `root`, from its top down to the folder above `root`.
fn git_rules_above(root: &Path) -> Vec<Arc<Gitignore>> {
    let Some(top) = root.ancestors().find(|folder| folder.join(".git").exists()) else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    let exclude = top.join(".git/info/exclude");
    rules.extend(git_rules(top, &exclude));
    let mut between: Vec<&Path> =
        root.ancestors().skip(1).take_while(|folder| folder.starts_with(top)).collect();
    between.reverse();
    for folder in between {
        rules.extend(git_rules(folder, &folder.join(".gitignore")));
    }
    rules
}

fn with_own_rules(above: &[Arc<Gitignore>], folder: &Path) -> Vec<Arc<Gitignore>> {
    let mut rules = above.to_vec();
    rules.extend(git_rules(folder, &folder.join(".gitignore")));
    rules
}

fn git_rules(folder: &Path, file: &Path) -> Option<Arc<Gitignore>> {
    if !file.is_file() {
        return None;
    }
    let mut builder = GitignoreBuilder::new(folder);
    // What of the file can be read counts, as it does for Git.
    let _ = builder.add(file);
    builder.build().ok().map(Arc::new)
}

/// Single files and missing folders, by the folder that would show them: which names in it
/// matter.
pub(super) fn names_by_folder(
    paths: impl IntoIterator<Item = PathBuf>,
) -> BTreeMap<PathBuf, BTreeSet<std::ffi::OsString>> {
    let mut names: BTreeMap<PathBuf, BTreeSet<std::ffi::OsString>> = BTreeMap::new();
    for path in paths {
        let mut shown = path.as_path();
        while let (Some(folder), Some(name)) = (shown.parent(), shown.file_name()) {
            names.entry(folder.to_owned()).or_default().insert(name.to_owned());
            if folder.is_dir() {
                break;
            }
            shown = folder;
        }
    }
    names
}
