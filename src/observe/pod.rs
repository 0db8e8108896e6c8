//! Why a pod is not ready: a decision over what the API server says of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    Event, Pod, PodCondition,
};
use kube::ResourceExt;

use crate::observe::scene::{Seen, times};
use crate::observe::trouble::{LastLines, Nature, Trouble};

/// Nothing is wrong, and the steps in between are too short to be told.
const STARTING: &str = "is starting";

/// How long a program that no readiness probe asks must run before it counts as started. Kubelet
/// looks for ended ones once a second, and tells the server after that.
const PROBATION: Duration = Duration::from_secs(2);

/// The same for one that has ended before.
const PROBATION_AFTER_CRASH: Duration = Duration::from_secs(10);

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PodState {
    /// It serves.
    Ready,
    /// It ended well and was meant to end.
    Succeeded,
    /// It is being deleted.
    Going,
    /// Neither of these.
    Unready(Unready),
}

/// A pod, or something else, that is not ready yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unready {
    /// How it goes on after "pod NAME …".
    pub(super) text: String,
    /// Set when it is more than a matter of time.
    pub(super) trouble: Option<Trouble>,
}

impl Unready {
    /// Only a matter of time.
    pub(super) fn waits(text: impl Into<String>) -> Self {
        Self { text: text.into(), trouble: None }
    }
}

/// Judges one pod.
pub(super) fn judge(pod: &Pod, seen: &Seen) -> PodState {
    if pod.metadata.deletion_timestamp.is_some() {
        return PodState::Going;
    }
    let status = pod.status.clone().unwrap_or_default();
    match status.phase.as_deref() {
        Some("Succeeded") => return PodState::Succeeded,
        Some("Failed") => return PodState::Unready(failed(pod)),
        _ => {}
    }
    if condition(pod, "Ready").is_some_and(|ready| ready.status == "True") {
        return PodState::Ready;
    }
    PodState::Unready(why_unready(pod, seen))
}

fn why_unready(pod: &Pod, seen: &Seen) -> Unready {
    if let Some(unready) = unscheduled(pod, seen) {
        return unready;
    }
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let init_containers = spec.init_containers.unwrap_or_default();
    let init_statuses = status.init_container_statuses.unwrap_or_default();
    for container in &init_containers {
        let found = init_statuses.iter().find(|status| status.name == container.name);
        if let Some(unready) = found.and_then(|status| init(pod, container, status, seen)) {
            return unready;
        }
    }
    let statuses = status.container_statuses.unwrap_or_default();
    let mut patient = None;
    for container in &spec.containers {
        let found = statuses.iter().find(|status| status.name == container.name);
        match found.and_then(|status| main(pod, container, status, seen)) {
            Some(unready) if unready.trouble.is_some() => return unready,
            // A container in trouble explains more than one that just takes its time.
            Some(unready) => _ = patient.get_or_insert(unready),
            None => {}
        }
    }
    patient.unwrap_or_else(|| gates(pod))
}

fn unscheduled(pod: &Pod, seen: &Seen) -> Option<Unready> {
    let scheduled = condition(pod, "PodScheduled");
    let assigned = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let Some(scheduled) = scheduled.filter(|scheduled| scheduled.status == "False") else {
        return (!assigned).then(|| Unready::waits(STARTING));
    };
    if scheduled.reason.as_deref() == Some("SchedulingGated") {
        return Some(Unready::waits("waits for its scheduling gates to be lifted"));
    }
    let reason = schedulers_words(scheduled.message.as_deref().unwrap_or("no reason given"));
    if let Some(unready) = unbound_claim(pod, seen) {
        return Some(unready);
    }
    let text = format!("is unschedulable: {reason}");
    if reason.contains("unbound immediate PersistentVolumeClaims") {
        return Some(Unready::waits(text));
    }
    let nature = if seen.is_something_going() { Nature::Passing } else { Nature::Capacity };
    let what = format!("unschedulable: {reason}");
    let help = scheduling_help(&reason);
    let trouble = help.into_iter().fold(of_pod(pod, nature, what), Trouble::help);
    Some(Unready { text, trouble: Some(trouble) })
}

