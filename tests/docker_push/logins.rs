//! Registries that want to know who asks, behind TLS with an authority of their own.

use std::path::Path;

use base64::Engine as _;
use wharf::model::ImageRef;
use wharf::push::PushError;

use crate::support::tokens::{IDENTITY, TokenServer, WORD};
use crate::support::{Home, Log, Registry, docker, make, noise, tools};

const PASSWORD: &str = "testbed";

/// The word `testbed`, as bcrypt.
const USERS: &str = "wharf:$2a$05$LR92WJM7eDlTLarpbJ1wje3YGkljn6BwcTFzl2dtmgEvEKkO1TiA.\n";

/// Makes an authority `ca` and a server's certificate by it, `server`, in `folder`.
async fn certificates(folder: &Path) {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(at("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    let key = ["-newkey", "rsa:2048", "-nodes"];
    let own = ["req", "-x509", "-days", "3", "-subj", "/CN=tests"];
    let (ca_key, ca, server_key) = (at("ca.key"), at("ca.crt"), at("server.key"));
    let (request, server, names) = (at("server.csr"), at("server.crt"), at("names"));
    for args in [
        [&own[..], &key, &["-keyout", &ca_key, "-out", &ca]].concat(),
        [&["req", "-subj", "/CN=x"][..], &key, &["-keyout", &server_key, "-out", &request]]
            .concat(),
        [
            &["x509", "-req", "-days", "3", "-in", &request, "-CA", &ca, "-CAkey", &ca_key][..],
            &["-CAcreateserial", "-extfile", &names, "-out", &server],
        ]
        .concat(),
    ] {
        tools().command("openssl").args(args).run().await.unwrap();
    }
}

const TLS: [&str; 4] = [
    "-e",
    "REGISTRY_HTTP_TLS_CERTIFICATE=/given/server.crt",
    "-e",
    "REGISTRY_HTTP_TLS_KEY=/given/server.key",
];

/// Has `home` trust `authority` with `registry`.
fn trust(home: &Home, registry: &Registry, authority: &Path) {
    let folder = home.folder.path().join("certs.d").join(&registry.address);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(authority, folder.join("ca.crt")).unwrap();
}

fn log_in(home: &Home, registry: &Registry, entry: &serde_json::Value) {
    let config = serde_json::json!({"auths": {&registry.address: entry}}).to_string();
    std::fs::write(home.folder.path().join("config.json"), config).unwrap();
}

fn password(word: &str) -> serde_json::Value {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("wharf:{word}"));
    serde_json::json!({ "auth": auth })
}

async fn refused(home: &Home, image: &ImageRef) {
    let error = home.push(image).await.unwrap_err();
    assert!(matches!(error, PushError::Refused { .. }), "{error:?}");
    let help = format!("log in: `docker login {}`", image.host());
    assert_eq!(error.failure().help, [help], "{:?}", error.failure());
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_certificate_and_a_password_are_checked_and_named() {
    let (files, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(files.path()).await;
    certificates(others.path()).await;
    std::fs::write(files.path().join("htpasswd"), USERS).unwrap();
    let login = [
        "-e",
        "REGISTRY_AUTH=htpasswd",
        "-e",
        "REGISTRY_AUTH_HTPASSWD_REALM=tests",
        "-e",
        "REGISTRY_AUTH_HTPASSWD_PATH=/given/htpasswd",
    ];
    let registry = Registry::with(&[&TLS[..], &login].concat(), Some(files.path())).await;
    let image = make(&format!("{}/acme/web:1", registry.address), &noise(64 << 10), "x").await;
    let home = Home::new();
    let log = Log::default();
    let _logged = log.keep();

    trust(&home, &registry, &others.path().join("ca.crt"));
    let error = home.push(&image).await.unwrap_err();
    assert!(matches!(error, PushError::Untrusted { .. }), "{error:?}");
    let place = format!("/etc/docker/certs.d/{}/ca.crt", registry.address);
    assert!(error.failure().help[0].ends_with(&place), "{:?}", error.failure());

    trust(&home, &registry, &files.path().join("ca.crt"));
    refused(&home, &image).await;
    log_in(&home, &registry, &password("guessed"));
    refused(&home, &image).await;
    log_in(&home, &registry, &password(PASSWORD));
    let pushed = home.push(&image).await.unwrap();
    assert_eq!(home.pusher.find(&image).await.unwrap(), Some(pushed.digest));

    let text = log.text();
    assert!(text.contains("acme/web"), "something is written: {text}");
    let secret = password(PASSWORD)["auth"].as_str().unwrap().to_owned();
    assert!(!text.contains(PASSWORD) && !text.contains(&secret), "{text}");
    docker(&["rmi", "-f", &image.to_string()]).await;
    registry.remove().await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn tokens_are_asked_for_as_they_are_needed_with_a_password_or_an_identity_token() {
    let files = tempfile::tempdir().unwrap();
    certificates(files.path()).await;
    let server = TokenServer::new(files.path()).await;
    let realm = format!("REGISTRY_AUTH_TOKEN_REALM=http://{}/token", server.address);
    let token = [
        "-e",
        "REGISTRY_AUTH=token",
        "-e",
        &realm,
        "-e",
        "REGISTRY_AUTH_TOKEN_SERVICE=registry of the tests",
        "-e",
        "REGISTRY_AUTH_TOKEN_ISSUER=tests",
        "-e",
        "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE=/given/ca.crt",
    ];
    let registry = Registry::with(&[&TLS[..], &token].concat(), Some(files.path())).await;
    let home = Home::new();
    let log = Log::default();
    let _logged = log.keep();
    let large = noise(9 << 20);
    let name = |path: &str| format!("{}/{path}", registry.address);
    let first = make(&name("acme/web:1"), &large, "one").await;

    refused(&home, &first).await;
    log_in(&home, &registry, &password("guessed"));
    refused(&home, &first).await;
    assert_eq!(home.pusher.find(&first).await.unwrap(), None, "who may not look finds nothing");
    let before = server.asked();
    log_in(&home, &registry, &password(WORD));
    home.push(&first).await.unwrap();
    assert!(server.asked() - before <= 6, "a token is used as long as it is good");

    // Tokens that end at once, and one that does not do: a new one is asked for each time.
    server.set_life(0);
    server.be_stingy(1);
    let brief = Home::new();
    log_in(&brief, &registry, &password(WORD));
    let before = server.asked();
    let second = make(&name("acme/web:2"), &noise(9 << 20), "two").await;
    brief.push(&second).await.unwrap();
    assert!(server.asked() - before > 6, "{} tokens", server.asked() - before);
    server.set_life(300);

    // Another repository's layers need another's leave, and an identity token is as good.
    let identity = |token: &str| serde_json::json!({"auth": "", "identitytoken": token});
    let other = Home::new();
    let third = make(&name("acme/api:1"), &large, "three").await;
    log_in(&other, &registry, &identity("stale"));
    refused(&other, &third).await;
    log_in(&other, &registry, &identity(IDENTITY));
    other.push(&third).await.unwrap();
    let fourth = make(&name("acme/db:1"), &large, "four").await;
    let mounted = other.push(&fourth).await.unwrap();
    assert!(mounted.sent_bytes < 64 << 10, "{mounted:?}");
    assert!(
        server
            .scopes()
            .iter()
            .any(|scope| { scope == "repository:acme/db:pull,push repository:acme/api:pull" })
    );

    let text = log.text();
    let secret = password(WORD)["auth"].as_str().unwrap().to_owned();
    for secret in [WORD, &secret, IDENTITY, "Bearer ey"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    for image in [first, second, third, fourth] {
        docker(&["rmi", "-f", &image.to_string()]).await;
    }
    registry.remove().await;
}
