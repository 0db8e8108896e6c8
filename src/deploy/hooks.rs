//! What a chart's hooks do while Helm runs.
//!
//! Helm says nothing until it ends. The Jobs and Pods that it starts are watched meanwhile, and
//! the last words of one that fails are fetched at once, since hook policies may delete it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::Api;
use kube::api::{ListParams, LogParams};
use kube::runtime::{WatchStreamExt as _, watcher};

use super::{Plan, manifest};
use crate::cluster::Cluster;
use crate::model::{Namespace, ObjectRef};
use crate::report::ReleaseNews;

/// How many of a failed hook's last lines are shown.
const LAST_LINES: i64 = 10;

/// How long fetching them may take.
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// A hook that did not succeed, and what it wrote last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HookFailure {
    pub(super) hook: String,
    /// Such as "container `migrate` exited with code 1", where that was seen.
    pub(super) how: Option<String>,
    pub(super) last_lines: Vec<String>,
}

/// The hooks of one release while Helm runs.
pub(super) struct Hooks<'a> {
    cluster: &'a Cluster,
    hooks: Vec<ObjectRef>,
    tell: &'a (dyn Fn(ReleaseNews) + Send + Sync),
    seen: Mutex<Seen>,
}

/// What was seen of hooks; pure, so that it can be tested.
#[derive(Debug, Default)]
struct Seen {
    /// UIDs of objects that ran before Helm began.
    old: BTreeSet<String>,
    /// All of them are known. Where they could not be listed, whatever the first look shows is
    /// taken for one.
    knows_old: bool,
    /// Those that run, by UID, with the time they were first seen.
    running: BTreeMap<String, (String, Instant)>,
    /// Those whose end was told.
    ended: BTreeSet<String>,
    /// Pods and restarts whose last words were fetched.
    fetched: BTreeSet<(String, i32)>,
    failure: Option<HookFailure>,
    /// How a hook's container ended last, by hook.
    how: BTreeMap<String, String>,
    /// What a hook's pod wrote last, by hook.
    last_lines: BTreeMap<String, Vec<String>>,
}

/// How a hook's object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Succeeded,
    Failed,
}

impl Seen {
    /// Takes a sighting into account and returns what there is to tell.
    fn see(
        &mut self,
        uid: &str,
        hook: &str,
        state: State,
        first_look: bool,
    ) -> Option<ReleaseNews> {
        if first_look && !self.knows_old && !self.running.contains_key(uid) {
            // A hook stays until the next operation unless its policy says otherwise.
            self.old.insert(uid.to_owned());
        }
        if self.old.contains(uid) || self.ended.contains(uid) {
            return None;
        }
        let news = |state, took| ReleaseNews::Hook { hook: hook.to_owned(), state, took };
        if state == State::Running {
            if self.running.contains_key(uid) {
                return None;
            }
            self.running.insert(uid.to_owned(), (hook.to_owned(), Instant::now()));
            return Some(news("running", None));
        }
        let began = self.running.remove(uid).map(|(_, began)| began);
        self.ended.insert(uid.to_owned());
        let took = began.map(|began| began.elapsed());
        if state == State::Succeeded {
            return Some(news("succeeded", took));
        }
        let last_lines = self.last_lines.get(hook).cloned().unwrap_or_default();
        let how = self.how.get(hook).cloned();
        self.failure = Some(HookFailure { hook: hook.to_owned(), how, last_lines });
        Some(news("failed", took))
    }

    /// A hook's object is gone: its policy lets it go when it has succeeded.
    fn gone(&mut self, uid: &str) -> Option<ReleaseNews> {
        let (hook, began) = self.running.remove(uid)?;
        self.ended.insert(uid.to_owned());
        Some(ReleaseNews::Hook { hook, state: "succeeded", took: Some(began.elapsed()) })
    }
}

impl<'a> Hooks<'a> {
    /// The hooks of `plan` that run anything.
    pub(super) fn new(
        cluster: &'a Cluster,
        plan: &Plan,
        tell: &'a (dyn Fn(ReleaseNews) + Send + Sync),
    ) -> Self {
        let hooks = manifest::parse(&plan.hooks).unwrap_or_default();
        let hooks = hooks.into_iter().map(|manifest| plan.placed(manifest.object));
        let hooks = hooks.filter(|object| matches!(object.kind.as_str(), "Job" | "Pod")).collect();
        Self { cluster, hooks, tell, seen: Mutex::default() }
    }

