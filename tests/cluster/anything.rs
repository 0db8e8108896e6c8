//! Anything at any time: edits of every kind in three services and their base image, builds that
//! fail, pods and wharf itself killed. Whenever all has come to rest, what runs is what lies on
//! disk; and at the end nothing is left.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Inventory, Project, Wharf, kubectl, output, wait_for, wait_for_or};

/// The services, as images, workloads and folders are called.
const SERVICES: [&str; 3] = ["charted", "plain", "based"];

#[test]
#[ignore = "needs a cluster"]
fn after_anything_what_runs_is_what_lies_on_disk() {
    check(40, 8, seed(0x7768_6172_6600_0001));
}

#[test]
#[ignore = "needs a cluster"]
fn after_anything_what_runs_is_what_lies_on_disk_soak() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    check(200, 10, seed(now.map_or(1, |now| u64::from(now.subsec_nanos()) | 1)));
}

/// `WHARF_TEST_SEED`, to see again what was seen, or `otherwise`.
fn seed(otherwise: u64) -> u64 {
    std::env::var("WHARF_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(otherwise)
}

/// Takes `steps` steps, and looks after every `calm` of them.
fn check(steps: usize, calm: usize, seed: u64) {
    eprintln!("WHARF_TEST_SEED={seed}");
    let project = project();
    let before = Inventory::take(&project);
    let mut dice = Dice(seed);
    let mut wharf = Wharf::start(&project, &["dev"]);
    at_rest(&project, &mut wharf);
    let open = descriptors(&wharf);
    for step in 1..=steps {
        let what = take_step(&project, &mut dice);
        eprintln!("{step}: {what}");
        // Some saves meet a build or a rollout, some the quiet after it.
        for _ in 0..dice.below(3) {
            std::thread::sleep(std::time::Duration::from_millis(dice.below(700)));
        }
        if step % calm == 0 {
            mend(&project);
            at_rest(&project, &mut wharf);
        } else if step % (2 * calm) == calm / 2 {
            eprintln!("{step}: wharf is killed");
            wharf.signal("KILL");
            wharf.wait();
            wharf = Wharf::start(&project, &["dev"]);
        }
    }
    mend(&project);
    at_rest(&project, &mut wharf);
    let open_now = descriptors(&wharf);
    assert!(open_now <= open + 12, "{open} files and sockets were open, and now {open_now}");
    wait_for("the record of what runs", || {
        let namespace = project.namespace();
        let image = kubectl(&["get", "deployment", "charted", "-n", namespace, "-o", IMAGE]);
        let manifest = output("helm", &["get", "manifest", "charted", "-n", namespace]);
        manifest.contains(&format!("image: \"{image}\"")).then_some(())
    });

    assert_eq!(wharf.interrupt(), Some(0));
    drop(wharf);
    without_files(Inventory::take(&project), &project)
        .assert_same(&without_files(before, &project));
    nothing_is_left_of_deliveries();
    let images = output("docker", &["images", "-q", "--filter", "reference=anything/*"]);
    let images: BTreeSet<&str> = images.lines().collect();
    let remove: Vec<&str> = ["rmi", "-f"].into_iter().chain(images).collect();
    output("docker", &remove);
}

const IMAGE: &str = "jsonpath={.spec.template.spec.containers[0].image}";

/// The files of the project itself are not what wharf leaves.
fn without_files(mut inventory: Inventory, project: &Project) -> Inventory {
    let of_project = format!("file {}/", project.folder().display());
    inventory.files.retain(|file| !file.starts_with(&of_project));
    inventory
}

fn project() -> Project {
    let server = "CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
    let plain = format!("FROM busybox:1.36\nCOPY www /www\n{server}");
    let based = format!("FROM anything/base\nCOPY www /www\n{server}");
    let project = Project::of(
        "anything",
        &[
            (
                "wharf.yaml",
                "images:\n  anything/base: {context: base}\n  anything/charted: {context: charted}\n  \
                 anything/plain: {context: plain}\n  anything/based: {context: based}\n\
                 releases: {charted: {chart: chart}}\nmanifests: [plain.yaml]\nkustomize: [overlay]\n",
            ),
            ("base/Dockerfile", "FROM busybox:1.36\nCOPY www /base\n"),
            ("charted/Dockerfile", &plain),
            ("plain/Dockerfile", &plain),
            ("based/Dockerfile", &based),
            ("chart/Chart.yaml", "apiVersion: v2\nname: charted\nversion: 0.1.0\n"),
            ("chart/values.yaml", "image: anything/charted:none\n"),
            ("chart/templates/all.yaml", &workload("charted", "{{ .Values.image }}")),
            ("plain.yaml", &workload("plain", "anything/plain")),
            ("overlay/kustomization.yaml", "resources: [based.yaml]\nnameSuffix: \"\"\n"),
            ("overlay/based.yaml", &workload("based", "anything/based")),
        ],
    );
    for name in ["base", "charted", "plain", "based"] {
        project.write(&format!("{name}/.dockerignore"), "**/*.log\n!www/kept.log\n");
        let first = format!("{name} of {}\n", project.namespace());
        project.write(&format!("{name}/www/index.html"), &first);
    }
    project
}

fn workload(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         terminationGracePeriodSeconds: 0\n      containers:\n        \
         - name: main\n          image: \"{image}\"\n          \
         readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}\n"
    )
}

