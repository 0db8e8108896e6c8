//! Builds by the Engine's BuildKit.
//!
//! wharf opens a session (`/session`) over which BuildKit asks for files, secrets, logins and ssh
//! agents, and asks for the build itself over a second connection (`/grpc`). Only what BuildKit
//! does not have yet goes over. Closing the connections ends the build; no task, socket or file
//! is left behind.
//!
//! Protocols: <https://github.com/moby/buildkit/tree/master/session> and
//! <https://github.com/moby/buildkit/blob/master/api/services/control/control.proto>. Both
//! addresses are deprecated from API 1.53 on in favour of HTTP/2 on the Engine's own socket.

mod agents;
mod blame;
mod files;
mod hidden;
mod progress;
mod selection;
mod session;
mod solve;

pub(super) use blame::line_of;
pub(super) use solve::{Order, build};