/// The first claim of the pod that is known to be stuck.
fn unbound_claim(pod: &Pod, seen: &Seen) -> Option<Unready> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let names = volumes.iter().filter_map(|volume| {
        let claim = volume.persistent_volume_claim.as_ref();
        claim.map(|claim| claim.claim_name.clone())
    });
    names.into_iter().find_map(|name| {
        let claim = seen.claims.iter().find(|claim| claim.name_any() == name)?;
        let (why, nature) = crate::observe::claim::why_stuck(claim, seen)?;
        let what = format!("claim `{name}` is unbound: {why}");
        let mut trouble = of_pod(pod, nature, what.clone());
        trouble.help = crate::observe::claim::help(claim, &why);
        Some(Unready { text: format!("waits: {what}"), trouble: Some(trouble) })
    })
}

/// What the scheduler says, without its account of preemption, which never helps.
fn schedulers_words(message: &str) -> String {
    let end = message.find(" preemption:").unwrap_or(message.len());
    let words = message[..end].trim();
    let words = words.strip_suffix("no new claims to deallocate,").unwrap_or(words);
    words.trim().trim_end_matches('.').to_owned()
}

fn scheduling_help(reason: &str) -> Option<String> {
    let help = if reason.contains("Insufficient cpu") || reason.contains("Insufficient memory") {
        "lower `resources.requests`, or free room: `kubectl describe nodes` shows who holds it"
    } else if reason.contains("node affinity") || reason.contains("node selector") {
        "no node has the labels that `nodeSelector` or `affinity` asks for: `kubectl get nodes --show-labels`"
    } else if reason.contains("untolerated taint") {
        "add the toleration, or remove the taint: `kubectl describe nodes | grep -i taints`"
    } else if reason.contains("free ports") {
        "another pod holds the `hostPort`; drop it, wharf forwards ports without one"
    } else {
        return None;
    };
    Some(help.to_owned())
}

fn init(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    seen: &Seen,
) -> Option<Unready> {
    let is_sidecar = container.restart_policy.as_deref() == Some("Always");
    let state = status.state.clone().unwrap_or_default();
    if let Some(terminated) = &state.terminated {
        if terminated.exit_code == 0 && !is_sidecar {
            return None;
        }
        return Some(crashed(pod, container, status, terminated, LastLines::Current));
    }
    if let Some(waiting) = &state.waiting {
        return Some(waits(pod, container, status, waiting, seen));
    }
    if state.running.is_none() {
        return Some(Unready::waits(STARTING));
    }
    if !is_sidecar {
        return Some(Unready::waits(format!("runs init container `{}`", container.name)));
    }
    (status.started != Some(true)).then(|| startup(pod, container, seen))
}

fn main(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    seen: &Seen,
) -> Option<Unready> {
    let state = status.state.clone().unwrap_or_default();
    if let Some(waiting) = &state.waiting {
        return Some(waits(pod, container, status, waiting, seen));
    }
    if let Some(terminated) = &state.terminated {
        if terminated.exit_code == 0 && !is_to_go_on(pod) {
            return None;
        }
        return Some(crashed(pod, container, status, terminated, LastLines::Current));
    }
    if state.running.is_none() {
        return Some(Unready::waits(STARTING));
    }
    if status.started == Some(false) {
        return Some(startup(pod, container, seen));
    }
    if status.ready {
        return None;
    }
    // It runs again after a crash: until it is ready, the crash is what there is to know.
    let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if let Some(terminated) = before.filter(|_| status.restart_count > 0) {
        return Some(crashed(pod, container, status, terminated, LastLines::Previous));
    }
    Some(readiness(pod, container, seen))
}

/// Whether a container that ends is started again, whatever its exit code.
fn is_to_go_on(pod: &Pod) -> bool {
    let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    policy.is_none_or(|policy| policy == "Always")
}

const STARTUP_FAILED: &str = "Startup probe failed: ";
const READINESS_FAILED: &str = "Readiness probe failed: ";

fn startup(pod: &Pod, container: &Container, seen: &Seen) -> Unready {
    probe(pod, container, seen, "startup probe", STARTUP_FAILED)
}

fn readiness(pod: &Pod, container: &Container, seen: &Seen) -> Unready {
    if container.readiness_probe.is_none() {
        return Unready::waits(STARTING);
    }
    probe(pod, container, seen, "readiness probe", READINESS_FAILED)
}

