//! Deploying to a real cluster and taking it back. `KUBECONFIG` names one that kind made, with
//! `busybox:1.36` and `registry.k8s.io/pause:3.10` on its nodes.
//!
//! Each test works in a namespace of its own, which it removes.

#![expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]
#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wharf::cleanup::{Journal, unwind};
use wharf::cluster::{Cluster, ClusterOptions};
use wharf::deploy::{
    DeployError, DeployScope, Deployed, Found, Plan, UndoOptions, deploy, look, survey, undo_for,
};
use wharf::model::{
    Chart, HelmSource, Leftover, ManifestSource, Namespace, ObjectRef, ProjectName, Release,
    ReleaseName, ReleaseSource, Undo, WaitRule,
};
use wharf::report::{ReleaseNews, Report};
use wharf::tools::{ToolError, Tools};

/// A cluster, a namespace that is not there yet, and what happened so far.
struct Bed {
    scope: DeployScope,
    namespace: Namespace,
    folder: tempfile::TempDir,
    journal: Journal,
    news: Mutex<Vec<ReleaseNews>>,
    undone: Mutex<Vec<String>>,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let tools = Tools::new(std::env::vars_os().collect());
        let folder = tempfile::tempdir().unwrap();
        let runtime_dir = folder.path().join("run");
        let namespace = Namespace::parse(&format!("wharf-{name}-{}", std::process::id())).unwrap();
        let options = ClusterOptions {
            runtime_dir,
            namespace: Some(namespace.clone()),
            ..ClusterOptions::default()
        };
        let cluster = Cluster::connect(&options, &tools).await.unwrap();
        let project = ProjectName::parse("test").unwrap();
        let journal = Journal::open_at(&folder.path().join("journal.jsonl")).unwrap();
        Self {
            scope: DeployScope { cluster, project },
            namespace,
            folder,
            journal,
            news: Mutex::default(),
            undone: Mutex::default(),
        }
    }

    /// Looks, remembers, deploys: what the loop does.
    async fn deploy(&self, plan: &Plan) -> Result<Deployed, DeployError> {
        let mut found = self.look(plan).await;
        survey(&self.scope, plan, &mut found).await?;
        let steps = undo_for(&found, plan, &self.scope.project, UndoOptions::default())?;
        self.journal.remember(&steps).unwrap();
        let tell = |news| self.news.lock().unwrap().push(news);
        deploy(&self.scope, plan, &found, &tell, &CancellationToken::new()).await
    }

    async fn look(&self, plan: &Plan) -> Found {
        look(&self.scope, &plan.release, &plan.namespace).await.unwrap()
    }

    async fn unwind(&self) -> Vec<Leftover> {
        self.unwind_steps(self.journal.steps()).await
    }

    async fn unwind_steps(&self, steps: Vec<Undo>) -> Vec<Leftover> {
        let tell = |report| {
            if let Report::Undone { what } = report {
                self.undone.lock().unwrap().push(what);
            }
        };
        let cancel = CancellationToken::new();
        unwind(steps, &self.scope.cluster, &self.journal, &tell, &cancel).await
    }

    async fn kubectl(&self, words: &[&str]) -> Result<String, ToolError> {
        let command = self.scope.cluster.tools().command("kubectl");
        let command = command.args(["-n", self.namespace.as_str()]).args(words);
        Ok(command.run().await?.text().trim().to_owned())
    }

    async fn helm(&self, words: &[&str]) -> Result<String, ToolError> {
        let command = self.scope.cluster.tools().command("helm");
        let command = command.args(["-n", self.namespace.as_str()]).args(words);
        Ok(command.run().await?.text().trim().to_owned())
    }

    /// Everything that is left in the namespace, by name; empty once it is gone.
    async fn left(&self) -> String {
        let kinds =
            "all,cm,secret,sa,pvc,ingress,role,rolebinding,endpointslices,controllerrevisions";
        let left = self.kubectl(&["get", kinds, "-o", "name", "--ignore-not-found"]).await.unwrap();
        // Every namespace gets these, sooner or later.
        let own = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
        left.lines().filter(|line| !own.contains(line)).collect::<Vec<_>>().join("\n")
    }

    fn plan(&self, source: ReleaseSource, objects: Vec<Value>, fingerprint: &str) -> Plan {
        Plan {
            release: Release {
                name: ReleaseName::parse("shop").unwrap(),
                namespace: None,
                source,
                after: Default::default(),
                wait: WaitRule { ready: true, timeout: Duration::from_secs(60) },
                alterations: wharf::model::Alterations::default(),
                hooks: wharf::model::Hooks::default(),
            },
            namespace: self.namespace.clone(),
            objects,
            hooks: Vec::new(),
            crds: Vec::new(),
            values: None,
            post_renderer: None,
            fingerprint: fingerprint.to_owned(),
            images: BTreeMap::new(),
            keep_data: false,
            standing: false,
            may_repair: false,
        }
    }

    fn manifests(&self, objects: Vec<Value>, fingerprint: &str) -> Plan {
        let source = ReleaseSource::Manifests(ManifestSource::Files(Vec::new()));
        self.plan(source, objects, fingerprint)
    }

    fn chart(&self, files: &[(&str, &str)], fingerprint: &str) -> Plan {
        let chart = self.folder.path().join("chart");
        write(&chart, "Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
        for (name, text) in files {
            write(&chart, name, text);
        }
        let source = ReleaseSource::Helm(HelmSource {
            packaging: wharf::model::Packaging::default(),
            secret_values: vec![],
            chart: Chart::Path(chart),
            values: Vec::new(),
            set: BTreeMap::new(),
            image_values: BTreeMap::new(),
            flags: Vec::new(),
            rollback_on_failure: false,
            skip_crds: false,
        });
        self.plan(source, Vec::new(), fingerprint)
    }

    fn object(&self, kind: &str, name: &str) -> ObjectRef {
        let api_version = match kind {
            "Deployment" | "StatefulSet" => "apps/v1",
            "Job" => "batch/v1",
            _ => "v1",
        };
        ObjectRef {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(self.namespace.clone()),
            name: name.to_owned(),
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // Only where a test has failed is anything left by now.
        if std::thread::panicking() {
            #[expect(clippy::disallowed_methods, reason = "there is no runtime to wait in")]
            let _ = std::process::Command::new("kubectl")
                .args(["delete", "namespace", self.namespace.as_str(), "--wait=false"])
                .status();
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10"}],
                },
            },
        },
    })
}

