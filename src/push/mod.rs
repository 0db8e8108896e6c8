//! Brings an image from the Engine to the registry that its reference names.
//!
//! Comes in: an image that the Engine has, and the user's logins. Goes out: the digest under which
//! the registry has it. Knows nothing of builds, releases or why an image is wanted.
//!
//! # How
//!
//! An Engine hands out layers to a registry alone, so wharf is one: the Engine pushes to a port of
//! this process ([`facade`], as the node loader does), and is told for each blob whether the real
//! registry has it. What that lacks is kept in a file without a name while it comes ([`spool`]), and
//! goes on from there at the same time, several blobs beside each other, by wharf's own client
//! ([`registry`]). So a connection that breaks costs one piece of a blob and not the whole: the
//! upload goes on where the registry says that it stands, and where the registry has forgotten it,
//! it begins anew from the file, without asking the Engine again. Manifests, indexes and
//! attestations are passed on byte by byte, so the digest is the one that the Engine reports. It
//! works the same with both of the Engine's stores.
//!
//! The client is wharf's own: a crate such as oci-client brings a second HTTP stack, keeps whole
//! layers in memory, tells no upload's place, by which it could be gone on with or taken back, and
//! knows neither `certs.d` nor a login that changes while it runs.
//!
//! An Engine on another machine cannot reach this process; it pushes by itself ([`by_engine`]).

mod by_engine;
mod error;
mod facade;
mod known;
mod pusher;
mod registry;
mod spool;
#[cfg(test)]
mod tests;

pub use error::PushError;
pub use pusher::{Pushed, Pusher};
