//! `doctor`, `status`, `logs` and `delete`, as far as they get without a cluster.

use std::io::{BufRead as _, BufReader};

use insta::assert_snapshot;

use super::place::{Place, hello};

#[test]
fn doctor_names_what_is_amiss_and_fails() {
    let ended = hello().program("helm", "echo v3.19.0").wharf(&["doctor"]);
    assert_eq!(ended.code, 1);
    // On a busy machine Docker may be waited for, which is said.
    let said = ended.stderr.lines().filter(|line| !line.contains("waiting for")).count();
    assert_eq!(said, 0, "{}", ended.stderr);
    // The machine's own disk and limits differ.
    let own: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| {
            !["disk", "inotify", "help: sudo sysctl", "help: make room"]
                .iter()
                .any(|own| line.contains(own))
        })
        .collect();
    assert_snapshot!(own.join("\n"), @r#"
    ok    project      hello: 1 image, 1 release
    fail  docker       cannot reach Docker at unix://PLACE/no-docker.sock: No such file or directory (os error 2)
                       help: start it: `sudo systemctl start docker`, or open Docker Desktop, or set DOCKER_HOST
    fail  cluster      no kubeconfig with a context was found: looked in `PLACE/no-kubeconfig`
                       help: make a local cluster: `kind create cluster`
    ok    helm         v3.19.0
    ok    state        PLACE/home/.local/state/wharf
    "#);
}

/// Each check that can be made to fail without a cluster, with what it says and how to mend it.
#[test]
fn doctor_says_how_to_mend_each_thing() {
    let kubeconfig = |text: &str| {
        let place = hello().file("kubeconfig", text);
        let path = place.project().join("kubeconfig").display().to_string();
        place.variable("KUBECONFIG", &path)
    };
    let remote = "apiVersion: v1\nkind: Config\ncurrent-context: eu\n\
                  contexts: [{name: eu, context: {cluster: eu, user: eu}}]\n\
                  clusters: [{name: eu, cluster: {server: 'https://10.1.2.3:6443'}}]\n\
                  users: [{name: eu, user: {token: abc}}]\n";
    let dead = remote.replace("10.1.2.3:6443", "127.0.0.1:9").replace("eu", "kind-dev");
    for (place, check, what, help) in [
        (hello(), "helm", "it is not on the PATH", "install Helm 3 or 4"),
        (hello().program("helm", "echo v2.17.0"), "helm", "`v2.17.0` is not", "install Helm 3"),
        (hello().program("helm", "exit 3"), "helm", "ended with status 3", "install Helm 3"),
        (hello(), "docker", "cannot reach Docker", "systemctl start docker"),
        (
            hello().variable("DOCKER_HOST", "tcp://127.0.0.1:9"),
            "docker",
            "Connection refused",
            "systemctl start docker",
        ),
        (hello().variable("DOCKER_HOST", "nonsense"), "docker", "`nonsense`", "DOCKER_HOST"),
        (hello(), "cluster", "no kubeconfig", "kind create cluster"),
        (kubeconfig(": ["), "cluster", "cannot be used", "kubectl config view"),
        (kubeconfig(remote), "cluster", "`eu` is not a local cluster", "--context eu"),
        (kubeconfig(&dead), "cluster", "does not answer", "kind create cluster --name dev"),
        (hello().file("wharf.yaml", "imges: {}\n"), "project", "wharf.yaml:1:1", "wharf config"),
        (Place::new(), "project", "nothing there to infer", "-f FILE"),
        (
            hello().variable("XDG_STATE_HOME", "/proc/none"),
            "state",
            "could not be written",
            "XDG_STATE_HOME",
        ),
    ] {
        let ended = place.wharf(&["doctor", "--json"]);
        let lines = ended.stdout.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"))
        });
        let checks: Vec<serde_json::Value> = lines.collect();
        let found = checks.iter().find(|found| found["name"] == check).unwrap();
        assert_ne!(found["state"], "ok", "{found}");
        let said = found["what"].as_str().unwrap();
        assert!(said.contains(what) && said.lines().count() == 1, "{check}, {what}: {found}");
        assert!(found["help"].to_string().contains(help), "{check}, {help}: {found}");
        for check in checks.iter().filter(|check| check["state"] != "ok") {
            assert_ne!(check["help"], serde_json::json!([]), "{check}");
        }
    }
}

/// In a user namespace of its own, where lowering the limit touches nobody else.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs user namespaces, and unshare"]
fn doctor_knows_the_limits_of_a_user_namespace() {
    let place = hello();
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let script =
        format!("echo 9 > /proc/sys/user/max_inotify_watches && exec '{wharf}' doctor --json");
    let output = place
        .other(
            "/usr/bin/unshare".as_ref(),
            &["--user", "--map-root-user", "/bin/sh", "-c", &script],
        )
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("\"inotify\""))
        .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(line.contains("\"warn\"") && line.contains("9 watches"), "{line}");
    assert!(line.contains("sudo sysctl fs.inotify.max_user_watches="), "{line}");
}

#[test]
fn doctor_tells_programs_one_object_per_check() {
    let ended = Place::new().wharf(&["doctor", "--json"]);
    assert_eq!(ended.code, 1);
    let states: Vec<(String, String)> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|report| report["report"] == "check")
        .map(|check| {
            (check["name"].as_str().unwrap().into(), check["state"].as_str().unwrap().into())
        })
        .collect();
    assert!(states.contains(&("docker".into(), "fail".into())), "{states:?}");
    assert!(states.contains(&("helm".into(), "fail".into())), "{states:?}");
    assert!(states.contains(&("state".into(), "ok".into())), "{states:?}");
}