fn probe(pod: &Pod, container: &Container, seen: &Seen, name: &str, begin: &str) -> Unready {
    let field = format!("{{{}}}", container.name);
    let events = seen.events_of(pod.metadata.uid.as_deref()).iter().rev();
    let said = events.into_iter().find_map(|event| {
        let of_this = event.involved_object.field_path.as_deref();
        if !of_this.is_none_or(|path| path.ends_with(&field)) {
            return None;
        }
        event.message.as_deref()?.strip_prefix(begin).map(one_line)
    });
    if let Some(unready) = reachable(pod, container, seen, name, said.as_deref()) {
        return unready;
    }
    // A command that is quiet says nothing when it fails.
    match said.filter(|said| !said.is_empty()) {
        Some(said) => Unready::waits(format!("waits for its {name} ({said})")),
        None => Unready::waits(format!("waits for its {name}")),
    }
}

/// A program that answers through a local port and that kubelet's probe does not reach all the
/// same. A local port leads to the pod's loopback, a probe to the pod's address.
fn reachable(
    pod: &Pod,
    container: &Container,
    seen: &Seen,
    probe: &str,
    said: Option<&str>,
) -> Option<Unready> {
    let uid = pod.metadata.uid.as_deref();
    let answers = seen.answering.get(uid?).filter(|answers| answers.restarts == restarts(pod))?;
    // One that was under way may be told later; the second is news of the pod as it answers.
    let said = said.filter(|_| probe_failures(seen.events_of(uid)) > answers.failures + 1)?;
    let text = format!("is reachable, not ready: its {probe} fails ({said})");
    if !said.contains("connection refused") {
        return Some(Unready::waits(text));
    }
    let what = format!(
        "is reachable, not ready: its {probe} passes at 127.0.0.1 in the pod and is refused at \
         the pod's address ({said})"
    );
    let trouble = of_container(pod, container, Nature::Missing, what).help(
        "it listens on 127.0.0.1 only, which nothing but a forwarded port reaches: let it listen \
         on 0.0.0.0",
    );
    Some(Unready { text, trouble: Some(trouble) })
}

/// How often kubelet said of a pod that a probe failed.
pub(super) fn probe_failures(events: &[Arc<Event>]) -> i32 {
    let is_probe = |event: &&Arc<Event>| {
        let message = event.message.as_deref().unwrap_or_default();
        [STARTUP_FAILED, READINESS_FAILED].iter().any(|begin| message.starts_with(begin))
    };
    events.iter().filter(is_probe).map(|event| times(event)).sum()
}

/// A container that is not started, and why.
fn waits(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    seen: &Seen,
) -> Unready {
    let image = container.image.as_deref().unwrap_or(&status.image);
    let message = waiting.message.as_deref().unwrap_or_default();
    let reason = waiting.reason.as_deref().unwrap_or_default();
    match reason {
        "CrashLoopBackOff" => {
            let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            match before {
                Some(terminated) => crashed(pod, container, status, terminated, LastLines::Current),
                None => Unready::waits("waits to be started again"),
            }
        }
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed"
        | "ErrImageNeverPull"
        | "InvalidImageName" => unpulled(pod, container, image, reason, message, seen),
        "CreateContainerConfigError" => misconfigured(pod, container, message, seen),
        "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError" => {
            let why = runtimes_words(message);
            let trouble = of_container(
                pod,
                container,
                start_nature(&why, status),
                format!("cannot start: {why}"),
            );
            Unready {
                text: format!("cannot start `{}`: {why}", container.name),
                trouble: Some(trouble),
            }
        }
        _ => being_made(pod, image, seen),
    }
}

/// Sandbox, volumes and image are being brought; the last event says which.
fn being_made(pod: &Pod, image: &str, seen: &Seen) -> Unready {
    let uid = pod.metadata.uid.as_deref();
    const STEPS: [&str; 7] = [
        "Pulling",
        "Pulled",
        "FailedMount",
        "FailedAttachVolume",
        "FailedCreatePodSandBox",
        "FailedMapVolume",
        "Created",
    ];
    let Some(event) = seen.last_event(uid, &STEPS) else {
        return Unready::waits(STARTING);
    };
    let message = event.message.as_deref().unwrap_or_default();
    match event.reason.as_deref().unwrap_or_default() {
        "Pulling" if message.contains(image) => {
            Unready::waits(format!("is pulling image `{image}`"))
        }
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => {
            unmounted(pod, event, message, seen)
        }
        "FailedCreatePodSandBox" => {
            let why = one_line(message);
            let nature = if times(event) > 3 { Nature::Missing } else { Nature::Passing };
            let trouble = of_pod(pod, nature, format!("no network or sandbox for it: {why}"));
            Unready { text: format!("waits for its sandbox: {why}"), trouble: Some(trouble) }
        }
        _ => Unready::waits(STARTING),
    }
}

