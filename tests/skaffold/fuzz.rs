//! A bad file is refused or read, and never ends the program.

use proptest::prelude::*;

use super::{corpus, folder};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: count(), ..ProptestConfig::default() })]
    #[test]
    fn a_bad_file_never_panics(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..30, prop::sample::select(PIECES), any::<bool>()), 1..5),
    ) {
        let folder = folder();
        let all = corpus::all();
        let (_, case) = &all[which.index(all.len())];
        // What a template or a list of inputs runs is not made up.
        prop_assume!(!case.body.contains("cmd") && !case.body.contains("command"));
        let mut case = case.clone();
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
        prop_assume!(!case.body.contains("cmd"));
        let _ = case.run(folder.path(), true);
    }
}
