//! The cluster: its context, whether it answers, its nodes and its clock.

use std::time::{Duration, SystemTime};

use http_body_util::BodyExt as _;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::timeout;

use crate::cluster::{Choice, Cluster, ClusterError, ClusterOptions, Node, choices};
use crate::model::ClusterKind;
use crate::report::Check;
use crate::tools::Tools;

use super::{fail, failed, ok, or_help, warn};

/// A cluster that is well answers in milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// `Date` has whole seconds, and the answer was some time on its way.
const SKEW: Duration = Duration::from_secs(5);

/// With clocks so far apart, certificates and tokens of one side look invalid to the other.
const FAR: Duration = Duration::from_secs(60);

pub(super) async fn checks(options: &ClusterOptions, tools: &Tools) -> Vec<Check> {
    let mut checks: Vec<Check> = contexts(&choices(tools, &options.allow)).into_iter().collect();
    checks.extend(of_the_cluster(options, tools).await);
    checks
}

/// Which contexts there are, and which of them wharf leaves alone unless it is told.
pub(super) fn contexts(choices: &[Choice]) -> Option<Check> {
    let said = choices.iter().map(|choice| {
        let mut remarks = Vec::new();
        remarks.extend(choice.is_current.then_some("current"));
        remarks.extend((!choice.is_free).then_some("only with --context, or allowed"));
        match remarks.as_slice() {
            [] => choice.name.clone(),
            remarks => format!("{} ({})", choice.name, remarks.join(", ")),
        }
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| ok("contexts", said.join(", ")))
}

async fn of_the_cluster(options: &ClusterOptions, tools: &Tools) -> Vec<Check> {
    match timeout(LIMIT, ask(options, tools)).await {
        Ok(Ok(checks)) => checks,
        Ok(Err(error)) => {
            let check = failed("cluster", &error.failure());
            vec![or_help(check, "see what kubectl makes of it: `kubectl config view`")]
        }
        Err(_) => {
            let what = format!("it did not answer within {} s", LIMIT.as_secs());
            vec![fail("cluster", what, "see whether `kubectl get nodes` answers")]
        }
    }
}

async fn ask(options: &ClusterOptions, tools: &Tools) -> Result<Vec<Check>, ClusterError> {
    let cluster = Cluster::connect(options, tools).await?;
    let context = format!("{}, namespace {}", cluster.context(), cluster.namespace());
    let mut checks = vec![ok("context", context)];
    let version = cluster.client().apiserver_version().await;
    let version = version.map_err(|error| cluster.explain(error))?;
    let what = format!("{}, {} at {}", kind(cluster.kind()), version.git_version, cluster.server());
    checks.push(ok("cluster", what));
    checks.extend(loading(cluster.kind(), tools));
    checks.push(nodes(&cluster.nodes().await?));
    checks.extend(clock(&cluster).await);
    cluster.close();
    Ok(checks)
}

/// The program that images are loaded with where wharf's own way into the nodes does not work.
fn loading(kind: &ClusterKind, tools: &Tools) -> Option<Check> {
    let (program, install) = match kind {
        ClusterKind::Kind { .. } => ("kind", "https://kind.sigs.k8s.io/docs/user/quick-start/"),
        ClusterKind::K3d { .. } => ("k3d", "https://k3d.io/stable/#installation"),
        ClusterKind::Minikube { .. } | ClusterKind::SharedStore { .. } | ClusterKind::Remote => {
            return None;
        }
    };
    Some(match tools.find(program) {
        Some(path) => ok(program, path.display().to_string()),
        None => warn(
            program,
            "it is not on the PATH; where wharf's own way into the nodes fails, there is no other",
            format!("install it: {install}"),
        ),
    })
}

fn kind(kind: &ClusterKind) -> String {
    match kind {
        ClusterKind::Kind { name } => format!("kind cluster {name}"),
        ClusterKind::K3d { name } => format!("k3d cluster {name}"),
        ClusterKind::Minikube { profile } => format!("minikube profile {profile}"),
        ClusterKind::SharedStore { product } => product.clone(),
        ClusterKind::Remote => "remote cluster".to_owned(),
    }
}

/// What the nodes' state means.
pub(super) fn nodes(nodes: &[Node]) -> Check {
    let unready: Vec<&str> =
        nodes.iter().filter(|node| !node.ready).map(|node| node.name.as_str()).collect();
    let see = |name: &str| format!("kubectl describe node {name}");
    match (nodes.len(), unready.as_slice()) {
        (0, _) => fail("nodes", "there are none", "add a node to the cluster"),
        (all, []) => {
            let platforms: std::collections::BTreeSet<String> =
                nodes.iter().map(|node| node.platform.to_string()).collect();
            let platforms = platforms.into_iter().collect::<Vec<_>>().join(", ");
            ok("nodes", format!("{all} ready ({platforms})"))
        }
        (all, [first, ..]) => {
            let what = format!("{} of {all} not ready: {}", unready.len(), unready.join(", "));
            if unready.len() == all {
                fail("nodes", what, see(first))
            } else {
                warn("nodes", what, see(first))
            }
        }
    }
}

/// How far the API server's clock is from ours; nothing where it does not say.
async fn clock(cluster: &Cluster) -> Option<Check> {
    let request = http::Request::get("/readyz").body(kube::client::Body::empty()).ok()?;
    let response = cluster.client().send(request).await.ok()?;
    let date = response.headers().get(http::header::DATE)?.to_str().ok()?.to_owned();
    // Read to its end, so that the connection can be used again.
    let _ = response.into_body().collect().await;
    let theirs = rfc2822::DateTimeParser::new().parse_timestamp(&date).ok()?;
    let ours = Timestamp::try_from(SystemTime::now()).ok()?;
    Some(skew(theirs.duration_since(ours).as_secs()))
}

/// What it means that their clock is this many seconds ahead of ours.
pub(super) fn skew(ahead: i64) -> Check {
    let apart = Duration::from_secs(ahead.unsigned_abs());
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let what = format!("the API server is {} s {way} this machine", apart.as_secs());
    let help =
        "set both clocks by NTP: `timedatectl set-ntp true`; a virtual machine may need a restart";
    if apart < SKEW {
        ok("clock", "this machine and the API server agree")
    } else if apart < FAR {
        warn("clock", what, help)
    } else {
        fail("clock", what, help)
    }
}
