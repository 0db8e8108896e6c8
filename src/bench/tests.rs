//! Edits, the way back, and the pace.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::comment;
use super::edited::{Edited, mend};
use super::pace::{Pace, Step};
use super::*;
use crate::model::ReleaseName;
use crate::report::{ReleaseNews, Report};

#[test]
fn an_edit_is_one_that_the_file_bears() {
    let check = |path: &str, before: &str, expected: &str| {
        let edited = comment::edited(before.as_bytes(), Path::new(path), 2).unwrap();
        assert_eq!(String::from_utf8(edited).unwrap(), expected, "{path}");
    };
    check("app.py", "print()\n", "print()\n# wharf bench: edit 2\n");
    check("app.py", "print()", "print()\n# wharf bench: edit 2\n");
    check("main.GO", "", "// wharf bench: edit 2\n");
    check("a.css", "a {}\r\nb {}\r\n", "a {}\r\nb {}\r\n/* wharf bench: edit 2 */\r\n");
    check("x/index.html", "<p>\n", "<p>\n<!-- wharf bench: edit 2 -->\n");
    check("x/Dockerfile.dev", "FROM a\n", "FROM a\n# wharf bench: edit 2\n");
    // What a comment looks like nobody says: JSON has none.
    check("package.json", "{}", "{}\n\n\n");
    check("LICENSE", "MIT\n", "MIT\n\n\n");
    assert_eq!(comment::edited(b"\x89PNG\0", Path::new("logo.png"), 1), None);
    assert_eq!(comment::edited(b"\xff\xfe", Path::new("app.py"), 1), None);
}

struct Bed {
    folder: tempfile::TempDir,
}

const OLD: Duration = Duration::from_secs(1_000_000_000);

