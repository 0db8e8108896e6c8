//! Side by side: wharf, and what a person would do otherwise, in turns within one run.
//!
//! `run.sh` runs it. Each section makes a project in a folder and namespaces of its own, warms up
//! once, and measures in turns.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own, which prints, waits, reads its environment and starts others"
)]

mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, exit};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How often a server is asked whether it is the new version.
const POLL: Duration = Duration::from_millis(10);

/// Rounds of what takes long and is only there for comparison.
const SLOW_ROUNDS: usize = 3;

/// What is measured unless told otherwise.
const ALL: &str = "first-line shop monorepo hello hello-helm4 large large-helm4 tree modules";

fn main() {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [rounds, json] = &args[..] else {
        eprintln!("usage: bench ROUNDS JSON-FILE (tests/bench/run.sh does it)");
        exit(2);
    };
    let rounds = rounds.parse().ok().filter(|rounds| *rounds > 0).unwrap_or_else(|| {
        eprintln!("the number of rounds is a number, and not `{rounds}`");
        exit(2);
    });
    let only = std::env::var("WHARF_BENCH_ONLY").unwrap_or_else(|_| ALL.into());
    let bench = Bench::new(PathBuf::from(env!("CARGO_BIN_EXE_wharf")), rounds);
    let mut sections = Vec::new();
    for name in only.split_whitespace() {
        eprintln!("measuring {name}");
        sections.push(match name {
            "tree" => {
                sections.extend(bench.tree());
                continue;
            }
            "first-line" => bench.first_line(),
            "shop" => bench.shop(),
            "monorepo" => bench.monorepo(),
            "hello" => bench.saves("hello", Image::Small, None),
            "hello-helm4" => bench.saves("hello-helm4", Image::Small, Some(&helm_4())),
            "large" => bench.saves("large", Image::Large, None),
            "large-helm4" => bench.saves("large-helm4", Image::Large, Some(&helm_4())),
            "modules" => bench.modules(),
            other => {
                eprintln!("there is no section `{other}`");
                exit(2);
            }
        });
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, load {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    sections.iter().for_each(Section::print);
    let parts: Vec<String> = sections.iter().map(Section::json).collect();
    let text = format!("{{\"cores\": {cores}, \"sections\": [{}]}}\n", parts.join(", "));
    std::fs::write(json, text).expect("the JSON file can be written");
}

/// What is measured together, in turns.
struct Section {
    title: String,
    /// What is aimed at for the first row.
    target: Target,
    /// What the numbers are.
    unit: &'static str,
    /// The first is wharf's; ratios are to the others.
    rows: Vec<(String, Vec<f64>)>,
}

/// What a median is to be at most.
#[derive(Clone, Copy)]
enum Target {
    /// In the section's unit.
    Most(f64),
    /// So much of the second row's.
    Ratio(f64),
}

/// What `hello` is made into.
#[derive(Clone, Copy, PartialEq)]
enum Image {
    /// As the example has it, some 150 MB.
    Small,
    /// With 850 MB more below what changes.
    Large,
}

impl Section {
    fn new(title: &str, target: Target, rows: &[&str]) -> Self {
        let rows = rows.iter().map(|row| ((*row).to_owned(), Vec::new())).collect();
        Self { title: title.to_owned(), target, unit: "s", rows }
    }

    /// What is measured in something else than seconds.
    fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    fn add(&mut self, row: usize, took: Duration) {
        self.add_number(row, took.as_secs_f64());
    }

    fn add_number(&mut self, row: usize, number: f64) {
        eprintln!("  {number:7.3} {}  {}", self.unit, self.rows[row].0);
        self.rows[row].1.push(number);
    }

    fn print(&self) {
        println!("\n{}", self.title);
        println!(
            "  {:<62} {:>6} {:>7} {:>7} {:>7} {:>7}",
            "", "rounds", "min", "median", "p95", "ratio"
        );
        let unit = self.unit;
        let own = self.rows.first().map_or(0.0, |(_, own)| quantile(own, 0.5));
        for (what, seconds) in &self.rows {
            let [min, median, p95] = [0.0, 0.5, 0.95].map(|part| quantile(seconds, part));
            let ratio = own / median;
            println!(
                "  {what:<62} {:>6} {min:>6.3}{unit} {median:>6.3}{unit} {p95:>6.3}{unit} {ratio:>7.2}",
                seconds.len()
            );
        }
        let beside = self.rows.get(1).map_or(f64::NAN, |(_, beside)| quantile(beside, 0.5));
        let (is_reached, target) = match self.target {
            Target::Most(most) => (own <= most, format!("a median of {most} {unit}")),
            Target::Ratio(most) => (own <= most * beside, format!("{most:.1} of the second")),
        };
        let word = if is_reached { "reached" } else { "MISSED" };
        println!("  target: {target}: {word}");
    }

    fn json(&self) -> String {
        let mut rows = Vec::new();
        for (what, seconds) in &self.rows {
            let all: Vec<String> = seconds.iter().map(|one| format!("{one:.4}")).collect();
            let [min, median, p95] = [0.0, 0.5, 0.95].map(|part| quantile(seconds, part));
            rows.push(format!(
                "{{\"what\": {what:?}, \"min\": {min:.4}, \"median\": {median:.4}, \
                 \"p95\": {p95:.4}, \"seconds\": [{}]}}",
                all.join(", ")
            ));
        }
        let target = match self.target {
            Target::Most(most) => format!("{{\"most\": {most}}}"),
            Target::Ratio(most) => format!("{{\"ratio\": {most}}}"),
        };
        let rows = rows.join(", ");
        format!(
            "{{\"title\": {:?}, \"unit\": {:?}, \"target\": {target}, \"rows\": [{rows}]}}",
            self.title, self.unit
        )
    }
}

/// The value below which `part` of them lie.
fn quantile(seconds: &[f64], part: f64) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * part).ceil() as usize).max(1) - 1;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

