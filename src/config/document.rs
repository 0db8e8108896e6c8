//! A project written out again: `wharf config` and `wharf init`.

mod effective;
mod init;
mod write;

pub use effective::{render_effective, sources};
pub use init::init;
