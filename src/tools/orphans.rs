//! Children that a killed wharf has left running: nobody waits for them, and what they make is of
//! no use to anybody.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// By this variable a child says whose it is.
pub(super) const OWNER: &str = "WHARF_CHILD_OF";

/// How long one may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// This process, told apart from every other that has or will have its number: the namespace of
/// process numbers, the number, and when it was started. Absent where the system does not tell.
pub(super) fn owner() -> Option<&'static str> {
    static OWN: LazyLock<Option<String>> = LazyLock::new(|| {
        let process = Process::read(&std::process::id().to_string())?;
        Some(format!("{}:{}:{}", namespace()?, process.pid, process.started))
    });
    OWN.as_deref()
}

/// What tells where a wharf keeps its state: one with other places is another person's, or
/// another machine's of the same person.
const PLACES: [&str; 2] = ["HOME", "XDG_STATE_HOME"];

/// Ends every group of processes that a wharf with this environment has started which is dead.
/// Returns their commands.
///
/// Whatever has left its group and its session, as a daemon does, was meant to stay.
pub(super) async fn end_orphans(environment: &BTreeMap<OsString, OsString>) -> Vec<String> {
    let Some(namespace) = namespace() else { return Vec::new() };
    let places = PLACES.map(|name| {
        let place = environment.get(OsStr::new(name));
        place.map(|place| [name.as_bytes(), b"=", place.as_encoded_bytes()].concat())
    });
    let mut ended = Vec::new();
    for (pid, command) in orphans(&namespace, &places) {
        let Some(group) = Pid::from_raw(pid) else { continue };
        tracing::info!(pid, command, "an orphan is ended");
        if kill_process_group(group, Signal::TERM).is_err() {
            continue;
        }
        let is_over = tokio::time::timeout(GRACE, async {
            while Process::read(&pid.to_string()).is_some_and(|process| !process.is_zombie) {
                tokio::time::sleep(PAUSE).await;
            }
        });
        let _ = is_over.await;
        // Its own children may have outlived it.
        let _ = kill_process_group(group, Signal::KILL);
        ended.push(command);
    }
    ended
}

fn orphans(namespace: &str, places: &[Option<Vec<u8>>]) -> Vec<(i32, String)> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let orphans = processes.filter_map(|entry| {
        let process = Process::read(entry.file_name().to_str()?)?;
        // As wharf starts them, and nothing that they have started themselves.
        if process.group != process.pid || process.session == process.pid {
            return None;
        }
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let is_there = |place: &Vec<u8>| environment.split(|byte| *byte == 0).any(|it| it == place);
        if !places.iter().flatten().all(is_there) {
            return None;
        }
        let mark = format!("{OWNER}=");
        let mut variables = environment.split(|byte| *byte == 0);
        let owner = variables.find_map(|variable| variable.strip_prefix(mark.as_bytes()))?;
        let mut owner = std::str::from_utf8(owner).ok()?.split(':');
        if owner.next()? != namespace {
            return None;
        }
        let (pid, started) = (owner.next()?, owner.next()?);
        let is_alive = Process::read(pid)
            .is_some_and(|process| process.started == started && !process.is_zombie);
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
        (!is_alive).then(|| (process.pid, words.join(" ")))
    });
    orphans.collect()
}

/// The namespace that process numbers here belong to.
fn namespace() -> Option<String> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.to_str()?.trim_matches(|c: char| !c.is_ascii_digit()).to_owned())
}

/// A process as the system describes it.
struct Process {
    pid: i32,
    group: i32,
    session: i32,
    /// In ticks since the machine was started.
    started: String,
    is_zombie: bool,
}

impl Process {
    /// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
    fn read(pid: &str) -> Option<Self> {
        let text = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
        // A program's name may hold blanks and brackets.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            pid: pid.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: (*fields.get(19)?).to_owned(),
            is_zombie: *fields.first()? == "Z",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_apart_from_others_with_its_number() {
        let own = Process::read(&std::process::id().to_string()).unwrap();
        assert!(!own.is_zombie && !own.started.is_empty());
        let mark = owner().unwrap();
        assert!(mark.ends_with(&format!(":{}:{}", own.pid, own.started)), "{mark}");
        assert_eq!(mark.split(':').count(), 3, "{mark}");
    }
}
