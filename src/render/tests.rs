//! The search against made-up charts, and the pure parts as tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::future::BoxFuture;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::images::{self, Targets};
use super::search::{self, Answer, Digests, Question};
use super::values::{self, Step, ValuePath};
use super::yaml::{self, Document, Duplicates};
use super::*;
use crate::model::{ArtifactName, ImageRef, Namespace};

fn targets(images: &[(&str, &str)]) -> Targets {
    let one = |(name, image): &(&str, &str)| {
        (ArtifactName::parse(name).unwrap(), ImageRef::parse(image).unwrap())
    };
    Targets::new(&images.iter().map(one).collect())
}

/// A pod per image.
fn pods(images: &[String]) -> Vec<Document> {
    let pod = |(index, image): (usize, &String)| Document {
        line: 1,
        source: None,
        value: json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{index}")},
            "spec": {"containers": [{"name": "main", "image": image}]},
        }),
    };
    images.iter().enumerate().map(pod).collect()
}

/// Text of the value at `path`, empty where there is none.
fn text(values: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(values, |value, key| match key.parse::<usize>() {
        Ok(index) => value.get(index),
        Err(_) => value.get(key),
    });
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Searches a chart that renders by `images`, and says what it renders to with what was found.
fn found(
    tree: &Value,
    targets: &Targets,
    images: &(dyn Fn(&Value) -> Result<Vec<String>, String> + Sync),
) -> (Answer, Vec<String>) {
    let with = |overlay: &Value| {
        let mut values = tree.clone();
        values::merge(&mut values, overlay);
        images(&values)
    };
    let failed = |message: String| RenderError::Kustomize {
        release: crate::model::ReleaseName::parse("demo").unwrap(),
        message,
    };
    let render = |overlay: Value| -> BoxFuture<'_, _> {
        let rendered = with(&overlay).map(|images| pods(&images)).map_err(failed);
        Box::pin(std::future::ready(rendered))
    };
    let set = json!({});
    let question = Question { tree, set: &set, mentioned: &[], targets };
    let plain = images(tree).map(|images| pods(&images)).map_err(failed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = match &plain {
        Ok(plain) => runtime.block_on(search::search(question, Ok(plain), &render)),
        Err(_) => {
            let error = plain.err().unwrap();
            runtime.block_on(search::search(question, Err(error), &render))
        }
    };
    let answer = answer.unwrap();
    let overlay = search::overlay(&set, tree, &answer.assignments, targets, Digests::InTags);
    (answer, with(&overlay).unwrap())
}

fn keys(answer: &Answer) -> Vec<String> {
    answer.assignments.iter().map(|assignment| assignment.path.to_string()).collect()
}

#[test]
fn a_registry_in_front_changes_and_the_repository_stays() {
    let tree = json!({"image": {"registry": "ghcr.io", "repository": "acme/api", "tag": "dev"}});
    let targets = targets(&[("ghcr.io/acme/api", "reg.local:5000/dev/acme/api:0f")]);
    let (answer, images) = found(&tree, &targets, &|values| {
        let part = |key: &str| text(values, &format!("image.{key}"));
        Ok(vec![format!("{}/{}:{}", part("registry"), part("repository"), part("tag"))])
    });
    assert_eq!(keys(&answer), ["image.registry", "image.tag"]);
    assert_eq!(images, ["reg.local:5000/dev/acme/api:0f"]);
}

#[test]
fn a_value_that_also_names_another_image_stays() {
    let tree = json!({"tag": "7", "image": {"name": "api", "tag": ""}});
    let targets = targets(&[("api", "api:0f")]);
    let (answer, images) = found(&tree, &targets, &|values| {
        let own = text(values, "image.tag");
        let shared = text(values, "tag");
        let tag = if own.is_empty() { &shared } else { &own };
        Ok(vec![format!("api:{tag}"), format!("redis:{shared}")])
    });
    assert_eq!(keys(&answer), ["image.tag"]);
    assert_eq!(images, ["api:0f", "redis:7"]);
}

#[test]
fn a_candidate_that_the_chart_chokes_on_is_left_out() {
    let tree = json!({"api": {"image": "api", "tag": "1"}, "minTag": "3", "otherTag": "x"});
    let targets = targets(&[("api", "api:0f")]);
    let (answer, images) = found(&tree, &targets, &|values| {
        text(values, "minTag").parse::<u32>().map_err(|error| error.to_string())?;
        Ok(vec![format!("{}:{}", text(values, "api.image"), text(values, "api.tag"))])
    });
    assert_eq!(keys(&answer), ["api.tag"]);
    assert_eq!(images, ["api:0f"]);
}

#[test]
fn a_value_that_happens_to_equal_the_tag_is_used_only_where_nothing_else_reads_it() {
    let targets = targets(&[("api", "api:0f")]);
    let tree = json!({"channel": "dev", "environment": "dev"});
    let (answer, _) =
        found(&tree, &targets, &|values| Ok(vec![format!("api:{}", text(values, "channel"))]));
    assert_eq!(keys(&answer), ["channel"]);
}

#[test]
fn a_value_that_turns_something_on_stays_empty() {
    let targets = targets(&[("api", "api:0f")]);
    let tree = json!({"image": "api", "tag": "1", "debug": {"image": "api", "tag": ""}});
    let (answer, images) = found(&tree, &targets, &|values| {
        let mut images = vec![format!("{}:{}", text(values, "image"), text(values, "tag"))];
        let debug = text(values, "debug.tag");
        if !debug.is_empty() {
            images.push(format!("api:{debug}"));
        }
        Ok(images)
    });
    assert_eq!(keys(&answer), ["tag"]);
    assert_eq!(images, ["api:0f"]);
}

/// How a made-up chart makes one image.
#[derive(Debug, Clone)]
enum ImageForm {
    Pair {
        repository: &'static str,
        tag: &'static str,
    },
    Single {
        key: &'static str,
    },
    Registry,
    ListItem,
    HardCoded,
    Defaulted,
    Digest,
    /// A tag for all, or else its own.
    SharedOrOwn,
    /// A tag for all and nothing else.
    Shared,
    /// A registry for all in front, another image's included.
    SharedRegistry,
    /// Something around the tag.
    Around,
}

fn image_form() -> impl Strategy<Value = ImageForm> {
    prop_oneof![
        (
            prop::sample::select(vec!["repository", "name", "image", "repo"]),
            prop::sample::select(vec!["tag", "imageTag", "version", "image_tag"])
        )
            .prop_map(|(repository, tag)| ImageForm::Pair { repository, tag }),
        prop::sample::select(vec!["image", "containerImage", "ref"])
            .prop_map(|key| ImageForm::Single { key }),
        Just(ImageForm::Registry),
        Just(ImageForm::ListItem),
        Just(ImageForm::HardCoded),
        Just(ImageForm::Defaulted),
        Just(ImageForm::Digest),
        Just(ImageForm::SharedOrOwn),
        Just(ImageForm::Shared),
        Just(ImageForm::SharedRegistry),
        Just(ImageForm::Around),
    ]
}

const SOME_DIGEST: &str = "sha256:aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111";

impl ImageForm {
    fn values(&self, host: &str, path: &str) -> Value {
        let repository = format!("{host}{path}");
        match self {
            Self::Pair { repository: key, tag } => json!({*key: repository, *tag: "dev"}),
            Self::Single { key } => json!({*key: format!("{repository}:dev")}),
            Self::Registry => {
                json!({"image": {"registry": host.trim_end_matches('/'), "repository": path, "tag": "dev"}})
            }
            Self::ListItem => {
                json!({"list": [{"image": "redis:7"}, {"image": format!("{repository}:dev")}]})
            }
            Self::HardCoded => json!({"unrelated": "dev"}),
            Self::Defaulted => json!({"image": {"repository": repository}}),
            Self::SharedOrOwn | Self::SharedRegistry | Self::Around => {
                json!({"image": {"repository": repository, "tag": "dev"}})
            }
            Self::Shared => json!({"image": repository}),
            Self::Digest => {
                json!({"image": {"repository": repository, "tag": "dev", "digest": SOME_DIGEST}})
            }
        }
    }

    fn image(&self, values: &Value, global: &Value, repository: &str) -> String {
        let text = |path: &str| text(values, path);
        let global = |path: &str| super::tests::text(global, path);
        let or = |one: String, other: &str| if one.is_empty() { other.to_owned() } else { one };
        match self {
            Self::Pair { repository, tag } => format!("{}:{}", text(repository), text(tag)),
            Self::Single { key } => text(key),
            Self::Registry => {
                let registry = text("image.registry");
                let slash = if registry.is_empty() { "" } else { "/" };
                format!("{registry}{slash}{}:{}", text("image.repository"), text("image.tag"))
            }
            Self::ListItem => text("list.1.image"),
            Self::HardCoded => format!("{repository}:1.0"),
            Self::Defaulted => {
                format!("{}:{}", text("image.repository"), or(text("image.tag"), "7.7"))
            }
            Self::SharedOrOwn => {
                let tag = or(global("tag"), &text("image.tag"));
                format!("{}:{tag}", text("image.repository"))
            }
            Self::Shared => format!("{}:{}", text("image"), or(global("tag"), "7.7")),
            Self::SharedRegistry => {
                let (registry, repository) = (global("registry"), text("image.repository"));
                let slash = if registry.is_empty() { "" } else { "/" };
                format!("{registry}{slash}{repository}:{}", text("image.tag"))
            }
            Self::Around => format!("{}:v{}-x", text("image.repository"), text("image.tag")),
            Self::Digest => match text("image.digest") {
                digest if digest.is_empty() => {
                    format!("{}:{}", text("image.repository"), text("image.tag"))
                }
                digest => format!("{}@{digest}", text("image.repository")),
            },
        }
    }

    fn is_reached_by_values(&self) -> bool {
        !matches!(self, Self::HardCoded | Self::Shared | Self::Around)
    }
}

proptest! {

    /// Whatever shape the values have, each image comes out as wanted, and others as they were.
    #[test]
    fn images_come_out_exactly(
        forms in prop::collection::vec((image_form(), 0..3usize), 1..5),
        host in prop::sample::select(vec!["", "ghcr.io/acme/", "localhost:5000/"]),
        moved in any::<bool>(),
    ) {
        let mut tree = Map::new();
        let mut wanted = BTreeMap::new();
        let names = ["api", "web", "team/worker"];
        for (index, (form, name)) in forms.iter().enumerate() {
            tree.insert(format!("part{index}"), form.values(host, names[*name]));
            let repository = format!("{host}{}", names[*name]);
            let registry = if moved { "reg.local:5000/dev/" } else { host };
            let image = format!("{registry}{}:{:016x}", names[*name], 0xfeed_0000_u64 + *name as u64);
            wanted.insert(ArtifactName::parse(&repository).unwrap(), ImageRef::parse(&image).unwrap());
        }
        tree.insert("redis".into(), json!({"image": {"repository": "redis", "tag": "7"}}));
        tree.insert("global".into(), json!({"tag": "", "registry": ""}));
        let tree = Value::Object(tree);
        let targets = Targets::new(&wanted);
        let render = |values: &Value| {
            let global = &values["global"];
            let one = |(index, (form, name)): (usize, &(ImageForm, usize))| {
                let repository = format!("{host}{}", names[*name]);
                form.image(&values[format!("part{index}")], global, &repository)
            };
            let mut images: Vec<String> = forms.iter().enumerate().map(one).collect();
            images.push(ImageForm::SharedRegistry.image(&values["redis"], global, "redis"));
            Ok(images)
        };
        let plain = render(&tree).unwrap();
        let (answer, images) = found(&tree, &targets, &render);
        let used: BTreeSet<_> = wanted.keys().cloned().collect();
        prop_assert_eq!(&answer.uses, &used);
        for (((form, name), image), plain) in forms.iter().zip(&images).zip(&plain) {
            let repository = ArtifactName::parse(&format!("{host}{}", names[*name])).unwrap();
            let is_wanted = ImageRef::parse(image)
                .is_ok_and(|image| image.full() == wanted[&repository].full());
            // What no value makes is left to the post-renderer as one of the project's images.
            let is_left = !form.is_reached_by_values() && targets.artifact_of(image) == Some(&repository);
            prop_assert!(is_wanted || is_left, "{form:?} makes {image} of {plain} in {tree}");
        }
        prop_assert_eq!(images.last().unwrap(), "redis:7");
    }

    /// What is written is read back as it was.
    #[test]
    fn yaml_survives_the_round_trip(
        texts in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "yes", "on", "y", "n", "NO", "~", "null", "1e3", "012", "0x1f", "1_000", "12:30:45",
                    "1.0", ".inf", "=", "<<", "- a", "a: b", "# c", "", " ", "a\nb", "a\n", "\n", "\ttab",
                    "2001-01-01", "'", "\"", "a #b", "{}", "[]", "@x", "`x", "%x", "&a", "*a", "!t", "|", ">",
                    "---", "...", "0o17", "0b1", "+1", "-", "?", "key:",
                ]).prop_map(str::to_owned),
                "\\PC{0,20}",
            ],
            1..8,
        )
    ) {
        let value = json!({
            "list": texts,
            "map": texts.iter().map(|text| (text.clone(), json!(text))).collect::<Map<_, _>>(),
            "deep": {"args": [texts, {"x": texts}]},
        });
        let written = yaml::write([&value, &value]);
        let documents = yaml::documents(&written, Duplicates::Refused).unwrap();
        prop_assert_eq!(documents.len(), 2, "{}", written);
        prop_assert_eq!(&documents[0].value, &value, "{}", written);
    }
}

