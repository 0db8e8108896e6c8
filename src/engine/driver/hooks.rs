//! Runs the user's own commands around a build or a deploy, here or in the release's containers.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use globset::GlobBuilder;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use tokio_util::sync::CancellationToken;

use crate::cluster::{self, Cluster};
use crate::model::{Hook, HookFact, HookPlace, Hooks, Namespace};
use crate::report::{Failure, Report, Reporter};
use crate::tools::{ToolError, Tools};

/// How many lines of a hook's output are shown.
const SHOWN_LINES: usize = 40;

/// How many lines of a failed hook's output are shown.
const FAILED_LINES: usize = 8;

/// Which hooks, for the people who read of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

impl When {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Why hooks did not all run.
pub(super) enum Halt {
    Cancelled,
    Failed(Failure),
}

/// What hooks of one image or release run with.
pub(super) struct Around<'a> {
    pub(super) tools: Tools,
    /// What the hooks are around, such as `api`.
    pub(super) of: &'a str,
    pub(super) reporter: &'a Reporter,
    /// Where containers are; absent around builds.
    pub(super) cluster: Option<(&'a Cluster, &'a Namespace)>,
    pub(super) cancel: &'a CancellationToken,
}

/// `tools` whose children are told by variables what `hooks` are around.
pub(super) fn told(
    tools: &Tools,
    hooks: &Hooks,
    known: impl Fn(HookFact) -> Option<OsString>,
) -> Tools {
    let told = hooks.variables.iter().filter_map(|(name, fact)| Some((name, known(*fact)?)));
    told.fold(tools.clone(), |tools, (name, value)| tools.with_variable(name, value))
}

impl Around<'_> {
    /// Runs `hooks` in their order; the first that fails is the last.
    pub(super) async fn run(&self, hooks: &[Hook], when: When) -> Result<(), Halt> {
        for hook in hooks {
            let began = Instant::now();
            match &hook.place {
                HookPlace::Host(folder) => self.here(hook, folder, when).await?,
                HookPlace::Container { pod, container } => {
                    self.inside(hook, pod.as_deref(), container.as_deref(), when).await?;
                }
            }
            tracing::debug!(of = self.of, command = ?hook.command, took = ?began.elapsed(), "a hook ran");
        }
        Ok(())
    }

    async fn here(&self, hook: &Hook, folder: &Path, when: When) -> Result<(), Halt> {
        let Some((program, words)) = hook.command.split_first() else { return Ok(()) };
        let command = self.tools.command(program).args(words).folder(folder);
        match command.cancelled_by(self.cancel).run().await {
            Ok(output) => {
                let lines = output.text();
                let lines = lines.lines().map(str::to_owned).chain(output.stderr_tail);
                self.show(hook, when, None, lines);
                Ok(())
            }
            Err(ToolError::Cancelled { .. }) => Err(Halt::Cancelled),
            Err(error) => {
                let what = self.said(hook, when);
                let failure = Failure::work("wharf::hook::failed", format!("{what} failed"));
                let failure = failure.because(error.to_string());
                let tail = last(error.output_tail(), FAILED_LINES);
                let failure =
                    tail.iter().fold(failure, |failure, line| failure.because(line.clone()));
                Err(Halt::Failed(failure.help(format!("it runs in `{}`", folder.display()))))
            }
        }
    }

    async fn inside(
        &self,
        hook: &Hook,
        pod: Option<&str>,
        container: Option<&str>,
        when: When,
    ) -> Result<(), Halt> {
        let Some((cluster, namespace)) = self.cluster else { return Ok(()) };
        let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace.as_str());
        let failed = |why: String| {
            let what = format!("{} failed", self.said(hook, when));
            Halt::Failed(Failure::work("wharf::hook::failed", what).because(why))
        };
        let all = pods.list(&ListParams::default()).await;
        let all = all.map_err(|error| failed(cluster.explain(error).to_string()))?;
        for (pod, container) in running(&all.items, pod, container) {
            let ran = cluster::exec(&pods, &pod, &container, &hook.command);
            let ran = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Halt::Cancelled),
                ran = ran => ran.map_err(|error| failed(error.to_string()))?,
            };
            let lines = ran.stdout.lines().chain(ran.stderr.lines()).map(str::to_owned);
            let lines: Vec<String> = lines.collect();
            if !ran.success {
                let why = format!(
                    "in the container `{container}` of the pod `{pod}`\n{}",
                    last(&lines, FAILED_LINES).join("\n")
                );
                return Err(failed(why.trim_end().to_owned()));
            }
            self.show(hook, when, Some(&format!("{pod}/{container}")), lines.into_iter());
        }
        Ok(())
    }

    /// Such as "the hook `make proto` before `api`".
    fn said(&self, hook: &Hook, when: When) -> String {
        format!("the hook `{}` {} `{}`", hook.command.join(" "), when.word(), self.of)
    }

    fn show(
        &self,
        hook: &Hook,
        when: When,
        place: Option<&str>,
        lines: impl Iterator<Item = String>,
    ) {
        let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
        let place = place.map_or_else(String::new, |place| format!(" in {place}"));
        let mut text = format!("{}{place} ran", self.said(hook, when));
        for line in last(&lines, SHOWN_LINES) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        self.reporter.tell(Report::Note { text });
    }
}

fn last(lines: &[String], count: usize) -> &[String] {
    &lines[lines.len().saturating_sub(count)..]
}

/// The running containers that fit, each with its pod.
fn running(pods: &[Pod], pod: Option<&str>, container: Option<&str>) -> Vec<(String, String)> {
    let fits = |glob: Option<&str>, name: &str| {
        glob.is_none_or(|glob| {
            let glob = GlobBuilder::new(glob).build();
            glob.is_ok_and(|glob| glob.compile_matcher().is_match(name))
        })
    };
    let mut out = Vec::new();
    for one in pods {
        let name = one.metadata.name.clone().unwrap_or_default();
        let is_leaving = one.metadata.deletion_timestamp.is_some();
        if is_leaving || !fits(pod, &name) {
            continue;
        }
        let statuses =
            one.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let runs = |status: &&k8s_openapi::api::core::v1::ContainerStatus| {
            status.state.as_ref().is_some_and(|state| state.running.is_some())
        };
        let fitting = statuses.filter(runs).filter(|status| fits(container, &status.name));
        out.extend(fitting.map(|status| (name.clone(), status.name.clone())));
    }
    out
}
