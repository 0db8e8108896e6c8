//! What wharf believes about Docker, asked of a real one. Needs Docker with BuildKit, hence
//! ignored by a plain `cargo test`; `tests/run.sh` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use wharf::dockerfile::{ContextFilter, Patterns};
use wharf::tools::Tools;

// Docker 20.10 reads `+`, `(`, `)`, `|`, `{` and `}` of a pattern as a regular expression's;
// wharf, like newer ones, takes them as they are. So they occur in names here, not in patterns.

/// A tree in which every name that the patterns below are made of occurs at several depths.
const FILES: &[&str] = &[
    "a",
    "b",
    "ab",
    "x.md",
    "README.md",
    "c/a",
    "c/b",
    "c/ab",
    "c/x.md",
    "c/README.md",
    "c/d/a",
    "c/d/b",
    "c/d/x.md",
    "c/d/README.md",
    "c/d/e/a",
    "c/d/e/x.md",
    "d/a",
    "d/c/a",
    "d/c/x.md",
    "d/e/a/b",
    "d/e/a/c",
    "d/e/README.md",
    "e/a/x.md",
    "e/b/a",
    "e/b/d/a",
    "e/[",
    "e/a*",
    "e/#x",
    "e/!x",
    "f/.hidden/a",
    "f/.hidden/x.md",
    "f/a b",
    "f/a+b",
    "f/keep",
];

/// Folders with nothing in them: they are part of a context too.
const FOLDERS: &[&str] = &["c/empty", "g", "e/b/empty"];

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => "[abcde]",
        4 => Just("x.md".to_owned()),
        2 => Just("README.md".to_owned()),
        4 => Just("*".to_owned()),
        4 => Just("**".to_owned()),
        2 => Just("*.md".to_owned()),
        1 => Just("README*".to_owned()),
        1 => Just("?".to_owned()),
        1 => Just("[a-c]".to_owned()),
        1 => Just("[^a]".to_owned()),
        1 => Just(r"\a".to_owned()),
        1 => Just(r"a\*".to_owned()),
        1 => Just("**a".to_owned()),
        1 => Just("e**".to_owned()),
        1 => Just(".hidden".to_owned()),
        1 => Just("a b".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => Just("empty".to_owned()),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let pattern = proptest::collection::vec(part(), 1..5).prop_map(|parts| parts.join("/"));
    let decorated = (pattern, 0..6_u8).prop_map(|(pattern, how)| match how {
        0 => format!("/{pattern}"),
        1 => format!("{pattern}/"),
        2 => format!("  {pattern}\t"),
        _ => pattern,
    });
    let either = (decorated, any::<bool>())
        .prop_map(|(pattern, lets_in)| if lets_in { format!("!{pattern}") } else { pattern });
    prop_oneof![
        12 => either,
        1 => Just("# a comment".to_owned()),
        1 => Just(String::new()),
    ]
}

/// Every path that a build of `COPY . /` with this ignore file has, by a real build.
async fn by_docker(tools: &Tools, docker: &str, context: &Path) -> BTreeSet<String> {
    let out = tools
        .command(docker)
        .args(["build", "--quiet", "--output", "type=tar,dest=-", "."])
        .folder(context)
        .run()
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", error.output_tail()));
    let mut archive = tar::Archive::new(&out.stdout[..]);
    let mut paths = BTreeSet::new();
    for entry in archive.entries().expect("a tar archive") {
        let entry = entry.expect("a whole entry");
        let path = entry.path().expect("a path").to_string_lossy().trim_end_matches('/').to_owned();
        if !matches!(path.as_str(), "" | ".") {
            paths.insert(path);
        }
    }
    paths
}

/// The same by wharf's own walk.
fn by_wharf(context: &Path, ignore: &str) -> BTreeSet<String> {
    let ignored = Patterns::read(ignore.as_bytes()).expect("no line that Docker refuses");
    let filter = ContextFilter { visible: None, ignored };
    let found = wharf::files::walk(context, &filter).expect("a readable folder");
    found.into_iter().map(|found| found.path).collect()
}

fn tools() -> Tools {
    let environment: BTreeMap<_, _> = std::env::vars_os().collect();
    Tools::new(environment).with_variable("DOCKER_BUILDKIT", "1")
}

/// A `docker` that can drive BuildKit: newer ones leave that to a plugin, which may be missing.
async fn client(tools: &Tools) -> &'static str {
    for docker in ["docker", "/usr/bin/docker"] {
        let help = tools.command(docker).args(["build", "--help"]).run().await;
        if help.is_ok_and(|help| help.text().contains("--output")) {
            return docker;
        }
    }
    panic!("no `docker` here can use BuildKit: install buildx");
}

/// `PROPTEST_CASES` asks for more than the usual run makes; each is a build of half a second.
fn cases() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(60)
}

#[test]
#[ignore = "needs Docker"]
fn dockerignore_means_what_docker_makes_of_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let context = tempfile::tempdir().expect("a folder");
    let root = context.path();
    for folder in FOLDERS {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for file in FILES {
        std::fs::create_dir_all(root.join(file).parent().expect("a parent")).expect("a folder");
        std::fs::write(root.join(file), file).expect("a file");
    }
    std::fs::write(root.join("Dockerfile"), "FROM scratch\nCOPY . /\n").expect("a file");
    let tools = tools();
    let docker = runtime.block_on(client(&tools));
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        max_shrink_iters: 80,
        failure_persistence: None,
        ..Config::default()
    });
    let lines = proptest::collection::vec(line(), 1..6);
    let result = runner.run(&lines, |lines| {
        let ignore = lines.join("\n");
        // A context in which nothing is left is an error of its own; one file always stays.
        let ignore = format!("{ignore}\n!f/keep\n");
        if Patterns::read(ignore.as_bytes()).is_err() {
            return Ok(());
        }
        std::fs::write(root.join(".dockerignore"), &ignore).expect("a file");
        let real = runtime.block_on(by_docker(&tools, docker, root));
        let ours = by_wharf(root, &ignore);
        // Docker 20.10 has a folder on the way to an exception even where the exception is not
        // there; newer ones, like wharf, have it only for what it holds.
        let on_the_way = |path: &&String| {
            let holds = |other: &String| other.starts_with(&format!("{path}/"));
            root.join(path).is_dir() && !real.iter().any(holds) && ignore.contains('!')
        };
        let missing: Vec<_> = real.difference(&ours).filter(|path| !on_the_way(path)).collect();
        let extra: Vec<_> = ours.difference(&real).collect();
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        Err(TestCaseError::fail(format!(
            "{ignore:?}: wharf leaves out {missing:?}, and has too many: {extra:?}"
        )))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