struct Bench {
    wharf: PathBuf,
    rounds: usize,
    root: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Namespaces that go with the section.
struct Namespaces(Vec<String>);

impl Drop for Namespaces {
    fn drop(&mut self) {
        let mut delete = Command::new("kubectl");
        delete.args(["delete", "namespace", "--ignore-not-found", "--wait=false"]).args(&self.0);
        let _ = delete.stdout(Stdio::null()).status();
    }
}

impl Bench {
    fn new(wharf: PathBuf, rounds: usize) -> Self {
        let root = std::env::temp_dir().join(format!("wharf-bench-{}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a folder can be made");
        Self { wharf, rounds, root }
    }

    /// A copy of an example with content of its own, and namespaces for it.
    fn project(&self, name: &str, namespaces: &[&str]) -> (PathBuf, Namespaces) {
        let folder = self.root.join(name);
        if name == "monorepo" {
            run(Command::new("sh").arg("examples/monorepo/generate.sh").arg(&folder));
        } else {
            run(Command::new("cp").arg("-r").arg(format!("examples/{name}")).arg(&folder));
        }
        let names = namespaces.iter().map(|part| format!("bench-{part}-{}", std::process::id()));
        (folder, Namespaces(names.collect()))
    }

    /// A folder for a project, and a namespace for it.
    fn empty(&self, name: &str) -> (PathBuf, Namespaces) {
        let folder = self.root.join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        (folder, Namespaces(vec![format!("bench-{name}-{}", std::process::id())]))
    }

    fn wharf(&self, folder: &Path, namespace: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.wharf);
        command.current_dir(folder).args(["-n", namespace]).args(args);
        for (variable, place) in [("STATE", "state"), ("CACHE", "cache"), ("RUNTIME", "run")] {
            let place = self.root.join(place);
            std::fs::create_dir_all(&place).expect("a folder can be made");
            let what = if variable == "RUNTIME" { "DIR" } else { "HOME" };
            command.env(format!("XDG_{variable}_{what}"), place);
        }
        command
    }

    /// Until `wharf dev` says something, the process's own start included.
    fn first_line(&self) -> Section {
        let (folder, spaces) = self.project("shop", &["first-line"]);
        let rows = ["wharf dev, until its first line", "kubectl version --client"];
        let mut section = Section::new("shop: the first line", Target::Most(0.1), &rows);
        for round in 0..=self.rounds {
            let began = Instant::now();
            let dev = Dev::start(self.wharf(&folder, &spaces.0[0], &["--json", "dev"]));
            dev.reports.recv_timeout(LIMIT).expect("it says something");
            let took = began.elapsed();
            dev.leave();
            let beside = timed(|| run(Command::new("kubectl").args(["version", "--client"])));
            // The first round warms up.
            if round > 0 {
                section.add(0, took);
                section.add(1, beside);
            }
        }
        remove(&folder);
        section
    }

