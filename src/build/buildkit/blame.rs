//! Which line of the Dockerfile is to blame for a failed build, and what the person should read.

use std::path::PathBuf;

use bollard_buildkit_proto::google::rpc;
use bollard_buildkit_proto::pb;
use prost::Message as _;
use tonic::{Code, Status};

use crate::build::{BuildError, FailedStep};
use crate::docker::DockerError;
use crate::dockerfile::instructions;

use super::progress::{Progress, Step};
use super::solve::Order;

/// How many of the command's last lines a person is shown.
const OUTPUT_LINES: usize = 8;

/// BuildKit's `errdefs.Source`: where in the Dockerfile.
/// <https://github.com/moby/buildkit/blob/master/solver/errdefs/errdefs.proto>
#[derive(Clone, PartialEq, prost::Message)]
struct Source {
    #[prost(message, optional, tag = "1")]
    info: Option<pb::SourceInfo>,
    #[prost(message, repeated, tag = "2")]
    ranges: Vec<pb::Range>,
}

/// Makes an error of what BuildKit said.
pub(super) fn explain(
    order: &Order<'_>,
    status: &Status,
    progress: &Progress<'_>,
    log: PathBuf,
) -> BuildError {
    let artifact = order.inputs.artifact.clone();
    let message = innermost(status.message());
    let dockerfile = String::from_utf8_lossy(&order.docker.dockerfile_text);
    let failed = progress.failed();
    // Without a failed step, a connection that ended is the Engine's fault, not the Dockerfile's.
    if failed.is_none() && matches!(status.code(), Code::Unavailable | Code::Cancelled) {
        let source =
            DockerError::Broken { what: "POST /grpc".to_owned(), source: Box::new(status.clone()) };
        return BuildError::engine(&artifact, source);
    }
    if let Some(image) = failed.and_then(missing_base) {
        return BuildError::NoBase { artifact, image, why: message, platform: None };
    }
    let line = line_of_details(status)
        .or_else(|| line_of_text(status.message()))
        .or_else(|| line_of_step(failed?, &dockerfile))
        .or_else(|| line_of_image(failed?, &dockerfile));
    let output = failed.map(last_lines).unwrap_or_default();
    let instruction = line
        .and_then(|line| instruction_at(&dockerfile, line))
        .or_else(|| Some(command_of(&failed?.name).to_owned()));
    BuildError::Step(Box::new(FailedStep {
        artifact,
        dockerfile: order.shown_dockerfile(),
        line,
        instruction: instruction.unwrap_or_default(),
        code: exit_code(&message),
        message,
        output,
        log,
    }))
}

/// What is left of a message when the layers that only say who passed it on are taken off.
fn innermost(message: &str) -> String {
    let wrappers = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "failed to create LLB definition: ",
        "failed to build LLB: ",
        "rpc error: code = Unknown desc = ",
        "rpc error: code = NotFound desc = ",
    ];
    let mut rest = message;
    while let Some(inner) = wrappers.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = inner;
    }
    rest.trim().to_owned()
}

/// The base image whose description could not be had.
fn missing_base(step: &Step) -> Option<String> {
    let image = step.name.strip_prefix("[internal] load metadata for ")?;
    Some(image.trim().to_owned())
}

/// The command's exit code, as the executor writes it.
fn exit_code(message: &str) -> Option<i64> {
    let (_, code) = message.rsplit_once("exit code: ")?;
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn last_lines(step: &Step) -> Vec<String> {
    let filled = step.tail.iter().filter(|(_, line)| !line.trim().is_empty());
    let mut filled: Vec<_> = filled.collect();
    // What a command wrote to stdout and to stderr comes as it was written, not as it arrived.
    filled.sort_by_key(|(stamp, _)| *stamp);
    let lines: Vec<String> = filled.into_iter().map(|(_, line)| plain(line)).collect();
    lines[lines.len().saturating_sub(OUTPUT_LINES)..].to_vec()
}

/// `line` without terminal escapes, and without what a carriage return has overwritten.
fn plain(line: &str) -> String {
    let shown = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or(line);
    let mut out = String::new();
    let mut chars = shown.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.extend(Some(c).filter(|&c| c == '\t' || !c.is_control()));
        } else if chars.next() == Some('[') {
            // A control sequence ends with a letter or one of a few signs.
            let _ = chars.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
    }
    out
}

