//! Programs that a killed wharf had started and that still change the cluster.
//!
//! They lead process groups of their own, so that they outlive a `kill -9`. The name of the
//! private kubeconfig that each was given tells whose they are.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};

use super::kubeconfig::owner;

/// How long a program may take to end when it is asked to. Helm takes a tenth of a second.
const GRACE: Duration = Duration::from_secs(10);

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends every `program` with all of `words` among its arguments whose wharf is dead. One that a
/// person or a living wharf has started is left alone.
pub async fn end_orphans(program: &str, words: &[&str]) {
    for orphan in orphans(program, words) {
        tracing::info!(pid = orphan.as_raw_nonzero().get(), program, "an orphan is ended");
        let _ = kill_process_group(orphan, Signal::TERM);
        let ended = tokio::time::timeout(GRACE, async {
            while is_alive(orphan) {
                tokio::time::sleep(PAUSE).await;
            }
        });
        if ended.await.is_err() {
            let _ = kill_process_group(orphan, Signal::KILL);
        }
    }
}

fn orphans(program: &str, words: &[&str]) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let orphans = processes.filter_map(|process| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let is_it = arguments.first()?.ends_with(program.as_bytes())
            && words.iter().all(|word| arguments[1..].contains(&word.as_bytes()));
        let environment = is_it.then(|| std::fs::read(process.path().join("environ")).ok())??;
        let mut variables = environment.split(|byte| *byte == 0);
        let kubeconfig = variables.find_map(|variable| variable.strip_prefix(b"KUBECONFIG="))?;
        let owner = owner(Path::new(std::str::from_utf8(kubeconfig).ok()?))?;
        (!is_alive(owner)).then_some(pid)
    });
    orphans.collect()
}

/// Whether a process runs, and is not only waited for by its parent.
pub(super) fn is_alive(pid: Pid) -> bool {
    if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
        return false;
    }
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let Ok(stat) = std::fs::read_to_string(stat) else { return true };
    !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}
