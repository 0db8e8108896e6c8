//! What is run to its end beside the loop: tests, verifications, custom actions.

use std::time::Duration;

use serde_json::json;
use wharf::config::{ConfigError, checks};
use wharf::model::{ActionPlace, Checks};

use super::{folder, request};

fn read(body: &str) -> Result<Checks, ConfigError> {
    let folder = folder();
    std::fs::write(
        folder.path().join("job.yaml"),
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: smoke}\nspec: {backoffLimit: 2}\n",
    )
    .unwrap();
    let text = format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}");
    std::fs::write(folder.path().join("skaffold.yaml"), text).unwrap();
    checks(&request(folder.path()))
}

#[test]
fn verifications_and_actions_are_read_with_all_their_fields() {
    let checks = read(
        r#"
verify:
- name: local
  timeout: 30
  container:
    {name: one, image: curl, command: [sh, -c], args: [x], env: [{name: A, value: b}]}
- name: job
  container: {name: two, image: app}
  executionMode:
    kubernetesCluster: {jobManifestPath: job.yaml, overrides: '{"spec": {"hostNetwork": true}}'}
customActions:
- name: migrate
  failFast: false
  containers: [{name: a, image: app}, {name: b, image: app}]
  executionMode: {local: {useLocalImages: true}}
test:
- {image: app, context: app, custom: [{command: "echo {{.HOME}}", timeoutSeconds: 5}, {command: two}]}
"#
        .replace("{{.HOME}}", "{{default \\\"h\\\" .NO}}")
        .as_str(),
    )
    .unwrap();
    let [local, job] = checks.verify.as_slice() else { panic!("{checks:#?}") };
    assert_eq!((local.name.as_str(), local.limit), ("local", Some(Duration::from_secs(30))));
    assert_eq!(local.place, ActionPlace::Local);
    let one = &local.containers[0];
    assert_eq!((one.name.as_str(), one.image.as_str()), ("one", "curl"));
    assert_eq!((one.command.len(), one.args.len()), (2, 1));
    assert_eq!(one.env, [("A".to_owned(), "b".to_owned())]);
    let ActionPlace::Cluster { job, overrides } = &job.place else { panic!("{job:?}") };
    assert_eq!(job.as_ref().unwrap()["spec"], json!({"backoffLimit": 2}));
    assert_eq!(overrides.as_ref().unwrap()["spec"], json!({"hostNetwork": true}));
    let [migrate] = checks.actions.as_slice() else { panic!("{checks:#?}") };
    assert_eq!((migrate.containers.len(), migrate.fail_fast), (2, false));
    let commands: Vec<&str> = checks.tests.iter().map(|test| test.command.as_str()).collect();
    assert_eq!(commands, ["echo h", "two"]);
    assert!(checks.tests[0].dir.ends_with("app"));
    assert_eq!(checks.tests[0].limit, Some(Duration::from_secs(5)));
}

#[test]
fn what_cannot_be_run_is_refused_where_it_stands() {
    for (body, said) in [
        ("verify: [{name: a, container: {name: a}}]\n", "this container has no `image`"),
        ("verify: [{container: {name: a, image: b}}]\n", "this entry has no `name`"),
        (
            "verify: [{name: a, container: {name: a, image: b}, executionMode: \
             {kubernetesCluster: {jobManifestPath: k8s/web.yaml}}}]\n",
            "`k8s/web.yaml` is no Job",
        ),
        (
            "customActions: [{name: a, containers: [], executionMode: \
             {kubernetesCluster: {overrides: 'x'}}}]\n",
            "a JSON object",
        ),
        ("test: [{custom: [{command: x}]}]\n", "this test has no `image`"),
    ] {
        let failure = read(body).err().unwrap_or_else(|| panic!("{body}")).failure();
        assert!(failure.what.contains(said), "{body}{failure:#?}");
        assert!(failure.snippet.contains("skaffold.yaml:3"), "{failure:#?}");
    }
}
