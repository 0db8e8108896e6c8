//! Releases and objects come in their order and go in the reverse, whoever takes them back.

use crate::support::{ApiCount, Inventory, Project, Wharf};

/// Names that sort the other way round than `after` has it.
const CONFIG: &str = "manifests:\n  zoo: zoo.yaml\n  mid: {files: mid.yaml, after: [zoo]}\n\
                      releases:\n  alpha: {chart: chart, after: [mid]}\n";

const ZOO: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: zoo}
spec:
  selector: {matchLabels: {app: zoo}}
  template:
    metadata: {labels: {app: zoo}}
    spec:
      serviceAccountName: zoo
      terminationGracePeriodSeconds: 0
      containers: [{name: zoo, image: "busybox:1.36", command: [sleep, "10000"]}]
---
apiVersion: v1
kind: Service
metadata: {name: zoo}
spec: {selector: {app: zoo}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: zoo}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: zoo}
"#;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n";

/// What comes, in its order. The reverse of it goes.
const ORDER: [&str; 6] = [
    "serviceaccounts/zoo",
    "configmaps/zoo",
    "services/zoo",
    "deployments/zoo",
    "configmaps/mid",
    "configmaps/alpha",
];

#[test]
#[ignore = "needs a cluster"]
fn what_comes_last_goes_first() {
    let mut project = Project::of(
        "order",
        &[
            ("wharf.yaml", CONFIG),
            ("zoo.yaml", ZOO),
            ("mid.yaml", &MAP.replace("NAME", "mid")),
            ("chart/Chart.yaml", "apiVersion: v2\nname: alpha\nversion: 0.1.0\n"),
            ("chart/templates/alpha.yaml", &MAP.replace("NAME", "alpha")),
        ],
    );
    let before = Inventory::take(&project);
    let api = ApiCount::start(&mut project);
    let lose_the_state = || {
        std::fs::remove_dir_all(project.home().join("state")).expect("the state is there");
    };

    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    let told = wharf.reports();
    let release = |told: &serde_json::Value| {
        let news = told["news"].as_str().filter(|news| ["deploying", "live"].contains(news))?;
        Some(format!("{} {news}", told["name"].as_str()?))
    };
    let releases: Vec<String> = told.iter().filter_map(release).collect();
    let order = ["zoo", "mid", "alpha"]
        .map(|name| ["deploying", "live"].map(|news| format!("{name} {news}")));
    assert_eq!(releases, order.concat(), "each waits until the one before is live");
    assert_eq!(came(&api), ORDER);
    assert_eq!(wharf.interrupt(), Some(0));
    assert_gone(&api, "Ctrl+C");

    // Whoever takes it over knows only what is recorded.
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    wharf.signal("KILL");
    wharf.wait();
    lose_the_state();
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    api.take();
    assert_eq!(wharf.interrupt(), Some(0));
    assert_gone(&api, "Ctrl+C after a crash");

    let (ended, _) = Wharf::run(&project, &["run"]);
    assert!(ended.success());
    lose_the_state();
    api.take();
    let (ended, _) = Wharf::run(&project, &["delete"]);
    assert!(ended.success());
    assert_gone(&api, "`wharf delete`");
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}

/// The objects of [`ORDER`] in the order in which the cluster was first told of them.
fn came(api: &ApiCount) -> Vec<String> {
    let mut came: Vec<String> = Vec::new();
    for request in api.take() {
        let Some((verb @ ("PATCH" | "POST"), path)) = request.split_once(' ') else { continue };
        let object = match (verb, last_two(path)) {
            // Helm makes what it names in the body; `alpha` is all that it makes.
            ("POST", object) if object.ends_with("/configmaps") => "configmaps/alpha".to_owned(),
            (_, object) => object,
        };
        if ORDER.contains(&object.as_str()) && !came.contains(&object) {
            came.push(object);
        }
    }
    came
}

fn assert_gone(api: &ApiCount, by: &str) {
    let deletes = api.take();
    let deleted = deletes.iter().filter_map(|request| request.strip_prefix("DELETE "));
    let deleted = deleted.map(last_two).filter(|object| ORDER.contains(&object.as_str()));
    let mut order = ORDER;
    order.reverse();
    assert_eq!(deleted.collect::<Vec<_>>(), order, "{by}");
}

/// Kind and name of what is asked for, such as `/api/v1/namespaces/x/configmaps/one localhost`.
fn last_two(path: &str) -> String {
    let path = path.split([' ', '?']).next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    let (name, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{kind}/{name}")
}
