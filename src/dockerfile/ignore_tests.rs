//! Ignore patterns: cases from the documentation, and laws against a naive model.

use proptest::prelude::*;

use super::*;
use crate::files::{Filter as _, Keep};

fn check(file: &str, ignored: &[&str], kept: &[&str]) {
    let patterns = Patterns::read(file.as_bytes()).unwrap();
    for path in ignored {
        assert!(patterns.matches(path), "`{path}` is ignored by {file:?}");
    }
    for path in kept {
        assert!(!patterns.matches(path), "`{path}` is kept by {file:?}");
    }
}

#[test]
fn a_pattern_is_anchored_at_the_root_and_covers_what_lies_below() {
    check("a", &["a", "a/b", "a/b/c"], &["b/a", "ab"]);
    check("/a/", &["a", "a/b"], &["b/a"]);
    check("a/../b", &["b"], &["a"]);
    check("./a/./b", &["a/b", "a/b/c"], &["a"]);
}

#[test]
fn stars_cross_slashes_only_in_pairs() {
    check("*.md", &["x.md"], &["d/x.md", "x.mdx"]);
    check("*/*.md", &["d/x.md"], &["x.md", "d/e/x.md"]);
    check("**/*.md", &["x.md", "d/x.md", "d/e/x.md"], &["x.txt"]);
    check("d/**", &["d/x", "d/e/x"], &["d"]);
    check("d/**/x", &["d/x", "d/e/x", "d/e/f/x"], &["x", "d"]);
    check("**", &["x", "d/x"], &[]);
    check("**/x", &["x", "d/x"], &["xx"]);
    check("a?c", &["abc"], &["ac", "a/c"]);
}

#[test]
fn two_stars_at_the_start_match_as_a_suffix() {
    // moby reads `**.md` as "ends with .md", and `**x` matches `ax` as well.
    check("**.md", &["x.md", "d/x.md"], &["x.mdx"]);
    check("**x", &["x", "ax", "d/ax"], &["xa"]);
}

#[test]
fn classes_and_escapes_are_gos() {
    check("[ab].txt", &["a.txt", "b.txt"], &["c.txt"]);
    check("[^ab].txt", &["c.txt"], &["a.txt"]);
    check("[a-c]x", &["bx"], &["dx"]);
    check(r"\*", &["*"], &["x"]);
    check(r"a\[b", &["a[b"], &["ab"]);
    check("a+b(c).d$", &["a+b(c).d$"], &["aab(c).d$"]);
}

#[test]
fn the_last_match_wins_and_may_let_in_again() {
    check("*\n!keep", &["a", "b/c"], &["keep", "keep/x"]);
    check("a\n!a/b\n", &["a", "a/c"], &["a/b", "a/b/c"]);
    check("a\n!a/b\na/b/c", &["a/b/c"], &["a/b", "a/b/d"]);
    check("**/node_modules\n!x/node_modules/y", &["x/node_modules/z"], &["x/node_modules/y"]);
    check("*.md\n!README*.md\nREADME-secret.md", &["x.md", "README-secret.md"], &["README.md"]);
}

#[test]
fn comments_blanks_and_marks_are_no_patterns() {
    check("\u{feff}# a\n\n  b  \r\n\t!  c \n", &["b"], &["a", "# a", "c"]);
    check(" # not a comment", &["# not a comment"], &["not a comment"]);
}

#[test]
fn what_docker_refuses_is_refused() {
    for bad in ["[", "a[", "[]a]", "[-x]", "[a-]", "a\\", "!", "[a", "[^]"] {
        let error = Patterns::read(bad.as_bytes()).unwrap_err();
        assert_eq!(error.pattern, bad);
    }
}

#[test]
fn a_path_is_cleaned_as_go_does() {
    for (path, cleaned) in [
        ("", "."),
        ("a//b/./c/..", "a/b"),
        ("/..", "/"),
        ("../a", "../a"),
        ("a/../../b", "../b"),
        ("/a/b/../", "/a"),
    ] {
        assert_eq!(clean(path), cleaned);
    }
}

/// Whether a glob of `*`, `?`, `**` and plain text matches, by trying everything.
fn glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            glob(rest, path)
                || path
                    .iter()
                    .enumerate()
                    .any(|(at, &byte)| byte == b'/' && glob(rest, &path[at + 1..]))
        }
        [b'*', b'*'] => true,
        [b'*', rest @ ..] => (0..=path.len())
            .take_while(|&end| !path[..end].contains(&b'/'))
            .any(|end| glob(rest, &path[end..])),
        [b'?', rest @ ..] => {
            path.first().is_some_and(|&byte| byte != b'/') && glob(rest, &path[1..])
        }
        [byte, rest @ ..] => path.first() == Some(byte) && glob(rest, &path[1..]),
    }
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]{1,2}",
        1 => Just("*".to_owned()),
        1 => Just("**".to_owned()),
        1 => "[ab]\\*",
        1 => "\\?[ab]",
    ]
}

fn plain_pattern() -> impl Strategy<Value = String> {
    proptest::collection::vec(part(), 1..4).prop_map(|parts| parts.join("/"))
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]{1,2}", 1..5).prop_map(|parts| parts.join("/"))
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = (any::<bool>(), plain_pattern())
        .prop_map(|(lets_in, pattern)| if lets_in { format!("!{pattern}") } else { pattern });
    proptest::collection::vec(line, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_pattern_matches_as_trying_everything_would(pattern in plain_pattern(), path in path()) {
        // A leading `**` alone is a suffix match and a trailing one wants something after it.
        prop_assume!(!pattern.starts_with("**"));
        let patterns = Patterns::new([&pattern]).unwrap();
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path.as_str()]);
        let expected = parents.into_iter().any(|path| {
            if pattern.contains("**/**") { return patterns.matches(path); }
            glob(pattern.as_bytes(), path.as_bytes())
        });
        prop_assert_eq!(patterns.matches(&path), expected);
    }

    #[test]
    fn a_pruned_folder_holds_nothing_that_is_kept(lines in lines(), visible in lines(), path in path()) {
        let ignored = Patterns::read(lines.join("\n").as_bytes()).unwrap();
        let seen: Vec<&String> = visible.iter().filter(|line| !line.starts_with('!')).collect();
        let visible = Patterns::new(&seen).unwrap();
        let filter = ContextFilter { visible: Some(visible.clone()), ignored: ignored.clone() };
        let wanted = visible.matches(&path) && !ignored.matches(&path);
        let mut left = filter.root();
        let parts: Vec<&str> = path.split('/').collect();
        let mut kept = true;
        for depth in 1..=parts.len() {
            let (keep, below) = filter.judge(&parts[..depth].join("/"), depth < parts.len(), &left);
            left = below;
            kept = keep == Keep::Yes;
            if keep == Keep::Never { break; }
        }
        prop_assert_eq!(kept, wanted);
    }
}
