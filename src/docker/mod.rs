//! The Engine: where it listens, what it has, what can be asked of it.
//!
//! Comes in: the environment wharf was started with. Goes out: an [`Engine`] whose questions and
//! acts are one request each, over one connection each, which closes when the call is dropped;
//! that is how a push, a build or a command is cancelled, and why nothing is left behind.
//! Knows nothing of artifacts, clusters or why an image is wanted.
//!
//! The client is wharf's own, on hyper, not bollard: it needs raw connections for BuildKit's
//! sessions and for commands in nodes over every transport, ssh and TLS included, and the end of a
//! request must be the end of its socket. Bollard's builds send the whole context each time, drop
//! the digest and keep a task and a socket behind; only its BuildKit messages are used. The logins
//! are read here too, not by docker_credential, whose helpers block and cannot be ended.

mod base;
mod classic;
mod connection;
mod container;
mod credentials;
mod endpoint;
mod engine;
mod error;
mod grpc;
mod http;
mod id;
mod image;
pub mod intake;
mod running;
#[cfg(test)]
mod tests;

pub use base::BaseImage;
pub use classic::{Classic, ClassicBuild, ClassicNews};
pub use connection::Connection;
pub use container::{Container, Ended, Exec};
pub use credentials::{Credentials, Login, LoginsStamp};
pub use endpoint::{Endpoint, config_folder};
pub use engine::{Engine, EngineInfo};
pub use error::DockerError;
pub use grpc::{Spawner, Tasks};
pub use http::escaped;
pub use id::random_id;
pub use image::{EngineImage, HistoryEntry, PushNews, Pushing, RemoteImage};
pub use running::{ContainerForm, Made};
