//! What can go wrong while manifests are rendered.

use std::path::{Path, PathBuf};

use crate::model::{ArtifactName, ReleaseName};
use crate::report::Failure;
use crate::tools::ToolError;

use super::chart::Dependency;
use super::yaml::YamlProblem;

/// Manifests could not be rendered, or would not do what they are for.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Helm is not installed.
    #[error("`helm` is not on the PATH")]
    NoHelm,
    /// What `helm` answers is no version that wharf knows how to drive.
    #[error("`helm version` answers `{answer}`, which is neither Helm 3 nor Helm 4")]
    UnknownHelm {
        /// Its answer.
        answer: String,
    },
    /// Neither kustomize nor kubectl is installed.
    #[error("neither `kustomize` nor `kubectl` is on the PATH")]
    NoKustomize,
    /// There is no chart at the given path.
    #[error("there is no chart at `{}`", path.display())]
    NoChart {
        /// The path.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Unwritable {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file is no YAML.
    #[error("`{}:{line}:{column}` is not valid YAML: {message}", file.display())]
    Yaml {
        /// Which file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The place, drawn.
        snippet: String,
    },
    /// What a tool rendered is no YAML.
    #[error("what `{tool}` renders for `{release}` is not valid YAML: {message}")]
    RenderedYaml {
        /// The tool.
        tool: &'static str,
        /// The release.
        release: ReleaseName,
        /// What is wrong.
        message: String,
        /// The place, drawn.
        snippet: String,
    },
    /// A template of a chart fails.
    #[error("`{release}` does not render: {message}")]
    Template {
        /// The release.
        release: ReleaseName,
        /// Helm's message without the place.
        message: String,
        /// `file:line:column`, as far as Helm names it.
        place: Option<String>,
        /// The place, drawn; empty where the file is not on this disk.
        snippet: String,
        /// What to do, where it is known.
        help: Option<String>,
    },
    /// The values do not fit the chart's schema.
    #[error("the values of `{release}` do not fit the schema of its chart")]
    Schema {
        /// The release.
        release: ReleaseName,
        /// What does not fit, one line each.
        problems: Vec<String>,
    },
    /// Subcharts that `Chart.yaml` names are not in `charts/`.
    #[error("chart `{}` lacks {}", chart.display(), listed(names))]
    MissingDependencies {
        /// The chart's folder.
        chart: PathBuf,
        /// The subcharts' names.
        names: Vec<String>,
    },
    /// `helm package` failed.
    #[error("chart `{}` cannot be packed", chart.display())]
    Packing {
        /// The chart's folder.
        chart: PathBuf,
        /// What Helm said.
        #[source]
        source: ToolError,
    },
    /// `helm secrets decrypt` failed.
    #[error("values file `{}` cannot be decrypted", file.display())]
    Decryption {
        /// The file.
        file: PathBuf,
        /// What Helm said.
        #[source]
        source: ToolError,
    },
    /// `Chart.lock` does not belong to `Chart.yaml`.
    #[error("`Chart.lock` of `{}` does not name {}, which `Chart.yaml` does", chart.display(), listed(names))]
    OutdatedLock {
        /// The chart's folder.
        chart: PathBuf,
        /// The subcharts' names.
        names: Vec<String>,
    },
    /// `helm dependency build` failed.
    #[error("chart `{}` lacks {}, and Helm cannot fetch it", chart.display(), names_of(lacking))]
    DependencyBuild {
        /// The chart's folder.
        chart: PathBuf,
        /// The subcharts that are not there.
        lacking: Vec<Dependency>,
        /// Why repositories could not be asked.
        unreachable: Vec<String>,
        /// What Helm said.
        #[source]
        source: ToolError,
    },
    /// An image stands in a hook that no value and no post-renderer reaches.
    #[error("the chart hard-codes the image of hook `{}`, so `{}` cannot be put there", .0.workload, .0.artifact)]
    HardCodedHook(Box<HardCodedHook>),
    /// An image that is only on the nodes is always pulled.
    #[error("`{}` pulls `{}` always, but it exists only on the nodes", .0.workload, .0.image)]
    AlwaysPulled(Box<AlwaysPulled>),
    /// A manifest lacks what every object has.
    #[error("`{}:{line}` has no `{missing}`", file.display())]
    NotAnObject {
        /// The file.
        file: PathBuf,
        /// The document's first line, from 1.
        line: usize,
        /// Such as `metadata.name`.
        missing: &'static str,
        /// The place, drawn.
        snippet: String,
    },
    /// A function over the objects does not go through.
    #[error("`{function}` over `{release}` does not go through: {why}")]
    Function {
        /// The release.
        release: ReleaseName,
        /// The function.
        function: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A value cannot be put where a comment marks the place.
    #[error("`{}` cannot take its values: {why}", file.display())]
    Setter {
        /// The file.
        file: PathBuf,
        /// The line, from 1; 0 where it is the whole file.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The same object stands twice.
    #[error("`{object}` is in `{first}` and in `{second}`")]
    Twice {
        /// Such as `deployment/api`.
        object: String,
        /// `file:line` of the first.
        first: String,
        /// `file:line` of the second.
        second: String,
    },
    /// No file fits the globs.
    #[error("no file fits {}", listed(globs))]
    NoFiles {
        /// The globs.
        globs: Vec<String>,
    },
    /// A glob is none.
    #[error("`{glob}` is not a valid pattern")]
    BadGlob {
        /// The glob.
        glob: String,
        /// What is wrong.
        #[source]
        source: globset::Error,
    },
    /// There is no kustomization in the folder.
    #[error("there is no kustomization in `{}`", folder.display())]
    NoKustomization {
        /// The folder.
        folder: PathBuf,
    },
    /// kustomize failed.
    #[error("the kustomization of `{release}` does not build: {message}")]
    Kustomize {
        /// The release.
        release: ReleaseName,
        /// Its message.
        message: String,
    },
    /// A repository or registry has no such chart, or not in this version.
    #[error("there is no chart `{chart}`{} in {place}", in_version(version.as_deref()))]
    NoSuchChart {
        /// The chart's name.
        chart: String,
        /// The version that is asked for.
        version: Option<String>,
        /// Where it was looked for.
        place: String,
        /// How Helm is asked what there is.
        ask: String,
    },
    /// A repository or registry does not answer.
    #[error("the chart `{chart}` cannot be fetched: {place} does not answer")]
    ChartUnreachable {
        /// The chart's name.
        chart: String,
        /// Where it would be fetched from.
        place: String,
        /// The system's reason.
        why: String,
    },
    /// Some other run of a tool failed.
    #[error("`{release}` could not be rendered")]
    Tool {
        /// The release.
        release: ReleaseName,
        /// What went wrong.
        #[source]
        source: ToolError,
    },
}

/// A hook whose image no value makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardCodedHook {
    /// The image that belongs there.
    pub artifact: ArtifactName,
    /// Such as `job/migrate`.
    pub workload: String,
    /// Where the image stands in it.
    pub path: String,
    /// What stands there.
    pub image: String,
    /// The template: a file, or as Helm names it.
    pub template: Option<String>,
    /// The values key to add or use, and what the template should say.
    pub suggestion: Suggestion,
}

/// A container that pulls an image from where it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlwaysPulled {
    /// Such as `deployment/api`.
    pub workload: String,
    /// Where the policy stands in it.
    pub path: String,
    /// The image.
    pub image: String,
    /// The values key that says so, where it could be told.
    pub key: Option<String>,
    /// The template or file, where it is known.
    pub file: Option<String>,
}