#[test]
fn numbers_and_booleans_are_read_as_kubernetes_does() {
    let value =
        yaml::parse("a: yes\nb: 0644\nc: 1_000\nd: 'on'\ne: 1.5\nf: off\n", Duplicates::Refused);
    assert_eq!(
        value.unwrap(),
        json!({"a": true, "b": 420, "c": 1000, "d": "on", "e": 1.5, "f": false})
    );
}

#[test]
fn a_stream_is_split_at_its_dashes_and_loses_nothing() {
    let check = |text: &str, expected: &[(usize, &str)]| {
        assert_eq!(yaml::split(text), expected);
    };
    check("", &[]);
    check("a: 1\n", &[(1, "a: 1\n")]);
    check("---\na: 1\n---\nb: |\n  ---\n", &[(1, "---\na: 1\n"), (3, "---\nb: |\n  ---\n")]);
    check("a: 1\n...\nb: 2\n", &[(1, "a: 1\n...\n"), (3, "b: 2\n")]);
    check("%YAML 1.1\n---\na: 1\n", &[(1, "%YAML 1.1\n---\na: 1\n")]);
    check("--- # c\na: 1\n----\n", &[(1, "--- # c\na: 1\n----\n")]);
}

#[test]
fn helm_merges_values_like_this() {
    let mut base = json!({"a": {"b": 1, "c": 2}, "l": [1, 2], "d": {"x": 1}});
    values::merge(&mut base, &json!({"a": {"b": null, "z": 3}, "l": [9], "d": 4}));
    assert_eq!(base, json!({"a": {"c": 2, "z": 3}, "l": [9], "d": 4}));
}

