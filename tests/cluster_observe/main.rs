//! What runs, made visible, on a real cluster: `KUBECONFIG` names one that kind made and that
//! has `busybox:1.36` and `python:3.11-slim`.

#![expect(
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a story told in a test"
)]

mod forwards;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wharf::model::{ClusterKind, ImageRef, LogFilter, Namespace, ReleaseName, WaitRule};
use wharf::observe::{self, LogStart, LogTail, Lookout, ObserveError, Scene, Settling};
use wharf::report::{ReleaseNews, Report, Reporter, Reports};
use wharf::tools::Tools;

/// A namespace of its own, and what is watched of it.
struct Place {
    client: Client,
    scene: Scene,
    namespace: Namespace,
    told: Mutex<Vec<Report>>,
}

/// Runs `story` in a namespace of its own, which is gone afterwards, also when the story fails.
async fn in_a_place<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    story: impl FnOnce(std::sync::Arc<Place>) -> F,
) {
    IMAGES.get_or_init(load_images).await;
    let client = Client::try_default().await.unwrap();
    let namespace = format!("observe-{name}-{}", std::process::id());
    let namespaces: Api<NamespaceObject> = Api::all(client.clone());
    let object = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
    namespaces.create(&PostParams::default(), &object).await.unwrap();
    // Pods need it, and it is made by a controller.
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> =
        Api::namespaced(client.clone(), &namespace);
    kube::runtime::wait::await_condition(accounts, "default", |account: Option<&_>| {
        account.is_some()
    })
    .await
    .unwrap();
    let scene = Scene::new(client.clone(), &ClusterKind::Kind { name: "wharf-test".to_owned() });
    let place = Place {
        client,
        scene,
        namespace: Namespace::parse(&namespace).unwrap(),
        told: Mutex::default(),
    };
    let mut stories = tokio::task::JoinSet::new();
    stories
        .spawn(tokio::time::timeout(Duration::from_secs(600), story(std::sync::Arc::new(place))));
    let result = stories.join_next().await.unwrap();
    namespaces.delete(&namespace, &DeleteParams::default().grace_period(0)).await.unwrap();
    result.unwrap().expect("the story takes too long");
}

/// The images are brought to the nodes once.
static IMAGES: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();

async fn load_images() {
    let tools = tools();
    // The cluster's name is what follows `kind-` in its context.
    let context = tools.command("kubectl").args(["config", "current-context"]).run().await;
    let context = context.unwrap().text().trim().to_owned();
    let cluster = context.trim_start_matches("kind-");
    let load = ["load", "docker-image", "busybox:1.36", "python:3.11-slim", "--name", cluster];
    tools.command("kind").args(load).run().await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test has the environment it was started with")]
fn tools() -> Tools {
    Tools::new(std::env::vars_os().collect())
}

impl Place {
    async fn apply(&self, object: &Value) {
        let api_version = object["apiVersion"].as_str().unwrap();
        let kind = object["kind"].as_str().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = kube::api::GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), self.namespace.as_str(), &resource);
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply("observe-test").force();
        api.patch(name, &params, &Patch::Apply(object)).await.unwrap();
    }

    /// Applies `objects` and lets them settle within `seconds`.
    async fn settle(&self, objects: &[Value], seconds: u64) -> Result<(), ObserveError> {
        for object in objects {
            self.apply(object).await;
        }
        self.settle_with(objects, seconds, &BTreeSet::new()).await
    }

    /// Lets `objects` settle; the nodes have `late` by now.
    async fn settle_with(
        &self,
        objects: &[Value],
        seconds: u64,
        late: &BTreeSet<ImageRef>,
    ) -> Result<(), ObserveError> {
        let release = ReleaseName::parse("shop").unwrap();
        let rule = WaitRule { ready: true, timeout: Duration::from_secs(seconds) };
        let settling =
            Settling { release: &release, namespace: &self.namespace, objects, late, rule: &rule };
        let tell = |report: Report| {
            eprintln!("{report:?}");
            self.told.lock().unwrap().push(report);
        };
        observe::settle(&self.scene, settling, &tell, &CancellationToken::new()).await
    }

    fn waits(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let waits = told.iter().filter_map(|report| match report {
            Report::Release { news: ReleaseNews::Settling { waits }, .. } => Some(waits.clone()),
            _ => None,
        });
        waits.flatten().collect()
    }
}

