//! Commands that are not the loop: each asks, does its one thing and tells the result.
//!
//! Comes in: options, tools, folders. Goes out: reports, or a failure. Knows nothing of flags and
//! terminals, nor of the session: what both need lies below.

mod actions;
mod config;
mod containers;
mod delete;
mod doctor;
mod images;
mod jobs;
mod logs;
mod standing;
mod status;
mod trace;
mod version;

pub use actions::{ChecksRequest, exec, test, verify};
pub use config::{ClusterFlags, Init, effective as config, init, schema};
pub use delete::{DeleteRequest, delete};
pub use doctor::doctor;
pub use images::{
    by_template as images_by, check_template, pair as image_pair, parse as parse_images,
    report as images_report, to_json as images_json,
};
pub use logs::{LogsRequest, build_log, logs};
pub use standing::Place;
pub use status::status;
pub use trace::{TraceRequest, trace};
pub use version::version;
