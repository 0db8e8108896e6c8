//! Real files in temporary folders, watched for real: each test waits for a fact, with a limit.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::debounce::{BUSY_LONGEST, BUSY_PAUSE, Debouncer, LONGEST, QUIET};
use super::locks::GitLocks;
use super::native::{Hint, hints_of};
use super::*;
use crate::model::ChangeSet;
use crate::tools::Tools;

/// Longer than any of it takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A watched folder, and what was told of it so far.
pub(super) struct Watched {
    folder: tempfile::TempDir,
    pub(super) watcher: Watcher,
    change_rx: mpsc::Receiver<Noticed>,
    told: BTreeSet<String>,
}

pub(super) fn scope_of(root: &Path) -> WatchScope {
    let ignore = vec![root.join("Dockerfile.dockerignore"), root.join(".dockerignore")];
    let files = ignore.iter().cloned().collect();
    let rules = WatchRules::Docker(ignore);
    WatchScope { roots: BTreeSet::from([WatchRoot { path: root.to_owned(), rules }]), files }
}

impl Watched {
    pub(super) async fn new(prepare: impl FnOnce(&Path)) -> Self {
        Self::with(prepare, scope_of, WatchOptions::default()).await
    }

    pub(super) async fn with(
        prepare: impl FnOnce(&Path),
        scope: impl FnOnce(&Path) -> WatchScope,
        options: WatchOptions,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        wait_for_clock(folder.path());
        let (watcher, change_rx, notes) = Watcher::start(scope(folder.path()), options).await;
        assert!(notes.is_empty(), "{notes:?}");
        Self { folder, watcher, change_rx, told: BTreeSet::new() }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        write(self.folder.path(), path, text);
    }

    /// Waits until all of `paths` have been told of.
    pub(super) async fn tells<S: AsRef<str>>(&mut self, paths: impl IntoIterator<Item = S>) {
        let wanted: BTreeSet<String> =
            paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let limit = tokio::time::Instant::now() + LIMIT;
        while !wanted.is_subset(&self.told) {
            let Ok(changed) = tokio::time::timeout_at(limit, self.change_rx.recv()).await else {
                let missing: Vec<_> = wanted.difference(&self.told).take(5).collect();
                panic!("not told of {} paths, such as {missing:?}", wanted.len());
            };
            let changed = changed.expect("the watcher runs");
            self.take(changed.changes);
        }
    }

    /// Everything told of since [`Watched::forget`].
    pub(super) fn told(&self) -> &BTreeSet<String> {
        &self.told
    }

    pub(super) fn forget(&mut self) {
        self.told.clear();
    }

    fn take(&mut self, changed: ChangeSet) {
        for path in changed.paths {
            let relative = path.strip_prefix(self.folder.path()).unwrap_or(&path);
            self.told.insert(relative.to_str().unwrap().to_owned());
        }
    }

    /// What was told of since the last call, up to a save that is made now.
    async fn told_so_far(&mut self) -> String {
        self.write("zz-mark", &format!("{:?}", Instant::now()));
        self.tells(["zz-mark"]).await;
        let mut told = std::mem::take(&mut self.told);
        told.remove("zz-mark");
        told.into_iter().collect::<Vec<_>>().join(" ")
    }
}

/// Waits until what was written so far is older than the step of the clock that stamps files:
/// until then it is in doubt whether it was written again after a look.
fn wait_for_clock(root: &Path) {
    let limit = Instant::now() + LIMIT;
    let probe = root.join("probe");
    fs::write(&probe, "").unwrap();
    let written = fs::metadata(&probe).unwrap().modified().unwrap();
    fs::remove_file(&probe).unwrap();
    while written.elapsed().unwrap_or_default() < Duration::from_millis(25) {
        assert!(Instant::now() < limit, "the clock stands still");
        std::thread::yield_now();
    }
}

