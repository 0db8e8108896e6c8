//! Connecting to a real cluster: `KUBECONFIG` names one that kind made.

#![expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]

use wharf::cluster::{Cluster, ClusterOptions};
use wharf::model::{ClusterIdentity, ClusterKind, Delivery};
use wharf::tools::Tools;

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_kind_cluster_is_known_by_its_nodes_and_pinned() {
    let tools = Tools::new(std::env::vars_os().collect());
    let folder = tempfile::tempdir().unwrap();
    let runtime_dir = folder.path().join("run");
    let options = ClusterOptions { runtime_dir, ..ClusterOptions::default() };
    let cluster = Cluster::connect(&options, &tools).await.unwrap();

    assert!(matches!(cluster.kind(), ClusterKind::Kind { .. }), "{:?}", cluster.kind());
    assert!(matches!(cluster.identity(), ClusterIdentity::KubeSystem(uid) if !uid.is_empty()));
    assert_eq!(cluster.delivery(None), Delivery::Load);
    cluster.verify().await.unwrap();
    let nodes = cluster.nodes().await.unwrap();
    assert!(nodes.iter().any(|node| node.ready && node.platform.os == "linux"), "{nodes:?}");

    let (deployments, namespaced) =
        cluster.api_resource("apps/v1", "Deployment").await.unwrap().unwrap();
    assert_eq!((deployments.plural.as_str(), namespaced), ("deployments", true));
    assert!(cluster.api_resource("example.com/v1", "Nothing").await.unwrap().is_none());
    assert!(cluster.resources().await.unwrap().len() > 30);
    let versions = cluster.api_versions().await.unwrap();
    assert!(versions.contains(&"apps/v1/Deployment".to_owned()), "{versions:?}");

    // A child talks to the same cluster by the private file.
    let kubectl = cluster.tools().command("kubectl");
    let output = kubectl.args(["config", "view", "--minify", "-o", "name"]).run().await;
    output.unwrap();
    let helm = cluster.tools().command("helm").args(["list", "-A", "-o", "json"]).run().await;
    helm.unwrap();

    let path = cluster.kubeconfig().to_owned();
    assert!(path.exists());
    cluster.close();
    assert!(!path.exists());
}
