//! Orders, selections and what a save affects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::model::{
    Artifact, Builder, ChangeSet, Chart, ClusterChoice, CommandBuild, DockerBuild, HelmSource,
    KustomizeSource, LogFilter, ManifestSource, NamedContext, Namespace, Origin, ProjectName,
    Release, ReleaseSource, Undo, WaitRule,
};

fn artifact(name: &str) -> ArtifactName {
    ArtifactName::parse(name).unwrap()
}

fn release(name: &str) -> ReleaseName {
    ReleaseName::parse(name).unwrap()
}

/// `api: base x, base` as names and what each needs.
fn edges(text: &str) -> Vec<(&str, Vec<&str>)> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (name, others) = entry.split_once(':').unwrap_or((entry, ""));
            (name.trim(), others.split_whitespace().collect())
        })
        .collect()
}

fn project(images: &str, releases: &str) -> Project {
    let artifacts = edges(images).into_iter().map(|(name, needs)| {
        let context = Path::new("/p").join(name);
        let artifact = Artifact {
            name: artifact(name),
            builder: Builder::Docker(DockerBuild::at(&context)),
            needs: needs.into_iter().map(artifact).collect(),
            platform: None,
            hooks: crate::model::Hooks::default(),
            also_tagged: None,
        };
        (artifact.name.clone(), artifact)
    });
    let releases = edges(releases).into_iter().map(|(name, after)| {
        let helm = HelmSource {
            packaging: crate::model::Packaging::default(),
            secret_values: vec![],
            chart: Chart::Path(Path::new("/p/charts").join(name)),
            values: vec![format!("/p/values/{name}.yaml").into()],
            set: BTreeMap::new(),
            image_values: BTreeMap::new(),
            flags: Vec::new(),
            rollback_on_failure: false,
            skip_crds: false,
        };
        let release = Release {
            name: release(name),
            namespace: None,
            source: ReleaseSource::Helm(helm),
            after: after.into_iter().map(release).collect(),
            wait: WaitRule::default(),
            alterations: crate::model::Alterations::default(),
            hooks: crate::model::Hooks::default(),
        };
        (release.name.clone(), release)
    });
    Project {
        name: ProjectName::parse("p").unwrap(),
        root: "/p".into(),
        origin: Origin::File("/p/wharf.yaml".into()),
        artifacts: artifacts.collect(),
        releases: releases.collect(),
        forwards: vec![],
        logs: LogFilter::default(),
        cluster: ClusterChoice::default(),
        registry: None,
        insecure_registries: Vec::new(),
        registry_names: crate::model::RegistryNames::default(),
        config_files: BTreeSet::from(["/p/wharf.yaml".into()]),
    }
}

fn graph(images: &str, releases: &str) -> Graph {
    Graph::new(&project(images, releases)).unwrap()
}

fn joined<N: ToString>(names: impl IntoIterator<Item = N>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_needed_comes_first() {
    let graph = graph("api: base, web: api, base, other", "shop: db, db, extra: shop");
    assert_eq!(joined(graph.order()), "base other api web");
    assert_eq!(joined(graph.release_order()), "db shop extra");
    assert_eq!(joined(graph.needs(&artifact("web"))), "api base");
    assert_eq!(joined(graph.dependants(&artifact("base"))), "api web");
    assert_eq!(joined(graph.dependants(&artifact("web"))), "");
    assert_eq!(joined(graph.after(&release("extra"))), "db shop");
    assert_eq!(joined(graph.waiting_for(&release("db"))), "extra shop");
}

#[test]
fn cycles_are_named() {
    let check = |images: &str, releases: &str, expected: &str| {
        let error = Graph::new(&project(images, releases)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.failure().code, "wharf::graph::cycle");
    };
    check("a: b, b: c, c: a, d: a", "", "images wait for each other: `a` → `b` → `c` → `a`");
    check("", "a: a", "releases wait for each other: `a` → `a`");
}

#[test]
fn names_mean_images_and_releases() {
    let graph = graph("ghcr.io/acme/api: base, base, web", "shop: db, db, web");
    let check = |names: &[&str], artifacts: &str, releases: &str| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let selection = graph.select(&names).unwrap();
        assert_eq!(joined(selection.artifacts), artifacts, "{names:?}");
        assert_eq!(joined(selection.releases), releases, "{names:?}");
    };
    check(&[], "base ghcr.io/acme/api web", "db shop web");
    check(&["api"], "base ghcr.io/acme/api", "");
    check(&["ghcr.io/acme/api"], "base ghcr.io/acme/api", "");
    check(&["shop"], "", "db shop");
    check(&["web"], "web", "web");
    check(&["base", "db"], "base", "db");
}

