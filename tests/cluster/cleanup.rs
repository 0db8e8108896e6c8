//! What goes on leaving and what stays, with everything that Helm would leave behind.

use crate::support::{Inventory, Project, Wharf, kubectl};

/// Claims of both sorts, a kind of its own, and a hook that Helm leaves behind.
fn with_data(project: &Project) {
    let group = format!("{}.example.com", project.namespace());
    project.write(
        "chart/crds/widgets.yaml",
        &format!(
            r#"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Widget, plural: widgets}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"#
        ),
    );
    project.write(
        "chart/templates/data.yaml",
        r#"apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: db
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          command: [sh, -c, "echo here > /data/file; exec sleep 3600"]
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: welcome
  annotations: {helm.sh/hook: post-install}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
        - name: welcome
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          command: [echo, welcome]
"#,
    );
}

/// One session to its first rest and back; returns what was told.
fn session(project: &Project, args: &[&str]) -> String {
    let mut wharf = Wharf::start(project, args);
    let failed = wharf.round();
    assert_eq!(failed, 0, "{:#?}", wharf.reports());
    assert_eq!(wharf.interrupt(), Some(0), "{:#?}", wharf.reports());
    wharf.reports().iter().map(|report| format!("{report}\n")).collect()
}

#[test]
#[ignore = "needs a cluster"]
fn data_goes_with_the_session_stays_on_request_and_stays_where_it_was_before() {
    let project = Project::hello();
    with_data(&project);
    let before = Inventory::take(&project);

    let told = session(&project, &["dev", "--keep-data"]);
    assert!(!told.contains("volume claims go"), "{told}");
    let claims = ["get", "pvc", "-n", project.namespace(), "-o", "name"];
    let both = "persistentvolumeclaim/cache\npersistentvolumeclaim/data-db-0\n";
    assert_eq!(kubectl(&claims), both);
    let stays = format!("namespace {} stays: persistentvolumeclaim/cache", project.namespace());
    assert!(told.contains(&stays), "{told}");
    let kept = Inventory::take(&project);
    let place = format!(" {} ", project.namespace());
    let others = kept.since(&before).into_iter().filter(|one| {
        let own = ["PersistentVolume", "Namespace ", "ServiceAccount ", "ConfigMap "];
        !own.iter().any(|kind| one.starts_with(kind))
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<String>::new(), "only data in{place}stays");

    // It was there before the next session, which therefore leaves it alone.
    let told = session(&project, &["dev"]);
    assert!(!told.contains("volume claims go"), "nothing that goes is named: {told}");
    assert_eq!(kubectl(&claims), both);
    Inventory::take(&project).assert_same(&kept);

    kubectl(&["delete", "namespace", project.namespace()]);
    let told = session(&project, &["dev"]);
    let said = "volume claims go with their data: cache, those of statefulset/db (`--keep-data`";
    assert!(told.contains(said), "{told}");
    let deployed = told.find(r#""news":"deploying""#).expect("it is deployed");
    assert!(told.find(said).is_some_and(|at| at < deployed), "it is said beforehand: {told}");
    Inventory::take(&project).assert_same(&before);
}

#[test]
#[ignore = "needs a cluster"]
fn dev_leaves_what_run_had_left_and_delete_takes_it_back_without_a_journal() {
    let project = Project::hello();
    let before = Inventory::take(&project);
    let settings = |value: &str| {
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";
        format!("{object}data: {{key: {value}}}\n")
    };
    project.write(
        "wharf.yaml",
        "images:\n  hello: {context: .}\nreleases:\n  hello: {chart: chart}\n\
         manifests:\n  extra: extra.yaml\nkustomize:\n  more: more\nforward:\n  - service/hello\n",
    );
    project.write("extra.yaml", &settings("run"));
    project.write("more/kustomization.yaml", "resources: [more.yaml]\nnamePrefix: more-\n");
    project.write("more/more.yaml", &settings("run"));
    let (status, _) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0));
    let values = || {
        let keys = "jsonpath={range .items[*]}{.metadata.name}={.data.key} {end}";
        let all = kubectl(&["get", "cm", "-n", project.namespace(), "-o", keys]);
        all.split(' ').filter(|one| one.contains("=r") || one.contains("=d")).count()
    };
    let image = || {
        let image = "jsonpath={.spec.template.spec.containers[0].image}";
        kubectl(&["get", "deployment", "hello", "-n", project.namespace(), "-o", image])
    };
    let objects = || {
        let names = ["get", "cm,deployment,service", "-n", project.namespace(), "-o"];
        let keys = "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.data.key} {end}";
        kubectl(&[&names[..], &[keys]].concat())
    };
    let (of_run, image_of_run) = (objects(), image());
    assert_eq!(values(), 2, "{of_run}");

    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    project.edit("app.py", "hello from wharf", "hello from dev");
    project.write(
        "extra.yaml",
        &format!("{}---\n{}", settings("dev"), settings("dev").replace("settings", "new")),
    );
    project.write("more/more.yaml", &settings("dev").replace("settings", "other"));
    crate::support::wait_for("the changes", || {
        let now = objects();
        let all = ["ConfigMap/settings=dev", "ConfigMap/new=dev", "ConfigMap/more-other=dev"];
        let are_there = all.iter().all(|one| now.contains(one)) && image() != image_of_run;
        (are_there && !now.contains("more-settings")).then_some(())
    });
    // Whoever is killed in the middle of it leaves that to the next one.
    wharf.signal("KILL");
    wharf.wait();
    drop(wharf);
    let told = session(&project, &["dev"]);
    assert_eq!((objects(), image()), (of_run, image_of_run.clone()), "{told}");
    assert!(told.contains("put extra back as `wharf run` had left it"), "{told}");

    // What runs is what `run` had made of the first files.
    project.edit("app.py", "hello from dev", "hello from wharf");
    project.write("extra.yaml", &settings("run"));
    project.write("more/more.yaml", &settings("run"));
    let (status, told) = Wharf::run(&project, &["run"]);
    assert_eq!(status.code(), Some(0));
    let deployed = told.iter().filter(|report| report["news"] == "deployed").count();
    assert_eq!(deployed, 0, "{told:#?}");

    std::fs::remove_dir_all(project.home().join("state")).expect("the state is there");
    let (status, told) = Wharf::run(&project, &["delete"]);
    assert_eq!(status.code(), Some(0), "{told:#?}");
    for own in ["wharf.yaml", "extra.yaml", "more/kustomization.yaml", "more/more.yaml"] {
        std::fs::remove_file(project.folder().join(own)).expect("it is there");
    }
    Inventory::take(&project).assert_same(&before);
}