pub(super) fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn every_way_to_save_is_noticed() {
    let mut watched = Watched::new(|root| {
        write(root, "zz-mark", "");
        write(root, "src/a", "1");
        write(root, "src/b", "1");
    })
    .await;
    assert_eq!(watched.watcher.files(), 3);
    watched.write("src/a", "2");
    assert_eq!(watched.told_so_far().await, "src/a");

    // Vim: away with the old one, a new one in its place.
    watched.write("src/4913", "");
    fs::remove_file(watched.path("src/4913")).unwrap();
    fs::rename(watched.path("src/a"), watched.path("src/a~")).unwrap();
    watched.write("src/a", "3");
    fs::remove_file(watched.path("src/a~")).unwrap();
    assert_eq!(watched.told_so_far().await, "src/a");

    // Most others: written aside and renamed into place.
    watched.write("src/.a.swp", "4");
    fs::rename(watched.path("src/.a.swp"), watched.path("src/a")).unwrap();
    assert_eq!(watched.told_so_far().await, "src/a");

    fs::remove_file(watched.path("src/b")).unwrap();
    symlink("a", watched.path("src/link")).unwrap();
    fs::create_dir(watched.path("src/empty")).unwrap();
    assert_eq!(watched.told_so_far().await, "src/b src/empty src/link");
}

#[tokio::test]
async fn nothing_is_told_without_a_change() {
    let mut watched = Watched::new(|root| {
        write(root, "zz-mark", "");
        write(root, ".dockerignore", "node_modules\n**/*.log\n");
        write(root, "node_modules/x/index.js", "");
        write(root, ".git/HEAD", "");
        write(root, "src/a", "1");
    })
    .await;
    assert_eq!(watched.watcher.files(), 3);
    let _ = fs::read(watched.path("src/a")).unwrap();
    drop(fs::File::options().append(true).open(watched.path("src/a")).unwrap());
    watched.write("node_modules/x/index.js", "2");
    watched.write("node_modules/y/index.js", "2");
    watched.write("src/b.log", "2");
    watched.write(".git/index", "2");
    watched.write("src/#a#", "2");
    watched.write("gone", "2");
    fs::remove_file(watched.path("gone")).unwrap();
    assert_eq!(watched.told_so_far().await.replace("gone", "").trim(), "");
}

#[tokio::test]
async fn new_folders_are_watched_from_their_first_moment() {
    let mut watched = Watched::new(|_| {}).await;
    for burst in 0..5 {
        let mut made = Vec::new();
        for folder in 0..40 {
            for file in 0..5 {
                let path = format!("burst{burst}/deep/d{folder}/e/f{file}");
                watched.write(&path, "x");
                made.push(path);
            }
        }
        watched.tells(made).await;
    }
    watched.told.clear();
    // And each of them from there on.
    watched.write("burst3/deep/d7/e/f2", "y");
    watched.write("burst0/deep/new", "y");
    watched.tells(["burst3/deep/d7/e/f2", "burst0/deep/new"]).await;
    assert_eq!(watched.watcher.files(), 1001);
}

#[tokio::test]
async fn folders_that_move_take_their_files_along() {
    let mut watched = Watched::new(|root| {
        for path in ["a/x/1", "a/x/2", "b/3"] {
            write(root, path, "");
        }
    })
    .await;
    for round in 0..20 {
        let (from, to) = if round % 2 == 0 { ("a", "c/d") } else { ("c/d", "a") };
        fs::create_dir_all(watched.path("c")).unwrap();
        fs::rename(watched.path(from), watched.path(to)).unwrap();
        watched.told.clear();
        watched.write(&format!("{to}/x/1"), &format!("{round}"));
        watched.tells([format!("{to}/x/1"), format!("{to}/x/2"), format!("{from}/x/2")]).await;
    }
    // The same name, another folder behind it.
    for round in 0..20 {
        fs::remove_dir_all(watched.path("b")).unwrap();
        watched.write("b/3", &format!("{round}"));
        watched.tells(["b/3"]).await;
        watched.told.clear();
        watched.write("b/3", &format!("again {round}"));
        watched.tells(["b/3"]).await;
        watched.told.clear();
    }
}

#[tokio::test]
async fn a_root_may_come_late_and_go_and_come_again() {
    let late = |root: &Path| scope_of(&root.join("not/there/yet"));
    let mut watched = Watched::with(|_| {}, late, WatchOptions::default()).await;
    for round in 0..5 {
        watched.write("not/there/yet/src/a", &format!("{round}"));
        watched.tells(["not/there/yet/src/a"]).await;
        watched.told.clear();
        watched.write("not/there/yet/src/b", &format!("{round}"));
        watched.tells(["not/there/yet/src/b"]).await;
        watched.told.clear();
        let gone = ["not/there/yet", "not/there", "not"][round % 3];
        fs::remove_dir_all(watched.path(gone)).unwrap();
        watched.tells(["not/there/yet/src/a", "not/there/yet/src/b"]).await;
        watched.told.clear();
    }
}