fn unmounted(pod: &Pod, event: &Arc<Event>, message: &str, seen: &Seen) -> Unready {
    let why = mounters_words(message);
    let text = format!("waits for its volumes: {why}");
    // While kubelet has not heard of a ConfigMap yet, it says the like of these once.
    let passing = ["not registered", "timed out waiting for the condition", "failed to sync"];
    if times(event) < 2 || passing.iter().any(|words| why.contains(words)) {
        return Unready::waits(text);
    }
    let mut trouble = of_pod(pod, missing_nature(&why, seen), why.clone());
    trouble.help.extend(missing_help(pod, &why));
    Unready { text, trouble: Some(trouble) }
}

/// `nature` of something said to be missing: what is deployed together with the pod is there.
fn missing_nature(why: &str, seen: &Seen) -> Nature {
    let is_deployed = |kind: &str| {
        let quoted = format!("{} \"", kind.to_ascii_lowercase());
        let name = why.split_once(&quoted).and_then(|(_, rest)| rest.split('"').next());
        name.is_some_and(|name| seen.deployed.contains(&(kind.to_owned(), name.to_owned())))
    };
    if why.contains("not found")
        && (is_deployed("Secret")
            || is_deployed("ConfigMap")
            || is_deployed("PersistentVolumeClaim"))
    {
        Nature::Passing
    } else {
        Nature::Missing
    }
}

fn misconfigured(pod: &Pod, container: &Container, message: &str, seen: &Seen) -> Unready {
    let why = one_line(message);
    let text = format!("cannot start `{}`: {why}", container.name);
    let repeated = seen.events_of(pod.metadata.uid.as_deref()).iter().any(|event| {
        event.reason.as_deref() == Some("Failed")
            && event.message.as_deref().is_some_and(|said| said.contains(message))
            && times(event) > 1
    });
    let nature = if why.contains("couldn't find key") || why.contains("non-existent config key") {
        // Kubelet may have read the map just before the key came: its second word counts.
        if repeated { Nature::Final } else { Nature::Passing }
    } else if why.contains("not found") {
        missing_nature(&why, seen)
    } else if repeated || why.contains("runAsNonRoot") {
        Nature::Final
    } else {
        Nature::Passing
    };
    let mut trouble = of_container(pod, container, nature, format!("cannot start: {why}"));
    trouble.help.extend(missing_help(pod, &why));
    Unready { text, trouble: Some(trouble) }
}

/// What to do about a ConfigMap or Secret, or a key of one, that is not there.
fn missing_help(pod: &Pod, why: &str) -> Option<String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let kind =
        |text: &str| if text.eq_ignore_ascii_case("secret") { "secret" } else { "configmap" };
    // couldn't find key kye in ConfigMap shop/settings
    if let Some((_, rest)) = why.split_once("couldn't find key ") {
        let mut words = rest.split_whitespace();
        let (key, of) = (words.next()?, words.nth(1)?);
        let name = words.next()?.rsplit('/').next()?;
        let of_kind = kind(of);
        return Some(format!(
            "add `{key}` to it, or name a key that it has: \
             `kubectl describe {of_kind} {name} -n {namespace}`"
        ));
    }
    // secret "passwords" not found
    let (of, rest) = why.split_once(" \"")?;
    let (name, rest) = rest.split_once('"')?;
    let of = of.rsplit(' ').next()?;
    if !rest.starts_with(" not found") || !["secret", "configmap"].contains(&of) {
        return None;
    }
    let sort = if of == "secret" { "secret generic" } else { of };
    Some(format!(
        "add {of} `{name}` to the manifests, or make it: \
         `kubectl create {sort} {name} -n {namespace} --from-literal=KEY=VALUE`"
    ))
}

