//! The JSON Schema, which editors go by, and wharf agree on what a `wharf.yaml` may say.

use serde_json::{Value, json};

use super::*;

/// Every key, in each of the forms that it may take.
const FULL: [&str; 2] = [
    r#"
name: shop
images:
  base: {context: base}
  api:
    context: services/api
    dockerfile: services/api/Dockerfile.dev
    target: prod
    args: {VERSION: "1", DEBUG: true, LEVEL: 3}
    secrets: [{id: npmrc, file: ~/.npmrc}, {id: token, env: HOME}]
    ssh: [default, {id: git, socket: /run/agent}]
    platform: linux/arm64
    needs: [base]
    contexts: {base: base}
    network: none
    addHosts: ["db:10.0.0.1"]
    tag: "{git}"
    hooks: {before: [{command: [make, gen], dir: tools}], after: [{command: [echo, "1"]}]}
  worker: {command: ./build.sh, dir: worker, inputs: ["**"], ignore: ["*.log"], env: {A: b}}
releases:
  db: {chart: postgres, repo: "https://charts.example", version: 1.2, wait: false}
  shop:
    chart: deploy/chart
    package: {version: 1.2.3, appVersion: "1.2"}
    values: [deploy/dev.yaml]
    secretValues: [deploy/dev.yaml]
    set: {replicas: 1, image: {pullPolicy: IfNotPresent}, list: [1, two]}
    namespace: shop
    wait: {ready: true, timeout: 90s}
    after: [db]
    rollbackOnFailure: true
    skipCrds: true
    imageValues: {image.name: "{image:api}"}
    flags: [--timeout=9m]
    hooks: {after: [{command: [ls], pod: "web-*", container: main}]}
    functions: [{name: set-labels, with: {team: blue}}]
kustomize:
  overlay:
    path: deploy/overlay
    namespace: shop
    wait: true
    after: [shop]
    flags: [--enable-helm]
    hooks: {before: [{command: [date]}]}
manifests:
  extra: {files: ["deploy/*.yaml"], namespace: shop, wait: {timeout: 1m}, after: [shop], hooks: {},
    setters: {tag: v1}, imageRules: [{kind: Widget.example.com, paths: [.spec.runner]}]}
forward:
  - {service: web, port: http, local: 8080, address: 0.0.0.0, namespace: shop}
  - {workload: deployment/api, port: 9000}
logs: {exclude: ["istio-*"], prefix: auto, jsonFields: [message]}
cluster: {context: kind-dev, namespace: shop, allow: ["staging-*"]}
registry: ghcr.io/acme
insecureRegistries: [registry.example:5000, other]
registryNames: flat
profiles:
  ci:
    images: {api: {target: test}}
    releases: {shop: {set: {replicas: 2}}}
    kustomize: {overlay: {wait: false}}
    manifests: null
    forward: []
    logs: false
    cluster: {context: kind-ci}
    registry: null
    insecureRegistries: []
    registryNames: path
"#,
    r#"
images:
  api: {}
kustomize: [deploy/overlay]
manifests: ["deploy/*.yaml", more.yaml]
forward:
  - service/web: 80
  - service/api
  - service/db: "5432:5432"
logs: false
profiles:
"#,
];

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

/// The code of wharf's refusal of `document`.
fn refusal(document: &Value) -> Option<String> {
    // JSON is YAML.
    let text = document.to_string();
    let request = request(&[], &[("HOME", "/home/ann")]);
    parse(&text, Path::new(FILE), &request).err().map(|error| error.failure().code)
}

/// The places of all values in `value`, as JSON pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), out);
            }
        }
        _ => {}
    }
}

fn documents() -> impl Iterator<Item = (Value, Vec<String>)> {
    FULL.iter().map(|text| {
        let document: Value = serde_saphyr::from_str(text).unwrap();
        let mut found = vec![];
        places(&document, "", &mut found);
        (document, found)
    })
}

#[test]
fn both_accept_every_key_in_every_form() {
    for (document, _) in documents() {
        assert_eq!(refusal(&document), None, "{}", error(&document.to_string()));
        let validator = validator();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0]);
    }
    let used = FULL.concat();
    for key in keys(&schema()) {
        assert!(used.contains(&format!("{key}:")), "the documents above lack `{key}`");
    }
}

/// Every key that the schema describes anywhere.
fn keys(schema: &Value) -> Vec<String> {
    let mut out = vec![];
    let properties = schema.get("properties").and_then(Value::as_object);
    out.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
    let below: Vec<&Value> = match schema {
        Value::Object(entries) => entries.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => vec![],
    };
    out.extend(below.into_iter().flat_map(keys));
    out
}

#[test]
fn both_refuse_an_unknown_key_wherever_it_stands() {
    let validator = validator();
    let mut refused = 0;
    for (document, places) in documents() {
        for place in places {
            let mut changed = document.clone();
            let Some(Value::Object(entries)) = changed.pointer_mut(&place) else { continue };
            entries.insert("nosuchkey".to_owned(), json!("x"));
            let ours = refusal(&changed);
            let theirs = !validator.is_valid(&changed);
            // In a profile the maps of the project are known to wharf alone.
            let is_ours_to_say = place.starts_with("/profiles/ci/");
            if ours.as_deref() == Some("wharf::config::unknown_key") && !is_ours_to_say {
                assert!(theirs, "the schema accepts an unknown key at `{place}`");
                refused += 1;
            }
            if theirs {
                assert!(ours.is_some(), "wharf accepts what the schema refuses at `{place}`");
            }
        }
    }
    assert!(refused > 15, "{refused}");
}

#[test]
fn both_refuse_a_value_of_a_wrong_type_wherever_it_stands() {
    let validator = validator();
    let mut refused = 0;
    for (document, places) in documents() {
        for place in places.iter().filter(|place| !place.is_empty()) {
            for other in [json!({"x": {"y": "z"}}), json!([["x"]]), json!(true), json!(7)] {
                let mut changed = document.clone();
                *changed.pointer_mut(place).unwrap() = other.clone();
                let ours = refusal(&changed);
                let theirs = !validator.is_valid(&changed);
                // Numbers and `true` are texts to wharf, where it wants a text.
                let is_type = other.is_object() || other.is_array();
                if theirs && is_type {
                    assert!(
                        ours.is_some(),
                        "wharf accepts what the schema refuses: {other} at `{place}`"
                    );
                }
                let is_ours_to_say = place.starts_with("/profiles/ci/");
                if is_type
                    && !is_ours_to_say
                    && ours.as_deref() == Some("wharf::config::wrong_value")
                {
                    assert!(theirs, "the schema accepts {other} at `{place}`");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 60, "{refused}");
}
