//! What BuildKit asks for is what it gets, links and folders on the way included.

use super::*;

/// A folder ends with `/`, a link is `link -> target`.
fn entry(text: &str) -> Entry {
    let (path, kind) = match text.split_once(" -> ") {
        Some((path, target)) => (path, EntryKind::Symlink { target: target.to_owned() }),
        None if text.ends_with('/') => (text.trim_end_matches('/'), EntryKind::Directory),
        None => (text, EntryKind::File { sha256: [0; 32], size_bytes: 1 }),
    };
    Entry { path: path.to_owned(), kind, mode: 0o644, mtime_ns: 0 }
}

fn check(follow: &[&str], include: &[&str], exclude: &[&str], expected: &str) {
    let entries: Vec<Entry> = [
        "a.txt",
        "current -> releases/two",
        "lib/",
        "lib/deep/",
        "lib/deep/x.py",
        "lib/y.py",
        "loop -> loop",
        "out -> ../../etc",
        "releases/",
        "releases/two/",
        "releases/two/bin",
    ]
    .map(entry)
    .into();
    let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let wanted = Wanted { follow: own(follow), include: own(include), exclude: own(exclude) };
    let chosen: Vec<&str> =
        select(&entries, &wanted).iter().map(|&index| entries[index].path.as_str()).collect();
    assert_eq!(chosen.join(" "), expected, "{follow:?} {include:?} {exclude:?}");
}

#[test]
fn only_what_is_followed_goes_over() {
    check(&["a.txt"], &[], &[], "a.txt");
    check(&["lib"], &[], &[], "lib lib/deep lib/deep/x.py lib/y.py");
    check(&["lib/deep/x.py"], &[], &[], "lib lib/deep lib/deep/x.py");
    check(&["lib/*.py"], &[], &[], "lib lib/deep lib/y.py".replace(" lib/deep", "").as_str());
    check(&["nowhere"], &[], &[], "");
    check(&["/lib/../a.txt"], &[], &[], "a.txt");
}

#[test]
fn links_bring_what_they_lead_to() {
    check(&["current/bin"], &[], &[], "current releases releases/two releases/two/bin");
    check(&["c*"], &[], &[], "current releases releases/two releases/two/bin");
    check(&["loop"], &[], &[], "loop");
    check(&["out"], &[], &[], "out");
}

#[test]
fn the_root_means_everything() {
    let everything = "a.txt current lib lib/deep lib/deep/x.py lib/y.py loop out releases releases/two releases/two/bin";
    check(&[], &[], &[], everything);
    check(&["."], &[], &[], everything);
    check(&["a.txt", "./"], &[], &[], everything);
}

#[test]
fn patterns_let_in_and_take_out() {
    check(&[], &["lib/[^z].py", "a.???"], &[], "a.txt lib lib/y.py");
    check(&["lib"], &[], &["**/*.py", "!lib/y.py"], "lib lib/deep lib/y.py");
}