#[test]
fn a_list_on_the_way_is_taken_over_whole() {
    let base = json!({"l": [{"a": 1, "t": "x"}, {"a": 2}]});
    let path = ValuePath(vec![Step::Key("l".into()), Step::Index(0), Step::Key("t".into())]);
    let mut overlay = json!({"other": true});
    values::put(&mut overlay, &base, &path, json!("y"));
    assert_eq!(overlay, json!({"other": true, "l": [{"a": 1, "t": "y"}, {"a": 2}]}));
}

#[test]
fn images_are_found_where_kinds_have_them() {
    let check = |object: Value, expected: &[&str]| {
        let found: Vec<String> = images::found_in(&object)
            .into_iter()
            .map(|found| format!("{} {}", found.path, found.image))
            .collect();
        assert_eq!(found, expected);
    };
    check(
        json!({"kind": "CronJob", "metadata": {"name": "c", "annotations": {"image": "no"}}, "spec": {"jobTemplate": {"spec": {"template": {
            "metadata": {"labels": {"image": "no"}},
            "spec": {"initContainers": [{"image": "a"}], "containers": [{"image": "b", "env": [{"name": "x", "fooImage": "no"}]}],
                "volumes": [{"image": {"reference": "c"}}]}}}}}}),
        &[
            "spec.jobTemplate.spec.template.spec.initContainers[0].image a",
            "spec.jobTemplate.spec.template.spec.containers[0].image b",
            "spec.jobTemplate.spec.template.spec.volumes[0].image.reference c",
        ],
    );
    check(
        json!({"kind": "Postgres", "spec": {"image": "a", "sidecarImage": "b", "deep": [{"image": "c"}]}, "status": {"image": "no"}}),
        &["spec.image a", "spec.sidecarImage b", "spec.deep[0].image c"],
    );
    check(json!({"kind": "ConfigMap", "data": {"image": "no"}}), &[]);
}

