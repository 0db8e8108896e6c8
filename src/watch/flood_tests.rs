//! What the system does to a watcher under load: a queue that overflows, writing without a pause,
//! links that are led elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::native::READER;
use super::snapshot::{Hints, Snapshot, Watches};
use super::tests::{Watched, scope_of, write};
use super::*;

/// How many events the kernel keeps for a reader; it drops those that follow.
fn queue_length() -> usize {
    let text = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    text.trim().parse().unwrap()
}

/// More events than the kernel keeps arrive while nobody reads, and the saves of that time are
/// among those that it drops.
#[tokio::test]
async fn no_save_is_lost_when_the_systems_queue_overflows() {
    let files = || (0..200).map(|file| format!("d{}/f{file}", file % 20));
    let mut watched = Watched::new(|root| {
        for path in files() {
            write(root, &path, "1");
        }
    })
    .await;
    let (here, there) = (watched.path("noise~"), watched.path("#noise#"));
    fs::write(&here, "").unwrap();
    {
        let _nobody_reads = READER.write();
        // Each renaming is told of twice. Editors' files are never looked at.
        for _ in 0..queue_length() / 4 + 1000 {
            fs::rename(&here, &there).unwrap();
            fs::rename(&there, &here).unwrap();
        }
        for path in files() {
            watched.write(&path, "22");
        }
        fs::remove_dir_all(watched.path("d19")).unwrap();
        fs::rename(watched.path("d18"), watched.path("moved")).unwrap();
        watched.write("new/deep/f", "1");
    }
    watched.tells(files().chain(["new/deep/f", "moved/f18"].map(str::to_owned))).await;
    assert!(watched.watcher.losses() > 0, "the queue overflowed");
    assert!(watched.told().iter().all(|path| !path.contains("noise")), "{:?}", watched.told());
    // And it goes on as before, in folders that came or moved meanwhile too.
    watched.forget();
    let after = ["new/deep/f", "moved/f18", "d7/f7"];
    for path in after {
        watched.write(path, "after");
    }
    watched.tells(after).await;
}

#[tokio::test]
async fn a_file_that_is_written_without_a_pause_holds_no_save_up() {
    let mut watched = Watched::new(|root| {
        write(root, "log", "");
        write(root, "a", "1");
    })
    .await;
    let end = Arc::new(AtomicBool::new(false));
    let log = watched.path("log");
    let writer = {
        let end = Stop(Arc::clone(&end));
        std::thread::spawn(move || {
            let mut file = fs::File::options().append(true).open(&log).unwrap();
            // The quiet that ends a save never comes.
            while !end.0.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
                std::thread::yield_now();
            }
        })
    };
    let stop = Stop(end);
    watched.write("a", "2");
    watched.tells(["a", "log"]).await;
    assert!(!writer.is_finished(), "it was told while the other went on");
    drop(stop);
    writer.join().unwrap();
}

/// Ends the writer, also when the test fails.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Which watches were set and taken away, in order.
#[derive(Default)]
struct Noted(Vec<(&'static str, PathBuf)>);

impl Watches for Noted {
    fn add(&mut self, folder: &Path) {
        self.0.push(("add", folder.to_owned()));
    }

    fn remove(&mut self, folder: &Path) {
        self.0.push(("remove", folder.to_owned()));
    }
}

#[tokio::test]
async fn links_to_files_and_folders_count_as_what_they_are() {
    let mut watched = Watched::new(|root| {
        write(root, "src/a", "1");
        write(root, "src/b", "1");
        write(root, "one/x", "1");
        write(root, "two/x", "1");
        symlink("a", root.join("src/file")).unwrap();
        symlink("../one", root.join("src/folder")).unwrap();
        symlink("nowhere", root.join("src/dangling")).unwrap();
    })
    .await;
    let relink = |watched: &Watched, target: &str, at: &str| {
        symlink(target, watched.path("aside~")).unwrap();
        fs::rename(watched.path("aside~"), watched.path(at)).unwrap();
    };
    for (target, at) in
        [("b", "src/file"), ("../two", "src/folder"), ("a", "src/dangling"), ("a", "src/file")]
    {
        relink(&watched, target, at);
        watched.tells([at]).await;
        assert_eq!(watched.told(), &BTreeSet::from([at.to_owned()]));
        watched.forget();
    }
    // What a link leads to is told of under its own name.
    watched.write("two/x", "2");
    watched.tells(["two/x"]).await;
    assert_eq!(watched.told().len(), 1, "{:?}", watched.told());
}

#[tokio::test]
async fn a_root_that_is_a_link_is_followed_when_it_is_led_elsewhere() {
    let prepare = |root: &Path| {
        write(root, "one/src/a", "1");
        write(root, "two/src/a", "22");
        symlink("one", root.join("now")).unwrap();
    };
    let through = |root: &Path| scope_of(&root.join("now"));
    let mut watched = Watched::with(prepare, through, WatchOptions::default()).await;
    watched.write("one/src/a", "11");
    watched.tells(["now/src/a"]).await;
    watched.forget();
    fs::remove_file(watched.path("now")).unwrap();
    symlink("two", watched.path("now")).unwrap();
    watched.tells(["now/src/a"]).await;
    watched.forget();
    watched.write("two/src/a", "33");
    watched.write("two/src/b", "33");
    watched.tells(["now/src/a", "now/src/b"]).await;

    // The system's watches move along, so that it need not be the slow look that finds it.
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let root = folder.path().join("now");
    let (mut snapshot, mut noted) = (Snapshot::default(), Noted::default());
    snapshot.set_scope(scope_of(&root), &mut noted);
    noted.0.clear();
    fs::remove_file(&root).unwrap();
    symlink("two", &root).unwrap();
    let mut hints = Hints::default();
    hints.add(&root, true);
    let changed = snapshot.check(&hints, &mut noted);
    assert!(changed.paths.contains(&root.join("src/a")), "{changed:?}");
    for path in [root.clone(), root.join("src")] {
        let last = noted.0.iter().rev().find(|(_, folder)| *folder == path).map(|(act, _)| *act);
        assert_eq!(last, Some("add"), "{path:?}: {:?}", noted.0);
        assert!(noted.0.contains(&("remove", path)), "the old one is taken away: {:?}", noted.0);
    }
}
