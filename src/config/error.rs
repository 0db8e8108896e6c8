//! What can be wrong with a configuration, and how it is said.
//!
//! A [`Problem`] says what, a [`Place`] where. Values are never quoted unless they are short, on
//! one line and not out of the environment; see [`super::mask`] for the drawn snippet.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::model::NameError;
use crate::report::Failure;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct ConfigError {
    /// What is wrong.
    #[source]
    problem: Box<Problem>,
    /// Where it is wrong, when that is a place in a file.
    place: Option<Box<Place>>,
}

/// A place in a file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The file, as a person would name it.
    pub(super) file: PathBuf,
    /// The whole text, without what should not be shown.
    pub(super) text: Arc<str>,
    /// Which bytes.
    pub(super) at: Range<usize>,
    /// Another place that has to do with it, and what it is.
    pub(super) also: Option<Box<(Range<usize>, String)>>,
    /// The profile that the place belongs to, where there is one.
    pub(super) profile: Option<String>,
}

/// What is wrong; one variant per thing that the person would do differently.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("`{}` does not exist", .0.display())]
    NoSuchFile(PathBuf),
    #[error("`{}` is a folder", .0.display())]
    Folder(PathBuf),
    #[error("there is no `wharf.yaml` in `{}`, and nothing there to infer one from", folder.display())]
    Nothing { folder: PathBuf, why: Vec<String>, is_half: bool },
    #[error("`{}` could not be read", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("not valid YAML: {0}")]
    Syntax(String),
    #[error("the key `{0}` is given twice")]
    DuplicateKey(String),
    #[error("unknown key `{key}` in {within}")]
    UnknownKey { key: String, within: &'static str, known: &'static [&'static str] },
    #[error("expected {expected}, found {found}")]
    WrongValue { expected: String, found: String },
    #[error("{within} has no `{key}`")]
    MissingKey { key: &'static str, within: String, example: String },
    #[error("{what}")]
    Conflict { what: String, help: String },
    #[error("{0}")]
    Name(NameError),
    #[error("the environment variable `{name}` is not set")]
    MissingVariable { name: String, suggestion: Option<String> },
    #[error("`{0}` is not a variable: `${{NAME}}` or `${{NAME:-default}}` is")]
    BadVariable(String),
    #[error("the {sort} `{path}` does not exist")]
    MissingPath { sort: &'static str, path: String, suggestion: Option<String>, help: String },
    #[error("the {sort} `{path}` {what}")]
    WrongPath { sort: &'static str, path: String, what: &'static str, help: String },
    #[error("there is no {sort} named `{name}`")]
    UnknownName { sort: &'static str, name: String, known: Vec<String> },
    #[error("{what}")]
    DuplicateName { what: String, help: String },
    #[error("{sort} wait for each other: {}", cycle_text(cycle))]
    Cycle { sort: &'static str, key: &'static str, cycle: Vec<String> },
    #[error("there is no profile named `{name}`")]
    UnknownProfile { name: String, known: Vec<String> },
    #[error("{question}")]
    Question { question: String, candidates: Vec<String>, draft: String },
}

/// How many candidates a question names.
const CANDIDATES: usize = 8;

impl ConfigError {
    pub(super) fn new(problem: Problem) -> Self {
        Self { problem: Box::new(problem), place: None }
    }

    pub(super) fn at(problem: Box<Problem>, place: Place) -> Self {
        Self { problem, place: Some(Box::new(place)) }
    }

    /// A problem of a place that is in no file.
    pub(super) fn without_place(problem: Box<Problem>) -> Self {
        Self { problem, place: None }
    }

    /// Whether the folder has nothing that wharf could work on, as opposed to something wrong.
    #[must_use]
    pub fn is_nothing_found(&self) -> bool {
        matches!(*self.problem, Problem::Nothing { .. })
    }

    /// Whether what is wrong is wrong with a project that is there, if only a part of it.
    pub(super) fn is_of_a_project(&self) -> bool {
        match *self.problem {
            Problem::Nothing { is_half, .. } => is_half,
            Problem::Question { .. } => true,
            _ => false,
        }
    }

    /// Whether an environment variable is not set.
    pub(super) fn is_missing_variable(&self) -> bool {
        matches!(*self.problem, Problem::MissingVariable { .. })
    }

    /// The error as data, with the place drawn.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let mut failure = Failure::request(self.problem.code(), self.to_string());
        failure.why = self.problem.why();
        failure.help = self.problem.help();
        if let Some(place) = &self.place {
            if let Some(profile) = &place.profile {
                failure.why.push(format!("in the profile `{profile}`"));
            }
            failure.snippet = place.draw(&self.problem.label());
        }
        failure
    }
}

impl Problem {
    /// A stable name.
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchFile(_) => "wharf::config::no_such_file",
            Self::Folder(_) => "wharf::config::not_a_file",
            Self::Nothing { .. } => "wharf::config::nothing_found",
            Self::Unreadable { .. } => "wharf::config::unreadable",
            Self::Syntax(_) => "wharf::config::syntax",
            Self::DuplicateKey(_) => "wharf::config::duplicate_key",
            Self::UnknownKey { .. } => "wharf::config::unknown_key",
            Self::WrongValue { .. } | Self::Name(_) => "wharf::config::wrong_value",
            Self::MissingKey { .. } => "wharf::config::missing_key",
            Self::Conflict { .. } => "wharf::config::conflict",
            Self::MissingVariable { .. } => "wharf::config::missing_variable",
            Self::BadVariable(_) => "wharf::config::bad_variable",
            Self::MissingPath { .. } => "wharf::config::missing_path",
            Self::WrongPath { .. } => "wharf::config::wrong_path",
            Self::UnknownName { .. } => "wharf::config::unknown_name",
            Self::DuplicateName { .. } => "wharf::config::duplicate_name",
            Self::Cycle { .. } => "wharf::config::cycle",
            Self::UnknownProfile { .. } => "wharf::config::unknown_profile",
            Self::Question { .. } => "wharf::config::question",
        }
    }

    /// What stands under the marked place.
    fn label(&self) -> String {
        match self {
            Self::UnknownKey { key, known, .. } => match closest(key, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "unknown key".to_owned(),
            },
            Self::WrongValue { expected, .. } => format!("expected {expected}"),
            Self::UnknownName { name, known, .. } | Self::UnknownProfile { name, known } => {
                match closest(name, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "unknown name".to_owned(),
                }
            }
            Self::MissingPath { .. } => "not there".to_owned(),
            Self::MissingVariable { .. } => "not set".to_owned(),
            Self::MissingKey { key, .. } => format!("`{key}` is missing here"),
            Self::DuplicateKey(_) | Self::DuplicateName { .. } => "again here".to_owned(),
            _ => String::new(),
        }
    }

    fn why(&self) -> Vec<String> {
        match self {
            Self::Unreadable { reason, .. } => vec![reason.clone()],
            Self::Nothing { why, .. } => why.clone(),
            Self::Question { candidates, .. } => {
                let mut shown: Vec<_> = candidates.iter().take(CANDIDATES).cloned().collect();
                if candidates.len() > CANDIDATES {
                    shown.push(format!("and {} more", candidates.len() - CANDIDATES));
                }
                shown
            }
            _ => vec![],
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NoSuchFile(_) => vec!["check the path given with `-f`".to_owned()],
            Self::Folder(path) => vec![format!("start in it: `-C {}`", path.display())],
            Self::Nothing { .. } => vec![
                "run wharf in a folder with a Dockerfile and a Helm chart, kustomization or \
                 manifests, or name the configuration with `-f FILE`"
                    .to_owned(),
            ],
            Self::UnknownKey { key, within: "a forward", .. } if key.contains('/') => {
                vec![format!(
                    "beside other keys the target stands for itself: `workload: {key}`, `port: PORT`"
                )]
            }
            Self::UnknownKey { key, known, .. } => {
                if closest(key, known).is_some() {
                    vec![]
                } else {
                    vec![format!("known keys: {}", listed(known))]
                }
            }
            Self::UnknownName { known, sort, name } => {
                if closest(name, known).is_some() {
                    vec![]
                } else if known.is_empty() {
                    vec![format!("the project has no {sort}")]
                } else {
                    vec![format!("known: {}", listed(known))]
                }
            }
            Self::UnknownProfile { name, known } => match closest(name, known) {
                _ if known.is_empty() => {
                    vec!["the configuration has no `profiles`".to_owned()]
                }
                Some(meant) => vec![format!("did you mean `{meant}`?")],
                None => vec![format!("known profiles: {}", listed(known))],
            },
            Self::MissingKey { example, .. } => vec![format!("add `{example}`")],
            Self::Conflict { help, .. }
            | Self::WrongPath { help, .. }
            | Self::DuplicateName { help, .. } => {
                if help.is_empty() {
                    vec![]
                } else {
                    vec![help.clone()]
                }
            }
            Self::MissingPath { suggestion, help, .. } => {
                let meant = suggestion.iter().map(|path| format!("did you mean `{path}`?"));
                meant.chain((!help.is_empty()).then(|| help.clone())).collect()
            }
            Self::MissingVariable { name, suggestion } => {
                let meant = suggestion.iter().map(|name| format!("did you mean `${{{name}}}`?"));
                let default = format!(
                    "set `{name}`, give a default with `${{{name}:-…}}`, or write `$${{{name}}}` \
                     for the text itself"
                );
                meant.chain([default]).collect()
            }
            Self::BadVariable(_) => vec!["write `$${` for the text `${`".to_owned()],
            Self::Cycle { key, cycle, .. } => {
                let edge = match cycle.as_slice() {
                    [one] => format!("take `{one}` out of its own `{key}`"),
                    [one, two, ..] => {
                        format!("take one of them out, such as `{two}` out of `{key}` of `{one}`")
                    }
                    [] => return vec![],
                };
                vec![edge]
            }
            Self::Question { draft, .. } => {
                vec![format!("write a `wharf.yaml` with the right one, such as:\n{draft}")]
            }
            _ => vec![],
        }
    }
}

impl Place {
    /// The place drawn for a terminal without colour.
    fn draw(&self, label: &str) -> String {
        let end = self.text.len();
        // A parser may count the bytes of a character that it stops at.
        let clamp = |at: &Range<usize>| {
            let start = self.text.floor_char_boundary(at.start.min(end));
            start..self.text.ceil_char_boundary(at.end.clamp(start, end))
        };
        let path = self.file.display().to_string();
        let mut primary = AnnotationKind::Primary.span(clamp(&self.at));
        if !label.is_empty() {
            primary = primary.label(label.to_owned());
        }
        let mut snippet =
            Snippet::source(self.text.as_ref()).path(path).fold(true).annotation(primary);
        if let Some((at, label)) = self.also.as_deref() {
            let also = AnnotationKind::Context.span(clamp(at)).label(label.clone());
            snippet = snippet.annotation(also);
        }
        let group = Group::with_level(Level::ERROR).element(snippet);
        Renderer::plain().render(&[group])
    }
}

fn cycle_text(cycle: &[String]) -> String {
    let first = cycle.first().into_iter();
    cycle.iter().chain(first).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ")
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The one of `known` that `text` was most likely meant to be.
pub(super) fn closest<'k, T: AsRef<str>>(text: &str, known: &'k [T]) -> Option<&'k str> {
    let fold = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let text = fold(text);
    let best = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&text, &fold(name.as_ref())), name.as_ref()))
        .min_by_key(|(distance, _)| *distance);
    // A third of the letters may differ, so that `api` is not a suggestion for `web`.
    best.filter(|(distance, name)| distance * 3 <= name.chars().count().max(3))
        .map(|(_, name)| name)
}

/// A path as it is said: relative to `root` where it lies below.
pub(super) fn said(path: &Path, root: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(below) if below.as_os_str().is_empty() => ".".to_owned(),
        Ok(below) => below.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}