/// A server that takes every connection and never says a word.
fn silent_cluster(place: Place) -> (Place, std::net::TcpListener) {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: kind-dev\n\
         contexts: [{{name: kind-dev, context: {{cluster: dev, user: dev}}}}]\n\
         clusters: [{{name: dev, cluster: {{server: 'https://{address}'}}}}]\n\
         users: [{{name: dev, user: {{token: abc}}}}]\n"
    );
    let place = place.file("kubeconfig", &text);
    let path = place.project().join("kubeconfig").display().to_string();
    (place.variable("KUBECONFIG", &path), server)
}

#[test]
fn a_silent_cluster_is_said_to_be_waited_for() {
    for command in ["status", "logs", "delete", "doctor"] {
        let (place, _server) = silent_cluster(hello());
        let mut child = place.start(&[command, "--json"]);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reports =
            stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()));
        // Long before its time is up.
        let begun = std::time::Instant::now();
        let waits = reports.map(Result::unwrap).find(|report| report["report"] == "waiting");
        assert!(begun.elapsed() < std::time::Duration::from_secs(9), "{command}");
        let why = waits.unwrap()["why"].to_string();
        assert!(why.contains("the cluster to answer"), "{command}: {why}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn how_long_a_silent_cluster_was_waited_for_is_said_in_words() {
    let (place, _server) = silent_cluster(hello());
    let ended = place.wharf(&["status"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("no answer within 10 s"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("deadline"), "{}", ended.stderr);
}

/// What is missing for a build is none of these commands' business.
#[test]
fn what_stands_is_looked_at_without_what_it_was_built_from() {
    let wharf_yaml = "name: hello
images:
  hello:
    context: gone
    args: {VERSION: \"${VERSION}\"}
    secrets: [{id: npmrc, file: gone/npmrc}]
releases:
  hello: {chart: \"${CHARTS}/hello\", wait: {timeout: \"${LIMIT}\"}}
forward: [{service: hello, port: \"${PORT}\"}]
";
    for command in ["status", "logs", "delete"] {
        // It gets as far as the cluster.
        let ended = hello().file("wharf.yaml", wharf_yaml).wharf(&[command]);
        assert!(ended.stderr.contains("no kubeconfig"), "{command}: {}", ended.stderr);
        // Where it is deployed must be known.
        let text = format!("{wharf_yaml}cluster: {{namespace: \"${{NAMESPACE}}\"}}\n");
        let ended = hello().file("wharf.yaml", &text).wharf(&[command]);
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains("is not set"), "{command}: {}", ended.stderr);
        // Half a project without a file is one.
        let place = super::place::example("hello");
        std::fs::remove_file(place.project().join("Dockerfile")).unwrap();
        let ended = place.wharf(&[command]);
        assert!(ended.stderr.contains("no kubeconfig"), "{command}: {}", ended.stderr);
        let ended = Place::new().wharf(&[command]);
        assert!(ended.stderr.contains("nothing there to infer"), "{command}: {}", ended.stderr);
    }
    let ended = hello().file("wharf.yaml", wharf_yaml).wharf(&["run"]);
    assert!(ended.stderr.contains("`VERSION` is not set"), "{}", ended.stderr);
}

#[test]
fn doctor_asks_for_the_programs_that_the_project_needs() {
    let place = || {
        Place::new()
            .file("k8s/kustomization.yaml", "resources: []\n")
            .file("wharf.yaml", "kustomize: [k8s]\n")
    };
    let names = |place: Place| {
        let ended = place.wharf(&["doctor", "--json"]);
        let lines = ended.stdout.lines().map(|line| {
            let report: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", report["name"].as_str().unwrap_or_default(), report["state"])
        });
        lines.collect::<Vec<_>>()
    };
    let missing = names(place());
    assert!(missing.contains(&"kustomize \"fail\"".to_owned()), "{missing:?}");
    assert!(!missing.iter().any(|name| name.starts_with("helm")), "{missing:?}");
    for program in ["kustomize", "kubectl"] {
        let there = names(place().program(program, ""));
        assert!(there.contains(&"kustomize \"ok\"".to_owned()), "{there:?}");
    }
}

#[test]
fn without_a_cluster_there_is_nothing_to_look_at() {
    for command in ["status", "logs", "delete"] {
        let ended = hello().wharf(&[command]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{command}: {}", ended.stderr);
        assert!(ended.stderr.contains("kubeconfig"), "{}", ended.stderr);
    }
}

#[test]
fn the_log_of_a_build_is_found_without_a_cluster() {
    let place = hello();
    let ended = place.wharf(&["logs", "--build", "hello"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_snapshot!(ended.stderr, @r#"
    error: `hello` was not built here yet
      help: build it: `wharf build hello`
      [wharf::logs::no_build]
    "#);

    let builds = place.state().join("hello-0123456789ab/builds");
    std::fs::create_dir_all(&builds).unwrap();
    std::fs::write(builds.join("hello.log"), "#1 [internal] load\n#1 DONE\n").unwrap();
    assert_eq!(place.wharf(&["logs", "--build", "hello"]).stdout, "#1 [internal] load\n#1 DONE\n");

    let ended = place.wharf(&["logs", "--build", "web"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!(ended.stderr, @r#"
    error: project `hello` has no image `web`
      help: its images: `hello`
      [wharf::names::unknown]
    "#);
}
