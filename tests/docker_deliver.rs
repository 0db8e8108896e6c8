//! Images on their way out of a real Docker, into a kind cluster's nodes and into a registry:
//! `cargo test --test docker_deliver -- --ignored`.
//!
//! Needs the testbed's cluster (`tests/testbed/up.sh`). Every test uses image names of its own
//! below `wharf-test/` and removes them.

#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wharf::build::{BuildError, BuildInputs, BuildScope, InputsKind, Note, RemoteSources};
use wharf::docker::{Credentials, Engine, PushNews};
use wharf::load::{LoadError, Loader};
use wharf::model::{
    Artifact, ArtifactName, Builder, ClusterKind, DockerBuild, Hooks, ImageRef, Platform,
};
use wharf::push::{PushError, Pusher};
use wharf::tools::Tools;

#[expect(clippy::disallowed_methods, reason = "a test has the environment it was started with")]
fn tools() -> Tools {
    Tools::new(std::env::vars_os().collect::<BTreeMap<_, _>>())
}

fn engine() -> Engine {
    Engine::connect(&tools()).unwrap()
}

fn image(text: &str) -> ImageRef {
    ImageRef::parse(text).unwrap()
}

/// The testbed's cluster, and a node of it.
async fn cluster() -> (ClusterKind, String) {
    let context = tools().command("kubectl").args(["config", "current-context"]).run().await;
    let context = context.unwrap().text().trim().to_owned();
    let name = context.strip_prefix("kind-").expect("the current context is kind's").to_owned();
    let nodes = engine().containers("io.x-k8s.kind.cluster").await.unwrap();
    let is_its = |labels: &BTreeMap<String, String>| labels["io.x-k8s.kind.cluster"] == name;
    let node = nodes.into_iter().find(|node| node.running && is_its(&node.labels));
    (ClusterKind::Kind { name: name.clone() }, node.expect("a kind node runs").name)
}

async fn docker(args: &[&str]) -> String {
    tools().command("docker").args(args).run().await.unwrap().text().trim().to_owned()
}

/// Builds an image on `base` with one small layer that nobody else has.
async fn make(name: &str, base: &str, content: &str) -> ImageRef {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), content).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY a.txt /a.txt\nENV CONTENT={content}\n");
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    docker(&["build", "-q", "-t", name, folder.path().to_str().unwrap()]).await;
    image(name)
}

async fn in_node(node: &str, script: &str) -> String {
    let ended = engine().exec(node, &["sh", "-c", script]).await.unwrap();
    assert_eq!(ended.code, 0, "{script}: {}", ended.stderr);
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

/// Removes the image from the node, with the record that CRI made under its ID, and from Docker.
async fn remove(node: &str, image: &ImageRef) {
    in_node(node, &format!("crictl rmi {} || true", image.full())).await;
    engine().untag(image, false).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_gets_into_every_node_once() {
    let (kind, node) = cluster().await;
    let loader = Loader::new(&engine(), &kind, &tools());
    let api = make("wharf-test/load:1", "debian:bookworm-slim", "one").await;
    let cancel = CancellationToken::new();
    assert!(loader.missing(&api).await.unwrap().contains(&node));
    let loaded = loader.load(&api, &cancel).await.unwrap();
    assert!(loaded.sent_bytes > 0 && loaded.total_bytes > 0, "{loaded:?}");
    assert!(loader.missing(&api).await.unwrap().is_empty());
    assert_eq!(loader.load(&api, &cancel).await.unwrap().sent_bytes, 0);

    // What kubelet sees, and what runs.
    let seen = in_node(&node, "crictl images -o json").await;
    assert!(seen.contains("docker.io/wharf-test/load:1"), "{seen}");
    let run = "ctr -n k8s.io run --rm docker.io/wharf-test/load:1 wharf-load-test sh -c";
    let said = in_node(&node, &format!("{run} 'cat /a.txt; env'")).await;
    assert!(said.starts_with("one") && said.contains("CONTENT=one"), "{said}");
    remove(&node, &api).await;
}

/// Stands before the Engine and changes what is asked of it: in nodes there is no perl, and `ctr`
/// refuses imports as wharf asks for them.
async fn broken_engine(socket: &std::path::Path) -> tokio::task::JoinSet<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    #[expect(clippy::disallowed_methods, reason = "a test has the environment it was started with")]
    let real = std::env::var("DOCKER_HOST").unwrap_or("unix:///var/run/docker.sock".to_owned());
    let real = real.strip_prefix("unix://").expect("the testbed's Engine has a socket").to_owned();
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut links = tokio::task::JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = tokio::net::UnixStream::connect(&real).await.unwrap();
            links.spawn(async move {
                let (mut from, mut back) = near.split();
                let (mut far_read, mut far_write) = far.split();
                let there = async {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = from.read(&mut buffer).await {
                        let mut bytes = buffer[..read].to_vec();
                        for (what, instead) in
                            [(&b"exec ctr -a"[..], &b"exit 7;    "[..]), (b"\"perl\"", b"\"none\"")]
                        {
                            let places = bytes.windows(what.len()).enumerate();
                            let places: Vec<usize> = places
                                .filter(|(_, window)| *window == what)
                                .map(|(at, _)| at)
                                .collect();
                            for at in places {
                                bytes[at..at + what.len()].copy_from_slice(instead);
                            }
                        }
                        if far_write.write_all(&bytes).await.is_err() {
                            break;
                        }
                    }
                    let _ = far_write.shutdown().await;
                };
                let here = async {
                    let _ = tokio::io::copy(&mut far_read, &mut back).await;
                    let _ = back.shutdown().await;
                };
                tokio::join!(there, here);
            });
        }
    });
    tasks
}