#[test]
fn references_are_split_even_where_they_are_not_valid() {
    for (image, expected) in [
        ("api", ("api", None, None)),
        ("api:", ("api", Some(""), None)),
        ("h:5000/api", ("h:5000/api", None, None)),
        ("h:5000/api:1@sha256:00", ("h:5000/api", Some("1"), Some("sha256:00"))),
        ("api@sha256:00", ("api", None, Some("sha256:00"))),
    ] {
        assert_eq!(images::split(image), expected, "{image}");
    }
}

const MANIFESTS: &str = r#"# Source: demo/templates/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, annotations: {image: "api:1"}}
spec:
  template:
    spec:
      initContainers:
      - {name: i, image: 'api:1', command: [api]}   # flow
      containers:
        - name: main
          image: &img "docker.io/library/api:latest" # anchored
        - name: other
          image: redis:7
        - name: again
          image:   api@sha256:0000000000000000000000000000000000000000000000000000000000000000
---
kind: ConfigMap
metadata: {name: c}
data:
  image: api:1
  text: |
    image: api:1
    ---
...
---
kind: List
items:
- kind: Secret
  stringData: {image: "api:1"}
- spec: {containers: [{image: api:1}]}
  kind: Pod
- kind: Rollout
  spec: {workerImage: api:1, image: ">-"}