#[test]
fn names_that_mean_nothing_or_too_much_are_refused() {
    let graph = graph("a/api, b/api, web", "shop");
    let check = |name: &str, expected: &str, help: &str| {
        let error = graph.select(&[name.to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.failure().help, [help]);
    };
    check("api", "`api` may mean `a/api`, `b/api`", "give the whole name");
    check("wbe", "there is no image or release named `wbe`", "did you mean `web`?");
    check(
        "database",
        "there is no image or release named `database`",
        "known names: `a/api`, `b/api`, `shop`, `web`",
    );
}

#[test]
fn a_selection_is_narrowed_once_it_is_known_who_uses_what() {
    let graph = graph("api: base, web, base, jobs", "shop: db, db, extra, ops");
    let uses: BTreeMap<ReleaseName, BTreeSet<ArtifactName>> = [
        ("shop", vec!["api", "web"]),
        ("extra", vec!["web"]),
        ("ops", vec!["jobs"]),
        ("db", vec![]),
    ]
    .into_iter()
    .map(|(name, used)| (release(name), used.into_iter().map(artifact).collect()))
    .collect();
    let check = |names: &[&str], artifacts: &str, releases: &str| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let selection = graph.narrow(&graph.select(&names).unwrap(), &uses);
        assert_eq!(joined(selection.artifacts), artifacts, "{names:?}");
        assert_eq!(joined(selection.releases), releases, "{names:?}");
    };
    check(&["api"], "api base web", "db shop");
    check(&["web"], "api base web", "db extra shop");
    check(&["ops"], "jobs", "ops");
    check(&["base"], "base", "");
    check(&[], "api base jobs web", "db extra ops shop");
}

#[test]
fn a_save_affects_what_has_it_among_its_inputs() {
    let mut project = project("api, web", "shop");
    let named = NamedContext::Folder("/p/shared".into());
    if let Builder::Docker(docker) =
        &mut project.artifacts.get_mut(&artifact("api")).unwrap().builder
    {
        docker.contexts.insert("shared".into(), named);
        docker.dockerfile = "/p/docker/api.Dockerfile".into();
    }
    let command = CommandBuild {
        command: "make".into(),
        dir: "/p/worker".into(),
        inputs: vec!["src/**".into(), "go.mod".into()],
        ignore: vec!["**/*.md".into()],
        env: BTreeMap::new(),
    };
    let worker = Artifact {
        name: artifact("worker"),
        builder: Builder::Command(command),
        needs: BTreeSet::new(),
        platform: None,
        hooks: crate::model::Hooks::default(),
        also_tagged: None,
    };
    project.artifacts.insert(worker.name.clone(), worker);
    let extra = [
        ("dev", ManifestSource::Kustomize(KustomizeSource::at("/p/overlays/dev"))),
        ("extra", ManifestSource::Files(vec!["/p/k8s/*.yaml".into()])),
    ];
    for (name, source) in extra {
        let mut more = project.releases[&release("shop")].clone();
        more.source = ReleaseSource::Manifests(source);
        project.releases.insert(release(name), more);
    }
    let watched = |name: &ReleaseName| -> Vec<PathBuf> {
        if name.as_str() == "dev" { vec!["/p/overlays/base".into()] } else { vec![] }
    };
    let check = |path: &str, expected: &str| {
        let changes = ChangeSet { paths: BTreeSet::from([path.into()]) };
        let affected = affected(&project, &changes, watched);
        let config = affected.config.then_some("config".to_owned());
        let names = affected.artifacts.iter().map(ToString::to_string);
        let releases = affected.releases.iter().map(ToString::to_string);
        assert_eq!(joined(names.chain(releases).chain(config)), expected, "{path}");
    };
    check("/p/api/main.py", "api");
    check("/p/apis/main.py", "");
    check("/p/shared/x", "api");
    check("/p/docker/api.Dockerfile", "api");
    check("/p/docker/api.Dockerfile.dockerignore", "api");
    check("/p/web", "web");
    check("/p/worker/src/a/b.go", "worker");
    check("/p/worker/src/a", "worker");
    check("/p/worker/src/a.md", "");
    check("/p/worker/go.mod", "worker");
    check("/p/worker/README", "");
    check("/p/charts/shop/templates/x.yaml", "shop");
    check("/p/values/shop.yaml", "shop");
    check("/p/overlays/dev/kustomization.yaml", "dev");
    check("/p/overlays/base/app.yaml", "dev");
    check("/p/k8s/a.yaml", "extra");
    check("/p/k8s/a.txt", "");
    check("/p/k8s", "extra");
    check("/p/wharf.yaml", "config");
    check("/p/README.md", "");
    check("/p", "api web worker dev extra shop");
}

