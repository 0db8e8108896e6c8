//! What the tests have in common.

mod count;
mod inventory;
mod project;
mod stand_in;
mod wharf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use count::{ApiCount, EngineCount, HelmCount};
pub(crate) use inventory::Inventory;
pub(crate) use project::{Project, free_port};
pub(crate) use stand_in::StandIn;
pub(crate) use wharf::{Wharf, said};

/// How long anything may take on a machine that is busy with other things.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// Waits until `fact` holds.
///
/// # Panics
///
/// After [`LIMIT`].
pub(crate) fn wait_for<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let said = |(): &()| format!("{what}: not seen within {} s", LIMIT.as_secs());
    wait_for_or(&mut (), |()| fact(), said)
}

/// Waits until `fact` holds, which keeps in `seen` what it saw last.
///
/// # Panics
///
/// After [`LIMIT`], with what `said` makes of that.
pub(crate) fn wait_for_or<S, T>(
    seen: &mut S,
    mut fact: impl FnMut(&mut S) -> Option<T>,
    said: impl FnOnce(&S) -> String,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = fact(seen) {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "{}", said(seen));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program to its end and returns what it wrote.
///
/// # Panics
///
/// When it fails.
pub(crate) fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a further part of the testbed, and returns what it exports.
pub(crate) fn part(name: &str) -> BTreeMap<String, String> {
    let up = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/up.sh");
    let path = std::env::var("PATH").expect("there is a PATH");
    let exports = output(up, &["part", name]);
    let exports = exports.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    exports.map(|(name, value)| (name.to_owned(), value.replace("$PATH", &path))).collect()
}

/// The program of Helm 4.
pub(crate) fn helm_4() -> PathBuf {
    let path = part("helm4").remove("PATH").expect("it says where Helm 4 is");
    let program = Path::new(path.split(':').next().unwrap_or_default()).join("helm");
    let version = output(program.to_str().expect("it is text"), &["version", "--short"]);
    assert!(version.starts_with("v4."), "{version}");
    program
}

/// `kubectl` in the testbed's cluster.
pub(crate) fn kubectl(args: &[&str]) -> String {
    output("kubectl", args)
}

/// Brings an image that the Engine has into the nodes, as if they had pulled it.
pub(crate) fn bring(image: &str) {
    let cluster = kubectl(&["config", "current-context"]);
    let cluster = cluster.trim().trim_start_matches("kind-");
    output("kind", &["load", "docker-image", image, "--name", cluster]);
}

/// What a server on 127.0.0.1 answers to `GET path`; `None` while it does not answer with 200.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(35))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    // As browsers do: a forward hears of the end of a connection up to a second late, whoever made
    // it, because containerd lets the other direction go on for so long.
    let mut answer = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), None);
    while !head.ends_with("\r\n\r\n") {
        let begin = head.len();
        if answer.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[begin..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = Some(value.trim().parse().ok()?);
        }
    }
    let mut body = String::new();
    answer.take(length.unwrap_or(u64::MAX)).read_to_string(&mut body).ok()?;
    let is_whole = length.is_none_or(|length| length == body.len() as u64);
    (is_whole && head.starts_with("HTTP/1.1 200")).then(|| body.trim().to_owned())
}

/// The UIDs of the project's pods that are not on their way out, by their label `app`.
pub(crate) fn pods(project: &Project) -> BTreeMap<String, Vec<String>> {
    let path = "jsonpath={range .items[*]}{.metadata.deletionTimestamp},{.metadata.labels.app},\
                {.metadata.uid}{\"\\n\"}{end}";
    let mut pods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in kubectl(&["get", "pods", "-n", project.namespace(), "-o", path]).lines() {
        let [leaving, app, uid] = line.split(',').collect::<Vec<_>>()[..] else { continue };
        if leaving.is_empty() {
            pods.entry(app.to_owned()).or_default().push(uid.to_owned());
        }
    }
    pods.values_mut().for_each(|uids| uids.sort_unstable());
    pods
}
