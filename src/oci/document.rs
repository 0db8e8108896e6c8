//! The two documents that make layers an image.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::{Digest, Platform};

use super::{CONFIGURATION, MANIFEST};

/// Names a piece of content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What sort of content.
    pub media_type: &'static str,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length.
    #[serde(rename = "size")]
    pub size_bytes: u64,
}

impl Descriptor {
    /// Names `content`.
    #[must_use]
    pub fn of(media_type: &'static str, content: &[u8]) -> Self {
        Self { media_type, digest: Digest::of(content), size_bytes: content.len() as u64 }
    }
}

/// An image's configuration, made of what an Engine shows of it. The same image gives the same
/// bytes; they differ from the Engine's own, which it does not hand out, so the image's ID does
/// too. What runs is the same.
#[must_use]
pub fn configuration(
    platform: &Platform,
    created: &str,
    config: &Value,
    diff_ids: &[Digest],
) -> Vec<u8> {
    let mut document = json!({
        "architecture": platform.arch,
        "os": platform.os,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    if let Some(variant) = &platform.variant {
        document["variant"] = json!(variant);
    }
    if !created.is_empty() {
        document["created"] = json!(created);
    }
    document.to_string().into_bytes()
}

/// The manifest of a configuration and its layers.
#[must_use]
pub fn manifest(configuration: &[u8], layers: &[Descriptor]) -> Vec<u8> {
    let document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor::of(CONFIGURATION, configuration),
        "layers": layers,
    });
    document.to_string().into_bytes()
}
