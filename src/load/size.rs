//! Decides from sizes whether single layers or the whole image should be sent.

use crate::docker::{EngineImage, HistoryEntry};

/// Below this it never pays to send the whole image.
const ALWAYS_LITTLE_BYTES: u64 = 16 << 20;

/// An Engine compresses single layers, which is about five times slower than its archive of the
/// whole image is.
const PART: u64 = 5;

/// How an image goes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Only the layers that are missing.
    Layers,
    /// All of it.
    Whole {
        /// For the debug output.
        why: String,
    },
}

/// Decides for an image whose topmost `missing` layers are missing.
pub(super) fn choose(history: &[HistoryEntry], image: &EngineImage, missing: usize) -> Choice {
    let missing_bytes = top_bytes(history, missing);
    let limit = ALWAYS_LITTLE_BYTES.max(image.size_bytes / PART);
    if missing_bytes <= limit {
        return Choice::Layers;
    }
    let all = image.diff_ids.len();
    let total = image.size_bytes;
    Choice::Whole {
        why: format!("{missing} of {all} layers are missing, {missing_bytes} of {total} bytes"),
    }
}

/// About how large the topmost `count` layers are.
///
/// A history does not say which of its entries made a layer; those that only set something did
/// not.
fn top_bytes(history: &[HistoryEntry], count: usize) -> u64 {
    let sets = [
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "ARG",
        "LABEL",
        "EXPOSE",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "SHELL",
        "ONBUILD",
        "MAINTAINER",
    ];
    let makes_layer = |entry: &&HistoryEntry| {
        let command = match entry.created_by.split_once("#(nop)") {
            Some((_, command)) => command,
            None => &entry.created_by,
        };
        let keyword = command.split_whitespace().next().unwrap_or_default();
        entry.size_bytes > 0 || !sets.contains(&keyword)
    };
    history.iter().filter(makes_layer).take(count).map(|entry| entry.size_bytes).sum()
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
