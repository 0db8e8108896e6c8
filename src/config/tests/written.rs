//! Projects written out again.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::resolve::HookUse;
use super::*;
use crate::model::{
    Alterations, Artifact, ArtifactName, BuildSecret, Builder, Chart, ClusterChoice, CommandBuild,
    ContextName, DockerBuild, Forward, ForwardPort, Function, FunctionKind, HelmSource, Hook,
    HookPlace, Hooks, ImageRule, ImageText, KustomizeSource, LogFilter, LogPrefix, ManifestSource,
    NamedContext, Namespace, Origin, Packaging, Platform, ProjectName, RegistryNames, Release,
    ReleaseName, ReleaseSource, SecretSource, SshAgent, TagPattern, WaitRule,
};

#[test]
fn the_effective_configuration_says_where_each_value_came_from() {
    let text = "name: shop
images:
  api:
    context: services/api
    args: {VERSION: \"${VERSION}\", DB_PASSWORD: hunter2, URL: \"http://${API_TOKEN}@x\"}
    secrets: [{id: npmrc, file: ~/.npmrc}]
releases:
  shop: {chart: deploy/chart, set: {auth.password: hunter3, replicas: 2}}
kustomize: [deploy/dev]
forward: [service/api: 80]
profiles:
  ci: {images: {api: {target: ci}}}
";
    let environment = [("VERSION", "1.2"), ("API_TOKEN", "hunter4")];
    let request = request(&["ci"], &environment);
    let loaded = parse(text, Path::new(FILE), &request).unwrap();
    let shown = render_effective(&loaded.project, &loaded.provenance);
    assert!(!shown.contains("hunter"), "{shown}");
    assert_snapshot!(shown, @r#"
    name: shop                               # wharf.yaml:1

    images:
      api:
        context: services/api                # wharf.yaml:4
        dockerfile: services/api/Dockerfile  # default
        target: ci                           # wharf.yaml:12, profile ci
        args:
          DB_PASSWORD: "***"                 # wharf.yaml:5
          URL: "***"                         # wharf.yaml:5, env API_TOKEN
          VERSION: "1.2"                     # wharf.yaml:5, env VERSION
        secrets:
          - id: npmrc                        # wharf.yaml:6
            file: /home/ann/.npmrc           # wharf.yaml:6
        ssh: []                              # default
        contexts: {}                         # default
        network: null                        # default
        addHosts: []                         # default
        platform: null                       # default
        needs: []                            # default
        tag: null                            # default
        hooks: {}                            # default

    releases:
      shop:
        chart: deploy/chart                  # wharf.yaml:8
        values: []                           # default
        set:
          auth:
            password: "***"                  # wharf.yaml:8
          replicas: 2                        # wharf.yaml:8
        imageValues: {}                      # default
        flags: []                            # default
        namespace: null                      # default
        wait:
          ready: true                        # default
          timeout: "10m"                     # default
        hooks: {}                            # default
        after: []                            # default
        functions: []                        # default
        imageRules: []                       # default
        rollbackOnFailure: false             # default
        skipCrds: false                      # default

    kustomize:
      deploy-dev:
        path: deploy/dev                     # wharf.yaml:9
        flags: []                            # default
        namespace: null                      # default
        wait:
          ready: true                        # default
          timeout: "10m"                     # default
        hooks: {}                            # default
        after: []                            # default
        setters: {}                          # default
        functions: []                        # default
        imageRules: []                       # default

    manifests: {}                            # default

    forward:
      - service: api                         # wharf.yaml:10
        port: 80                             # wharf.yaml:10
        local: 8080                          # wharf.yaml:10
        namespace: null                      # default

    logs:
      exclude: []                            # default

    cluster:
      context: null                          # default
      namespace: null                        # default
      allow: []                              # default

    registry: null                           # default

    insecureRegistries: []                   # default
    "#);
}

#[test]
fn the_effective_configuration_reads_back_as_the_same_project() {
    let text = "images: {api: {args: {A: \"1\"}}}\nreleases: {a: {chart: c, wait: false}}\nforward: [service/a: 80]\nlogs: {exclude: [x]}\n";
    let first = parse(text, Path::new(FILE), &request(&[], &[])).unwrap();
    let again = parsed(&render_effective(&first.project, &first.provenance));
    // The local port is written out.
    let mut expected = first.project;
    expected.forwards[0].local = Some(8080);
    assert_eq!(again, expected);
}

#[test]
fn init_writes_a_commented_file() {
    let folder = folder(&[
        ("api/Dockerfile", "FROM base\n"),
        ("base/Dockerfile", "FROM scratch\n"),
        (
            "k8s/app.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: api, labels: {app: api}}\nspec: {containers: [{image: api}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {selector: {app: api}, ports: [{port: 80}]}\n",
        ),
    ]);
    let loaded = infer(folder.path()).unwrap();
    let text = init(&loaded.project, &loaded.provenance);
    let name = loaded.project.name.to_string();
    assert_snapshot!(text.replace(&name, "NAME"), @r#"
    # What wharf builds, installs and forwards. Every key: `wharf schema`.
    name: NAME                          # the folder's name

    # Images, by the name that manifests and values call them.
    images:
      api:
        context: api                         # the image's name in k8s/app.yaml
        needs:
          - base
      base:
        context: base                        # api/Dockerfile is built from it

    # Manifests that are applied as they are.
    manifests:
      - k8s/*.yaml                           # the objects in these files

    # Local ports: `service/NAME: PORT`, or `LOCAL:PORT`.
    forward:
      - service/api: 80                      # k8s/app.yaml
    "#);
}

#[test]
fn the_committed_schema_is_the_one_that_the_code_has() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/wharf.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    if committed != text {
        let made = std::env::temp_dir().join("wharf.schema.json");
        std::fs::write(&made, &text).unwrap();
        panic!("templates/wharf.schema.json differs; copy {} over it", made.display());
    }
}

#[test]
fn every_key_of_the_schema_has_one_sentence() {
    fn walk(value: &Value, path: &str) {
        match value {
            Value::Object(map) => {
                for (name, property) in
                    map.get("properties").and_then(Value::as_object).into_iter().flatten()
                {
                    let text = property["description"].as_str().unwrap_or_default();
                    assert!(text.ends_with('.'), "{path}/{name} has no sentence: {property}");
                    assert!(!text.contains('\n'), "{path}/{name}");
                }
                map.iter().for_each(|(key, value)| walk(value, &format!("{path}/{key}")));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, path)),
            _ => {}
        }
    }
    walk(&schema(), "");
}

#[test]
fn the_schema_accepts_what_is_accepted_and_refuses_typos() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good = json!({
        "images": {
            "base": null,
            "api": {"context": "a", "args": {"A": 1, "B": "x"}, "ssh": ["default", {"id": "a"}]},
            "worker": {"command": "make", "inputs": ["**"]},
        },
        "releases": {"shop": {"chart": "c", "set": {"a": [1]}, "wait": {"timeout": "10m"}}, "b": {"chart": "d", "wait": false}},
        "kustomize": {"dev": "overlays/dev", "other": {"path": "x", "after": ["shop"]}},
        "manifests": ["a/*.yaml"],
        "forward": ["service/a", {"service/web": 8080}, {"deploy/api": "8081:http"}, {"service": "x", "port": 80}],
        "logs": false,
        "profiles": {"ci": {"registry": null}},
    });
    let errors: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert_eq!(errors, [] as [&str; 0]);
    for bad in [
        json!({"image": {}}),
        json!({"images": {"api": {"contxt": "a"}}}),
        json!({"releases": {"a": {"wait": "soon"}}}),
        json!({"forward": [{"service/web": 1, "service/api": 2}]}),
        json!({"profiles": {"ci": {"name": "x"}}}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}"
}

/// Texts that YAML and variables have a way of misreading.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[a-z./-]{1,8}",
        prop::sample::select(vec![
            "yes",
            "no",
            "null",
            "~",
            "1",
            "1.0",
            "0644",
            "1_000",
            "${A}",
            "$$",
            "$",
            "a: b",
            "a #b",
            "- x",
            "'",
            "\"",
            "\\",
            "*a",
            "&a",
            "!x",
            "%",
            "@",
            "`",
            "é",
            "line\nline",
            "\t",
            " x ",
            "",
            "1.2.3",
            "12:30:45",
            ".5",
            "<<",
            "=",
            "0x1f",
            "1e3",
            "{{ x }}",
        ])
        .prop_map(str::to_owned),
    ]
}

fn filled() -> impl Strategy<Value = String> {
    text().prop_filter("not empty", |text| !text.is_empty())
}

fn path() -> impl Strategy<Value = std::path::PathBuf> {
    prop::collection::vec("[a-zA-Z0-9_@${}' -]{1,5}x", 1..3)
        .prop_map(|parts| Path::new("/shop").join(parts.join("/")))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(filled(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn docker() -> impl Strategy<Value = DockerBuild> {
    let secret = (
        filled(),
        prop_oneof![path().prop_map(SecretSource::File), word().prop_map(SecretSource::Env),],
    );
    let agent = (word(), prop::option::of(path()));
    (
        (path(), prop::option::of(path()), prop::option::of(filled())),
        prop::collection::btree_map(filled(), text(), 0..3),
        prop::collection::btree_map(filled(), secret, 0..2)
            .prop_map(|secrets| secrets.into_values().collect::<Vec<_>>()),
        prop::collection::vec(agent, 0..2),
        prop::collection::btree_map(word(), path().prop_map(NamedContext::Folder), 0..2),
        prop::option::of(prop::sample::select(vec!["default", "none", "host"])),
    )
        .prop_map(
            |((context, dockerfile, target), args, secrets, agents, contexts, network)| {
                let mut seen = BTreeSet::new();
                let secrets = secrets.into_iter().filter(|(id, _)| seen.insert(id.clone()));
                DockerBuild {
                    dockerfile: dockerfile.unwrap_or_else(|| context.join("Dockerfile")),
                    context,
                    target,
                    args,
                    secrets: secrets.map(|(id, source)| BuildSecret { id, source }).collect(),
                    ssh: agents.into_iter().map(|(id, socket)| SshAgent { id, socket }).collect(),
                    contexts,
                    network: network.map(str::to_owned),
                    add_hosts: vec!["db:10.0.0.1".to_owned()],
                }
            },
        )
}

fn builder() -> impl Strategy<Value = Builder> {
    let command = (filled(), path(), prop::collection::vec("[a-z*/]{1,6}", 1..3));
    let command = command.prop_map(|(command, dir, inputs)| {
        Builder::Command(CommandBuild {
            command,
            dir,
            inputs,
            ignore: vec![],
            env: BTreeMap::from([("A".into(), "b".into())]),
        })
    });
    prop_oneof![docker().prop_map(Builder::Docker), command]
}

fn source() -> impl Strategy<Value = ReleaseSource> {
    let chart = prop_oneof![
        path().prop_map(Chart::Path),
        (word(), word(), prop::option::of(filled())).prop_map(|(chart, host, version)| {
            Chart::Remote { chart, repo: Some(format!("https://{host}.example")), version }
        }),
    ];
    let key = text().prop_filter("a path of names", |text| !text.is_empty() && !text.contains('['));
    let set = prop::collection::btree_map(key, value(), 0..3);
    let helm = (chart, prop::collection::vec(path(), 0..2), set, any::<bool>(), any::<bool>());
    let helm = helm.prop_map(|(chart, values, set, rollback_on_failure, skip_crds)| {
        ReleaseSource::Helm(HelmSource {
            packaging: Packaging {
                version: skip_crds.then(|| "1.10".into()),
                app_version: Some("1".into()),
            },
            secret_values: vec!["/shop/s.yaml".into()],
            chart,
            values,
            set,
            image_values: BTreeMap::from([("a.b[0]".into(), ImageText::parse("{tag:api}-x"))]),
            flags: vec!["--devel".into()],
            rollback_on_failure,
            skip_crds,
        })
    });
    let files = prop::collection::vec("[a-z*]{1,6}", 1..3).prop_map(|files| {
        let files = files.into_iter().map(|file| format!("/shop/{file}")).collect();
        ReleaseSource::Manifests(ManifestSource::Files(files))
    });
    let kustomize = path().prop_map(|path| {
        ReleaseSource::Manifests(ManifestSource::Kustomize(KustomizeSource::at(path)))
    });
    prop_oneof![helm, kustomize, files]
}

fn forward() -> impl Strategy<Value = Forward> {
    let port = prop_oneof![
        (1_u16..=50000).prop_map(ForwardPort::Number),
        word().prop_map(ForwardPort::Name)
    ];
    let kinds = prop::sample::select(vec!["service", "deployment", "pod"]);
    (
        kinds,
        word(),
        prop::option::of(word()),
        prop::option::of(port),
        prop::option::of(1..=u16::MAX),
    )
        .prop_map(|(kind, name, namespace, port, local)| Forward {
            kind: kind.to_owned(),
            name,
            namespace: namespace.map(|name| Namespace::parse(&name).unwrap()),
            port,
            local,
            address: local.map(|_| std::net::Ipv4Addr::UNSPECIFIED.into()),
        })
}

fn alterations() -> Alterations {
    let with = BTreeMap::from([("a/b".to_owned(), "c: d".to_owned())]);
    Alterations {
        setters: BTreeMap::new(),
        functions: vec![Function { kind: FunctionKind::SetLabels, with }],
        images: vec![ImageRule { kind: "Pod".to_owned(), paths: vec![".spec.a".to_owned()] }],
    }
}

fn hooks(in_containers: bool, of: HookUse) -> Hooks {
    let command = vec!["sh".to_owned(), "-c".to_owned(), "x".to_owned()];
    let host = HookPlace::Host("/shop/a".into());
    let container = HookPlace::Container { pod: Some("web-*".into()), container: None };
    let after = if in_containers { container } else { host.clone() };
    let hook = |place| Hook { command: command.clone(), place };
    Hooks { before: vec![hook(host)], after: vec![hook(after)], variables: of.variables() }
}

prop_compose! {
    fn project()(
        name in word(),
        builders in prop::collection::btree_map(word(), (builder(), any::<bool>()), 0..4),
        sources in prop::collection::btree_map(word(), (source(), prop::option::of(word()), any::<bool>(), 1_u64..100_000), 0..4),
        forwards in prop::collection::vec(forward(), 0..4),
        exclude in prop::collection::vec("[a-z*]{1,5}", 0..2),
        off in any::<bool>(),
        context in prop::option::of(filled()),
        registry in prop::option::of(word()),
        insecure in prop::collection::vec(word(), 0..2),
    ) -> Project {
        let mut artifacts = BTreeMap::new();
        let mut before: BTreeSet<ArtifactName> = BTreeSet::new();
        for (name, (builder, needs)) in builders {
            let name = ArtifactName::parse(&name).unwrap();
            let platform = needs.then(|| Platform::parse("linux/arm/v7").unwrap());
            let needs = if needs { before.clone() } else { BTreeSet::new() };
            let mut builder = builder;
            if let Builder::Docker(docker) = &mut builder {
                // A context of the name of an image is that image.
                docker.contexts.retain(|_, context| !matches!(context, NamedContext::Artifact(_)));
            }
            artifacts.insert(name.clone(), Artifact {
                name: name.clone(),
                builder,
                needs,
                platform,
                hooks: hooks(false, HookUse::Build),
                also_tagged: TagPattern::parse("v-{git:tree!}").ok(),
            });
            before.insert(name);
        }
        let mut releases = BTreeMap::new();
        let mut earlier: BTreeSet<ReleaseName> = BTreeSet::new();
        for (name, (source, namespace, ready, millis)) in sources {
            let name = ReleaseName::parse(&name).unwrap();
            let timeout = std::time::Duration::from_millis(millis);
            releases.insert(name.clone(), Release {
                name: name.clone(),
                namespace: namespace.map(|name| Namespace::parse(&name).unwrap()),
                source,
                after: if ready { earlier.clone() } else { BTreeSet::new() },
                wait: WaitRule { ready, timeout },
                alterations: alterations(),
                hooks: hooks(ready, HookUse::Deploy),
            });
            earlier.insert(name);
        }
        let mut taken = BTreeSet::new();
        let forwards = forwards
            .into_iter()
            .filter(|forward| resolve::local_port(forward).is_none_or(|port| taken.insert(port)))
            .collect();
        Project {
            name: ProjectName::parse(&name).unwrap(),
            root: "/shop".into(),
            origin: Origin::File(FILE.into()),
            artifacts,
            releases,
            forwards,
            logs: if off { LogFilter { off, ..LogFilter::default() } } else { LogFilter { off, exclude, prefix: LogPrefix::Auto, json_fields: vec!["a b".into()] } },
            cluster: ClusterChoice {
                context: context.filter(|name| !name.trim().is_empty()).map(|name| ContextName::parse(&name).unwrap()),
                namespace: None,
                allow: vec![],
            },
            registry: registry.map(|host| format!("{host}.example/x")),
            insecure_registries: insecure.iter().map(|host| format!("{host}.example:5000")).collect(),
            registry_names: if off { RegistryNames::Flat } else { RegistryNames::Path },
            config_files: BTreeSet::from([FILE.into()]),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_init_writes_reads_back_as_the_same_project(project in project()) {
        let text = init(&project, &Provenance::default());
        let loaded = parse(&text, Path::new(FILE), &request(&[], &[]));
        let again = loaded.map(|loaded| loaded.project).map_err(|error| shown(&error.failure()));
        prop_assert_eq!(again, Ok(project), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\n\t]{0,60}") {
        let _ = parse(&text, Path::new(FILE), &request(&[], &[]));
    }

    #[test]
    fn masking_changes_no_length(text in "[a-z:{} \"é\npassword]{0,60}") {
        let masked = mask::masked(&text);
        prop_assert_eq!(masked.len(), text.len());
    }
}