    /// Follows the hooks for as long as `work` runs.
    pub(super) async fn while_running<T>(&self, work: impl Future<Output = T>) -> T {
        if self.hooks.is_empty() {
            return work.await;
        }
        let namespaces: BTreeSet<&Namespace> =
            self.hooks.iter().filter_map(|hook| hook.namespace.as_ref()).collect();
        self.look_before(&namespaces).await;
        let follow =
            futures::future::join_all(namespaces.into_iter().map(|namespace| async move {
                tokio::join!(self.follow_jobs(namespace), self.follow_pods(namespace));
            }));
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => done,
            _ = follow => work.await,
        }
    }

    /// Takes down what is there before Helm begins: a quick hook may run before the watches have
    /// had their first look.
    async fn look_before(&self, namespaces: &BTreeSet<&Namespace>) {
        let client = || self.cluster.client();
        let everything = ListParams::default();
        let look = namespaces.iter().map(async |namespace| {
            let jobs = Api::<Job>::namespaced(client(), namespace.as_str());
            let pods = Api::<Pod>::namespaced(client(), namespace.as_str());
            tokio::try_join!(jobs.list_metadata(&everything), pods.list_metadata(&everything))
        });
        let Ok(found) = futures::future::try_join_all(look).await else { return };
        let mut seen = self.seen();
        for (jobs, pods) in found {
            let jobs = jobs.items.into_iter().map(|job| job.metadata);
            let pods = pods.items.into_iter().map(|pod| pod.metadata);
            seen.old.extend(jobs.chain(pods).filter_map(|metadata| metadata.uid));
        }
        seen.knows_old = true;
    }

    /// The hook that failed, once `work` has.
    pub(super) fn failure(&self) -> Option<HookFailure> {
        let mut failure = self.seen().failure.clone()?;
        failure.how = failure.how.or_else(|| self.seen().how.remove(&failure.hook));
        if failure.last_lines.is_empty() {
            failure.last_lines = self.seen().last_lines.remove(&failure.hook).unwrap_or_default();
        }
        Some(failure)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hook(&self, kind: &str, name: &str) -> Option<String> {
        let hook = self.hooks.iter().find(|hook| hook.kind == kind && hook.name == name)?;
        Some(hook.short())
    }

    async fn follow_jobs(&self, namespace: &Namespace) {
        let api = Api::<Job>::namespaced(self.cluster.client(), namespace.as_str());
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let mut looked = false;
        // A watch that fails is begun anew by the watcher itself.
        while let Ok(Some(event)) = or_skip(events.try_next().await) {
            let news = match event {
                Some(watcher::Event::InitApply(job)) => self.see_job(&job, !looked),
                Some(watcher::Event::Apply(job)) => self.see_job(&job, false),
                Some(watcher::Event::Delete(job)) => {
                    self.seen().gone(&job.metadata.uid.unwrap_or_default())
                }
                Some(watcher::Event::InitDone) => {
                    looked = true;
                    None
                }
                Some(watcher::Event::Init) | None => None,
            };
            if let Some(news) = news {
                (self.tell)(news);
            }
        }
    }

    fn see_job(&self, job: &Job, first_look: bool) -> Option<ReleaseNews> {
        let hook = self.hook("Job", job.metadata.name.as_deref()?)?;
        let uid = job.metadata.uid.as_deref()?;
        let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
        let is = |wanted: &str| {
            conditions.into_iter().flatten().any(|one| one.type_ == wanted && one.status == "True")
        };
        let state = match (is("Failed"), is("Complete") || is("SuccessCriteriaMet")) {
            (true, _) => State::Failed,
            (_, true) => State::Succeeded,
            _ => State::Running,
        };
        self.seen().see(uid, &hook, state, first_look)
    }

    async fn follow_pods(&self, namespace: &Namespace) {
        let api = Api::<Pod>::namespaced(self.cluster.client(), namespace.as_str());
        let mut events = watcher(api.clone(), watcher::Config::default()).default_backoff().boxed();
        let mut looked = false;
        while let Ok(Some(event)) = or_skip(events.try_next().await) {
            let (pod, first_look) = match event {
                Some(watcher::Event::InitApply(pod)) => (pod, !looked),
                Some(watcher::Event::Apply(pod)) => (pod, false),
                Some(watcher::Event::InitDone) => {
                    looked = true;
                    continue;
                }
                _ => continue,
            };
            let Some((hook, own)) = self.hook_of(&pod) else { continue };
            if self.is_old(&pod, first_look) {
                continue;
            }
            self.fetch_last_lines(&api, &pod, &hook).await;
            if own && let Some(uid) = pod.metadata.uid.as_deref() {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                let state = match phase {
                    Some("Succeeded") => State::Succeeded,
                    Some("Failed") => State::Failed,
                    _ => State::Running,
                };
                let news = self.seen().see(uid, &hook, state, false);
                if let Some(news) = news {
                    (self.tell)(news);
                }
            }
        }
    }

    /// Whether a pod was there before Helm began.
    fn is_old(&self, pod: &Pod, first_look: bool) -> bool {
        let Some(uid) = &pod.metadata.uid else { return first_look };
        let mut seen = self.seen();
        if first_look && !seen.knows_old {
            seen.old.insert(uid.clone());
        }
        seen.old.contains(uid)
    }

    /// The hook that a pod is, or belongs to; `true` where it is the hook itself.
    fn hook_of(&self, pod: &Pod) -> Option<(String, bool)> {
        if let Some(hook) = self.hook("Pod", pod.metadata.name.as_deref()?) {
            return Some((hook, true));
        }
        let mut owners = pod.metadata.owner_references.iter().flatten();
        let hook = owners.find_map(|owner| self.hook(&owner.kind, &owner.name))?;
        Some((hook, false))
    }

    /// Fetches the last lines of a container that has failed, once per attempt.
    async fn fetch_last_lines(&self, api: &Api<Pod>, pod: &Pod, hook: &str) {
        let Some(failed) = failed_container(pod) else { return };
        let FailedContainer { name: container, code, restarts, previous } = failed;
        let (Some(name), Some(uid)) = (&pod.metadata.name, &pod.metadata.uid) else { return };
        if !self.seen().fetched.insert((uid.clone(), restarts)) {
            return;
        }
        let how = format!("container `{container}` exited with code {code}");
        self.seen().how.insert(hook.to_owned(), how);
        let params = LogParams {
            container: Some(container),
            previous,
            tail_lines: Some(LAST_LINES),
            ..LogParams::default()
        };
        // Without the lines the failure is still told.
        if let Ok(Ok(text)) = tokio::time::timeout(LOG_LIMIT, api.logs(name, &params)).await {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if !lines.is_empty() {
                self.seen().last_lines.insert(hook.to_owned(), lines);
            }
        }
    }
}

