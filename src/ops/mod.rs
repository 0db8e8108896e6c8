//! Commands that are not the loop: each asks, does its one thing and tells the result.
//!
//! Comes in: options, tools, folders. Goes out: reports, or a failure. Knows nothing of flags and
//! terminals, nor of the session: what both need lies below.

mod images;
mod version;

pub use images::{parse as parse_images, report as images_report, to_json as images_json};
pub use version::version;