/// What to write into a chart so that wharf can put an image there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The values key, such as `migrate.image`.
    pub key: String,
    /// Whether the values have it already.
    pub exists: bool,
    /// What the template should say in place of the image.
    pub template: String,
}

impl RenderError {
    /// `file` with `text` is no YAML.
    pub(super) fn yaml(file: &Path, text: &str, problem: YamlProblem) -> Self {
        let snippet = problem.draw(&file.display().to_string(), text);
        let YamlProblem { message, line, column } = problem;
        Self::Yaml { file: file.to_owned(), line, column, message, snippet }
    }

    /// The failure as it is told.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let request =
            |code: &str| Failure::request(&format!("wharf::render::{code}"), self.to_string());
        let work = |code: &str| Failure::work(&format!("wharf::render::{code}"), self.to_string());
        match self {
            Self::NoHelm => request("no_helm")
                .because("a release of the project is installed from a Helm chart")
                .help("install Helm 3 or 4: https://helm.sh/docs/intro/install"),
            Self::UnknownHelm { .. } => request("unknown_helm")
                .help("install Helm 3 or 4: https://helm.sh/docs/intro/install"),
            Self::NoKustomize => request("no_kustomize")
                .because("a release of the project is a kustomization")
                .help("install kubectl: https://kubernetes.io/docs/tasks/tools"),
            Self::NoChart { .. } => request("no_chart").help(
                "`chart:` is a folder with a `Chart.yaml`, a `.tgz`, or the name of a remote chart",
            ),
            Self::Unreadable { source, .. } => work("unreadable").because(source.to_string()),
            Self::Unwritable { source, .. } => work("unwritable").because(source.to_string()),
            Self::Yaml { snippet, .. } => work("yaml").snippet(snippet),
            Self::RenderedYaml { snippet, .. } => work("rendered_yaml").snippet(snippet),
            Self::Template { place, snippet, help, .. } => {
                let failure = match place {
                    // The drawing says where as well.
                    Some(place) if snippet.is_empty() => {
                        work("template").because(format!("at {place}"))
                    }
                    _ => work("template").snippet(snippet),
                };
                help.iter().fold(failure, Failure::help)
            }
            Self::Schema { problems, .. } => problems.iter().fold(work("schema"), Failure::because),
            Self::MissingDependencies { chart, .. } => work("missing_dependencies")
                .help(format!("`helm dependency build {}`", chart.display())),
            Self::Packing { source, .. } => source.explain(work("packing")),
            Self::Decryption { source, .. } => {
                let failure = source.explain(work("decryption"));
                match failure.why.iter().any(|line| line.contains("unknown command")) {
                    true => failure
                        .because("the `secrets` plugin of Helm is not installed")
                        .help("`helm plugin install https://github.com/jkroepke/helm-secrets`"),
                    false => failure,
                }
            }
            Self::OutdatedLock { chart, .. } => {
                work("outdated_lock").help(format!("`helm dependency update {}`", chart.display()))
            }
            Self::DependencyBuild { .. } => self.explain_dependencies(work("dependency_build")),
            Self::HardCodedHook(hook) => hook.explain(work("hard_coded_hook")),
            Self::AlwaysPulled(pulled) => pulled.explain(work("always_pulled")),
            Self::NotAnObject { missing, snippet, .. } => work("not_an_object")
                .help(format!("every manifest needs `{missing}`"))
                .snippet(snippet),
            Self::Function { .. } => work("function"),
            Self::Setter { file, line, .. } => {
                let place = match line {
                    0 => file.display().to_string(),
                    line => format!("{}:{line}", file.display()),
                };
                work("setter").help(format!("see the comments in {place}"))
            }
            Self::Twice { .. } => work("twice").help("keep one of the two"),
            Self::NoFiles { .. } => request("no_files")
                .help("`manifests:` lists files or patterns such as `deploy/*.yaml`"),
            Self::BadGlob { source, .. } => request("bad_glob").because(source.to_string()),
            Self::NoKustomization { .. } => {
                request("no_kustomization").help("it needs a `kustomization.yaml`")
            }
            Self::Kustomize { .. } => work("kustomize"),
            Self::NoSuchChart { ask, .. } => {
                work("no_such_chart").help(format!("see what there is: `{ask}`"))
            }
            Self::ChartUnreachable { why, .. } => work("chart_unreachable").because(why),
            Self::Tool { source, .. } => source.explain(work("tool")),
        }
    }
}

