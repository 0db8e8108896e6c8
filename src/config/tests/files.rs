//! What a file means.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::{
    ArtifactName, BuildSecret, Builder, Chart, CommandBuild, DockerBuild, Forward, ForwardPort,
    HelmSource, ManifestSource, NamedContext, Origin, Platform, ReleaseName, ReleaseSource,
    SecretSource,
};

fn artifact(name: &str) -> ArtifactName {
    ArtifactName::parse(name).unwrap()
}

fn release(name: &str) -> ReleaseName {
    ReleaseName::parse(name).unwrap()
}

fn docker(project: &Project, name: &str) -> DockerBuild {
    match &project.artifacts[&artifact(name)].builder {
        Builder::Docker(docker) => docker.clone(),
        Builder::Command(_) => panic!("{name} is built by a command"),
    }
}

fn helm(project: &Project, name: &str) -> HelmSource {
    match &project.releases[&release(name)].source {
        ReleaseSource::Helm(helm) => helm.clone(),
        ReleaseSource::Manifests(_) => panic!("{name} is no Helm release"),
    }
}

const MIDDLING: &str = r#"
images:
  base: {context: images/base}
  api:
    context: services/api
    target: prod
    args: {VERSION: "${VERSION:-dev}", PYTHON: 3.10}
    secrets: [{id: npmrc, file: ~/.npmrc}, {id: token, env: TOKEN}]
    ssh: [default]
    platform: linux/arm64
    contexts: {base: base, proto: ../proto, alpine: "docker-image://alpine:3"}
    network: none
    addHosts: ["db:10.0.0.1"]
  web: {context: services/web, needs: [base]}
  worker: {command: ./build-worker.sh $IMAGE, inputs: ["worker/**", go.mod], ignore: ["**/*.md"]}
