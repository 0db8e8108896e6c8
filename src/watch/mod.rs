//! Notices saves: file events → debounced [`ChangeSet`](crate::model::ChangeSet)s.
//!
//! Comes in: what is watched ([`WatchScope`]). Goes out: paths whose type, size, mode, inode or
//! times are not as they were. Events are hints only: they say where to look, and a look compares
//! with what was there before. So no save is lost when events are, and an event without a change
//! says nothing. Whether a change matters for an image is decided by its content, elsewhere.

mod debounce;
#[cfg(test)]
mod flood_tests;
mod locks;
mod native;
mod scope;
mod snapshot;
mod temporary;
#[cfg(test)]
mod tests;
mod watcher;

pub use scope::{WatchRoot, WatchRules, WatchScope};
pub use watcher::{News, Noticed, WatchOptions, Watcher};
