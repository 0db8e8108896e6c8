//! Process groups: nobody's child outlives the call that started it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use rustix::process::{Pid, Signal, kill_process_group};

/// Groups that run at the moment; the second Ctrl+C ends them all. A process has one set of
/// children, so this is one set per process.
static RUNNING: LazyLock<Mutex<BTreeSet<i32>>> = LazyLock::new(Mutex::default);

/// A running process group. Dropping it ends what is left of the group at once.
#[derive(Debug)]
pub(super) struct Group {
    leader: Pid,
}

impl Group {
    /// Takes charge of the group led by process `id`.
    pub(super) fn led_by(id: u32) -> Option<Self> {
        let raw = i32::try_from(id).ok()?;
        let leader = Pid::from_raw(raw)?;
        RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(raw);
        Some(Self { leader })
    }

    /// Asks every process of the group to end.
    pub(super) fn terminate(&self) {
        // A group that is gone already is what was wanted.
        let _ = kill_process_group(self.leader, Signal::TERM);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.leader, Signal::KILL);
        let raw = self.leader.as_raw_nonzero().get();
        RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&raw);
    }
}

/// Ends every process group that this process has started, at once.
pub fn kill_all() {
    let running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    for raw in running {
        if let Some(leader) = Pid::from_raw(raw) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Whether `path` is a file that may be executed.
pub(super) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
