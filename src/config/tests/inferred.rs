//! What is read from a folder without a file.

use insta::assert_snapshot;

use super::*;

/// The `wharf.yaml` of what is inferred, or the error.
fn inferred(texts: &[(&str, &str)]) -> String {
    let listing = inference::Listing::from_texts("/shop", texts);
    match inference::infer(&listing) {
        Ok(loaded) => {
            let notes: Vec<String> =
                loaded.notes.iter().map(|note| format!("note: {note}\n")).collect();
            let text = init(&loaded.project, &loaded.provenance);
            let lines = text.lines().skip(1).filter(|line| !line.is_empty());
            let own = lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            format!("{own}\n{}", notes.concat())
        }
        Err(error) => shown(&error.failure()),
    }
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: c, image: IMAGE}]}
";
const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: 80}]}
";

fn deployment(name: &str, image: &str) -> String {
    DEPLOYMENT.replace("NAME", name).replace("IMAGE", image)
}

fn service(name: &str) -> String {
    SERVICE.replace("NAME", name)
}

#[test]
fn one_dockerfile_and_one_chart_need_no_file() {
    let chart = [
        ("Dockerfile", "FROM python:3.11-slim\n"),
        ("chart/Chart.yaml", "name: hello\n"),
        ("chart/values.yaml", "image: {repository: greeter, tag: x}\nservice: {port: 8080}\n"),
        (
            "chart/templates/deployment.yaml",
            "kind: Deployment\nimage: \"{{ .Values.image.repository }}\"\n",
        ),
        (
            "chart/templates/service.yaml",
            "{{- if .Values.service }}\napiVersion: v1\nkind: Service\nmetadata:\n  name: {{ include \"hello.fullname\" . }}\n  labels:\n    {{- include \"hello.labels\" . | nindent 4 }}\nspec:\n  ports:\n    - port: {{ .Values.service.port | default 80 }}\n      targetPort: http\n  selector:\n    {{- include \"hello.selectorLabels\" . | nindent 4 }}\n{{- end }}\n",
        ),
    ];
    assert_snapshot!(inferred(&chart), @r#"
    name: shop                               # the folder's name
    images:
      greeter:
        context: .                           # the only image without a Dockerfile in chart/values.yaml (image.repository)
    releases:
      hello:
        chart: chart                         # chart/Chart.yaml
    forward:
      - service/hello: 8080                  # chart/templates/service.yaml
    "#);
}

#[test]
fn images_are_paired_by_name_and_by_folder_and_bases_come_along() {
    let both = format!(
        "{}---{}---{}",
        deployment("api", "ghcr.io/acme/api:1"),
        service("api"),
        deployment("web", "shop-web")
    );
    let files = [
        ("base/Dockerfile", "FROM debian:bookworm-slim\n"),
        ("services/api/Dockerfile", "FROM base\n"),
        ("services/web/Dockerfile", "FROM node:20-slim\nCOPY --from=base /x /x\n"),
        ("Dockerfile.worker", "FROM scratch\n"),
        ("tools/Dockerfile", "FROM scratch\n"),
        ("k8s/app.yaml", both.as_str()),
        ("k8s/worker.yaml", &deployment("worker", "worker:dev")),
        ("k8s/db.yaml", &format!("{}---{}", deployment("db", "postgres:15"), service("db"))),
        ("docker-compose.yaml", "services: {}\n"),
    ];
    assert_snapshot!(inferred(&files), @r#"
    name: shop                               # the folder's name
    images:
      base:
        context: base                        # services/api/Dockerfile is built from it
      ghcr.io/acme/api:
        context: services/api                # the image's name in k8s/app.yaml
        needs:
          - base
      shop-web:
        context: services/web                # the image's name in k8s/app.yaml
        needs:
          - base
      worker:
        dockerfile: Dockerfile.worker        # the image's name in k8s/worker.yaml
    manifests:
      - k8s/*.yaml                           # the objects in these files
    forward:
      - service/api: 80                      # k8s/app.yaml
    note: `tools/Dockerfile` is left out, since nothing here uses its image
    "#);
}

#[test]
fn the_overlay_for_development_is_meant() {
    let base = format!("{}---{}", deployment("api", "api"), service("api"));
    let files = [
        ("api/Dockerfile", "FROM scratch\n"),
        ("deploy/base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("deploy/base/app.yaml", base.as_str()),
        (
            "deploy/overlays/dev/kustomization.yaml",
            "resources: [../../base]\nnamePrefix: dev-\nnamespace: team\nimages: [{name: api, newName: ghcr.io/acme/api}]\n",
        ),
        ("deploy/overlays/prod/kustomization.yaml", "resources: [../../base]\n"),
    ];
    assert_snapshot!(inferred(&files), @r#"
    name: shop                               # the folder's name
    images:
      ghcr.io/acme/api:
        context: api                         # the image's name in deploy/base/app.yaml
    kustomize:
      - deploy/overlays/dev                  # the overlay for development
    forward:
      - service: dev-api                     # deploy/base/app.yaml
        port: 80                             # deploy/base/app.yaml
        namespace: team
    "#);
}

#[test]
fn several_overlays_are_a_question() {
    let base = deployment("api", "api");
    let files = [
        ("api/Dockerfile", "FROM scratch\n"),
        ("deploy/base/kustomization.yaml", "resources: [app.yaml]\n"),
        ("deploy/base/app.yaml", base.as_str()),
        ("deploy/overlays/eu/kustomization.yaml", "resources: [../../base]\n"),
        ("deploy/overlays/us/kustomization.yaml", "resources: [../../base]\n"),
    ];
    assert_snapshot!(inferred(&files), @r#"
    which of these overlays is meant? [wharf::config::question]
    why: `deploy/overlays/eu`
    why: `deploy/overlays/us`
    help: write a `wharf.yaml` with the right one, such as:
    # What wharf builds, installs and forwards. Every key: `wharf schema`.
    name: shop                               # the folder's name

    # Images, by the name that manifests and values call them.
    images:
      api:
        context: api                         # the image's name in deploy/base/app.yaml

    # Kustomizations, by name.
    kustomize:
      - deploy/overlays/eu                   # its kustomization
    "#);
}

#[test]
fn several_dockerfiles_for_one_image_are_a_question() {
    let files = [
        ("a/api/Dockerfile", "FROM scratch\n"),
        ("b/api/Dockerfile", "FROM scratch\n"),
        ("app.yaml", &deployment("api", "api")),
    ];
    assert_snapshot!(inferred(&files), @r#"
    which Dockerfile builds the image `api`? [wharf::config::question]
    why: `a/api/Dockerfile`
    why: `b/api/Dockerfile`
    help: write a `wharf.yaml` with the right one, such as:
    # What wharf builds, installs and forwards. Every key: `wharf schema`.
    name: shop                               # the folder's name

    # Images, by the name that manifests and values call them.
    images:
      api:
        context: a/api                       # the image's name in app.yaml

    # Manifests that are applied as they are.
    manifests:
      - app.yaml                             # the objects in these files
    "#);
}

#[test]
fn an_image_that_fits_no_dockerfile_is_a_question() {
    let both = format!("{}---{}", deployment("front", "front"), deployment("back", "back"));
    let files = [
        ("one/Dockerfile", "FROM scratch\n"),
        ("two/Dockerfile", "FROM scratch\n"),
        ("k8s/app.yaml", both.as_str()),
    ];
    assert_snapshot!(inferred(&files), @r#"
    which Dockerfile builds the image `back`? [wharf::config::question]
    why: `one/Dockerfile`
    why: `two/Dockerfile`
    help: write a `wharf.yaml` with the right one, such as:
    # What wharf builds, installs and forwards. Every key: `wharf schema`.
    name: shop                               # the folder's name

    # Images, by the name that manifests and values call them.
    images:
      back:
        context: one                         # or another one
      front:
        context: two                         # or another one

    # Manifests that are applied as they are.
    manifests:
      - k8s/*.yaml                           # the objects in these files
    "#);
    let foreign =
        [("one/Dockerfile", "FROM scratch\n"), ("k8s/app.yaml", &deployment("db", "postgres:15"))];
    assert_snapshot!(inferred(&foreign), @r#"
    none of the images that are deployed here seems to be built here [wharf::config::question]
    why: `one/Dockerfile` is a Dockerfile
    why: `postgres` is deployed
    help: write a `wharf.yaml` with the right one, such as:
    # What wharf builds, installs and forwards. Every key: `wharf schema`.
    name: shop                               # the folder's name

    # Images, by the name that manifests and values call them.
    images:
      one:
        context: one                         # or another one

    # Manifests that are applied as they are.
    manifests:
      - k8s/*.yaml                           # the objects in these files
    "#);
}

#[test]
fn a_chart_and_manifests_of_the_same_image_are_a_question() {
    let files = [
        ("api/Dockerfile", "FROM scratch\n"),
        ("chart/Chart.yaml", "name: shop\n"),
        ("chart/values.yaml", "api: {image: {repository: api}}\n"),
        ("k8s/app.yaml", &deployment("api", "api")),
    ];
    assert_snapshot!(inferred(&files), @r#"
    image `api` is deployed twice, by `chart` and by `k8s/*.yaml` [wharf::config::question]
    why: chart
    why: k8s/*.yaml
    help: write a `wharf.yaml` with the right one, such as:
    # What wharf builds, installs and forwards. Every key: `wharf schema`.
    name: shop                               # the folder's name

    # Images, by the name that manifests and values call them.
    images:
      api:
        context: api                         # the image's name in chart/values.yaml (api.image.repository)

    # Helm releases, by name.
    releases:
      shop:
        chart: chart                         # chart/Chart.yaml
    "#);
}

#[test]
fn one_half_is_not_enough() {
    assert_snapshot!(inferred(&[("api/Dockerfile", "FROM scratch\n")]), @r#"
    there is no `wharf.yaml` in `/shop`, and nothing there to infer one from [wharf::config::nothing_found]
    why: found Dockerfile `api/Dockerfile`
    why: found no chart, kustomization or manifest
    help: run wharf in a folder with a Dockerfile and a Helm chart, kustomization or manifests, or name the configuration with `-f FILE`
    "#);
    assert_snapshot!(inferred(&[("k8s/app.yaml", &deployment("api", "api"))]), @r#"
    there is no `wharf.yaml` in `/shop`, and nothing there to infer one from [wharf::config::nothing_found]
    why: found no Dockerfile
    why: found manifests `k8s/*.yaml`
    help: run wharf in a folder with a Dockerfile and a Helm chart, kustomization or manifests, or name the configuration with `-f FILE`
    "#);
}

#[test]
fn inner_charts_libraries_and_dependencies_are_no_releases() {
    let files = [
        ("api/Dockerfile", "FROM scratch\n"),
        ("cache/Dockerfile", "FROM scratch\n"),
        (
            "charts/app/Chart.yaml",
            "name: app\ndependencies: [{name: shared, repository: \"file://../shared\"}]\n",
        ),
        (
            "charts/app/values.yaml",
            "image: api:1\ncache: {image: {registry: ghcr.io, repository: acme/cache}}\n",
        ),
        ("charts/app/charts/cache/Chart.yaml", "name: cache\n"),
        ("charts/app/charts/cache/values.yaml", "image: {repository: other}\nport: 6379\n"),
        (
            "charts/app/charts/cache/templates/service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: \"{{ .Release.Name }}-cache\"}\nspec: {ports: [{port: {{ .Values.port }}}]}\n",
        ),
        ("charts/shared/Chart.yaml", "name: shared\n"),
        ("charts/lib/Chart.yaml", "name: lib\ntype: library\n"),
    ];
    assert_snapshot!(inferred(&files), @r#"
    name: shop                               # the folder's name
    images:
      api:
        context: api                         # the image's name in charts/app/values.yaml (image)
      ghcr.io/acme/cache:
        context: cache                       # the image's name in charts/app/values.yaml (cache.image.repository)
    releases:
      app:
        chart: charts/app                    # charts/app/Chart.yaml
    forward:
      - service/app-cache: 6379              # charts/app/charts/cache/templates/service.yaml
    "#);
}

#[test]
fn local_ports_do_not_collide() {
    let two = format!(
        "{}---{}---{}---{}",
        deployment("a", "a"),
        service("a"),
        deployment("b", "b"),
        service("b")
    );
    let files = [
        ("a/Dockerfile", "FROM scratch\n"),
        ("b/Dockerfile", "FROM scratch\n"),
        ("k8s/app.yaml", two.as_str()),
    ];
    assert_snapshot!(inferred(&files), @r#"
    name: shop                               # the folder's name
    images:
      a:
        context: a                           # the image's name in k8s/app.yaml
      b:
        context: b                           # the image's name in k8s/app.yaml
    manifests:
      - k8s/*.yaml                           # the objects in these files
    forward:
      - service/a: 80                        # k8s/app.yaml
      - service/b: "8081:80"                 # k8s/app.yaml
    "#);
}

#[test]
fn ignored_folders_show_nothing() {
    let folder = folder(&[
        (".gitignore", "/out\n"),
        ("api/Dockerfile", "FROM scratch\n"),
        ("node_modules/x/Dockerfile", "FROM scratch\n"),
        ("out/api/Dockerfile", "FROM scratch\n"),
        ("k8s/app.yaml", &deployment("api", "api")),
    ]);
    let project = loaded(folder.path()).unwrap().project;
    assert_eq!(project.artifacts.len(), 1);
    assert_eq!(project.releases.len(), 1);
}
