//! Local ports that lead into the cluster for as long as the session lasts.
//!
//! Comes in: what a port leads to. Goes out: an open listener on this machine that stays open while
//! pods come and go: a connection that arrives while no pod is ready is held, then served by the
//! newest pod that answers, and keeps that pod until one of the two ends.

mod busy;
mod carry;
mod listener;
mod probe;
mod scout;
mod spdy;
mod target;
#[cfg(test)]
mod tests;
mod tunnel;

pub use listener::{OpenForward, open};
