//! A large tree: the start, a save, and what a session that waits takes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Bench, Dev, Section, Target, output, remove, run, timed};

const FOLDERS: usize = 5_000;
const FILES: usize = 20;
/// How long a session is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(20);
/// What a process's times in `/proc` are counted in: proc_pid_stat(5).
const TICKS: f64 = 100.0;

/// Everything in the context can change the image, and little of it is copied.
const DOCKERFILE: &str = "FROM busybox:1.36\n\
    RUN --mount=type=bind,target=/context cp /context/tree/0/0 /changed\n\
    CMD [\"sleep\", \"1000000\"]\n";

const MANIFEST: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: tree}\nspec:\n  \
    selector: {matchLabels: {app: tree}}\n  template:\n    metadata: {labels: {app: tree}}\n    \
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: tree, image: tree}]}\n";

impl Bench {
    /// 100,000 files of a kilobyte in 5,000 folders.
    pub(crate) fn tree(&self) -> Vec<Section> {
        let (folder, spaces) = self.empty("tree");
        let own = &spaces.0[0];
        let write = |path: &str, text: &str| {
            std::fs::write(folder.join(path), text).expect("a file can be written");
        };
        write("Dockerfile", DOCKERFILE);
        write("tree.yaml", MANIFEST);
        for directory in 0..FOLDERS {
            let directory = folder.join(format!("tree/{directory}"));
            std::fs::create_dir_all(&directory).expect("a folder can be made");
            for file in 0..FILES {
                let text = format!("{} {file}\n", directory.display()).repeat(20);
                std::fs::write(directory.join(file.to_string()), text).expect("it can be written");
            }
        }
        let starts = self.starts(&folder, own);
        let mut all: Vec<Section> = starts.into();
        all.extend(self.waits(&folder, own));
        remove(&folder);
        all
    }

    fn starts(&self, folder: &Path, own: &str) -> [Section; 2] {
        let build = || run(&mut self.wharf(folder, own, &["build"]));
        let shell = |script: &str| run(Command::new("sh").args(["-c", script]).current_dir(folder));
        let rows = ["wharf build, its cache removed", "sha256sum of every file"];
        let mut first = Section::new("100,000 files: the first start", Target::Most(3.0), &rows);
        let rows = ["wharf build", "find of every file, with its times"];
        let mut later = Section::new("100,000 files: a later start", Target::Most(1.0), &rows);
        build();
        for _ in 0..self.rounds {
            remove(&self.root.join("cache"));
            first.add(0, timed(build));
            first.add(
                1,
                timed(|| shell("find tree -type f -print0 | xargs -0 sha256sum >/dev/null")),
            );
            later.add(0, timed(build));
            later.add(1, timed(|| shell("find tree -printf '%p %T@ %s\\n' >/dev/null")));
        }
        [first, later]
    }

    fn waits(&self, folder: &Path, own: &str) -> [Section; 3] {
        let mut dev = Dev::start(self.wharf(folder, own, &["--json", "dev"]));
        dev.round();
        for round in 0..self.rounds {
            let text = format!("{round} of {}\n", std::process::id());
            std::fs::write(folder.join("tree/0/0"), text).expect("it can be written");
            dev.round();
        }
        let trace = output(&mut self.wharf(folder, own, &["--json", "trace"]));
        let mut saves = Section::new(
            "100,000 files: from the end of the quiet window until a save is hashed",
            Target::Most(0.03),
            &["wharf dev, by its own trace"],
        );
        for took in hashed(&trace) {
            saves.add(0, took);
        }
        let mut idle = Section::new(
            "100,000 files: nothing to do, share of a core",
            Target::Most(0.5),
            &["wharf dev"],
        )
        .in_unit("%");
        let mut memory =
            Section::new("100,000 files: resident memory", Target::Most(80.0), &["wharf dev"])
                .in_unit("MB");
        let pid = dev.child.id();
        let (began, before) = (Instant::now(), ticks(pid));
        std::thread::sleep(IDLE);
        let share = (ticks(pid) - before) / TICKS / began.elapsed().as_secs_f64();
        idle.add_number(0, 100.0 * share);
        memory.add_number(0, resident(pid) / 1e6);
        dev.leave();
        [saves, idle, memory]
    }
}

/// From the end of the quiet window until the image's inputs were hashed, for each round that has
/// both.
fn hashed(trace: &str) -> Vec<Duration> {
    let reports = trace.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let rounds =
        reports.filter_map(|report| report["data"]["rounds"].as_array().cloned()).flatten();
    let took = rounds.filter_map(|round| {
        let end = |stage: &str| {
            let mut spans = round["spans"].as_array()?.iter();
            spans.find(|span| span["stage"] == stage)?["to"].as_f64()
        };
        Some(Duration::from_secs_f64((end("hash")? - end("quiet")?).max(0.0)))
    });
    let took: Vec<Duration> = took.collect();
    assert!(!took.is_empty(), "{trace}");
    took
}

/// The processor time of a process so far: fields 14 and 15 of proc_pid_stat(5).
fn ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, after_name) = stat.rsplit_once(')').expect("a name stands in it");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("it is a number")).sum()
}

/// Resident bytes of a process.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has a size");
    let kilobytes = line.split_whitespace().nth(1).expect("it has a number");
    kilobytes.parse::<f64>().expect("it is a number") * 1024.0
}
