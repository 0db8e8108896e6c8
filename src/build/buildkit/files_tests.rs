//! Metadata as it goes over.

use super::*;

fn file(mode: u32, mtime_ns: i64, sha256: [u8; 32]) -> Entry {
    let kind = EntryKind::File { sha256, size_bytes: 3 };
    Entry { path: "a".to_owned(), kind, mode, mtime_ns }
}

#[test]
fn modes_are_written_as_go_writes_them() {
    assert_eq!(stat(&file(0o644, 0, [0; 32])).mode, 0o644);
    assert_eq!(stat(&file(0o4755, 0, [0; 32])).mode, 0o755 | 1 << 23);
    let folder = Entry { kind: EntryKind::Directory, ..file(0o1755, 7, [0; 32]) };
    assert_eq!(stat(&folder).mode, 0o755 | 1 << 31 | 1 << 20);
    let link = EntryKind::Symlink { target: "b/c".to_owned() };
    let link = stat(&Entry { kind: link, ..file(0o755, 0, [0; 32]) });
    assert_eq!((link.mode, link.size, link.linkname.as_str()), (0o777 | 1 << 27, 3, "b/c"));
}

#[test]
fn other_content_at_the_same_time_is_sent_with_another_time() {
    let at = 1_700_000_000_123_456_789;
    let one = sent_mtime(at, &[1; 32]);
    let two = sent_mtime(at, &[2; 32]);
    assert_ne!(one, two);
    assert_eq!((one / 1_000_000, two / 1_000_000), (at / 1_000_000, at / 1_000_000));
    assert_eq!(sent_mtime(at + 1, &[1; 32]), one, "the content decides");
    assert!(sent_mtime(-5, &[1; 32]) < 0);
}

#[test]
fn encoded_names_are_read() {
    assert_eq!(decoded("a%20b+c%C3%A9%zz"), "a b cé%zz");
}
