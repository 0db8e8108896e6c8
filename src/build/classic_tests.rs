//! The classic builder against a real Docker: `cargo test --lib classic -- --ignored`.

use std::collections::BTreeMap;

use super::*;
use crate::build::{BuildInputs, BuildScope, InputsDigest, InputsKind};
use crate::docker::{Credentials, Engine};
use crate::files::StatCache;
use crate::model::{ArtifactName, ContentHash, Platform};
use crate::tools::Tools;

fn scope(folder: &std::path::Path) -> BuildScope {
    let tools = tools();
    BuildScope {
        engine: Engine::connect(&tools).unwrap(),
        credentials: Credentials::new(&tools),
        state_dir: folder.join("state"),
        cache: Arc::new(StatCache::load(&folder.join("stat"))),
        remote: Arc::default(),
        platform: Platform::parse("linux/amd64").unwrap(),
        root: folder.to_owned(),
        tools,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has the environment it was started with")]
fn tools() -> Tools {
    Tools::new(std::env::vars_os().collect())
}

async fn make(folder: &std::path::Path, dockerfile: &str) -> Result<Built, BuildError> {
    let scope = scope(folder);
    let content = b"hello";
    std::fs::write(folder.join("a.txt"), content).unwrap();
    let kind = EntryKind::File { sha256: Sha256::digest(content).into(), size_bytes: 5 };
    let entry = Entry { path: "a.txt".to_owned(), kind, mode: 0o644, mtime_ns: 0 };
    let docker = DockerInputs {
        context: folder.to_owned(),
        entries: Arc::new(vec![entry]),
        named: BTreeMap::new(),
        dockerfile_name: "Dockerfile".to_owned(),
        dockerfile_text: dockerfile.as_bytes().to_vec(),
        dockerignore: None,
        target: None,
        args: BTreeMap::from([("WHO".to_owned(), "you".to_owned())]),
        platform: scope.platform.clone(),
        secrets: Vec::new(),
        ssh: Vec::new(),
        network: None,
        add_hosts: Vec::new(),
        local_bases: Vec::new(),
    };
    let inputs = BuildInputs {
        artifact: ArtifactName::parse("wharf-test/classic").unwrap(),
        hash: ContentHash::new([0; 32]),
        kind: InputsKind::Docker(Box::new(docker.clone())),
        digest: InputsDigest::default(),
        shown_folder: String::new(),
    };
    let image = ImageRef::parse("wharf-test/classic:1").unwrap();
    let tell = |_| {};
    let order = Order {
        scope: &scope,
        inputs: &inputs,
        docker: &docker,
        image: &image,
        no_cache: false,
        tell: &tell,
    };
    let built = build(&order, &CancellationToken::new()).await;
    scope.engine.untag(&image, false).await.unwrap();
    built
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn the_classic_builder_builds_and_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let base = "FROM debian:bookworm-slim\nARG WHO\n";
    let whole =
        format!("{base}COPY . /all\nRUN test \"$(ls -A /all)\" = a.txt && test $WHO = you\n");
    assert_eq!(make(folder.path(), &whole).await.unwrap().steps, 3);

    let broken = format!("{base}RUN echo no luck && exit 4\n");
    let failure = make(folder.path(), &broken).await.unwrap_err().failure();
    let name = "`wharf-test/classic` failed to build:";
    assert_eq!(
        failure.what,
        format!("{name} Dockerfile:3 `RUN echo no luck && exit 4` exited with 4")
    );
    assert_eq!(failure.why[0], "no luck");

    let unread = format!("{base}FOO\n");
    let failure = make(folder.path(), &unread).await.unwrap_err().failure();
    assert_eq!(failure.what, format!("{name} Dockerfile:3"));
    let missing = make(folder.path(), "FROM no-such.invalid/x:1\n").await.unwrap_err();
    assert_eq!(missing.code(), "wharf::build::no_base");
}
