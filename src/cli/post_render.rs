//! `wharf post-render FILE`, which Helm runs and nobody types: from stdin to stdout.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use crate::render;
use crate::ui;

/// Does the post-renderer's work where Helm asks for it; absent when the command line is another.
///
/// Comes before the arguments are read: it is in no help and no completion, and starts nothing.
#[must_use]
pub fn post_render() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != render::POST_RENDER_COMMAND {
        return None;
    }
    let file = args.next()?;
    let mut manifests = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut manifests) {
        return Some(super::refuse(&error));
    }
    match render::post_render(&manifests, Path::new(&file)) {
        Ok(text) => {
            ui::print(&text, false);
            Some(ExitCode::SUCCESS)
        }
        Err(error) => {
            let failure = error.failure();
            let lines = [&failure.what].into_iter().chain(&failure.why).chain([&failure.snippet]);
            let text: Vec<&str> =
                lines.map(String::as_str).filter(|line| !line.is_empty()).collect();
            ui::print(&(text.join("\n") + "\n"), true);
            Some(ExitCode::FAILURE)
        }
    }
}
