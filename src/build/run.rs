//! Chooses the builder, and checks what it made.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::model::{ArtifactName, ImageRef};
use crate::report::ArtifactNews;

use super::buildkit::{self, Order};
use super::{
    BuildError, BuildInputs, BuildScope, DockerInputs, InputsKind, bases, classic, command,
};

/// A finished build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// Steps that came from the cache.
    pub cached: usize,
    /// All steps.
    pub steps: usize,
}

/// Makes `image` of `inputs`. When this succeeds, the Engine has it under this name, and it was
/// made of exactly what was hashed.
///
/// # Errors
///
/// [`BuildError::Cancelled`] when `cancel` ended it, [`BuildError::Stale`] when a file or base
/// image is no longer what was hashed, others when the build itself failed.
pub async fn build(
    scope: &BuildScope,
    inputs: &BuildInputs,
    image: &ImageRef,
    no_cache: bool,
    tell: &(dyn Fn(ArtifactNews) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Built, BuildError> {
    let artifact = &inputs.artifact;
    let docker = match &inputs.kind {
        InputsKind::Command(inputs) => {
            return command::build(scope, artifact, inputs, image, cancel).await;
        }
        InputsKind::Docker(docker) => docker,
    };
    let engine = |source| BuildError::engine(artifact, source);
    let order = Order { scope, inputs, docker, image, no_cache, tell };
    let built = if scope.engine.has_buildkit().await.map_err(engine)? {
        buildkit::build(&order, cancel).await?
    } else {
        classic::build(&order, cancel).await?
    };
    if let Err(error) = check_bases(scope, artifact, docker).await {
        // Under this name there must be nothing that the name does not mean.
        if let Err(error) = scope.engine.untag(image, false).await {
            tracing::warn!(%image, error = %error, "a stale image keeps its name");
        }
        return Err(error);
    }
    Ok(built)
}

/// Looks whether the Engine's base images are still the ones that were hashed.
async fn check_bases(
    scope: &BuildScope,
    artifact: &ArtifactName,
    docker: &DockerInputs,
) -> Result<(), BuildError> {
    for base in &docker.local_bases {
        let now = bases::base(scope, &base.reference, &base.platform).await;
        let (now, _) = now.map_err(|source| BuildError::engine(artifact, source))?;
        if now.identity != base.identity {
            let path = base.reference.clone();
            return Err(BuildError::Stale { artifact: artifact.clone(), path });
        }
    }
    Ok(())
}

/// Where the full log of the last build of `artifact` lies.
#[must_use]
pub fn log_path(state: &Path, artifact: &ArtifactName) -> PathBuf {
    // `+` occurs in no repository, so no two images share a file.
    state.join("builds").join(format!("{}.log", artifact.as_str().replace('/', "+")))
}