    fn shop(&self) -> Section {
        let (folder, spaces) = self.project("shop", &["shop", "shop-plain"]);
        bring_to_nodes("postgres:15");
        let (own, plain) = (&spaces.0[0], &spaces.0[1]);
        run(&mut self.wharf(&folder, own, &["run"]));
        run(Command::new("kubectl").args(["create", "namespace", plain]));
        let db = ["apply", "-n", plain, "-f", "deploy/db.yaml"];
        run(Command::new("kubectl").args(db).current_dir(&folder));
        run(Command::new("kubectl").args(["rollout", "status", "-n", plain, "statefulset/db"]));
        self.unchanged(&folder, own, plain, 1.0, &[("shop", "deploy/chart")])
    }

    fn monorepo(&self) -> Section {
        let (folder, spaces) = self.project("monorepo", &["monorepo", "monorepo-plain"]);
        let (own, plain) = (&spaces.0[0], &spaces.0[1]);
        run(&mut self.wharf(&folder, own, &["run"]));
        run(Command::new("kubectl").args(["create", "namespace", plain]));
        let teams: Vec<String> = (1..=6).map(|team| format!("team{team}")).collect();
        let releases: Vec<_> = teams.iter().map(|team| (team.as_str(), "chart")).collect();
        self.unchanged(&folder, own, plain, 2.0, &releases)
    }

