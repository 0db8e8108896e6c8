//! A container in Docker, run to its end: its image fetched where the Engine lacks it, its output
//! shown, nothing left of it. What it is given goes to the Engine and onto no command line, where
//! anybody on the machine could read it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::docker::{ContainerForm, Credentials, DockerError, Engine, Made};
use crate::model::ImageRef;
use crate::report::Reporter;
use crate::tools::Tools;

/// Runs it; why it failed, where it did. `shown` is what its lines are told as.
pub(super) async fn run(
    tools: &Tools,
    reporter: &Reporter,
    form: &ContainerForm,
    shown: &str,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<(), String> {
    let engine = Engine::connect(tools).map_err(|error| said(&error))?;
    let work = async {
        let made = made(&engine, tools, reporter, form, shown).await?;
        made.run(|line| reporter.note(format!("{shown} | {line}"))).await
    };
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => Err("it was ended".to_owned()),
        ended = tokio::time::timeout(limit, work) => match ended {
            Err(_) => Err(format!("it did not end within {} s", limit.as_secs())),
            Ok(Err(error)) => Err(said(&error)),
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(code)) => Err(format!("it ended with {code}")),
        },
    };
    // By its name: it may have been made a moment ago, and nobody told which it is.
    match engine.remove(&form.name).await {
        Ok(()) => ended,
        Err(error) => ended.map_err(|why| format!("{why}, and `{}` is left: {error}", form.name)),
    }
}

async fn made(
    engine: &Engine,
    tools: &Tools,
    reporter: &Reporter,
    form: &ContainerForm,
    shown: &str,
) -> Result<Made, DockerError> {
    if let Some(made) = engine.create(form).await? {
        return Ok(made);
    }
    let absent = |why: String| DockerError::NoImage { image: form.image.clone(), why, here: None };
    let image = ImageRef::parse(&form.image).map_err(|error| absent(error.to_string()))?;
    reporter.note(format!("{shown} | pulling {image}"));
    let login = Credentials::new(tools).login(image.host()).await?;
    engine.pull(&image, None, login.as_ref()).await?;
    let made = engine.create(form).await?;
    made.ok_or_else(|| absent("it was pulled, and is not there".to_owned()))
}

/// An error in one line, with what it came from.
fn said(error: &DockerError) -> String {
    let failure = error.failure();
    std::iter::once(failure.what).chain(failure.why).collect::<Vec<_>>().join(": ")
}
