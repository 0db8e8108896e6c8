//! What wharf believes about Docker, asked of a real one. Needs Docker with BuildKit, hence
//! ignored by a plain `cargo test`; `tests/run.sh` runs it.

#![expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use wharf::build::{BuildScope, EntryKind, InputsKind};
use wharf::docker::{Credentials, Engine};
use wharf::dockerfile::{ContextFilter, Patterns};
use wharf::model::{Artifact, ArtifactName, Builder, DockerBuild};
use wharf::tools::Tools;

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

fn plant(root: &Path) {
    for folder in FOLDERS {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for file in FILES {
        std::fs::create_dir_all(root.join(file).parent().expect("a parent")).expect("a folder");
        std::fs::write(root.join(file), file).expect("a file");
    }
}

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

/// Whether Docker 20.10 and its successors, whom wharf follows, mean the same by an ignore file.
///
/// The old one asks each pattern about the path and about one parent only, as deep as the pattern
/// has parts; takes `**a` for `**/a`; and does not carry verdicts from folder to file.
fn is_read_alike_by_old_and_new(ignore: &str, root: &Path, ours: &BTreeSet<String>) -> bool {
    let mut patterns = Vec::new();
    for line in ignore.lines().filter(|line| !line.starts_with('#')) {
        let line = line.trim();
        let (lets_in, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let cleaned = wharf::dockerfile::clean(text);
        let text = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&cleaned);
        let starts_double = text.starts_with("**") && !text.starts_with("**/") && text != "**";
        if starts_double || line.is_empty() {
            if line.is_empty() {
                continue;
            }
            return false;
        }
        let one = Patterns::new([text]).expect("it was read before");
        patterns.push((lets_in, text.split('/').count(), text.to_owned(), one));
    }
    let ignored = |path: &str| {
        let parents: Vec<&str> = path.split('/').collect();
        let parents = &parents[..parents.len() - 1];
        let mut ignored = false;
        for (lets_in, depth, _, pattern) in &patterns {
            let alone = |path: &str| pattern.matches_in(path, None).0;
            let by_parent = *depth <= parents.len() && alone(&parents[..*depth].join("/"));
            if alone(path) || by_parent {
                ignored = !lets_in;
            }
        }
        ignored
    };
    let all = wharf::files::walk(root, &wharf::files::All).expect("a readable folder");
    let mut pruned: Option<String> = None;
    all.iter().all(|found| {
        let path = &found.path;
        if pruned.as_ref().is_some_and(|folder| path.starts_with(folder.as_str())) {
            return !ours.contains(path);
        }
        let gone = ignored(path);
        if found.stat.kind == wharf::files::StatKind::Directory {
            let below = format!("{path}/");
            let excepted = |pattern: &(bool, usize, String, Patterns)| {
                pattern.0 && format!("{}/", pattern.2).starts_with(&below)
            };
            if gone && !patterns.iter().any(excepted) {
                pruned = Some(below);
            }
            // Folders are compared by what they hold.
            return !gone || !ours.contains(path) || pruned.is_none();
        }
        gone != ours.contains(path)
    })
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

/// A path, glob or nonsense that a `COPY` may name.
fn source() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[abcde]",
        4 => "[cde]/[abcde]",
        2 => "c/d/(e|\\*|x\\.md|e/\\?)",
        2 => Just("*/a".to_owned()),
        2 => Just("c/*.md".to_owned()),
        1 => Just("*/*/x.md".to_owned()),
        1 => Just("c/../d/./e/".to_owned()),
        1 => Just("/c".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("[a-b]".to_owned()),
        2 => Just("link".to_owned()),
        2 => Just("link/d".to_owned()),
        1 => Just("hop/a".to_owned()),
        1 => Just("l*/d/a".to_owned()),
        1 => Just("$V".to_owned()),
        1 => Just("${V:-a}/d".to_owned()),
        1 => Just("${W%/*}".to_owned()),
        1 => Just("g".to_owned()),
        1 => Just("missing".to_owned()),
    ]
}

fn instruction() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => source().prop_map(|source| format!("COPY {source} /out/")),
        2 => (source(), source()).prop_map(|(one, two)| format!("COPY {one} \\\n  # and\n {two} /x/")),
        1 => source().prop_map(|source| format!("COPY [\"{source}\", \"/json/\"]")),
        1 => source().prop_map(|source| format!("ADD --chown=1:1 {source} /add/")),
        2 => "ARG V(=[abcd])?",
        1 => "ENV V=[abcd] W=[cd]/e",
        1 => Just("ONBUILD COPY b /onbuild/".to_owned()),
        2 => "FROM (scratch|one|two)( AS (one|two))?",
        1 => "COPY --from=(one|0) / /from/",
    ]
}

/// Every path of an image, with what it is: by a real build. `None` when the build fails.
async fn image(tools: &Tools, docker: &str, context: &Path) -> Option<BTreeMap<String, String>> {
    let build = tools
        .command(docker)
        .args(["build", "--quiet", "--output", "type=tar,dest=-", "."])
        .folder(context);
    let out = build.run().await.ok()?;
    let mut archive = tar::Archive::new(&out.stdout[..]);
    let mut contents = BTreeMap::new();
    for entry in archive.entries().expect("a tar archive") {
        let mut entry = entry.expect("a whole entry");
        let header = entry.header().clone();
        let mut text = format!("{:?} {:o} ", header.entry_type(), header.mode().expect("a mode"));
        text.push_str(&String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()));
        std::io::Read::read_to_string(&mut entry, &mut text).expect("text");
        contents.insert(entry.path().expect("a path").to_string_lossy().into_owned(), text);
    }
    Some(contents)
}

