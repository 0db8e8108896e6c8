//! Children of commands that can do without a cluster, and flags that lead Helm elsewhere.

use super::place::{Place, hello};

/// A cluster on another machine, which nobody has allowed.
const STAGING: &str = "\
apiVersion: v1
kind: Config
current-context: staging
contexts: [{name: staging, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://kube.example.invalid:6443'}}]
users: [{name: u, user: {token: its-token}}]
";

/// What a child says that it was given.
const SPY: &str = "cat \"$KUBECONFIG\" >> given; env >> given";

fn place(kubeconfig: Option<&str>) -> Place {
    let place = hello().program("helm", SPY).file("kubeconfig", kubeconfig.unwrap_or_default());
    let file = if kubeconfig.is_some() { "kubeconfig" } else { "none" };
    let file = place.project().join(file).display().to_string();
    let path = format!("{}:/usr/bin:/bin", place.programs().display());
    place
        .variable("KUBECONFIG", &file)
        .variable("PATH", &path)
        .variable("HELM_KUBECONTEXT", "production")
        .variable("KUBERNETES_SERVICE_HOST", "10.9.8.7")
}

/// Renders with a given image, which needs neither Docker nor a cluster.
const RENDER: [&str; 5] = ["render", "-i", "hello=hello:1", "--platform", "linux/amd64"];

#[test]
fn a_context_that_is_not_allowed_reaches_no_child() {
    for kubeconfig in [Some(STAGING), None] {
        let place = place(kubeconfig);
        let ended = place.wharf(&RENDER);
        let given = place.text("given");
        assert!(given.contains("\"kind\": \"Config\""), "the child knows an empty file: {given}");
        for word in ["staging", "its-token", "production", "10.9.8.7"] {
            assert!(!given.contains(word), "{word}: {given}");
        }
        let says = ended.stderr.contains("context `staging` is not a local cluster");
        assert_eq!(says, kubeconfig.is_some(), "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("--context staging"), says, "{}", ended.stderr);
    }
}

#[test]
fn a_context_that_was_asked_for_and_is_not_there_ends_every_command() {
    let place = place(Some(STAGING));
    let ended = place.wharf(&[&RENDER[..], &["--context", "stagin"]].concat());
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("did you mean `staging`?"), "{}", ended.stderr);
    assert!(!place.project().join("given").exists(), "nothing was started");
}

#[test]
fn tests_of_images_reach_no_context_that_is_not_allowed() {
    let skaffold = format!(
        "apiVersion: skaffold/v4beta13\nkind: Config\nbuild: {{artifacts: [{{image: hello}}]}}\n\
         test: [{{image: hello, custom: [{{command: '{SPY}'}}]}}]\n"
    );
    let place = place(Some(STAGING)).file("skaffold.yaml", &skaffold);
    let ended = place.wharf(&["test", "-f", "skaffold.yaml", "-i", "hello=hello:1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let given = place.text("given");
    assert!(given.contains("\"kind\": \"Config\"") && !given.contains("its-token"), "{given}");
}

#[test]
fn a_release_leads_helm_nowhere_else() {
    for flag in ["--kube-context=x", "--kubeconfig", "--kube-token=x", "-nx", "--dry-run"] {
        let text = format!("releases:\n  hello: {{chart: chart, flags: [--devel, {flag}]}}\n");
        let ended = hello().file("wharf.yaml", &text).wharf(&["config"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{flag}");
        assert!(ended.stderr.contains("wharf does not give Helm the flag"), "{}", ended.stderr);
        assert!(ended.stderr.contains("wharf.yaml:2:42"), "{}", ended.stderr);
    }
}

#[test]
fn flags_of_skaffold_are_refused_where_there_is_no_configuration_of_its() {
    let ended = hello().wharf(&["config", "-d", "localhost:5000", "--timestamps"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(ended.stderr, @r"
    error: `--default-repo`, `--timestamps` are flags for a `skaffold.yaml`, and there is none
      help: instead of `--default-repo`: name a `registry` in the configuration
      help: leave out `--timestamps`
      [wharf::cli::skaffold_flag]
    ");
    // Where there is one, they count.
    let skaffold = "apiVersion: skaffold/v4beta13\nkind: Config\n\
                    build: {artifacts: [{image: hello}]}\n";
    let place = hello().file("skaffold.yaml", skaffold);
    let arguments = ["config", "-f", "skaffold.yaml", "-d", "localhost:5000", "--timestamps"];
    let ended = place.wharf(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("localhost:5000"), "{}", ended.stdout);
}
