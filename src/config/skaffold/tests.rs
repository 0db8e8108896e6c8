//! Projects in Skaffold's style, and the `wharf.yaml` that each amounts to.

use std::path::Path;

use super::super::{ConfigRequest, Loaded, Provenance, init, load};
use super::versions;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn request(dir: &Path) -> ConfigRequest {
    ConfigRequest { dir: dir.to_path_buf(), command: "dev".to_owned(), ..ConfigRequest::default() }
}

/// Loads `text` as `skaffold.yaml`, in a folder with what such a project has.
fn loaded_with(text: &str, change: impl FnOnce(&mut ConfigRequest)) -> Result<Loaded, String> {
    let folder = folder(&[
        ("skaffold.yaml", text),
        ("Dockerfile", "FROM busybox\n"),
        ("app/Dockerfile", "ARG BASE\nFROM ${BASE:-busybox}\n"),
        ("base/Dockerfile", "FROM busybox\n"),
        ("k8s/web.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"),
        ("overlay/kustomization.yaml", "resources: []\n"),
        ("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n"),
        ("values.yaml", "{}\n"),
        ("note.txt", "hello"),
        ("lib/skaffold.yaml", LIB),
        ("lib/Dockerfile", "FROM busybox\n"),
        ("lib/k8s/lib.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lib}\n"),
    ]);
    let mut request = request(folder.path());
    change(&mut request);
    load(&request).map_err(|error| {
        let failure = error.failure();
        let all = [vec![failure.what, failure.snippet], failure.why, failure.help].concat();
        all.join("\n").replace(&folder.path().display().to_string(), "FOLDER")
    })
}

const LIB: &str = "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {name: lib}\n\
                   build: {artifacts: [{image: lib}]}\nmanifests: {rawYaml: [k8s/*.yaml]}\n\
                   profiles:\n- {name: prod, build: {artifacts: [{image: lib-prod}]}}\n";

fn loaded(text: &str) -> Loaded {
    loaded_with(text, |_| {}).unwrap()
}

fn newest(body: &str) -> String {
    format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}")
}

/// What `body` amounts to, as `wharf.yaml` would say it.
fn written(body: &str) -> String {
    written_of(&loaded(&newest(body)))
}

fn written_of(loaded: &Loaded) -> String {
    let text = init(&loaded.project, &Provenance::default());
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', 'n']));
    lines.map(|line| format!("{line}\n")).collect()
}

fn error(body: &str) -> String {
    loaded_with(&newest(body), |_| {}).unwrap_err()
}

fn names(loaded: &Loaded) -> Vec<String> {
    let images = loaded.project.artifacts.keys().map(ToString::to_string);
    images.chain(loaded.project.releases.keys().map(ToString::to_string)).collect()
}

#[test]
fn a_file_that_says_nothing_deploys_k8s() {
    assert_eq!(written(""), "manifests:\n  - k8s/*.yaml\n");
    assert_eq!(written("deploy: {kubectl: {}}\n"), "manifests:\n  - k8s/*.yaml\n");
}

