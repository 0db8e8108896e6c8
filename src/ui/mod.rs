//! The only room that prints: reports come in, text for a person or JSON for a program goes out.
//!
//! Stdout is for data that pipes want: what a command was asked for, lines of containers, and
//! with `--json` every report as one object per line. Everything else goes to stderr. On a
//! terminal progress is redrawn and vanishes, results stay; elsewhere each line stays. Knows
//! nothing of how things are done, and never fails: see [`run`].
//!
//! The redrawn rows are wharf's own, not indicatif's: that drops what it is told where there is no
//! terminal, and progress, logs and results must keep one order.

mod amount;
mod board;
mod clean;
mod failure;
mod form;
mod keys;
mod line;
mod logs;
mod row;
mod screen;
mod show;
#[cfg(test)]
mod tests;

pub use form::{Colour, Form, Wishes};
pub use keys::{HELP, Keys, Press};
pub use show::{UiOptions, print, run};