"#;

#[test]
fn post_rendering_replaces_images_and_nothing_else() {
    let images = BTreeMap::from([(
        ArtifactName::parse("api").unwrap(),
        ImageRef::parse("reg.local/api:0f").unwrap(),
    )]);
    let result = post_renderer::replaced(MANIFESTS, &images).unwrap();
    let changed: Vec<(&str, &str)> =
        MANIFESTS.lines().zip(result.lines()).filter(|(one, other)| one != other).collect();
    insta::assert_snapshot!(
        changed.iter().map(|(one, other)| format!("{one}\n{other}\n")).collect::<String>(),
        @r#"
          - {name: i, image: 'api:1', command: [api]}   # flow
          - {name: i, image: "reg.local/api:0f", command: [api]}   # flow
              image: &img "docker.io/library/api:latest" # anchored
              image: &img "reg.local/api:0f" # anchored
              image:   api@sha256:0000000000000000000000000000000000000000000000000000000000000000
              image:   "reg.local/api:0f"
    - spec: {containers: [{image: api:1}]}
    - spec: {containers: [{image: "reg.local/api:0f"}]}
      spec: {workerImage: api:1, image: ">-"}
      spec: {workerImage: "reg.local/api:0f", image: ">-"}
    "#
    );
    assert_eq!(MANIFESTS.lines().count(), result.lines().count());
    assert_eq!(
        post_renderer::replaced(&result, &images).unwrap(),
        result,
        "the second time changes nothing"
    );
    // In objects the same images are replaced as in the text.
    let read = |text: &str| yaml::documents(text, Duplicates::Refused).unwrap();
    let targets = Targets::new(&images);
    for (before, after) in read(MANIFESTS).into_iter().zip(read(&result)) {
        let flat = |value| super::helm::flattened(value);
        let mut before = flat(before.value);
        before.iter_mut().for_each(|object| replace::in_object(object, &targets));
        assert_eq!(before, flat(after.value));
    }
}

#[test]
fn helmignore_follows_helms_rules() {
    let rules = ignore_rules::IgnoreRules::parse("# c\n*.bak\n/top.txt\nci/\ndocs/*.md\n");
    for (path, folder, expected) in [
        ("a.bak", false, true),
        ("templates/a.bak", false, true),
        ("top.txt", false, true),
        ("sub/top.txt", false, false),
        ("ci", true, true),
        ("ci", false, false),
        ("docs/a.md", false, true),
        ("docs/x/a.md", false, false),
        ("templates/.swp", false, true),
        ("values.yaml", false, false),
    ] {
        assert_eq!(rules.ignores(path, folder), expected, "{path}");
    }
}

