//! The logs of every container of the project's workloads: since the session began, through
//! rotation, restarts and rollouts, no line twice, and none lost while kubelet still has it.
//!
//! Comes in: workloads and which containers to leave out. Goes out: log lines through the
//! [`crate::report::Reporter`], which holds a container back that writes faster than the
//! terminal shows. What kubelet has dropped is said as a remark in the stream.

mod dedupe;
mod follow;
mod instance;
mod line;
mod read;
mod tail;
#[cfg(test)]
mod tests;

pub(super) use line::tidy;
pub use tail::{LogStart, LogTail, read_logs};
