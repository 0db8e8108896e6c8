//! This machine: free disk, inotify's limits, wharf's own folder.

use std::path::Path;

use crate::model::Paths;
use crate::report::Check;

use super::{fail, failed, ok, or_help, warn};

/// Below this a build of any size fails.
const LEAST_BYTES: u64 = 1_000_000_000;

/// Kubelet deletes images, and then pods, where less than this is free: its defaults are
/// `imageGCHighThresholdPercent: 85` and `nodefs.available<10%`.
const LOW_PERCENT: u64 = 15;

/// What large repositories and a few editors need together; the limits that kind recommends are
/// 524288 watches and 512 instances: <https://kind.sigs.k8s.io/docs/user/known-issues/>.
const FEW_WATCHES: u64 = 65_536;
const FEW_INSTANCES: u64 = 256;

pub(super) fn checks(paths: &Paths) -> Vec<Check> {
    let mut checks = vec![state(&paths.state)];
    checks.extend(disk("disk", existing(&paths.state), "make room on it"));
    checks.extend(inotify());
    checks
}

/// Whether wharf may keep what it must remember.
fn state(folder: &Path) -> Check {
    let written = crate::files::write_atomically(&folder.join("doctor"), b"", 0o600);
    match written {
        Ok(()) => {
            // An empty file that stays would do no harm.
            let _ = std::fs::remove_file(folder.join("doctor"));
            ok("state", folder.display().to_string())
        }
        Err(error) => or_help(
            failed("state", &error.failure()),
            "make the folder writable, or name another one with XDG_STATE_HOME",
        ),
    }
}

/// Free room where `path` lies; nothing where the system does not say.
pub(super) fn disk(name: &str, path: &Path, help: &str) -> Option<Check> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let all = stat.f_blocks.saturating_mul(stat.f_frsize);
    (all > 0).then(|| room(name, &path.display().to_string(), free, all, help))
}

/// What `free` of `all` bytes at `path` means.
pub(super) fn room(name: &str, path: &str, free: u64, all: u64, help: &str) -> Check {
    let percent = u128::from(free) * 100 / u128::from(all.max(1));
    let gigabytes = free as f64 / 1e9;
    let what = format!("{gigabytes:.1} GB ({percent} %) free at {path}");
    if free < LEAST_BYTES {
        fail(name, what, help)
    } else if percent < u128::from(LOW_PERCENT) {
        warn(name, format!("{what}; below {LOW_PERCENT} % Kubernetes deletes images"), help)
    } else {
        ok(name, what)
    }
}

/// The limits of Linux; other systems have none of this sort.
fn inotify() -> Option<Check> {
    let number = |path: String| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = |name: &str| {
        let all = number(format!("/proc/sys/fs/inotify/max_user_{name}"))?;
        // A container in a user namespace of its own may have less than the system.
        let own = number(format!("/proc/sys/user/max_inotify_{name}"));
        Some(own.map_or(all, |own| own.min(all)))
    };
    Some(inotify_limits(limit("watches")?, limit("instances")?))
}

/// What these limits mean.
pub(super) fn inotify_limits(watches: u64, instances: u64) -> Check {
    let what = format!("{watches} watches, {instances} instances");
    let mut check = ok("inotify", what);
    for (value, few, name, better) in [
        (watches, FEW_WATCHES, "max_user_watches", 524_288),
        (instances, FEW_INSTANCES, "max_user_instances", 512),
    ] {
        if value < few {
            let help = format!("sudo sysctl fs.inotify.{name}={better}");
            let mut low = warn("inotify", check.what, help);
            low.help.splice(0..0, check.help);
            check = low;
        }
    }
    check
}

/// The nearest folder of `path` that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}