#[tokio::test]
async fn single_files_are_watched_wherever_they_lie() {
    let scope = |root: &Path| {
        let files = ["values.yaml", "far/away/missing.yaml", "link.yaml"];
        WatchScope { files: files.map(|file| root.join(file)).into(), ..WatchScope::default() }
    };
    let prepare = |root: &Path| {
        write(root, "values.yaml", "");
        write(root, "other/target.yaml", "");
        symlink("other/target.yaml", root.join("link.yaml")).unwrap();
    };
    let mut watched = Watched::with(prepare, scope, WatchOptions::default()).await;
    watched.write("noise.yaml", "1");
    watched.write("values.yaml", "1");
    watched.tells(["values.yaml"]).await;
    watched.write("far/away/noise.yaml", "1");
    watched.write("far/away/missing.yaml", "1");
    watched.tells(["far/away/missing.yaml"]).await;
    watched.write("other/target.yaml", "1");
    watched.tells(["link.yaml"]).await;
    fs::remove_file(watched.path("link.yaml")).unwrap();
    symlink("values.yaml", watched.path("link.yaml")).unwrap();
    watched.tells(["link.yaml"]).await;
    let all: Vec<&str> = watched.told.iter().map(String::as_str).collect();
    assert_eq!(all, ["far/away/missing.yaml", "link.yaml", "values.yaml"]);
}

/// What is deployed matters, whatever Git is told about it.
#[tokio::test]
async fn manifests_that_git_ignores_are_watched_new_ones_too() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join(".git")).unwrap();
        write(root, ".gitignore", "*.local.yaml\ngenerated/\nnoise\n");
        write(root, "k8s/dev/secret.local.yaml", "1");
        write(root, "k8s/generated/a.yaml", "1");
        write(root, "k8s/dev/noise", "1");
        write(root, "k8s/dev/deep/a.local.yaml", "1");
        write(root, "flat/b.local.yaml", "1");
    };
    let scope = |root: &Path| {
        let mut scope = WatchScope::default();
        for glob in ["k8s/*/*.yaml", "flat"] {
            let glob = root.join(glob).display().to_string();
            let source = crate::model::ManifestSource::Files(vec![glob]);
            scope.add_release(&crate::model::ReleaseSource::Manifests(source));
        }
        scope
    };
    let mut watched = Watched::with(prepare, scope, WatchOptions::default()).await;
    watched.write("k8s/dev/noise", "2");
    watched.write("k8s/dev/deep/a.local.yaml", "2");
    for path in ["k8s/dev/secret.local.yaml", "k8s/generated/a.yaml", "flat/b.local.yaml"] {
        watched.write(path, "2");
        watched.tells([path]).await;
    }
    let new = ["k8s/dev/new.local.yaml", "k8s/generated/b.yaml", "flat/new.local.yaml"];
    new.iter().for_each(|path| watched.write(path, "1"));
    watched.tells(new).await;
    for path in ["k8s/dev/noise", "k8s/dev/deep/a.local.yaml"] {
        assert!(!watched.told.contains(path), "{:?}", watched.told);
    }
}

#[tokio::test]
async fn an_edited_ignore_file_counts_at_once() {
    let mut watched = Watched::new(|root| {
        write(root, "zz-mark", "");
        write(root, ".dockerignore", "data\n");
        write(root, "data/x", "1");
    })
    .await;
    watched.write("data/x", "2");
    assert_eq!(watched.told_so_far().await, "");
    watched.write(".dockerignore", "other\n");
    watched.tells([".dockerignore"]).await;
    watched.told.clear();
    watched.write("data/x", "3");
    assert_eq!(watched.told_so_far().await, "data/x");
    // The Dockerfile's own takes precedence as soon as it is there.
    watched.write("Dockerfile.dockerignore", "data\n");
    watched.tells(["Dockerfile.dockerignore"]).await;
    watched.told.clear();
    watched.write("data/x", "4");
    assert_eq!(watched.told_so_far().await, "");
}

