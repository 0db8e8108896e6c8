//! Projects in Skaffold's style, each with one thing that such projects are made of. Every one goes
//! through `run`, an edit under `dev` that takes over what `run` left, and `delete`.
//!
//! Each is a server of a few bytes or several; what it serves says whose it is and whether the edit
//! has arrived, and is read in the pod itself.

use std::process::Command;

use crate::support::{Inventory, Project, Wharf, kubectl, output, wait_for};

const SERVES: &str = "CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";

/// Stands in for the plugin that decrypts values.
const PLUGIN: &str = "name: secrets\nversion: 1.0.0\nusage: decrypts\ndescription: decrypts\n\
                      command: sh $HELM_PLUGIN_DIR/run.sh\n";

/// A project, and what shows that it runs.
struct Sample {
    name: &'static str,
    files: Vec<(String, String)>,
    /// Flags of every command.
    flags: &'static [&'static str],
    /// The file whose edit reaches `edited`.
    edit: &'static str,
    /// Deployments that serve the edited file.
    edited: &'static [&'static str],
    /// Deployments that serve something else, and go on doing so in the same pods.
    others: &'static [&'static str],
    /// What else is so once it runs.
    check: fn(&Project),
}

impl Sample {
    fn new(name: &'static str, skaffold: &str) -> Self {
        let files = vec![("skaffold.yaml".to_owned(), skaffold.to_owned())];
        Self {
            name,
            files,
            flags: &[],
            edit: "www/index.html",
            edited: &[],
            others: &[],
            check: |_| {},
        }
    }

    fn with(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// A folder with a Dockerfile that serves what lies in `www`.
    fn server(self, folder: &str) -> Self {
        let dockerfile = format!("FROM busybox:1.36\nCOPY www /www\n{SERVES}");
        self.with(&path(folder, "Dockerfile"), &dockerfile)
            .with(&path(folder, "www/index.html"), "first of MARK\n")
    }

    fn project(&self) -> Project {
        let mut project = Project::of(self.name, &[]);
        let log = project.home().join("hooks.log");
        project.set_variable("LOG", &log.display().to_string());
        let plugins = project.folder().join("plugins");
        project.set_variable("HELM_PLUGINS", &plugins.display().to_string());
        let mark = project.namespace().to_owned();
        for (path, text) in &self.files {
            project.write(path, &text.replace("MARK", &mark));
        }
        project
    }

    fn go_through(&self) {
        let project = self.project();
        let before = Inventory::take(&project);
        let with = |command: &[&'static str]| [command, self.flags].concat();
        let done = |command: &[&'static str]| {
            let (status, reports) = Wharf::run(&project, &with(command));
            assert!(status.success(), "{}: {command:?}: {reports:#?}", self.name);
        };
        done(&["run"]);
        let all = || self.edited.iter().chain(self.others);
        for deployment in all() {
            self.serves(&project, deployment, "first");
        }
        (self.check)(&project);
        let pods = |deployment: &str| uid_of_pod(&project, deployment);
        let others: Vec<String> = self.others.iter().map(|name| pods(name)).collect();

        let mut wharf = Wharf::start(&project, &with(&["dev"]));
        assert_eq!(wharf.round(), 0, "{}: {:#?}", self.name, wharf.reports());
        project.write(self.edit, &format!("second of {}\n", project.namespace()));
        assert_eq!(wharf.round(), 0, "{}: {:#?}", self.name, wharf.reports());
        for deployment in self.edited {
            self.serves(&project, deployment, "second");
        }
        for (deployment, pod) in self.others.iter().zip(&others) {
            assert_eq!(
                &pods(deployment),
                pod,
                "{}: {deployment} has nothing to do with it",
                self.name
            );
        }
        assert_eq!(wharf.interrupt(), Some(0), "{}", self.name);

        done(&["delete"]);
        assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new(), "{}", self.name);
    }

    /// Waits until a pod of `deployment` serves what begins with `word`.
    fn serves(&self, project: &Project, deployment: &str, word: &str) {
        let wanted = format!("{word} of {}", project.namespace());
        let name = format!("deploy/{deployment}");
        let read = ["exec", "-n", project.namespace(), &name, "--", "cat", "/www/index.html"];
        wait_for(&format!("{}: {deployment} serves `{wanted}`", self.name), || {
            let read = Command::new("kubectl").args(read).output().expect("kubectl starts");
            String::from_utf8_lossy(&read.stdout).contains(&wanted).then_some(())
        });
    }
}

fn path(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A Deployment of `image`.
fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: {name}
        image: {image}
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
"
    )
}

