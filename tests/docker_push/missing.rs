//! What a registry has is not sent.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wharf::model::{Digest, ImageRef};

use crate::support::{Home, Registry, StandIn, docker, make, noise, tools};

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

/// An archive of an image with an attestation, as builders make it; and what its index is called.
fn attested(name: &str) -> (Vec<u8>, Digest) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content).unwrap();
    };
    let sort = |sort: &str| format!("application/vnd.oci.image.{sort}+json");
    let mut put = |media_type: &str, content: Vec<u8>, more: Value| {
        let digest = Digest::of(&content);
        add(&format!("blobs/sha256/{}", &digest.as_str()[7..]), &content);
        let mut entry = json!({"mediaType": media_type, "digest": digest, "size": content.len()});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let text = |value: &Value| value.to_string().into_bytes();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let platform = |os: &str, arch: &str| json!({"os": os, "architecture": arch});
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(name.len() as u64);
    layer.append_data(&mut header, "name", name.as_bytes()).unwrap();
    let layer = layer.into_inner().unwrap();
    let manifest = |config: &Value, layer: &Value| json!({"schemaVersion": 2, "mediaType": sort("manifest.v1"), "config": config, "layers": [layer]});

    let mut config = platform("linux", arch);
    config["rootfs"] = json!({"type": "layers", "diff_ids": [Digest::of(&layer)]});
    let config = put(&sort("config.v1"), text(&config), json!({}));
    let layer = put("application/vnd.oci.image.layer.v1.tar", layer, json!({}));
    let image = text(&manifest(&config, &layer));
    let image = put(&sort("manifest.v1"), image, json!({"platform": platform("linux", arch)}));

    let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "subject": []});
    let statement = put("application/vnd.in-toto+json", text(&statement), json!({}));
    let mut config = platform("unknown", "unknown");
    config["rootfs"] = json!({"type": "layers", "diff_ids": [statement["digest"]]});
    let config = put(&sort("config.v1"), text(&config), json!({}));
    let about = json!({
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    });
    let more = json!({"platform": platform("unknown", "unknown"), "annotations": about});
    let attestation = put(&sort("manifest.v1"), text(&manifest(&config, &statement)), more);

    let index = |manifests: &[&Value]| json!({"schemaVersion": 2, "mediaType": sort("index.v1"), "manifests": manifests});
    let named = json!({"annotations": {"io.containerd.image.name": name}});
    let whole = put(&sort("index.v1"), text(&index(&[&image, &attestation])), named);
    add("oci-layout", b"{\"imageLayoutVersion\": \"1.0.0\"}");
    add("index.json", &text(&index(&[&whole])));
    let digest = Digest::parse(whole["digest"].as_str().unwrap()).unwrap();
    (archive.into_inner().unwrap(), digest)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn an_index_with_its_attestation_goes_over_as_a_containerd_store_has_it() {
    let up = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/up.sh");
    let made = tools().command(up).args(["part", "engine-current"]);
    let made = made.time_limit(Duration::from_secs(900)).run().await.unwrap().text();
    let engine = made.lines().find_map(|line| line.strip_prefix("export DOCKER_HOST="));
    let current = tools().with_variable("DOCKER_HOST", engine.unwrap().trim());
    let registry = Registry::new().await;
    let home = Home::of(&current);
    let name = format!("{}/acme/attested:1", registry.address);
    let image = ImageRef::parse(&name).unwrap();
    let (archive, digest) = attested(&name);
    current.command("docker").arg("load").stdin(archive).run().await.unwrap();
    let pushed = home.push(&image).await.unwrap();
    assert_eq!(pushed.digest, digest);
    assert_eq!(home.pusher.find(&image).await.unwrap(), Some(digest.clone()));
    let pinned = format!("{}/acme/attested@{digest}", registry.address);
    docker(&["pull", "-q", &pinned]).await;
    docker(&["rmi", "-f", &pinned]).await;
    current.command("docker").args(["rmi", "-f", &name]).run().await.unwrap();
    registry.remove().await;
}
