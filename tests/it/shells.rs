//! Completion in the shells themselves: each is started in a terminal, and Tab is pressed.

use std::time::Duration;

use expectrl::{Expect as _, Session};

use super::place::{Place, hello};

/// A shell that starts, reads what wharf registers and asks it twice, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What is typed before Tab, and the line after it.
const LINES: [(&str, &str); 6] = [
    ("wharf dep", "wharf deploy"),
    ("wharf build acme/w", "wharf build acme/web"),
    ("wharf dev sh", "wharf dev shop"),
    ("wharf dev -p stag", "wharf dev -p staging"),
    ("wharf --context kind-d", "wharf --context kind-dev"),
    ("wharf logs --build ac", "wharf logs --build acme/web"),
];

const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
contexts:
  - {name: kind-dev, context: {cluster: dev, user: dev}}
  - {name: production, context: {cluster: eu, user: eu}}
";

const PROJECT: &str = "\
images:
  acme/web: {context: .}
releases:
  shop: {chart: chart}
profiles:
  staging: {cluster: {namespace: staging}}
  ci: {cluster: {namespace: ci}}
";

fn project() -> Place {
    let place = hello().file("wharf.yaml", PROJECT).file("kubeconfig", KUBECONFIG);
    let kubeconfig = place.project().join("kubeconfig").display().to_string();
    place.variable("KUBECONFIG", &kubeconfig).variable("TERM", "xterm")
}

/// Starts `shell` with `arguments`, has it read `register`, and presses Tab behind each line.
fn check(shell: &str, arguments: &[&str], register: &str) {
    let place = project();
    let program = ["/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin"]
        .map(|folder| std::path::Path::new(folder).join(shell))
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{shell} is missing; tests/run.sh installs it"));
    let mut command = place.other(&program, arguments);
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_wharf")).parent().unwrap();
    command.stdin(std::process::Stdio::inherit());
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(LIMIT));
    // Quotes inside, so that the typed line is not mistaken for its result.
    session.send(format!("{register}\recho REA''DY\r")).unwrap();
    session.expect("READY").unwrap_or_else(|error| panic!("{shell} does not start: {error}"));
    for (typed, whole) in LINES {
        // Ctrl+A: to the line's beginning, so that it is shown instead of run.
        session.send(format!("{typed}\t\x01echo GO''T \r")).unwrap();
        session
            .expect(format!("GOT {whole}"))
            .unwrap_or_else(|error| panic!("{shell}: `{typed}` and Tab: {error}"));
    }
    session.send("exit\r").unwrap();
}

#[test]
#[ignore = "needs the shell, which tests/run.sh installs"]
fn bash_completes_names_profiles_and_contexts() {
    check("bash", &["--norc", "-i"], "source <(wharf completions --dynamic bash)");
}

#[test]
#[ignore = "needs the shell, which tests/run.sh installs"]
fn zsh_completes_names_profiles_and_contexts() {
    let register = "autoload -U compinit && compinit -u; source <(wharf completions --dynamic zsh)";
    check("zsh", &["-f", "-i"], register);
}

#[test]
#[ignore = "needs the shell, which tests/run.sh installs"]
fn fish_completes_names_profiles_and_contexts() {
    check("fish", &["--no-config", "-i"], "wharf completions --dynamic fish | source");
}

/// The committed files are read by the shells that they are for, without a complaint.
#[test]
#[ignore = "needs the shell, which tests/run.sh installs"]
fn the_committed_completions_are_what_the_shells_can_read() {
    let folder = format!("{}/completions", env!("CARGO_MANIFEST_DIR"));
    for (shell, arguments) in [
        ("/bin/bash", vec!["-n".to_owned(), format!("{folder}/wharf.bash")]),
        ("/usr/bin/zsh", vec!["-n".to_owned(), format!("{folder}/_wharf")]),
        ("/usr/bin/fish", vec!["--no-execute".to_owned(), format!("{folder}/wharf.fish")]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = Place::new().other(shell.as_ref(), &arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && words.is_empty(), "{shell}: {words}");
    }
}
