//! wharf's own pusher against real registries: `cargo test --test docker_push -- --ignored`.
//!
//! Needs the testbed's Engine (`tests/testbed/up.sh`). Every test has a registry of its own, in a
//! container that it removes, and image names that name that registry.

#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

mod support;

mod faults;
mod logins;
mod missing;