#[test]
fn docker_artifacts_keep_all_that_a_build_depends_on() {
    let shown = written(
        "build:\n  tagPolicy: {sha256: {}}\n  local: {push: false, concurrency: 0}\n  artifacts:\n\
         \x20 - image: base\n    context: base\n\
         \x20 - image: app\n    context: app\n    requires: [{image: base, alias: BASE}]\n\
         \x20   docker:\n      dockerfile: Dockerfile\n      target: dev\n      network: bridge\n\
         \x20     addHost: ['db:10.0.0.1']\n      buildArgs: {VERSION: 1.20}\n\
         \x20     secrets: [{id: npm, env: NPM}]\n      ssh: default\n\
         \x20     cliFlags: [--progress=plain, --build-arg, A=b]\n",
    );
    for line in [
        "    context: app\n",
        "    target: dev\n",
        "VERSION: \"1.20\"",
        "A: b",
        "BASE: base",
        "id: npm",
        "env: NPM",
        "db:10.0.0.1",
        "- default",
        "network: default",
    ] {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
}

#[test]
fn a_custom_builder_is_a_command_with_inputs() {
    let shown = written(
        "build:\n  artifacts:\n  - image: app\n    context: app\n    custom:\n\
         \x20     buildCommand: ./build.sh\n      dependencies: {paths: [., '*.go'], ignore: [x]}\n",
    );
    for line in ["command: ./build.sh", "dir: app", "- \"**\"", "\"*.go\"", "ignore"] {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
}

#[test]
fn helm_releases_keep_their_chart_and_values() {
    let shown = written(
        "build: {artifacts: [{image: gcr.io/p/app, context: app}]}\n\
         deploy:\n  statusCheckDeadlineSeconds: 90\n  helm:\n    flags: {upgrade: [--atomic, --timeout=5m]}\n    releases:\n\
         \x20   - name: shop\n      chartPath: chart\n      valuesFiles: [values.yaml]\n      namespace: shop\n\
         \x20     createNamespace: true\n      dependsOn: [db]\n      overrides: {a: {b: 1}}\n\
         \x20     setValues: {a.c: true, list: '{x,y}', n: '01', hosts: [h0, h1]}\n\
         \x20     setFiles: {note: note.txt}\n\
         \x20     setValueTemplates:\n        image.repository: '{{.IMAGE_REPO}}'\n\
         \x20       image.tag: '{{.IMAGE_TAG}}@{{.IMAGE_DIGEST}}'\n        full: '{{.IMAGE_FULLY_QUALIFIED_gcr_io_p_app}}'\n\
         \x20       domain: '{{.IMAGE_DOMAIN}}'\n        rest: '{{.IMAGE_REPO_NO_DOMAIN}}'\n\
         \x20   - {name: db, remoteChart: redis, repo: 'https://charts.example', version: 1.2.3}\n",
    );
    for line in [
        "chart: chart\n",
        "- values.yaml",
        "namespace: shop",
        "b: 1\n",
        "c: true",
        "- x",
        "\"n\": \"01\"",
        "- h1",
        "note: hello",
        "image.repository: \"{repository:gcr.io/p/app}\"",
        "image.tag: \"{tag:gcr.io/p/app}@{digest:gcr.io/p/app}\"",
        "full: \"{image:gcr.io/p/app}\"",
        "domain: \"{domain:gcr.io/p/app}\"",
        "rest: \"{path:gcr.io/p/app}\"",
        "chart: redis",
        "version: 1.2.3",
        "rollbackOnFailure: true",
        "timeout: \"5m\"",
        "- db",
    ] {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
}

#[test]
fn kustomize_forwards_and_the_cluster() {
    let shown = written(
        "manifests: {kustomize: {paths: [overlay]}}\n\
         deploy: {kubeContext: kind-x, statusCheck: no, kubectl: {defaultNamespace: '{{default \"ns\" .NS}}'}}\n\
         portForward:\n- {resourceType: Service, resourceName: web, port: 80}\n\
         - {resourceType: deployment, resourceName: api, port: http, localPort: 9000, namespace: x}\n\
         - {resourceType: pod, resourceName: p, port: 8080}\n",
    );
    for line in [
        "path: overlay",
        "ready: false",
        "context: kind-x",
        "namespace: ns",
        "4503:80",
        "local: 9000",
        "8080:8080",
    ] {
        assert!(shown.contains(line), "{line} is missing in\n{shown}");
    }
}

#[test]
fn profiles_replace_lists_and_patches_find_their_places() {
    let text = newest(
        "build: {artifacts: [{image: app, context: app}]}\nprofiles:\n\
         - name: two\n  build: {artifacts: [{image: one, context: app}, {image: two, context: base}]}\n\
         - name: patch\n  patches:\n  - {path: /build/artifacts/image=app/context, value: base}\n\
         \x20 - {op: add, path: /build/artifacts/-, value: {image: new, context: app}}\n\
         - name: env\n  activation: [{env: CI=t.*, command: dev}]\n  patches: [{path: /build/artifacts/0/image, value: ci}]\n",
    );
    let with = |profiles: &[&str], ci: &str| {
        let loaded = loaded_with(&text, |request| {
            request.profiles = profiles.iter().map(|&name| name.to_owned()).collect();
            request.environment.insert("CI".to_owned(), ci.to_owned());
        });
        loaded.map(|loaded| names(&loaded))
    };
    assert_eq!(with(&[], "").unwrap(), ["app", "manifests"]);
    assert_eq!(with(&["two"], "").unwrap(), ["one", "two", "manifests"]);
    assert_eq!(with(&["patch"], "").unwrap(), ["app", "new", "manifests"]);
    assert_eq!(with(&[], "true").unwrap(), ["ci", "manifests"]);
    assert_eq!(with(&["-env"], "true").unwrap(), ["app", "manifests"]);
    assert!(with(&["tow"], "").unwrap_err().contains("there is no profile named `tow`"));
}

#[test]
fn modules_come_with_what_they_require() {
    let text = newest(
        "metadata: {name: a}\nrequires:\n- path: lib\n  configs: [lib]\n  activeProfiles: [{name: prod, activatedBy: [x]}]\n\
         manifests: {rawYaml: [k8s]}\nprofiles: [{name: x}]\n---\n\
         apiVersion: skaffold/v2beta10\nkind: Config\nmetadata: {name: b}\ndeploy: {kubectl: {manifests: [k8s/web.yaml]}}\n",
    );
    let with = |change: fn(&mut ConfigRequest)| loaded_with(&text, change).unwrap();
    let all = with(|_| {});
    assert_eq!(names(&all), ["lib", "a", "b", "lib"]);
    let after =
        &all.project.releases.values().find(|release| release.name.as_str() == "a").unwrap().after;
    assert_eq!(after.iter().map(ToString::to_string).collect::<Vec<_>>(), ["lib"]);
    assert_eq!(names(&with(|request| request.modules = vec!["b".to_owned()])), ["b"]);
    assert_eq!(names(&with(|request| request.modules = vec!["lib".to_owned()])), ["lib", "lib"]);
    assert_eq!(names(&with(|request| request.profiles = vec!["x".to_owned()]))[0], "lib-prod");
}

#[test]
fn every_version_is_read() {
    let all = versions::all();
    assert_eq!(all.len(), 71);
    for version in all {
        let loaded = loaded(&format!("apiVersion: {version}\nkind: Config\n"));
        assert_eq!(names(&loaded), ["manifests"], "{version}");
    }
}

#[test]
fn older_files_say_the_same_in_other_words() {
    let of = |version: &str, body: &str| {
        written_of(&loaded(&format!("apiVersion: skaffold/{version}\nkind: Config\n{body}")))
    };
    let oldest = of(
        "v1alpha1",
        "build:\n  tagPolicy: gitCommit\n  artifacts: [{imageName: app, workspace: app, dockerfilePath: Dockerfile}]\n\
         deploy: {kubectl: {manifests: [{paths: [k8s/web.yaml]}]}}\n",
    );
    assert_eq!(
        oldest,
        "images:\n  app:\n    context: app\n    tag: \"{git}\"\nmanifests:\n  - k8s/web.yaml\n"
    );
    let sync =
        of("v1beta9", "build: {artifacts: [{image: app, context: app, sync: {'*.js': .}}]}\n");
    assert!(sync.contains("context: app"));
    let kustomize = of("v1beta10", "deploy: {kustomize: {path: overlay}}\n");
    assert!(kustomize.contains("overlay"), "{kustomize}");
    let helm = of(
        "v2beta3",
        "build: {artifacts: [{image: app, context: app}]}\n\
         deploy: {helm: {releases: [{name: r, chartPath: chart, values: {image: app}, imageStrategy: {helm: {}}}]}}\n",
    );
    assert!(helm.contains("{repository:app}") && helm.contains("{tag:app}@{digest:app}"), "{helm}");
    let plain = of(
        "v2beta29",
        "build: {artifacts: [{image: app, context: app}]}\n\
         deploy: {helm: {releases: [{name: r, chartPath: chart, artifactOverrides: {web.image: app}}]}}\n",
    );
    assert!(plain.contains("{image:app}"), "{plain}");
}

#[test]
fn what_wharf_does_not_carry_out_is_refused_or_told() {
    for (body, word) in [
        ("deploy: {kustomize: {}}\n", "unknown key `kustomize` in `deploy`"),
        ("deploy: {docker: {images: [a]}}\n", "`deploy.docker` of Skaffold"),
        ("build: {artifacts: [{image: a, docker: {squash: true}}]}\n", "BuildKit cannot squash"),
        ("requires: [{path: nowhere}]\n", "`nowhere` does not exist"),
        ("manifests: {rawYaml: ['gs://x/y.yaml']}\n", "not from addresses"),
        ("build: {artifact: []}\n", "did you mean `artifacts`?"),
        ("deploy: {statusCheckDeadlineSeconds: soon}\n", "expected a whole number"),
        ("manifests: {rawYaml: k8s}\n", "expected a list of texts"),
        ("deploy: {kubectl: {defaultNamespace: '{{.NO_SUCH}}'}}\n", "`NO_SUCH` is not set"),
        ("profiles: [{name: p, build: {artefacts: []}}]\n", "unknown key `artefacts`"),
    ] {
        let shown = error(body);
        assert!(shown.contains(word), "{body}\n{shown}");
    }
    let told = loaded(&newest(
        "build: {insecureRegistries: [x.example:5000]}\ntest: [{image: a, custom: [{command: x, dependencies: {paths: [y]}}]}]\n",
    ));
    let notes = told.notes.join("\n");
    assert_eq!(told.project.insecure_registries, ["x.example:5000"]);
    assert!(notes.contains("`test.custom.dependencies` (skaffold.yaml:4)"), "{notes}");
    // Elsewhere it does not hinder.
    let other = loaded(&newest("profiles: [{name: cloud, build: {googleCloudBuild: {}}}]\n"));
    assert_eq!(names(&other), ["manifests"]);
}

#[test]
fn yaml_is_taken_as_leniently_as_there() {
    let shown = written(
        ".anchors: &c {context: app}\nbuild:\n  artifacts:\n  - <<: *c\n    image: app:v1\n    docker:\n\
         deploy: {statusCheck: off}\n---\n",
    );
    assert!(
        shown.contains("  app:\n    context: app\n") && shown.contains("ready: false"),
        "{shown}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]
    #[test]
    fn a_bad_file_never_panics(at in 0_usize..600, cut in 0_usize..40, put in "[-{}\\[\\]:,&*!|>'\"%@a-z0-9\n ]{0,6}") {
        let mut text = newest(
            "build:\n  artifacts:\n  - image: app\n    context: app\n    docker: {buildArgs: {A: '{{.B | default 1}}'}}\n\
             deploy:\n  helm:\n    releases:\n    - name: r\n      chartPath: chart\n      setValues: {a.b[0]: '{x,y}'}\n\
             \x20     setValueTemplates: {image: '{{.IMAGE_REPO}}'}\nportForward: [{resourceType: service, port: 80}]\n\
             profiles:\n- name: p\n  activation: [{env: A=b}]\n  patches: [{op: add, path: /build/artifacts/-, value: {image: x}}]\n",
        );
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        text.replace_range(start..end, &put);
        let _ = loaded_with(&text, |request| {
            request.environment.insert("A".to_owned(), "b".to_owned());
        });
    }
}
