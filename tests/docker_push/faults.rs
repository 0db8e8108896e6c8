//! Registries and networks that fail in the middle.

use tokio_util::sync::CancellationToken;
use wharf::push::PushError;

use crate::support::{Fault, Home, LIMIT, Registry, StandIn, docker, make, noise};

const LARGE: usize = 22 << 20;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_blob_goes_on_where_it_stood_when_its_connection_breaks() {
    let registry = Registry::new().await;
    let faults = [Fault::CutWhenTaken(5 << 20), Fault::CutWhenTaken(13 << 20)];
    let front = StandIn::before(&registry, &faults).await;
    let home = Home::new();
    let image = make(&format!("{}/acme/web:1", front.address), &noise(LARGE), "x").await;
    let pushed = home.push(&image).await.unwrap();
    assert_eq!(front.left(), [], "both connections were broken");
    let sent = front.sent();
    // busybox, 22 MB once, and a little of HTTP.
    assert!(sent < pushed.sent_bytes + (1 << 20), "{sent} for {pushed:?}: begun anew");
    check(&image.to_string(), &registry).await;
    registry.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_registry_that_has_forgotten_a_blob_gets_it_anew() {
    let registry = Registry::new().await;
    // Right in the middle of a piece: this registry gives up what it has of a blob then.
    let front = StandIn::before(&registry, &[Fault::CutAt(9 << 20)]).await;
    let home = Home::new();
    let image = make(&format!("{}/acme/web:1", front.address), &noise(LARGE), "x").await;
    let pushing = home.push(&image);
    // It is away for a while, too, and restarted meanwhile.
    let breaking = async {
        front.has_sent(16 << 20).await;
        front.refuse(3);
        docker(&["restart", "-t", "0", &registry.container]).await;
    };
    let (pushed, ()) = tokio::join!(pushing, breaking);
    pushed.unwrap();
    assert_eq!(front.left(), []);
    check(&image.to_string(), &registry).await;
    registry.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn bytes_that_were_changed_on_their_way_are_refused_and_sent_anew() {
    let registry = Registry::new().await;
    let front = StandIn::before(&registry, &[Fault::FlipAt(12 << 20)]).await;
    let home = Home::new();
    let image = make(&format!("{}/acme/web:1", front.address), &noise(LARGE), "x").await;
    home.push(&image).await.unwrap();
    assert_eq!(front.left(), []);
    check(&image.to_string(), &registry).await;

    // A way that changes them each time ends the push, and no tag names such an image.
    let flips: Vec<Fault> =
        (0..40).map(|nth| Fault::FlipAt(front.sent() % 7 + nth * (3 << 20))).collect();
    let bad = StandIn::before(&registry, &flips).await;
    let image = make(&format!("{}/acme/web:2", bad.address), &noise(LARGE), "y").await;
    let error = home.push(&image).await.unwrap_err();
    assert!(matches!(error, PushError::Failed { .. }), "{error:?}");
    assert!(error.failure().why[0].contains("digest"), "{:?}", error.failure());
    let direct = image.to_string().replace(&bad.address, &registry.address);
    let found = home.pusher.find(&wharf::model::ImageRef::parse(&direct).unwrap()).await;
    assert_eq!(found.unwrap(), None);
    docker(&["rmi", "-f", &image.to_string()]).await;
    registry.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_full_registry_is_named_and_a_push_that_is_called_off_leaves_nothing() {
    let full = Registry::with(&["--tmpfs", "/var/lib/registry:size=12m"], None).await;
    let home = Home::new();
    let large = noise(LARGE);
    let image = make(&format!("{}/acme/web:1", full.address), &large, "x").await;
    let error = home.push(&image).await.unwrap_err();
    assert!(matches!(error, PushError::NoSpace { .. }), "{error:?}");
    let failure = error.failure();
    let what = format!("registry {} has no room for `{image}`", full.address);
    assert_eq!(failure.what, what, "{failure:?}");
    docker(&["rmi", "-f", &image.to_string()]).await;
    full.remove().await;

    let registry = Registry::new().await;
    let front = StandIn::before(&registry, &[]).await;
    let image = make(&format!("{}/acme/web:1", front.address), &large, "x").await;
    let cancel = CancellationToken::new();
    let pushing = home.pusher.push(&image, &|_, _| {}, &cancel);
    let calling_off = async {
        front.has_sent(9 << 20).await;
        cancel.cancel();
    };
    let (pushed, ()) = tokio::time::timeout(LIMIT, async { tokio::join!(pushing, calling_off) })
        .await
        .expect("it ends");
    assert!(matches!(pushed, Err(PushError::Cancelled { .. })), "{pushed:?}");
    assert_eq!(registry.half_uploads().await, "");
    let names = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).await;
    assert!(!names.lines().any(|name| name.contains("/wharf:")), "{names}");
    docker(&["rmi", "-f", &image.to_string()]).await;
    registry.remove().await;
}

/// The registry's image is whole: the Engine pulls it by another name and counts its bytes.
async fn check(image: &str, registry: &Registry) {
    let (_, path) = image.split_once('/').unwrap();
    let direct = format!("{}/{path}", registry.address);
    let id = docker(&["image", "inspect", "-f", "{{.Id}}", image]).await;
    docker(&["rmi", "-f", image]).await;
    docker(&["pull", "-q", &direct]).await;
    assert_eq!(docker(&["image", "inspect", "-f", "{{.Id}}", &direct]).await, id);
    docker(&["rmi", "-f", &direct]).await;
}
