//! Expansion: BuildKit's own cases, and a law or two.

use proptest::prelude::*;

use super::lex::{Lexer, Trouble, Variable};

fn lookup(name: &str) -> Variable {
    match name {
        "x" => Variable::Set("value".to_owned()),
        "path" => Variable::Set("foo/bar/baz.tar.gz".to_owned()),
        "empty" => Variable::Set(String::new()),
        "blank" => Variable::Set("two words".to_owned()),
        "mystery" => Variable::Unknown,
        _ => Variable::Unset,
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(Lexer::new('\\').word(text, &lookup), Ok(expected.to_owned()), "{text}");
}

#[test]
fn variables_are_replaced_as_in_a_shell() {
    check("a$x/b", "avalue/b");
    check("${x}y", "valuey");
    check("$nothing/a", "/a");
    check("$", "$");
    check("a$ b", "a$ b");
    check("${x:-d}", "value");
    check("${nothing:-d}", "d");
    check("${empty:-d}", "d");
    check("${empty-d}", "");
    check("${nothing-d}", "d");
    check("${x:+y}", "y");
    check("${empty:+y}", "");
    check("${empty+y}", "y");
    check("${nothing:-${x}s}", "values");
    check("${nothing:-\"a b\"}", "a b");
    check("${x:?no}", "value");
}

#[test]
fn ends_are_cut_off_by_patterns() {
    check("${path#*/}", "bar/baz.tar.gz");
    check("${path##*/}", "baz.tar.gz");
    check("${path%.*}", "foo/bar/baz.tar");
    check("${path%%.*}", "foo/bar/baz");
    check("${path#x}", "foo/bar/baz.tar.gz");
    check("${path%/*}", "foo/bar");
    check("${path/ba?/X}", "foo/X/baz.tar.gz");
    check("${path//ba?/X}", "foo/X/X.tar.gz");
    check("${nothing#a}", "");
}

#[test]
fn quotes_and_escapes_are_taken_off() {
    check("'a $x'\"b $x\"", "a $xb value");
    check(r"\$x", "$x");
    check(r#""\$x \" \a""#, "$x \" \\a");
    check(r"a\ b", "a b");
    let word = Lexer::new('`').word("a`$x\\b", &lookup);
    assert_eq!(word, Ok("a$x\\b".to_owned()));
}

#[test]
fn what_is_not_certain_is_no_text() {
    let word = |text: &str| Lexer::new('\\').word(text, &lookup);
    for text in ["'a", "\"a", "${x", "${}", "${x!y}", "${x:y}", "${nothing:?}", "${path/a}"] {
        assert_eq!(word(text), Err(Trouble::Syntax), "{text}");
    }
    assert_eq!(word("a$mystery"), Err(Trouble::Unknown("mystery".to_owned())));
    assert_eq!(word("${mystery:-a}"), Err(Trouble::Unknown("mystery".to_owned())));
}

#[test]
fn words_are_split_outside_of_quotes() {
    let words = Lexer::new('\\').words("a  'b c' \"d e\"f $blank \"$blank\"", &lookup).unwrap();
    assert_eq!(words, ["a", "b c", "d ef", "two", "words", "two words"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plain_text_stays_as_it_is(text in "[a-z /*?.{}:+-]{0,20}") {
        let word = Lexer::new('\\').word(&text, &lookup).unwrap();
        prop_assert_eq!(word, text);
    }

    #[test]
    fn reading_never_panics(text in "[$x{}:+#%/'\"\\\\a? -]{0,16}") {
        let _ = Lexer::new('\\').words(&text, &lookup);
    }

    #[test]
    fn a_prefix_and_the_rest_make_the_whole(value in "[a-c/.]{0,10}", greedy in any::<bool>()) {
        let lookup = |_: &str| Variable::Set(value.clone());
        let hashes = if greedy { "##" } else { "#" };
        let rest = Lexer::new('\\').word(&format!("${{v{hashes}*/}}"), &lookup).unwrap();
        prop_assert!(value.ends_with(&rest));
        let at = if greedy { value.rfind('/') } else { value.find('/') };
        prop_assert_eq!(value.len() - rest.len(), at.map_or(0, |at| at + 1));
    }
}