fn manifest_failure(text: &str) -> String {
    let failure = manifests::parse(Path::new("a.yaml"), text).unwrap_err().failure();
    format!("{}\n{}", failure.what, failure.snippet)
}

#[test]
fn a_manifest_that_is_none_is_shown() {
    insta::assert_snapshot!(
        manifest_failure("kind: Pod\n---\n\n# x\nkind: Pod\napiVersion: v1\n"),
        @r"
    `a.yaml:1` has no `apiVersion`
     --> a.yaml:1:1
      |
    1 | kind: Pod
      | ^^^^^^^^^ this object
    "
    );
    insta::assert_snapshot!(
        manifest_failure("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n name: b\n"),
        @r"
    `a.yaml:5:2` is not valid YAML: while parsing a block mapping, did not find expected key
     --> a.yaml:5:2
      |
    5 |  name: b
      |  ^
    "
    );
    insta::assert_snapshot!(
        manifest_failure("apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nkind: Pod\nkind: Pod\n"),
        @r"
    `a.yaml:6:1` is not valid YAML: duplicate mapping key: kind not allowed here
     --> a.yaml:6:1
      |
    6 | kind: Pod
      | ^
    "
    );
}

#[test]
fn lists_are_taken_apart_and_empty_documents_skipped() {
    let text = "---\n# nothing\n---\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n---\n";
    assert_eq!(manifests::parse(Path::new("a.yaml"), text).unwrap().len(), 2);
}

