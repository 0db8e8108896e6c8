//! Kubeconfigs on disk, the guard's table, and errors as a person reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::kind::guess;
use super::nodes::SeenNode;
use super::*;

fn tools(kubeconfig: &str) -> Tools {
    let variables = [("KUBECONFIG", kubeconfig), ("HELM_KUBECONTEXT", "elsewhere")];
    let pair = |(name, value): (&str, &str)| (OsString::from(name), OsString::from(value));
    Tools::new(variables.into_iter().map(pair).collect())
}

fn config(context: &str, server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
         contexts: [{{name: {context}, context: {{cluster: c, user: u, namespace: shop}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}', certificate-authority: ca.crt}}}}]\n\
         users: [{{name: u, user: {{token: secret}}}}]\n"
    )
}

fn local(kind: &ClusterKind) -> String {
    match kind {
        ClusterKind::Kind { name } => format!("kind {name}"),
        ClusterKind::K3d { name } => format!("k3d {name}"),
        ClusterKind::Minikube { profile } => format!("minikube {profile}"),
        ClusterKind::SharedStore { product } => product.clone(),
        ClusterKind::Remote => "remote".to_owned(),
    }
}

#[test]
fn a_name_counts_only_with_an_address_that_fits() {
    let check = |context: &str, host: &str, expected: &str| {
        assert_eq!(local(guess(context, host, false).kind()), expected, "{context} at {host}");
    };
    check("kind-dev", "127.0.0.1", "kind dev");
    check("kind-dev", "::1", "kind dev");
    check("kind-dev", "10.0.0.7", "remote");
    check("kind-dev", "kube.example.com", "remote");
    check("k3d-dev", "0.0.0.0", "k3d dev");
    check("k3d-dev", "k3d.example.com", "remote");
    check("minikube", "192.168.49.2", "minikube minikube");
    check("minikube", "34.1.2.3", "remote");
    check("docker-desktop", "kubernetes.docker.internal", "Docker Desktop");
    check("docker-desktop", "prod.example.com", "remote");
    check("rancher-desktop", "127.0.0.1", "Rancher Desktop");
    check("orbstack", "k8s.orb.local", "OrbStack");
    check("colima-x86", "127.0.0.1", "Colima");
    check("colima-prod", "10.0.0.7", "remote");
    check("prod", "127.0.0.1", "remote");
}

#[test]
fn the_nodes_have_the_last_word() {
    let node = |provider_id: &str| SeenNode {
        provider_id: provider_id.to_owned(),
        labels: BTreeMap::new(),
    };
    let check = |context: &str, host: &str, provider: Option<&str>, expected: &str| {
        let nodes = provider.map(|id| vec![node(id)]);
        let kind = guess(context, host, false).confirmed_by(nodes.as_deref());
        assert_eq!(local(&kind), expected, "{context} at {host} with {provider:?}");
    };
    check("kind-dev", "127.0.0.1", Some("kind://docker/dev/dev-worker"), "kind dev");
    check("renamed", "127.0.0.1", Some("kind://docker/dev/dev-worker"), "kind dev");
    check("kind-dev", "127.0.0.1", Some("aws:///eu-central-1a/i-0"), "remote");
    check("k3d-a-b", "0.0.0.0", Some("k3s://k3d-a-b-server-0"), "k3d a-b");
    check("kind-dev", "127.0.0.1", None, "kind dev");
    check("minikube", "192.168.49.2", None, "remote");
    check("orbstack", "127.0.0.1", Some("k3s://orbstack"), "OrbStack");
}

#[test]
fn a_remote_context_needs_the_flag_or_the_list() {
    let may = |from_flag, allow: &[&str]| {
        let context = ContextName::parse("staging-eu").unwrap();
        let allow: Vec<String> = allow.iter().map(|&glob| glob.to_owned()).collect();
        may_use(&context, &ClusterKind::Remote, "https://x", from_flag, &allow).is_ok()
    };
    assert!(!may(false, &[]));
    assert!(!may(false, &["production-*"]));
    assert!(may(false, &["staging-*"]));
    assert!(may(true, &[]));
}

#[tokio::test]
async fn nothing_is_sent_to_a_context_that_is_not_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, config("kind-dev", "https://kube.example.invalid:6443")).unwrap();
    let runtime = folder.path().join("run");
    let options = ClusterOptions { runtime_dir: runtime.clone(), ..ClusterOptions::default() };
    let error = Cluster::connect(&options, &tools(file.to_str().unwrap())).await.unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    context `kind-dev` is not a local cluster, and nobody allowed it
      it leads to https://kube.example.invalid:6443
      help: allow it this once: `--context kind-dev`
      help: allow it always: `cluster: {allow: ['kind-dev']}` in wharf.yaml
    ");
    assert!(!runtime.exists(), "no credentials were written");
}

