//! What counts as an image reference, and how references are written out in full.

use super::*;

fn check(text: &str, full: &str) {
    let image = ImageRef::parse(text).unwrap();
    assert_eq!(image.to_string(), text);
    assert_eq!(image.full(), full);
}

#[test]
fn references_are_written_out_as_runtimes_store_them() {
    check("api", "docker.io/library/api:latest");
    check("api:1", "docker.io/library/api:1");
    check("acme/api:1", "docker.io/acme/api:1");
    check("docker.io/api:1", "docker.io/library/api:1");
    check("localhost/api:1", "localhost/api:1");
    check("localhost:5000/api", "localhost:5000/api:latest");
    check("127.0.0.1:5000/a/b_c:v1", "127.0.0.1:5000/a/b_c:v1");
    check("ghcr.io/acme/api--x:1.2", "ghcr.io/acme/api--x:1.2");
    let digest = format!("api@sha256:{}", "0".repeat(64));
    check(&digest, &format!("docker.io/library/{digest}"));
}

#[test]
fn what_is_not_a_reference_is_refused() {
    for text in
        ["", ":1", "API", "a//b", "a/", "a:", "a:-x", "a@sha256:12", "a b", "-a", "a..b", "a___b"]
    {
        assert!(ImageRef::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_short_name_and_its_full_form_are_the_same_repository() {
    let short = ImageRef::parse("api:1").unwrap();
    assert!(short.same_repository(&ImageRef::parse("docker.io/library/api:2").unwrap()));
    assert!(!short.same_repository(&ImageRef::parse("acme/api:1").unwrap()));
}

#[test]
fn a_reference_without_digest_runs_every_image_of_its_tag() {
    let tagged = ImageRef::parse("acme/api:1").unwrap();
    let pinned = |digit: &str| {
        tagged.with_digest(Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap())
    };
    assert!(tagged.runs(&tagged));
    assert!(tagged.runs(&pinned("0")), "its tag is all that the chart can bear");
    assert!(pinned("0").runs(&pinned("0")));
    assert!(!pinned("0").runs(&pinned("1")));
    assert!(!pinned("0").runs(&tagged));
    assert!(!tagged.runs(&ImageRef::parse("acme/api:2").unwrap()));
    assert!(!tagged.runs(&ImageRef::parse("acme/web:1").unwrap()));
}

#[test]
fn platforms_are_read_and_written() {
    for text in ["linux/amd64", "linux/arm/v7"] {
        assert_eq!(Platform::parse(text).unwrap().to_string(), text);
    }
    for text in ["linux", "linux/", "a/b/c/d", "Linux/amd64"] {
        assert!(Platform::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_content_hash_gives_a_tag_of_sixteen_digits() {
    let hash = ContentHash::new([0xab; 32]);
    assert_eq!(hash.tag().as_str(), "abababababababab");
}
