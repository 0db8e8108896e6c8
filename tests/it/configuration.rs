//! `config`, `init` and `schema`.

use insta::assert_snapshot;

use super::place::{Place, hello};

#[test]
fn the_configuration_in_effect_says_where_values_come_from() {
    let ended = hello().wharf(&["config"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.contains("name: hello"), "{}", ended.stdout);
    assert!(ended.stdout.contains("wharf.yaml"), "{}", ended.stdout);
}

#[test]
fn secrets_are_starred_out_for_people_and_programs() {
    let place = hello().variable("NPM_TOKEN", "s3cr3t").file(
        "wharf.yaml",
        "images:\n  hello: {context: ., args: {TOKEN: \"${NPM_TOKEN}\", MODE: dev}}\n",
    );
    for arguments in [&["config"][..], &["config", "--json"], &["config", "-vvv"]] {
        let ended = place.wharf(arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(!format!("{ended:?}").contains("s3cr3t"), "{ended:?}");
        assert!(ended.stdout.contains("***"), "{}", ended.stdout);
        assert!(ended.stdout.contains("dev"), "{}", ended.stdout);
    }
}

#[test]
fn passwords_in_urls_are_starred_out() {
    let url = "postgres://ann:s3cr3t@db:5432/shop";
    let text = |chart: &str| {
        format!(
            "images:\n  hello: {{context: ., args: {{DB: \"{url}\", HOME: \"https://x.example/a\"}}}}\n\
             releases:\n  hello: {{chart: {chart}, repo: \"https://ann:s3cr3t@charts.example\", wait: 1}}\n"
        )
    };
    let place = hello().file("wharf.yaml", &text("web").replace(", wait: 1", ""));
    for arguments in [&["config"][..], &["config", "--json"]] {
        let ended = place.wharf(arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(!format!("{ended:?}").contains("s3cr3t"), "{ended:?}");
        assert!(ended.stdout.contains("postgres://ann:***@db:5432/shop"), "{}", ended.stdout);
        assert!(ended.stdout.contains("https://ann:***@charts.example"), "{}", ended.stdout);
        assert!(ended.stdout.contains("https://x.example/a"), "{}", ended.stdout);
    }
    // Nor in the picture of a mistake beside one.
    let ended = hello().file("wharf.yaml", &text("web")).wharf(&["config"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("wait: 1") && !ended.stderr.contains("s3cr3t"),
        "{}",
        ended.stderr
    );
}

/// A line of `wharf config` without what aligns it.
fn lines_with(text: &str, part: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().filter(|line| line.contains(part)).map(words).collect()
}

#[test]
fn secrets_are_starred_out_wherever_they_stand() {
    let text = "
images:
  hello: {}
  made:
    command: make TOKEN=s3cr3t
    inputs: [app]
    env: {NPM_TOKEN: s3cr3t, MODE: \"${PLAIN}\"}
    hooks:
      before: [{command: [curl, -H, \"Authorization: Bearer s3cr3t\", --password, s3cr3t, -v]}]
releases:
  hello:
    chart: chart
    flags: [\"--password=s3cr3t\", --devel]
    imageValues: {image.pullToken: \"{{.IMAGE_REPO_hello}}s3cr3t\"}
manifests:
  db:
    files: app
    setters: {api-key: s3cr3t}
    functions: [{name: set-labels, with: {token: s3cr3t}}]
registry: \"registry.example/${MY_SECRET}\"
";
    let place =
        hello().variable("MY_SECRET", "s3cr3t").variable("PLAIN", "seen").file("wharf.yaml", text);
    for arguments in [&["config"][..], &["config", "--json"]] {
        let ended = place.wharf(arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(!format!("{ended:?}").contains("s3cr3t"), "{}", ended.stdout);
        for word in ["make TOKEN=***", "Authorization: ***", "--password=***", "--devel", "seen"] {
            assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
        }
    }
}

#[test]
fn every_value_says_where_it_came_from() {
    let text = "\
images:
  base: {context: base}
  api: {context: api, needs: [zip]}
  zip: {context: api}
manifests: {db: app, cache: [app]}
registry: r.example/x
profiles:
  ci: {registry: null}
";
    let place = hello()
        .file("base/Dockerfile", "FROM scratch\n")
        .file("api/Dockerfile", "FROM base\n")
        .file("wharf.yaml", text);
    let shown = place.wharf(&["config", "-p", "ci"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let shown = shown.stdout;
    let from = |part: &str| lines_with(&shown, part);
    assert_eq!(from("- app"), ["- app # wharf.yaml:5", "- app # wharf.yaml:5"]);
    assert_eq!(from("- base"), ["- base # inferred: api/Dockerfile"; 2]);
    assert_eq!(from("- zip"), ["- zip # wharf.yaml:3"]);
    assert_eq!(from("registry"), ["registry: null # wharf.yaml:8, profile ci"]);
    // What nobody gave is shown as well.
    for key in ["hooks: {}", "tag: null", "setters: {}", "functions: []", "imageRules: []"] {
        assert!(!from(key).is_empty(), "{key}: {shown}");
    }

    let told = place.wharf(&["config", "--json", "-p", "ci"]).stdout;
    let mut told =
        told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let data = told.rfind(|told| told["report"] == "data").unwrap()["data"].clone();
    let from = &data["provenance"];
    let file =
        |line| serde_json::json!({"file": "wharf.yaml", "line": line, "profile": null, "env": []});
    assert_eq!(from["/images/base/context"], file(2));
    assert_eq!(from["/manifests/db/files/0"], file(5));
    assert_eq!(from["/images/api/needs/0"], serde_json::json!({"inferred": "api/Dockerfile"}));
    assert_eq!(from["/registry"]["profile"], "ci");
    assert_eq!(from.get("/images/base/target"), None);
    for pointer in from.as_object().unwrap().keys() {
        assert!(data.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}

#[test]
fn a_typo_is_shown_in_its_place() {
    let ended = hello().file("wharf.yaml", "images:\n  hello:\n    contxt: .\n").wharf(&["config"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_snapshot!(ended.stderr, @r#"
    error: unknown key `contxt` in an image
     --> wharf.yaml:3:5
      |
    3 |     contxt: .
      |     ^^^^^^ did you mean `context`?
      [wharf::config::unknown_key]
    "#);
}

#[test]
fn init_writes_what_it_inferred_and_replaces_nothing_unasked() {
    let place = hello();
    std::fs::remove_file(place.project().join("wharf.yaml")).unwrap();
    let shown = place.wharf(&["init", "--dry-run"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(!place.project().join("wharf.yaml").exists(), "--dry-run writes nothing");

    let ended = place.wharf(&["init"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{}", ended.stderr);
    assert_eq!(place.text("wharf.yaml"), shown.stdout);
    assert_eq!(place.wharf(&["config"]).code, 0, "what init writes can be read");

    let place = place.file("wharf.yaml", "images:\n  mine: {context: .}\n");
    let ended = place.wharf(&["init"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!(ended.stderr, @r#"
    error: there is a `wharf.yaml` already
      help: see what would be written: `wharf init --dry-run`
      help: replace it: `wharf init --force`
      [wharf::init::exists]
    "#);
    assert!(place.text("wharf.yaml").contains("mine"));

    assert_eq!(place.wharf(&["init", "--force"]).code, 0);
    assert_eq!(place.text("wharf.yaml"), shown.stdout);
}

#[test]
fn where_nothing_can_be_inferred_init_says_what_is_needed() {
    let ended = Place::new().wharf(&["init"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert_snapshot!(ended.stderr, @r#"
    error: there is nothing in `PLACE/project` to infer a `wharf.yaml` from
        found no Dockerfile
        found no chart, kustomization or manifest
      help: start in the folder with the Dockerfile and a Helm chart, kustomization or manifests, or write it by hand: `wharf schema` has every key
      [wharf::config::nothing_found]
    "#);
}

#[test]
fn where_there_is_nothing_every_command_says_what_is_needed() {
    for command in ["dev", "run", "build", "deploy", "render", "status", "logs", "delete", "config"]
    {
        let ended = Place::new().wharf(&[command]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{command}");
        assert!(ended.stderr.contains("[wharf::config::nothing_found]"), "{}", ended.stderr);
    }
}

#[test]
fn flags_are_part_of_the_configuration_in_effect() {
    let shown = hello().wharf(&["config", "--context", "kind-x", "-n", "dev"]).stdout;
    let line = |key: &str| {
        let lines = shown.lines().skip_while(|line| *line != "cluster:");
        let line = lines.map(str::trim).find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("context"), "context: kind-x # --context");
    assert_eq!(line("namespace"), "namespace: dev # --namespace");
}

#[test]
fn the_readme_s_configuration_has_every_key_and_is_valid() {
    let readme = format!("{}/README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    let schema: serde_json::Value =
        serde_json::from_str(&Place::new().wharf(&["schema"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    for key in schema["properties"].as_object().unwrap().keys() {
        assert!(value.get(key).is_some(), "README.md does not show `{key}`");
    }
}

#[test]
fn the_readme_s_table_has_every_command() {
    let readme = format!("{}/README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(readme).unwrap();
    let help = Place::new().wharf(&["--help"]).stdout;
    let lists = help.lines().skip_while(|line| *line != "The loop:");
    let commands = lists.take_while(|line| *line != "Options:");
    let commands = commands.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let mut seen = 0;
    for command in commands {
        let row = format!("| `wharf {command}");
        assert!(readme.contains(&row), "README.md has no row for `{command}`");
        seen += 1;
    }
    assert!(seen > 10, "{help}");
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let ended = Place::new().wharf(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    for key in ["images", "releases", "forward", "profiles"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn helm_pipes_its_manifests_through_wharf() {
    let place = hello().file("images.json", r#"{"images": {"hello": "hello:1f3c"}}"#);
    let manifests = "# a comment stays\nkind: Pod\napiVersion: v1\nspec: {containers: [{image: hello:latest}]}\n";
    let ended = place.wharf_reading(&["post-render", "images.json"], manifests);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(ended.stdout, manifests.replace("hello:latest", "\"hello:1f3c\""));
    assert_eq!(place.wharf_reading(&["post-render", "no.json"], manifests).code, 1);
}
