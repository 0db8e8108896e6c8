//! `dev`, `run`, `build`, `deploy` and `render`: flags to the engine's request, its outcome to
//! what stdout gets.

use std::collections::BTreeMap;
use std::path::Path;

use crate::bench;
use crate::bench::Edits;
use crate::config;
use crate::engine::{self, Goal, Inbox, Outcome, Request};
use crate::files;
use crate::model::{ArtifactName, ImageRef};
use crate::ops;
use crate::report::{Failure, Report};

use super::dispatch::Call;
use super::{LoopCommand, LoopOptions};

/// Runs the loop with `options`; returns the exit code.
pub(super) async fn loop_command(options: LoopOptions, call: Call) -> Result<u8, Failure> {
    bench::mend(&call.paths.state, &call.reporter);
    let mut config = call.config_request();
    config.manifests.clone_from(&options.manifests);
    config.offline = options.offline;
    let is_quiet = call.global.quiet;
    let form = match &options.template {
        Some(template) => {
            ops::check_template(template)?;
            Form::Template(template.clone())
        }
        // Scripts that know these configurations read what their tool prints.
        None if is_quiet && config::is_skaffold(&config) => Form::Template("{{json .}}".to_owned()),
        None => Form::Lines,
    };
    let Call { tools, paths, reporter, key_rx, stdout_closed, .. } = call;
    let given = given_images(&options.images, &paths.cwd).await?;
    let cwd = paths.cwd.clone();
    let goal = goal(&options);
    let request = Request {
        goal,
        config,
        names: options.names.clone(),
        context: options.context.clone(),
        namespace: options.namespace.clone(),
        platform: options.platform.clone(),
        no_cache: options.no_cache,
        cleanup: options.cleanup,
        keep_data: options.keep_data,
        roll_back: options.roll_back,
        strict_helm: options.strict_helm,
        wait: options.wait,
        tail: options.tail,
        forward: options.port_forward,
        poll: options.poll,
        manual: options.manual,
        no_build: options.command == LoopCommand::Deploy,
        given,
        record: options.record.as_ref().map(|file| cwd.join(file)),
        builds: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        rounds: None,
        paths,
    };
    let inbox = Inbox { key_rx, stdout_closed };
    if let Some(edits) = options.edits {
        let edits = Edits { path: cwd.join(&edits.path), ..edits };
        let exit = bench::run(request, &edits, tools, reporter, inbox).await?;
        return Ok(exit.code());
    }
    let outcome = engine::run(request, tools, reporter.clone(), inbox).await?;
    if outcome.exit == engine::Exit::Done {
        hand_out(&options, &outcome, &form, &cwd, &reporter)?;
    }
    Ok(outcome.exit.code())
}

/// The images of `-a FILE` and `-i NAME=IMAGE`.
pub(super) async fn given_images(
    all: &[String],
    cwd: &Path,
) -> Result<BTreeMap<ArtifactName, ImageRef>, Failure> {
    let mut given = BTreeMap::new();
    for one in all {
        match ops::image_pair(one) {
            Some((name, image)) => {
                given.insert(name, image);
            }
            None => given.extend(images_of(Path::new(one), cwd).await?),
        }
    }
    Ok(given)
}

/// How `build` prints its images.
enum Form {
    Lines,
    Template(String),
}

fn goal(options: &LoopOptions) -> Goal {
    match options.command {
        LoopCommand::Dev => Goal::Watching,
        LoopCommand::Build => Goal::Images,
        LoopCommand::Render => Goal::Manifests,
        LoopCommand::Run | LoopCommand::Deploy if options.stays() => Goal::Following,
        LoopCommand::Run | LoopCommand::Deploy => Goal::Running,
    }
}

async fn images_of(file: &Path, cwd: &Path) -> Result<BTreeMap<ArtifactName, ImageRef>, Failure> {
    let place = file.display().to_string();
    let text = match place.as_str() {
        "-" => tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error))),
        _ => tokio::fs::read_to_string(cwd.join(file)).await,
    };
    let text = text.map_err(|error| {
        Failure::request("wharf::images::unreadable", format!("`{place}` cannot be read"))
            .because(error.to_string())
            .help(format!("write it with `wharf build --file-output {place}`"))
    })?;
    ops::parse_images(&text, &place)
}

/// What the command was asked for, on stdout and in a file.
fn hand_out(
    options: &LoopOptions,
    outcome: &Outcome,
    form: &Form,
    cwd: &Path,
    reporter: &crate::report::Reporter,
) -> Result<(), Failure> {
    match options.command {
        LoopCommand::Build => {
            reporter.tell(match form {
                Form::Lines => ops::images_report(&outcome.images),
                Form::Template(template) => ops::images_by(template, &outcome.images)?,
            });
            if let Some(file) = &options.file_output {
                let text = format!("{:#}\n", ops::images_json(&outcome.images));
                files::write_atomically(&cwd.join(file), text.as_bytes(), 0o644)
                    .map_err(|error| error.failure())?;
            }
        }
        LoopCommand::Render => {
            let text = outcome.manifests.clone();
            if let Some(file) = &options.output {
                return files::write_atomically(&cwd.join(file), text.as_bytes(), 0o644)
                    .map_err(|error| error.failure());
            }
            let data = serde_json::Value::String(text.clone());
            reporter.tell(Report::Data { what: "manifests", text, data });
        }
        LoopCommand::Dev | LoopCommand::Run | LoopCommand::Deploy => {}
    }
    Ok(())
}