/// Puts what a build can see, and nothing else, into the folder `to`.
fn bring(inputs: &wharf::build::DockerInputs, to: &Path) {
    for entry in inputs.entries.iter() {
        let (from, path) = (inputs.context.join(&entry.path), to.join(&entry.path));
        match &entry.kind {
            EntryKind::Directory => std::fs::create_dir(&path).expect("a folder"),
            EntryKind::File { .. } => drop(std::fs::copy(from, &path).expect("a file")),
            EntryKind::Symlink { target } => {
                std::os::unix::fs::symlink(target, &path).expect("a link");
            }
        }
    }
    std::fs::write(to.join("Dockerfile"), &inputs.dockerfile_text).expect("a file");
    std::fs::write(to.join(".dockerignore"), "Dockerfile\n.dockerignore\n").expect("a file");
}

#[test]
#[ignore = "needs Docker"]
fn what_a_dockerfile_sees_is_all_that_its_build_needs() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let context = tempfile::tempdir().expect("a folder");
    let root = context.path();
    plant(root);
    for (link, target) in [("link", "c"), ("hop", "e/back"), ("e/back", "/link")] {
        std::os::unix::fs::symlink(target, root.join(link)).expect("a link");
    }
    std::fs::write(root.join(".dockerignore"), "**/README.md\nDockerfile\n.dockerignore\n")
        .expect("a file");
    let tools = tools();
    let docker = runtime.block_on(client(&tools));
    let platform = runtime.block_on(async {
        Engine::connect(&tools).expect("an address").platform().await.expect("an Engine")
    });
    let scope = BuildScope {
        engine: Engine::connect(&tools).expect("an address"),
        credentials: Credentials::new(&tools),
        tools: tools.clone(),
        state_dir: root.join("no-state"),
        cache: Arc::default(),
        remote: Arc::default(),
        platform,
        root: root.to_owned(),
    };
    let artifact = Artifact {
        name: ArtifactName::parse("seen").expect("a name"),
        builder: Builder::Docker(DockerBuild {
            context: root.to_owned(),
            dockerfile: root.join("Dockerfile"),
            target: None,
            args: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            contexts: BTreeMap::new(),
            network: None,
            add_hosts: Vec::new(),
        }),
        needs: BTreeSet::new(),
        platform: None,
        hooks: wharf::model::Hooks::default(),
        also_tagged: None,
    };
    let mut runner = TestRunner::new(Config {
        cases: cases() / 2,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let (built, narrowed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let instructions = proptest::collection::vec(instruction(), 1..6);
    let result = runner.run(&instructions, |instructions| {
        let text = format!("FROM scratch AS one\nCOPY a /\n{}\n", instructions.join("\n"));
        std::fs::write(root.join("Dockerfile"), &text).expect("a file");
        let hashed =
            runtime.block_on(wharf::build::hash(&scope, &artifact, &BTreeMap::new(), &|_| {}));
        // A base image that nobody has: wharf says so before the build would.
        let Ok(hashed) = hashed else { return Ok(()) };
        let InputsKind::Docker(inputs) = &hashed.kind else { panic!("a Dockerfile build") };
        let apart = tempfile::tempdir().expect("a folder");
        bring(inputs, apart.path());
        let whole = runtime.block_on(image(&tools, docker, root));
        let seen = runtime.block_on(image(&tools, docker, apart.path()));
        built.set(built.get() + u32::from(whole.is_some()));
        narrowed.set(narrowed.get() + u32::from(inputs.entries.len() < 30));
        if whole == seen {
            return Ok(());
        }
        let paths: Vec<&str> = inputs.entries.iter().map(|entry| entry.path.as_str()).collect();
        Err(TestCaseError::fail(format!("{text}\nwith {paths:?}: {whole:#?} is not {seen:#?}")))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (built, narrowed): (u32, u32) = (built.get(), narrowed.get());
    assert!(built * 4 > cases() / 2, "only {built} were built");
    assert!(narrowed * 4 > cases() / 2, "only {narrowed} were narrowed");
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
    plant(root);
    std::fs::write(root.join("Dockerfile"), "FROM scratch\nCOPY . /\n").expect("a file");
    let tools = tools();
    let docker = runtime.block_on(client(&tools));
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        max_shrink_iters: 80,
        failure_persistence: None,
        ..Config::default()
    });
    let compared = std::cell::Cell::new(0);
    let lines = proptest::collection::vec(line(), 1..6);
    let result = runner.run(&lines, |lines| {
        // A context in which nothing is left is an error of its own; one file always stays.
        let ignore = format!("{}\n!f/keep\n", lines.join("\n"));
        if Patterns::read(ignore.as_bytes()).is_err() {
            return Ok(());
        }
        std::fs::write(root.join(".dockerignore"), &ignore).expect("a file");
        let ours = by_wharf(root, &ignore);
        if !is_read_alike_by_old_and_new(&ignore, root, &ours) {
            return Ok(());
        }
        compared.set(compared.get() + 1);
        let real = runtime.block_on(by_docker(&tools, docker, root));
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
    let compared: u32 = compared.get();
    assert!(compared * 2 > cases(), "only {compared} of {} ignore files were compared", cases());
}
