//! Finding the Engine, and an Engine that is not there. Nothing here needs Docker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use sha2::Digest as _;

use super::*;
use crate::model::ImageRef;
use crate::tools::Tools;

fn tools(variables: &[(&str, &str)]) -> Tools {
    let pairs = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Tools::new(pairs.collect::<BTreeMap<_, _>>())
}

fn context(folder: &Path, name: &str, host: &str) {
    let id = hex::encode(sha2::Sha256::digest(name.as_bytes()));
    let meta = folder.join("contexts/meta").join(id);
    std::fs::create_dir_all(&meta).unwrap();
    let text = format!(
        r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
    );
    std::fs::write(meta.join("meta.json"), text).unwrap();
}

fn found(variables: &[(&str, &str)]) -> String {
    match Engine::connect(&tools(variables)) {
        Ok(engine) => engine.endpoint().to_string(),
        Err(error) => error.failure().what,
    }
}

#[test]
fn the_engine_is_found_as_the_docker_command_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap();
    context(folder.path(), "far", "ssh://me@far.example:2222");
    context(folder.path(), "near", "unix:///tmp/near.sock");
    let current = |name: &str| {
        let text = format!(r#"{{"currentContext": "{name}"}}"#);
        std::fs::write(folder.path().join("config.json"), text).unwrap();
    };
    let base = ("DOCKER_CONFIG", config);

    current("near");
    assert_eq!(found(&[base]), "unix:///tmp/near.sock");
    assert_eq!(found(&[base, ("DOCKER_CONTEXT", "far")]), "ssh://me@far.example:2222");
    let both = [base, ("DOCKER_CONTEXT", "far"), ("DOCKER_HOST", "tcp://10.0.0.1")];
    assert_eq!(found(&both), "tcp://10.0.0.1:2375");
    assert_eq!(found(&[base, ("DOCKER_CONTEXT", "default")]), "unix:///var/run/docker.sock");
    assert_eq!(
        found(&[base, ("DOCKER_CONTEXT", "gone")]),
        "there is no Docker context named `gone`"
    );
    current("gone");
    assert_eq!(found(&[base]), "there is no Docker context named `gone`");
    let tls = [("DOCKER_HOST", "tcp://10.0.0.1"), ("DOCKER_TLS_VERIFY", "1")];
    assert_eq!(found(&tls), "tcp://10.0.0.1:2376");
}

#[test]
fn an_address_that_leads_nowhere_is_refused() {
    for host in ["docker", "ftp://x", "unix://", "ssh://-oProxyCommand=x"] {
        let what = found(&[("DOCKER_HOST", host)]);
        assert_eq!(what, format!("`{host}` does not lead to a Docker Engine"));
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_with_the_way_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let host = format!("unix://{}/docker.sock", folder.path().display());
    let engine = Engine::connect(&tools(&[("DOCKER_HOST", &host)])).unwrap();
    let error = engine.ping().await.unwrap_err();
    assert!(error.is_down());
    let failure = error.failure();
    assert_eq!(failure.what, format!("cannot reach Docker at {host}"));
    assert_eq!(failure.why, ["No such file or directory (os error 2)"]);
    assert!(failure.help[0].contains("systemctl start docker"), "{:?}", failure.help);
}

#[test]
fn what_a_registry_says_is_told_apart() {
    let image = crate::model::ImageRef::parse("ghcr.io/acme/api:1").unwrap();
    let code = |status, text: &str| {
        image::refused_by_registry(&image, true, status, text.to_owned()).code().to_owned()
    };
    assert_eq!(code(401, ""), "wharf::docker::unauthorized");
    assert_eq!(code(500, "unauthorized: authentication required"), "wharf::docker::unauthorized");
    assert_eq!(code(404, "manifest unknown"), "wharf::docker::no_image");
    assert_eq!(code(500, "dial tcp: lookup ghcr.io: no such host"), "wharf::docker::no_image");
}

#[test]
fn a_persons_own_names_are_not_taken_for_those_of_a_delivery() {
    let port = |name: &str| intake::port_of(&ImageRef::parse(name).unwrap());
    let random = super::random_id();
    assert_eq!(port(&format!("127.0.0.1:41234/wharf:{random}")), Some(41234));
    for name in [
        "127.0.0.1:5000/wharf:latest".to_owned(),
        "127.0.0.1:5000/wharf:0123456789abcdef".to_owned(),
        "127.0.0.1:5000/wharf".to_owned(),
        format!("127.0.0.1:5000/acme/wharf:{random}"),
        format!("localhost:5000/wharf:{random}"),
        format!("wharf:{random}"),
    ] {
        assert_eq!(port(&name), None, "{name}");
    }
}
