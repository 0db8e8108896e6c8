//! `--record`: every event as a line of JSON, so that a test can replay what a person saw.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::report::Failure;

use super::Event;

/// Where events are written to, if anywhere.
pub(super) struct Tape {
    file: Option<File>,
}

impl Tape {
    /// A tape that writes to `path`, which is emptied first.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        let file = File::create(path).map_err(|error| {
            Failure::request(
                "wharf::engine::record",
                format!("`{}` cannot be written", path.display()),
            )
            .because(error.to_string())
        })?;
        Ok(Self { file: Some(file) })
    }

    /// Writes one event. A full disk ends the recording, not the session.
    pub(super) fn write(&mut self, event: &Event) {
        let Some(file) = &mut self.file else { return };
        let line = serde_json::to_string(event).map_err(std::io::Error::other);
        if let Err(error) = line.and_then(|line| writeln!(file, "{line}")) {
            tracing::warn!(%error, "recording ends");
            self.file = None;
        }
    }
}