/// Kubelet that has looked for an image in vain would look again after ten seconds, and twenty, and
/// forty: long after it has come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster"]
async fn a_pod_that_came_before_its_image_is_woken() {
    in_a_place("late", async |place| {
        let image = format!("wharf-test/late-{}:1", std::process::id());
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "early"},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                "name": "early", "image": image, "imagePullPolicy": "Never",
                "command": ["sleep", "1000"],
            }]},
        });
        place.apply(&pod).await;
        let pods: Api<k8s_openapi::api::core::v1::Pod> =
            Api::namespaced(place.client.clone(), place.namespace.as_str());
        let looked_in_vain = |pod: Option<&k8s_openapi::api::core::v1::Pod>| {
            let status =
                pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first());
            let waiting = status.and_then(|status| status.state.as_ref()?.waiting.as_ref());
            waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some("ErrImageNeverPull"))
        };
        kube::runtime::wait::await_condition(pods.clone(), "early", looked_in_vain).await.unwrap();
        let objects = [pod];
        // Nobody says that it has come: this is the end.
        let error = place.settle_with(&objects, 60, &BTreeSet::new()).await.unwrap_err();
        assert!(said(&error).contains(&image), "{}", said(&error));

        let context = tools().command("kubectl").args(["config", "current-context"]).run().await;
        let context = context.unwrap().text().trim().to_owned();
        let node = format!("{}-control-plane", context.trim_start_matches("kind-"));
        let name = format!("docker.io/{image}");
        let tag = ["tag", "--force", "docker.io/library/busybox:1.36", &name];
        let ctr = ["exec", &node, "ctr", "-n", "k8s.io", "images"];
        tools().command("docker").args(ctr).args(tag).run().await.unwrap();
        let late = BTreeSet::from([ImageRef::parse(&image).unwrap()]);
        place.settle_with(&objects, 60, &late).await.unwrap();
        let woken = pods.get("early").await.unwrap();
        let woken = woken.metadata.annotations.unwrap_or_default();
        assert!(woken.contains_key("dev.wharf/image-is-there"), "{woken:?}");
        tools().command("docker").args(ctr).args(["rm", &name]).run().await.unwrap();
    })
    .await;
}

fn said(error: &ObserveError) -> String {
    let failure = error.failure();
    [vec![failure.code, failure.what], failure.why, failure.help].concat().join("\n")
}

fn deployment(name: &str, replicas: i32, container: Value) -> Value {
    let mut container = container;
    container["name"] = json!(name);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    })
}

fn shell(script: &str) -> Value {
    json!({"image": "busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

fn service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

fn claim(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {
            "storageClassName": class, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn everything_that_becomes_ready_is_waited_for_and_nothing_else() {
    in_a_place("ready", |place| async move {
        let template = |script: &str| {
            let mut container = shell(script);
            container["name"] = json!("it");
            json!({"metadata": {"labels": {"app": "other"}}, "spec": {"restartPolicy": "Always", "containers": [container]}})
        };
        let mut job = template("echo done");
        job["spec"]["restartPolicy"] = json!("Never");
        let ports = json!([{"port": 80}]);
        let objects = [
            deployment("web", 2, shell("sleep 2; touch /tmp/ready; sleep 3600")),
            deployment("none", 0, shell("sleep 3600")),
            service("web", json!({"selector": {"app": "web"}, "ports": ports})),
            service("outside", json!({"type": "ExternalName", "externalName": "example.com"})),
            service("by-hand", json!({"ports": ports})),
            service("none", json!({"selector": {"app": "none"}, "ports": ports})),
            claim("later", "standard"),
            claim("now", "standard-immediate"),
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": job}}),
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
                "spec": {"schedule": "0 3 * * *", "suspend": true, "jobTemplate": {"spec": {"template": job}}}}),
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
                "spec": {"serviceName": "db", "selector": {"matchLabels": {"app": "other"}}, "template": template("sleep 3600")}}),
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
                "spec": {"selector": {"matchLabels": {"app": "other"}}, "template": template("sleep 3600")}}),
        ];
        let began = Instant::now();
        place.settle(&objects, 90).await.unwrap();
        eprintln!("settled in {:?}", began.elapsed());
        let again = Instant::now();
        place.settle(&objects, 90).await.unwrap();
        eprintln!("settled again in {:?}", again.elapsed());
        let workloads = observe::workloads(&objects, &place.namespace);
        let status = observe::status(&place.scene, &workloads).await.unwrap();
        let lines: Vec<_> = status
            .iter()
            .map(|one| format!("{} {}/{} {:?}", one.workload, one.ready, one.wanted, one.messages))
            .collect();
        assert!(lines.contains(&"deployment/web 2/2 []".to_owned()), "{lines:#?}");
        assert!(lines.contains(&"statefulset/db 1/1 []".to_owned()), "{lines:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_crash_loop_ends_the_wait_with_the_programs_own_last_lines_and_mends() {
    in_a_place("crash", |place| async move {
        let needs = |settings: &str| {
            let mut container =
                shell("echo starting >&2; test -n \"$DATABASE\" || { echo 'no DATABASE set' >&2; exit 3; }; sleep 3600");
            container["envFrom"] = json!([{"configMapRef": {"name": settings, "optional": true}}]);
            container
        };
        let hopeless = [deployment("api", 1, needs("nowhere"))];
        let mended = deployment("late", 1, needs("settings"));
        let (reporter, mut reports) = Reporter::channel();
        let lookout = Lookout::start(&place.scene, &reporter);
        let release = ReleaseName::parse("shop").unwrap();
        let all = [hopeless[0].clone(), mended.clone()];
        lookout.expect(&release, &all, &place.namespace);
        place.apply(&mended).await;
        let crash = |report: &Report, of: &str| {
            matches!(report, Report::Pod { last_lines, pod, .. }
                if last_lines == &["starting", "no DATABASE set"] && pod.starts_with(of))
        };
        let mend = async {
            let told = wait_for(&mut reports, |report| crash(report, "late-")).await;
            let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"DATABASE": "db"}});
            place.apply(&settings).await;
            let is_mended = |report: &Report| {
                matches!(report, Report::Pod { mended: true, pod, .. } if pod.starts_with("late-"))
            };
            [told, wait_for(&mut reports, is_mended).await].concat()
        };
        let (settled, mut told) = tokio::join!(place.settle(&hopeless, 120), mend);
        let said = said(&settled.unwrap_err());
        assert!(said.starts_with("wharf::observe::crash_loop\ndeployment/api: container `api` exited with code 3\n"), "{said}");
        assert!(said.contains("starting\nno DATABASE set"), "{said}");
        // One of the two tells it, and tells it once.
        told.extend(place.told.lock().unwrap().clone());
        while let Some(report) = reports.try_recv() {
            told.push(report);
        }
        let crashes = |of: &str| told.iter().filter(|report| crash(report, of)).count();
        assert_eq!((crashes("api-"), crashes("late-")), (1, 1), "{told:#?}");
        lookout.stop().await;
    })
    .await;
}

