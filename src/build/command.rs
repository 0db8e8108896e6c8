//! Builds by the user's own command.

use tokio_util::sync::CancellationToken;

use crate::model::{ArtifactName, ImageRef};
use crate::tools::ToolError;

use super::run::{Built, log_path};
use super::{BuildError, BuildScope, CommandInputs};

/// Runs the command; afterwards the Engine must have `image`.
///
/// It is told by the variables that other tools' custom builders read: `IMAGE` to make, with its
/// parts `IMAGE_REPO` and `IMAGE_TAG`, `PUSH_IMAGE`, which is always `false` since wharf pushes and
/// loads itself, `BUILD_CONTEXT`, `PLATFORMS` and `SKIP_TEST`.
pub(super) async fn build(
    scope: &BuildScope,
    artifact: &ArtifactName,
    inputs: &CommandInputs,
    image: &ImageRef,
    cancel: &CancellationToken,
) -> Result<Built, BuildError> {
    let path = log_path(&scope.state_dir, artifact);
    let tag = image.tag().map(ToString::to_string).unwrap_or_default();
    let variables = inputs.env.iter();
    let tools = variables
        .fold(scope.tools.clone(), |tools, (name, value)| tools.with_variable(name, value));
    let run = tools
        .command("sh")
        .args(["-c", &inputs.command])
        .folder(&inputs.dir)
        .variable("IMAGE", image.to_string())
        .variable("IMAGE_REPO", image.repository())
        .variable("IMAGE_TAG", tag)
        .variable("PUSH_IMAGE", "false")
        .variable("SKIP_TEST", "false")
        .variable("BUILD_CONTEXT", &inputs.dir)
        .variable("PLATFORMS", inputs.platform.to_string())
        .cancelled_by(cancel)
        .run()
        .await;
    let log = match &run {
        Ok(output) => format!("{}{}\n", output.text(), output.stderr_tail.join("\n")),
        Err(error) => format!("{}\n{error}\n", error.output_tail().join("\n")),
    };
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(error) = folder.and_then(|()| std::fs::write(&path, log)) {
        tracing::warn!(path = %path.display(), %error, "the build is not logged");
    }
    match run {
        Ok(_) => {}
        Err(ToolError::Cancelled { .. }) => {
            return Err(BuildError::Cancelled { artifact: artifact.clone() });
        }
        Err(source) => {
            let source = Box::new(source);
            return Err(BuildError::Command { artifact: artifact.clone(), source, log: path });
        }
    }
    let engine = |source| BuildError::engine(artifact, source);
    match scope.engine.image(&image.to_string()).await.map_err(engine)? {
        Some(_) => Ok(Built { cached: 0, steps: 1 }),
        None => Err(BuildError::NotMade { artifact: artifact.clone(), image: image.clone() }),
    }
}
