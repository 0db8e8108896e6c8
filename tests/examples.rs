//! Every example is read as it is meant.

use std::path::{Path, PathBuf};

use wharf::config::{ConfigRequest, Loaded, infer, init, load, parse, schema};
use wharf::graph::Graph;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn loaded(dir: &Path) -> Loaded {
    let request = ConfigRequest { dir: dir.to_path_buf(), ..ConfigRequest::default() };
    match load(&request) {
        Ok(loaded) => loaded,
        Err(error) => panic!("{:#?}", error.failure()),
    }
}

fn joined<N: ToString>(names: impl IntoIterator<Item = N>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn hello_is_inferred_and_init_writes_the_same_project() {
    let dir = example("hello");
    let Loaded { project, provenance, notes } = loaded(&dir);
    assert_eq!(joined(project.artifacts.keys()), "hello");
    assert_eq!(joined(project.releases.keys()), "hello");
    assert_eq!(project.forwards.len(), 1);
    assert_eq!(notes, [] as [&str; 0]);

    let text = init(&project, &provenance);
    let request = ConfigRequest { dir: dir.clone(), ..ConfigRequest::default() };
    let again = parse(&text, &dir.join("wharf.yaml"), &request);
    let mut again = again.map_err(|error| error.failure()).unwrap().project;
    again.origin = project.origin.clone();
    again.config_files = project.config_files.clone();
    assert_eq!(again, project);
}

#[test]
fn an_example_with_a_file_fits_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for entry in std::fs::read_dir(example("")).unwrap() {
        let dir = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(dir.join("wharf.yaml")) else { continue };
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, [] as [&str; 0], "{}", dir.display());
        Graph::new(&loaded(&dir).project).unwrap();
    }
}

#[test]
fn every_example_says_what_it_is_in_about_ten_lines() {
    for entry in std::fs::read_dir(example("")).unwrap() {
        let dir = entry.unwrap().path();
        if dir.is_dir() {
            let text = std::fs::read_to_string(dir.join("README.md")).unwrap();
            assert!((5..=16).contains(&text.lines().count()), "{}", dir.display());
        }
    }
}

#[test]
fn nothing_is_inferred_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(infer(folder.path()).unwrap_err().is_nothing_found());
}
