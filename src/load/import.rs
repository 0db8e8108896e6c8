//! The plain way: the Engine's archive of the whole image, streamed into `ctr images import`.

use futures::stream::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::docker::{Engine, Exec};
use crate::model::ImageRef;

use super::LoadError;
use super::delta::MINE;
use super::nodes::Node;

/// Larger archives are imported by the client itself: containerd 2's transfer service reads every
/// layer twice.
const LOCAL_FROM_BYTES: u64 = 64 << 20;

/// Brings `image` into `nodes`, all at once; returns the bytes that went to each.
pub(super) async fn into_nodes(
    engine: &Engine,
    nodes: &[Node],
    image: &ImageRef,
    total_bytes: u64,
) -> Result<u64, LoadError> {
    let opened = nodes.iter().map(|node| open(engine, node, total_bytes));
    let mut imports = futures::future::try_join_all(opened).await?;
    let mut archive = std::pin::pin!(engine.save(&image.to_string()).await?);
    let mut sent_bytes = 0;
    while let Some(piece) = archive.next().await {
        let piece = piece?;
        sent_bytes += piece.len() as u64;
        // A node that has failed takes nothing more; why it failed is asked at the end.
        let writes = imports.iter_mut().map(|import| import.write_all(&piece));
        let written = futures::future::join_all(writes).await;
        if written.iter().all(Result::is_err) {
            break;
        }
    }
    let ends = imports.into_iter().zip(nodes).map(|(import, node)| end(import, node, image));
    let ends = futures::future::join_all(ends).await;
    for (ended, node) in ends.iter().zip(nodes) {
        if ended.is_err() {
            forget(engine, node, image).await;
        }
    }
    ends.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(sent_bytes)
}

async fn open(engine: &Engine, node: &Node, total_bytes: u64) -> Result<Exec, LoadError> {
    let mut options = String::new();
    if total_bytes > LOCAL_FROM_BYTES {
        let help = engine.exec(&node.name, &["ctr", "images", "import", "--help"]).await?;
        if String::from_utf8_lossy(&help.stdout).contains("--local") {
            options.push_str(" --local");
        }
    }
    if let Some(snapshotter) = snapshotter(engine, node).await? {
        options.push_str(&format!(" --snapshotter={snapshotter}"));
    }
    let command = format!("exec ctr -a {} -n k8s.io images import{options} -", node.socket);
    Ok(engine.open_exec(&node.name, &["sh", "-c", &command]).await?)
}

/// The snapshotter that the node's containerd is configured for, where that can be asked.
pub(super) async fn snapshotter(engine: &Engine, node: &Node) -> Result<Option<String>, LoadError> {
    let script = "containerd config dump 2>/dev/null | grep -m1 -E '^ *snapshotter *='";
    let ended = engine.exec(&node.name, &["sh", "-c", script]).await?;
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let value = text.split_once('=').map(|(_, value)| value.trim().trim_matches(['"', '\'']));
    let plain = |value: &&str| {
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    Ok(value.filter(plain).map(str::to_owned))
}

async fn end(mut import: Exec, node: &Node, image: &ImageRef) -> Result<(), LoadError> {
    let _ = import.shutdown().await;
    let ended = import.finish().await?;
    if ended.code == 0 {
        return Ok(());
    }
    Err(refusal(node, image, &ended.stderr))
}

/// Tells a full disk from other trouble in a node's words.
pub(super) fn refusal(node: &Node, image: &ImageRef, said: &str) -> LoadError {
    let (node, image) = (node.name.clone(), image.clone());
    if said.contains("no space left on device") {
        return LoadError::NoSpace { node, image };
    }
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    LoadError::Refused { node, image, why: last.unwrap_or("it gave no reason").to_owned() }
}

/// Removes a record that a failed import may have left: kubelet would take the image for present.
async fn forget(engine: &Engine, node: &Node, image: &ImageRef) {
    let name = image.without_digest().full();
    let command = ["ctr", "-a", node.socket, "-n", "k8s.io", "images", "rm", &name];
    if let Err(error) = engine.exec(&node.name, &command).await {
        tracing::warn!(node = node.name, %image, %error, "a broken image record may be left");
    }
}

/// Labels the record of `image` as wharf's own, as the records of the fast way are.
pub(super) async fn claim(engine: &Engine, node: &Node, image: &ImageRef) -> Result<(), LoadError> {
    let (name, label) = (image.without_digest().full(), format!("{}={}", MINE.0, MINE.1));
    let command = ["ctr", "-a", node.socket, "-n", "k8s.io", "images", "label", &name, &label];
    let ended = engine.exec(&node.name, &command).await?;
    if ended.code == 0 { Ok(()) } else { Err(refusal(node, image, &ended.stderr)) }
}

/// Whether the node has `image`, as `ctr` says.
pub(super) async fn has(engine: &Engine, node: &Node, image: &ImageRef) -> Result<bool, LoadError> {
    let filter = format!("name=={}", image.without_digest().full());
    let command = ["ctr", "-a", node.socket, "-n", "k8s.io", "images", "ls", "-q", &filter];
    let ended = engine.exec(&node.name, &command).await?;
    if ended.code == 0 {
        return Ok(!ended.stdout.trim_ascii().is_empty());
    }
    Err(refusal(node, image, &ended.stderr))
}
