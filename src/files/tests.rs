//! Real files in a temporary folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::stat::now_ns;
use super::*;
use crate::model::{ClusterIdentity, ProjectName};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn state(base: &Path, uid: &str) -> StateDir {
    let project = ProjectName::parse("shop").unwrap();
    StateDir::open(base, &project, &ClusterIdentity::KubeSystem(uid.to_owned())).unwrap()
}

/// Puts a file's stamps well before the present, as if it had been saved long ago.
fn age(path: &Path) {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

/// Waits until the clock that stamps files has moved past what `path` carries.
fn wait_for_clock(path: &Path) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while Stat::read(path).unwrap().may_be_rewritten_unseen(now_ns()) {
        assert!(std::time::Instant::now() < limit, "the clock stands still");
        std::thread::yield_now();
    }
}

#[test]
fn state_is_per_project_and_cluster_and_private() {
    let base = folder();
    let one = state(base.path(), "one");
    assert_eq!(one, state(base.path(), "one"));
    assert_ne!(one, state(base.path(), "two"));
    assert_eq!(one.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(one.path(), fs::Permissions::from_mode(0o755)).unwrap();
    state(base.path(), "one");
    assert_eq!(one.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_lock_names_the_first_holder() {
    let base = folder();
    let state = state(base.path(), "one");
    let lock = state.lock().unwrap();
    let error = state.lock().unwrap_err();
    let pid = std::process::id();
    assert_eq!(
        error.to_string(),
        format!("another wharf (process {pid}) works on this project and cluster")
    );
    assert_eq!(error.failure().code, "wharf::files::locked");
    drop(lock);
    state.lock().unwrap();
}

#[test]
fn a_file_is_replaced_whole_and_with_its_mode() {
    let base = folder();
    let path = base.path().join("journal");
    write_atomically(&path, b"one", 0o600).unwrap();
    write_atomically(&path, b"two", 0o640).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1, "no temporary file is left");
    let missing = base.path().join("no/such/folder");
    let error = write_atomically(&missing, b"", 0o600).unwrap_err();
    assert_eq!(error.code(), "wharf::files::unwritable");
}

#[test]
fn an_unchanged_file_is_not_read_again() {
    let base = folder();
    let path = base.path().join("file");
    fs::write(&path, "content").unwrap();
    wait_for_clock(&path);
    let cache = StatCache::default();
    let stat = Stat::read(&path).unwrap();
    let (first, _) = cache.hash(&path, &stat).unwrap();
    assert_eq!(first[..], sha2_of(b"content"));
    // Same metadata, no such path: the answer can only come from memory.
    let (second, _) = cache.hash(Path::new("/no/such/file"), &stat).unwrap();
    assert_eq!(first, second);
}

#[test]
fn what_was_saved_within_the_clocks_step_is_read_again() {
    let base = folder();
    let path = base.path().join("file");
    fs::write(&path, "one").unwrap();
    let cache = StatCache::default();
    let stat = Stat::read(&path).unwrap();
    cache.hash(&path, &stat).unwrap();
    assert_eq!(cache.known(&stat), None, "it could be written again without a trace");
}

#[test]
fn an_old_modification_time_alone_is_not_trusted() {
    let base = folder();
    let path = base.path().join("file");
    fs::write(&path, "one").unwrap();
    wait_for_clock(&path);
    let cache = StatCache::default();
    let stat = Stat::read(&path).unwrap();
    cache.hash(&path, &stat).unwrap();
    fs::write(&path, "two").unwrap();
    let saved = fs::File::options().append(true).open(&path).unwrap();
    let old = std::time::UNIX_EPOCH
        + std::time::Duration::from_nanos(u64::try_from(stat.mtime_ns).unwrap());
    saved.set_modified(old).unwrap();
    let now = Stat::read(&path).unwrap();
    assert_eq!((now.size_bytes, now.mtime_ns), (stat.size_bytes, stat.mtime_ns));
    let (hash, _) = cache.hash(&path, &now).unwrap();
    assert_eq!(hash[..], sha2_of(b"two"));
}

#[test]
fn a_cache_survives_saving_and_a_damaged_one_is_empty() {
    let base = folder();
    let file = base.path().join("file");
    fs::write(&file, "content").unwrap();
    wait_for_clock(&file);
    let cache = StatCache::default();
    let stat = Stat::read(&file).unwrap();
    let (hash, _) = cache.hash(&file, &stat).unwrap();
    let saved = base.path().join("cache");
    cache.save(&saved).unwrap();
    assert_eq!(StatCache::load(&saved).known(&stat), Some(hash));

    let whole = fs::read(&saved).unwrap();
    for damage in [&whole[..whole.len() - 1], &whole[1..], b"", b"wharf-stat-v1"] {
        fs::write(&saved, damage).unwrap();
        assert!(StatCache::load(&saved).is_empty());
    }
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    fs::write(&saved, flipped).unwrap();
    assert!(StatCache::load(&saved).is_empty());
    assert!(StatCache::load(&base.path().join("missing")).is_empty());
}

#[test]
fn a_full_cache_forgets_what_nobody_asks_for() {
    let base = folder();
    let saved = base.path().join("cache");
    let old = base.path().join("old");
    let new = base.path().join("new");
    for path in [&old, &new] {
        fs::write(path, "content").unwrap();
        wait_for_clock(path);
    }
    let (old_stat, new_stat) = (Stat::read(&old).unwrap(), Stat::read(&new).unwrap());
    let cache = StatCache::default();
    cache.hash(&old, &old_stat).unwrap();
    cache.hash(&new, &new_stat).unwrap();
    cache.save(&saved).unwrap();
    let cache = StatCache::load(&saved);
    cache.known(&new_stat).unwrap();
    fs::write(&saved, cache.bytes(1)).unwrap();
    let cache = StatCache::load(&saved);
    assert_eq!((cache.known(&old_stat), cache.len()), (None, 1));
    assert!(cache.known(&new_stat).is_some());
}

#[test]
fn a_walk_is_in_order_and_follows_no_link() {
    let base = folder();
    let root = base.path();
    for path in ["b/deep/file", "a", "b.txt", "b/a"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), "").unwrap();
    }
    fs::create_dir(root.join("empty")).unwrap();
    symlink("b", root.join("link")).unwrap();
    age(&root.join("a"));
    let paths: Vec<String> =
        walk(root, &All).unwrap().into_iter().map(|found| found.path).collect();
    assert_eq!(paths, ["a", "b", "b/a", "b/deep", "b/deep/file", "b.txt", "empty", "link"]);
}