#[test]
fn a_queue_that_overflows_means_to_look_everywhere() {
    let overflow = notify::Event::new(notify::EventKind::Other);
    let overflow = overflow.set_flag(notify::event::Flag::Rescan);
    assert_eq!(hints_of(Ok(overflow)), [Hint::Lost]);
    assert_eq!(hints_of(Err(notify::Error::generic("broken"))), [Hint::Lost]);
}

/// Writes `after ` over the file's first bytes through a shared map.
const MAP: &str = r#"
use std::os::fd::AsRawFd;
unsafe extern "C" {
    fn mmap(at: *mut u8, len: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> *mut u8;
    fn munmap(at: *mut u8, len: usize) -> i32;
}
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    unsafe {
        let map = mmap(std::ptr::null_mut(), 6, 3, 1, file.as_raw_fd(), 0);
        std::ptr::copy_nonoverlapping(b"after ".as_ptr(), map, 6);
        assert_eq!(munmap(map, 6), 0);
    }
}
"#;

/// Writes through a memory map, of which inotify tells nothing: the look that backs hints up
/// finds it.
#[tokio::test]
async fn a_write_through_a_memory_map_is_noticed() {
    let mut watched = Watched::new(|root| {
        for file in 0..500 {
            write(root, &format!("d{}/f{file}", file % 50), "before");
        }
    })
    .await;
    // The compiler of these tests makes the program, for wharf itself has no unsafe code.
    let folder = tempfile::tempdir().unwrap();
    let surroundings = [
        ("PATH", Some(env!("PATH"))),
        ("HOME", Some(env!("HOME"))),
        ("RUSTUP_HOME", option_env!("RUSTUP_HOME")),
        ("RUSTUP_TOOLCHAIN", option_env!("RUSTUP_TOOLCHAIN")),
    ];
    let surroundings = surroundings.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let tools = Tools::new(surroundings.map(|(name, value)| (name.into(), value.into())).collect());
    write(folder.path(), "map.rs", MAP);
    let compile =
        tools.command("rustc").args(["--edition", "2024", "map.rs"]).folder(folder.path());
    compile.run().await.expect("rustc compiles it");
    let file = watched.path("d7/f57");
    let program = folder.path().join("map");
    let written = tools.command(program.to_str().unwrap()).arg(&file).run().await;
    written.expect("it writes the map");
    assert_eq!(fs::read_to_string(&file).unwrap(), "after ");
    watched.tells(["d7/f57"]).await;
    assert_eq!(watched.told.len(), 1, "{:?}", watched.told);
}

#[tokio::test]
async fn lost_hints_cost_nothing_but_a_look() {
    let mut watched = Watched::new(|root| write(root, "src/a", "1")).await;
    for round in 0..10 {
        let names: Vec<String> = (0..50).map(|file| format!("src/d{round}/f{file}")).collect();
        for name in &names {
            watched.write(name, "x");
        }
        watched.watcher.hint(Hint::Lost);
        watched.tells(&names).await;
        watched.told.clear();
        fs::remove_dir_all(watched.path(&format!("src/d{round}"))).unwrap();
        watched.watcher.flush();
        watched.tells(&names).await;
        watched.told.clear();
    }
    watched.write("src/a", "2");
    watched.tells(["src/a"]).await;
}

#[tokio::test]
async fn polling_notices_the_same() {
    let poll = WatchOptions { poll: true };
    let prepare = |root: &Path| write(root, "src/a", "1");
    let mut watched = Watched::with(prepare, scope_of, poll).await;
    watched.write("src/a", "22");
    watched.tells(["src/a"]).await;
    watched.write("src/deep/er/b", "1");
    watched.tells(["src/deep/er/b"]).await;
    watched.told.clear();
    watched.write("src/deep/er/b", "22");
    watched.tells(["src/deep/er/b"]).await;
    fs::remove_dir_all(watched.path("src")).unwrap();
    watched.tells(["src/a"]).await;
}