fn unpulled(
    pod: &Pod,
    container: &Container,
    image: &str,
    reason: &str,
    message: &str,
    seen: &Seen,
) -> Unready {
    let why = pullers_words(message);
    let attempts = seen.last_event(pod.metadata.uid.as_deref(), &["Pulling"]);
    let attempts = attempts.map_or(1, |event| times(event));
    let backs_off = reason == "ImagePullBackOff";
    let (what, nature, help) = match reason {
        "ErrImageNeverPull" => (
            format!(
                "image `{image}` is not on the node, and `imagePullPolicy: Never` forbids to pull it"
            ),
            Nature::Final,
            Some("name an image that the project builds, or use `IfNotPresent`".to_owned()),
        ),
        "InvalidImageName" => (format!("`{image}` is not a valid image name"), Nature::Final, None),
        _ if is_refusal(&why) => {
            // The first word is ErrImagePull; when kubelet backs off, it has looked again.
            let nature = if backs_off { Nature::Final } else { Nature::Pull { attempts: 0 } };
            (
                format!("image `{image}` cannot be pulled: {why}"),
                nature,
                Some(pull_help(image, &why)),
            )
        }
        _ => {
            let nature = Nature::Pull { attempts: attempts - i32::from(!backs_off) };
            let help = format!(
                "check the name of `{image}`, and whether the node reaches its registry; \
                 if the project builds it, name it as an image in wharf.yaml"
            );
            (format!("image `{image}` cannot be pulled: {why}"), nature, Some(help))
        }
    };
    let mut trouble = of_container(pod, container, nature, what.clone());
    trouble.help.extend(help);
    Unready { text: format!("cannot start: {what}"), trouble: Some(trouble) }
}

fn is_refusal(why: &str) -> bool {
    const WORDS: [&str; 12] = [
        "not found",
        "manifest unknown",
        "name unknown",
        "denied",
        "unauthorized",
        "Unauthorized",
        "authorization failed",
        "insufficient_scope",
        "403 Forbidden",
        "no match for platform",
        "invalid reference format",
        "no basic auth credentials",
    ];
    WORDS.iter().any(|word| why.contains(word))
}

fn pull_help(image: &str, why: &str) -> String {
    if why.contains("no match for platform") {
        return format!("`{image}` has no variant for the node's platform");
    }
    let denied = ["denied", "nauthorized", "authorization failed", "insufficient_scope", "403"];
    if denied.iter().any(|word| why.contains(word)) && !why.contains("not found") {
        return format!(
            "add an imagePullSecret for the registry of `{image}`, or log in and push it there"
        );
    }
    format!(
        "check the name and tag of `{image}`; if the project builds it, name it as an image in wharf.yaml"
    )
}

fn start_nature(why: &str, status: &ContainerStatus) -> Nature {
    const WORDS: [&str; 5] = [
        "executable file not found",
        "no such file or directory",
        "permission denied",
        "exec format error",
        "is a directory",
    ];
    if WORDS.iter().any(|word| why.contains(word)) {
        Nature::Final
    } else {
        Nature::Crash { restarts: status.restart_count }
    }
}

/// A container whose program ended.
fn crashed(
    pod: &Pod,
    container: &Container,
    status: &ContainerStatus,
    terminated: &ContainerStateTerminated,
    last_lines: LastLines,
) -> Unready {
    let ended = how_it_ended(container, terminated);
    let never_ran = matches!(
        terminated.reason.as_deref(),
        Some("StartError" | "ContainerCannotRun" | "ContainerStatusUnknown")
    );
    let restarts = status.restart_count;
    let nature = if never_ran { start_nature(&ended, status) } else { Nature::Crash { restarts } };
    let mut trouble = of_container(pod, container, nature, ended.clone());
    if !never_ran {
        trouble.last_lines = last_lines;
    }
    if terminated.reason.as_deref() == Some("OOMKilled") {
        trouble
            .help
            .push(format!("raise `resources.limits.memory` of container `{}`", container.name));
    }
    let text = match restarts {
        0 => ended,
        1 => format!("was started again: it {ended}"),
        _ => format!("was started again {restarts} times: it {ended}"),
    };
    Unready { text, trouble: Some(trouble) }
}

