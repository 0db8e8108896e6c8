//! The loop: a pure [`Session`] that decides, and a driver that does.
//!
//! Comes in: a project, options and events (saves, finished work, signals). Goes out: effects,
//! reports and an exit. `dev` keeps watching; `build`, `render`, `deploy` and `run` are the same
//! loop with a goal that is reached. The session knows no clock, no file and no process.

mod artifact;
mod driver;
mod effect;
mod event;
mod goal;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod overlap_tests;
mod release;
mod request;
mod session;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use driver::run;
pub use effect::{Effect, Exit};
pub use event::{
    Built, Delivered, Deployed, End, Event, Examined, Hashed, Nudge, Patched, Recorded, Rendered,
    Running, Saved, Seen,
};
pub use goal::{Goal, Only, Options};
pub use request::{Inbox, Outcome, Request};
pub use session::Session;