/// One thing that happens, and what it was.
fn take_step(project: &Project, dice: &mut Dice) -> String {
    let service = *dice.one_of(&["base", "charted", "plain", "based"]);
    let www = project.folder().join(service).join("www");
    let file = *dice.one_of(&[
        "index.html",
        "a.txt",
        "b.txt",
        "deep/c.txt",
        "deep/er/d.txt",
        "with space.txt",
        "kept.log",
    ]);
    let path = www.join(file);
    let text = format!("{:x}\n", dice.next());
    let make_room = || {
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
    };
    match dice.below(16) {
        0..=4 => {
            make_room();
            std::fs::write(&path, text).expect("a file can be written");
            format!("{service}: {file} is written")
        }
        5 => {
            // As editors do that keep the old file until the new one is whole.
            make_room();
            let aside = www.join(".aside.swp");
            std::fs::write(&aside, text).expect("a file can be written");
            std::fs::rename(&aside, &path).expect("a file can be renamed");
            format!("{service}: {file} is replaced")
        }
        6 => {
            if file != "index.html" {
                let _ = std::fs::remove_file(&path);
            }
            format!("{service}: {file} is removed, if it was there")
        }
        7 => {
            let _ = std::fs::rename(www.join("deep"), www.join("moved"));
            let _ = std::fs::rename(www.join("moved/er"), www.join("deep"));
            format!("{service}: folders move")
        }
        8 => {
            std::fs::create_dir_all(www.join("empty/folder")).expect("a folder can be made");
            format!("{service}: an empty folder")
        }
        9 => {
            let mode = *dice.one_of(&[0o644, 0o755, 0o600, 0o666, 0o4755]);
            if path.exists() {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(mode))
                    .expect("a mode can be set");
            }
            format!("{service}: {file} has mode {mode:o}, if it is there")
        }
        10 => {
            std::fs::write(www.join("noise.log"), text).expect("a file can be written");
            format!("{service}: an ignored file is written")
        }
        11 => {
            let _ = std::fs::remove_file(www.join("link"));
            std::os::unix::fs::symlink(file, www.join("link")).expect("a link can be made");
            format!("{service}: a link to {file}")
        }
        12 => {
            // A save that is taken back at once.
            let old = std::fs::read(www.join("index.html")).expect("it is always there");
            std::fs::write(www.join("index.html"), text).expect("a file can be written");
            std::fs::write(www.join("index.html"), old).expect("a file can be written");
            format!("{service}: there and back")
        }
        13 => {
            let path = format!("{service}/Dockerfile");
            if !project.read(&path).contains(BROKEN) {
                project.write(&path, &format!("{}{BROKEN}", project.read(&path)));
            }
            format!("{service}: its build fails")
        }
        14 => {
            mend(project);
            "all builds are mended".to_owned()
        }
        _ => {
            let app = format!("app={}", dice.one_of(&SERVICES));
            let delete = ["delete", "pod", "-l", &app, "--wait=false", "-n", project.namespace()];
            kubectl(&delete);
            format!("the pods with {app} are killed")
        }
    }
}

const BROKEN: &str = "RUN false\n";

fn mend(project: &Project) {
    for name in ["base", "charted", "plain", "based"] {
        let path = format!("{name}/Dockerfile");
        let text = project.read(&path);
        if text.contains(BROKEN) {
            project.write(&path, &text.replace(BROKEN, ""));
        }
    }
}

