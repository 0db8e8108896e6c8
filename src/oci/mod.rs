//! Images as the OCI specification has them: chain IDs, manifests, configurations.
//!
//! Comes in: digests and sizes. Goes out: what names a layer on a node, and the documents that
//! make layers an image. Knows no Engine and no node; does no I/O.
//!
//! <https://github.com/opencontainers/image-spec/blob/main/config.md> and `manifest.md`.

mod document;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

pub use document::{Descriptor, configuration, manifest};

/// The manifest's media type.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A configuration's media type.
pub const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";

/// A layer's media type, uncompressed.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layer's media type, compressed by gzip.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What names each layer together with all below it, from the lowest: unpacked layers are kept
/// under these.
#[must_use]
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let chain = diff_ids.iter().scan(None, |below: &mut Option<Digest>, diff_id| {
        let id = match below.as_ref() {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        };
        *below = Some(id.clone());
        Some(id)
    });
    chain.collect()
}

/// The digest of what a hasher has seen.
///
/// # Panics
///
/// Never: the digest of SHA-256 is well formed.
#[must_use]
pub fn digest_of(hasher: Sha256) -> Digest {
    let text = format!("sha256:{}", hex::encode(hasher.finalize()));
    Digest::parse(&text).expect("64 hexadecimal digits are a digest")
}
