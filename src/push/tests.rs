//! What registries say, read.

use super::by_engine::failed;
use crate::model::ImageRef;

fn check(why: &str, code: &str) {
    let image = ImageRef::parse("ghcr.io/acme/api:1").unwrap();
    assert_eq!(failed(&image, why.to_owned()).code(), code, "{why}");
}

#[test]
fn a_refused_login_is_told_from_a_registry_that_is_away() {
    check("denied: requested access to the resource is denied", "wharf::push::refused");
    check("no basic auth credentials", "wharf::push::refused");
    check("unauthorized: authentication required", "wharf::push::refused");
    check("Get \"https://ghcr.io/v2/\": dial tcp: no such host", "wharf::push::unreachable");
    check("blob upload unknown", "wharf::push::failed");
}

#[test]
fn a_refused_login_names_the_command() {
    let image = ImageRef::parse("ghcr.io/acme/api:1").unwrap();
    let failure = failed(&image, "denied: nope".to_owned()).failure();
    assert_eq!(failure.what, "registry ghcr.io refused `ghcr.io/acme/api:1`");
    assert_eq!(failure.help, ["log in: `docker login ghcr.io`"]);
}
