//! Which configurations belong together: the documents of a file, what they require, and the
//! profiles that are active in each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::error::{ConfigError, Problem};
use super::super::node::{Kind, Node};
use super::super::resolve::absolute;
use super::fields;
use super::git::Repositories;
use super::profiles::{self, Circumstances};
use super::sources::Sources;
use super::versions;

/// Names that a folder's configuration may have.
pub(in crate::config) const FILE_NAMES: &[&str] = &["skaffold.yaml", "skaffold.yml"];

/// One configuration, with its profiles laid over it.
pub(super) struct Module {
    /// `metadata.name`.
    pub(super) name: Option<String>,
    /// What it says, in the newest version.
    pub(super) document: Node,
    /// What its paths are relative to.
    pub(super) dir: PathBuf,
    /// The modules that it requires, by their place among all.
    pub(super) requires: BTreeSet<usize>,
}

/// What is asked for.
pub(super) struct Wanted<'w> {
    pub(super) modules: &'w [String],
    pub(super) profiles: &'w [String],
    /// Whether those count for what is required, too.
    pub(super) propagate: bool,
    pub(super) circumstances: Circumstances<'w>,
}

/// Reads the modules of the file at `path` and what they require, those that are required first.
///
/// Paths of the file itself are relative to `dir`; those of files that it requires, to the folder
/// that each lies in.
pub(super) fn read(
    path: &Path,
    dir: &Path,
    wanted: &Wanted<'_>,
    repositories: &mut Repositories,
    sources: &mut Sources,
) -> Result<Vec<Module>, ConfigError> {
    let mut reader = Reader {
        wanted,
        repositories,
        sources,
        documents: BTreeMap::new(),
        seen: BTreeMap::new(),
        modules: vec![],
        known_profiles: BTreeSet::new(),
        known_modules: BTreeSet::new(),
    };
    let call =
        Call { dir, only: &[], profiles: wanted.profiles, is_wanted: wanted.modules.is_empty() };
    reader.file(path, &call)?;
    for name in wanted.modules {
        if !reader.known_modules.contains(name) {
            let known = reader.known_modules.into_iter().collect();
            let problem = Problem::UnknownName { sort: "module", name: name.clone(), known };
            return Err(Sources::without_place(problem));
        }
    }
    for name in wanted.profiles {
        let bare = name.strip_prefix('-').unwrap_or(name);
        if !reader.known_profiles.contains(bare) && bare.len() == name.len() {
            let known = reader.known_profiles.into_iter().collect();
            let problem = Problem::UnknownProfile { name: name.clone(), known };
            return Err(Sources::without_place(problem));
        }
    }
    Ok(reader.modules)
}

struct Reader<'r> {
    wanted: &'r Wanted<'r>,
    repositories: &'r mut Repositories,
    sources: &'r mut Sources,
    documents: BTreeMap<PathBuf, Vec<Node>>,
    /// Documents that were gone into, by file and place in it, and whether they are wanted.
    seen: BTreeMap<(PathBuf, usize, bool), Seen>,
    modules: Vec<Module>,
    known_profiles: BTreeSet<String>,
    known_modules: BTreeSet<String>,
}

/// A document that was gone into.
struct Seen {
    /// Its module, where it is part of the project.
    module: Option<usize>,
    profiles: Vec<String>,
}

/// How a file is read on behalf of another.
struct Call<'c> {
    dir: &'c Path,
    /// The modules that are meant; none: all.
    only: &'c [String],
    profiles: &'c [String],
    /// Whether they are part of the project, unless they are asked for by name.
    is_wanted: bool,
}

