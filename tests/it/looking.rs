//! `doctor`, `status`, `logs` and `delete`, as far as they get without a cluster.

use insta::assert_snapshot;

use super::place::{Place, hello};

#[test]
fn doctor_names_what_is_amiss_and_fails() {
    let ended = hello().program("helm", "echo v3.19.0").wharf(&["doctor"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
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

#[test]
fn doctor_tells_programs_one_object_per_check() {
    let ended = Place::new().wharf(&["doctor", "--json"]);
    assert_eq!(ended.code, 1);
    let states: Vec<(String, String)> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|check| {
            (check["name"].as_str().unwrap().into(), check["state"].as_str().unwrap().into())
        })
        .collect();
    assert!(states.contains(&("docker".into(), "fail".into())), "{states:?}");
    assert!(states.contains(&("helm".into(), "fail".into())), "{states:?}");
    assert!(states.contains(&("state".into(), "ok".into())), "{states:?}");
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