/// Such as "exited with code 1", to be read after the container's or pod's name.
fn how_it_ended(container: &Container, terminated: &ContainerStateTerminated) -> String {
    let code = terminated.exit_code;
    match terminated.reason.as_deref() {
        Some("OOMKilled") => {
            let limits =
                container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
            match limits.and_then(|limits| limits.get("memory")) {
                Some(limit) => format!("ran out of memory (limit {})", limit.0),
                None => "ran out of memory".to_owned(),
            }
        }
        Some("StartError" | "ContainerCannotRun") => {
            format!(
                "could not be started: {}",
                runtimes_words(terminated.message.as_deref().unwrap_or_default())
            )
        }
        Some("DeadlineExceeded") => "ran longer than its deadline".to_owned(),
        _ => match code {
            0 => "exited with code 0, though it was to go on".to_owned(),
            126 => "exited with code 126: a command could not be executed".to_owned(),
            127 => "exited with code 127: a command was not found".to_owned(),
            134 => "exited with code 134: it aborted itself (SIGABRT)".to_owned(),
            137 => "exited with code 137: it was killed (SIGKILL)".to_owned(),
            139 => "exited with code 139: segmentation fault (SIGSEGV)".to_owned(),
            143 => "exited with code 143: it was asked to end (SIGTERM)".to_owned(),
            code => format!("exited with code {code}"),
        },
    }
}

/// A pod that will not be started again.
fn failed(pod: &Pod) -> Unready {
    let status = pod.status.clone().unwrap_or_default();
    let containers = pod.spec.as_ref().map_or(&[][..], |spec| spec.containers.as_slice());
    let statuses = status.container_statuses.iter().flatten();
    let ended =
        statuses.chain(status.init_container_statuses.iter().flatten()).find_map(|status| {
            let terminated = status.state.as_ref()?.terminated.as_ref()?;
            (terminated.exit_code != 0).then_some((status, terminated))
        });
    let reason = status.reason.as_deref().filter(|reason| *reason != "Error");
    if let (Some((status, terminated)), None) = (ended, reason) {
        let unnamed = Container { name: status.name.clone(), ..Container::default() };
        let container = containers.iter().find(|container| container.name == status.name);
        let container = container.unwrap_or(&unnamed);
        let mut unready = crashed(pod, container, status, terminated, LastLines::Current);
        if let Some(trouble) = &mut unready.trouble {
            trouble.nature = Nature::Final;
        }
        return unready;
    }
    let reason = reason.unwrap_or("Failed");
    let what = match status.message.as_deref().map(one_line) {
        Some(message) => format!("ended as {reason}: {message}"),
        None => format!("ended as {reason}"),
    };
    Unready { text: what.clone(), trouble: Some(of_pod(pod, Nature::Final, what)) }
}

fn gates(pod: &Pod) -> Unready {
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_ref());
    let open = gates.into_iter().flatten().find(|gate| {
        condition(pod, &gate.condition_type).is_none_or(|condition| condition.status != "True")
    });
    match open {
        Some(gate) => {
            Unready::waits(format!("waits for its readiness gate `{}`", gate.condition_type))
        }
        None => Unready::waits(STARTING),
    }
}

/// The container whose program ended last, with how and where its lines are; for pods that are
/// ready again too.
pub(super) fn last_crash(pod: &Pod) -> Option<(i32, Trouble)> {
    let status = pod.status.as_ref()?;
    let spec = pod.spec.as_ref()?;
    let statuses = status.container_statuses.iter().flatten();
    statuses
        .filter_map(|status| {
            let ContainerState { terminated, .. } = status.last_state.clone()?;
            let terminated = terminated?;
            let container = spec.containers.iter().find(|one| one.name == status.name)?;
            let trouble =
                crashed(pod, container, status, &terminated, LastLines::Previous).trouble?;
            Some((terminated.finished_at, status.restart_count, trouble))
        })
        .max_by_key(|(finished, ..)| finished.as_ref().map(|time| time.0))
        .map(|(_, restarts, trouble)| (restarts, trouble))
}

