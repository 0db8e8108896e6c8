//! `wharf bench`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::bench::Edits;

use super::global::{GlobalArgs, examples};
use super::loop_options::{LoopCommand, LoopOptions};
use super::parts::{BuildingArgs, NameArgs};

/// How many edits, where nobody says.
const TIMES: usize = 10;

/// Edit a file again and again, and show how long each stage takes
#[derive(Debug, Clone, Args)]
#[command(long_about = "Edit a file again and again, and show how long each stage takes\n\n\
    It starts what `wharf dev` starts, makes one real edit after the other, follows each until it is \
    live and ready, puts the file back byte for byte, and leaves. The file is put back too after \
    Ctrl+C; after a `kill -9` by the next `wharf dev`, `run`, `build`, `deploy`, `render`, `apply`, \
    `bench` or `delete`.\n\n\
    An edit adds a comment at the end of the file: the content is another, so that the image is \
    built anew, and what it does is the same; where the file's name does not say what a comment looks like (JSON, plain text), it \
    adds empty lines. Any other edit, and any file that is no text: `--with COMMAND`, which runs \
    in the folder of the command line with `WHARF_BENCH_FILE` and the edit's number in \
    `WHARF_BENCH_EDIT`; what it changes in other files stays changed.")]
#[command(after_help = examples(&[
    ("wharf bench --edit app.py", "ten edits"),
    ("wharf bench --edit src/App.vue:30 web", "thirty, and only what `web` needs"),
    ("wharf bench --edit logo.png --with ./draw.sh", "a file that is no text"),
]))]
pub struct BenchArgs {
    #[command(flatten)]
    names: NameArgs,
    /// The file to edit, and how often [default: 10]
    #[arg(long, value_name = "PATH[:N]", value_parser = edit, value_hint = ValueHint::FilePath)]
    edit: Edit,
    /// A shell command that makes the edit, instead of a comment at the end of the file
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    with: Option<String>,
    #[command(flatten)]
    building: BuildingArgs,
}

#[derive(Debug, Clone)]
struct Edit {
    path: String,
    times: usize,
}

fn edit(text: &str) -> Result<Edit, String> {
    let whole = || Edit { path: text.to_owned(), times: TIMES };
    let Some((path, times)) = text.rsplit_once(':') else { return Ok(whole()) };
    if path.is_empty() || times.is_empty() || !times.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(whole());
    }
    match times.parse() {
        Ok(times @ 1..=10_000) => Ok(Edit { path: path.to_owned(), times }),
        _ => Err("from 1 to 10000 edits are made".to_owned()),
    }
}

impl BenchArgs {
    pub(super) fn options(self, global: &GlobalArgs) -> LoopOptions {
        let Edit { path, times } = self.edit;
        let edits = Edits { path: PathBuf::from(&path), shown: path, times, with: self.with };
        LoopOptions {
            tail: false,
            no_cache: self.building.no_cache,
            platform: self.building.platform,
            edits: Some(edits),
            ..LoopOptions::new(LoopCommand::Dev, self.names.names, global)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_say_how_often() {
        let check = |text: &str, path: &str, times: usize| {
            let edit = edit(text).unwrap();
            assert_eq!((edit.path.as_str(), edit.times), (path, times), "{text}");
        };
        check("app.py", "app.py", 10);
        check("app.py:3", "app.py", 3);
        check("a:b/app.py", "a:b/app.py", 10);
        check("a:1/app.py:20", "a:1/app.py", 20);
        check("app.py:", "app.py:", 10);
        assert!(edit("app.py:0").is_err());
        assert!(edit("app.py:99999").is_err());
    }
}
