//! Charts of many shapes through a real Helm, kustomizations through a real kubectl.
//!
//! Each says how a chart comes by its images, and what must come out.

#![expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]
#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wharf::config::{self, ConfigRequest};
use wharf::model::{
    ArtifactName, Chart, Delivery, HelmSource, ImageRef, ManifestSource, Namespace, Release,
    ReleaseName, ReleaseSource, Tag, WaitRule,
};
use wharf::render::{self, RenderError, RenderScope, Rendered, Shape};
use wharf::tools::Tools;

const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A chart in a folder of its own, and what it is rendered with.
struct Case {
    folder: tempfile::TempDir,
    set: BTreeMap<String, Value>,
    images: BTreeMap<ArtifactName, ImageRef>,
    delivery: Delivery,
}

fn tools() -> Tools {
    Tools::new(std::env::vars_os().collect())
}

/// The Helm on the `PATH`, and the testbed's Helm 4.
async fn helms() -> &'static [Tools] {
    static HELMS: tokio::sync::OnceCell<Vec<Tools>> = tokio::sync::OnceCell::const_new();
    let find = async {
        let up = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/up.sh");
        let told = tools().command(up).args(["part", "helm4"]).run().await.unwrap().text();
        let folder = told.lines().find_map(|line| line.strip_prefix("export PATH=")).unwrap();
        let folder = folder.strip_suffix(":$PATH").unwrap().to_owned();
        let path = tools().variable("PATH").unwrap().to_string_lossy().into_owned();
        vec![tools(), tools().with_variable("PATH", format!("{folder}:{path}"))]
    };
    HELMS.get_or_init(|| find).await
}

