//! wharf against a real kind cluster: what a person would see, asserted.
//!
//! Each test is ignored unless it is asked for: `tests/run.sh` runs them with `--ignored`, several
//! at a time, in an environment made by `tests/testbed/up.sh env`.
//! A test takes a project in a folder of its own, a namespace of its own, runs the program as a
//! child with `--json`, and waits for reports and facts, each with a limit.

#![expect(clippy::disallowed_methods, reason = "tests start the program and read the environment")]
#![expect(clippy::print_stderr, reason = "what the program says is shown when a test fails")]

mod support;

mod adoption;
mod again;
mod anything;
mod checkout;
mod checks;
mod cleanup;
mod drift;
mod failures;
mod fast;
mod flags;
mod frontend;
mod hello;
mod killed;
mod leaving;
mod monorepo;
mod nodes;
mod noticed;
mod order;
mod reconfigured;
mod registry;
mod rollback;
mod rounds;
mod samples;
mod shop;
mod skaffold;
mod subset;
