//! Failures of charts, before anything of them is in the cluster.

use super::{failure, mended, times_told};
use crate::support::{Project, Wharf};

#[test]
#[ignore = "needs a cluster"]
fn a_chart_that_does_not_render_or_cannot_run_its_images() {
    let project = Project::web();
    let chart = project.read("chart/Chart.yaml");
    let depends = |repository: &str| {
        let wanted = format!("{{name: cachelib, version: 1.0.0, repository: \"{repository}\"}}");
        project.write("chart/Chart.yaml", &format!("{chart}dependencies: [{wanted}]\n"));
    };
    depends("");
    let mut wharf = Wharf::start(&project, &["dev"]);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: chart `chart` lacks `cachelib`, and Helm cannot fetch it
      it is not in `chart/charts`, and no `repository` says where to fetch `cachelib` from
    help: put `cachelib` into `chart/charts`, or give it a `repository` in `chart/Chart.yaml`
    [wharf::render::dependency_build]
    ");
    assert_ne!(wharf.round(), 0);

    depends("http://127.0.0.1:9/charts");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r#"
    web  failed: chart `chart` lacks `cachelib`, and Helm cannot fetch it
      its repository is out of reach: Get "http://127.0.0.1:PORT/charts/index.yaml": dial tcp 127.0.0.1:PORT: connect: connection refused
    help: put `cachelib` into `chart/charts`, or correct its `repository` in `chart/Chart.yaml`
    [wharf::render::dependency_build]
    "#);
    assert_ne!(wharf.round(), 0);

    let cachelib = "apiVersion: v2\nname: cachelib\nversion: 1.0.0\n";
    project.write("chart/charts/cachelib/Chart.yaml", cachelib);
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::render::dependency_build"), 2);

    // The same mistake twice, put right by going back: told twice, and that it is over.
    for _ in 0..2 {
        project.edit("chart/templates/web.yaml", ".Values.image.tag ", ".Values.image.tga.x ");
        insta::allow_duplicates! {
            insta::assert_snapshot!(failure(&mut wharf, &project), @r#"
            web  does not render: <.Values.image.tga.x>: nil pointer evaluating interface {}.x
              --> chart/templates/web.yaml:12:53
               |
            12 |           image: "{{ .Values.image.repository }}:{{ .Values.image.tga.x }}"
               |                                                     ^^^^^^^^^^^^^^^^^^^
            help: the values have no `image.tga`: add it, or correct the name
            [wharf::render::template]
            "#);
        }
        assert_ne!(wharf.round(), 0);
        project.edit("chart/templates/web.yaml", ".Values.image.tga.x ", ".Values.image.tag ");
        assert_eq!(wharf.round(), 0);
    }

    project.edit("chart/templates/web.yaml", "{{ .Values.port }}", "{{ .Values.port | nope }}");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r#"
    web  does not render: function "nope" not defined
      --> chart/templates/web.yaml:21:3
       |
    21 |   ports: [{name: http, port: {{ .Values.port | nope }}, targetPort: http}]
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    [wharf::render::template]
    "#);
    assert_ne!(wharf.round(), 0);
    project.edit("chart/templates/web.yaml", "{{ .Values.port | nope }}", "{{ .Values.port }}");
    mended(&mut wharf);

    let values = project.read("chart/values.yaml");
    let policy = "imagePullPolicy: {{ .Values.image.pullPolicy }}\n          ports:";
    project.edit("chart/values.yaml", "tag: none", "tag: none, pullPolicy: Always");
    project.edit(
        "chart/templates/web.yaml",
        "ports: [{name: http, c",
        &format!("{policy} [{{name: http, c"),
    );
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: `deployment/web` pulls `web:TAG` always, but it exists only on the nodes
      `spec.template.spec.containers[0].imagePullPolicy` in `chart/templates/web.yaml` is `Always`
    help: set `image.pullPolicy: IfNotPresent` in the release's values
    [wharf::render::always_pulled]
    ");
    assert_ne!(wharf.round(), 0);
    project.edit("chart/values.yaml", "pullPolicy: Always", "pullPolicy: IfNotPresent");
    mended(&mut wharf);

    // No value makes the image, and Helm 3 hands hooks to no post-renderer.
    let tags = "\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"";
    project.edit("chart/templates/web.yaml", tags, "web:none");
    project.write("chart/templates/migrate.yaml", HOOK);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: the chart hard-codes the image of hook `job/migrate`, so `web` cannot be put there
      `spec.template.spec.containers[0].image` is `web:none` whatever the values say
      Helm 3 hands hooks to no post-renderer
    help: add `migrate.image: web` to the chart's values
    help: in `chart/templates/migrate.yaml` write `image: {{ .Values.migrate.image | quote }}`
    [wharf::render::hard_coded_hook]
    ");
    assert_ne!(wharf.round(), 0);
    project.write("chart/values.yaml", &format!("{values}migrate: {{image: web}}\n"));
    project.edit("chart/templates/migrate.yaml", "web:none", "{{ .Values.migrate.image | quote }}");
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::render::template"), 3);
    assert_eq!(times_told(&wharf, "wharf::render::always_pulled"), 1);
    assert_eq!(times_told(&wharf, "wharf::render::hard_coded_hook"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}

/// A hook that runs the project's own image.
const HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: migrate
          image: web:none
          command: ["true"]
"#;
