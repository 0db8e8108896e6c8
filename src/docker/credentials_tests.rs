//! Which login the configuration leads to.

use super::*;

fn check(config: &str, host: &str, expected: &Source) {
    let config: Config = serde_json::from_str(config).unwrap();
    assert_eq!(&config.source(host), expected);
}

fn password(name: &str, password: &str) -> Source {
    Source::Here(Login::Password { name: name.to_owned(), password: password.to_owned() })
}

#[test]
fn a_login_is_found_as_docker_finds_it() {
    // `dXNlcjpwYTpzcw==` is `user:pa:ss`.
    let hub = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dXNlcjpwYTpzcw=="}}}"#;
    check(hub, "docker.io", &password("user", "pa:ss"));
    check(hub, "ghcr.io", &Source::Nothing);
    let other = r#"{"auths": {"https://registry.example": {"auth": "dXNlcjpwYTpzcw=="}}}"#;
    check(other, "registry.example", &password("user", "pa:ss"));
    let token = r#"{"auths": {"acr.example": {"auth": "eDp5", "identitytoken": "t"}}}"#;
    check(token, "acr.example", &Source::Here(Login::Token("t".to_owned())));
    let helpers =
        r#"{"credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud"}, "auths": {"a": {}}}"#;
    check(helpers, "gcr.io", &Source::Helper("gcloud".to_owned()));
    check(helpers, "a", &Source::Helper("desktop".to_owned()));
    check("{}", "a", &Source::Nothing);
}

#[test]
fn a_login_is_never_shown() {
    let login = Login::Password { name: "user".to_owned(), password: "hunter2".to_owned() };
    assert!(!format!("{login:?}").contains("hunter2"));
}

fn tools_with(helper: &str, folder: &std::path::Path) -> Tools {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("docker-credential-test");
    std::fs::write(&path, helper).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"credsStore": "test"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Tools::new(BTreeMap::from([
        ("PATH".into(), path.into()),
        ("DOCKER_CONFIG".into(), folder.as_os_str().to_owned()),
    ]))
}

#[tokio::test]
async fn a_helper_is_asked_with_the_registry_on_its_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh\nread -r host\necho \"{\\\"Username\\\":\\\"me\\\",\\\"Secret\\\":\\\"$host\\\"}\"\n";
    let credentials = Credentials::new(&tools_with(script, folder.path()));
    let login = credentials.login("ghcr.io").await.unwrap();
    let expected = Login::Password { name: "me".to_owned(), password: "ghcr.io".to_owned() };
    assert_eq!(login, Some(expected));
}

#[tokio::test]
async fn a_helper_without_an_entry_means_no_login_and_a_broken_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh\necho credentials not found in native keychain\nexit 1\n";
    let credentials = Credentials::new(&tools_with(script, folder.path()));
    assert_eq!(credentials.login("ghcr.io").await.unwrap(), None);
    let script = "#!/bin/sh\necho the key ring is locked >&2\nexit 1\n";
    let credentials = Credentials::new(&tools_with(script, folder.path()));
    let failure = credentials.login("ghcr.io").await.unwrap_err().failure();
    assert_eq!(failure.what, "the credentials of ghcr.io could not be read");
    assert!(failure.why.iter().any(|why| why == "the key ring is locked"));
}
