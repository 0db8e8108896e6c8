//! What shells are told.

use super::place::{Place, hello};

#[test]
fn the_committed_completions_are_what_the_program_prints() {
    for (shell, file) in [
        ("bash", "wharf.bash"),
        ("zsh", "_wharf"),
        ("fish", "wharf.fish"),
        ("powershell", "_wharf.ps1"),
        ("elvish", "wharf.elv"),
    ] {
        let printed = Place::new().wharf(&["completions", shell]).stdout;
        let path = format!("{}/completions/{file}", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == printed,
            "completions/{file} is out of date; run: cargo run -q -- completions {shell} > completions/{file}"
        );
    }
}

/// What a shell offers for the last of `words`.
fn offered(place: Place, words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    let place = place
        .variable("COMPLETE", "bash")
        .variable("_CLAP_IFS", "\n")
        .variable("_CLAP_COMPLETE_INDEX", &index)
        .variable("_CLAP_COMPLETE_COMP_TYPE", "9")
        .variable("_CLAP_COMPLETE_SPACE", "true");
    let ended = place.wharf(&[&["--"], words].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    ended.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn commands_and_flags_are_offered() {
    assert_eq!(offered(Place::new(), &["wharf", "de"]), ["dev", "deploy", "delete"]);
    assert_eq!(offered(Place::new(), &["wharf", "dev", "--keep"]), ["--keep-data"]);
    assert_eq!(offered(Place::new(), &["wharf", "--color", "al"]), ["always"]);
}

#[test]
fn names_of_images_and_releases_are_offered() {
    let place = hello().file(
        "wharf.yaml",
        "images:\n  api: {context: .}\nreleases:\n  shop: {chart: chart}\n  db: {chart: chart}\n",
    );
    let offered = offered(place, &["wharf", "dev", ""]);
    let names: Vec<&String> = offered.iter().filter(|word| !word.starts_with('-')).collect();
    assert_eq!(names, ["api", "db", "shop"]);
}

#[test]
fn profiles_contexts_and_namespaces_are_offered() {
    let kubeconfig = "apiVersion: v1\nkind: Config\ncontexts:\n- {name: kind-dev, context: {cluster: a, user: b}}\n- {name: eu, context: {cluster: a, user: b}}\n";
    let place = || {
        let place = hello().file("kubeconfig", kubeconfig).file(
            "wharf.yaml",
            "releases:\n  shop: {chart: chart, namespace: team}\ncluster: {namespace: dev}\n\
             profiles:\n  ci: {}\n  fast: {}\n",
        );
        let kubeconfig = place.project().join("kubeconfig").display().to_string();
        place.variable("KUBECONFIG", &kubeconfig)
    };
    assert_eq!(offered(place(), &["wharf", "dev", "-p", ""]), ["ci", "fast"]);
    assert_eq!(offered(place(), &["wharf", "--context", ""]), ["kind-dev", "eu"]);
    assert_eq!(offered(place(), &["wharf", "run", "-n", ""]), ["dev", "team"]);
    let skaffold = "apiVersion: skaffold/v4beta13\nkind: Config\nprofiles: [{name: local}]\n";
    let place = Place::new().file("skaffold.yaml", skaffold);
    assert_eq!(offered(place, &["wharf", "dev", "-p", ""]), ["local"]);
}

#[test]
fn the_named_file_and_folder_count_for_names() {
    let place = hello().file("other/ci.yaml", "images:\n  web: {context: ..}\n");
    let words = ["wharf", "-C", "other", "-f", "ci.yaml", "build", "w"];
    assert_eq!(offered(place, &words), ["web"]);
}

#[test]
fn what_was_typed_before_counts_as_the_command_will_read_it() {
    let place = || {
        hello().file("other/wharf.yaml", "images:\n  web: {context: ..}\n").file(
            "wharf.yaml",
            "images:\n  api: {args: {V: \"${NOT_SET}\"}, secrets: [{id: a, file: gone}]}\n\
             profiles:\n  ci: {images: {cache: {context: gone}}}\n  fast: {}\n",
        )
    };
    let names = |words: &[&str]| -> Vec<String> {
        offered(place(), words).into_iter().filter(|word| !word.starts_with('-')).collect()
    };
    assert_eq!(names(&["wharf", "dev", ""]), ["api"]);
    assert_eq!(names(&["wharf", "logs", "-f", ""]), ["api"]);
    assert_eq!(names(&["wharf", "dev", "-p", "ci", ""]), ["api", "cache"]);
    assert_eq!(names(&["wharf", "dev", "-pci", ""]), ["api", "cache"]);
    assert_eq!(names(&["wharf", "-Cother", "build", ""]), ["web"]);
    assert_eq!(names(&["wharf", "build", "-fother/wharf.yaml", ""]), ["web"]);
    assert_eq!(names(&["wharf", "dev", "-p", ""]), ["ci", "fast"]);
    let skaffold = "apiVersion: skaffold/v4beta13\nkind: Config\nmetadata: {name: one}\n---\n\
                    apiVersion: skaffold/v4beta13\nkind: Config\nmetadata: {name: two}\n";
    let place = Place::new().file("skaffold.yaml", skaffold);
    assert_eq!(offered(place, &["wharf", "dev", "-m", ""]), ["one", "two"]);
}

#[test]
fn a_broken_configuration_offers_nothing_and_says_nothing() {
    let place = Place::new().file("wharf.yaml", "images: [");
    assert_eq!(offered(place, &["wharf", "build", "a"]), [""; 0]);
}