#[tokio::test]
async fn a_stopped_kind_cluster_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    // Port 1 is refused at once.
    std::fs::write(&file, config("kind-dev", "https://127.0.0.1:1")).unwrap();
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    let runtime_dir = folder.path().join("run");
    let options = ClusterOptions { runtime_dir: runtime_dir.clone(), ..ClusterOptions::default() };
    let error = Cluster::connect(&options, &tools(file.to_str().unwrap())).await.unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    cluster `kind-dev` does not answer at https://127.0.0.1:1
      Connection refused (os error 111)
      help: start its node if it is stopped: `docker start dev-control-plane`
      help: make it if it is gone: `kind create cluster --name dev`
    ");
    assert_eq!(std::fs::read_dir(runtime_dir).unwrap().count(), 0, "the private file is removed");
}

#[test]
fn contexts_that_are_not_there_are_explained() {
    let merged = kube::config::Kubeconfig::from_yaml(&config("kind-dev", "https://x")).unwrap();
    let wanted = |name: &str| ContextName::parse(name).unwrap();
    let check = |name: &str, expected: &str| {
        let error = kubeconfig::pin(&merged, Some(&wanted(name))).unwrap_err();
        assert_eq!(error.failure().help, [expected]);
    };
    check("kind-dv", "did you mean `kind-dev`?");
    check("production", "choose another (`kind-dev`)");
    let error = kubeconfig::read(&tools("/nowhere/config")).unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    no kubeconfig with a context was found
      looked in `/nowhere/config`
      help: make a local cluster: `kind create cluster`
    ");
}

#[test]
fn several_files_are_merged_and_one_context_is_pinned_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    std::fs::write(&one, config("kind-one", "https://127.0.0.1:1")).unwrap();
    let other = config("kind-two", "https://127.0.0.1:2").replace("name: c", "name: d");
    std::fs::write(&two, other.replace("cluster: c", "cluster: d")).unwrap();
    std::fs::write(folder.path().join("ca.crt"), "authority").unwrap();
    let list = format!("{}:/nowhere:{}", one.display(), two.display());

    let merged = kubeconfig::read(&tools(&list)).unwrap();
    let wanted = ContextName::parse("kind-two").unwrap();
    let pinned = kubeconfig::pin(&merged, Some(&wanted)).unwrap();
    assert_eq!(pinned.server, "https://127.0.0.1:2");
    assert_eq!(pinned.namespace.as_str(), "shop");

    let run = folder.path().join("run");
    let path = kubeconfig::write(&pinned.config, &run).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("YXV0aG9yaXR5"), "the authority is inlined: {text}");
    assert!(!text.contains("kind-one"), "other contexts stay out: {text}");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn files_of_killed_processes_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    // No process has this id: it is above the kernel's largest.
    let stale = folder.path().join("kubeconfig-4194305-abc");
    std::fs::write(&stale, "").unwrap();
    let merged = kube::config::Kubeconfig::from_yaml(&config("kind-dev", "https://x")).unwrap();
    let pinned = kubeconfig::pin(&merged, None).unwrap();
    let path = kubeconfig::write(&pinned.config, folder.path()).unwrap();
    assert!(!stale.exists());
    assert!(path.exists());
}

/// A cluster that answers each request with the next of `answers`.
fn answering(answers: Vec<(u16, serde_json::Value)>) -> Cluster {
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let service = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        let (status, body) = answers.lock().unwrap().next().expect("one answer for each request");
        let body = kube::client::Body::from(body.to_string().into_bytes());
        let answer = http::Response::builder().status(status).body(body).unwrap();
        std::future::ready(Ok::<_, std::convert::Infallible>(answer))
    });
    Cluster::fake(kube::Client::new(service, "default"))
}

