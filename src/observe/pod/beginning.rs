//! A container that is not started yet: image, volumes, configuration, runtime.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, ContainerStateWaiting, ContainerStatus, Event, Pod};

use crate::observe::scene::{Seen, times};
use crate::observe::trouble::{LastLines, Nature};

use super::ended::crashed;
use super::words::{mounters_words, one_line, pullers_words, runtimes_words};
use super::{STARTING, Unready, of_container, of_pod};

/// A container that is not started, and why.
pub(super) fn waits(
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
pub(super) fn being_made(pod: &Pod, image: &str, seen: &Seen) -> Unready {
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

pub(super) fn unmounted(pod: &Pod, event: &Arc<Event>, message: &str, seen: &Seen) -> Unready {
    let why = mounters_words(message);
    let text = format!("waits for its volumes: {why}");
    // While kubelet has not heard of a ConfigMap yet, it says the like of these once.
    let passing = ["not registered", "timed out waiting for the condition", "failed to sync"];
    if times(event) < 2 || passing.iter().any(|words| why.contains(words)) {
        return Unready::waits(text);
    }
    // Kubelet has said so twice, so that it has read what is there now.
    let nature = if lacks_key(&why) { Nature::Final } else { missing_nature(&why, seen) };
    let mut trouble = of_pod(pod, nature, why.clone());
    trouble.help.extend(missing_help(pod, &why));
    Unready { text, trouble: Some(trouble) }
}

/// Whether a ConfigMap or Secret is there and has not the key that is asked for.
fn lacks_key(why: &str) -> bool {
    let signs = ["couldn't find key", "non-existent config key", "non-existent secret key"];
    signs.iter().any(|sign| why.contains(sign))
}

/// `nature` of something said to be missing: what is deployed together with the pod is there.
pub(super) fn missing_nature(why: &str, seen: &Seen) -> Nature {
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

pub(super) fn misconfigured(
    pod: &Pod,
    container: &Container,
    message: &str,
    seen: &Seen,
) -> Unready {
    let why = one_line(message);
    let text = format!("cannot start `{}`: {why}", container.name);
    let repeated = seen.events_of(pod.metadata.uid.as_deref()).iter().any(|event| {
        event.reason.as_deref() == Some("Failed")
            && event.message.as_deref().is_some_and(|said| said.contains(message))
            && times(event) > 1
    });
    let nature = if lacks_key(&why) {
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
pub(super) fn missing_help(pod: &Pod, why: &str) -> Option<String> {
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

pub(super) fn unpulled(
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
    let load = seen.kind.as_ref().and_then(|kind| kind.load_command(image));
    if let Some(load) = load.filter(|_| reason != "InvalidImageName") {
        trouble.help.push(format!("if Docker has it, bring it to the nodes: `{load}`"));
    }
    Unready { text: format!("cannot start: {what}"), trouble: Some(trouble) }
}

pub(super) fn is_refusal(why: &str) -> bool {
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

pub(super) fn pull_help(image: &str, why: &str) -> String {
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

pub(super) fn start_nature(why: &str, status: &ContainerStatus) -> Nature {
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
