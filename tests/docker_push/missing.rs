//! What a registry has is not sent.

use tokio_util::sync::CancellationToken;
use wharf::model::ImageRef;

use crate::support::{Home, Registry, StandIn, docker, make, noise};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn only_what_a_registry_lacks_goes_there_and_the_digest_is_the_engines() {
    let registry = Registry::new().await;
    let front = StandIn::before(&registry, &[]).await;
    let home = Home::new();
    let large = noise(6 << 20);
    let name = |path: &str| format!("{}/{path}", front.address);

    let first = make(&name("acme/web:1"), &large, "one").await;
    assert_eq!(home.pusher.find(&first).await.unwrap(), None);
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |sent, total| told.lock().unwrap().push((sent, total));
    let pushed = home.pusher.push(&first, &tell, &CancellationToken::new()).await.unwrap();
    assert!(pushed.sent_bytes > 6 << 20 && pushed.total_bytes > 6 << 20, "{pushed:?}");
    assert_eq!(home.pusher.find(&first).await.unwrap(), Some(pushed.digest.clone()));
    let told = told.into_inner().unwrap();
    assert!(told.iter().all(|(sent, total)| sent <= total), "{told:?}");
    assert!(told.last().is_some_and(|(sent, total)| sent == total && *sent > 6 << 20), "{told:?}");

    // The Engine's own push of the same image has the same digest.
    let again = format!("{}/elsewhere/web:1", registry.address);
    docker(&["tag", &first.to_string(), &again]).await;
    docker(&["push", "-q", &again]).await;
    let digests = docker(&["image", "inspect", "-f", "{{json .RepoDigests}}", &again]).await;
    let of_engine = format!("{}/elsewhere/web@{}", registry.address, pushed.digest);
    assert!(digests.contains(&of_engine), "{digests}");
    docker(&["pull", "-q", &of_engine]).await;

    // A small change, in the same repository.
    let sent = front.sent();
    let second = make(&name("acme/web:2"), &large, "two").await;
    let changed = home.push(&second).await.unwrap();
    assert!(changed.sent_bytes < 64 << 10 && changed.digest != pushed.digest, "{changed:?}");
    assert!(front.sent() - sent < 256 << 10, "{} bytes went over", front.sent() - sent);

    // The same layers in another repository: taken over, not sent.
    let sent = front.sent();
    let other = make(&name("acme/api:1"), &large, "three").await;
    let mounted = home.push(&other).await.unwrap();
    assert!(mounted.sent_bytes < 64 << 10, "{mounted:?}");
    assert!(front.sent() - sent < 256 << 10, "{} bytes went over", front.sent() - sent);
    docker(&["rmi", "-f", &other.to_string()]).await;
    docker(&["pull", "-q", &other.to_string()]).await;

    // What is there is not sent again, and its tag never comes to mean something else.
    let kept = home.push(&first).await.unwrap();
    assert_eq!((kept.sent_bytes, &kept.digest), (0, &pushed.digest));
    docker(&["tag", &second.to_string(), &first.to_string()]).await;
    assert_eq!(home.push(&first).await.unwrap().digest, pushed.digest);
    assert_eq!(home.pusher.find(&first).await.unwrap(), Some(pushed.digest.clone()));

    // A further name for the same manifest may move.
    let latest = ImageRef::parse(&name("acme/web:latest")).unwrap();
    for (image, digest) in [(&first, &pushed.digest), (&second, &changed.digest)] {
        home.pusher.name_also(image, digest, &latest).await.unwrap();
        assert_eq!(home.pusher.find(&latest).await.unwrap().as_ref(), Some(digest));
    }

    let names = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).await;
    assert!(!names.lines().any(|name| name.contains("/wharf:")), "{names}");
    assert_eq!(registry.half_uploads().await, "");
    for image in [first, second, other].map(|image| image.to_string()).iter().chain([&again]) {
        docker(&["rmi", "-f", image]).await;
    }
    registry.remove().await;
}