#[test]
fn a_folder_is_kept_for_what_it_holds() {
    struct OnlyTxt;
    impl Filter for OnlyTxt {
        type Folder = ();
        fn root(&self) {}
        fn judge(&self, path: &str, is_folder: bool, (): &()) -> (Keep, ()) {
            let keep = match path {
                "pruned" => Keep::Never,
                _ if path.ends_with(".txt") => Keep::Yes,
                _ if is_folder => Keep::IfNeeded,
                _ => Keep::Never,
            };
            (keep, ())
        }
    }
    let base = folder();
    let root = base.path();
    for path in ["x/y/z/1.txt", "x/y/2.txt", "x/no", "bare/no", "pruned/3.txt", "4.txt"] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), "").unwrap();
    }
    let paths: Vec<String> =
        walk(root, &OnlyTxt).unwrap().into_iter().map(|found| found.path).collect();
    assert_eq!(paths, ["4.txt", "x", "x/y", "x/y/2.txt", "x/y/z", "x/y/z/1.txt"]);
}

#[test]
fn parallel_work_keeps_its_order_and_its_first_error() {
    let items: Vec<usize> = (0..10_000).collect();
    let doubled = in_parallel(&items, |&item| Ok::<_, ()>(item * 2)).unwrap();
    assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    let failed = in_parallel(&items, |&item| if item == 7777 { Err(item) } else { Ok(()) });
    assert_eq!(failed, Err(7777));
}

#[test]
fn a_path_is_tidied_by_name() {
    let check = |path: &str, tidied: &str| assert_eq!(tidy(Path::new(path)), Path::new(tidied));
    check("/a/./b/../c", "/a/c");
    check("/a/b/../../..", "/..");
    check("/a//b/", "/a/b");
}

fn sha2_of(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}