/// An error of a watch is passed over: the next item begins it anew.
fn or_skip<T>(
    item: Result<Option<T>, watcher::Error>,
) -> Result<Option<Option<T>>, std::convert::Infallible> {
    Ok(match item {
        Ok(Some(event)) => Some(Some(event)),
        Ok(None) => None,
        Err(_) => Some(None),
    })
}

/// A container that ended with an error.
struct FailedContainer {
    name: String,
    code: i32,
    /// How often it was restarted.
    restarts: i32,
    /// It was the run before the current one.
    previous: bool,
}

fn failed_container(pod: &Pod) -> Option<FailedContainer> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten()).find_map(|container| {
        let code = |state: Option<&ContainerState>| {
            let ended = state.and_then(|state| state.terminated.as_ref());
            ended.map(|ended| ended.exit_code).filter(|code| *code != 0)
        };
        let now = code(container.state.as_ref());
        let code = now.or_else(|| code(container.last_state.as_ref()))?;
        Some(FailedContainer {
            name: container.name.clone(),
            code,
            restarts: container.restart_count,
            previous: now.is_none(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(news: Option<ReleaseNews>) -> String {
        match news {
            Some(ReleaseNews::Hook { hook, state, .. }) => format!("{hook} {state}"),
            _ => String::new(),
        }
    }

    #[test]
    fn a_hook_is_told_when_it_starts_and_when_it_ends() {
        let mut seen = Seen::default();
        assert_eq!(told(seen.see("1", "job/a", State::Succeeded, true)), "", "of the last time");
        assert_eq!(told(seen.see("2", "job/a", State::Running, false)), "job/a running");
        assert_eq!(told(seen.see("2", "job/a", State::Running, false)), "");
        assert_eq!(told(seen.see("2", "job/a", State::Succeeded, false)), "job/a succeeded");
        assert_eq!(told(seen.gone("2")), "");
        assert_eq!(told(seen.see("3", "job/b", State::Running, false)), "job/b running");
        assert_eq!(told(seen.gone("3")), "job/b succeeded", "its policy deletes it at once");
    }

    /// It may have been made, and have ended, before the watch has shown anything.
    #[test]
    fn a_hook_of_the_first_look_counts_where_the_old_ones_are_known() {
        let mut seen = Seen { knows_old: true, ..Seen::default() };
        seen.old.insert("1".to_owned());
        assert_eq!(told(seen.see("1", "job/a", State::Succeeded, true)), "", "of the last time");
        assert_eq!(told(seen.see("2", "job/a", State::Succeeded, true)), "job/a succeeded");
    }

    #[test]
    fn a_failed_hook_keeps_its_last_lines() {
        let mut seen = Seen::default();
        seen.last_lines.insert("job/a".to_owned(), vec!["no such table".to_owned()]);
        assert_eq!(told(seen.see("1", "job/a", State::Failed, false)), "job/a failed");
        assert_eq!(seen.failure.unwrap().last_lines, ["no such table"]);
    }
}