proptest! {
    #[test]
    fn an_order_has_everything_once_and_what_is_needed_first(
        needs in prop::collection::vec(prop::collection::vec(0_usize..8, 0..4), 0..8)
    ) {
        let names: Vec<String> = (0..needs.len()).map(|at| format!("n{at}")).collect();
        let entries = needs.iter().enumerate().map(|(at, needs)| {
            // Only to smaller ones, so that there is no cycle.
            let needs = needs.iter().filter(|need| **need < at).map(|need| names[*need].clone());
            format!("{}: {}", names[at], needs.collect::<Vec<_>>().join(" "))
        });
        let graph = graph(&entries.collect::<Vec<_>>().join(","), "");
        let order = graph.order();
        prop_assert_eq!(order.len(), names.len());
        for (at, name) in order.iter().enumerate() {
            for need in graph.needs(name) {
                prop_assert!(order[..at].contains(&need));
                prop_assert!(graph.dependants(&need).contains(name));
            }
        }
    }

    #[test]
    fn a_cycle_is_one(
        edges in prop::collection::btree_map(0_u8..6, prop::collection::btree_set(0_u8..6, 0..3), 0..6)
    ) {
        match crate::model::cycle(&edges) {
            Some(cycle) => {
                let next = cycle.iter().skip(1).chain(cycle.first());
                for (from, to) in cycle.iter().zip(next) {
                    prop_assert!(edges[from].contains(to));
                }
            }
            None => {
                // Without a cycle, taking out what waits for nobody ends with nothing.
                let mut left = edges.clone();
                loop {
                    let free: Vec<u8> = left
                        .iter()
                        .filter(|(_, others)| !others.iter().any(|other| left.contains_key(other)))
                        .map(|(name, _)| *name)
                        .collect();
                    if free.is_empty() {
                        break;
                    }
                    free.iter().for_each(|name| { left.remove(name); });
                }
                prop_assert!(left.is_empty());
            }
        }
    }
}

#[test]
fn what_comes_last_goes_first() {
    let step = |name: &str| Undo::HelmRelease {
        release: release(name),
        namespace: Namespace::parse("dev").unwrap(),
        extras: vec![],
        claims: true,
    };
    let place = Undo::Namespace { namespace: Namespace::parse("dev").unwrap() };
    let check = |releases: &str, steps: &str, expected: &str| {
        let steps = [place.clone()].into_iter().chain(steps.split(' ').map(step)).collect();
        let sorted = oldest_first(&project("", releases), steps);
        assert_eq!(sorted[0], place);
        let names = sorted.iter().filter_map(Undo::release);
        assert_eq!(joined(names), expected);
    };
    check("api: zoo, zoo", "api zoo", "zoo api");
    check("api: mid, mid: zoo, zoo", "api zoo other", "zoo api other");
    check("api: mid, mid: zoo, zoo", "api mid zoo", "zoo mid api");
    check("a, b, c", "c a b", "c a b");
}