fn uid_of_pod(project: &Project, deployment: &str) -> String {
    let (label, path) = (format!("app={deployment}"), "jsonpath={.items[*].metadata.uid}");
    kubectl(&["get", "pods", "-n", project.namespace(), "-l", &label, "-o", path])
}

fn image_of(project: &Project, deployment: &str) -> String {
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    kubectl(&["get", "deploy", deployment, "-n", project.namespace(), "-o", path])
}

/// What hooks have written.
fn log(project: &Project) -> String {
    std::fs::read_to_string(project.home().join("hooks.log")).unwrap_or_default()
}

/// The ID that Docker has for `image`.
fn id(image: &str) -> String {
    output("docker", &["image", "inspect", "-f", "{{.Id}}", image])
}

fn a_single_module() -> Sample {
    let skaffold =
        "apiVersion: skaffold/v4beta14\nkind: Config\nbuild: {artifacts: [{image: sa/one}]}\n";
    let sample = Sample::new("single", skaffold).server("");
    Sample { edited: &["one"], ..sample.with("k8s/one.yaml", &deployment("one", "sa/one")) }
}

/// `front` requires two modules, of which one requires a fourth; of that file one of two is meant.
fn four_modules() -> Sample {
    let module = |name: &str, more: &str| {
        format!(
            "apiVersion: skaffold/v4beta7\nkind: Config\nmetadata: {{name: {name}}}\n\
             build: {{artifacts: [{{image: sa/{name}}}]}}\n\
             manifests: {{rawYaml: [k8s/*]}}\n{more}"
        )
    };
    let unused = "---\napiVersion: skaffold/v4beta7\nkind: Config\nmetadata: {name: unused}\n\
                  manifests: {rawYaml: [nowhere.yaml]}\n";
    let front = module("front", "requires: [{path: ./left}, {path: right/skaffold.yaml}]\n");
    let left = module("left", "requires: [{path: ../deep, configs: [deep]}]\n");
    let mut sample = Sample::new("modules", &front)
        .with("left/skaffold.yaml", &left)
        .with("right/skaffold.yaml", &module("right", ""))
        .with("deep/skaffold.yaml", &(module("deep", "") + unused));
    for (folder, name) in [("", "front"), ("left", "left"), ("right", "right"), ("deep", "deep")] {
        sample = sample
            .server(folder)
            .with(
                &path(folder, &format!("k8s/{name}.yaml")),
                &deployment(name, &format!("sa/{name}")),
            )
            .with(&path(folder, "k8s/README.md"), "no manifest: {");
    }
    Sample {
        edit: "deep/www/index.html",
        edited: &["deep"],
        others: &["front", "left", "right"],
        ..sample
    }
}