#[tokio::test]
async fn another_scope_is_taken_on_while_watching() {
    let root_of = |root: &Path, name: &str| scope_of(&root.join(name));
    let one = |root: &Path| root_of(root, "one");
    let prepare = |root: &Path| {
        write(root, "one/a", "1");
        write(root, "two/a", "1");
    };
    let mut watched = Watched::with(prepare, one, WatchOptions::default()).await;
    watched.watcher.update(root_of(watched.folder.path(), "two"));
    watched.watcher.flush();
    let limit = Instant::now() + LIMIT;
    while !watched.told.contains("two/a") {
        assert!(Instant::now() < limit, "the new scope is watched");
        // The scope arrives at the thread in its own time: save until it is noticed.
        watched.write("two/a", &format!("{:?}", Instant::now()));
        watched.write("one/a", &format!("{:?}", Instant::now()));
        let next = tokio::time::timeout(Duration::from_millis(200), watched.change_rx.recv());
        if let Ok(Some(changed)) = next.await {
            watched.take(changed.changes);
        }
    }
    watched.told.clear();
    watched.write("one/a", "4");
    watched.write("two/b", "4");
    watched.tells(["two/b"]).await;
    assert!(!watched.told.contains("one/a"));
}

#[tokio::test]
async fn a_checkout_of_two_thousand_files_and_back_is_seen_whole() {
    let path = std::ffi::OsString::from("/usr/local/bin:/usr/bin:/bin");
    let tools = Tools::new([("PATH".into(), path), ("HOME".into(), "/nonexistent".into())].into());
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let git = async |args: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0"];
        let command = tools.command("git").args(identity).args(args).folder(&root);
        command.run().await.unwrap_or_else(|error| panic!("{error}: {:?}", error.output_tail()));
    };
    let names: Vec<String> =
        (0..2000).map(|file| format!("pkg{}/sub{}/f{file}", file % 40, file % 7)).collect();
    git(&["init", "-q", "-b", "main"]).await;
    write(&root, "kept", "");
    for name in names.iter().step_by(2) {
        write(&root, name, "main");
    }
    git(&["add", "-A"]).await;
    git(&["commit", "-qm", "one"]).await;
    git(&["checkout", "-qb", "other"]).await;
    for (index, name) in names.iter().enumerate() {
        if index % 4 == 0 {
            fs::remove_file(root.join(name)).unwrap();
        } else {
            write(&root, name, "other");
        }
    }
    git(&["add", "-A"]).await;
    git(&["commit", "-qm", "two"]).await;
    git(&["checkout", "-q", "main"]).await;
    let (watcher, change_rx, _) = Watcher::start(scope_of(&root), WatchOptions::default()).await;
    assert_eq!(watcher.files(), 1001);
    let mut watched = Watched { folder, watcher, change_rx, told: BTreeSet::new() };
    for _ in 0..2 {
        for branch in ["other", "main"] {
            git(&["checkout", "-q", branch]).await;
            watched.tells(&names).await;
            assert!(!watched.told.contains("kept"));
            watched.told.clear();
        }
    }
    watched.write(&names[0], "after all");
    watched.tells([&names[0]]).await;
}

