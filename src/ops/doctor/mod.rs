//! `wharf doctor`: looks at everything that wharf stands on and says how to mend it.
//!
//! Each part asks for facts; what they mean is decided by functions without I/O.

mod cluster;
mod docker;
mod machine;
mod programs;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};

use crate::cluster::ClusterOptions;
use crate::config::{ConfigError, Loaded, Unmet};
use crate::model::Paths;
use crate::report::{Check, CheckState, Failure, Report, Reporter};
use crate::tools::Tools;

/// Looks at everything, given the project's configuration; `true` when nothing fails.
pub async fn doctor(
    loaded: Result<&Loaded, &ConfigError>,
    unmet: &[Unmet],
    cluster: &ClusterOptions,
    paths: &Paths,
    tools: &Tools,
    reporter: &Reporter,
) -> bool {
    let known = loaded.ok().map(|loaded| &loaded.project);
    let own = std::iter::once(project(loaded)).chain(unmet.iter().map(field));
    let mut well = tell(own.collect(), reporter);
    // All at once: a part that hangs costs its own time limit only. Each is told as soon as those
    // before it are.
    let mut parts: FuturesOrdered<BoxFuture<'_, Vec<Check>>> = FuturesOrdered::new();
    parts.push_back(docker::checks(tools).boxed());
    parts.push_back(cluster::checks(cluster, tools).boxed());
    parts.push_back(programs::checks(known, tools).boxed());
    parts.push_back(async { machine::checks(paths) }.boxed());
    for who in ["Docker", "the cluster", "programs", "the disk"] {
        let part = reporter.meanwhile(&format!("{who} to answer"), parts.next()).await;
        well &= tell(part.unwrap_or_default(), reporter);
    }
    well
}

/// Tells `checks`; `true` when nothing fails.
fn tell(checks: Vec<Check>, reporter: &Reporter) -> bool {
    let well = checks.iter().all(|check| check.state != CheckState::Fail);
    checks.into_iter().for_each(|check| reporter.tell(Report::Check(check)));
    well
}

fn project(loaded: Result<&Loaded, &ConfigError>) -> Check {
    match loaded {
        Ok(loaded) => {
            let project = &loaded.project;
            let several = |count: usize, what: &str| match count {
                1 => format!("1 {what}"),
                count => format!("{count} {what}s"),
            };
            let images = several(project.artifacts.len(), "image");
            let releases = several(project.releases.len(), "release");
            ok("project", format!("{}: {images}, {releases}", project.name))
        }
        Err(error) if error.is_nothing_found() => {
            let failure = error.failure();
            Check { state: CheckState::Warn, ..failed("project", &failure) }
        }
        Err(error) => or_help(failed("project", &error.failure()), "see the place: `wharf config`"),
    }
}

/// A field of the configuration that wharf does not carry out: its place, then what becomes of it.
fn field(unmet: &Unmet) -> Check {
    let what = if unmet.refused {
        format!("`{}` is not carried out", unmet.field)
    } else {
        format!("`{}`: {}", unmet.field, unmet.instead)
    };
    let check = Check { state: CheckState::Warn, ..ok(&unmet.place, what) };
    if !unmet.refused {
        return check;
    }
    Check { state: CheckState::Fail, help: vec![unmet.instead.clone()], ..check }
}

fn ok(name: &str, what: impl Into<String>) -> Check {
    let (name, what) = (name.to_owned(), what.into());
    Check { name, state: CheckState::Ok, what, help: Vec::new() }
}

fn warn(name: &str, what: impl Into<String>, help: impl Into<String>) -> Check {
    Check { state: CheckState::Warn, help: vec![help.into()], ..ok(name, what) }
}

fn fail(name: &str, what: impl Into<String>, help: impl Into<String>) -> Check {
    Check { state: CheckState::Fail, ..warn(name, what, help) }
}

/// `check`, which says how to mend it even where the failure does not.
fn or_help(mut check: Check, help: &str) -> Check {
    if check.help.is_empty() {
        check.help.push(help.to_owned());
    }
    check
}

fn failed(name: &str, failure: &Failure) -> Check {
    let mut what = failure.what.clone();
    // A check is one line, whatever a library has to say.
    if let Some(why) = failure.why.first().and_then(|why| why.lines().next()) {
        what = format!("{what}: {why}");
    }
    let place = failure.snippet.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
    if let Some(place) = place {
        what = format!("{place}: {what}");
    }
    Check { state: CheckState::Fail, help: failure.help.clone(), ..ok(name, what) }
}