fn job(name: &str, command: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", command]}],
        }}},
    })
}

/// The hook of [`HOOK`] as far as a plan must know it.
fn migrate() -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}})
}

const HOOK: &str = r#"
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {"helm.sh/hook": "pre-install,pre-upgrade"}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: busybox:1.36
          command: [sh, -c, {{ .Values.command | quote }}]
"#;

#[tokio::test]
#[ignore = "needs a cluster"]
async fn manifests_come_are_recorded_pruned_and_go() {
    let bed = Bed::new("manifests").await;
    let first = bed.manifests(
        vec![deployment("api", 1), config_map("one", "1"), config_map("two", "2")],
        "first",
    );
    let deployed = bed.deploy(&first).await.unwrap();
    assert_eq!(deployed.inventory.len(), 3);
    let found = bed.look(&first).await;
    assert!(found.is_current("first"), "{:?}", found.drift);
    assert!(!found.is_current("second"));
    assert!(found.made_namespace);

    let second = bed.manifests(vec![deployment("api", 1), config_map("one", "1")], "second");
    let deployed = bed.deploy(&second).await.unwrap();
    assert_eq!(deployed.pruned, [bed.object("ConfigMap", "two")]);
    assert!(bed.kubectl(&["get", "cm", "two"]).await.is_err());

    assert_eq!(bed.unwind().await, []);
    assert_eq!(bed.journal.steps(), []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
    assert_eq!(*bed.undone.lock().unwrap().first().unwrap(), "deleted 2 objects of shop");
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn drift_is_seen_and_said() {
    let bed = Bed::new("drift").await;
    let objects = vec![deployment("api", 1), config_map("one", "1"), config_map("two", "2")];
    let plan = bed.manifests(objects, "first");
    bed.deploy(&plan).await.unwrap();
    bed.kubectl(&["scale", "deployment/api", "--replicas=3"]).await.unwrap();
    bed.kubectl(&["delete", "cm", "one"]).await.unwrap();
    let patch = ["patch", "cm", "two", "-p", r#"{"data":{"key":"other"}}"#];
    bed.kubectl(&patch).await.unwrap();
    let mut drift = bed.look(&plan).await.drift;
    drift.sort();
    assert_eq!(
        drift,
        [
            "configmap/one was deleted",
            "configmap/two was changed by kubectl-patch (data.key)",
            "deployment/api was scaled from 1 to 3 by kubectl",
        ]
    );

    bed.deploy(&plan).await.unwrap();
    assert!(bed.look(&plan).await.is_current("first"));
    let replicas = ["get", "deployment/api", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(bed.kubectl(&replicas).await.unwrap(), "1");
    assert_eq!(bed.unwind().await, []);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_second_deploy_of_the_same_writes_no_object() {
    let bed = Bed::new("same").await;
    let plan = bed.manifests(vec![deployment("api", 1), config_map("one", "1")], "first");
    bed.deploy(&plan).await.unwrap();
    let version = ["get", "cm", "one", "-o", "jsonpath={.metadata.resourceVersion}"];
    let before = bed.kubectl(&version).await.unwrap();
    bed.deploy(&plan).await.unwrap();
    assert_eq!(bed.kubectl(&version).await.unwrap(), before);
    assert_eq!(bed.unwind().await, []);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn manifests_that_are_too_large_to_keep_are_deployed_and_said() {
    let bed = Bed::new("large").await;
    // Noise cannot be packed: each of these is most of what a Secret holds.
    let mut state = 1_u64;
    let mut noise = || {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"[(state >> 59) as usize])
        };
        (0..900_000).map(|_| next()).collect::<String>()
    };
    let mut large = bed.manifests(vec![config_map("one", &noise())], "first");
    large.standing = true;
    assert!(!bed.deploy(&large).await.unwrap().too_large_to_keep);
    large.objects.push(config_map("two", &noise()));
    large.fingerprint = "second".to_owned();
    assert!(bed.deploy(&large).await.unwrap().too_large_to_keep);
    assert!(bed.look(&large).await.is_current("second"));
    let kept = ["get", "secret", "wharf.test.shop"];
    assert!(bed.kubectl(&kept).await.is_err(), "what was kept before is not what runs");
    assert_eq!(bed.unwind().await, []);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn an_immutable_job_is_made_anew() {
    let bed = Bed::new("job").await;
    let get = ["get", "job", "migrate", "-o", "jsonpath={.metadata.uid}"];
    bed.deploy(&bed.manifests(vec![job("migrate", "sleep 1000")], "first")).await.unwrap();
    let first = bed.kubectl(&get).await.unwrap();
    bed.deploy(&bed.manifests(vec![job("migrate", "true")], "second")).await.unwrap();
    assert_ne!(bed.kubectl(&get).await.unwrap(), first);
    assert_eq!(bed.unwind().await, []);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn what_was_there_before_is_taken_over_and_stays() {
    let bed = Bed::new("before").await;
    bed.kubectl(&["create", "namespace", bed.namespace.as_str()]).await.unwrap();
    let mine = bed.folder.path().join("mine.yaml");
    let mut manifest = config_map("mine", "old");
    manifest["data"]["dropped"] = "x".into();
    std::fs::write(&mine, manifest.to_string()).unwrap();
    bed.kubectl(&["apply", "-f", mine.to_str().unwrap()]).await.unwrap();

    let plan = bed.manifests(vec![config_map("mine", "new"), config_map("new", "1")], "first");
    bed.deploy(&plan).await.unwrap();
    let data = ["get", "cm", "mine", "-o", "jsonpath={.data}"];
    assert_eq!(bed.kubectl(&data).await.unwrap(), r#"{"key":"new"}"#, "a dropped key goes");

    assert_eq!(bed.unwind().await, []);
    assert_eq!(bed.left().await, "configmap/mine");
    bed.kubectl(&["delete", "namespace", bed.namespace.as_str()]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_conflict_names_the_other_manager() {
    let bed = Bed::new("conflict").await;
    bed.kubectl(&["create", "namespace", bed.namespace.as_str()]).await.unwrap();
    let file = bed.folder.path().join("cm.yaml");
    std::fs::write(&file, config_map("theirs", "theirs").to_string()).unwrap();
    let apply = ["apply", "--server-side", "--field-manager=argocd", "-f", file.to_str().unwrap()];
    bed.kubectl(&apply).await.unwrap();
    let plan = bed.manifests(vec![config_map("theirs", "mine")], "first");
    let error = bed.deploy(&plan).await.unwrap_err();
    insta::assert_snapshot!(told(&bed, &error), @r"
    configmap/theirs of `shop` is managed by argocd as well
      argocd owns data.key
      help: leave it to argocd: take it out of the manifests
      help: or take it over: `kubectl delete configmap/theirs -n NAMESPACE --cascade=orphan`, then wharf makes it
    ");
    assert_eq!(bed.unwind().await, []);
    assert_eq!(bed.left().await, "configmap/theirs");
    bed.kubectl(&["delete", "namespace", bed.namespace.as_str()]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_definition_comes_before_its_instances_and_goes_after_them() {
    let bed = Bed::new("crd").await;
    let group = format!("{}.example.com", bed.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object",
                    "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let widget = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Widget",
        "metadata": {"name": "one"}, "spec": {"size": 1},
    });
    let plan = bed.manifests(vec![widget, definition], "first");
    bed.deploy(&plan).await.unwrap();
    assert!(bed.look(&plan).await.is_current("first"));
    assert_eq!(bed.unwind().await, []);
    let crd = format!("crd/widgets.{group}");
    assert!(bed.kubectl(&["get", &crd]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_refused_manifest_says_which_field_is_wrong() {
    let bed = Bed::new("invalid").await;
    let mut wrong = deployment("api", 1);
    wrong["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"containerPort": 99999}]);
    let error = bed.deploy(&bed.manifests(vec![wrong], "first")).await.unwrap_err();
    insta::assert_snapshot!(told(&bed, &error), @r#"
    deployment/api of `shop` is not valid
      spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive
    "#);
    let typo =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dta": {}});
    let error = bed.deploy(&bed.manifests(vec![typo], "first")).await.unwrap_err();
    insta::assert_snapshot!(told(&bed, &error), @r"
    configmap/x of `shop` is not valid
      dta: there is no such field
      help: see what belongs there: `kubectl explain configmap`
    ");
    let unknown =
        json!({"apiVersion": "example.com/v1", "kind": "Nothing", "metadata": {"name": "x"}});
    let error = bed.deploy(&bed.manifests(vec![unknown], "first")).await.unwrap_err();
    insta::assert_snapshot!(told(&bed, &error), @r#"
    the cluster knows no kind `Nothing` in `example.com/v1`
      `x` is of that kind
      help: install what defines it first, or add its CustomResourceDefinition
    "#);
    assert_eq!(bed.unwind().await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_helm_release_comes_is_recorded_and_goes() {
    let bed = Bed::new("helm").await;
    let api = deployment("api", 1).to_string();
    let mut plan = bed.chart(
        &[
            ("templates/api.yaml", &api),
            ("templates/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: {{ .Values.key }}}"),
            ("templates/hook.yaml", HOOK),
            ("values.yaml", "key: a\ncommand: 'sleep 1'\n"),
        ],
        "first",
    );
    plan.hooks = vec![migrate()];
    plan.values = Some(json!({"key": "b"}));
    let deployed = bed.deploy(&plan).await.unwrap();
    assert_eq!(deployed.revision, Some(1));
    assert_eq!(deployed.inventory.len(), 2, "{:?}", deployed.inventory);
    let key = ["get", "cm", "settings", "-o", "jsonpath={.data.key}"];
    assert_eq!(bed.kubectl(&key).await.unwrap(), "b");
    let hooks: Vec<String> = bed.news.lock().unwrap().iter().map(short).collect();
    assert_eq!(hooks, ["job/migrate running", "job/migrate succeeded"]);
    let found = bed.look(&plan).await;
    assert!(found.is_current("first"), "{:?}", found.drift);

    bed.helm(&[
        "upgrade",
        "shop",
        bed.folder.path().join("chart").to_str().unwrap(),
        "--set",
        "key=c",
    ])
    .await
    .unwrap();
    let drift = bed.look(&plan).await.drift;
    assert_eq!(
        drift,
        ["release `shop` went from revision 1 to 2", "configmap/settings was changed by helm"]
    );

    let again = bed.journal.steps();
    assert_eq!(bed.unwind().await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
    assert_eq!(
        *bed.undone.lock().unwrap(),
        ["uninstalled shop".to_owned(), format!("deleted namespace {}", bed.namespace)]
    );
    assert_eq!(bed.unwind_steps(again).await, [], "unwinding twice is harmless");
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_failing_hook_shows_its_last_lines() {
    let bed = Bed::new("hook").await;
    let mut plan = bed.chart(
        &[
            ("templates/hook.yaml", HOOK),
            ("values.yaml", "command: 'echo no such table; exit 3'\n"),
        ],
        "first",
    );
    plan.hooks = vec![migrate()];
    let error = bed.deploy(&plan).await.unwrap_err();
    insta::assert_snapshot!(told(&bed, &error), @r"
    hook `job/migrate` of `shop` failed
      container `main` exited with code 3
      no such table
    ");
    // The same session goes on once it is mended.
    plan.values = Some(json!({"command": "true"}));
    bed.deploy(&plan).await.unwrap();
    assert_eq!(bed.unwind().await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn helm_errors_are_explained() {
    let bed = Bed::new("errors").await;
    let check = async |text: &str| {
        let plan = bed.chart(&[("templates/a.yaml", text)], "first");
        let error = bed.deploy(&plan).await.unwrap_err();
        let path = bed.folder.path().display().to_string();
        told(&bed, &error).replace(&path, "FOLDER")
    };
    insta::assert_snapshot!(check("a: {{ .Values.x | nope }}").await, @r#"
    the chart of `shop` does not render: FOLDER/chart/templates/a.yaml:1
      function "nope" not defined
    "#);
    insta::assert_snapshot!(check("\na: {{ .Values.x.y }}").await, @r"
    the chart of `shop` does not render: FOLDER/chart/templates/a.yaml:2:14
      <.Values.x.y>: nil pointer evaluating interface {}.y
    ");
    insta::assert_snapshot!(check("a: [").await, @r"
    the chart of `shop` does not render: FOLDER/chart/templates/a.yaml:1
      did not find expected node content
    ");
    insta::assert_snapshot!(check(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 99999}]}}).to_string()).await, @r#"
    service/x of `shop` is not valid
      spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535, inclusive
      spec.ports[0].targetPort: Invalid value: 99999: must be between 1 and 65535, inclusive
    "#);
    insta::assert_snapshot!(check("apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: x}").await, @r#"
    nothing/x of `shop` is not valid
      no matches for kind "Nothing" in version "example.com/v1"
      ensure CRDs are installed first
    "#);
    bed.kubectl(&["create", "cm", "taken"]).await.unwrap();
    insta::assert_snapshot!(check(&config_map("taken", "1").to_string()).await, @r#"
    configmap/taken is there already and does not belong to release `shop`
      Helm has not made it
      help: delete it, or rename it in the chart
      help: or hand it to the release: `helm upgrade --install --take-ownership …`
    "#);
    let chart = "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies: [{name: redis, version: 1.0.0, repository: 'https://x.invalid'}]";
    let plan = bed.chart(&[("templates/a.yaml", ""), ("Chart.yaml", chart)], "first");
    let error = bed.deploy(&plan).await.unwrap_err();
    let path = bed.folder.path().display().to_string();
    insta::assert_snapshot!(told(&bed, &error).replace(&path, "FOLDER"), @r#"
    the chart of `shop` lacks its dependencies redis
      help: fetch them: `helm dependency build FOLDER/chart`
    "#);
    bed.kubectl(&["delete", "cm", "taken"]).await.unwrap();
    assert_eq!(bed.unwind().await, []);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_stateful_sets_claims_go_with_it_unless_data_is_kept() {
    let bed = Bed::new("claims").await;
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db", "replicas": 1,
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                    "name": "main", "image": "registry.k8s.io/pause:3.10",
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}},
            }}],
        },
    });
    let plan = bed.manifests(vec![set], "first");
    bed.deploy(&plan).await.unwrap();
    let rollout = ["rollout", "status", "statefulset/db", "--timeout=60s"];
    bed.kubectl(&rollout).await.unwrap();
    let volume = ["get", "pvc", "data-db-0", "-o", "jsonpath={.spec.volumeName}"];
    let volume = bed.kubectl(&volume).await.unwrap();
    assert!(volume.starts_with("pvc-"), "{volume}");

    assert_eq!(bed.unwind().await, []);
    assert!(bed.kubectl(&["get", "pv", &volume]).await.is_err(), "the volume went too");
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_namespace_that_others_moved_into_stays() {
    let bed = Bed::new("moved").await;
    bed.deploy(&bed.manifests(vec![config_map("mine", "1")], "first")).await.unwrap();
    bed.kubectl(&["create", "cm", "theirs"]).await.unwrap();
    assert_eq!(bed.unwind().await, []);
    assert_eq!(bed.left().await, "configmap/theirs");
    bed.kubectl(&["delete", "namespace", bed.namespace.as_str()]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_release_that_was_there_before_stays() {
    let bed = Bed::new("foreign").await;
    let text = config_map("settings", "{{ .Values.key }}").to_string();
    let mut plan = bed.chart(&[("templates/cm.yaml", &text)], "first");
    let chart = bed.folder.path().join("chart");
    let install =
        ["install", "shop", chart.to_str().unwrap(), "--create-namespace", "--set", "key=a"];
    bed.helm(&install).await.unwrap();
    plan.values = Some(json!({"key": "b"}));

    let found = bed.look(&plan).await;
    assert_eq!(found.installed_by_other, Some(1));
    assert_eq!(bed.deploy(&plan).await.unwrap().revision, Some(2));
    assert_eq!(bed.unwind().await, []);
    let key = ["get", "cm", "settings", "-o", "jsonpath={.data.key}"];
    assert_eq!(bed.kubectl(&key).await.unwrap(), "b", "left as it is unless asked to roll back");
    assert!(!bed.left().await.contains("secret/wharf.test"), "the record is gone");

    let options = UndoOptions { roll_back: true, ..UndoOptions::default() };
    let found = bed.look(&plan).await;
    let steps = undo_for(&found, &plan, &bed.scope.project, options).unwrap();
    bed.journal.remember(&steps).unwrap();
    plan.values = Some(json!({"key": "c"}));
    bed.deploy(&plan).await.unwrap();
    assert_eq!(bed.unwind().await, []);
    assert_eq!(bed.kubectl(&key).await.unwrap(), "b");
    bed.kubectl(&["delete", "namespace", bed.namespace.as_str()]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_cut_off_upgrade_is_explained_and_mended() {
    let bed = Bed::new("pending").await;
    let mut plan =
        bed.chart(&[("templates/hook.yaml", HOOK), ("values.yaml", "command: 'true'\n")], "first");
    bed.deploy(&plan).await.unwrap();
    // What a killed Helm leaves behind.
    let revision = "secret/sh.helm.release.v1.shop.v1";
    bed.kubectl(&["label", "--overwrite", revision, "status=pending-upgrade"]).await.unwrap();
    let error = bed.deploy(&plan).await.unwrap_err();
    let told = told(&bed, &error);
    assert!(told.starts_with("release `shop` is pending-upgrade"), "{told}");
    assert!(told.contains("`helm uninstall shop -n NAMESPACE`"), "{told}");

    plan.may_repair = true;
    bed.deploy(&plan).await.unwrap();
    assert!(bed.look(&plan).await.is_current("first"));
    assert_eq!(bed.unwind().await, []);
    let namespace = ["get", "namespace", bed.namespace.as_str()];
    assert!(bed.kubectl(&namespace).await.is_err(), "hooks go, also those nobody foresaw");
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn leaving_while_a_hook_runs_leaves_nothing() {
    let bed = Bed::new("leaving").await;
    let mut plan = bed.chart(
        &[("templates/hook.yaml", HOOK), ("values.yaml", "command: 'sleep 1000'\n")],
        "first",
    );
    plan.hooks = vec![migrate()];
    let mut found = bed.look(&plan).await;
    survey(&bed.scope, &plan, &mut found).await.unwrap();
    let steps = undo_for(&found, &plan, &bed.scope.project, UndoOptions::default()).unwrap();
    bed.journal.remember(&steps).unwrap();
    let cancel = CancellationToken::new();
    // The hook is told to run; that is when the person leaves.
    let tell = |_| cancel.cancel();
    let error = deploy(&bed.scope, &plan, &found, &tell, &cancel).await.unwrap_err();
    assert!(matches!(error, DeployError::Cancelled { .. }), "{error}");
    assert_eq!(bed.unwind().await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_killed_upgrade_is_rolled_back_and_done_again() {
    let bed = Bed::new("killed").await;
    let mut plan =
        bed.chart(&[("templates/hook.yaml", HOOK), ("values.yaml", "command: 'true'\n")], "first");
    plan.hooks = vec![migrate()];
    bed.deploy(&plan).await.unwrap();
    let chart = bed.folder.path().join("chart");
    #[expect(clippy::disallowed_methods, reason = "it is killed, not ended")]
    let mut helm = std::process::Command::new("helm")
        .env("KUBECONFIG", bed.scope.cluster.kubeconfig())
        .args(["upgrade", "shop", "-n", bed.namespace.as_str(), "--set", "command=sleep 1000"])
        .arg(&chart)
        .spawn()
        .unwrap();
    let job = bed.object("Job", "migrate");
    let runs = |live: Option<&kube::api::DynamicObject>| {
        live.is_some_and(|live| live.data.pointer("/status/active").is_some_and(|n| *n == 1))
    };
    bed.scope.cluster.until(&job, runs).await.unwrap();
    let error = bed.deploy(&plan).await.unwrap_err();
    assert!(matches!(error, DeployError::Pending { running: true, .. }), "{error:?}");
    helm.kill().unwrap();
    helm.wait().unwrap();
    let error = bed.deploy(&plan).await.unwrap_err();
    let said = told(&bed, &error);
    assert!(said.contains("`helm rollback shop 1 -n NAMESPACE`"), "{said}");

    plan.may_repair = true;
    let deployed = bed.deploy(&plan).await.unwrap();
    assert_eq!(deployed.revision, Some(4), "2 was killed, 3 is the way back");
    assert_eq!(bed.unwind().await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn what_others_changed_in_a_chart_is_set_back() {
    let bed = Bed::new("back").await;
    let api = deployment("api", 1).to_string();
    let plan = bed.chart(&[("templates/api.yaml", &api)], "first");
    bed.deploy(&plan).await.unwrap();
    bed.kubectl(&["scale", "deployment/api", "--replicas=2"]).await.unwrap();
    let drift = bed.look(&plan).await.drift;
    assert_eq!(drift, ["deployment/api was scaled from 1 to 2 by kubectl"]);
    bed.deploy(&plan).await.unwrap();
    let replicas = ["get", "deployment/api", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(bed.kubectl(&replicas).await.unwrap(), "1");
    assert_eq!(bed.unwind().await, []);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_session_leaves_a_release_as_run_had_left_it() {
    let bed = Bed::new("left").await;
    let text = config_map("settings", "{{ .Values.key }}").to_string();
    let mut run = bed.chart(&[("templates/cm.yaml", &text)], "of run");
    run.values = Some(json!({"key": "a"}));
    run.standing = true;
    bed.deploy(&run).await.unwrap();
    for step in bed.journal.steps() {
        bed.journal.forget(&step).unwrap();
    }

    let mut dev = Plan { standing: false, fingerprint: "of dev".to_owned(), ..run.clone() };
    for value in ["b", "c"] {
        dev.values = Some(json!({"key": value}));
        let mut found = bed.look(&dev).await;
        survey(&bed.scope, &dev, &mut found).await.unwrap();
        let options = UndoOptions { roll_back: true, ..UndoOptions::default() };
        let steps = undo_for(&found, &dev, &bed.scope.project, options).unwrap();
        bed.journal.remember(&steps).unwrap();
        deploy(&bed.scope, &dev, &found, &|_| {}, &CancellationToken::new()).await.unwrap();
    }
    assert_eq!(bed.unwind().await, []);
    let key = ["get", "cm", "settings", "-o", "jsonpath={.data.key}"];
    assert_eq!(bed.kubectl(&key).await.unwrap(), "a");
    let found = bed.look(&run).await;
    assert!(found.is_current("of run"), "{found:?}");
    bed.kubectl(&["delete", "namespace", bed.namespace.as_str()]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_session_leaves_manifests_as_run_had_left_them() {
    let bed = Bed::new("stand").await;
    let job = |command: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {
            "suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "once", "image": "busybox:1.36", "command": [command]}]}}}})
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
        "stringData": {"key": "of run"}});
    let of_run =
        vec![config_map("settings", "a"), config_map("dropped", "a"), job("run"), secret.clone()];
    let mut run = bed.manifests(of_run, "of run");
    run.standing = true;
    bed.deploy(&run).await.unwrap();
    for step in bed.journal.steps() {
        bed.journal.forget(&step).unwrap();
    }
    for value in ["b", "c"] {
        let mut changed = secret.clone();
        changed["stringData"]["key"] = json!(value);
        // Changed, made anew since it is immutable, new, and gone.
        let of_dev =
            vec![config_map("settings", value), job(value), config_map("new", "1"), changed];
        bed.deploy(&bed.manifests(of_dev, value)).await.unwrap();
    }
    assert!(bed.kubectl(&["get", "cm", "dropped"]).await.is_err(), "the session has pruned it");
    assert_eq!(bed.unwind().await, []);
    let all = ["get", "cm,job,secret", "-o"];
    let now = "jsonpath={range .items[*]}{.metadata.name}={.data.key}{.spec.template.spec.containers[0].command[0]} {end}";
    let now = bed.kubectl(&[&all[..], &[now]].concat()).await.unwrap();
    let now: Vec<&str> = now.split(' ').filter(|one| !one.starts_with("kube-root-ca")).collect();
    assert_eq!(
        now.join(" ").trim(),
        "dropped=a settings=a once=run key=b2YgcnVu wharf.test= wharf.test.shop="
    );
    let found = bed.look(&run).await;
    assert!(found.is_current("of run"), "{found:?}");
    let records = bed.scope.records().await.unwrap();
    let steps = records[&bed.namespace].undo(&bed.scope.project, &bed.namespace, false);
    assert_eq!(bed.unwind_steps(steps).await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn the_record_alone_is_enough_to_take_things_back() {
    let bed = Bed::new("record").await;
    let text = config_map("settings", "1").to_string();
    let mut plan = bed.chart(&[("templates/cm.yaml", &text)], "first");
    plan.standing = true;
    bed.deploy(&plan).await.unwrap();
    let records = bed.scope.records().await.unwrap();
    let steps = records[&bed.namespace].undo(&bed.scope.project, &bed.namespace, false);
    assert_eq!(bed.unwind_steps(steps).await, []);
    assert!(bed.kubectl(&["get", "namespace", bed.namespace.as_str()]).await.is_err());
}

fn short(news: &ReleaseNews) -> String {
    match news {
        ReleaseNews::Hook { hook, state, .. } => format!("{hook} {state}"),
        other => format!("{other:?}"),
    }
}

fn told(bed: &Bed, error: &DeployError) -> String {
    let failure = error.failure();
    let mut lines = vec![failure.what.clone()];
    lines.extend(failure.why.iter().map(|why| format!("  {why}")));
    lines.extend(failure.help.iter().map(|help| format!("  help: {help}")));
    lines.join("\n").replace(bed.namespace.as_str(), "NAMESPACE")
}
