//! `wharf version`.

use crate::report::Report;

/// Which wharf this is.
#[must_use]
pub fn version() -> Report {
    let version = env!("CARGO_PKG_VERSION");
    let data = serde_json::json!({
        "version": version,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
    });
    Report::Data { what: "version", text: format!("wharf {version}\n"), data }
}
