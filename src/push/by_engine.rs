//! The Engine's own push, for Engines on other machines, which cannot reach this process.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::docker::{Credentials, Engine, PushNews};
use crate::model::ImageRef;

use super::{PushError, Pushed};

/// Pushes `image`. `tell_bytes` hears how much of how much has gone over.
///
/// # Errors
///
/// [`PushError`] when the Engine does not have it, or the registry refuses it.
pub(super) async fn push(
    engine: &Engine,
    image: &ImageRef,
    credentials: &Credentials,
    tell_bytes: &(dyn Fn(u64, u64) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Pushed, PushError> {
    let image = image.without_digest();
    let pushed = cancel.run_until_cancelled(run(engine, &image, credentials, tell_bytes)).await;
    pushed.unwrap_or(Err(PushError::Cancelled { image }))
}

async fn run(
    engine: &Engine,
    image: &ImageRef,
    credentials: &Credentials,
    tell_bytes: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Pushed, PushError> {
    let Some(found) = engine.image(&image.to_string()).await? else {
        return Err(PushError::NoImage { image: image.clone() });
    };
    let login = credentials.login(image.host()).await?;
    let mut pushing = engine.push(image, login.as_ref()).await?;
    let mut layers: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut digest = None;
    while let Some(news) = pushing.next().await? {
        match news {
            PushNews::Layer { id, status, sent_bytes, total_bytes } => {
                if status == "Pushing" {
                    // What is sent can exceed the layer: archives have headers.
                    layers.insert(id, (sent_bytes.min(total_bytes), total_bytes));
                } else if status == "Pushed"
                    && let Some((sent, total)) = layers.get_mut(&id)
                {
                    *sent = *total;
                }
                let (sent, total) = sums(&layers);
                tell_bytes(sent, total);
            }
            PushNews::Digest(pushed) => digest = Some(pushed),
            PushNews::Failed(why) => return Err(failed(image, why)),
        }
    }
    let Some(digest) = digest else {
        return Err(failed(image, "the Engine named no digest".to_owned()));
    };
    let (sent_bytes, _) = sums(&layers);
    Ok(Pushed { digest, sent_bytes, total_bytes: found.size_bytes })
}

fn sums(layers: &BTreeMap<String, (u64, u64)>) -> (u64, u64) {
    layers.values().fold((0, 0), |(sent, total), layer| (sent + layer.0, total + layer.1))
}

/// Tells what a registry or the Engine says apart.
pub(super) fn failed(image: &ImageRef, why: String) -> PushError {
    let (image, registry) = (image.clone(), image.host().to_owned());
    let said = why.to_ascii_lowercase();
    let holds = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if holds(&["denied", "unauthorized", "no basic auth", "authentication required", "forbidden"]) {
        PushError::Refused { registry, image, why }
    } else if holds(&["dial tcp", "no such host", "timeout", "connection refused", "x509", "tls:"])
    {
        PushError::Unreachable { registry, image, why }
    } else {
        PushError::Failed { image, why }
    }
}