releases:
  db: {chart: "oci://registry.example/charts/postgres", version: 1.20}
  cache: {chart: redis, repo: https://charts.example}
  shop:
    chart: deploy/chart
    values: [deploy/values-dev.yaml]
    set: {replicas: 1, image.pullPolicy: Never, mode: 0644, on: yes, "a\\.b": x, text: "1"}
    namespace: shop
    after: [db, deploy-overlays-dev]
    wait: {timeout: 1m30s}
    rollbackOnFailure: true
kustomize: [deploy/overlays/dev]
manifests: ["deploy/extra/*.yaml"]
forward:
  - service/web: 8080
  - svc/admin: 90
  - service/api: 8081:http
  - deploy/api
  - {workload: deployment/api, port: 9000, local: 19000, namespace: other}
logs: {exclude: [istio-proxy]}
cluster: {context: kind-dev, allow: ["staging-*"]}
registry: ghcr.io/acme/dev/
profiles:
  ci: {cluster: {context: kind-ci}, images: {web: {target: ci}}}
  bare: {registry: null, images: {worker: ~}, forward: []}
"#;

#[test]
fn images_are_read_with_paths_below_the_file() {
    let project = parsed(MIDDLING);
    let api = docker(&project, "api");
    assert_eq!(api.context, Path::new("/shop/services/api"));
    assert_eq!(api.dockerfile, Path::new("/shop/services/api/Dockerfile"));
    assert_eq!(api.target.as_deref(), Some("prod"));
    let args = [("PYTHON", "3.10"), ("VERSION", "dev")];
    assert_eq!(api.args, args.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let secrets = [
        BuildSecret { id: "npmrc".into(), source: SecretSource::File("/home/ann/.npmrc".into()) },
        BuildSecret { id: "token".into(), source: SecretSource::Env("TOKEN".into()) },
    ];
    assert_eq!(api.secrets, secrets);
    assert_eq!(api.contexts["base"], NamedContext::Artifact(artifact("base")));
    assert_eq!(api.contexts["proto"], NamedContext::Folder("/proto".into()));
    assert_eq!(api.contexts["alpine"], NamedContext::Image("alpine:3".into()));
    assert_eq!(project.artifacts[&artifact("api")].needs, BTreeSet::from([artifact("base")]));
    assert_eq!(
        project.artifacts[&artifact("api")].platform,
        Some(Platform::parse("linux/arm64").unwrap())
    );
    assert_eq!(project.artifacts[&artifact("web")].needs, BTreeSet::from([artifact("base")]));
    let worker = CommandBuild {
        command: "./build-worker.sh $IMAGE".into(),
        dir: "/shop".into(),
        inputs: vec!["worker/**".into(), "go.mod".into()],
        ignore: vec!["**/*.md".into()],
        env: BTreeMap::new(),
    };
    assert_eq!(project.artifacts[&artifact("worker")].builder, Builder::Command(worker));
}

#[test]
fn releases_are_read_and_the_nameless_get_names() {
    let project = parsed(MIDDLING);
    let names: Vec<&str> = project.releases.keys().map(ReleaseName::as_str).collect();
    assert_eq!(names, ["cache", "db", "deploy-overlays-dev", "manifests", "shop"]);
    let oci = Chart::Remote {
        chart: "oci://registry.example/charts/postgres".into(),
        repo: None,
        version: Some("1.20".into()),
    };
    assert_eq!(helm(&project, "db").chart, oci);
    let shop = helm(&project, "shop");
    assert_eq!(shop.chart, Chart::Path("/shop/deploy/chart".into()));
    assert_eq!(shop.values, [Path::new("/shop/deploy/values-dev.yaml")]);
    let set = json!({
        "replicas": 1, "image": {"pullPolicy": "Never"}, "mode": 420, "on": true,
        "a.b": "x", "text": "1"
    });
    assert_eq!(json!(shop.set), set);
    assert!(shop.rollback_on_failure);
    let release = &project.releases[&release("shop")];
    assert_eq!(release.wait.timeout, Duration::from_secs(90));
    assert!(release.wait.ready);
    assert_eq!(release.after.len(), 2);
    let manifests = &project.releases[&super::files::release("manifests")].source;
    let files = ManifestSource::Files(vec!["/shop/deploy/extra/*.yaml".into()]);
    assert_eq!(*manifests, ReleaseSource::Manifests(files));
}

#[test]
fn forwards_have_a_short_and_a_long_form() {
    let forward = |kind: &str, name: &str, port: Option<ForwardPort>, local| Forward {
        kind: kind.into(),
        name: name.into(),
        namespace: None,
        port,
        local,
        address: None,
    };
    let number = |port| Some(ForwardPort::Number(port));
    let named = Some(ForwardPort::Name("http".into()));
    let mut expected = vec![
        forward("service", "web", number(8080), None),
        forward("service", "admin", number(90), None),
        forward("service", "api", named, Some(8081)),
        forward("deployment", "api", None, None),
        forward("deployment", "api", number(9000), Some(19000)),
    ];
    expected[4].namespace = Some(crate::model::Namespace::parse("other").unwrap());
    assert_eq!(parsed(MIDDLING).forwards, expected);
}

#[test]
fn the_rest_is_read_too() {
    let project = parsed(MIDDLING);
    assert_eq!(project.name.as_str(), "shop");
    assert_eq!(project.origin, Origin::File(FILE.into()));
    assert_eq!(project.logs.exclude, ["istio-proxy"]);
    assert_eq!(project.cluster.context.as_ref().unwrap().as_str(), "kind-dev");
    assert_eq!(project.registry.as_deref(), Some("ghcr.io/acme/dev"));
    assert!(parsed("logs: false").logs.off);
    assert_eq!(parsed("").artifacts.len(), 0);
}

#[test]
fn a_profile_merges_maps_replaces_lists_and_takes_keys_out() {
    let ci = parsed_with(MIDDLING, &request(&["ci"], &[]));
    assert_eq!(ci.cluster.context.as_ref().unwrap().as_str(), "kind-ci");
    assert_eq!(ci.cluster.allow, ["staging-*"]);
    assert_eq!(docker(&ci, "web").target.as_deref(), Some("ci"));
    assert_eq!(docker(&ci, "web").context, Path::new("/shop/services/web"));
    let both = parsed_with(MIDDLING, &request(&["ci", "bare"], &[]));
    assert_eq!(both.registry, None);
    assert_eq!(both.forwards, []);
    assert!(!both.artifacts.contains_key(&artifact("worker")));
    assert_eq!(both.cluster.context.as_ref().unwrap().as_str(), "kind-ci");
}

#[test]
fn variables_are_expanded_everywhere() {
    let check = |text: &str, expected: &str| {
        let file = format!("images:\n  api: {{args: {{V: \"{text}\"}}}}\n");
        let environment = [("A", "one"), ("EMPTY", ""), ("PORT", "81")];
        let project = parsed_with(&file, &request(&[], &environment));
        assert_eq!(docker(&project, "api").args["V"], expected, "{text}");
    };
    check("${A}", "one");
    check("x${A}y${A}", "xoneyone");
    check("${B:-two}", "two");
    check("${EMPTY:-two}", "two");
    check("${EMPTY}", "");
    check("${B:-${A}}", "one");
    check("${B:-}", "");
    check("$$", "$");
    check("$${A}", "${A}");
    check("$A $(x) $", "$A $(x) $");
    let environment = [("PORT", "81")];
    let project =
        parsed_with("forward: [service/web: \"${PORT}:http\"]", &request(&[], &environment));
    assert_eq!(project.forwards[0].local, Some(81));
}

#[test]
fn anchors_and_merge_keys_are_resolved() {
    let text = "images:\n  a: &a {context: x, target: t}\n  b: {<<: *a, target: u}\n  c: *a\n";
    let project = parsed(text);
    assert_eq!(docker(&project, "b").context, Path::new("/shop/x"));
    assert_eq!(docker(&project, "b").target.as_deref(), Some("u"));
    assert_eq!(docker(&project, "c").target.as_deref(), Some("t"));
}

#[test]
fn aliases_cannot_make_a_file_explode() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = level - 1;
        let list = vec![format!("*a{below}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    assert!(error(&text).contains("aliases make this file too large"));
}

#[test]
fn the_nearest_file_up_to_the_repository_is_found() {
    let folder = folder(&[
        ("wharf.yaml", "name: outside"),
        ("repo/.git/", ""),
        ("repo/wharf.yml", "name: inside"),
        ("repo/a/b/", ""),
        ("other/a/", ""),
    ]);
    let name = |below: &str| {
        loaded(&folder.path().join(below)).map(|loaded| loaded.project.name.to_string())
    };
    assert_eq!(name("repo/a/b").unwrap(), "inside");
    assert_eq!(name("").unwrap(), "outside");
    assert!(name("other/a").unwrap_err().contains("no `wharf.yaml`"));
}

#[test]
fn needs_are_inferred_from_what_a_dockerfile_names() {
    let project = parsed("images:\n  base: {}\n  acme/api: {}\n  redis: {}\n  web: {}\n");
    let project = with_inferred_needs(project, |artifact| {
        let references: &[&str] = match artifact.name.as_str() {
            "acme/api" => &["base", "python:3.11"],
            "redis" => &["redis:7", "redis"],
            "web" => &["docker.io/acme/api:latest", "redis:7", "${BASE}"],
            _ => &[],
        };
        references.iter().map(|&text| text.to_owned()).collect()
    });
    let needs = |name: &str| {
        let needs = &project.artifacts[&artifact(name)].needs;
        needs.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(needs("acme/api"), ["base"]);
    assert_eq!(needs("redis"), [] as [&str; 0]);
    assert_eq!(needs("web"), ["acme/api"]);
}

#[test]
fn a_changed_configuration_is_told_as_what_differs() {
    let old = parsed(
        "images:\n  a: {}\n  b: {}\nreleases:\n  r: {chart: c}\nforward: [service/a: 8080]\n",
    );
    assert!(diff(&old, &old).is_empty());
    let new = parsed(
        "images:\n  b: {target: x}\n  c: {}\nreleases:\n  r: {chart: c}\nforward: [service/b: 8080]\nlogs: false\n",
    );
    let diff = diff(&old, &new);
    assert_eq!(diff.artifacts.added, BTreeSet::from([artifact("c")]));
    assert_eq!(diff.artifacts.removed, BTreeSet::from([artifact("a")]));
    assert_eq!(diff.artifacts.changed, BTreeSet::from([artifact("b")]));
    assert!(diff.releases.is_empty());
    assert_eq!(diff.forwards_added, new.forwards);
    assert_eq!(diff.forwards_removed, old.forwards);
    assert!(diff.logs_changed && !diff.needs_a_new_session());
}
