//! The house rules that no compiler checks; the map in `src/lib.rs` explains them.

#![expect(clippy::unwrap_used, reason = "a test says so when something is missing")]

use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the lowest; an import may only point to a lower one, and rooms on the same floor
/// do not import each other.
const FLOORS: [&[&str]; 12] = [
    &["model"],
    &["report"],
    &["tools", "files", "download"],
    &["docker", "dockerfile", "oci"],
    &["config", "graph"],
    &["cluster"],
    &["watch", "build", "load", "push", "render", "deploy", "observe"],
    &["cleanup", "timeline"],
    &["engine", "ops"],
    &["bench"],
    &["ui"],
    &["cli"],
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 5] = ["util", "common", "helper", "misc", "shared"];

/// Marks of unfinished work. Split, so that this file does not find itself.
const UNFINISHED: [&str; 5] =
    [concat!("FIX", "ME"), concat!("TO", "DO"), "dbg!(", concat!("to", "do!("), "unimplemented!("];

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| {
        panic!("room `{room}` is on no floor: add it to FLOORS in tests/tidy.rs")
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, with its path relative to the package and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no Rust file below {folder}");
    found
}

/// The room that a file below `src` belongs to; none for `lib.rs` and `main.rs`.
fn room(file: &str) -> Option<&str> {
    let inner = file.strip_prefix("src/")?;
    match inner.split_once('/') {
        Some((room, _)) => Some(room),
        None => inner.strip_suffix(".rs").filter(|name| !matches!(*name, "lib" | "main")),
    }
}

/// The rooms that a line of code names as `crate::room`.
fn rooms_in(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let after = code.split("crate::").skip(1);
    // `$crate::` of a macro and `::crate::` do not occur; a word that ends in `crate` might.
    after
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .filter(|room| room.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn imports_point_downwards() {
    let mut complaints = Vec::new();
    for (file, text) in sources("src") {
        let Some(own) = room(&file) else { continue };
        let height = floor(own);
        for (index, line) in text.lines().enumerate() {
            for other in rooms_in(line) {
                if other != own && floor(other) >= height {
                    complaints.push(format!(
                        "{file}:{}: `{own}` (floor {height}) imports `{other}` (floor {})",
                        index + 1,
                        floor(other)
                    ));
                }
            }
        }
    }
    report(&complaints);
}

#[test]
fn every_room_is_on_a_floor_and_in_the_map() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (file, _) in sources("src") {
        if let Some(room) = room(&file) {
            floor(room);
            assert!(
                map.contains(&format!("{room}/")),
                "room `{room}` is missing in src/lib.rs's map"
            );
            assert!(map.contains(&format!("pub mod {room};")), "`{room}` is no module of lib.rs");
        }
    }
}

#[test]
fn each_import_has_one_root() {
    let mut complaints = Vec::new();
    for (file, text) in sources("src") {
        for (index, line) in text.lines().map(str::trim).enumerate() {
            let is_import = line.starts_with("use ") || line.starts_with("pub use ");
            if is_import && (line.contains("crate::{") || line.contains("use {")) {
                complaints.push(format!("{file}:{}: one `use` per room: {line}", index + 1));
            }
            let is_glob = is_import && line.ends_with("::*;");
            let is_meant_so = line.contains("super::") || line.contains("::prelude::");
            if is_glob && !is_meant_so && !file.contains("test") {
                complaints.push(format!("{file}:{}: no globs: {line}", index + 1));
            }
        }
    }
    report(&complaints);
}

#[test]
fn each_file_opens_with_what_it_is_for() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests"] {
        for (file, text) in sources(folder) {
            if !text.starts_with("//! ") {
                complaints.push(format!("{file}: its first line does not begin with `//! `"));
            }
        }
    }
    report(&complaints);
}

#[test]
fn no_file_has_an_empty_name() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests"] {
        for (file, _) in sources(folder) {
            let parts = Path::new(&file).components().filter_map(|part| part.as_os_str().to_str());
            for part in parts {
                if EMPTY_NAMES.iter().any(|name| part.starts_with(name)) {
                    complaints.push(format!("{file}: `{part}` says nothing; name the noun"));
                }
            }
        }
    }
    report(&complaints);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests"] {
        for (file, text) in sources(folder) {
            if file == "tests/tidy.rs" {
                continue;
            }
            for (index, line) in text.lines().enumerate() {
                for mark in UNFINISHED.iter().filter(|mark| line.contains(**mark)) {
                    complaints.push(format!("{file}:{}: {mark}", index + 1));
                }
            }
        }
    }
    report(&complaints);
}

#[test]
fn main_only_leads_to_the_library() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() <= 40, "src/main.rs has grown beyond 40 lines");
}

#[test]
fn each_shell_has_its_completions() {
    for file in ["wharf.bash", "_wharf", "wharf.fish", "_wharf.ps1", "wharf.elv"] {
        assert!(root().join("completions").join(file).is_file(), "completions/{file} is missing");
    }
}