/// How long a pod must be called ready before that is believed: without a readiness probe a program
/// counts as ready as soon as it runs, if it ends at once or not. Nothing where it has run for
/// long, or a probe answers for the program.
pub(super) fn probation(pod: &Pod, now: Timestamp) -> Option<Duration> {
    if pod.metadata.deletion_timestamp.is_some() || !is_to_go_on(pod) {
        return None;
    }
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let unprobed = containers.filter(|container| container.readiness_probe.is_none());
    let statuses = pod.status.iter().flat_map(|status| &status.container_statuses).flatten();
    let statuses: Vec<&ContainerStatus> = statuses.collect();
    let probations = unprobed.filter_map(|container| {
        let status = statuses.iter().find(|status| status.name == container.name);
        // What its controller says of it was heard sooner.
        let Some(status) = status else { return Some(PROBATION) };
        let state = status.state.clone().unwrap_or_default();
        let Some(running) = &state.running else {
            // What its controller says of it is older than this, or was heard sooner.
            let ended = state.terminated.is_some() || status.restart_count > 0;
            return Some(if ended { PROBATION_AFTER_CRASH } else { PROBATION });
        };
        let (probation, long) = match status.restart_count {
            0 => (PROBATION, PROBATION * 2),
            _ => (PROBATION_AFTER_CRASH, PROBATION_AFTER_CRASH),
        };
        let age = now.duration_since(running.started_at.as_ref()?.0);
        // A node whose clock is ahead has started it in the future.
        let age = Duration::try_from(age).unwrap_or_default();
        (age < long).then_some(probation)
    });
    probations.max()
}

/// Whether a pod takes connections.
pub(super) fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether a node has been found for it, whose kubelet can be asked for it.
pub(super) fn is_scheduled(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

/// Whether it has a network of its own, in which containers can be started.
pub(super) fn has_sandbox(pod: &Pod) -> bool {
    let condition = condition(pod, "PodReadyToStartContainers");
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    condition.is_some_and(|condition| condition.status == "True")
        || ip.is_some_and(|ip| !ip.is_empty())
}

/// Whether all its containers run.
pub(super) fn is_started(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let runs = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    statuses.is_some_and(|statuses| !statuses.is_empty() && statuses.iter().all(runs))
}

/// How often its containers were started again.
pub(super) fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let containers = status.into_iter().flat_map(|status| {
        status.container_statuses.iter().chain(&status.init_container_statuses).flatten()
    });
    containers.map(|container| container.restart_count).sum()
}

fn condition<'a>(pod: &'a Pod, sort: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == sort)
}

fn of_pod(pod: &Pod, nature: Nature, what: String) -> Trouble {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    Trouble { pod: Some(pod.name_any()), ..Trouble::new(nature, uid, what) }
}

fn of_container(pod: &Pod, container: &Container, nature: Nature, what: String) -> Trouble {
    Trouble { container: Some(container.name.clone()), ..of_pod(pod, nature, what) }
}

/// Kubelet wraps the registry's answer several times; the answer is what a person needs.
fn pullers_words(message: &str) -> String {
    let mut words = message.trim();
    for layer in ["ErrImagePull: ", "desc = "] {
        if let Some((_, rest)) = words.split_once(layer) {
            words = rest;
        }
    }
    let layers = [
        "failed to pull and unpack image ",
        "failed to resolve image",
        "failed to resolve reference ",
        "failed to pull image ",
    ];
    while let Some(rest) = layers.iter().find_map(|layer| words.strip_prefix(layer)) {
        let Some((_, rest)) = rest.split_once(": ") else { break };
        words = rest;
    }
    one_line(if words.is_empty() { "no reason given" } else { words })
}

/// The end of what the container runtime says: the layers it went through come first.
fn runtimes_words(message: &str) -> String {
    let mut words = message.trim().trim_end_matches(": unknown");
    for layer in [
        "desc = ",
        "error during container init: ",
        "unable to start container process: ",
        "OCI runtime create failed: ",
    ] {
        if let Some((_, rest)) = words.rsplit_once(layer) {
            words = rest;
        }
    }
    one_line(if words.is_empty() { "no reason given" } else { words })
}

/// `MountVolume.SetUp failed for volume "cfg" : configmap "shop" not found`, from its colon on.
fn mounters_words(message: &str) -> String {
    let words = match message.split_once(" : ") {
        Some((_, rest)) if message.starts_with("MountVolume") => rest,
        _ => message,
    };
    one_line(words)
}

/// A message as one line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
