//! `dev`, `run`, `build`, `deploy` and `render`: flags to the engine's request.

use crate::report::Failure;

use super::LoopOptions;
use super::dispatch::Call;

/// THE SEAM: calls the engine with `options`; returns the exit code.
pub(super) async fn loop_command(options: LoopOptions, call: Call) -> Result<u8, Failure> {
    let _ = (options, call);
    Err(Failure::bug("the engine is not connected"))
}