#[tokio::test]
async fn of_many_quick_saves_the_last_is_told_of() {
    let mut watched = Watched::new(|root| write(root, "a", "")).await;
    for round in 0..20 {
        for save in 0..20 {
            // Same length, most of them within the same step of the clock.
            watched.write("a", &format!("{round:03} {save:03}"));
            if save % 3 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // What was told of before must not stand for the last one.
        while watched.change_rx.try_recv().is_ok() {}
        watched.told.clear();
        watched.write("a", &format!("{round:03} end"));
        watched.tells(["a"]).await;
    }
}

#[test]
fn a_look_waits_for_a_quiet_but_not_for_ever() {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut debouncer = Debouncer::default();
    assert_eq!(debouncer.due(), None);
    debouncer.touch(at(0));
    assert_eq!(debouncer.due(), Some(at(0) + QUIET));
    debouncer.touch(at(20));
    assert!(!debouncer.is_due(at(31), || false));
    assert!(debouncer.is_due(at(20) + QUIET, || false));
    for ms in 0..1000 {
        debouncer.touch(at(ms));
    }
    assert_eq!(debouncer.due(), Some(at(0) + LONGEST));
    debouncer.clear();
    assert_eq!(debouncer, Debouncer::default());
}

#[test]
fn a_checkout_is_waited_for_within_reason() {
    let start = Instant::now();
    let mut debouncer = Debouncer::default();
    debouncer.touch(start);
    let due = start + QUIET;
    assert!(!debouncer.has_waited(start + BUSY_LONGEST), "for nobody");
    assert!(!debouncer.is_due(due, || true));
    assert_eq!(debouncer.due(), Some(due + BUSY_PAUSE));
    assert!(debouncer.is_due(due + BUSY_PAUSE, || false));
    assert!(debouncer.is_due(start + BUSY_LONGEST, || true), "a lock that was left behind");
    assert!(debouncer.has_waited(start + BUSY_LONGEST));
}

#[test]
fn a_lock_that_nobody_gives_back_holds_up_one_save_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join(".git")).unwrap();
    let lock = root.join(".git/index.lock");
    let mut locks = GitLocks::default();
    locks.set_scope(&scope_of(root));
    assert!(!locks.are_held());
    fs::write(&lock, "").unwrap();
    assert!(locks.are_held());
    assert_eq!(locks.pass_over(false), Vec::<PathBuf>::new(), "it is waited for");
    assert!(locks.are_held());
    assert_eq!(locks.pass_over(true), std::slice::from_ref(&lock));
    assert!(!locks.are_held());
    assert_eq!(locks.pass_over(true), Vec::<PathBuf>::new(), "it is told once");
    // Another `git` takes it; its file may well be in the old one's place.
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "").unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(1);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(later).unwrap();
    assert!(locks.are_held());
    // One of yesterday holds up nothing at all.
    let earlier = std::time::SystemTime::now() - Duration::from_secs(86_400);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(earlier).unwrap();
    assert!(!locks.are_held());
    assert_eq!(locks.pass_over(false), [lock]);
}

#[tokio::test]
async fn a_leftover_lock_is_told_of_once_and_saves_are_seen() {
    let mut watched = Watched::new(|root| {
        write(root, "zz-mark", "");
        write(root, "a", "1");
        write(root, ".git/index.lock", "");
        let lock = fs::File::options().write(true).open(root.join(".git/index.lock")).unwrap();
        lock.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
    })
    .await;
    for text in ["2", "3"] {
        watched.write("a", text);
        let noticed = tokio::time::timeout(LIMIT, watched.change_rx.recv()).await;
        let noticed = noticed.expect("the save is noticed").unwrap();
        assert!(noticed.looked - noticed.sign < BUSY_LONGEST, "it waited for the lock");
    }
    let News::Warning(told) = watched.watcher.news().await else { panic!("it is a warning") };
    assert!(told.contains(".git/index.lock is held for long"), "{told}");
    assert_eq!(watched.told_so_far().await, "");
    let more = tokio::time::timeout(Duration::ZERO, watched.watcher.news()).await;
    assert!(more.is_err(), "{more:?}");
}

#[test]
fn a_windows_quiet_is_longer_than_the_clocks_step() {
    assert!(QUIET <= Duration::from_millis(50) && LONGEST <= Duration::from_millis(500));
    assert!(QUIET > Duration::from_millis(20), "what was saved is no longer in doubt");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sign_is_looked_at_soon_and_once(gaps in proptest::collection::vec(0..60_u64, 1..40)) {
        let start = Instant::now();
        let mut debouncer = Debouncer::default();
        let mut signs = Vec::new();
        let mut at = start;
        let mut looks = Vec::new();
        let mut open: Vec<Instant> = Vec::new();
        for gap in gaps {
            let next = at + Duration::from_millis(gap);
            while let Some(due) = debouncer.due().filter(|due| *due <= next) {
                prop_assert!(debouncer.is_due(due, || false));
                debouncer.clear();
                looks.push((due, std::mem::take(&mut open)));
            }
            debouncer.touch(next);
            signs.push(next);
            open.push(next);
            at = next;
        }
        let due = debouncer.due().unwrap();
        looks.push((due, open));
        let looked: Vec<Instant> = looks.iter().flat_map(|(_, signs)| signs.clone()).collect();
        prop_assert_eq!(looked, signs);
        for (due, signs) in looks {
            let (first, last) = (signs[0], signs[signs.len() - 1]);
            prop_assert!(due <= first + LONGEST);
            prop_assert!(due >= last + QUIET || due == first + LONGEST);
        }
    }
}