    /// What a Skaffold configuration of forty modules amounts to; reading its files beside it.
    fn modules(&self) -> Section {
        let folder = self.root.join("modules");
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&folder))
                .expect("a folder can be made");
            std::fs::write(path, text).expect("a file can be written");
        };
        let head = "apiVersion: skaffold/v2beta29\nkind: Config\n";
        let mut root = format!("{head}requires:\n");
        for number in 0..40 {
            let _ = writeln!(root, "- path: m{number}");
            write(&format!("m{number}/Dockerfile"), "FROM busybox\n");
            let object =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}\n");
            write(&format!("m{number}/k8s/one.yaml"), &object);
            let module = format!(
                "{head}metadata: {{name: m{number}}}\n\
                 build: {{artifacts: [{{image: m{number}, docker: {{buildArgs: {{A: '{{{{.PATH}}}}'}}}}}}]}}\n\
                 deploy: {{kubectl: {{manifests: [k8s/*.yaml]}}}}\n\
                 profiles: [{{name: prod, patches: [{{path: /build/artifacts/0/image, value: p}}]}}]\n"
            );
            write(&format!("m{number}/skaffold.yaml"), &module);
        }
        write("skaffold.yaml", &root);
        let rows = ["wharf diagnose", "cat of its files"];
        let mut section = Section::new("modules: forty of Skaffold's", Target::Most(0.3), &rows);
        for _ in 0..=self.rounds {
            let mut diagnose = self.wharf(&folder, "default", &["diagnose"]);
            let own = timed(|| drop(output(&mut diagnose)));
            let mut cat = Command::new("sh");
            cat.args(["-c", "cat skaffold.yaml m*/skaffold.yaml"]).current_dir(&folder);
            let beside = timed(|| drop(output(&mut cat)));
            // The first of each only fills the system's caches.
            section.add(0, own);
            section.add(1, beside);
        }
        for (_, seconds) in &mut section.rows {
            seconds.remove(0);
        }
        section
    }

    /// `wharf run` where nothing changed, reading the same objects, and upgrading the same
    /// releases with the same values, in a namespace beside.
    fn unchanged(
        &self,
        folder: &Path,
        own: &str,
        plain: &str,
        target: f64,
        releases: &[(&str, &str)],
    ) -> Section {
        let get = "kubectl get deployments,statefulsets,services,pods,secrets";
        let upgrades = match releases.len() {
            1 => "helm upgrade --install of its release".to_owned(),
            many => format!("helm upgrade --install of its {many} releases, one by one"),
        };
        let name = folder.file_name().unwrap_or_default().display().to_string();
        let title = format!("{name}: nothing changed");
        let rows = ["wharf run", get, upgrades.as_str()];
        let mut section = Section::new(&title, Target::Most(target), &rows);
        let mut values = BTreeMap::new();
        for (release, _) in releases {
            let text = output(
                Command::new("helm").args(["get", "values", release, "-n", own, "-o", "yaml"]),
            );
            let file = self.root.join(format!("{name}-{release}.yaml"));
            std::fs::write(&file, text).expect("a file can be written");
            values.insert(*release, file);
        }
        let upgrade = || {
            for (release, chart) in releases {
                let args = ["upgrade", "--install", release, chart, "-n", plain, "-f"];
                run(Command::new("helm").args(args).arg(&values[release]).current_dir(folder));
            }
        };
        upgrade();
        for pods in [own, plain] {
            let args = [
                "wait",
                "-n",
                pods,
                "--for=condition=Available",
                "deployment",
                "--all",
                "--timeout=300s",
            ];
            run(Command::new("kubectl").args(args));
        }
        for round in 0..self.rounds {
            section.add(0, timed(|| run(&mut self.wharf(folder, own, &["run"]))));
            let words: Vec<&str> =
                get.split(' ').skip(1).chain(["-n", own, "-o", "json"]).collect();
            section.add(1, timed(|| run(Command::new("kubectl").args(words))));
            if round < SLOW_ROUNDS {
                section.add(2, timed(upgrade));
            }
        }
        run(&mut self.wharf(folder, own, &["delete"]));
        section
    }

    /// From a save to the first answer of the new version, by the `helm` on the PATH or by that
    /// of a folder.
    fn saves(&self, name: &str, size: Image, helm: Option<&Path>) -> Section {
        let parts = ["own", "floor", "plain"].map(|part| format!("{name}-{part}"));
        let (folder, spaces) = self.project("hello", &parts.each_ref().map(String::as_str));
        let [own, floor, plain] = &spaces.0[..] else { unreachable!() };
        let path = match helm {
            Some(helm) => {
                format!("{}:{}", helm.display(), std::env::var("PATH").unwrap_or_default())
            }
            None => std::env::var("PATH").unwrap_or_default(),
        };
        if size == Image::Large {
            // Random, so that nobody compresses it.
            replace(
                &folder.join("Dockerfile"),
                "COPY ",
                "RUN head -c 850000000 /dev/urandom >/large\nCOPY ",
            );
        }
        let port = free_port();
        replace(&folder.join("chart/values.yaml"), "port: 8080", &format!("port: {port}"));
        let rows = [
            "wharf dev: from the save, through its forward",
            "kubectl set image, image on the node, through the Service",
            "docker build, kind load, helm upgrade, through the Service",
        ];
        let mut section = Section::new(
            &format!("{name}: from a save to the new version's answer"),
            Target::Ratio(0.6),
            &rows,
        );
        let mut dev = self.wharf(&folder, own, &["--json", "dev"]);
        dev.env("PATH", &path);
        let mut dev = Dev::start(dev);
        dev.round();
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        let say = |folder: &Path, words: &str| {
            let app = folder.join("app.py");
            let text = std::fs::read_to_string(&app).expect("the app can be read");
            let lines = text.lines().map(|line| match line.starts_with("GREETING = ") {
                true => format!("GREETING = {words:?}\n"),
                false => format!("{line}\n"),
            });
            std::fs::write(&app, lines.collect::<String>()).expect("the app can be written");
        };
        // The two that it is compared with: the same objects in namespaces beside.
        let manifest = output(Command::new("helm").args(["get", "manifest", "hello", "-n", own]));
        let chart = folder.join("chart");
        run(Command::new("kubectl").args(["create", "namespace", floor]));
        pipe(Command::new("kubectl").args(["apply", "-n", floor, "-f", "-"]), &manifest);
        let image = image_of(own);
        let upgrade = |tag: &str| {
            let tag = format!("image.tag={tag}");
            let args =
                ["upgrade", "--install", "hello", "-n", plain, "--create-namespace", "--set", &tag];
            run(Command::new("helm").args(args).arg(&chart).env("PATH", &path));
        };
        upgrade(image.rsplit(':').next().unwrap_or_default());
        let [floor_at, plain_at] = [floor, plain].map(|space| node_port(space));
        for at in [floor_at, plain_at] {
            until_says(at, "hello", &mut None);
        }
        for round in 0..=self.rounds {
            let words = format!("hello {} of {}", round, std::process::id());
            let took = timed(|| {
                say(&folder, &words);
                until_says(local, &words, &mut Some(&mut dev));
            });
            dev.round();
            let image = image_of(own);
            let set = format!("hello={image}");
            let set = ["set", "image", "-n", floor, "deployment/hello", &set];
            let floor_took = timed(|| {
                run(Command::new("kubectl").args(set));
                until_says(floor_at, &words, &mut None);
            });
            let status = ["rollout", "status", "-n", floor, "deployment/hello"];
            run(Command::new("kubectl").args(status));
            // The first round warms up.
            if round == 0 {
                continue;
            }
            section.add(0, took);
            section.add(1, floor_took);
            if round <= SLOW_ROUNDS {
                let beside = self.root.join("hello-plain");
                run(Command::new("rm").arg("-rf").arg(&beside));
                run(Command::new("cp").arg("-r").arg(&folder).arg(&beside));
                let words = format!("hello plain {round} of {}", std::process::id());
                let tag = format!("plain-{}-{round}", std::process::id());
                let image = format!("hello:{tag}");
                let took = timed(|| {
                    say(&beside, &words);
                    let build = ["build", "-q", "-t", &image, "."];
                    run(Command::new("docker").args(build).current_dir(&beside));
                    bring_to_nodes(&image);
                    upgrade(&tag);
                    until_says(plain_at, &words, &mut None);
                });
                section.add(2, took);
                run(Command::new("docker").args(["rmi", &image]));
            }
        }
        dev.leave();
        remove(&folder);
        section
    }
}

