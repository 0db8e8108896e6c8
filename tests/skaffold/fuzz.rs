//! A bad file is refused or read, and never ends the program.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Case, corpus, folder};

/// Pieces that YAML, templates and patches are made of, and what does not fit into them.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{.A}}",
    "{{ default 1 .B | quote }}",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "<<: *a",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "#",
    "---\n",
    "null",
    "~",
    "true",
    "9999999999",
    "-1",
    "1e400",
    "/build/artifacts/0",
    "image=app",
    "a.b[0]",
    "a[99999999]",
    "{x,y}",
    "\\",
    "\t",
    "\u{0}",
    "\u{feff}",
    "é",
    "!!binary x",
    "? ",
    "%YAML 1.1\n",
    "skaffold/v1alpha1",
    "..",
    "**",
];

/// Cases beyond the usual number: `WHARF_FUZZ_CASES=100000` for some ten minutes.
fn count() -> u32 {
    std::env::var("WHARF_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

/// How long to go on besides, where that is asked for: `WHARF_FUZZ_SECONDS=60`.
fn seconds() -> u64 {
    std::env::var("WHARF_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A place in a case, how much of it goes, what comes there, whether it comes instead.
type Cut = (prop::sample::Index, usize, &'static str, bool);

fn cuts() -> impl Strategy<Value = (prop::sample::Index, Vec<Cut>)> {
    let piece = prop::sample::select(PIECES);
    let cut = (any::<prop::sample::Index>(), 0_usize..30, piece, any::<bool>());
    (any::<prop::sample::Index>(), prop::collection::vec(cut, 1..5))
}

/// Reads a mutated case; whatever comes of it, it is an answer.
fn read(folder: &Path, all: &[(&str, Case)], (which, cuts): (prop::sample::Index, Vec<Cut>)) {
    let (_, case) = &all[which.index(all.len())];
    // What a template, a list of inputs or an address runs or asks is not made up.
    let is_tame =
        |body: &str| !["cmd", "command", "http", "git:"].iter().any(|word| body.contains(word));
    let mut case = case.clone();
    if !is_tame(&case.body) {
        return;
    }
    for (at, length, piece, takes_out) in cuts {
        let mut start = at.index(case.body.len() + 1);
        while !case.body.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = if takes_out { (start + length).min(case.body.len()) } else { start };
        while !case.body.is_char_boundary(end) {
            end += 1;
        }
        case.body.replace_range(start..end, piece);
    }
    if is_tame(&case.body) {
        let _ = case.run(folder, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: count(), ..ProptestConfig::default() })]
    #[test]
    fn a_bad_file_never_panics(mutation in cuts()) {
        read(folder().path(), &corpus::all(), mutation);
    }
}

#[test]
fn a_bad_file_never_panics_for_as_long_as_asked() {
    let (folder, all) = (folder(), corpus::all());
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut runner = TestRunner::new(ProptestConfig { cases: 256, ..ProptestConfig::default() });
    while Instant::now() < end {
        let read = runner.run(&cuts(), |mutation| {
            read(folder.path(), &all, mutation);
            Ok(())
        });
        read.unwrap();
    }
}