fn artifacts_of_artifacts() -> Sample {
    let skaffold = "apiVersion: skaffold/v2beta29
kind: Config
build:
  artifacts:
  - image: sa/top
    context: top
    requires: [{image: sa/base, alias: BASE}]
  - {image: sa/base, context: base}
  - {image: sa/apart, context: apart}
deploy: {kubectl: {manifests: [k8s/*.yaml]}}
";
    let sample = Sample::new("artifacts", skaffold)
        .with("base/Dockerfile", "FROM busybox:1.36\nCOPY www /www\n")
        .with("base/www/index.html", "first of MARK\n")
        .with("top/Dockerfile", &format!("ARG BASE\nFROM $BASE\n{SERVES}"))
        .server("apart")
        .with("k8s/top.yaml", &deployment("top", "sa/top"))
        .with("k8s/apart.yaml", &deployment("apart", "sa/apart"));
    Sample { edit: "base/www/index.html", edited: &["top"], others: &["apart"], ..sample }
}

/// A chart that is packed, with a subchart and values that a plugin decrypts: images by values, by a name that the values hold
/// already, and in the subchart.
fn a_chart_with_a_subchart() -> Sample {
    let skaffold = r#"apiVersion: skaffold/v4beta13
kind: Config
build: {artifacts: [{image: sa/web, context: web}, {image: sa/side, context: side}]}
deploy:
  helm:
    concurrency: 2
    flags: {template: [--kube-version=v1.30.0], upgrade: [--history-max=3]}
    releases:
    - name: shop
      chartPath: chart
      packaged: {version: 2.0.0, appVersion: "{{.USER | default \"nobody\" | trunc 0}}7"}
      valuesFiles: ["values-{{default \"dev\" .STAGE}}.yaml", secrets.yaml]
      useHelmSecrets: true
      setValueTemplates: {image: "{{.IMAGE_REPO_sa_web}}:{{.IMAGE_TAG_sa_web}}"}
      setFiles: {note: note.txt}
      overrides: {more: {a: 1}}
"#;
    let template = deployment("web", "{{ .Values.image }}").replace(
        "metadata: {name: web}\n",
        "metadata:\n  name: web\n  annotations:\n    chart: {{ .Chart.Version }}-{{ .Chart.AppVersion }}\n    \
         note: {{ .Values.note | quote }}\n    more: \"{{ .Values.more.a }}{{ .Values.more.b }}\"\n",
    );
    let sample = Sample::new("subchart", skaffold)
        .server("web")
        .server("side")
        .with("note.txt", "well")
        .with("values-dev.yaml", "more: {b: plain}\n")
        .with("secrets.yaml", "more: {b: 'ENC[2]'}\nsops: {mac: x}\n")
        .with("plugins/secrets/plugin.yaml", PLUGIN)
        .with("plugins/secrets/run.sh", "test \"$1\" = decrypt && sed 's/ENC.\\(.*\\)]/\\1/; /^sops/d' \"$2\"\n")
        .with("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies: [{name: side, version: 0.1.0}]\n")
        .with("chart/values.yaml", "image: none\nside: {image: sa/side}\n")
        .with("chart/templates/web.yaml", &template)
        .with("chart/charts/side/Chart.yaml", "apiVersion: v2\nname: side\nversion: 0.1.0\n")
        .with("chart/charts/side/templates/side.yaml", &deployment("side", "{{ .Values.image }}"));
    let check = |project: &Project| {
        let path = "jsonpath={.metadata.annotations.chart} {.metadata.annotations.note} {.metadata.annotations.more}";
        let said = kubectl(&["get", "deploy", "web", "-n", project.namespace(), "-o", path]);
        assert_eq!(said, "2.0.0-7 well 12");
    };
    Sample { edit: "web/www/index.html", edited: &["web"], others: &["side"], check, ..sample }
}

fn overlays_by_profile() -> Sample {
    let skaffold = "apiVersion: skaffold/v4beta11
kind: Config
build: {artifacts: [{image: sa/ov}]}
manifests: {kustomize: {paths: [overlays/base]}}
profiles:
- name: dev
  manifests: {kustomize: {paths: [overlays/dev]}}
- name: two
  patches: [{op: add, path: /manifests/kustomize/paths/-, value: overlays/two}]
";
    let settings = "resources: []\nconfigMapGenerator: [{name: two, literals: [a=b]}]\n\
                    generatorOptions: {disableNameSuffixHash: true}\n";
    let sample = Sample::new("overlays", skaffold)
        .server("")
        .with("overlays/base/kustomization.yaml", "resources: [ov.yaml]\n")
        .with("overlays/base/ov.yaml", &deployment("ov", "sa/ov"))
        .with(
            "overlays/dev/kustomization.yaml",
            "resources: [../base]\ncommonAnnotations: {stage: dev}\n",
        )
        .with("overlays/two/kustomization.yaml", settings);
    let check = |project: &Project| {
        let of = |object: &str, path: &str| {
            kubectl(&["get", object, "-n", project.namespace(), "-o", &format!("jsonpath={path}")])
        };
        assert_eq!(of("deploy/ov", "{.metadata.annotations.stage}"), "dev");
        assert_eq!(of("configmap/two", "{.data.a}"), "b");
    };
    // The second's patch finds the list as the first has left it.
    Sample { flags: &["-p", "dev", "-p", "two"], edited: &["ov"], check, ..sample }
}

/// The builder's contract: what it is told, and that only what it names is an input.
fn a_builder_of_its_own() -> Sample {
    let skaffold = r#"apiVersion: skaffold/v4beta14
kind: Config
build:
  artifacts:
  - image: sa/own
    context: app
    custom:
      buildCommand: sh ../build.sh
      dependencies: {paths: [www, Dockerfile], ignore: ["**/*.tmp"]}
    hooks: {before: [{command: [sh, -c, "echo before >>$LOG"], dir: .}]}
"#;
    let script = "set -e\n\
                  test \"$IMAGE\" = \"$IMAGE_REPO:$IMAGE_TAG\" && test \"$IMAGE_REPO\" = sa/own\n\
                  test \"$PUSH_IMAGE\" = false && test \"$SKIP_TEST\" = false && test -n \"$PLATFORMS\"\n\
                  test \"$BUILD_CONTEXT\" = \"$PWD\"\n\
                  docker build -q -t \"$IMAGE\" \"$BUILD_CONTEXT\"\n";
    let sample = Sample::new("own", skaffold)
        .server("app")
        .with("build.sh", script)
        .with("k8s/own.yaml", &deployment("own", "sa/own"));
    let check = |project: &Project| assert_eq!(log(project), "before\n");
    Sample { edit: "app/www/index.html", edited: &["own"], check, ..sample }
}

/// Each policy's tag is another name of the image that runs.
fn tags_by_policy() -> Sample {
    let module = |name: &str, policy: &str| {
        format!(
            "---\napiVersion: skaffold/v4beta14\nkind: Config\nmetadata: {{name: {name}}}\n\
             build: {{artifacts: [{{image: sa/MARK-{name}}}], tagPolicy: {policy}}}\n\
             manifests: {{rawYaml: [k8s/{name}.yaml]}}\n"
        )
    };
    let custom = "{customTemplate: {template: '{{.DAY}}-{{.NAME}}', components: \
                  [{name: DAY, dateTime: {format: '2006', timezone: UTC}}, \
                  {name: NAME, envTemplate: {template: 'x'}}]}}";
    let all = [
        module("sha", "{sha256: {}}"),
        module("env", "{envTemplate: {template: 'v1'}}"),
        module("mixed", custom),
    ];
    let mut sample = Sample::new("tags", &all.concat()).server("");
    for name in ["sha", "env", "mixed"] {
        let manifest = deployment(name, &format!("sa/MARK-{name}"));
        sample = sample.with(&format!("k8s/{name}.yaml"), &manifest);
    }
    let check = |project: &Project| {
        let year = output("date", &["-u", "+%Y"]);
        let year = year.trim();
        for (name, tag) in [("sha", "latest"), ("env", "v1"), ("mixed", &format!("{year}-x"))] {
            let runs = image_of(project, name);
            let also = format!("sa/{}-{name}:{tag}", project.namespace());
            assert_ne!(runs, also, "what runs is pinned by its content");
            assert_eq!(id(&also), id(&runs), "{name}");
        }
    };
    Sample { edited: &["sha", "env", "mixed"], check, ..sample }
}

fn hooks_everywhere() -> Sample {
    let skaffold = r#"apiVersion: skaffold/v4beta14
kind: Config
build:
  artifacts:
  - image: sa/hooked
    hooks:
      before: [{command: [sh, -c, 'echo "build $SKAFFOLD_IMAGE_REPO $SKAFFOLD_PUSH_IMAGE" >>$LOG']}]
      after: [{command: [sh, -c, 'docker image inspect "$SKAFFOLD_IMAGE" >/dev/null && echo built >>$LOG'], os: [linux, darwin]}]
deploy:
  kubectl:
    hooks:
      before: [{host: {command: [sh, -c, 'echo "deploy $SKAFFOLD_NAMESPACES" >>$LOG']}}]
      after:
      - container: {podName: "hooked-*", command: [sh, -c, 'echo yes >/tmp/hooked']}
      - host: {command: [sh, -c, 'echo deployed >>$LOG'], os: [linux, darwin]}
      - host: {command: [false], os: [windows]}
"#;
    let sample = Sample::new("hooked", skaffold)
        .server("")
        .with("k8s/hooked.yaml", &deployment("hooked", "sa/hooked"));
    let check = |project: &Project| {
        let expected =
            format!("build sa/hooked false\nbuilt\ndeploy {}\ndeployed\n", project.namespace());
        assert_eq!(log(project), expected);
        let read = ["exec", "-n", project.namespace(), "deploy/hooked", "--", "cat", "/tmp/hooked"];
        assert_eq!(kubectl(&read).trim(), "yes");
    };
    Sample { edited: &["hooked"], check, ..sample }
}

/// Several at a time, since most of it is waiting.
fn go_through(samples: &[Sample]) {
    std::thread::scope(|scope| {
        for sample in samples {
            scope.spawn(|| sample.go_through());
        }
    });
}

#[test]
#[ignore = "needs a cluster"]
fn modules_artifacts_and_charts_go_through_run_an_edit_and_delete() {
    go_through(&[
        a_single_module(),
        four_modules(),
        artifacts_of_artifacts(),
        a_chart_with_a_subchart(),
    ]);
}

#[test]
#[ignore = "needs a cluster"]
fn overlays_builders_tags_and_hooks_go_through_run_an_edit_and_delete() {
    go_through(&[
        overlays_by_profile(),
        a_builder_of_its_own(),
        tags_by_policy(),
        hooks_everywhere(),
    ]);
}
