//! Which records leave a node.

use super::super::containerd::Descriptor;
use super::*;

fn record(name: &str, seconds: i64, digest: &str) -> Image {
    let target = Descriptor { digest: digest.to_owned(), ..Descriptor::default() };
    let stamp = prost_types::Timestamp { seconds, nanos: 0 };
    Image {
        name: name.to_owned(),
        labels: HashMap::new(),
        target: Some(target),
        updated_at: Some(stamp),
    }
}

#[test]
fn the_newest_stay_and_what_is_in_use() {
    let mine: Vec<Image> = (0..13).map(|n| record(&format!("api:{n}"), n, "d")).collect();
    let in_use = BTreeSet::from(["api:1".to_owned()]);
    let removed = superfluous(mine, "api:0", &in_use);
    let names: Vec<&str> = removed.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["api:4", "api:3", "api:2"]);
}

#[test]
fn a_record_by_id_leaves_with_the_last_name() {
    let old = record("api:1", 1, "one");
    let id = record("sha256:aa", 1, "one");
    let other = record("sha256:bb", 1, "two");
    assert_eq!(orphans(&[old.clone(), id.clone(), other.clone()], &old), ["sha256:aa"]);
    let also = record("api:2", 2, "one");
    assert!(orphans(&[old.clone(), id, other, also], &old).is_empty());
}
