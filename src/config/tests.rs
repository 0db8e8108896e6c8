//! What a person writes and sees: files, errors, inference, and the files written out again.

mod agreement;
mod errors;
mod files;
mod inferred;
mod written;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::report::Failure;

/// Where the tests' configuration lies.
const FILE: &str = "/shop/wharf.yaml";

fn request(profiles: &[&str], environment: &[(&str, &str)]) -> ConfigRequest {
    let environment = environment.iter();
    ConfigRequest {
        dir: "/shop".into(),
        file: None,
        profiles: profiles.iter().map(|&name| name.to_owned()).collect(),
        modules: vec![],
        command: "dev".to_owned(),
        kube_context: None,
        environment: environment.map(|&(name, value)| (name.into(), value.into())).collect(),
        home: Some("/home/ann".into()),
        ..ConfigRequest::default()
    }
}

fn parsed(text: &str) -> Project {
    parsed_with(text, &request(&[], &[]))
}

fn parsed_with(text: &str, request: &ConfigRequest) -> Project {
    match parse(text, Path::new(FILE), request) {
        Ok(loaded) => loaded.project,
        Err(error) => panic!("{}", shown(&error.failure())),
    }
}

/// A failure as a terminal shows it, roughly.
fn shown(failure: &Failure) -> String {
    let mut out = format!("{} [{}]\n", failure.what, failure.code);
    for why in &failure.why {
        out.push_str(&format!("why: {why}\n"));
    }
    if !failure.snippet.is_empty() {
        out.push_str(&format!("{}\n", failure.snippet));
    }
    for help in &failure.help {
        out.push_str(&format!("help: {help}\n"));
    }
    out
}

fn error(text: &str) -> String {
    error_with(text, &request(&[], &[("HOME", "/home/ann"), ("VERSION", "1")]))
}

fn error_with(text: &str, request: &ConfigRequest) -> String {
    match parse(text, Path::new(FILE), request) {
        Ok(_) => "no error".to_owned(),
        Err(error) => shown(&error.failure()),
    }
}

/// A folder with these files; a path that ends with `/` is a folder.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path_full = folder.path().join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(path_full).unwrap();
        } else {
            std::fs::create_dir_all(path_full.parent().unwrap()).unwrap();
            std::fs::write(path_full, text).unwrap();
        }
    }
    folder
}

fn loaded(folder: &Path) -> Result<Loaded, String> {
    let request = ConfigRequest { dir: folder.to_path_buf(), ..ConfigRequest::default() };
    load(&request)
        .map_err(|error| shown(&error.failure()).replace(&folder.display().to_string(), "FOLDER"))
}