#[tokio::test]
async fn another_cluster_behind_the_same_address_is_noticed() {
    let namespace = |uid| serde_json::json!({"metadata": {"name": "kube-system", "uid": uid}});
    let cluster = answering(vec![(200, namespace("first")), (200, namespace("second"))]);
    cluster.verify().await.unwrap();
    let error = cluster.verify().await.unwrap_err();
    insta::assert_snapshot!(told(&error), @r"
    context `kind-fake` leads to another cluster than at the start
      another cluster answers at https://127.0.0.1:6443
      help: start wharf again if `kind-fake` is meant as it is now
    ");
}

#[tokio::test]
async fn a_cluster_that_knows_the_user_no_more_is_another_one() {
    let refusal = serde_json::json!({"kind": "Status", "code": 401, "message": "Unauthorized"});
    let error = answering(vec![(401, refusal)]).verify().await.unwrap_err();
    assert!(matches!(error, ClusterError::IdentityChanged { .. }), "{error}");
}

#[tokio::test]
async fn a_kind_that_is_not_known_is_looked_for_once_more() {
    let none = serde_json::json!({"kind": "APIGroupDiscoveryList", "items": []});
    let group = serde_json::json!({"kind": "APIGroupDiscoveryList", "items": [{
        "metadata": {"name": "example.com"},
        "versions": [{"version": "v1", "freshness": "Current", "resources": [{
            "resource": "widgets", "scope": "Cluster", "verbs": ["get", "list"],
            "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
        }]}],
    }]});
    let answers = [none.clone(), none.clone(), group, none];
    let cluster = answering(answers.into_iter().map(|answer| (200, answer)).collect());
    assert!(cluster.api_resource("example.com/v1", "Widget").await.unwrap().is_none());
    let (found, namespaced) =
        cluster.api_resource("example.com/v1", "Widget").await.unwrap().unwrap();
    assert_eq!((found.plural.as_str(), namespaced), ("widgets", false));
    cluster.api_resource("example.com/v1", "Widget").await.unwrap().unwrap();
}

#[tokio::test]
async fn what_can_do_without_a_cluster_leads_no_child_to_one_that_is_not_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, config("staging", "https://kube.example.invalid:6443")).unwrap();
    let runtime_dir = folder.path().join("run");
    let options = ClusterOptions { runtime_dir: runtime_dir.clone(), ..ClusterOptions::default() };
    let mine = tools(file.to_str().unwrap());
    let perhaps = Perhaps::connect(&options, &mine).await.unwrap();
    assert!(perhaps.cluster().is_none());
    assert!(matches!(perhaps.why_not(), Some(ClusterError::NotAllowed { .. })));
    assert_eq!(perhaps.tools().variable("HELM_KUBECONTEXT"), None);
    let given = PathBuf::from(perhaps.tools().variable("KUBECONFIG").unwrap());
    assert_eq!(given.parent(), Some(runtime_dir.as_path()));
    let given = kube::config::Kubeconfig::read_from(&given).unwrap();
    assert!(given.contexts.is_empty() && given.current_context.is_none());
    assert!(given.clusters.is_empty() && given.auth_infos.is_empty());
    drop(perhaps);
    assert_eq!(std::fs::read_dir(&runtime_dir).unwrap().count(), 0, "it is gone with its owner");

    // Neither of these keeps anybody from building, and neither needs a word.
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    std::fs::write(&file, config("kind-dev", "https://127.0.0.1:1")).unwrap();
    for mine in [&mine, &tools("/nowhere/config")] {
        let perhaps = Perhaps::connect(&options, mine).await.unwrap();
        assert!(perhaps.cluster().is_none() && perhaps.why_not().is_none());
    }
    // What was asked for by name is not there.
    let context = ContextName::parse("kind-dv").unwrap();
    let options = ClusterOptions { context: Some(context), from_flag: true, ..options };
    let error = Perhaps::connect(&options, &mine).await.unwrap_err();
    assert!(matches!(error, ClusterError::NoSuchContext { .. }), "{error}");
    std::fs::write(&file, "{").unwrap();
    let error = Perhaps::connect(&options, &mine).await.unwrap_err();
    assert!(matches!(error, ClusterError::BadKubeconfig { .. }), "{error}");
}

fn told(error: &ClusterError) -> String {
    let failure = error.failure();
    let mut lines = vec![failure.what.clone()];
    lines.extend(failure.why.iter().map(|why| format!("  {why}")));
    lines.extend(failure.help.iter().map(|help| format!("  help: {}", help.replace('"', "'"))));
    lines.join("\n")
}
