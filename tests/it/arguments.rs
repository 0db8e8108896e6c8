//! What is asked for and refused before anything is done.

use std::io::Read as _;

use insta::assert_snapshot;

use super::place::{Place, hello, is_filled};

#[test]
fn help_fits_into_a_narrow_terminal() {
    let ended = Place::new().variable("COLUMNS", "40").wharf(&["--help"]);
    let list = ended.stdout.split("\nOptions:").next().unwrap();
    let sentences = list.lines().skip_while(|line| *line != "The loop:");
    let wide: Vec<&str> = sentences.filter(|line| line.chars().count() > 40).collect();
    assert_eq!(wide, [""; 0]);
    assert!(list.contains("\n               every save; take it"), "{list}");
}

#[test]
fn a_template_that_is_none_is_refused_before_anything_is_built() {
    // Docker would be missed first.
    let ended = hello().wharf(&["build", "-o", "{{.bad"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("the template cannot be used"), "{}", ended.stderr);
}

#[test]
fn a_switch_is_not_mistaken_for_a_name() {
    let ended = hello().wharf(&["dev", "--cleanup", "false"]);
    assert_eq!(ended.code, 2);
    assert_eq!(ended.stderr, "error: `--cleanup false` is written with `=`: `--cleanup=false`\n");
}

#[test]
fn help_lists_every_command_in_sections() {
    let ended = Place::new().wharf(&["--help"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_snapshot!(ended.stdout, @r#"
    The Kubernetes inner loop: save a file, and the change runs in the cluster

    Usage: wharf [OPTIONS] COMMAND [NAME]...

    The loop:
      dev          Build, deploy and follow every save; take it all back on Ctrl+C

    Its steps, once:
      run          Build and deploy once, and leave it running
      build        Build the images whose content changed and print their references
      deploy       Deploy images that are built already
      render       Print the manifests that would be deployed
      apply        Apply manifests that were rendered before
      delete       Take back what `run` left or a crash interrupted

    Run to its end:
      test         Run the tests of images that were built
      verify       Run the verifications, in local containers or as Jobs
      exec         Run a custom action, in local containers or as Jobs

    Looking:
      status       Show what of the project runs, and how it is
      logs         Show the logs of the project's containers, or of a build
      trace        Show the last rounds of `dev`, stage by stage, and what is usual
      bench        Edit a file again and again, and show how long each stage takes
      config       Print the configuration in effect, each value with where it came from
      doctor       Look at Docker, cluster, Helm and this machine, and say how to mend what is amiss

    Setting up:
      init         Write a wharf.yaml for this folder, from what lies in it
      schema       Print the JSON Schema of wharf.yaml, for editors
      completions  Print a shell's completions
      version      Print the version

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Project:
      -f, --file <FILE>      Configuration file, instead of `wharf.yaml` in the folder; - is stdin
      -p, --profile <NAME>   Profile whose overrides apply; may be given several times, later ones win
      -m, --module <NAME>    Module of `skaffold.yaml` with what it requires; may be given several times
      -C, --directory <DIR>  Act as if started in this folder

    Cluster:
          --context <NAME>    Context of the kubeconfig; also the permission for one that is not local
      -n, --namespace <NAME>  Namespace of everything that names none itself

    Output:
      -v, --verbose...    Say more; -vv says what wharf's own parts do
      -q, --quiet         Say only failures, warnings and what was asked for
          --json          One JSON object per report on stdout, for programs
          --color <WHEN>  Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set [default:
                          auto] [possible values: auto, always, never]

    `wharf COMMAND --help` says more about a command.
    "#);
}

#[test]
fn without_arguments_the_help_is_shown_as_a_mistake() {
    let place = Place::new();
    let ended = place.wharf(&[]);
    assert_eq!(ended.code, 2);
    assert_eq!(ended.stderr, place.wharf(&["--help"]).stdout);
}

#[test]
fn the_help_of_a_command_has_examples() {
    assert_snapshot!(Place::new().wharf(&["dev", "--help"]).stdout, @r#"
    Build, deploy and follow every save; take it all back on Ctrl+C

    Usage: wharf dev [OPTIONS] [NAME]...

    Arguments:
      [NAME]...  Images and releases to work on, with what they need [default: all]

    Options:
          --cleanup[=<BOOL>]       On leaving, take back everything that was made [default: true]
          --keep-data              On leaving, keep the claims for volumes and their data
          --rollback               On leaving, take releases that were installed before back to the
                                   revision that was found
          --strict-helm            Let every change go through `helm upgrade`, also one of images alone
          --manual                 Let saves wait until `r` is pressed
          --poll                   Look for changed files again and again, where the system tells of
                                   none (network folders)
          --tail[=<BOOL>]          Show the logs of the project's containers [default: true]
          --port-forward[=<BOOL>]  Open the project's local ports [default: true]
      -h, --help                   Print help

    Building:
          --no-cache            Build every image anew, without any cache
          --platform <OS/ARCH>  Platform that images are built for, such as linux/arm64 [default: the
                                nodes']

    Output:
      -v, --verbose...     Say more; -vv says what wharf's own parts do
      -q, --quiet          Say only failures, warnings and what was asked for
          --json           One JSON object per report on stdout, for programs
          --color <WHEN>   Colour; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set [default:
                           auto] [possible values: auto, always, never]
          --record <FILE>  Write the session's events to FILE, one JSON object per line, for a bug
                           report

    Project:
      -f, --file <FILE>      Configuration file, instead of `wharf.yaml` in the folder; - is stdin
      -p, --profile <NAME>   Profile whose overrides apply; may be given several times, later ones win
      -m, --module <NAME>    Module of `skaffold.yaml` with what it requires; may be given several times
      -C, --directory <DIR>  Act as if started in this folder

    Cluster:
          --context <NAME>    Context of the kubeconfig; also the permission for one that is not local
      -n, --namespace <NAME>  Namespace of everything that names none itself

    Examples:
      wharf dev                       the whole project
      wharf dev api                   one image or release, with what it needs
      wharf dev --cleanup=false       leave it running on Ctrl+C
      wharf dev --context staging-eu  on a cluster that is not local
    "#);
}

#[test]
fn a_wrong_command_gets_a_suggestion_and_exit_code_2() {
    let ended = Place::new().wharf(&["bulid"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_snapshot!(ended.stderr, @r#"
    error: unrecognized subcommand 'bulid'

      tip: a similar subcommand exists: 'build'

    Usage: wharf [OPTIONS] <COMMAND>

    For more information, try '--help'.
    "#);
}

#[test]
fn a_wrong_value_says_which_are_right() {
    let place = Place::new();
    for (arguments, expected) in [
        (
            &["dev", "--platform", "linux"][..],
            "`linux` is not a platform: `os/arch` or `os/arch/variant` is one",
        ),
        (&["dev", "-n", "Team_A"], "lower case letters, digits and `-`"),
        (&["logs", "--since", "soon"], "a time such as `90s`, `5m` or `1h30m`"),
        (&["build", "--color", "pink"], "possible values: auto, always, never"),
        (&["dev", "-q", "-v"], "cannot be used with"),
        (&["completions", "tcsh"], "possible values: bash, elvish, fish, powershell, zsh"),
    ] {
        let ended = place.wharf(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn help_may_be_asked_for_as_a_command() {
    let place = Place::new();
    assert_eq!(place.wharf(&["help"]), place.wharf(&["--help"]));
    assert_eq!(place.wharf(&["help", "logs"]), place.wharf(&["logs", "--help"]));
    assert_eq!(place.wharf(&["help", "lgos"]).code, 2);
}

#[test]
fn a_name_that_is_nearly_right_gets_a_suggestion() {
    let place = hello().file(
        "wharf.yaml",
        "images:\n  acme/api: {context: .}\nreleases:\n  shop: {chart: chart}\nprofiles:\n  staging: {}\n",
    );
    let place = place.file("kubeconfig", "apiVersion: v1\nkind: Config\ncontexts: [{name: kind-dev, context: {cluster: a, user: b}}]\n");
    let kubeconfig = place.project().join("kubeconfig").display().to_string();
    let place = place.variable("KUBECONFIG", &kubeconfig);
    for (arguments, suggestion) in [
        (&["build", "apj"][..], "did you mean `acme/api`?"),
        (&["build", "acme/apj"], "did you mean `acme/api`?"),
        (&["dev", "shpo"], "did you mean `shop`?"),
        (&["run", "zzz"], "known names: `acme/api`, `shop`"),
        (&["config", "-p", "stagin"], "did you mean `staging`?"),
        (&["config", "-p", "zzz"], "known profiles: `staging`"),
        (&["status", "--context", "kind-dve"], "did you mean `kind-dev`?"),
        (&["build", "--keepdata"], "--help"),
        (&["dev", "--keepdata"], "--keep-data"),
    ] {
        let ended = place.wharf(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(suggestion), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_file_that_is_none_says_what_it_is() {
    let ended = hello().wharf(&["config", "-f", "chart"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!(ended.stderr, @r#"
    error: `PLACE/project/chart` is a folder
      help: start in it: `-C PLACE/project/chart`
      [wharf::config::not_a_file]
    "#);
    assert_eq!(hello().wharf(&["config", "-f", "no.yaml"]).code, 2);
}

#[test]
fn the_version_is_told_for_people_and_programs() {
    let place = Place::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(place.wharf(&["version"]).stdout, format!("wharf {version}\n"));
    assert_eq!(place.wharf(&["--version"]).stdout, format!("wharf {version}\n"));
    let json: serde_json::Value =
        serde_json::from_str(&place.wharf(&["version", "--json"]).stdout).unwrap();
    assert_eq!(json["report"], "data");
    assert_eq!(json["data"]["version"], version);
}

#[test]
fn colour_comes_when_asked_for_and_never_against_no_color() {
    let place = Place::new().variable("CLICOLOR_FORCE", "1");
    assert!(place.wharf(&["config"]).stderr.contains("\x1b["));
    assert!(place.wharf(&["--help"]).stdout.contains("\x1b["));
    let place = place.variable("NO_COLOR", "1");
    assert!(!place.wharf(&["config"]).stderr.contains("\x1b["));
    assert!(!place.wharf(&["--help"]).stdout.contains("\x1b["));
    assert!(place.wharf(&["config", "--color", "always"]).stderr.contains("\x1b["));
}

#[test]
fn a_failure_is_one_json_object_for_programs() {
    let ended = Place::new().wharf(&["config", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["report"], "failed");
    assert_eq!(json["code"], "wharf::config::nothing_found");
}

#[test]
fn another_folder_can_be_named() {
    let place = hello();
    let ended = place.wharf(&["-C", "chart", "config", "-f", "../wharf.yaml"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = place.wharf(&["-C", "nowhere", "config"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!(ended.stderr, @r#"
    error: folder `nowhere` cannot be entered
        No such file or directory (os error 2)
      [wharf::cli::no_folder]
    "#);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    let mut child = place.start(&["schema"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(words, "");
}

#[test]
fn the_developers_log_is_kept_in_the_state_folder_only() {
    let place = hello();
    let ended = place.wharf(&["doctor"]);
    assert_eq!(ended.stderr, "");
    assert!(is_filled(&place.state().join("wharf.log")));
    let ended = place.wharf(&["doctor", "-vv"]);
    assert!(ended.stderr.contains("DEBUG wharf::docker"), "{}", ended.stderr);
}

#[test]
fn a_state_folder_that_cannot_be_written_hinders_nobody_who_needs_none() {
    let place = hello().variable("XDG_STATE_HOME", "/proc/no-such-folder");
    let ended = place.wharf(&["config"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn every_command_that_the_readme_shows_exists() {
    let readme = format!("{}/README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(readme).unwrap();
    let place = Place::new();
    let mut seen = std::collections::BTreeSet::new();
    for part in readme.split("wharf ").skip(1) {
        let word: String =
            part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        let before = &readme[..part.as_ptr() as usize - readme.as_ptr() as usize - "wharf ".len()];
        // In code or at a prompt; in prose "wharf made" is no command.
        let is_command = before.ends_with('`') || before.ends_with("$ ");
        if is_command && !word.starts_with('-') && seen.insert(word.clone()) {
            assert_eq!(place.wharf(&[&word, "--help"]).code, 0, "README.md names `wharf {word}`");
        }
    }
    assert!(seen.contains("dev") && seen.contains("run"), "{seen:?}");
}
