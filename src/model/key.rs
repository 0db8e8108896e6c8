//! What is asked of a running command.

use serde::{Deserialize, Serialize};

/// What the person at the terminal, or the system, asks of the running command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Look at everything anew, as if each input had been saved.
    Rebuild,
    /// Stop and take everything back: Ctrl+C, `q`, SIGTERM, SIGHUP. A second one leaves at once.
    Interrupt,
}
