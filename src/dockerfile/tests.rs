//! What builds see: a Dockerfile in, an analysis out.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::Platform;

#[derive(Default)]
struct Asked {
    target: Option<&'static str>,
    args: BTreeMap<String, String>,
    contexts: BTreeSet<String>,
    triggers: BTreeMap<String, Vec<String>>,
}

impl Asked {
    fn arg(mut self, name: &str, value: &str) -> Self {
        self.args.insert(name.to_owned(), value.to_owned());
        self
    }

    fn target(mut self, target: &'static str) -> Self {
        self.target = Some(target);
        self
    }

    fn context(mut self, name: &str) -> Self {
        self.contexts.insert(name.to_owned());
        self
    }

    fn analyse(&self, text: &str) -> Analysis {
        let options = Options {
            target: self.target,
            args: &self.args,
            platform: &Platform::parse("linux/arm64/v8").unwrap(),
            build_platform: &Platform::parse("linux/amd64").unwrap(),
            contexts: &self.contexts,
            triggers: &self.triggers,
        };
        analyse(text.as_bytes(), &options)
    }

    /// Visible paths, or `everything`, or why it cannot be told.
    fn sees(&self, text: &str) -> String {
        match self.analyse(text).visible {
            Visibility::Whole { because: None } => "everything".to_owned(),
            Visibility::Whole { because: Some(because) } => format!("everything: {because}"),
            Visibility::Paths(paths) => paths
                .into_iter()
                .map(|path| match path.excludes.as_slice() {
                    [] => path.pattern,
                    excludes => format!("{} but {}", path.pattern, excludes.join(" ")),
                })
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    fn bases(&self, text: &str) -> String {
        let bases = self.analyse(text).bases.into_iter().map(|base| match base.platform {
            Some(platform) => format!("{} for {platform}", base.reference),
            None => base.reference,
        });
        bases.collect::<Vec<_>>().join(", ")
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(Asked::default().sees(text), expected, "{text}");
}

#[test]
fn sources_are_what_a_build_sees() {
    check("FROM scratch", "");
    check("FROM scratch\nCOPY . /app", "everything");
    check("FROM scratch\nCOPY a ./b/ /c/../d e*/f /app/", "a, b, d, e*/f");
    check("FROM scratch\nADD a.tar /app", "a.tar");
    check("FROM scratch\nCOPY [\"a b\", \"c\", \"/\"]", "a b, c");
    check("FROM scratch\nCOPY --chown=1:1 --link --chmod=755 a /", "a");
    check("FROM scratch\nCOPY ../../a /", "a");
    check("from scratch\ncopy 'a b' \"c\" /", "everything: line 2: `'a` is not known");
    check("FROM scratch\nCOPY a\\ b /", "a, b");
}

#[test]
fn lines_go_on_past_comments_and_blanks() {
    check("FROM scratch\nCOPY a \\\n  # remark\n\n  b \\\n c /\nCOPY d /", "a, b, c, d");
    check("# escape=`\nFROM scratch\nCOPY a `\n b /", "a, b");
    check("\u{feff}FROM scratch\r\nCOPY a /\r\n", "a");
    check("FROM scratch\nCOPY a \\  \nb /", "a, b");
}

#[test]
fn here_documents_are_neither_sources_nor_instructions() {
    check("FROM scratch\nCOPY <<EOF /a\nCOPY x /\nEOF\nCOPY b /", "b");
    check("FROM scratch\nCOPY a <<ONE <<\"TWO\" /\nCOPY x /\nONE\n$y\nTWO\nCOPY b /", "a, b");
    check("FROM a\nRUN python3 <<'PY' > x\nFROM b\nCOPY . /\nPY\nCOPY c /", "c");
    check("FROM a\nRUN <<-END\n\tCOPY x /\n\tEND\nCOPY c /", "c");
    check("FROM a\nRUN echo $((1<<2))\nCOPY c /", "c");
    check("FROM a\nRUN <<E\nCOPY c /", "everything: line 2: a here-document does not end");
}

#[test]
fn variables_are_known_or_everything_counts() {
    check("FROM scratch\nARG D=a\nENV E=$D/b\nCOPY $E ${D}c /", "a/b, ac");
    check("ARG D=a\nFROM scratch\nCOPY x$D /", "x");
    check("ARG D=a\nFROM scratch\nARG D\nCOPY x$D /", "xa");
    check("FROM x\nARG D=a\nCOPY $D /", "a");
    check("FROM x\nCOPY $D /", "everything: line 2: `$D` is not known");
    check("FROM x\nARG D\nCOPY ${D:-a} /", "everything: line 3: `${D:-a}` is not known");
    check("FROM scratch\nARG D\nCOPY ${D:-a} /", "a");
    check("FROM scratch\nENV A=1 B=$A\nCOPY x$B /", "x");
    check("FROM scratch\nENV A one\nENV B $A two\nCOPY x$B /", "xone two");
    check(
        "FROM scratch\nARG TARGETARCH TARGETVARIANT\nCOPY $TARGETARCH$TARGETVARIANT /",
        "arm64v8",
    );
    check("FROM scratch\nARG BUILDPLATFORM\nCOPY $BUILDPLATFORM /", "linux/amd64");
    check("FROM scratch AS a\nENV D=a\nFROM a\nCOPY $D /", "a");
    check("FROM scratch\nENV D=a\nARG D=b\nCOPY $D /", "everything: line 4: `$D` is not known");
    let given = Asked::default().arg("D", "given");
    assert_eq!(given.sees("FROM x\nARG D=a\nCOPY $D /"), "given");
    assert_eq!(given.sees("FROM x\nCOPY $D /"), "everything: line 2: `$D` is not known");
}

#[test]
fn only_stages_that_the_target_needs_count() {
    let text = "FROM a AS one\nCOPY 1 /\nFROM b AS two\nCOPY 2 /\nFROM one AS three\nCOPY 3 /\n\
                FROM c AS four\nCOPY --from=two x /\nCOPY --from=0 x /\nCOPY 4 /\n\
                FROM d\nRUN --mount=from=three true\nCOPY 5 /\n";
    check(text, "1, 3, 5");
    assert_eq!(Asked::default().bases(text), "a, d");
    let four = Asked::default().target("FOUR");
    assert_eq!(four.sees(text), "1, 2, 4");
    assert_eq!(four.bases(text), "a, b, c");
    assert_eq!(Asked::default().target("one").sees(text), "1");
    let missing = Asked::default().target("nope");
    assert_eq!(missing.sees(text), "everything: there is no stage `nope`");
}

#[test]
fn mounts_see_files_too() {
    check("FROM a\nRUN --mount=target=/x make", "everything");
    check("FROM a\nRUN --mount=type=bind,source=src,target=/x make", "src");
    check("FROM a\nRUN --mount=type=cache,target=/x --mount=type=secret,id=y make", "");
    check("FROM a\nRUN --mount=\"type=bind,src=a b,dst=/x\" --network=none make", "a b");
    let text = "FROM a\nRUN --mount=type=bind,from=tools:1,target=/x make";
    assert_eq!(Asked::default().bases(text), "a, tools:1");
    assert_eq!(Asked::default().sees(text), "");
}

#[test]
fn excludes_narrow_what_a_folder_shows() {
    check("FROM a\nCOPY --exclude=*.md --exclude=t/** . /", ". but *.md t/**");
    check("FROM a\nCOPY --exclude=*.md src /", "src but *.md");
    check("FROM a\nCOPY --exclude=*.md s* /", "s*");
    check("FROM a\nCOPY --parents a/./b/**/c.x /", "a/b/**/c.x");
}

#[test]
fn bases_are_images_with_their_platforms() {
    let bases = |text: &str, expected: &str| assert_eq!(Asked::default().bases(text), expected);
    bases("FROM python:3.11-slim", "python:3.11-slim");
    bases("ARG V=3.11\nFROM python:${V}-slim AS x\nFROM x", "python:3.11-slim");
    bases(
        "FROM --platform=$BUILDPLATFORM golang AS b\nFROM scratch\nCOPY --from=b /x /",
        "golang for linux/amd64",
    );
    bases("FROM a\nCOPY --from=nginx:1.25 /x /\nCOPY --from=nginx:1.25 /y /", "a, nginx:1.25");
    bases("FROM a\nFROM A AS a\nFROM a", "A");
    assert_eq!(Asked::default().arg("V", "4").bases("ARG V=3\nFROM p:$V"), "p:4");
    check("ARG V\nFROM $V\nCOPY a /", "everything: line 2: the image's name is empty");
}

#[test]
fn remote_sources_are_listed() {
    let text = "FROM a\nARG V=1\nADD https://x.example/$V.tar git@github.com:a/b.git#main c /";
    let analysis = Asked::default().analyse(text);
    let remote: Vec<_> = analysis.remote.iter().map(String::as_str).collect();
    assert_eq!(remote, ["git@github.com:a/b.git#main", "https://x.example/1.tar"]);
    check(text, "c");
    let text = "FROM a\nADD deploy-1@git.acme.example:team/b.git#v1 me@here x@y: /";
    let analysis = Asked::default().analyse(text);
    let remote: Vec<_> = analysis.remote.iter().map(String::as_str).collect();
    assert_eq!(remote, ["deploy-1@git.acme.example:team/b.git#v1", "x@y:"]);
    check(text, "me@here");
    // `$V` may come from the base image.
    let text = "FROM a\nADD https://x.example/$V.tar /";
    let analysis = Asked::default().analyse(text);
    let vague: Vec<_> = analysis.vague.iter().map(String::as_str).collect();
    assert_eq!(vague, ["https://x.example/$V.tar"]);
}

#[test]
fn further_contexts_take_the_place_of_images_and_stages() {
    let asked = Asked::default().context("assets").context("alpine");
    let text = "FROM docker.io/library/alpine:latest\nCOPY --from=assets x /\nCOPY --from=b y /";
    let analysis = asked.analyse(text);
    let names: Vec<_> = analysis.contexts.iter().map(|context| context.name.as_str()).collect();
    assert_eq!(names, ["alpine", "assets"]);
    assert_eq!(asked.bases(text), "b");
    let stage = "FROM x AS assets\nCOPY . /\nFROM y\nCOPY --from=assets z /";
    assert_eq!(asked.sees(stage), "");
    assert_eq!(asked.bases(stage), "y");
}

#[test]
fn of_further_contexts_counts_what_is_taken_from_them() {
    let asked = Asked::default().context("assets").arg("WHAT", "fonts");
    let takes = |text: &str| {
        let analysis = asked.analyse(&format!("FROM x\nARG WHAT=all\nARG OTHER\n{text}"));
        match analysis.contexts.into_iter().next().expect("it is used").visible {
            Visibility::Whole { .. } => "everything".to_owned(),
            Visibility::Paths(paths) => {
                paths.into_iter().map(|path| path.pattern).collect::<Vec<_>>().join(", ")
            }
        }
    };
    assert_eq!(takes("COPY --from=assets /a b/ /"), "a, b");
    assert_eq!(takes("COPY --from=assets css/*.css ./$WHAT/x /"), "css/*.css, fonts/x");
    assert_eq!(takes("COPY --from=assets a /\nCOPY --from=assets b /"), "a, b");
    assert_eq!(takes("RUN --mount=from=assets,source=a,target=/a true"), "a");
    for all in [
        "COPY --from=assets . /",
        "COPY --from=assets / /",
        "COPY --from=assets a /\nCOPY --from=assets . /",
        "COPY --from=assets . /\nCOPY --from=assets a /",
        "COPY --from=assets $OTHER /",
        "RUN --mount=from=assets,target=/a true",
        "FROM assets\nCOPY --from=assets a /",
        "COPY --from=assets a /\nUNHEARD of",
    ] {
        assert_eq!(takes(all), "everything", "{all}");
    }
}

#[test]
fn triggers_run_in_the_stage_that_follows() {
    check("FROM scratch AS a\nONBUILD COPY b /\nFROM a\nCOPY c /", "b, c");
    check("FROM scratch AS a\nONBUILD COPY b /", "");
    let mut asked = Asked::default();
    asked.triggers.insert("node:onbuild".to_owned(), vec!["COPY package.json /".to_owned()]);
    assert_eq!(asked.sees("FROM node:onbuild\nCOPY c /"), "c, package.json");
}

#[test]
fn what_cannot_be_read_counts_whole() {
    check("", "everything: it has no FROM");
    check("COPY a /", "everything: line 1: FROM must come first");
    check("FROM a\nIMPORT b", "everything: line 2: `import` is no instruction");
    check("FROM a\nCOPY --new b /", "everything: line 2: `--new` is not known");
    check("FROM a\nCOPY [ /", "everything: line 2: `[` cannot be read");
    check("FROM a b", "everything: line 1: FROM wants an image, or an image AS a name");
    check("# escape=x\nFROM a\nCOPY a /", "everything: `x` cannot be the escape character");
}

#[test]
fn the_frontend_is_found() {
    let frontend =
        |text: &str| Asked::default().analyse(text).frontend.map(|found| found.reference);
    assert_eq!(
        frontend("# syntax=docker/dockerfile:1\nFROM a"),
        Some("docker/dockerfile:1".into())
    );
    assert_eq!(frontend("#Syntax = a/b:2 x\nFROM a"), Some("a/b:2".into()));
    assert_eq!(frontend("# remark\n# syntax=a\nFROM a"), None);
    let asked = Asked::default().arg("BUILDKIT_SYNTAX", "c");
    assert_eq!(asked.analyse("FROM a").frontend.unwrap().reference, "c");
}

#[test]
fn names_are_replaced_in_place() {
    let text = "# syntax=df:1\nARG V=1\nFROM --platform=linux/amd64 \\\n  py\\\nthon:$V AS x\n\
                RUN --mount=type=bind,from=tools,source=/a true\nCOPY --from=tools /b /c\nFROM x\n";
    let analysis = Asked::default().analyse(text);
    let mut names: Vec<(&Site, &str)> = Vec::new();
    for base in &analysis.bases {
        let name = if base.reference == "tools" { "tools@sha256:2" } else { "python@sha256:1" };
        names.extend(base.places.iter().map(|place| (place, name)));
    }
    let frontend = analysis.frontend.unwrap();
    names.push((&frontend.place, "df@sha256:3"));
    let rewritten = String::from_utf8(rewrite(text.as_bytes(), &names)).unwrap();
    assert_eq!(
        rewritten,
        "# syntax=df@sha256:3\nARG V=1\nFROM --platform=linux/amd64 \\\n  python@sha256:1\\\n AS x\n\
         RUN --mount=type=bind,from=tools@sha256:2,source=/a true\n\
         COPY --from=tools@sha256:2 /b /c\nFROM x\n"
    );
    assert_eq!(rewritten.lines().count(), text.lines().count());
}

fn instruction() -> impl Strategy<Value = String> {
    prop_oneof![
        "FROM (a|b|one)( AS (one|two))?",
        "COPY (--from=(one|0|img) )?[a-c$*.]{1,4} /",
        "ARG [A-C](=[a-c]{0,3})?",
        "ENV [A-C]=[a-c$]{0,3}",
        "RUN (--mount=[a-z=,]{0,12} )?[a-z<\\\\ ]{0,8}",
        "[A-Z<\\\\\"' ]{0,10}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_and_changes_no_line(lines in proptest::collection::vec(instruction(), 0..8)) {
        let text = lines.join("\n");
        let analysis = Asked::default().analyse(&text);
        let names: Vec<(&Site, &str)> = analysis
            .bases
            .iter()
            .flat_map(|base| base.places.iter().map(|place| (place, base.reference.as_str())))
            .collect();
        // No variable is in these names, so that each is replaced by itself.
        prop_assert_eq!(rewrite(text.as_bytes(), &names), text.as_bytes());
    }
}
