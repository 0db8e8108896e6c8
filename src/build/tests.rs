//! Hashes of real folders; base images by a table instead of an Engine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;

use super::bases::{Known, Role};
use super::hash::Hashing;
use super::*;
use crate::docker::{Credentials, DockerError, Engine};
use crate::files::StatCache;
use crate::model::{
    Artifact, ArtifactName, BuildSecret, Builder, CommandBuild, DockerBuild, ImageRef,
    NamedContext, Platform, SecretSource, SshAgent,
};
use crate::tools::Tools;

/// A project in a temporary folder, with one image.
struct Project {
    folder: tempfile::TempDir,
    build: DockerBuild,
    bases: BTreeMap<ArtifactName, ImageRef>,
    known: BTreeMap<String, Known>,
    platform: Platform,
    /// What Docker's own image is for, where it is for another platform.
    here: Option<Platform>,
}

fn name(text: &str) -> ArtifactName {
    ArtifactName::parse(text).unwrap()
}

impl Project {
    fn new(dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let context = folder.path().join("services/web");
        fs::create_dir_all(&context).unwrap();
        let build = DockerBuild {
            dockerfile: context.join("Dockerfile"),
            context,
            target: None,
            args: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            contexts: BTreeMap::new(),
            network: None,
            add_hosts: Vec::new(),
        };
        let mut project = Self {
            folder,
            build,
            bases: BTreeMap::new(),
            known: BTreeMap::new(),
            platform: Platform::parse("linux/amd64").unwrap(),
            here: None,
        };
        project.write("Dockerfile", dockerfile);
        project.knows("python:3.11", "one");
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.build.context.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn knows(&mut self, reference: &str, identity: &str) {
        let known = Known {
            reference: format!("{reference}@sha256:{identity}"),
            identity: identity.to_owned(),
            is_local: false,
            triggers: Some(Vec::new()),
            note: None,
        };
        self.known.insert(reference.to_owned(), known);
    }

    fn scope(&self) -> BuildScope {
        let host = OsString::from("unix:///no/such/socket");
        let tools = Tools::new(BTreeMap::from([(OsString::from("DOCKER_HOST"), host)]));
        BuildScope {
            engine: Engine::connect(&tools).unwrap(),
            credentials: Credentials::new(&tools),
            tools,
            state_dir: self.folder.path().join("state"),
            cache: Arc::new(StatCache::default()),
            remote: Arc::default(),
            platform: self.platform.clone(),
            root: self.folder.path().to_owned(),
        }
    }

    fn artifact(&self, builder: Builder) -> Artifact {
        Artifact {
            name: name("web"),
            builder,
            needs: self.bases.keys().cloned().collect(),
            platform: None,
            hooks: crate::model::Hooks::default(),
            also_tagged: None,
        }
    }

    async fn try_hash(&self, builder: Builder) -> Result<BuildInputs, BuildError> {
        let scope = self.scope();
        let lookup = |reference: String, _: Platform, _: Role| {
            let known = self.known.get(&reference).cloned();
            let here = self.here.clone();
            let why = "not found".to_owned();
            let missing = DockerError::NoImage { image: reference, why, here };
            async move { known.ok_or(missing) }.boxed()
        };
        let hashing = Hashing {
            scope: &scope,
            artifact: &self.artifact(builder),
            bases: &self.bases,
            build_platform: Platform::parse("linux/amd64").unwrap(),
            lookup: &lookup,
            tell: &|_| {},
        };
        hashing.run().await
    }

    async fn inputs(&self) -> BuildInputs {
        self.try_hash(Builder::Docker(self.build.clone())).await.unwrap()
    }

    async fn docker(&self) -> DockerInputs {
        match self.inputs().await.kind {
            InputsKind::Docker(inputs) => *inputs,
            InputsKind::Command(_) => panic!("a Dockerfile build"),
        }
    }

    async fn entries(&self) -> String {
        let entries = self.docker().await.entries;
        entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Makes a change; whether the hash changes, and the reason that is told.
    async fn after(&mut self, change: impl FnOnce(&mut Self)) -> String {
        let before = self.inputs().await;
        change(self);
        let now = self.inputs().await;
        if before.hash == now.hash {
            return "same".to_owned();
        }
        why(Some(&before.digest), &now)
    }
}

const COPY_ALL: &str = "FROM python:3.11\nCOPY . /app\n";

#[tokio::test]
async fn everything_that_can_change_an_image_changes_its_hash_and_is_named() {
    let mut web = Project::new(COPY_ALL);
    web.write("cart.py", "one");
    symlink("cart.py", web.path("link")).unwrap();
    let mode = |path: PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(web.path("cart.py"), 0o644);

    assert_eq!(web.after(|web| web.write("cart.py", "two")).await, "services/web/cart.py changed");
    assert_eq!(
        web.after(|web| mode(web.path("cart.py"), 0o755)).await,
        "services/web/cart.py changed"
    );
    assert_eq!(web.after(|web| web.write("new", "")).await, "services/web/new added");
    let emptied = web.after(|web| fs::create_dir(web.path("empty")).unwrap()).await;
    assert_eq!(emptied, "services/web/empty added");
    let relinked = web
        .after(|web| {
            fs::remove_file(web.path("link")).unwrap();
            symlink("new", web.path("link")).unwrap();
        })
        .await;
    assert_eq!(relinked, "services/web/link changed");
    assert_eq!(
        web.after(|web| fs::remove_file(web.path("new")).unwrap()).await,
        "services/web/new removed"
    );
    let version = |web: &mut Project| web.build.args.insert("VERSION".into(), "1".into());
    assert_eq!(web.after(|web| drop(version(web))).await, "build arg VERSION added");
    let version = |web: &mut Project| web.build.args.insert("VERSION".into(), "2".into());
    assert_eq!(web.after(|web| drop(version(web))).await, "build arg VERSION changed");
    assert_eq!(
        web.after(|web| web.knows("python:3.11", "two")).await,
        "base image python:3.11 changed"
    );
    let secret = BuildSecret { id: "npmrc".into(), source: SecretSource::Env("X".into()) };
    assert_eq!(web.after(|web| web.build.secrets.push(secret)).await, "secret npmrc added");
    assert_eq!(
        web.after(|web| web.build.secrets[0].source = SecretSource::Env("Y".into())).await,
        "same",
        "where a secret lies and what it says is no input"
    );
    let agent = SshAgent { id: "default".into(), socket: None };
    assert_eq!(web.after(|web| web.build.ssh.push(agent)).await, "ssh agent default added");
    assert_eq!(web.after(|web| web.build.target = Some("0".into())).await, "target added");
    let syntax = format!("# syntax=docker/dockerfile:1\n{COPY_ALL}");
    web.knows("docker/dockerfile:1", "one");
    web.write("Dockerfile", &syntax);
    assert_eq!(
        web.after(|web| web.knows("docker/dockerfile:1", "two")).await,
        "frontend docker/dockerfile:1 changed"
    );
    let arm = Platform::parse("linux/arm64").unwrap();
    assert_eq!(web.after(|web| web.platform = arm).await, "platform changed");
    let dockerfile = format!("{syntax}# remark\n");
    assert_eq!(
        web.after(|web| web.write("Dockerfile", &dockerfile)).await,
        "the Dockerfile changed and 1 more"
    );
}

#[tokio::test]
async fn times_umask_place_and_what_is_not_seen_change_nothing() {
    let mut web = Project::new("FROM python:3.11\nCOPY src /app\n");
    web.write("src/a.py", "a");
    web.write("src/b.pyc", "b");
    web.write(".dockerignore", "**/*.pyc\n");
    fs::set_permissions(web.path("src/a.py"), fs::Permissions::from_mode(0o644)).unwrap();
    let touched = |web: &mut Project| {
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        let file = fs::File::options().append(true).open(web.path("src/a.py")).unwrap();
        file.set_modified(long_ago).unwrap();
    };
    assert_eq!(web.after(touched).await, "same");
    let group = fs::Permissions::from_mode(0o664);
    let by_umask = |web: &mut Project| fs::set_permissions(web.path("src/a.py"), group).unwrap();
    assert_eq!(web.after(by_umask).await, "same");
    assert_eq!(web.after(|web| web.write("README.md", "x")).await, "same");
    assert_eq!(web.after(|web| web.write("src/b.pyc", "x")).await, "same");
    assert_eq!(web.after(|web| web.write(".dockerignore", "*/*.pyc")).await, "same");
    assert_eq!(web.entries().await, "src src/a.py");

    let copy = Project::new("FROM python:3.11\nCOPY src /app\n");
    copy.write("src/a.py", "a");
    fs::set_permissions(copy.path("src/a.py"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(web.inputs().await.hash, copy.inputs().await.hash, "another path, the same tag");
    assert_eq!(web.inputs().await.hash.tag().as_str().len(), 16);
}

#[tokio::test]
async fn a_tag_stays_what_it_is_from_version_to_version() {
    let web = Project::new("FROM python:3.11\nCOPY src /app\n");
    web.write("src/a.py", "a");
    fs::set_permissions(web.path("src/a.py"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(web.path("src"), fs::Permissions::from_mode(0o755)).unwrap();
    // When this changes, every user's next start builds everything: count the form up in
    // `InputsDigest::new` and say so in the change log.
    insta::assert_snapshot!(web.inputs().await.hash.tag(), @"df8c13efb09b770a");
}

#[tokio::test]
async fn entries_come_as_a_transfer_wants_them() {
    let web = Project::new(COPY_ALL);
    for path in ["b/x", "b.txt", "b-c", "a/b/c", "z"] {
        web.write(path, "");
    }
    fs::create_dir(web.path("b/empty")).unwrap();
    let entries = web.docker().await.entries;
    assert!(entries.is_sorted_by(|left, right| Entry::order(&left.path, &right.path).is_lt()));
    assert_eq!(web.entries().await, "Dockerfile a a/b a/b/c b b/empty b/x b-c b.txt z");
    assert!(entries.iter().all(|entry| entry.mode & 0o022 == 0));
}

#[tokio::test]
async fn bases_are_pinned_and_the_projects_own_put_in_their_place() {
    let mut web = Project::new(
        "FROM base AS build\nCOPY x /\nFROM python:3.11\nCOPY --from=build /x /\n\
         COPY --from=tools /y /\nCOPY --from=assets /z /\n",
    );
    web.write("x", "");
    web.bases.insert(name("base"), ImageRef::parse("ghcr.io/acme/base:0123").unwrap());
    web.bases.insert(name("tools"), ImageRef::parse("tools:4567").unwrap());
    web.build.contexts.insert("assets".into(), NamedContext::Artifact(name("tools")));
    let inputs = web.docker().await;
    assert_eq!(
        String::from_utf8(inputs.dockerfile_text).unwrap(),
        "FROM ghcr.io/acme/base:0123 AS build\nCOPY x /\nFROM python:3.11@sha256:one\n\
         COPY --from=build /x /\nCOPY --from=tools:4567 /y /\nCOPY --from=tools:4567 /z /\n"
    );
    assert!(inputs.named.is_empty());
    let rebuilt = ImageRef::parse("ghcr.io/acme/base:89ab").unwrap();
    let changed = web.after(|web| drop(web.bases.insert(name("base"), rebuilt))).await;
    assert_eq!(changed, "base image base changed");
    let moved = ImageRef::parse("localhost:5000/base:89ab").unwrap();
    let moved = web.after(|web| drop(web.bases.insert(name("base"), moved))).await;
    assert_eq!(moved, "same", "where an image is brought changes nothing in it");
}

#[tokio::test]
async fn folders_of_other_contexts_count_where_they_are_used() {
    let mut web = Project::new("FROM python:3.11\nCOPY --from=assets /z /\n");
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("z"), "z").unwrap();
    let context = NamedContext::Folder(other.path().to_owned());
    web.build.contexts.insert("assets".into(), context.clone());
    web.build.contexts.insert("unused".into(), context);
    let named = web.docker().await.named;
    assert_eq!(named.keys().map(String::as_str).collect::<Vec<_>>(), ["assets"]);
    let change = |_: &mut Project| fs::write(other.path().join("z"), "y").unwrap();
    assert_eq!(web.after(change).await, "services/web/assets:z changed");

    // What no instruction takes of it is neither hashed nor sent.
    let beside = |_: &mut Project| fs::write(other.path().join("other"), "y").unwrap();
    assert_eq!(web.after(beside).await, "same");
    let Some(NamedInputs::Folder { entries, .. }) = web.docker().await.named.remove("assets")
    else {
        panic!("it is a folder");
    };
    assert_eq!(entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["z"]);
    web.write("Dockerfile", "FROM python:3.11\nCOPY --from=assets / /\n");
    let change = |_: &mut Project| fs::write(other.path().join("other"), "z").unwrap();
    assert_eq!(web.after(change).await, "services/web/assets:other changed");
}

#[tokio::test]
async fn links_on_the_way_to_a_source_are_followed() {
    let web = Project::new("FROM python:3.11\nCOPY now/app.py l*/x /\n");
    web.write("v2/app.py", "2");
    web.write("v1/app.py", "1");
    web.write("lib/x", "");
    web.write("target/x", "");
    symlink("v2", web.path("now")).unwrap();
    symlink("/target", web.path("link")).unwrap();
    symlink("loop/a", web.path("loop")).unwrap();
    assert_eq!(web.entries().await, "lib lib/x link loop now target target/x v2 v2/app.py");
}

#[tokio::test]
async fn excludes_leave_out_what_no_other_source_shows() {
    let web = Project::new("FROM python:3.11\nCOPY --exclude=**/*.md . /\nCOPY docs/a.md /\n");
    for path in ["docs/a.md", "docs/b.md", "src/x.py", "only/c.md"] {
        web.write(path, "");
    }
    assert_eq!(web.entries().await, "Dockerfile docs docs/a.md only src src/x.py");
}

#[tokio::test]
async fn the_dockerfiles_own_ignore_file_takes_precedence() {
    let mut web = Project::new(COPY_ALL);
    web.write(".dockerignore", "a");
    web.write("a", "");
    web.write("b", "");
    web.write("deploy/web.Dockerfile", COPY_ALL);
    assert_eq!(web.entries().await, ".dockerignore Dockerfile b deploy deploy/web.Dockerfile");
    web.build.dockerfile = web.path("deploy/web.Dockerfile");
    web.write("deploy/web.Dockerfile.dockerignore", "*\n!b\n");
    let inputs = web.docker().await;
    assert_eq!(inputs.dockerfile_name, "web.Dockerfile");
    assert_eq!(inputs.dockerignore.as_deref(), Some(&b"*\n!b\n"[..]));
    assert_eq!(web.entries().await, "b");
    web.write("deploy/web.Dockerfile.dockerignore", "[");
    let error = web.try_hash(Builder::Docker(web.build.clone())).await.unwrap_err();
    assert_eq!(error.code(), "wharf::build::bad_ignore");
}

#[tokio::test]
async fn triggers_of_a_base_make_more_visible() {
    let mut web = Project::new("FROM python:onbuild\nCOPY x /\n");
    web.write("x", "");
    web.write("requirements.txt", "");
    web.knows("python:onbuild", "one");
    assert_eq!(web.entries().await, "x");
    let triggers = vec!["COPY requirements.txt /".to_owned()];
    web.known.get_mut("python:onbuild").unwrap().triggers = Some(triggers);
    assert_eq!(web.entries().await, "requirements.txt x");
    // Where they cannot be read, they may ask for anything.
    web.write("more", "");
    web.known.get_mut("python:onbuild").unwrap().triggers = None;
    assert_eq!(web.entries().await, "Dockerfile more requirements.txt x");
    web.write("Dockerfile", "FROM python:3.11\nCOPY --from=python:onbuild x /\n");
    assert_eq!(web.entries().await, "", "files alone are taken from it");
}

#[tokio::test]
async fn each_local_base_is_looked_at_again_for_what_it_was_hashed_for() {
    let mut web = Project::new(
        "# syntax=docker/dockerfile:1\nFROM --platform=$BUILDPLATFORM golang AS b\n\
         FROM python:3.11\nCOPY --from=b /x /\n",
    );
    web.platform = Platform::parse("linux/arm64").unwrap();
    for reference in ["docker/dockerfile:1", "golang", "python:3.11"] {
        web.knows(reference, "one");
        web.known.get_mut(reference).unwrap().is_local = true;
    }
    let inputs = web.docker().await;
    let mut bases: Vec<String> = (inputs.local_bases.iter())
        .map(|base| format!("{} for {}", base.reference.split('@').next().unwrap(), base.platform))
        .collect();
    bases.sort();
    let wanted = [
        "docker/dockerfile:1 for linux/amd64",
        "golang for linux/amd64",
        "python:3.11 for linux/arm64",
    ];
    assert_eq!(bases, wanted);
}

#[tokio::test]
async fn an_unknown_frontend_may_read_anything() {
    let mut web = Project::new("# syntax=acme/frontend:2\nFROM python:3.11\n");
    web.knows("acme/frontend:2", "two");
    web.write("x", "");
    assert_eq!(web.entries().await, "Dockerfile x");
    let text = web.docker().await.dockerfile_text;
    assert!(text.starts_with(b"# syntax=acme/frontend:2@sha256:two\n"));
    web.write("Dockerfile", "# syntax=docker/dockerfile:1\nFROM python:3.11\n");
    web.knows("docker/dockerfile:1", "three");
    assert_eq!(web.entries().await, "");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let mut web = Project::new("FROM nowhere/nothing:1\n");
    let docker = |web: &Project| Builder::Docker(web.build.clone());
    let error = web.try_hash(docker(&web)).await.unwrap_err();
    assert_eq!(error.to_string(), "base image `nowhere/nothing:1` of `web` cannot be found");
    web.here = Some(Platform::parse("linux/arm64").unwrap());
    let failure = web.try_hash(docker(&web)).await.unwrap_err().failure();
    assert_eq!(
        [failure.why, failure.help].concat(),
        [
            "Docker has it for linux/arm64, not for linux/amd64, and its registry has it not: not found",
            "try it: `docker pull --platform linux/amd64 nowhere/nothing:1`; once it is there, the build goes on",
        ]
    );
    web.build.dockerfile = web.path("missing");
    let error = web.try_hash(docker(&web)).await.unwrap_err();
    assert_eq!(error.code(), "wharf::build::no_dockerfile");
    web.build.context = web.path("missing");
    let error = web.try_hash(docker(&web)).await.unwrap_err();
    assert_eq!(error.code(), "wharf::build::no_context");
}

#[tokio::test]
async fn a_commands_inputs_are_what_its_globs_select() {
    let mut web = Project::new("");
    for path in ["go.mod", "worker/main.go", "worker/main_test.go", "docs/x", ".git/HEAD"] {
        web.write(path, path);
    }
    let build = |inputs: &[&str]| CommandBuild {
        command: "./build.sh".to_owned(),
        dir: web.build.context.clone(),
        inputs: inputs.iter().map(|&text| text.to_owned()).collect(),
        ignore: vec!["**/*_test.go".to_owned()],
        env: BTreeMap::new(),
    };
    let (some, all) = (build(&["worker", "go.mod"]), build(&[]));
    let hash = async |web: &Project, build: &CommandBuild| {
        web.try_hash(Builder::Command(build.clone())).await.unwrap()
    };
    let before = hash(&web, &some).await;
    let all_before = hash(&web, &all).await;
    web.write("docs/x", "new");
    web.write("worker/main_test.go", "new");
    web.write(".git/HEAD", "new");
    assert_eq!(hash(&web, &some).await.hash, before.hash);
    let now = hash(&web, &all).await;
    assert_eq!(why(Some(&all_before.digest), &now), "services/web/docs/x changed");
    web.write("worker/main.go", "new");
    let now = hash(&web, &some).await;
    assert_eq!(why(Some(&before.digest), &now), "services/web/worker/main.go changed");
    let other = CommandBuild { command: "make".to_owned(), ..some.clone() };
    let other = hash(&web, &other).await;
    assert_eq!(why(Some(&now.digest), &other), "the build command changed");
    web.bases.insert(name("base"), ImageRef::parse("base:1").unwrap());
    let based = hash(&web, &some).await;
    assert_eq!(why(Some(&now.digest), &based), "base image base added");
    let bad = CommandBuild { inputs: vec!["[".to_owned()], ..some };
    let error = web.try_hash(Builder::Command(bad)).await.unwrap_err();
    assert_eq!(error.code(), "wharf::build::bad_glob");
}

#[tokio::test]
async fn reasons_are_remembered_from_run_to_run() {
    let web = Project::new(COPY_ALL);
    let scope = web.scope();
    let first = web.inputs().await;
    assert_eq!(why(previous(&scope, &first.artifact).as_ref(), &first), "first build");
    remember(&scope, &first).unwrap();
    for path in ["c", "b", "a\nb"] {
        web.write(path, "");
    }
    let now = web.inputs().await;
    let told = why(previous(&scope, &now.artifact).as_ref(), &now);
    assert_eq!(told, "services/web/a\\nb added and 2 more");
    assert_eq!(why(Some(&now.digest), &now), "its image is gone");
}

#[tokio::test]
async fn names_with_blanks_and_line_ends_are_told_apart() {
    let one = Project::new(COPY_ALL);
    let two = Project::new(COPY_ALL);
    one.write("a\nfile 644:0 b", "");
    two.write("a", "");
    two.write("b", "");
    assert_ne!(one.inputs().await.hash, two.inputs().await.hash);
}

#[test]
fn order_is_by_components() {
    let order = |left: &str, right: &str| Entry::order(left, right);
    assert!(order("a", "a/b").is_lt());
    assert!(order("a/b", "a.txt").is_lt());
    assert!(order("a-b", "a/b").is_gt());
}