impl RenderError {
    fn explain_dependencies(&self, mut failure: Failure) -> Failure {
        let Self::DependencyBuild { chart, lacking, unreachable, source } = self else {
            return failure;
        };
        let nowhere = lacking.iter().find(|one| one.repository.is_empty());
        failure = match (nowhere, unreachable.as_slice()) {
            (Some(one), _) => failure.because(format!(
                "it is not in `{}`, and no `repository` says where to fetch `{}` from",
                chart.join("charts").display(),
                one.name
            )),
            (None, []) => source.explain(failure),
            (None, reasons) => reasons.iter().fold(failure, |failure, reason| {
                failure.because(format!("its repository is out of reach: {reason}"))
            }),
        };
        let (charts, file) = (chart.join("charts"), chart.join("Chart.yaml"));
        for Dependency { name, repository, .. } in lacking.iter().take(3) {
            let do_it = if repository.is_empty() { "give it a" } else { "correct its" };
            failure = failure.help(format!(
                "put `{name}` into `{}`, or {do_it} `repository` in `{}`",
                charts.display(),
                file.display()
            ));
        }
        failure
    }
}

impl HardCodedHook {
    fn explain(&self, failure: Failure) -> Failure {
        let Suggestion { key, exists, template } = &self.suggestion;
        let failure = failure
            .because(format!("`{}` is `{}` whatever the values say", self.path, self.image))
            .because("Helm 3 hands hooks to no post-renderer");
        let failure = if *exists {
            failure
        } else {
            failure.help(format!("add `{key}` to the chart's values"))
        };
        let place = self.template.as_deref().unwrap_or("the template");
        failure.help(format!("in `{place}` write `image: {template}`"))
    }
}

impl AlwaysPulled {
    fn explain(&self, failure: Failure) -> Failure {
        let failure = failure.because(match &self.file {
            Some(file) => format!("`{}` in `{file}` is `Always`", self.path),
            None => format!("`{}` is `Always`", self.path),
        });
        failure.help(match &self.key {
            Some(key) => format!("set `{key}: IfNotPresent` in the release's values"),
            None => "write `imagePullPolicy: IfNotPresent` there".to_owned(),
        })
    }
}

fn names_of(dependencies: &[Dependency]) -> String {
    listed(&dependencies.iter().map(|one| one.name.clone()).collect::<Vec<_>>())
}

fn in_version(version: Option<&str>) -> String {
    version.map(|version| format!(" in version {version}")).unwrap_or_default()
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