/// The line that the Engine itself names in its error's details.
fn line_of_details(status: &Status) -> Option<usize> {
    let details = rpc::Status::decode(status.details()).ok()?.details;
    details.iter().find_map(|detail| {
        if !detail.type_url.ends_with("errdefs.Source") {
            return None;
        }
        let source = Source::decode(detail.value.as_slice()).ok()?;
        let line = source.ranges.first()?.start?.line;
        usize::try_from(line).ok().filter(|&line| line > 0)
    })
}

/// The line that a parser's message names: `dockerfile parse error line 3: …`.
fn line_of_text(message: &str) -> Option<usize> {
    let (_, rest) = message
        .split_once("parse error line ")
        .or_else(|| message.split_once("parse error on line "))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The line of `instruction`, or that `message` names: for a builder that says no more.
pub(in crate::build) fn line_of(
    dockerfile: &str,
    message: &str,
    instruction: &str,
) -> Option<usize> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = words(instruction);
    let same = |(line, text): &(usize, String)| (words(text) == wanted).then_some(*line);
    line_of_text(message).or_else(|| instructions(dockerfile).iter().find_map(same))
}

/// What a step does, without its place: `RUN go build` of `[build 2/4] RUN go build`.
fn command_of(name: &str) -> &str {
    match name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, command)) => command,
        None => name,
    }
}

/// The line of the instruction that a step was made of: by its stage and its number in there,
/// since its text has had its variables filled in.
fn line_of_step(step: &Step, dockerfile: &str) -> Option<usize> {
    let (place, _) = step.name.strip_prefix('[')?.split_once("] ")?;
    // `linux/amd64 build 2/4`: platform and stage are left out where there is only one.
    let words: Vec<&str> = place.split(' ').collect();
    let (number, _) = words.last()?.split_once('/')?;
    let number: usize = number.parse().ok()?;
    let stage = words[..words.len() - 1].iter().rev().find(|word| !word.contains('/'));
    let stages = stages(dockerfile);
    let of_stage = match stage {
        Some(name) => stages.iter().enumerate().find(|(index, stage)| {
            stage.name.eq_ignore_ascii_case(name) || **name == format!("stage-{index}")
        })?,
        None => stages.iter().enumerate().next_back()?,
    };
    of_stage.1.lines.get(number.checked_sub(1)?).copied()
}

/// The line of the first instruction that takes something from the image that a step fetches:
/// `COPY --from=IMAGE` has no number of its own.
fn line_of_image(step: &Step, dockerfile: &str) -> Option<usize> {
    fn short(image: &str) -> &str {
        let image = image.split_once('@').map_or(image, |(name, _)| name);
        let image = image.strip_prefix("docker.io/").unwrap_or(image);
        let image = image.strip_prefix("library/").unwrap_or(image);
        image.strip_suffix(":latest").unwrap_or(image)
    }
    let image = short(command_of(&step.name).strip_prefix("FROM ")?.trim());
    let takes = |text: &str| {
        let mut words = text.split_whitespace();
        let is_from = words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"));
        words.any(|word| match word.split_once("from=") {
            Some((_, rest)) => rest.split(',').next().is_some_and(|name| short(name) == image),
            None => is_from && short(word) == image,
        })
    };
    instructions(dockerfile).iter().find(|(_, text)| takes(text)).map(|(line, _)| *line)
}

struct Stage {
    name: String,
    /// The lines of the instructions that BuildKit numbers: `FROM` and what changes files.
    lines: Vec<usize>,
}

fn stages(dockerfile: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (line, text) in instructions(dockerfile) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let keyword = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match (keyword.as_str(), stages.last_mut()) {
            ("FROM", _) => {
                let named = words.iter().position(|word| word.eq_ignore_ascii_case("as"));
                let name = named.and_then(|at| words.get(at + 1)).unwrap_or(&"");
                stages.push(Stage { name: (*name).to_owned(), lines: vec![line] });
            }
            ("RUN" | "COPY" | "ADD" | "WORKDIR", Some(stage)) => stage.lines.push(line),
            _ => {}
        }
    }
    stages
}

/// The instruction that begins on `line`, or goes on there.
fn instruction_at(dockerfile: &str, line: usize) -> Option<String> {
    let found = instructions(dockerfile).into_iter().take_while(|(at, _)| *at <= line).last()?;
    Some(found.1.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
#[path = "blame_tests.rs"]
mod tests;