/// A running `wharf dev --json`.
struct Dev {
    child: Child,
    reports: Receiver<String>,
}

impl Dev {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("wharf starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (report_tx, reports) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if report_tx.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, reports }
    }

    /// Waits for the end of the next round, which must be a good one.
    fn round(&mut self) {
        loop {
            let report = self.reports.recv_timeout(LIMIT).expect("wharf goes on");
            if report.contains("\"report\":\"round\"") {
                assert!(report.contains("\"failed\":0"), "{report}");
                return;
            }
        }
    }

    fn leave(mut self) {
        run(Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]));
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "wharf ended with {status}");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn run(command: &mut Command) {
    output(command);
}

fn output(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}{error}");
    said
}

fn pipe(command: &mut Command, text: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    assert!(child.wait().is_ok_and(|status| status.success()), "{command:?}");
}

fn bring_to_nodes(image: &str) {
    let context = output(Command::new("kubectl").args(["config", "current-context"]));
    let cluster = context.trim().trim_start_matches("kind-");
    run(Command::new("kind").args(["load", "docker-image", image, "--name", cluster]));
}

fn remove(folder: &Path) {
    run(Command::new("rm").arg("-rf").arg(folder));
}

/// The folder of a Helm 4, as `run.sh` says.
fn helm_4() -> PathBuf {
    std::env::var("WHARF_BENCH_HELM4").expect("WHARF_BENCH_HELM4 names a folder").into()
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    assert!(text.contains(from), "`{from}` is in {}", path.display());
    std::fs::write(path, text.replace(from, to)).expect("the file can be written");
}

fn image_of(namespace: &str) -> String {
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    output(Command::new("kubectl").args(["get", "deployment/hello", "-n", namespace, "-o", path]))
}

/// The Service `hello` of a namespace, as it is reached from this machine.
fn node_port(namespace: &str) -> SocketAddr {
    let patch = "{\"spec\": {\"type\": \"NodePort\"}}";
    run(Command::new("kubectl").args(["patch", "service/hello", "-n", namespace, "-p", patch]));
    let port =
        ["get", "service/hello", "-n", namespace, "-o", "jsonpath={.spec.ports[0].nodePort}"];
    let port = output(Command::new("kubectl").args(port));
    let path = "jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}";
    let address = output(Command::new("kubectl").args(["get", "nodes", "-o", path]));
    let mut at = String::new();
    write!(at, "{}:{port}", address.trim()).expect("memory can be written to");
    at.parse().expect("it is an address")
}

/// Asks until the answer begins with `words`.
fn until_says(at: SocketAddr, words: &str, dev: &mut Option<&mut Dev>) {
    let began = Instant::now();
    while !says(at).is_some_and(|answer| answer.contains(words)) {
        assert!(began.elapsed() < LIMIT, "{at} never said `{words}`");
        if let Some(dev) = dev {
            assert!(matches!(dev.child.try_wait(), Ok(None)), "wharf has ended");
        }
        std::thread::sleep(POLL);
    }
}

fn says(at: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET / HTTP/1.1\r\nHost: hello\r\nConnection: close\r\n\r\n").ok()?;
    // As browsers do: a forward hears of the end of a connection up to a second late, whoever made
    // it, because containerd lets the other direction go on for so long.
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.take(length).read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
