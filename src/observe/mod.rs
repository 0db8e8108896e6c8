//! What runs, made visible: whether it is ready and why not, port forwards, logs, crashes.
//!
//! Comes in: a connection to the cluster, and which objects are the project's. Goes out: reports,
//! open local ports, log lines. Everything is watched and nothing is polled; one [`Scene`] holds
//! the watches, and what is made from it shares them. Changes nothing in the cluster, and knows
//! nothing of how the objects got there.
//!
//! Whatever is started here ends when it is dropped.

mod claim;
mod crash;
mod crd;
mod error;
#[cfg(test)]
mod fake;
mod forward;
mod job;
mod ledger;
mod logs;
mod lookout;
mod moments;
mod outcome;
mod pod;
mod reachable;
mod rollout;
mod scene;
mod service;
mod settle;
mod status;
#[cfg(test)]
mod tests;
mod trouble;
mod verdict;
mod workload;

pub use error::{Broken, ObserveError};
pub use forward::{OpenForward, open as open_forward};
pub use logs::{LogStart, LogTail, read_logs};
pub use lookout::{Lookout, Sight};
pub use moments::{Milestone, Moment, Moments};
pub use scene::Scene;
pub use settle::{Settling, settle};
pub use status::{WorkloadStatus, status};
pub use workload::workloads;
