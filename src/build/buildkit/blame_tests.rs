//! Lines that are to blame.

use super::*;

const DOCKERFILE: &str = "\
# syntax=docker/dockerfile:1
ARG VERSION=1

FROM golang AS build
WORKDIR /src
COPY . .
RUN go mod download && \\
    # a remark
    go build ./...
RUN <<EOF
RUN not this
EOF
RUN go test

FROM scratch
ENV A=1
COPY --from=build /src/x /x
";

fn check(name: &str, expected: Option<usize>) {
    let mut step = Step::default();
    name.clone_into(&mut step.name);
    assert_eq!(line_of_step(&step, DOCKERFILE), expected, "{name}");
}

#[test]
fn a_step_is_found_by_its_stage_and_number() {
    check("[build 1/6] FROM golang", Some(4));
    check("[build 4/6] RUN go mod download &&     go build ./...", Some(7));
    check("[build 5/6] RUN <<EOF (RUN not this)", Some(10));
    check("[linux/amd64 build 6/6] RUN go test", Some(13));
    check("[stage-1 1/1] COPY --from=build /src/x /x", Some(15));
    check("[2/2] COPY --from=build /src/x /x", Some(17));
    check("[nope 2/2] COPY", None);
    check("exporting to image", None);
}

#[test]
fn an_image_that_is_fetched_is_found_where_it_is_named() {
    let dockerfile = "FROM scratch\nCOPY a /\nCOPY --link --from=other o /o\nFROM ghcr.io/x/y:1\n\
                      RUN --mount=type=bind,from=tools:latest,target=/t true\n";
    let line = |name: &str| {
        let mut step = Step::default();
        name.clone_into(&mut step.name);
        line_of_image(&step, dockerfile)
    };
    assert_eq!(line("FROM docker.io/library/other:latest"), Some(3));
    assert_eq!(line("[stage-1 1/1] FROM ghcr.io/x/y:1@sha256:0123"), Some(4));
    assert_eq!(line("FROM docker.io/library/tools"), Some(5));
    assert_eq!(line("FROM docker.io/library/else:latest"), None);
    assert_eq!(line("exporting to image"), None);
}

#[test]
fn an_instruction_is_shown_on_one_line() {
    let shown = |line| instruction_at(DOCKERFILE, line).unwrap();
    assert_eq!(shown(9), "RUN go mod download && go build ./...");
    assert_eq!(shown(17), "COPY --from=build /src/x /x");
}

#[test]
fn messages_lose_what_only_says_who_passed_them_on() {
    let message = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 3: unknown instruction: FOO";
    assert_eq!(innermost(message), "dockerfile parse error line 3: unknown instruction: FOO");
    assert_eq!(line_of_text(message), Some(3));
    assert_eq!(exit_code("executor failed running [/bin/sh -c exit 3]: exit code: 3"), Some(3));
}

#[test]
fn output_is_shown_without_escapes() {
    assert_eq!(plain("10%\r\u{1b}[31mERROR\u{1b}[0m: no\u{7}"), "ERROR: no");
}

#[test]
fn a_commands_two_streams_are_shown_in_the_order_of_writing() {
    use bollard_buildkit_proto::google::protobuf::Timestamp;
    use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
    let log = |nanos, stream, text: &str| VertexLog {
        vertex: "run".to_owned(),
        timestamp: Some(Timestamp { seconds: 7, nanos }),
        stream,
        msg: text.as_bytes().to_vec(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let tell = |_| {};
    let mut progress =
        Progress::new(&tell, &path, crate::build::buildkit::hidden::Hidden::default());
    let vertex = Vertex {
        digest: "run".to_owned(),
        name: "[2/2] RUN make".to_owned(),
        error: "exit code: 2".to_owned(),
        ..Vertex::default()
    };
    let take = |progress: &mut Progress<'_>, logs| {
        progress.take(&StatusResponse {
            logs,
            vertexes: vec![vertex.clone()],
            ..Default::default()
        });
    };
    // A line belongs where it began, and a later message may bring what was written before.
    take(
        &mut progress,
        vec![log(30, 1, "linking"), log(10, 1, "compiling\n"), log(20, 2, "warning\n")],
    );
    take(&mut progress, vec![log(60, 1, " done\n"), log(40, 2, "undefined symbol\n")]);
    let lines = last_lines(progress.failed().unwrap());
    assert_eq!(lines, ["compiling", "warning", "linking done", "undefined symbol"]);
}