impl Bed {
    /// A program's file, as old as the hills.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.sh");
        fs::write(&path, "#!/bin/sh").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + OLD).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("run.sh")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn edits(&self, with: Option<&str>) -> Edits {
        let with = with.map(str::to_owned);
        Edits { path: self.path(), shown: "run.sh".into(), times: 3, with }
    }

    fn begin(&self, with: Option<&str>) -> Result<Edited, BenchError> {
        Edited::begin(&self.edits(with), &self.state())
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn assert_as_before(&self) {
        let meta = fs::metadata(self.path()).unwrap();
        assert_eq!(self.text(), "#!/bin/sh");
        assert_eq!(meta.permissions().mode() & 0o777, 0o750);
        assert_eq!(meta.mtime(), i64::try_from(OLD.as_secs()).unwrap());
        let left = fs::read_dir(self.state().join("bench")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing is kept any longer");
    }
}

fn tools() -> Tools {
    let path = std::env::join_paths(["/usr/local/bin", "/usr/bin", "/bin"]).unwrap();
    Tools::new([("PATH".into(), path)].into())
}

/// What a killed program leaves: nothing of it runs any more, and nothing was put back.
fn kill(edited: Edited) {
    let lock = edited.forget();
    drop(lock);
}

fn mended(bed: &Bed) -> Vec<Report> {
    let (reporter, mut reports) = Reporter::channel();
    mend(&bed.state(), &reporter);
    std::iter::from_fn(|| reports.try_recv()).collect()
}

#[tokio::test]
async fn the_file_is_put_back_as_it_was() {
    let bed = Bed::new();
    let inode = fs::metadata(bed.path()).unwrap().ino();
    let mut edited = bed.begin(None).unwrap();
    assert!(matches!(bed.begin(None), Err(BenchError::Busy { .. })));
    for nth in 1..=3 {
        edited.edit(nth, &tools()).await.unwrap();
        assert_eq!(bed.text(), format!("#!/bin/sh\n# wharf bench: edit {nth}\n"));
        assert_eq!(mended(&bed), [], "it runs: whoever starts now leaves it alone");
    }
    edited.put_back().unwrap();
    bed.assert_as_before();
    assert_eq!(fs::metadata(bed.path()).unwrap().ino(), inode);
    // A panic drops it.
    let mut edited = bed.begin(None).unwrap();
    edited.edit(1, &tools()).await.unwrap();
    drop(edited);
    bed.assert_as_before();
    drop(bed.begin(None).unwrap());
    bed.assert_as_before();
}

#[tokio::test]
async fn the_next_start_puts_back_what_a_killed_one_left() {
    let bed = Bed::new();
    assert_eq!(mended(&bed), []);
    for edits in 0..3 {
        let mut edited = bed.begin(None).unwrap();
        for nth in 1..=edits {
            edited.edit(nth, &tools()).await.unwrap();
        }
        kill(edited);
        assert_eq!(mended(&bed).len(), usize::from(edits > 0), "after {edits} edits");
        bed.assert_as_before();
    }
    // Killed between the word about the next edit and the edit itself.
    let mut edited = bed.begin(None).unwrap();
    edited.edit(1, &tools()).await.unwrap();
    let first = bed.text();
    edited.edit(2, &tools()).await.unwrap();
    fs::write(bed.path(), first).unwrap();
    kill(edited);
    assert_eq!(mended(&bed).len(), 1);
    bed.assert_as_before();
}

#[tokio::test]
async fn what_somebody_else_wrote_meanwhile_stays() {
    let bed = Bed::new();
    let mut edited = bed.begin(None).unwrap();
    edited.edit(1, &tools()).await.unwrap();
    fs::write(bed.path(), "mine").unwrap();
    let Err(BenchError::Changed { kept, .. }) = edited.edit(2, &tools()).await else {
        panic!("it was changed");
    };
    assert!(matches!(edited.put_back(), Err(BenchError::Changed { .. })));
    kill(edited);
    assert!(matches!(mended(&bed)[..], [Report::Warning { .. }]));
    assert_eq!(
        (bed.text().as_str(), fs::read_to_string(kept).unwrap().as_str()),
        ("mine", "#!/bin/sh")
    );
    assert_eq!(mended(&bed), [], "said once");
}

#[tokio::test]
async fn a_command_may_make_the_edit() {
    let bed = Bed::new();
    let mut edited = bed.begin(Some("echo \"$WHARF_BENCH_EDIT\" >\"$WHARF_BENCH_FILE\"")).unwrap();
    edited.edit(7, &tools()).await.unwrap();
    assert_eq!(bed.text(), "7\n");
    assert!(matches!(edited.edit(7, &tools()).await, Err(BenchError::Command { .. })), "no change");
    edited.put_back().unwrap();
    bed.assert_as_before();
    let mut edited = bed.begin(Some("exit 3")).unwrap();
    let error = edited.edit(1, &tools()).await.unwrap_err();
    assert!(error.to_string().contains("failed"), "{error}");
    edited.put_back().unwrap();
    bed.assert_as_before();
    fs::write(bed.path(), b"\0").unwrap();
    assert!(matches!(bed.begin(None), Err(BenchError::NoText { .. })));
    assert!(bed.begin(Some("true")).is_ok());
}

#[test]
fn one_edit_follows_the_other_when_all_is_quiet() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let round = |first, failed| Report::Round {
        took: Duration::ZERO,
        live: None,
        ready: None,
        failed,
        first,
    };
    let changed = Report::Changed { paths: vec![], count: 1, ignored: false };
    let release = |news| Report::Release { name: ReleaseName::parse("web").unwrap(), news };
    let mut pace = Pace::new(2);
    assert_eq!((pace.due(), pace.hears(&changed, at(0))), (None, Step::None));
    assert_eq!(pace.hears(&round(true, 0), at(0)), Step::None);
    pace.hears(&Report::Watching { files: 1 }, at(100));
    assert_eq!((pace.due(), pace.is_due()), (Some(at(1100)), Step::Edit(1)));
    pace.edited(at(1100));
    assert_eq!((pace.due(), pace.is_edited()), (Some(at(31_100)), true));
    assert_eq!(pace.clone().is_due(), Step::Idle);
    pace.hears(&changed, at(1200));
    assert_eq!(pace.due(), None, "it may build for as long as it likes");
    pace.hears(&release(ReleaseNews::Patched { took: Duration::ZERO, lags: true }), at(1300));
    assert_eq!(pace.hears(&round(false, 0), at(2000)), Step::None);
    assert_eq!((pace.due(), pace.is_edited()), (Some(at(62_000)), false), "Helm is waited for");
    let recorded =
        ReleaseNews::Recorded { revision: Some(2), changed: vec![], took: Duration::ZERO };
    pace.hears(&release(recorded), at(4000));
    assert_eq!((pace.due(), pace.is_due()), (Some(at(5000)), Step::Edit(2)));
    pace.edited(at(5000));
    assert_eq!(pace.clone().hears(&round(false, 1), at(6000)), Step::Failed);
    assert_eq!(pace.hears(&round(false, 0), at(6000)), Step::Leave, "nobody waits after the last");
    pace.leaves();
    assert_eq!((pace.hears(&round(false, 1), at(7000)), pace.due()), (Step::None, None));
    assert_eq!(Pace::new(1).hears(&round(true, 2), at(0)), Step::Failed);
}
