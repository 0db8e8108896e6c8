//! What registries say, read; and a registry that keeps what it got of a broken upload.

use std::path::Path;

use super::auth::{Way, way};
use super::trouble::Trouble;
use super::trust::Trust;
use super::wire::Reply;
use super::*;

fn bearer(realm: &str, service: Option<&str>) -> Option<Way> {
    Some(Way::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
}

#[test]
fn what_a_registry_wants_to_see_is_read() {
    assert_eq!(way("Basic realm=\"testbed\""), Some(Way::Basic));
    assert_eq!(way("basic"), Some(Way::Basic));
    let full = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
                scope=\"repository:a/b:pull,push\"";
    assert_eq!(way(full), bearer("https://auth.docker.io/token", Some("registry.docker.io")));
    assert_eq!(way("Bearer service=x, realm=https://y/z"), bearer("https://y/z", Some("x")));
    assert_eq!(way("Bearer realm=\"https://y/z\""), bearer("https://y/z", None));
    assert_eq!(way("Bearer service=\"x\""), None);
    assert_eq!(way("Negotiate"), None);
}

fn said(status: u16, body: &str) -> Trouble {
    let status = StatusCode::from_u16(status).unwrap();
    let body = Bytes::from(body.to_owned());
    Trouble::of(&Reply { status, headers: http::HeaderMap::new(), body })
}

#[test]
fn what_may_pass_is_told_from_what_does_not() {
    for status in [500, 502, 503, 504, 429] {
        assert!(said(status, "").may_pass(), "{status}");
    }
    for status in [400, 401, 403, 404, 405, 416, 507] {
        assert!(!said(status, "").may_pass(), "{status}");
    }
    let denied = r#"{"errors": [{"code": "DENIED", "message": "requested access is denied"}]}"#;
    assert!(matches!(said(403, denied), Trouble::Refused(why) if why.contains("requested")));
    let full = r#"{"errors": [{"code": "UNKNOWN", "message": "unknown error", "detail":
        {"DriverName": "filesystem", "Enclosed": {"Op": "write", "Err": "no space left on device"}}}]}"#;
    assert!(matches!(said(500, full), Trouble::NoSpace(_)), "it says why deep inside");
}

#[test]
fn pauses_grow_to_a_limit_and_a_registry_may_ask_for_its_own() {
    let lost = Trouble::Lost(String::new());
    let pauses: Vec<_> = (0..12).map(|attempt| lost.pause(attempt, 1.0).as_millis()).collect();
    assert_eq!(pauses[..6], [250, 500, 1000, 2000, 4000, 8000]);
    assert!(pauses[6..].iter().all(|&pause| pause == 8000), "{pauses:?}");
    assert_eq!(lost.pause(0, 0.0).as_millis(), 125, "not everybody comes back at once");
    let busy = |seconds| Trouble::Said {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: String::new(),
        why: String::new(),
        after: Some(Duration::from_secs(seconds)),
    };
    assert_eq!(busy(2).pause(7, 0.5).as_secs(), 2);
    assert_eq!(busy(3600).pause(0, 0.5).as_secs(), 8);
}

#[test]
fn only_this_machine_and_what_is_named_may_be_without_tls() {
    let tools = Tools::new([].into());
    let named = ["registry.local:5000".to_owned(), "old".to_owned()];
    let trust = Trust::new(&tools, &named);
    for host in ["localhost:5000", "127.0.0.1:80", "127.9.9.9", "[::1]:5000", "registry.local:5000"]
    {
        assert!(trust.is_lax(host), "{host}");
    }
    assert!(trust.is_lax("old:5000"), "a name without a port means each");
    for host in
        ["registry.local", "registry.local:5001", "ghcr.io", "localhost.example", "10.0.0.1"]
    {
        assert!(!trust.is_lax(host), "{host}");
    }
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".docker/certs.d/registry.local:5000");
    std::fs::create_dir_all(&folder).unwrap();
    let trust = Trust::new(&Tools::new([("HOME".into(), home.path().into())].into()), &[]);
    std::fs::write(folder.join("ca.crt"), "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
    let why = trust.config("registry.local:5000").unwrap_err();
    assert!(why.starts_with(&*folder.join("ca.crt").to_string_lossy()), "{why}");
    assert!(trust.config("ghcr.io").is_ok() || !Path::new("/etc/ssl/certs").exists());
}

#[test]
fn an_upload_may_go_on_anywhere() {
    let from: Uri = "https://h:1/v2/a/blobs/uploads/".parse().unwrap();
    for (location_is, leads_to) in [
        ("/v2/a/blobs/uploads/x?_state=y%3D", "https://h:1/v2/a/blobs/uploads/x?_state=y%3D"),
        ("http://other/x", "http://other/x"),
    ] {
        let mut headers = http::HeaderMap::new();
        headers.insert("location", location_is.parse().unwrap());
        let reply = Reply { status: StatusCode::ACCEPTED, headers, body: Bytes::new() };
        assert_eq!(location(&from, &reply).unwrap().to_string(), leads_to);
    }
    let reply =
        Reply { status: StatusCode::OK, headers: http::HeaderMap::new(), body: Bytes::new() };
    assert!(location(&from, &reply).is_err());
}
