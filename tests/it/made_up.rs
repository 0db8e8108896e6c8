//! Projects as people have them: what wharf makes of each without a file, and with the one that it
//! writes.

use serde_json::Value;

use super::place::{Place, example};

/// A deployment and a service of this name that run `image`.
fn workload(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n        \
         - {{name: main, image: '{image}', ports: [{{containerPort: 8080}}]}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{port: 8080}}]}}\n"
    )
}

const DOCKERFILE: &str = "FROM busybox:1.36\nCOPY . /www\n";

/// Two Dockerfiles and one chart that runs both.
fn two_images_and_a_chart() -> Place {
    let template = |name: &str| {
        let values = format!("{{{{ .Values.{name}.image.repository }}}}");
        workload(name, &format!("{values}:{{{{ .Values.{name}.image.tag }}}}"))
    };
    Place::new()
        .file("api/Dockerfile", DOCKERFILE)
        .file("web/Dockerfile", DOCKERFILE)
        .file("chart/Chart.yaml", "apiVersion: v2\nname: two\nversion: 0.1.0\n")
        .file(
            "chart/values.yaml",
            "api: {image: {repository: api, tag: latest}}\n\
             web: {image: {repository: web, tag: latest}}\n",
        )
        .file("chart/templates/api.yaml", &template("api"))
        .file("chart/templates/web.yaml", &template("web"))
}

fn kustomize() -> Place {
    Place::new()
        .file("Dockerfile", DOCKERFILE)
        .file("k8s/base/app.yaml", &workload("app", "acme/app"))
        .file("k8s/base/kustomization.yaml", "resources: [app.yaml]\n")
        .file("k8s/overlays/dev/kustomization.yaml", "resources: [../../base]\nnamePrefix: dev-\n")
        .file("k8s/overlays/prod/kustomization.yaml", "resources: [../../base]\n")
}

fn manifests() -> Place {
    Place::new()
        .file("Dockerfile", DOCKERFILE)
        .file("k8s/app.yaml", &workload("app", "app"))
        .file("k8s/cache.yml", &workload("cache", "redis:7"))
}

fn ambiguous() -> Place {
    Place::new()
        .file("one/Dockerfile", DOCKERFILE)
        .file("two/Dockerfile", DOCKERFILE)
        .file("k8s/server.yaml", &workload("server", "example.com/acme/server"))
}

/// The configuration in effect, as programs read it.
fn in_effect(place: &Place) -> Value {
    let ended = place.wharf(&["config", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let lines = ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let data = lines.filter(|report| report["report"] == "data");
    let mut data = data.map(|report| report["data"].clone()).next_back().unwrap();
    // The same value may come from elsewhere.
    data.as_object_mut().unwrap().remove("provenance").unwrap();
    data
}

#[test]
fn init_says_what_was_inferred_and_nothing_else() {
    let schema = Place::new().wharf(&["schema"]).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, place) in [
        ("hello", example("hello")),
        ("shop", example("shop")),
        ("two images and a chart", two_images_and_a_chart()),
        ("kustomize", kustomize()),
        ("manifests", manifests()),
    ] {
        let before = in_effect(&place);
        let ended = place.wharf(&["init"]);
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        assert_eq!(in_effect(&place), before, "{name}");

        let written = place.text("wharf.yaml");
        assert!(written.contains("# "), "{name}: it has comments");
        let value: Value = serde_saphyr::from_str(&written).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{name}");
    }
}

#[test]
fn what_is_inferred_says_from_what() {
    for place in [two_images_and_a_chart(), kustomize(), manifests()] {
        let shown = place.wharf(&["config"]).stdout;
        for key in ["chart:", "path:", "- k8s/", "context:", "service:"] {
            let lines = shown.lines().filter(|line| line.trim_start().starts_with(key));
            for line in lines.filter(|line| !line.contains("null")) {
                assert!(line.contains("# inferred: "), "{line}");
            }
        }
    }
}

#[test]
fn what_cannot_be_inferred_is_a_question_whose_answer_works() {
    let place = ambiguous();
    for arguments in [&["config"][..], &["init"], &["dev"], &["build"]] {
        let ended = place.wharf(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        for word in ["which Dockerfile builds", "`one/Dockerfile`", "`two/Dockerfile`"] {
            assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
        }
    }
    // The draft in the error, as a person copies it.
    let error = place.wharf(&["config"]).stderr;
    let draft: Vec<&str> = error.lines().filter_map(|line| line.strip_prefix("        ")).collect();
    let place = place.file("wharf.yaml", &draft.join("\n"));
    let data = in_effect(&place);
    assert_eq!(data["images"]["example.com/acme/server"]["context"], "one");
}

#[test]
fn ten_lines_are_enough_for_a_file() {
    let text = "\
name: ten
images:
  acme/api:
    context: services/api
    args: {VERSION: \"${VERSION:-dev}\"}
manifests: [k8s/*.yaml]
forward:
  - service/api: 8080
profiles:
  ci: {images: {acme/api: {args: {VERSION: ci}}}}
";
    let place = Place::new()
        .file("services/api/Dockerfile", DOCKERFILE)
        .file("k8s/api.yaml", &workload("api", "acme/api"))
        .file("wharf.yaml", text);
    let version = |place: &Place, arguments: &[&str]| {
        let ended = place.wharf(&[&["config"], arguments].concat());
        let line = ended.stdout.lines().find(|line| line.contains("VERSION:"));
        line.unwrap_or(&ended.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(version(&place, &[]), "VERSION: dev # wharf.yaml:5");
    assert_eq!(version(&place, &["-p", "ci"]), "VERSION: ci # wharf.yaml:10, profile ci");
    let place = place.variable("VERSION", "1.2");
    assert_eq!(version(&place, &[]), "VERSION: \"1.2\" # wharf.yaml:5, env VERSION");
}

#[test]
fn an_empty_file_is_said_to_be_one() {
    let ended = Place::new().file("wharf.yaml", "").wharf(&["config"]);
    assert_eq!(ended.code, 0);
    assert_eq!(ended.stderr, "wharf.yaml names nothing to build or to deploy\n");
}
