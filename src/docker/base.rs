//! Base images: what a `FROM` line means at this moment.

use crate::model::{Digest, ImageRef, Platform};

use super::credentials::Credentials;
use super::{DockerError, Engine, EngineImage};

/// What a base image is, so that it can be hashed, and the reference that makes a build use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// What the Dockerfile that is sent says.
    ///
    /// For an image of a registry that is the reference with its digest. For an image in the
    /// Engine it is the reference as it was written: a graphdriver Engine cannot be given an
    /// image ID in `FROM`, and a containerd store looks images up by their exact name. The build
    /// looks at [`Self::identity`] again when it has ended.
    pub reference_to_use: String,
    /// The registry's digest where one is known, else the Engine's ID.
    pub identity: String,
    /// It is in the Engine, so that its name could come to mean another image.
    pub is_local: bool,
}

impl Engine {
    /// What `reference` means: the Engine's own image if it is there for `platform`, otherwise
    /// what `in_registry` says of it, with what the Engine's own is for where there is one.
    ///
    /// # Errors
    ///
    /// [`DockerError::NoImage`] and [`DockerError::Unauthorized`] when neither has it.
    pub async fn base(
        &self,
        reference: &str,
        platform: &Platform,
        in_registry: impl AsyncFnOnce(&ImageRef) -> Result<Digest, DockerError>,
    ) -> Result<BaseImage, DockerError> {
        let image = ImageRef::parse(reference).map_err(|error| DockerError::NoImage {
            image: reference.to_owned(),
            why: error.to_string(),
            here: None,
        })?;
        let local = self.image(&image.to_string()).await?;
        if let Some(base) = local.as_ref().and_then(|local| local_base(local, &image, platform)) {
            return Ok(base);
        }
        let digest = in_registry(&image).await.map_err(|error| match error {
            DockerError::NoImage { image, why, .. } => {
                DockerError::NoImage { image, why, here: local.map(|local| local.platform) }
            }
            error => error,
        })?;
        Ok(BaseImage {
            reference_to_use: image.with_digest(digest.clone()).to_string(),
            identity: digest.to_string(),
            is_local: false,
        })
    }

    /// What its registry says `image` is.
    ///
    /// # Errors
    ///
    /// [`DockerError::NoImage`] and [`DockerError::Unauthorized`] when it does not have it.
    pub async fn in_registry(
        &self,
        image: &ImageRef,
        credentials: &Credentials,
    ) -> Result<Digest, DockerError> {
        let login = credentials.login(image.host()).await?;
        Ok(self.remote(image, login.as_ref()).await?.digest)
    }
}

/// The Engine's own image, if it is for `platform`.
fn local_base(local: &EngineImage, image: &ImageRef, platform: &Platform) -> Option<BaseImage> {
    // BuildKit turns to the registry when the Engine's image is for another platform.
    if (&local.platform.os, &local.platform.arch) != (&platform.os, &platform.arch) {
        return None;
    }
    // The registry's digest says the same on every machine; an ID does not where stores
    // differ. With several it is not known which one a person pulled, so the ID decides.
    let mut digests = local.repo_digests.iter().filter_map(|text| {
        let known = ImageRef::parse(text).ok()?;
        if known.same_repository(image) { known.digest().cloned() } else { None }
    });
    let identity = match (digests.next(), digests.next()) {
        (Some(digest), None) => digest,
        _ => local.id.clone(),
    };
    Some(BaseImage {
        reference_to_use: image.to_string(),
        identity: identity.to_string(),
        is_local: true,
    })
}