/// Waits until what runs is what lies on disk, and wharf says that all is well.
fn at_rest(project: &Project, wharf: &mut Wharf) {
    for service in SERVICES {
        let mut expected = on_disk(project, service, "/www");
        if service == "based" {
            expected.extend(on_disk(project, "base", "/base"));
        }
        let mut last = None;
        let runs = |last: &mut Option<_>| {
            *last = in_its_pod(project, service);
            (last.as_ref() == Some(&expected)).then_some(())
        };
        wait_for_or(&mut last, runs, |last| {
            let told: String = wharf.reports().iter().map(|told| format!("  {told}\n")).collect();
            format!("{service} runs\n{last:#?}\nand not\n{expected:#?}; told:\n{told}")
        });
    }
    let is_calm = |last: &mut Value| {
        let reports = wharf.reports();
        // Helm records a revision when the round is over.
        last.clone_from(reports.iter().rev().find(|told| {
            let kinds = ["round", "artifact", "release", "changed"];
            kinds.contains(&told["report"].as_str().unwrap_or_default())
                && told["news"] != "recorded"
        })?);
        (last["report"] == "round" && last["failed"] == 0).then_some(())
    };
    wait_for_or(&mut Value::Null, is_calm, |last| format!("the last thing told was {last}"));
}

/// What a service's folder means in the image: path, kind, mode and content or target.
fn on_disk(project: &Project, folder: &str, place: &str) -> BTreeSet<String> {
    let mut entries = BTreeSet::new();
    let www = project.folder().join(folder).join("www");
    walk(&www, &www, place, &mut entries);
    entries
}

fn walk(www: &Path, folder: &Path, place: &str, entries: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        let inside = path.strip_prefix(www).expect("it is inside").display().to_string();
        if inside.ends_with(".log") && inside != "kept.log" {
            continue;
        }
        let name = format!("{place}/{inside}");
        let known = path.symlink_metadata().expect("it is there");
        if known.is_symlink() {
            let target = std::fs::read_link(&path).expect("a link can be read");
            entries.insert(format!("{name} -> {}", target.display()));
        } else {
            let mode = known.permissions().mode() & 0o7755;
            if known.is_dir() {
                entries.insert(format!("{name} {mode:o} folder"));
                walk(www, &path, place, entries);
            } else {
                let content = std::fs::read(&path).expect("a file can be read");
                let hash = hex::encode(Sha256::digest(content));
                entries.insert(format!("{name} {mode:o} {hash}"));
            }
        }
    }
}

/// The same as the service's one pod has it; `None` while there is none, or another one leaves.
fn in_its_pod(project: &Project, service: &str) -> Option<BTreeSet<String>> {
    let namespace = project.namespace();
    let app = format!("app={service}");
    let list = ["get", "pods", "-n", namespace, "-l", &app, "-o", "name"];
    let pods = kubectl(&list);
    let [pod] = pods.lines().collect::<Vec<_>>()[..] else { return None };
    let script = "cd / && find www base -mindepth 1 2>/dev/null | while IFS= read -r it; do \
                  if [ -L \"$it\" ]; then echo \"/$it -> $(readlink \"$it\")\"; \
                  elif [ -d \"$it\" ]; then echo \"/$it $(stat -c %a \"$it\") folder\"; \
                  else echo \"/$it $(stat -c %a \"$it\") $(sha256sum <\"$it\" | cut -d' ' -f1)\"; fi; done";
    let said = Command::new("kubectl")
        .args(["exec", "-n", namespace, pod, "--", "sh", "-c", script])
        .output()
        .expect("kubectl starts");
    let said_text = String::from_utf8_lossy(&said.stdout).into_owned();
    said.status.success().then(|| said_text.lines().map(str::to_owned).collect())
}

/// How many files and sockets wharf has open.
fn descriptors(wharf: &Wharf) -> usize {
    let folder = format!("/proc/{}/fd", wharf.id());
    std::fs::read_dir(folder).expect("it runs").count()
}

/// Tags in the Engine last no longer than the delivery they were for, and leases on the nodes of
/// a wharf that was killed end by themselves.
fn nothing_is_left_of_deliveries() {
    let tags = || -> BTreeSet<String> {
        let listed = output("docker", &["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let is_wharfs = |name: &&str| name.starts_with("127.0.0.1:") && name.contains("/wharf:");
        listed.lines().filter(is_wharfs).map(str::to_owned).collect()
    };
    // Other tests' deliveries come and go.
    let tagged = tags();
    wait_for("no tag is left", || tags().is_disjoint(&tagged).then_some(()));
    for node in kubectl(&["get", "nodes", "-o", "name"]).lines() {
        let node = node.trim_start_matches("node/");
        let leases = output("docker", &["exec", node, "ctr", "-n", "k8s.io", "leases", "ls"]);
        for lease in leases.lines().filter(|lease| lease.starts_with("wharf-")) {
            assert!(lease.contains("containerd.io/gc.expire="), "{lease}");
        }
    }
}

/// A seeded generator (xorshift64*), so that a run can be seen again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 33) % end
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).expect("it is small");
        &all[usize::try_from(self.below(count)).expect("it is small")]
    }
}