impl Reader<'_> {
    /// The modules of the file that are part of the project.
    fn file(&mut self, path: &Path, call: &Call<'_>) -> Result<BTreeSet<usize>, ConfigError> {
        let documents = self.documents_of(path)?;
        let mut found = BTreeSet::new();
        for (index, document) in documents.iter().enumerate() {
            let name =
                document.at_path(&["metadata"]).and_then(|metadata| metadata.text_of("name"));
            if !call.only.is_empty()
                && !name.is_some_and(|name| call.only.iter().any(|only| only == name))
            {
                continue;
            }
            let by_name =
                name.is_some_and(|name| self.wanted.modules.iter().any(|wanted| wanted == name));
            self.known_modules.extend(name.map(str::to_owned));
            let is_wanted = call.is_wanted || by_name;
            found.extend(self.document(path, index, document, is_wanted, call)?);
        }
        Ok(found)
    }

    fn documents_of(&mut self, path: &Path) -> Result<Vec<Node>, ConfigError> {
        if let Some(documents) = self.documents.get(path) {
            return Ok(documents.clone());
        }
        let mut documents = self.sources.read(path)?;
        documents.retain(|document| document.kind != Kind::Null);
        let mut names: BTreeSet<String> = BTreeSet::new();
        for document in &mut documents {
            prepare(document).map_err(|fault| self.sources.placed(fault))?;
            let node = document.at_path(&["metadata", "name"]);
            let Some((node, name)) = node.and_then(|node| Some((node, node.as_text()?))) else {
                continue;
            };
            if !names.insert(name.to_owned()) {
                let fault = node.fault(Problem::DuplicateName {
                    what: format!("two modules are named `{name}`"),
                    help: "rename one of them".to_owned(),
                });
                return Err(self.sources.placed(fault));
            }
        }
        self.documents.insert(path.to_path_buf(), documents.clone());
        Ok(documents)
    }

    fn document(
        &mut self,
        path: &Path,
        index: usize,
        document: &Node,
        is_wanted: bool,
        call: &Call<'_>,
    ) -> Result<Option<usize>, ConfigError> {
        let mut document = document.clone();
        let names = document.list_of("profiles").iter();
        self.known_profiles
            .extend(names.filter_map(|profile| profile.text_of("name")).map(str::to_owned));
        let active = profiles::active(&document, call.profiles, &self.wanted.circumstances)
            .map_err(|fault| self.sources.placed(fault))?;
        let key = (path.to_path_buf(), index, is_wanted);
        if let Some(seen) = self.seen.get(&key) {
            if seen.profiles == active {
                return Ok(seen.module);
            }
            let what = "this module is required twice, with different profiles".to_owned();
            let help = "name the same `activeProfiles` in both places".to_owned();
            let fault = document.fault(Problem::Conflict { what, help });
            return Err(self.sources.placed(fault));
        }
        // Before it is gone into: modules may require each other in a circle.
        self.seen.insert(key.clone(), Seen { module: None, profiles: active.clone() });
        for name in &active {
            profiles::lay_over(&mut document, name).map_err(|fault| self.sources.placed(fault))?;
        }
        // A patch may have put in anything.
        fields::check_shape(&document).map_err(|fault| self.sources.placed(fault))?;
        let mut requires = BTreeSet::new();
        for requirement in document.list_of("requires") {
            requires.extend(self.requirement(path, requirement, &active, is_wanted, call)?);
        }
        if !is_wanted {
            return Ok(None);
        }
        let name = document.at_path(&["metadata"]).and_then(|metadata| metadata.text_of("name"));
        let name = name.map(str::to_owned);
        let module = self.modules.len();
        self.modules.push(Module { name, document, dir: call.dir.to_path_buf(), requires });
        self.seen.insert(key, Seen { module: Some(module), profiles: active });
        Ok(Some(module))
    }

    fn requirement(
        &mut self,
        path: &Path,
        requirement: &Node,
        active: &[String],
        is_wanted: bool,
        call: &Call<'_>,
    ) -> Result<BTreeSet<usize>, ConfigError> {
        let below = match (requirement.get("git"), requirement.get("path")) {
            (Some(git), _) => {
                let found = self.repositories.find(git);
                Some((git, found.map_err(|fault| self.sources.placed(fault))?))
            }
            (None, Some(node)) => {
                let base = path.parent().unwrap_or(Path::new("/"));
                Some((node, absolute(base, Path::new(node.as_text().unwrap_or_default()))))
            }
            (None, None) => None,
        };
        let (file, dir) = match below {
            None => (path.to_path_buf(), call.dir.to_path_buf()),
            Some((node, below)) => {
                let file = configuration_at(&below).ok_or_else(|| {
                    let said = node.as_text().or_else(|| node.text_of("path")).unwrap_or(".");
                    let fault = node.fault(Problem::MissingPath {
                        sort: "Skaffold configuration",
                        path: said.to_owned(),
                        suggestion: None,
                        help: "the path is relative to the file that requires it, or to the root \
                               of the repository"
                            .to_owned(),
                    });
                    self.sources.placed(fault)
                })?;
                let dir = if file == path {
                    call.dir.to_path_buf()
                } else {
                    file.parent().unwrap_or(Path::new("/")).to_path_buf()
                };
                (file, dir)
            }
        };
        let only: Vec<String> = requirement
            .list_of("configs")
            .iter()
            .filter_map(Node::as_text)
            .map(str::to_owned)
            .collect();
        let mut wanted = if self.wanted.propagate { call.profiles.to_vec() } else { vec![] };
        for profile in requirement.list_of("activeProfiles") {
            let by = profile.list_of("activatedBy");
            let is_active = by.is_empty()
                || by
                    .iter()
                    .filter_map(Node::as_text)
                    .any(|by| active.iter().any(|name| name == by));
            if let (true, Some(name)) = (is_active, profile.text_of("name"))
                && !wanted.iter().any(|other| other == name)
            {
                wanted.push(name.to_owned());
            }
        }
        let inner = Call { dir: &dir, only: &only, profiles: &wanted, is_wanted };
        let found = self.file(&file, &inner)?;
        for item in requirement.list_of("configs") {
            let name = item.as_text().unwrap_or_default();
            let documents = self.documents.get(&file).map_or(&[][..], Vec::as_slice);
            let names = documents.iter().filter_map(|document| {
                document.at_path(&["metadata"]).and_then(|metadata| metadata.text_of("name"))
            });
            let known: Vec<String> = names.map(str::to_owned).collect();
            if !known.iter().any(|other| other == name) {
                let problem = Problem::UnknownName { sort: "module", name: name.to_owned(), known };
                return Err(self.sources.placed(item.fault(problem)));
            }
        }
        Ok(found)
    }
}

/// The configuration that `path` means: the file itself, or the one in the folder.
fn configuration_at(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        FILE_NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file())
    } else {
        Some(path.to_path_buf()).filter(|file| file.is_file())
    }
}

/// Brings a document to the newest version and checks its shape.
fn prepare(document: &mut Node) -> Result<(), super::super::node::Fault> {
    if let Kind::Map(entries) = &mut document.kind {
        // Keys with a dot in front are there to hold anchors.
        entries.retain(|(key, _)| !key.text.starts_with('.'));
    }
    versions::upgrade(document)?;
    fields::check_shape(document)
}
