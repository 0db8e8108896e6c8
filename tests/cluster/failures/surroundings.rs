//! Failures of what wharf stands on: Docker, programs, ports, limits, disks.

use std::path::Path;

use super::{failure, mended, times_told};
use crate::support::{Project, StandIn, Wharf, get, kubectl, output, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn docker_is_down_at_the_start_and_in_between() {
    let project = Project::hello();
    let engine = std::env::var("DOCKER_HOST").expect("the testbed's Engine");
    let engine = Path::new(engine.strip_prefix("unix://").expect("it has a socket"));
    let mut docker = StandIn::unix(&project.home().join("docker.sock"), engine);
    let host = format!("unix://{}", docker.address());
    let mut wharf = Wharf::start_with(&project, &["dev"], |command| {
        command.env("DOCKER_HOST", &host);
    });
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed: cannot reach Docker at unix://HOME/docker.sock
      No such file or directory (os error 2)
    help: start it: `sudo systemctl start docker`, or open Docker Desktop, or set DOCKER_HOST
    [wharf::docker::unreachable]
    ");
    docker.start();
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::docker::unreachable"), 1);

    docker.stop();
    project.edit("app.py", "hello from wharf", "hello again");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed: cannot reach Docker at unix://HOME/docker.sock
      No such file or directory (os error 2)
    help: start it: `sudo systemctl start docker`, or open Docker Desktop, or set DOCKER_HOST
    [wharf::docker::unreachable]
    ");
    assert_ne!(wharf.round(), 0);
    docker.start();
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::docker::unreachable"), 2);
    assert_eq!(wharf.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn helm_is_missing_and_a_port_is_taken() {
    let project = Project::hello();
    let port = port_of(&project);
    let holder = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let bin = project.home().join("bin");
    std::fs::create_dir(&bin).expect("a folder can be made");
    let mut wharf = Wharf::start_with(&project, &["dev"], |command| {
        command.env("PATH", &bin);
    });
    let (first, second) = (failure(&mut wharf, &project), failure(&mut wharf, &project));
    let (taken, missing) =
        if first.starts_with("service/") { (first, second) } else { (second, first) };
    insta::assert_snapshot!(missing, @r"
    hello  failed: `helm` is not on the PATH
      a release of the project is installed from a Helm chart
    help: install Helm 3 or 4: https://helm.sh/docs/intro/install
    [wharf::render::no_helm]
    ");
    let own = format!("`{}` (pid {})", comm(), std::process::id());
    let taken = taken.replace(&own, "HOLDER").replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(taken, @r"
    service/hello  failed: port PORT is taken by HOLDER
    help: end HOLDER, or give the forward another `local` port (`forward:` of `service/hello`)
    [wharf::observe::port_taken]
    ");
    assert_ne!(wharf.round(), 0);

    let helm = output("sh", &["-c", "command -v helm"]);
    std::os::unix::fs::symlink(helm.trim(), bin.join("helm")).expect("a link can be made");
    mended(&mut wharf);
    drop(holder);
    assert_eq!(wharf.port("service/hello"), port);
    assert_eq!(get(port, "/").as_deref(), Some("hello from wharf"));
    assert_eq!(times_told(&wharf, "wharf::render::no_helm"), 1);
    assert_eq!(times_told(&wharf, "wharf::observe::port_taken"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn the_limit_on_watches_is_reached() {
    let told = without_watches("watches", 2);
    insta::assert_snapshot!(told, @"the system's limit on watched files is reached (fs.inotify.max_user_watches = N); saves are looked for instead, which is slower. Raise it: `sudo sysctl fs.inotify.max_user_watches=524288`");
    let told = without_watches("instances", 0);
    insta::assert_snapshot!(told, @"the system's limit on programs that watch files is reached (fs.inotify.max_user_instances = N); saves are looked for instead, which is slower. Raise it: `sudo sysctl fs.inotify.max_user_instances=1024`");
}

/// A session in a user namespace with a limit of its own: what it says of that. Saves are noticed
/// all the same, and as ever once the limit is raised.
fn without_watches(what: &str, limit: u32) -> String {
    let project = Project::web();
    let set = |limit: u32| format!("echo {limit} > /proc/sys/user/max_inotify_{what}");
    let mut wharf = Wharf::start_apart(&project, &set(limit), &["dev"]);
    let note = wharf.next("the note", |told| {
        (told["report"] == "warning").then(|| told["text"].as_str().map(str::to_owned))?
    });
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    let again = format!("{} again", project.namespace());
    project.write("www/index.html", &again);
    assert_eq!(wharf.round(), 0);
    wait_for("the edit", || (get(port, "/")? == again).then_some(()));
    let watching = wharf.reports().into_iter().find(|told| told["report"] == "watching");
    assert!(watching.is_some_and(|told| told["note"].is_null()), "it is told once");
    inside(&wharf, &set(10_000));
    wharf.next("that it is mended", |told| {
        (told["report"] == "note" && told["text"] == "the system tells of saves again")
            .then_some(())
    });
    let more = format!("{} once more", project.namespace());
    project.write("www/index.html", &more);
    assert_eq!(wharf.round(), 0);
    wait_for("the edit", || (get(port, "/")? == more).then_some(()));
    assert_eq!(wharf.interrupt(), Some(0));
    let number = regex::Regex::new(r"(max_user_\w+) = \d+").expect("it is a pattern");
    number.replace(&note, "$1 = N").into_owned()
}

#[test]
#[ignore = "needs a cluster"]
fn the_state_directory_is_read_only_and_full_at_the_start_and_in_between() {
    let project = Project::hello();
    let config = "images:\n  hello: {context: .}\nreleases:\n  hello: {chart: chart}\n\
                  forward: [service/hello]\n";
    project.write("wharf.yaml", config);
    let state = project.home().join("state");
    std::fs::create_dir(&state).expect("a folder can be made");
    let shown = state.display();
    let script = format!(
        "mount -t tmpfs -o size=1m none {shown}; mkdir {shown}/wharf; \
         head -c 2000000 /dev/zero > {shown}/ballast 2> {shown}/../tmp/full || true; \
         rm {shown}/../tmp/full; mount -o remount,ro {shown}"
    );
    let mut wharf = Wharf::start_apart(&project, &script, &["dev"]);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    error: HOME/STATE/hello could not be written
      Read-only file system (os error 30)
    help: make it writable, or point XDG_STATE_HOME at a folder that is
    [wharf::files::unwritable]
    ");
    inside(&wharf, &format!("mount -o remount,rw {shown}"));
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    error: HOME/STATE/hello/wharf.lock could not be written
      No space left on device (os error 28)
    help: free some disk: `df -h`
    [wharf::files::unwritable]
    ");
    inside(&wharf, &format!("rm {shown}/ballast"));
    let port = wharf.port("service/hello");
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::files::unwritable"), 2);

    // In between: what needs no new way back goes on, what does is not done before that is kept.
    let fill =
        format!("head -c 2000000 /dev/zero > {shown}/ballast 2> {shown}/../tmp/full || true");
    inside(&wharf, &fill);
    project.edit("app.py", "hello from wharf", "hello again");
    wait_for("the edit", || (get(port, "/")? == "hello again").then_some(()));
    project.write("extra.yaml", &(0..60).map(map).collect::<String>());
    project.write("wharf.yaml", &format!("{config}manifests: {{extra: extra.yaml}}\n"));
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    extra  failed: the journal cannot be kept
      HOME/STATE/hello/journal.jsonl could not be written
      No space left on device (os error 28)
    help: free some disk: `df -h`
    [wharf::cleanup::journal]
    ");
    assert_ne!(wharf.round(), 0);
    let made = || {
        let all = kubectl(&["get", "configmap", "-n", project.namespace(), "-o", "name"]);
        all.lines().filter(|name| name.starts_with("configmap/extra-")).count()
    };
    assert_eq!(made(), 0, "nothing is made that could not be taken back");
    inside(&wharf, &format!("rm {shown}/ballast"));
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::cleanup::journal"), 1);
    assert_eq!(made(), 60);

    // What was opened before it became read-only can still be written to.
    inside(&wharf, &format!("mount --bind {shown} {shown}; mount -o remount,bind,ro {shown}"));
    project.edit("app.py", "hello again", "hello once more");
    wait_for("the edit", || (get(port, "/")? == "hello once more").then_some(()));
    project.write("extra.yaml", &(0..61).map(map).collect::<String>());
    wait_for("one more object", || (made() == 61).then_some(()));
    for line in inside(&wharf, &format!("cat {shown}/wharf/*/journal.jsonl")).lines() {
        let line: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(line.is_ok(), "none is cut short: {line:?}");
    }
    inside(&wharf, &format!("umount {shown}"));
    let failures = wharf.reports().into_iter().filter(super::is_failure).count();
    assert_eq!(failures, 3, "each was told once");
    assert_eq!(wharf.interrupt(), Some(0));
    assert_eq!(made(), 0, "and they were taken back");
}

#[test]
#[ignore = "needs a cluster"]
fn a_typo_in_the_configuration_while_running() {
    let project = Project::hello();
    let good = "images:\n  hello: {context: .}\nreleases:\n  hello: {chart: chart}\n\
                forward: [service/hello]\n";
    project.write("wharf.yaml", good);
    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/hello");
    assert_eq!(wharf.round(), 0);

    project
        .write("wharf.yaml", &good.replace("{chart: chart}", "{chart: chart, valeus: [a.yaml]}"));
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    error: unknown key `valeus` in a release
     --> wharf.yaml:4:25
      |
    4 |   hello: {chart: chart, valeus: [a.yaml]}
      |                         ^^^^^^ did you mean `values`?
      until then the last good configuration counts
    [wharf::config::unknown_key]
    ");
    assert_ne!(wharf.round(), 0);
    // The loop goes on with the last good configuration.
    project.edit("app.py", "hello from wharf", "hello again");
    wait_for("the edit", || (get(port, "/")? == "hello again").then_some(()));

    project.write("a.yaml", "replicas: 2\n");
    project
        .write("wharf.yaml", &good.replace("{chart: chart}", "{chart: chart, values: [a.yaml]}"));
    mended(&mut wharf);
    let replicas = ["get", "deployment", "hello", "-n", project.namespace(), "-o"];
    let replicas = kubectl(&[&replicas[..], &["jsonpath={.spec.replicas}"]].concat());
    assert_eq!(replicas, "2", "the difference was applied");
    assert_eq!(times_told(&wharf, "wharf::config::unknown_key"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}

/// One of many objects: the way back from all of them takes more than a page of the disk.
fn map(number: usize) -> String {
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra-{number}}}\n")
}

/// Runs a command in the namespaces of a wharf that was started apart.
fn inside(wharf: &Wharf, command: &str) -> String {
    let id = wharf.id().to_string();
    let enter = ["-t", &id, "--user", "--mount", "--preserve-credentials", "sh", "-c", command];
    output("nsenter", &enter)
}

/// The local port that the project's service asks for.
fn port_of(project: &Project) -> u16 {
    let values = project.read("chart/values.yaml");
    let port = values.lines().find_map(|line| line.trim().strip_prefix("port: "));
    port.and_then(|port| port.parse().ok()).expect("the chart names a port")
}

/// The name of this process, as the system knows it.
fn comm() -> String {
    std::fs::read_to_string("/proc/self/comm").expect("it has a name").trim().to_owned()
}