impl Case {
    /// A chart `demo` with these values and one template.
    fn new(values: &str, template: &str) -> Self {
        let case = Self {
            folder: tempfile::tempdir().unwrap(),
            set: BTreeMap::new(),
            images: BTreeMap::new(),
            delivery: Delivery::Load,
        };
        case.file("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: \"7.7\"\n")
            .file("values.yaml", values)
            .file("templates/main.yaml", template)
            .image("api", "api:0123456789abcdef")
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.chart().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn image(mut self, artifact: &str, image: &str) -> Self {
        self.images.insert(ArtifactName::parse(artifact).unwrap(), ImageRef::parse(image).unwrap());
        self
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.set.insert(key.to_owned(), value);
        self
    }

    fn pushed(mut self) -> Self {
        self.delivery = Delivery::Push;
        self
    }

    fn chart(&self) -> PathBuf {
        self.folder.path().join("chart")
    }

    fn scope(&self) -> RenderScope {
        self.scope_with(tools())
    }

    fn scope_with(&self, tools: Tools) -> RenderScope {
        let namespace = Namespace::parse("shop").unwrap();
        let folder = self.folder.path().to_owned();
        RenderScope::new(tools, namespace, self.delivery.clone(), folder)
    }

    fn release(&self) -> Release {
        release(ReleaseSource::Helm(HelmSource {
            packaging: wharf::model::Packaging::default(),
            secret_values: vec![],
            chart: Chart::Path(self.chart()),
            values: Vec::new(),
            set: self.set.clone(),
            image_values: BTreeMap::new(),
            flags: Vec::new(),
            rollback_on_failure: false,
            skip_crds: false,
        }))
    }

    async fn render(&self, tools: Tools) -> Result<(Shape, Rendered), RenderError> {
        let (scope, release) = (self.scope_with(tools), self.release());
        let shape = render::uses(&scope, &release, &self.images).await?;
        let rendered = render::render(&scope, &release, &shape, &self.images).await?;
        Ok((shape, rendered))
    }

    /// Renders and says through which keys, with which images; each Helm must say the same.
    async fn check(&self, keys: &[&str], images: &[&str]) -> Rendered {
        let mut all = Vec::new();
        for tools in helms().await {
            let (shape, rendered) = self.render(tools.clone()).await.unwrap_or_else(|error| {
                panic!("{:#?}", error.failure());
            });
            let found: BTreeSet<&str> = shape.keys.values().flatten().map(String::as_str).collect();
            assert_eq!(found, keys.iter().copied().collect(), "keys\n{}", rendered.yaml);
            assert_eq!(images_in(&rendered.yaml), images, "{}", rendered.yaml);
            all.push(rendered);
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "Helm 3 and 4 differ: {all:#?}");
        all.remove(0)
    }
}

fn release(source: ReleaseSource) -> Release {
    Release {
        name: ReleaseName::parse("demo").unwrap(),
        namespace: None,
        source,
        after: BTreeSet::new(),
        wait: WaitRule::default(),
        alterations: wharf::model::Alterations::default(),
        hooks: wharf::model::Hooks::default(),
    }
}

fn images_in(yaml: &str) -> Vec<String> {
    let image = |line: &str| {
        let (_, image) = line.trim().trim_start_matches("- ").split_once("image: ")?;
        Some(image.trim_matches('"').to_owned())
    };
    yaml.lines().filter_map(image).collect()
}

fn pod(image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: main\n    image: {image}\n"
    )
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_pair_of_repository_and_tag_gets_the_tag() {
    let template = pod("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"");
    let case = Case::new("image: {repository: api, tag: dev, pullPolicy: Never}\n", &template);
    let rendered = case.check(&["image.tag"], &["api:0123456789abcdef"]).await;
    assert_eq!(rendered.values, Some(json!({"image": {"tag": "0123456789abcdef"}})));
    assert!(!rendered.post_render);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_single_string_gets_the_whole_reference() {
    let case = Case::new("image: api:dev\n", &pod("{{ .Values.image }}"));
    case.check(&["image"], &["api:0123456789abcdef"]).await;
    let case = Case::new("api: {image: api}\n", &pod("{{ .Values.api.image | quote }}"));
    case.check(&["api.image"], &["api:0123456789abcdef"]).await;
}

#[tokio::test]
#[ignore = "needs helm"]
async fn registry_repository_and_tag_get_the_tag() {
    let values = "image: {registry: ghcr.io, repository: acme/api, tag: dev, digest: \"\"}\n";
    let template = pod(
        "{{ .Values.image.registry }}/{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}",
    );
    let case = Case::new(values, &template).image("ghcr.io/acme/api", "ghcr.io/acme/api:0f0f");
    case.check(&["image.tag"], &["ghcr.io/acme/api:0f0f"]).await;
    // Pushed elsewhere: the registry changes, the repository stays.
    let moved = Case::new(values, &template)
        .image("ghcr.io/acme/api", &format!("reg.local:5000/dev/acme/api:0f0f@{DIGEST}"))
        .pushed();
    let image = format!("reg.local:5000/dev/acme/api:0f0f@{DIGEST}");
    let rendered = moved.check(&["image.tag"], &[&image]).await;
    assert_eq!(rendered.values.unwrap()["image"]["registry"], "reg.local:5000/dev");
    assert!(!rendered.post_render);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_digest_in_the_values_gives_way_to_the_tag() {
    let values = format!("image: {{repository: api, tag: dev, digest: \"{DIGEST}\"}}\n");
    let template = pod(
        "{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}",
    );
    let case = Case::new(&values, &template);
    let rendered = case.check(&["image.tag"], &["api:0123456789abcdef"]).await;
    assert_eq!(rendered.values.unwrap()["image"]["digest"], "");
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_chart_that_knows_digests_only_gets_one() {
    let values = format!("image: {{repository: api, digest: \"{DIGEST}\"}}\n");
    let template =
        pod("\"{{ .Values.image.repository }}@{{ required \"digest\" .Values.image.digest }}\"");
    let image = format!("api:0f0f@{DIGEST}");
    let case = Case::new(&values, &template).image("api", &image).pushed();
    let rendered = case.check(&["image.digest"], &[&image]).await;
    // The tag is put in by the post-renderer, since the reference is to be exactly this one.
    assert!(rendered.post_render);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_subchart_with_an_alias_is_reached_through_its_alias() {
    let case = Case::new("front: {image: {tag: dev}}\nother: {}\n", "# nothing\n")
        .file(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- {name: app, alias: front, version: 1.0.0, repository: \"\"}\n- {name: app, alias: other, version: 1.0.0, repository: \"\"}\n",
        )
        .file("charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n")
        .file("charts/app/values.yaml", "image: {repository: api, tag: one}\n")
        .file(
            "charts/app/templates/pod.yaml",
            &pod("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"")
                .replace("{name: p}", "{name: {{ .Chart.Name }}}"),
        );
    case.check(
        &["front.image.tag", "other.image.tag"],
        &["api:0123456789abcdef", "api:0123456789abcdef"],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_list_of_containers_is_passed_on_whole() {
    let values = "containers:\n- {name: api, image: \"api:dev\", port: 80}\n- {name: cache, image: \"redis:7\", port: 6379}\n";
    let template = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n{{- range .Values.containers }}\n  - name: {{ .name }}\n    image: {{ .image }}\n    ports: [{containerPort: {{ .port }}}]\n{{- end }}\n";
    let case = Case::new(values, template);
    let rendered = case.check(&["containers[0].image"], &["api:0123456789abcdef", "redis:7"]).await;
    assert_eq!(rendered.values.unwrap()["containers"][1]["port"], 6379);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_helper_with_the_apps_version_as_its_default_gets_a_tag() {
    let helper = "{{- define \"x.image\" -}}\n{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\n{{- end }}\n";
    let case =
        Case::new("image:\n  repository: api\n", &pod("{{ include \"x.image\" . | quote }}"))
            .file("templates/_helpers.tpl", helper);
    case.check(&["image.tag"], &["api:0123456789abcdef"]).await;
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_hard_coded_image_is_post_rendered() {
    let case = Case::new("{}\n", &pod("api:1.0"));
    let rendered = case.check(&[], &["api:0123456789abcdef"]).await;
    assert!(rendered.post_render);
    let case = Case::new("tag: x\n", &pod("\"api:{{ .Values.tag }}-alpine\""));
    let rendered = case.check(&[], &["api:0123456789abcdef"]).await;
    assert!(rendered.post_render, "a tag that is appended to is no tag");
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_tag_that_is_a_label_too_goes_without_digest() {
    let template = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {version: {{ .Values.image.tag | quote }}}}\nspec:\n  containers:\n  - name: main\n    image: \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"\n";
    let image = format!("reg.local/api:0f0f@{DIGEST}");
    let case =
        Case::new("image: {repository: api, tag: a}\n", template).image("api", &image).pushed();
    let rendered = case.check(&["image.tag"], &["reg.local/api:0f0f"]).await;
    let api = ArtifactName::parse("api").unwrap();
    assert_eq!(rendered.images[&api].to_string(), "reg.local/api:0f0f");
    assert!(!rendered.post_render);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_global_registry_moves_only_what_is_the_projects() {
    let values = "global: {imageRegistry: \"\"}\nimage: {repository: api, tag: a}\nredis: {image: {repository: redis, tag: 7}}\n";
    let two = |prefix: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: a\n    image: \"{prefix}{{{{ .Values.image.repository }}}}:{{{{ .Values.image.tag }}}}\"\n  - name: b\n    image: \"{prefix}{{{{ .Values.redis.image.repository }}}}:{{{{ .Values.redis.image.tag }}}}\"\n"
        )
    };
    let template =
        two("{{ if .Values.global.imageRegistry }}{{ .Values.global.imageRegistry }}/{{ end }}");
    let case = Case::new(values, &template).image("api", "reg.local/dev/api:0f0f").pushed();
    let rendered = case.check(&["image.tag"], &["reg.local/dev/api:0f0f", "redis:7"]).await;
    assert_eq!(rendered.values.unwrap()["image"]["repository"], "reg.local/dev/api");
    assert!(!rendered.post_render);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_tag_that_all_images_share_is_not_touched() {
    let values = "global: {tag: \"\"}\napi: {image: {name: api, tag: a}}\nweb: {image: {name: web, tag: b}}\n";
    let template = "{{- range $name, $it := dict \"api\" .Values.api \"web\" .Values.web }}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ $name }}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: main\n        image: \"{{ $it.image.name }}:{{ coalesce $.Values.global.tag $it.image.tag }}\"\n{{- end }}\n";
    let case = Case::new(values, template).image("web", "web:fedcba9876543210");
    case.check(
        &["api.image.tag", "web.image.tag"],
        &["api:0123456789abcdef", "web:fedcba9876543210"],
    )
    .await;
    // With nothing below it, two images that differ cannot share it.
    let template = template.replace("(coalesce $.Values.global.tag $it.image.tag)", "x");
    let template = template.replace(
        "coalesce $.Values.global.tag $it.image.tag",
        "$.Values.global.tag | default \"x\"",
    );
    let case = Case::new(values, &template).image("web", "web:fedcba9876543210");
    let rendered = case.check(&[], &["api:0123456789abcdef", "web:fedcba9876543210"]).await;
    assert!(rendered.post_render);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn maps_of_images_and_of_tags_are_found() {
    let template = pod("{{ index .Values.images \"api\" }}");
    let case = Case::new("images: {api: \"api:1\", cache: \"redis:7\"}\n", &template);
    case.check(&["images.api"], &["api:0123456789abcdef"]).await;
    let template = pod("\"api:{{ .Values.tags.api }}\"");
    let case = Case::new("tags: {api: 1.20, cache: 7}\n", &template);
    case.check(&["tags.api"], &["api:0123456789abcdef"]).await;
    let template = pod("\"{{ .Values.apiImage }}:{{ .Values.release }}\"");
    let case = Case::new("apiImage: api\nrelease: r17\nstage: dev\n", &template);
    case.check(&["release"], &["api:0123456789abcdef"]).await;
}

#[tokio::test]
#[ignore = "needs helm"]
async fn hooks_cron_jobs_and_init_containers_get_their_images() {
    let image = "\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"";
    let template = format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: c}}\nspec:\n  schedule: '* * * * *'\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          initContainers:\n          - name: i\n            image: {image}\n          containers:\n          - name: m\n            image: {image}\n---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n    helm.sh/hook-weight: \"5\"\nspec:\n  template:\n    spec:\n      containers:\n      - name: m\n        image: {image}\n---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: early\n  annotations: {{\"helm.sh/hook\": pre-install, \"helm.sh/hook-weight\": \"-5\"}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: m\n        image: busybox\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: t, annotations: {{\"helm.sh/hook\": test}}}}\nspec:\n  containers:\n  - name: m\n    image: busybox\n"
    );
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b.c}\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: d.b.c}\n";
    let case = Case::new("image: {repository: api, tag: a}\n", &template).file("crds/a.yaml", crd);
    let wanted = "api:0123456789abcdef";
    let rendered = case.check(&["image.tag"], &[wanted, wanted, "busybox", wanted]).await;
    let names = |objects: &[Value]| -> Vec<String> {
        objects
            .iter()
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&rendered.objects), ["c"]);
    assert_eq!(names(&rendered.hooks), ["early", "migrate"]);
    assert_eq!(names(&rendered.crds), ["a.b.c", "d.b.c"]);
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_chart_that_requires_a_tag_gets_one() {
    let template =
        pod("\"{{ .Values.image.repository }}:{{ required \\\"a tag\\\" .Values.image.tag }}\"")
            .replace("\\\"", "\"");
    let case = Case::new("image: {repository: api}\n", &template);
    case.check(&["image.tag"], &["api:0123456789abcdef"]).await;
}

#[tokio::test]
#[ignore = "needs helm"]
async fn text_values_and_templates_in_values_are_followed() {
    let values = "extra: |\n  - name: side\n    image: api:dev\n    command: [api]\n";
    let template = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n{{ tpl .Values.extra . | indent 4 }}\n";
    let case = Case::new(values, template);
    let rendered = case.check(&[], &["api:0123456789abcdef"]).await;
    assert!(!rendered.post_render);
    let values = "image: \"api:{{ .Values.version }}\"\nversion: dev\n";
    let case = Case::new(values, &pod("{{ tpl .Values.image . }}"));
    case.check(&["version"], &["api:0123456789abcdef"]).await;
}

#[tokio::test]
#[ignore = "needs helm"]
async fn the_persons_own_values_count() {
    let template = pod("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"");
    let case = Case::new("image: {repository: nginx, tag: dev}\n", &template)
        .set("image", json!({"repository": "api"}));
    let rendered = case.check(&["image.tag"], &["api:0123456789abcdef"]).await;
    let values = json!({"image": {"repository": "api", "tag": "0123456789abcdef"}});
    assert_eq!(rendered.values, Some(values));
}

#[tokio::test]
#[ignore = "needs helm"]
async fn a_chart_that_checks_its_tag_falls_back_to_post_rendering() {
    let template = pod("\"{{ .Values.image.repository }}:{{ if semverCompare \\\">=1.0.0\\\" .Values.image.tag }}{{ .Values.image.tag }}{{ end }}\"")
        .replace("\\\"", "\"");
    let case = Case::new("image: {repository: api, tag: 1.2.3}\n", &template);
    let rendered = case.check(&[], &["api:0123456789abcdef"]).await;
    assert!(rendered.post_render);
}

async fn failure(case: &Case, tools: &Tools) -> String {
    let failure = match case.render(tools.clone()).await {
        Ok(_) => return "it renders".to_owned(),
        Err(error) => error.failure(),
    };
    let text = format!(
        "{}\n{}\n{}\n{}\n{}",
        failure.code,
        failure.what,
        failure.why.join("\n"),
        failure.snippet,
        failure.help.join("\n")
    );
    text.replace(&case.folder.path().display().to_string(), "").trim().to_owned()
}

#[tokio::test]
#[ignore = "needs helm"]
async fn failures_name_the_place_and_the_way_out() {
    let [three, four] = helms().await else { panic!("there are two Helms") };
    insta::assert_snapshot!("helm3", failures(three).await);
    insta::assert_snapshot!("helm4", failures(four).await);
}

async fn failures(tools: &Tools) -> String {
    let mut all = String::new();
    let mut add = |name: &str, text: String| {
        for part in ["# ", name, "\n", &text, "\n\n"] {
            all.push_str(part);
        }
    };
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {\"helm.sh/hook\": pre-install}}\nspec: {template: {spec: {containers: [{name: db-migrate, image: \"api:1\"}]}}}\n";
    add("hard-coded hook", failure(&Case::new("{}", hook), tools).await);
    let both = pod("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"") + "---\n" + hook;
    add("with a key", failure(&Case::new("image: {repository: api, tag: a}", &both), tools).await);
    let always = pod("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"")
        + "    imagePullPolicy: {{ .Values.image.pullPolicy }}\n";
    let values =
        "image: {repository: api, tag: a, pullPolicy: Always}\nother: {pullPolicy: Always}";
    add("always", failure(&Case::new(values, &always), tools).await);
    add("nil", failure(&Case::new("a: {}", "a: b\nc: {{ .Values.a.b.c }}\n"), tools).await);
    add("fail", failure(&Case::new("", "a: b\n{{ fail \"no way\" }}\n"), tools).await);
    add("syntax", failure(&Case::new("", "a: b\nc: {{ .Values.x }\n"), tools).await);
    let helper = "{{- define \"x\" -}}\n{{ .Values.a.b.c }}\n{{- end }}\n";
    let nested = Case::new("a: {}", "a: {{ include \"x\" . }}\n").file("templates/_x.tpl", helper);
    add("nested", failure(&nested, tools).await);
    let schema = Case::new("a: 1", "# x\n")
        .file("values.schema.json", "{\"properties\": {\"a\": {\"type\": \"string\"}}}");
    add("schema", failure(&schema, tools).await);
    let missing = Case::new("", "# x\n").file(
        "Chart.yaml",
        "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- {name: redis, version: 1.0.0, repository: \"https://charts.example\"}\n",
    );
    add("dependency", failure(&missing, tools).await);
    add("yaml", failure(&Case::new("", "a: b\n c: d\n"), tools).await);
    add("values", failure(&Case::new("a: b\n c: d\n", "# x\n"), tools).await);
    all
}

#[tokio::test]
#[ignore = "needs helm"]
async fn kustomizations_get_their_images() {
    let case = Case::new("", "")
        .file("base/kustomization.yaml", "resources: [pod.yaml]\n")
        .file("base/pod.yaml", &pod("api:1"))
        .file("overlay/kustomization.yaml", "namePrefix: dev-\nresources: [../base]\n");
    let folder = case.chart().join("overlay");
    let release = release(ReleaseSource::Manifests(ManifestSource::Kustomize(
        wharf::model::KustomizeSource::at(folder),
    )));
    let shape = render::uses(&case.scope(), &release, &case.images).await.unwrap();
    assert_eq!(shape.uses.len(), 1);
    let rendered = render::render(&case.scope(), &release, &shape, &case.images).await.unwrap();
    assert_eq!(images_in(&rendered.yaml), ["api:0123456789abcdef"]);
    assert_eq!(rendered.objects[0]["metadata"]["name"], "dev-p");
}

#[tokio::test]
#[ignore = "needs kubectl"]
async fn a_kustomization_that_lacks_a_file_says_which() {
    let case = Case::new("", "").file("k/kustomization.yaml", "resources: [gone.yaml]\n");
    let folder = case.chart().join("k");
    let release = release(ReleaseSource::Manifests(ManifestSource::Kustomize(
        wharf::model::KustomizeSource::at(folder),
    )));
    let error = render::uses(&case.scope(), &release, &case.images).await.unwrap_err();
    let failure = error.failure();
    assert!(failure.what.contains("gone.yaml"), "{failure:#?}");
    assert!(failure.what.len() < 300 && failure.what.lines().count() == 1, "{failure:#?}");
}

#[tokio::test]
#[ignore = "needs helm"]
async fn subcharts_beside_the_chart_are_packed_again_when_they_change() {
    let case = Case::new("", "# nothing\n").file(
        "Chart.yaml",
        "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- {name: lib, version: 1.0.0, repository: \"file://../lib\"}\n",
    )
    .file("../lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 1.0.0\n")
    .file("../lib/values.yaml", "image: {repository: api, tag: a}\n")
    .file("../lib/templates/pod.yaml", &pod("\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\""));
    let (scope, release) = (case.scope(), case.release());
    assert!(!render::dependencies_satisfied(&case.chart()).unwrap());
    assert!(render::build_dependencies(&scope, &release).await.unwrap());
    assert!(!render::build_dependencies(&scope, &release).await.unwrap(), "it is done once");
    case.check(&["lib.image.tag"], &["api:0123456789abcdef"]).await;
    let namespace = Namespace::parse("shop").unwrap();
    let before = render::fingerprint(&release, &namespace).unwrap();
    write(&case.chart().join("../lib/values.yaml"), "image: {repository: api, tag: b}\n");
    assert!(!render::dependencies_satisfied(&case.chart()).unwrap());
    assert_ne!(render::fingerprint(&release, &namespace).unwrap(), before);
}

#[tokio::test]
#[ignore = "needs helm and kubectl"]
async fn the_examples_render_with_their_images_and_need_no_post_renderer() {
    for (example, expected) in [("hello", 1), ("shop", 5)] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        let request = ConfigRequest { dir, ..ConfigRequest::default() };
        let project = config::load(&request).unwrap().project;
        let tag = Tag::parse("0123456789abcdef").unwrap();
        let image = |name: &ArtifactName| (name.clone(), project.image(name, tag.clone()));
        let images: BTreeMap<_, _> = project.artifacts.keys().map(image).collect();
        let folder = tempfile::tempdir().unwrap();
        let namespace = Namespace::parse("shop").unwrap();
        let scope = RenderScope::new(tools(), namespace, Delivery::Load, folder.path().to_owned());
        let mut used = BTreeSet::new();
        for release in project.releases.values() {
            let shape = render::uses(&scope, release, &images).await.unwrap();
            let rendered = render::render(&scope, release, &shape, &images).await.unwrap();
            let is_helm = rendered.values.is_some();
            assert!(!rendered.post_render, "{example} {}", release.name);
            assert!(!is_helm || shape.uses.is_empty() || !shape.keys.is_empty());
            assert_eq!(rendered.images.keys().cloned().collect::<BTreeSet<_>>(), shape.uses);
            used.extend(shape.uses);
        }
        assert_eq!(used.len(), expected, "{used:?}");
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
#[ignore = "needs helm"]
async fn helm_runs_wharf_as_its_post_renderer() {
    let hook = "---\n".to_owned()
        + &pod("api:1")
            .replace("{name: p}", "{name: h, annotations: {\"helm.sh/hook\": pre-install}}");
    let case = Case::new("{}\n", &(pod("api:1 # why") + &hook));
    for (tools, hooks_too) in helms().await.iter().zip([false, true]) {
        let folder = case.folder.path().join("a folder");
        let wharf = Path::new(env!("CARGO_BIN_EXE_wharf"));
        let scope = case.scope_with(tools.clone());
        let made = render::post_renderer(&scope, wharf, &folder, &Default::default(), &case.images)
            .await
            .unwrap();
        let mut command = tools.command("helm").args(["template", "demo"]).arg(case.chart());
        command = match made {
            render::PostRenderer::Program { path, args } => {
                let args =
                    args.into_iter().flat_map(|arg| ["--post-renderer-args".to_owned(), arg]);
                command.arg("--post-renderer").arg(path).args(args)
            }
            render::PostRenderer::Plugin { name, folder, args } => {
                assert!(args.is_empty());
                command.args(["--post-renderer", &name]).variable("HELM_PLUGINS", folder)
            }
        };
        let text = command.run().await.unwrap().text();
        let wanted = "api:0123456789abcdef\" # why";
        assert!(text.contains(wanted), "{text}");
        assert_eq!(!text.contains("image: api:1\n"), hooks_too, "{text}");
    }
}
