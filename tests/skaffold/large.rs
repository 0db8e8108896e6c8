//! Forty modules are read at once.

use std::time::{Duration, Instant};

use super::{outcome, request};

#[test]
fn forty_modules_are_read_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut root = "apiVersion: skaffold/v2beta29\nkind: Config\nrequires:\n".to_owned();
    for number in 0..40 {
        root.push_str(&format!("- path: m{number}\n"));
        let below = folder.path().join(format!("m{number}"));
        std::fs::create_dir_all(below.join("k8s")).unwrap();
        std::fs::write(below.join("Dockerfile"), "FROM busybox\n").unwrap();
        let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}\n");
        std::fs::write(below.join("k8s/one.yaml"), object).unwrap();
        let text = format!(
            "apiVersion: skaffold/v2beta29\nkind: Config\nmetadata: {{name: m{number}}}\n\
             build: {{artifacts: [{{image: m{number}, docker: {{buildArgs: {{A: '{{{{.PATH}}}}'}}}}}}]}}\n\
             deploy: {{kubectl: {{manifests: [k8s/*.yaml]}}}}\n\
             profiles: [{{name: prod, patches: [{{path: /build/artifacts/0/image, value: p{number}}}]}}]\n"
        );
        std::fs::write(below.join("skaffold.yaml"), text).unwrap();
    }
    std::fs::write(folder.path().join("skaffold.yaml"), root).unwrap();
    // A debug build on a busy machine; the limit of a release build is 0.3 s. What else runs may
    // hold up any one of them, but not all.
    let took = (0..8).map(|_| {
        let began = Instant::now();
        let read = outcome(&request(folder.path()), folder.path()).unwrap();
        assert!(read.lines.contains(&"images.m39.context: m39".to_owned()), "{:?}", read.lines);
        began.elapsed()
    });
    let fastest = took.min().unwrap();
    assert!(fastest < Duration::from_secs(3), "it took {fastest:?}");
}