/// What wharf writes for developers meanwhile.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn what_a_killed_delivery_left_in_the_engine_is_cleared_away() {
    let (kind, _) = cluster().await;
    let api = make("wharf-test/left:1", "busybox:1.36", "left").await.to_string();
    let free = || std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let alive = free();
    let alive_port = alive.local_addr().unwrap().port();
    let dead_port = free().local_addr().unwrap().port();
    let random = wharf::docker::random_id();
    let left = format!("127.0.0.1:{dead_port}/wharf:{random}");
    let others = [
        format!("127.0.0.1:{alive_port}/wharf:{random}"),
        format!("127.0.0.1:{dead_port}/wharf:mine"),
        format!("127.0.0.1:{dead_port}/acme/wharf:{random}"),
    ];
    for name in others.iter().chain([&left]) {
        docker(&["tag", &api, name]).await;
    }
    Loader::new(&engine(), &kind, &tools()).connect().await.unwrap();
    let names = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).await;
    let names: Vec<&str> = names.lines().collect();
    assert!(!names.contains(&left.as_str()), "{names:?}");
    for name in others.iter().chain([&api]) {
        assert!(names.contains(&name.as_str()), "{name} is not ours: {names:?}");
        engine().untag(&image(name), false).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn what_a_node_refuses_is_left_to_kinds_own_tool() {
    let (kind, node) = cluster().await;
    let api = make("wharf-test/load-by-kind:1", "scratch", "by-kind").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _proxy = broken_engine(&socket).await;
    let broken = tools().with_variable("DOCKER_HOST", format!("unix://{}", socket.display()));
    let cancel = CancellationToken::new();

    // Without kind the node's own trouble is what is told.
    let alone = broken.clone().with_variable("PATH", "/nowhere");
    let loader = Loader::new(&Engine::connect(&alone).unwrap(), &kind, &alone);
    let error = loader.load(&api, &cancel).await.unwrap_err();
    assert!(matches!(error, LoadError::Refused { .. } | LoadError::Engine(_)), "{error:?}");

    // A `kind` that notes how it was called, and does it.
    let real = tools().command("sh").args(["-c", "command -v kind"]).run().await.unwrap();
    let called = folder.path().join("called");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>{}\nexec {} \"$@\"\n",
        called.display(),
        real.text().trim()
    );
    let own = folder.path().join("kind");
    std::fs::write(&own, script).unwrap();
    std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test has the environment it was started with")]
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let broken = broken.with_variable("PATH", path);
    let loader = Loader::new(&Engine::connect(&broken).unwrap(), &kind, &broken);
    let log = Log::default();
    let _log = log.keep();
    assert_eq!(loader.missing(&api).await.unwrap(), std::slice::from_ref(&node));
    let loaded = loader.load(&api, &cancel).await.unwrap();
    assert_eq!(loaded.sent_bytes, loaded.total_bytes);
    let ClusterKind::Kind { name } = &kind else { panic!("{kind:?}") };
    assert_eq!(
        std::fs::read_to_string(called).unwrap().trim(),
        format!("load docker-image wharf-test/load-by-kind:1 --name {name}")
    );
    // However it came, it is known for wharf's own.
    let mine = "ctr -n k8s.io images ls -q 'labels.\"dev.wharf/image\"==loaded'";
    let mine = in_node(&node, mine).await;
    assert!(mine.contains("docker.io/wharf-test/load-by-kind:1"), "{mine}");
    // Each way is said before the next is tried, with the reason.
    let log = log.text();
    let ways = ["the whole image is sent", "import failed, trying the cluster's own tool"];
    let said: Vec<&str> =
        log.lines().filter(|line| ways.iter().any(|way| line.contains(way))).collect();
    assert_eq!(said.len(), 2, "{log}");
    assert!(said[0].contains(ways[0]) && said[0].contains("why="), "{log}");
    assert!(said[1].contains(ways[1]) && said[1].contains("error="), "{log}");
    assert!(loader.missing(&api).await.unwrap().is_empty());
    let whole = Loader::new(&engine(), &kind, &tools());
    assert!(whole.missing(&api).await.unwrap().is_empty());
    remove(&node, &api).await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_cluster_that_is_not_there_is_named() {
    let kind = ClusterKind::Kind { name: "no-such-cluster".to_owned() };
    let loader = Loader::new(&engine(), &kind, &tools());
    let error = loader.missing(&image("wharf-test/x:1")).await.unwrap_err();
    assert!(matches!(error, LoadError::NoSuchCluster { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_cancelled_load_leaves_no_record() {
    let (kind, node) = cluster().await;
    let loader = Loader::new(&engine(), &kind, &tools());
    let api = make("wharf-test/load-cancel:1", "python:3.11-slim", "cancel").await;
    let cancel = CancellationToken::new();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        cancel.cancel();
    };
    let (loaded, ()) = tokio::join!(loader.load(&api, &cancel), stop);
    if loaded.is_err() {
        assert!(matches!(loaded, Err(LoadError::Cancelled { .. })), "{loaded:?}");
        assert_eq!(loader.missing(&api).await.unwrap(), std::slice::from_ref(&node));
    }
    loader.load(&api, &CancellationToken::new()).await.unwrap();
    assert!(loader.missing(&api).await.unwrap().is_empty());
    remove(&node, &api).await;
}

/// A hash over type, mode, owner, size, link and content of every file of the image's root.
const FINGERPRINT: &str = "cd / && find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev \
    -o -path ./etc/hosts -o -path ./etc/hostname -o -path ./etc/resolv.conf -o -path ./.dockerenv -o -path ./run -o -path ./etc/mtab \\) \
    -prune -o -printf '%P %y %m %U %G %l\\n' | LC_ALL=C sort | sha256sum; \
    find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc/hosts \
    -o -path ./etc/hostname -o -path ./etc/resolv.conf -o -path ./.dockerenv -o -path ./run -o -path ./etc/mtab \\) -prune -o -type f -print0 \
    | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum";

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_small_change_goes_over_alone_and_leaves_nothing_but_the_image() {
    let (kind, node) = cluster().await;
    let (engine, cancel) = (engine(), CancellationToken::new());
    let loader = Loader::new(&engine, &kind, &tools());
    // What a run that failed has left.
    let names =
        "ctr -n k8s.io images ls -q | grep wharf-test/delta | xargs -r ctr -n k8s.io images rm";
    in_node(&node, names).await;
    let tags_before = facade_tags().await;
    let first = make("wharf-test/delta:1", "python:3.11-slim", "first").await;
    loader.load(&first, &cancel).await.unwrap();
    let before = (open_files(), alive_tasks());

    let mut images = vec![first];
    for number in 2..12 {
        let name = format!("wharf-test/delta:{number}");
        let next = make(&name, "python:3.11-slim", &format!("content{number}")).await;
        assert_eq!(loader.missing(&next).await.unwrap(), std::slice::from_ref(&node));
        let loaded = loader.load(&next, &cancel).await.unwrap();
        assert!(loaded.sent_bytes < 64 << 10, "{loaded:?}");
        assert!(loader.missing(&next).await.unwrap().is_empty());
        images.push(next);
    }
    let last = images.last().unwrap().full();
    let node_root = engine
        .exec(
            &node,
            &["ctr", "-n", "k8s.io", "run", "--rm", &last, "wharf-delta", "sh", "-c", FINGERPRINT],
        )
        .await
        .unwrap();
    let here =
        docker(&["run", "--rm", "--network=none", "wharf-test/delta:11", "sh", "-c", FINGERPRINT]);
    assert_eq!(
        String::from_utf8_lossy(&node_root.stdout).trim(),
        here.await,
        "{}",
        node_root.stderr
    );

    // Old ones have left.
    let names = in_node(&node, "ctr -n k8s.io images ls -q | grep wharf-test/delta").await;
    assert_eq!(names.lines().count(), 9, "{names}");

    // A tag that another image had: nothing goes over but the record.
    let again = image("wharf-test/delta:again");
    engine.tag("wharf-test/delta:9", &again).await.unwrap();
    assert!(loader.load(&again, &cancel).await.unwrap().sent_bytes < 16 << 10);
    images.push(again);

    settled(|| (open_files(), alive_tasks()) <= before).await;
    assert_eq!(in_node(&node, "ctr -n k8s.io leases ls -q | grep wharf || true").await, "");
    assert_eq!(in_node(&node, "ctr -n k8s.io content active | grep wharf || true").await, "");
    let snapshots = "ctr -n k8s.io snapshots ls | grep extract-wharf || true";
    assert_eq!(in_node(&node, snapshots).await, "");
    assert_eq!(facade_tags().await, tags_before);
    for image in images {
        remove(&node, &image).await;
    }
    drop(loader);
    settled(|| alive_tasks() == 0).await;
}

/// The tags under which the Engine was asked to push layers.
async fn facade_tags() -> Vec<String> {
    let tags = docker(&["images", "--format", "{{.Repository}}"]).await;
    tags.lines().filter(|tag| tag.ends_with("/wharf")).map(str::to_owned).collect()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
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

/// A registry that wants a login, on a port of its own, gone when the test ends.
struct Registry {
    container: String,
    host: String,
    _folder: tempfile::TempDir,
}

impl Registry {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // `me:hunter2`.
        let line = "me:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";
        std::fs::write(folder.path().join("htpasswd"), line).unwrap();
        let mount = format!("{}:/auth:ro", folder.path().display());
        let container = docker(&[
            "run",
            "-d",
            "-p",
            "127.0.0.1:0:5000",
            "-v",
            &mount,
            "-e",
            "REGISTRY_AUTH=htpasswd",
            "-e",
            "REGISTRY_AUTH_HTPASSWD_REALM=test",
            "-e",
            "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd",
            "registry:2",
        ])
        .await;
        let host = docker(&["port", &container, "5000/tcp"]).await;
        let host = host.lines().next().unwrap().to_owned();
        let up = async {
            while tokio::net::TcpStream::connect(&host).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), up).await.unwrap();
        Self { container, host, _folder: folder }
    }

    async fn stop(self) {
        docker(&["rm", "-f", "-v", &self.container]).await;
    }
}

/// Logins as a configuration file has them.
fn logins(folder: &std::path::Path, auths: &str) -> Credentials {
    std::fs::write(folder.join("config.json"), format!("{{\"auths\":{{{auths}}}}}")).unwrap();
    let folder = OsString::from(folder);
    Credentials::new(&Tools::new(BTreeMap::from([("DOCKER_CONFIG".into(), folder)])))
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_is_pushed_with_the_users_login_and_found_again() {
    let registry = Registry::start().await;
    let name = format!("{}/acme/push:1", registry.host);
    let api = make(&name, "busybox:1.36", "push").await;
    let (engine, cancel) = (engine(), CancellationToken::new());
    let folder = tempfile::tempdir().unwrap();
    let none = logins(folder.path(), "");
    let tell = |_: u64, _: u64| {};

    let pusher = Pusher::new(&engine, &none, &tools(), &[], folder.path());
    let error = pusher.push(&api, &tell, &cancel).await.unwrap_err();
    assert!(matches!(error, PushError::Refused { .. }), "{error:?}");
    assert_eq!(error.failure().help, [format!("log in: `docker login {}`", registry.host)]);

    // `bWU6aHVudGVyMg==` is `me:hunter2`.
    let auth = format!("\"{}\":{{\"auth\":\"bWU6aHVudGVyMg==\"}}", registry.host);
    logins(folder.path(), &auth);
    assert_eq!(pusher.find(&api).await.unwrap(), None);
    let pushed = pusher.push(&api, &tell, &cancel).await.unwrap();
    assert!(pushed.sent_bytes > 0, "{pushed:?}");
    assert_eq!(pusher.find(&api).await.unwrap(), Some(pushed.digest.clone()));
    let again = pusher.push(&api, &tell, &cancel).await.unwrap();
    assert_eq!((again.digest, again.sent_bytes), (pushed.digest, 0));
    engine.untag(&api, false).await.unwrap();
    registry.stop().await;
}

/// An image whose base lies in a registry, hashed and built as a new session does.
struct Rebased {
    context: tempfile::TempDir,
    state: tempfile::TempDir,
    artifact: Artifact,
}

impl Rebased {
    fn new(base: &str) -> Self {
        let (context, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dockerfile = context.path().join("Dockerfile");
        std::fs::write(&dockerfile, format!("FROM {base}\nRUN true\n")).unwrap();
        let build = DockerBuild {
            dockerfile,
            context: context.path().to_owned(),
            target: None,
            args: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            contexts: BTreeMap::new(),
            network: None,
            add_hosts: Vec::new(),
        };
        let artifact = Artifact {
            name: ArtifactName::parse("wharf-test/rebased").unwrap(),
            builder: Builder::Docker(build),
            needs: std::collections::BTreeSet::new(),
            platform: None,
            hooks: Hooks::default(),
            also_tagged: None,
        };
        Self { context, state, artifact }
    }

    fn scope(&self, credentials: &Credentials) -> BuildScope {
        BuildScope {
            remote: RemoteSources::kept_in(self.state.path().join("remote.json")).into(),
            engine: engine(),
            credentials: credentials.clone(),
            state_dir: self.state.path().to_owned(),
            cache: std::sync::Arc::default(),
            platform: Platform::parse("linux/amd64").unwrap(),
            root: self.context.path().to_owned(),
            tools: tools(),
        }
    }

    async fn hash(&self, credentials: &Credentials) -> Result<BuildInputs, BuildError> {
        self.told(credentials).await.0
    }

    /// The same, with what a person is told of it.
    async fn told(
        &self,
        credentials: &Credentials,
    ) -> (Result<BuildInputs, BuildError>, Vec<String>) {
        let scope = self.scope(credentials);
        let told = std::sync::Mutex::new(Vec::new());
        let tell = |note: Note| told.lock().unwrap().push(note.text);
        let hashed = wharf::build::hash(&scope, &self.artifact, &BTreeMap::new(), &tell).await;
        scope.remote.save().unwrap();
        (hashed, told.into_inner().unwrap())
    }

    /// Builds, and says what the base holds.
    async fn build(&self, inputs: &BuildInputs, credentials: &Credentials) -> String {
        let made = image("wharf-test/rebased:1");
        let (tell, cancel) = (|_| {}, CancellationToken::new());
        let scope = self.scope(credentials);
        wharf::build::build(&scope, inputs, &made, false, &tell, &cancel).await.unwrap();
        let run = ["run", "--rm", "--network=none", "wharf-test/rebased:1", "cat", "/a.txt"];
        let holds = docker(&run).await;
        engine().untag(&made, false).await.unwrap();
        holds
    }
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_base_in_a_registry_is_built_from_by_the_digest_that_was_hashed() {
    let registry = Registry::start().await;
    let folder = tempfile::tempdir().unwrap();
    let login = |auth: &str| format!("\"{}\":{{\"auth\":\"{auth}\"}}", registry.host);
    // `me:wrong`, then `me:hunter2`.
    let wrong = logins(folder.path(), &login("bWU6d3Jvbmc="));
    let name = format!("{}/acme/base:1", registry.host);
    let image = Rebased::new(&name);
    let refused = image.hash(&wrong).await.unwrap_err().failure();
    assert_eq!(refused.code, "wharf::build::base_refused", "{refused:?}");
    assert_eq!(refused.help, [format!("log in: `docker login {}`", registry.host)]);

    let before = wrong.stamp();
    let mine = logins(folder.path(), &login("bWU6aHVudGVyMg=="));
    assert_ne!(mine.stamp(), before, "another login is noticed");
    let publish = async |content: &str| {
        let base = make(&name, "busybox:1.36", content).await;
        // A tag of a person's own may come to mean something else.
        let login = mine.login(base.host()).await.unwrap();
        let mut pushing = engine().push(&base, login.as_ref()).await.unwrap();
        while let Some(news) = pushing.next().await.unwrap() {
            assert!(!matches!(news, PushNews::Failed(_)), "{news:?}");
        }
        engine().untag(&base, false).await.unwrap();
    };
    publish("one").await;
    let one = image.hash(&mine).await.unwrap();
    publish("two").await;
    let two = image.hash(&mine).await.unwrap();
    assert_eq!(wharf::build::why(Some(&one.digest), &two), format!("base image {name} changed"));
    assert_eq!(image.build(&one, &mine).await, "one", "although the tag means another by now");
    assert_eq!(image.build(&two, &mine).await, "two");

    // What it asks for in a build counts, although only the registry has it.
    let entries = |inputs: &BuildInputs| match &inputs.kind {
        InputsKind::Docker(docker) => docker.entries.len(),
        InputsKind::Command(_) => panic!("a Dockerfile build"),
    };
    std::fs::write(image.context.path().join("setup.cfg"), "one").unwrap();
    let plain = image.hash(&mine).await.unwrap();
    assert_eq!((&plain.hash, entries(&plain)), (&two.hash, 0), "nothing asks for it");
    publish("three\nONBUILD COPY setup.cfg /").await;
    let (asks, told) = image.told(&mine).await;
    let asks = asks.unwrap();
    assert_eq!(entries(&asks), 1);
    assert!(told.iter().any(|text| text.starts_with("pulling ")), "{told:?}");
    let (again, told) = image.told(&mine).await;
    assert_eq!((again.unwrap().hash, told), (asks.hash, vec![]), "it is asked once");

    // Away, the registry changes nothing; since when is told.
    let host = registry.host.clone();
    registry.stop().await;
    let (away, told) = image.told(&mine).await;
    assert_eq!(away.unwrap().hash, asks.hash);
    let wanted =
        format!("the registry of `{host}/acme/base:1` is out of reach: it is taken as it was");
    assert!(told.iter().any(|text| text.starts_with(&wanted)), "{told:?}");
    let never = Rebased::new(&format!("{host}/acme/never:1"));
    let unknown = never.hash(&mine).await.unwrap_err().failure();
    assert_eq!(unknown.code, "wharf::build::no_base", "{unknown:?}");
    let pulled = ["image", "ls", "-q", "--no-trunc", &format!("{host}/acme/base")];
    for id in docker(&pulled).await.lines() {
        docker(&["image", "rm", "-f", id]).await;
    }
}