/// Everything that is told up to the report that is wanted.
async fn wait_for(reports: &mut Reports, wanted: impl Fn(&Report) -> bool) -> Vec<Report> {
    let mut told = Vec::new();
    let found = async {
        while !told.last().is_some_and(&wanted) {
            told.push(reports.recv().await.expect("the reporter lives"));
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(120), found).await;
    assert!(found.is_ok(), "it is told in time: {told:#?}");
    told
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn what_no_time_can_mend_ends_the_wait_with_its_reason() {
    in_a_place("stuck", |place| async move {
        let place = &place;
        let check = async |(objects, expected): (Vec<Value>, &[&str])| {
            let began = Instant::now();
            let said = said(&place.settle(&objects, 300).await.unwrap_err());
            eprintln!("after {:?}: {said}", began.elapsed());
            assert!(!said.contains("too_late"), "its time was waited for: {said}");
            for words in expected {
                assert!(said.contains(words), "`{words}` is missing in: {said}");
            }
        };
        // All at once: each is settled for itself.
        let mut cases: Vec<(Vec<Value>, &[&str])> = Vec::new();
        let image = |image: &str, policy: &str| json!({"image": image, "imagePullPolicy": policy});
        cases.push((vec![deployment("pull", 1, image("registry.invalid/nope:1", "IfNotPresent"))],
            &["image_not_pulled", "deployment/pull: container `pull`: image `registry.invalid/nope:1` cannot be pulled"],
        ));
        cases.push((vec![deployment("never", 1, image("nope:1", "Never"))],
            &["image `nope:1` is not on the node, and `imagePullPolicy: Never` forbids to pull it"],
        ));
        cases.push((vec![deployment("name", 1, image("No Pe", "Always"))], &["`No Pe` is not a valid image name"]));
        let mut big = shell("sleep 3600");
        big["resources"] = json!({"requests": {"cpu": "1000"}});
        cases.push((vec![deployment("big", 1, big)],
            &["unschedulable", "0/1 nodes are available: 1 Insufficient cpu", "lower `resources.requests`"],
        ));
        let mut volume = deployment("store", 1, shell("sleep 3600"));
        volume["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        cases.push((vec![claim("data", "nonesuch"), volume],
            &["unbound_claim", "claim/data is unbound: storageclass.storage.k8s.io \"nonesuch\" not found", "kubectl get storageclass"],
        ));
        let mut key = shell("sleep 3600");
        key["env"] = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "absent"}}}]);
        let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {}});
        cases.push((vec![settings, deployment("key", 1, key.clone())], &["couldn't find key absent in ConfigMap"]));
        key["env"][0]["valueFrom"]["configMapKeyRef"]["name"] = json!("nowhere");
        cases.push((vec![deployment("map", 1, key)], &["configmap \"nowhere\" not found"]));
        let mut mount = deployment("mount", 1, shell("sleep 3600"));
        mount["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": "keys", "secret": {"secretName": "nowhere"}}]);
        mount["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
            json!([{"name": "keys", "mountPath": "/keys"}]);
        cases.push((vec![mount], &["secret \"nowhere\" not found"]));
        let mut exec = shell("");
        exec["command"] = json!(["/no/such/program"]);
        cases.push((vec![deployment("exec", 1, exec)], &["/no/such/program", "no such file or directory"]));
        let mut job = shell("echo migrating; exit 5");
        job["name"] = json!("migrate");
        cases.push((vec![json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
                "spec": {"backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never", "containers": [job]}}}})],
            &["job/migrate", "failed after 2 attempts", "exited with code 5", "migrating"],
        ));
        let mut memory = shell("tail /dev/zero");
        memory["resources"] = json!({"limits": {"memory": "16Mi"}});
        // On a busy machine it takes a while to fill it.
        memory["readinessProbe"] = json!({"exec": {"command": ["false"]}});
        cases.push((vec![deployment("memory", 1, memory)], // containerd does not always hear in time what killed it.
            &["crash_loop", "deployment/memory: container `memory`"]));
        futures::future::join_all(cases.into_iter().map(check)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn a_failing_readiness_probe_is_what_is_waited_for() {
    in_a_place("probe", |place| async move {
        let mut container = shell("sleep 3600");
        container["readinessProbe"] =
            json!({"periodSeconds": 1, "exec": {"command": ["sh", "-c", "echo not migrated yet; exit 1"]}});
        let error = place.settle(&[deployment("api", 1, container)], 15).await.unwrap_err();
        let said = said(&error);
        assert!(said.starts_with("wharf::observe::too_late\nnot ready after 15 s\n"), "{said}");
        assert!(said.contains("waits for its readiness probe (not migrated yet)"), "{said}");
        let waits = place.waits();
        assert!(waits.iter().all(|wait| wait.starts_with("deployment/api: ")), "{waits:#?}");
    })
    .await;
}

/// Reads the numbers that containers print until `last` has come.
async fn numbers(reports: &mut Reports, last: u64) -> (Vec<u64>, Vec<String>) {
    let (mut numbers, mut remarks) = (Vec::new(), Vec::new());
    let read = async {
        while numbers.last() != Some(&last) {
            match reports.recv().await {
                Some(Report::Log(line)) if line.remark => remarks.push(line.text),
                Some(Report::Log(line)) => {
                    let number = line.text.split_whitespace().next().unwrap().parse::<u64>();
                    numbers.extend(number.ok());
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(300), read).await;
    assert!(done.is_ok(), "{} numbers, the last {:?}; {remarks:?}", numbers.len(), numbers.last());
    (numbers, remarks)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn logs_survive_rotation_and_restarts_without_gap_or_repeat() {
    in_a_place("logs", |place| async move {
        // Each run writes lines of 100 bytes, with kubelet's marks three times the size at which
        // it rotates, for longer than it takes to look; then a crash.
        const LINES: u64 = 200_000;
        let script = format!(
            "import sys, time\n\
             begin = int(open('/state/next').read()) if __import__('os').path.exists('/state/next') else 0\n\
             for n in range(begin, begin + {LINES}):\n\
             \x20   sys.stdout.write(f'{{n}} '.ljust(99, '.') + '\\n')\n\
             \x20   if n % 1000 == 0: sys.stdout.flush(); time.sleep(0.08)\n\
             sys.stdout.flush()\n\
             open('/state/next', 'w').write(str(begin + {LINES}))\n\
             sys.exit(1 if begin == 0 else time.sleep(3600))\n"
        );
        let container = json!({
            "image": "python:3.11-slim", "imagePullPolicy": "IfNotPresent", "command": ["python3", "-c", script],
            "volumeMounts": [{"name": "state", "mountPath": "/state"}],
        });
        let mut talker = deployment("talker", 1, container);
        talker["spec"]["template"]["spec"]["volumes"] = json!([{"name": "state", "emptyDir": {}}]);
        let objects = [talker];
        let workloads = observe::workloads(&objects, &place.namespace);
        let (reporter, mut reports) = Reporter::channel();
        let start = LogStart::Session(k8s_openapi::jiff::Timestamp::now());
        let tail = LogTail::start(&place.scene, workloads, &LogFilter::default(), start, &reporter);
        place.apply(&objects[0]).await;
        let (numbers, remarks) = numbers(&mut reports, 2 * LINES - 1).await;
        let missing: Vec<_> = (0..2 * LINES).collect::<BTreeSet<_>>().difference(&numbers.iter().copied().collect()).copied().collect();
        eprintln!("{remarks:?}; missing {} from {:?}", missing.len(), missing.first());
        assert_eq!(numbers.len() as u64, 2 * LINES, "{remarks:?}");
        assert!(numbers.is_sorted());
        tail.stop().await;
    })
    .await;
}
