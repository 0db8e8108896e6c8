//! Builds against a real Docker: `cargo test --test docker_build -- --ignored`.
//!
//! Every test uses image names of its own below `wharf-test/` and removes them.

#![expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]
#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::Digest as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wharf::build::{
    BuildError, BuildInputs, BuildScope, Built, DockerInputs, Entry, EntryKind, InputsDigest,
    InputsKind,
};
use wharf::docker::{Credentials, Engine};
use wharf::files::StatCache;
use wharf::model::{
    Artifact, ArtifactName, BuildSecret, Builder, ContentHash, DockerBuild, Hooks, ImageRef,
    Platform, SecretSource, SshAgent,
};
use wharf::report::ArtifactNews;
use wharf::tools::Tools;

/// A context on disk, and what a build of it needs.
struct Project {
    context: TempDir,
    state: TempDir,
    scope: BuildScope,
    image: ImageRef,
    news: Arc<Mutex<Vec<ArtifactNews>>>,
}

impl Project {
    fn new(name: &str) -> Self {
        let tools = Tools::new(std::env::vars_os().collect::<BTreeMap<_, _>>());
        let (context, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let scope = BuildScope {
            remote: std::sync::Arc::default(),
            engine: Engine::connect(&tools).unwrap(),
            credentials: Credentials::new(&tools),
            state_dir: state.path().to_owned(),
            cache: Arc::new(StatCache::load(&state.path().join("stat"))),
            platform: Platform::parse("linux/amd64").unwrap(),
            root: context.path().to_owned(),
            tools,
        };
        let image = ImageRef::parse(&format!("wharf-test/{name}:0123456789abcdef")).unwrap();
        Self { context, state, scope, image, news: Arc::default() }
    }

    fn write(&self, path: &str, content: &str) -> &Self {
        let path = self.context.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn docker(&self, dockerfile: &str) -> DockerInputs {
        let mut entries = Vec::new();
        read(self.context.path(), self.context.path(), &mut entries);
        entries.sort_by(|left, right| Entry::order(&left.path, &right.path));
        DockerInputs {
            context: self.context.path().to_owned(),
            entries: Arc::new(entries),
            named: BTreeMap::new(),
            dockerfile_name: "Dockerfile".to_owned(),
            dockerfile_text: dockerfile.as_bytes().to_vec(),
            dockerignore: None,
            target: None,
            args: BTreeMap::new(),
            platform: self.scope.platform.clone(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            network: None,
            add_hosts: Vec::new(),
            local_bases: Vec::new(),
        }
    }

    async fn build(&self, dockerfile: &str) -> Result<Built, BuildError> {
        self.build_with(self.docker(dockerfile), &CancellationToken::new()).await
    }

    async fn build_with(
        &self,
        docker: DockerInputs,
        cancel: &CancellationToken,
    ) -> Result<Built, BuildError> {
        let inputs = BuildInputs {
            shown_folder: String::new(),
            artifact: ArtifactName::parse(self.image.repository()).unwrap(),
            hash: ContentHash::new([0; 32]),
            kind: InputsKind::Docker(Box::new(docker)),
            digest: InputsDigest::default(),
        };
        let news = Arc::clone(&self.news);
        let tell = move |item| news.lock().unwrap().push(item);
        wharf::build::build(&self.scope, &inputs, &self.image, false, &tell, cancel).await
    }

    /// What `command` prints in a container of the image.
    async fn run(&self, command: &str) -> String {
        let args = ["run", "--rm", "--network=none", &self.image.to_string(), "sh", "-c", command];
        let output = self.scope.tools.command("docker").args(args).run().await.unwrap();
        output.text().trim().to_owned()
    }

    async fn clean(&self) {
        self.scope.engine.untag(&self.image, false).await.unwrap();
    }
}

fn read(root: &Path, folder: &Path, entries: &mut Vec<Entry>) {
    for found in std::fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let kind = if meta.is_dir() {
            read(root, &path, entries);
            EntryKind::Directory
        } else if meta.is_symlink() {
            EntryKind::Symlink { target: path.read_link().unwrap().to_string_lossy().into_owned() }
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let sha256 = sha2::Sha256::digest(&bytes).into();
            EntryKind::File { sha256, size_bytes: bytes.len() as u64 }
        };
        let modified = meta.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        entries.push(Entry {
            path: path.strip_prefix(root).unwrap().to_string_lossy().into_owned(),
            kind,
            mode: meta.permissions().mode() & 0o7755,
            mtime_ns: i64::try_from(modified.as_nanos()).unwrap(),
        });
    }
}

const BASE: &str = "FROM debian:bookworm-slim\n";

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_is_made_of_the_files_and_nothing_is_left_behind() {
    let project = Project::new("plain");
    project.write("a.txt", "one").write("dir/b.sh", "echo two").write("dir/unused", "x");
    std::os::unix::fs::symlink("b.sh", project.context.path().join("dir/link")).unwrap();
    let script = project.context.path().join("dir/b.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    // What the hash knows of a mode is what is sent: set-id and sticky bits, and no one's umask.
    for (name, mode) in [("suid", 0o4775), ("sgid", 0o2755), ("wide", 0o666), ("own", 0o600)] {
        project.write(&format!("dir/modes/{name}"), name);
        let path = project.context.path().join("dir/modes").join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let modes = project.context.path().join("dir/modes");
    std::fs::set_permissions(modes, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let dockerfile = format!("{BASE}COPY a.txt /a.txt\nCOPY dir /dir\nRUN echo made > /made\n");

    let before = open_files();
    let built = project.build(&dockerfile).await.unwrap();
    assert_eq!(built.steps, 3);
    let shown = project.run("cat /a.txt; /dir/link; stat -c '%a %u:%g' /dir/b.sh; cat /made").await;
    assert_eq!(shown, "onetwo\n755 0:0\nmade");
    let modes = project.run("cd /dir/modes; stat -c '%n %a' . own sgid suid wide").await;
    assert_eq!(modes, ". 1755\nown 600\nsgid 2755\nsuid 4755\nwide 644");
    assert_eq!(project.build(&dockerfile).await.unwrap(), Built { cached: 3, steps: 3 });
    for _ in 0..5 {
        project.build(&dockerfile).await.unwrap();
    }
    settled(|| open_files() == before && alive_tasks() == 0).await;
    let log = std::fs::read_to_string(project.state.path().join("builds/wharf-test+plain.log"));
    assert!(log.unwrap().contains("RUN echo made > /made"));
    project.clean().await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn other_content_of_equal_size_and_time_is_built() {
    let project = Project::new("sametime");
    let dockerfile = format!("{BASE}COPY a.txt /a.txt\n");
    let path = project.context.path().join("a.txt");
    let then = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for content in ["one", "two", "six", "one"] {
        project.write("a.txt", content);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        project.build(&dockerfile).await.unwrap();
        assert_eq!(project.run("cat /a.txt").await, content);
    }
    project.clean().await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_file_that_is_no_longer_what_was_hashed_ends_the_build() {
    let project = Project::new("stale");
    project.write("a.txt", "one");
    for (content, size) in [("two", "small"), ("gone", "gone")] {
        let docker = project.docker(&format!("{BASE}COPY a.txt /{size}\n"));
        project.write("a.txt", content);
        if size == "gone" {
            std::fs::remove_file(project.context.path().join("a.txt")).unwrap();
        }
        let error = project.build_with(docker, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(&error, BuildError::Stale { path, .. } if path == "a.txt"), "{error:?}");
    }
    let large = "x".repeat(9 << 20);
    project.write("a.txt", &large);
    let docker = project.docker(&format!("{BASE}COPY a.txt /large\n"));
    project.write("a.txt", &large.replacen("xxxx", "xyyx", 1));
    let error = project.build_with(docker, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, BuildError::Stale { .. }), "{error:?}");
    assert_eq!(project.scope.engine.image(&project.image.to_string()).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn failures_point_at_the_line() {
    let project = Project::new("failing");
    project.write("a.txt", "one");
    let failure = |dockerfile: String| {
        let project = &project;
        async move { project.build(&dockerfile).await.unwrap_err().failure() }
    };
    let name = "`wharf-test/failing` failed to build:";

    let run = format!(
        "{BASE}\nWORKDIR /x\nARG CODE=3\nRUN echo first >&2; \\\n  echo no luck >&2; exit $CODE\n"
    );
    let failed = failure(run).await;
    assert_eq!(
        failed.what,
        format!(
            "{name} Dockerfile:5 `RUN echo first >&2; echo no luck >&2; exit $CODE` exited with 3"
        )
    );
    assert_eq!(failed.why[..2], ["first", "no luck"]);
    assert!(failed.why[2].starts_with("full log: "), "{:?}", failed.why);

    let failed = failure(format!("{BASE}COPY a.txt /\nFOO bar\n")).await;
    assert_eq!(failed.what, format!("{name} Dockerfile:3 `FOO bar`"));
    assert!(failed.why[0].to_lowercase().contains("unknown instruction: foo"), "{:?}", failed.why);

    let failed = failure(format!("{BASE}RUN true\nCOPY nowhere.txt /\n")).await;
    assert_eq!(failed.what, format!("{name} Dockerfile:3 `COPY nowhere.txt /`"));
    assert!(failed.why[0].contains("not found"), "{:?}", failed.why);

    let failed = failure("FROM no-such.invalid/base:1\n".to_owned()).await;
    assert_eq!(
        failed.what,
        "base image `no-such.invalid/base:1` of `wharf-test/failing` cannot be found"
    );
    assert_eq!(
        failed.help,
        ["try it: `docker pull no-such.invalid/base:1`; once it is there, the build goes on"]
    );
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn cancelling_ends_the_command_and_leaves_nothing() {
    let project = Project::new("cancel");
    let before = open_files();
    let docker = project
        .docker(&format!("{BASE}RUN echo {} && sleep 4242\n", project.state.path().display()));
    let cancel = CancellationToken::new();
    let started = async {
        settled(|| processes("sleep 4242") == 1).await;
        cancel.cancel();
    };
    let (built, ()) = tokio::join!(project.build_with(docker, &cancel), started);
    assert!(matches!(built, Err(BuildError::Cancelled { .. })), "{built:?}");
    settled(|| processes("sleep 4242") == 0).await;
    settled(|| open_files() == before && alive_tasks() == 0).await;

    // Again and again, at other moments: while files go over, while it runs.
    for number in 0..20 {
        project.write("big", &format!("{number} {}", "x".repeat(8 << 20)));
        let text = format!("{BASE}COPY big /\nRUN echo {number} && sleep 4242\n");
        let (docker, cancel) = (project.docker(&text), CancellationToken::new());
        let started = async {
            if number % 2 == 0 {
                settled(|| processes("sleep 4242") == 1).await;
            } else {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let (built, ()) = tokio::join!(project.build_with(docker, &cancel), started);
        assert!(matches!(built, Err(BuildError::Cancelled { .. })), "{built:?}");
    }
    settled(|| processes("sleep 4242") == 0).await;
    settled(|| open_files() == before && alive_tasks() == 0).await;

    let dropped = project.docker(&format!("{BASE}RUN echo again && sleep 4242\n"));
    let token = CancellationToken::new();
    tokio::select! {
        built = project.build_with(dropped, &token) => panic!("{built:?}"),
        () = settled(|| processes("sleep 4242") == 1) => {}
    }
    settled(|| processes("sleep 4242") == 0).await;
    settled(|| open_files() == before && alive_tasks() == 0).await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn arguments_targets_and_secrets_reach_the_build() {
    let project = Project::new("settings");
    let secret = project.state.path().join("secret");
    std::fs::write(&secret, "hush").unwrap();
    let text = format!("{BASE}ARG WHO\nRUN echo $WHO > /who\nFROM scratch AS other\n");
    let mut docker = project.docker(&text.replacen("slim", "slim AS wanted", 1));
    docker.target = Some("wanted".to_owned());
    docker.args.insert("WHO".to_owned(), "world".to_owned());
    project.build_with(docker, &CancellationToken::new()).await.unwrap();
    assert_eq!(project.run("cat /who").await, "world");

    let text = format!(
        "{BASE}RUN --mount=type=secret,id=file,required --mount=type=secret,id=home,required \
         cat /run/secrets/file > /f && test -s /run/secrets/home\n"
    );
    let mut docker = project.docker(&text);
    docker.secrets = vec![
        BuildSecret { id: "file".to_owned(), source: SecretSource::File(secret) },
        BuildSecret { id: "home".to_owned(), source: SecretSource::Env("HOME".to_owned()) },
    ];
    project.build_with(docker.clone(), &CancellationToken::new()).await.unwrap();
    assert_eq!(project.run("cat /f").await, "hush");

    docker.dockerfile_text.extend_from_slice(b"RUN --mount=type=secret,id=gone,required true\n");
    docker.secrets.push(BuildSecret {
        id: "gone".to_owned(),
        source: SecretSource::File("/no/such/file".into()),
    });
    let error = project.build_with(docker, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.failure().what, "secret `gone` of `wharf-test/settings` cannot be read");
    project.clean().await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_ssh_agent_is_forwarded() {
    let project = Project::new("ssh");
    let path = project.state.path().join("agent.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let mut docker = project.docker("FROM python:3.11-slim\nRUN --mount=type=ssh \
        python3 -c \"import socket,os;s=socket.socket(socket.AF_UNIX);s.connect(os.environ['SSH_AUTH_SOCK']);s.send(b'ping');print(s.recv(9))\" > /said\n");
    // A step from the cache would ask no agent.
    let stamp = project.state.path().display().to_string();
    let text = String::from_utf8(docker.dockerfile_text.clone()).unwrap();
    let text = text.replace("s.send(b'ping')", &format!("s.send(b'ping');'{stamp}'"));
    docker.dockerfile_text = text.into_bytes();
    docker.ssh = vec![SshAgent { id: "default".to_owned(), socket: Some(path) }];
    let agent = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
    };
    let token = CancellationToken::new();
    let mut build = std::pin::pin!(project.build_with(docker, &token));
    tokio::select! {
        built = &mut build => panic!("no agent was asked: {built:?}"),
        () = agent => {}
    }
    build.await.unwrap();
    assert_eq!(project.run("cat /said").await, "b'pong'");
    project.clean().await;
}

/// An image that holds `content` in `/which`.
async fn base(project: &Project, name: &str, content: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("which"), content).unwrap();
    std::fs::write(folder.path().join("Dockerfile"), "FROM busybox:1.36\nCOPY which /\n").unwrap();
    let args = ["build", "-q", "-t", name, folder.path().to_str().unwrap()];
    project.scope.tools.command("docker").args(args).run().await.unwrap();
}

/// The image of the project's Dockerfile.
fn artifact_of(project: &Project) -> Artifact {
    let context = project.context.path().to_owned();
    Artifact {
        name: ArtifactName::parse(project.image.repository()).unwrap(),
        builder: Builder::Docker(DockerBuild {
            dockerfile: context.join("Dockerfile"),
            context,
            target: None,
            args: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            contexts: BTreeMap::new(),
            network: None,
            add_hosts: Vec::new(),
        }),
        needs: std::collections::BTreeSet::new(),
        platform: None,
        hooks: Hooks::default(),
        also_tagged: None,
    }
}

/// The tag stays what it is; what it means does not. A Skaffold user gets the stale image here.
#[tokio::test]
#[ignore = "needs Docker"]
async fn another_image_behind_the_name_of_a_base_is_built_from() {
    let project = Project::new("rebase");
    let name = "wharf-test/rebase-base:1";
    project.write("Dockerfile", &format!("FROM {name}\nRUN true\n"));
    let artifact = artifact_of(&project);
    let none = BTreeMap::new();
    let hash =
        async || wharf::build::hash(&project.scope, &artifact, &none, &|_| {}).await.unwrap();
    let build = async |inputs: &BuildInputs| {
        let (tell, cancel) = (|_| {}, CancellationToken::new());
        wharf::build::build(&project.scope, inputs, &project.image, false, &tell, &cancel).await
    };
    base(&project, name, "one").await;
    let one = hash().await;
    assert_eq!(hash().await.hash, one.hash);
    build(&one).await.unwrap();
    assert_eq!(project.run("cat /which").await, "one");

    base(&project, name, "two").await;
    let two = hash().await;
    assert_eq!(wharf::build::why(Some(&one.digest), &two), format!("base image {name} changed"));
    // What was hashed before is no longer what a build would take.
    let stale = build(&one).await;
    assert!(matches!(stale, Err(BuildError::Stale { .. })), "{stale:?}");
    build(&two).await.unwrap();
    assert_eq!(project.run("cat /which").await, "two");

    base(&project, name, "one").await;
    assert_eq!(hash().await.hash, one.hash, "back to the first, the first tag");
    project.clean().await;
    project.scope.engine.untag(&ImageRef::parse(name).unwrap(), false).await.unwrap();
}

/// The Engine has the base for the machine that it runs on, and the image is for another one: no
/// registry has anything to do with it.
#[tokio::test]
#[ignore = "needs Docker"]
async fn a_local_base_of_another_platform_than_the_image_is_the_engines_own() {
    let project = Project::new("across");
    let name = "wharf-test/across-base:1";
    base(&project, name, "here").await;
    let dockerfile = format!(
        "FROM --platform=$BUILDPLATFORM {name} AS build\nFROM scratch\n\
         COPY --from=build /which /\n"
    );
    project.write("Dockerfile", &dockerfile);
    let mut artifact = artifact_of(&project);
    artifact.platform = Some(Platform::parse("linux/arm64").unwrap());
    let none = BTreeMap::new();
    let inputs = wharf::build::hash(&project.scope, &artifact, &none, &|_| {}).await.unwrap();
    let (tell, cancel) = (|_| {}, CancellationToken::new());
    wharf::build::build(&project.scope, &inputs, &project.image, false, &tell, &cancel)
        .await
        .unwrap_or_else(|error| panic!("{:?}", error.failure()));
    let made = project.scope.engine.image(&project.image.to_string()).await.unwrap().unwrap();
    assert_eq!(made.platform.arch, "arm64");
    project.clean().await;
    project.scope.engine.untag(&ImageRef::parse(name).unwrap(), false).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn many_files_go_over_once_and_then_only_what_changed() {
    let project = Project::new("many");
    for i in 0..5000 {
        project.write(&format!("d{}/f{i}", i % 50), &format!("{i} {}", "x".repeat(20_000)));
    }
    let dockerfile = format!("{BASE}COPY . /all\n");
    let cold = std::time::Instant::now();
    project.build(&dockerfile).await.unwrap();
    let cold = cold.elapsed();
    project.write("d7/f7", "changed");
    let docker = project.docker(&dockerfile);
    let warm = std::time::Instant::now();
    project.build_with(docker, &CancellationToken::new()).await.unwrap();
    let warm = warm.elapsed();
    assert_eq!(project.run("cat /all/d7/f7; ls /all/* | wc -l").await, "changed5099");
    assert!(warm < cold, "cold {cold:?}, one file changed {warm:?}");
    project.clean().await;
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// How many processes of this machine run exactly this command.
fn processes(command: &str) -> usize {
    let wanted = command.replace(' ', "\0") + "\0";
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    pids.filter(|pid| {
        std::fs::read_to_string(pid.path().join("cmdline")).is_ok_and(|text| text == wanted)
    })
    .count()
}

/// Waits until it is so, for half a minute at most.
async fn settled(mut fact: impl FnMut() -> bool) {
    let wait = async {
        while !fact() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it comes to be");
}
