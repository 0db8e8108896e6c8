//! Which images go over whole.

use super::*;
use crate::model::{Digest, Platform};

fn check(sizes_from_the_top: &[(&str, u64)], missing: usize, whole: bool) {
    let history: Vec<HistoryEntry> = sizes_from_the_top
        .iter()
        .map(|&(command, megabytes)| HistoryEntry {
            created_by: command.to_owned(),
            size_bytes: megabytes << 20,
        })
        .collect();
    let digest = Digest::of(b"x");
    let image = EngineImage {
        id: digest.clone(),
        diff_ids: vec![digest; 3],
        size_bytes: history.iter().map(|entry| entry.size_bytes).sum(),
        platform: Platform::parse("linux/amd64").unwrap(),
        repo_digests: vec![],
        created: String::new(),
        config: serde_json::Value::Null,
    };
    let choice = choose(&history, &image, missing);
    assert_eq!(choice != Choice::Layers, whole, "{choice:?}");
}

#[test]
fn a_small_change_goes_over_alone_and_a_large_one_with_all_the_rest() {
    let image = [
        ("CMD [\"python\"]", 0),
        ("COPY . . # buildkit", 1),
        ("/bin/sh -c #(nop)  ENV A=b", 0),
        ("RUN /bin/sh -c pip install # buildkit", 193),
        ("/bin/sh -c #(nop) ADD file:1 in /", 300),
    ];
    check(&image, 1, false);
    check(&image, 2, true);
    check(&image, 3, true);
    check(&[("COPY a /", 3), ("ADD b /", 4)], 2, false);
}
