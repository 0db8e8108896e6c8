//! The Engine's client against a real Docker: `cargo test --test docker_engine -- --ignored`.

#![expect(clippy::disallowed_methods, reason = "a test starts where `cli` does")]
#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wharf::docker::{Credentials, Engine};
use wharf::model::{ImageRef, Platform};
use wharf::tools::Tools;

fn tools() -> Tools {
    Tools::new(std::env::vars_os().collect::<BTreeMap<_, _>>())
}

fn engine() -> Engine {
    Engine::connect(&tools()).unwrap()
}

/// A container of the local kind cluster's node, the only long-running one a test can count on.
async fn node() -> String {
    let nodes = engine().containers("io.x-k8s.kind.cluster").await.unwrap();
    nodes.into_iter().find(|node| node.running).expect("a kind node runs").name
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn the_engine_introduces_itself() {
    let engine = engine();
    engine.ping().await.unwrap();
    let info = engine.info().await.unwrap();
    assert!(info.version.starts_with(|c: char| c.is_ascii_digit()), "{info:?}");
    assert_eq!(info.platform.os, "linux");
    assert!(engine.has_buildkit().await.unwrap());
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_is_looked_up_named_and_unnamed() {
    let engine = engine();
    assert_eq!(engine.image("wharf-test/none:1").await.unwrap(), None);
    let image = engine.image("debian:bookworm-slim").await.unwrap().expect("a base image");
    assert!(!image.diff_ids.is_empty() && image.size_bytes > 0);
    let name = ImageRef::parse("wharf-test/named:1").unwrap();
    engine.tag("debian:bookworm-slim", &name).await.unwrap();
    assert_eq!(engine.image("wharf-test/named:1").await.unwrap().unwrap().id, image.id);
    engine.untag(&name, false).await.unwrap();
    engine.untag(&name, false).await.unwrap();
    assert_eq!(engine.image("wharf-test/named:1").await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_base_image_is_the_engines_own_where_it_is_there() {
    let (engine, credentials) = (engine(), Credentials::new(&tools()));
    let platform = engine.platform().await.unwrap();
    let ask = async |image: &ImageRef| engine.in_registry(image, &credentials).await;
    let base = engine.base("debian:bookworm-slim", &platform, ask).await.unwrap();
    assert!(base.is_local && base.identity.starts_with("sha256:"), "{base:?}");
    let far = Platform::parse("linux/s390x").unwrap();
    let missing = engine.base("no-such.invalid/x:1", &far, ask).await.unwrap_err();
    assert_eq!(missing.code(), "wharf::docker::no_image");
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_command_in_a_container_is_talked_to() {
    let engine = engine();
    let node = node().await;
    let ended = engine.exec(&node, &["sh", "-c", "echo out; echo err >&2; exit 3"]).await.unwrap();
    assert_eq!(
        (ended.code, ended.stdout.as_slice(), ended.stderr.trim()),
        (3, &b"out\n"[..], "err")
    );

    let mut cat = engine.open_exec(&node, &["cat"]).await.unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let mut received = Vec::new();
    let (mut reader, mut writer) = tokio::io::split(&mut cat);
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(reader.read_to_end(&mut received), write);
    read.unwrap();
    assert!(received == sent);
    assert_eq!(cat.finish().await.unwrap().code, 0);
}
