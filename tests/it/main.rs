//! The program as a person starts it: the binary as a child, in a project of its own, with tools
//! of its own on the `PATH`. No Docker, no cluster.
//!
//! - `arguments`: what is asked for and refused before anything is done
//! - `completions`: what shells are told
//! - `configuration`: `config`, `init`, `schema`
//! - `guard`: children that are led to no other cluster
//! - `looking`: `doctor`, `status`, `logs`
//! - `made_up`: projects of many shapes, without a file and with the one that `init` writes
//! - `shells`: completion in real shells
//! - `place`: the fixture that all of them use

#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

mod arguments;
mod completions;
mod configuration;
mod guard;
mod looking;
mod made_up;
mod place;
mod shells;
