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
fn shop_has_all_sorts_and_finds_what_is_built_from_its_base() {
    let project = loaded(&example("shop")).project;
    let artifacts = "shop/base shop/cart shop/catalog shop/migrations shop/orders shop/web";
    assert_eq!(joined(project.artifacts.keys()), artifacts);
    assert_eq!(joined(project.releases.keys()), "db orders shop");
    let graph = Graph::new(&project).unwrap();
    let base = project.artifacts.keys().find(|name| name.as_str() == "shop/base").unwrap();
    assert_eq!(joined(graph.dependants(base)), "shop/cart shop/orders");
    assert_eq!(joined(graph.release_order()), "db shop orders");
    let cart = graph.select(&["cart".to_owned()]).unwrap();
    assert_eq!(joined(cart.artifacts), "shop/base shop/cart");
}

#[test]
fn shop_without_its_file_is_inferred_as_far_as_that_goes() {
    // The order of deploying and the namespace of things are not to be seen in the folder.
    let project = infer(&example("shop")).map_err(|error| error.failure()).unwrap().project;
    let artifacts = "shop/base shop/cart shop/catalog shop/migrations shop/orders shop/web";
    assert_eq!(joined(project.artifacts.keys()), artifacts);
    assert_eq!(joined(project.releases.keys()), "deploy-orders-overlays-dev manifests shop");
    let forwards = project.forwards.iter().map(|forward| forward.name.as_str());
    assert_eq!(joined(forwards), "cart catalog web orders");
}

#[test]
fn monorepo_is_generated_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("monorepo");
    #[expect(clippy::disallowed_methods, reason = "the example is a script")]
    let output = std::process::Command::new("sh")
        .arg(example("monorepo/generate.sh"))
        .arg(&dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let project = loaded(&dir).project;
    assert_eq!(project.artifacts.len(), 30);
    assert_eq!(project.releases.len(), 6);
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
