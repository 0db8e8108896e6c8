//! The disk of the Engine is full.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{failure, mended, times_told};
use crate::support::{Project, Wharf, output, part, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn the_disk_of_docker_is_full() {
    let registry = part("registry").remove("WHARF_REGISTRY").expect("it is exported");
    let mut project = Project::of("large", &[]);
    let engine = SmallEngine::start(&project);
    project.set_variable("DOCKER_HOST", &engine.host());
    // No pod runs it, so it need not be able to run.
    project.write("Dockerfile", "FROM scratch\nCOPY large /\n");
    // The registry must not have it already.
    project.write("large", &format!("{} ", project.namespace()).repeat(3 << 20));
    project.write("worker.yaml", WORKER);
    let config = format!(
        "images: {{large: {{}}}}\nmanifests: {{worker: worker.yaml}}\nregistry: {registry}/acme\n"
    );
    project.write("wharf.yaml", &config);

    let mut wharf = Wharf::start(&project, &["dev"]);
    let told = failure(&mut wharf, &project);
    let layer = regex::Regex::new("overlay2/[a-z0-9]+/").expect("it is a pattern");
    insta::assert_snapshot!(layer.replace_all(&told, "overlay2/LAYER/"), @r"
    large  failed to build: Docker has no space left
      write HOME/engine/data/overlay2/LAYER/diff/large: no space left on device
      full log: HOME/STATE/large/builds/large.log
    help: see what fills the disk of Docker: `docker system df`
    help: free what earlier builds have kept: `docker builder prune`
    help: see the full log: `wharf logs --build large`
    [wharf::build::no_space]
    ");
    assert_ne!(wharf.round(), 0);
    // It is tried again without a word until there is room.
    engine.grow();
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::build::no_space"), 1);
    assert_eq!(wharf.told("large", "building"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}

const WORKER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 0
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: worker, image: large}]}
";

/// An Engine of the test's own that runs no containers, with little room for images.
struct SmallEngine {
    child: Child,
    folder: PathBuf,
}

impl SmallEngine {
    fn start(project: &Project) -> Self {
        let folder = project.home().join("engine");
        std::fs::create_dir_all(folder.join("data")).expect("a folder can be made");
        let at = |name: &str| folder.join(name).display().to_string();
        let names = format!("--containerd-namespace=wharf-{}", project.namespace());
        let plugins = format!("--containerd-plugins-namespace=wharf-{}-p", project.namespace());
        // The mount is gone with the last process that can see it.
        let script =
            "mount -t tmpfs -o size=16m none \"$0\" && exec dockerd --data-root \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, &at("data"), "--exec-root", &at("exec")]);
        command.args(["--pidfile", &at("pid"), "-H", &format!("unix://{}", at("docker.sock"))]);
        command.args(["--bridge=none", "--iptables=false", "--ip-forward=false", &names, &plugins]);
        let log = std::fs::File::create(folder.join("log")).expect("a file can be made");
        let errors = log.try_clone().expect("it can be shared");
        // Docker's own programs must be found before those of a testbed.
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let engine = Self { child: child.expect("unshare is there"), folder };
        wait_for("an Engine of the test's own", || {
            let mut version = Command::new("docker");
            let version = version.args(["-H", &engine.host(), "version"]).output().ok()?;
            version.status.success().then_some(())
        });
        engine
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.join("docker.sock").display())
    }

    /// Gives it room.
    fn grow(&self) {
        let data = self.folder.join("data").display().to_string();
        let id = self.child.id().to_string();
        output("nsenter", &["-t", &id, "--mount", "mount", "-o", "remount,size=400m", &data]);
    }
}

impl Drop for SmallEngine {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