#[test]
fn what_kustomize_says_is_brought_down_to_the_cause() {
    let check = |said: &str, expected: &str| {
        assert_eq!(kustomize::said(said).as_deref(), Some(expected));
    };
    check(
        r#"E1121 11:35:25.300900   17189 run.go:72] "command failed" err="accumulating resources: accumulation err='accumulating resources from 'gone.yaml': evalsymlink failure on '/k/gone.yaml' : lstat /k/gone.yaml: no such file or directory': must build at directory: not a valid directory: evalsymlink failure""#,
        "`gone.yaml`: no such file or directory",
    );
    check(
        "Error: accumulating resources: accumulation err='accumulating resources from '../base': read /b: accumulating resources from 'a.yaml': MalformedYAMLError: yaml: line 3: did not find expected key in File: a.yaml'",
        "`a.yaml`: MalformedYAMLError: yaml: line 3: did not find expected key in File: a.yaml",
    );
    check(
        "Error: invalid Kustomization: json: unknown field \"x\"",
        "invalid Kustomization: json: unknown field \"x\"",
    );
    assert_eq!(kustomize::said("Killed"), None);
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n");
    write("chart/.helmignore", "*.bak\n");
    write("chart/templates/a.yaml", "a: b\n");
    write("values.yaml", "x: 1\n");
    write("k/base/kustomization.yaml", "resources: [a.yaml]\n");
    write("k/base/a.yaml", "kind: Pod\n");
    write(
        "k/dev/kustomization.yaml",
        "resources: [../base]\nconfigMapGenerator: [{name: c, files: [x=../files/c.txt]}]\n",
    );
    write("k/files/c.txt", "c\n");
    write("m/a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
    folder
}

fn releases(root: &Path) -> Vec<crate::model::Release> {
    use crate::model::{Chart, HelmSource, ManifestSource, Release, ReleaseName, ReleaseSource};
    let one = |source| Release {
        name: ReleaseName::parse("demo").unwrap(),
        namespace: None,
        source,
        after: BTreeSet::new(),
        wait: crate::model::WaitRule::default(),
        alterations: crate::model::Alterations::default(),
        hooks: crate::model::Hooks::default(),
    };
    vec![
        one(ReleaseSource::Helm(HelmSource {
            packaging: crate::model::Packaging::default(),
            secret_values: vec![],
            chart: Chart::Path(root.join("chart")),
            values: vec![root.join("values.yaml")],
            set: BTreeMap::new(),
            image_values: BTreeMap::new(),
            flags: Vec::new(),
            rollback_on_failure: false,
            skip_crds: false,
        })),
        one(ReleaseSource::Manifests(ManifestSource::Kustomize(
            crate::model::KustomizeSource::at(root.join("k/dev")),
        ))),
        one(ReleaseSource::Manifests(ManifestSource::Files(vec![
            root.join("m/*.yaml").display().to_string(),
        ]))),
    ]
}

fn fingerprints(root: &Path) -> Vec<String> {
    let namespace = Namespace::parse("default").unwrap();
    releases(root).iter().map(|release| fingerprint(release, &namespace).unwrap()).collect()
}

#[test]
fn a_fingerprint_changes_with_what_counts_and_with_nothing_else() {
    let (one, other) = (project(), project());
    let before = fingerprints(one.path());
    assert_eq!(before, fingerprints(other.path()), "a copy at another path is the same");
    std::fs::write(one.path().join("chart/templates/a.yaml.bak"), "x").unwrap();
    assert_eq!(before, fingerprints(one.path()), "ignored files do not count");
    for (path, which) in [
        ("chart/templates/a.yaml", 0),
        ("values.yaml", 0),
        ("k/base/a.yaml", 1),
        ("k/files/c.txt", 1),
        ("m/a.yaml", 2),
        ("m/b.yaml", 2),
    ] {
        let folder = project();
        std::fs::write(folder.path().join(path), "# changed\n").unwrap();
        let after = fingerprints(folder.path());
        for index in 0..3 {
            assert_eq!(after[index] != before[index], index == which, "{path} and {index}");
        }
    }
}

#[test]
fn everything_that_a_release_is_rendered_from_is_watched() {
    let folder = project();
    let root = folder.path();
    let shown: Vec<Vec<String>> = releases(root)
        .iter()
        .map(|release| {
            let relative =
                |path: std::path::PathBuf| path.strip_prefix(root).unwrap().display().to_string();
            watched(release).into_iter().map(relative).collect()
        })
        .collect();
    let files = |shown: &[String]| -> (Vec<String>, Vec<String>) {
        shown.iter().cloned().partition(|path| root.join(path).is_dir())
    };
    let (folders, used) = files(&shown[0]);
    assert_eq!(folders, ["chart"]);
    assert!(used.contains(&"chart/templates/a.yaml".to_owned()), "{used:?}");
    assert!(!used.contains(&"chart/templates/a.yaml.bak".to_owned()), "{used:?}");
    assert!(used.contains(&"values.yaml".to_owned()), "{used:?}");
    let (folders, used) = files(&shown[1]);
    assert_eq!(folders, ["k/base", "k/dev"]);
    for file in ["k/base/a.yaml", "k/base/kustomization.yaml", "k/files/c.txt"] {
        assert!(used.contains(&file.to_owned()), "{file} of {used:?}");
    }
    let (folders, used) = files(&shown[2]);
    assert_eq!(folders, ["m"]);
    assert_eq!(used, ["m/a.yaml"]);
}

#[test]
fn what_links_of_a_release_lead_to_is_watched_too() {
    let folder = project();
    let root = folder.path().canonicalize().unwrap();
    for (path, text) in [
        ("common/helpers/a.tpl", ""),
        ("common/shared.yaml", "a: 1\n"),
        ("common/m/c.yaml", "kind: ConfigMap\n"),
        ("common/k.txt", ""),
    ] {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    }
    let link = |target: &str, at: &str| {
        let _ = std::fs::remove_file(root.join(at));
        std::os::unix::fs::symlink(target, root.join(at)).unwrap();
    };
    link("../../common/helpers", "chart/templates/helpers");
    link("../common/shared.yaml", "chart/shared.yaml");
    link("../common/gone.yaml", "chart/gone.yaml");
    link("..", "common/helpers/circle");
    link("../common/m/c.yaml", "m/c.yaml");
    link("../../common/k.txt", "k/files/c.txt");
    let watched = |index: usize| -> Vec<String> {
        let found = watched(&releases(&root)[index]).into_iter();
        found.map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect()
    };
    let wanted = [
        "chart",
        "common",
        "common/gone.yaml",
        "common/helpers",
        "common/shared.yaml",
        "values.yaml",
    ];
    let mut found = watched(0);
    found.retain(|path| !path.starts_with("chart/"));
    assert_eq!(found, wanted);
    assert!(watched(1).contains(&"k/files/c.txt".to_owned()), "{:?}", watched(1));
    assert_eq!(watched(2), ["common/m/c.yaml", "m", "m/a.yaml", "m/c.yaml"]);
}
