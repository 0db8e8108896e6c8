//! Every version of Skaffold's schema, and what changed from one to the next.
//!
//! A rule brings a document that is older than some version up to it; the rules run in order, on
//! the document's pipeline and on each of its profiles. Keys that were only added need no rule.
//! See the `Upgrade` functions of Skaffold's own `pkg/skaffold/schema`.

use super::super::error::Problem;
use super::super::node::{Fault, Kind, Node};
use super::tree::made_map;

/// `apiVersion` is one of these behind `skaffold/`, oldest first.
const SERIES: &[(&str, std::ops::RangeInclusive<usize>)] = &[
    ("v1alpha", 1..=5),
    ("v1beta", 1..=17),
    ("v1", 0..=0),
    ("v2alpha", 1..=4),
    ("v2beta", 1..=29),
    ("v3alpha", 1..=1),
    ("v4beta", 1..=14),
];

/// The place of a version among all, by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(usize);

fn names() -> impl Iterator<Item = String> {
    SERIES.iter().flat_map(|(stem, numbers)| {
        numbers.clone().map(move |number| {
            if number == 0 { (*stem).to_owned() } else { format!("{stem}{number}") }
        })
    })
}

fn version(name: &str) -> Option<Version> {
    names().position(|known| known == name).map(Version)
}

/// What brings an older document up to a version.
type Rule = fn(&mut Node) -> Result<(), Fault>;

/// Each rule with the last version that it is for.
const RULES: &[(&str, Rule)] = &[
    ("v1alpha1", tag_policy_and_manifests),
    ("v1alpha5", names_of_the_alphas),
    ("v1beta6", kaniko),
    ("v1beta8", plugins),
    ("v1beta9", sync_rules),
    ("v1beta13", jib),
    ("v2alpha4", buildpacks),
    ("v2beta29", gone),
    ("v2beta3", artifact_overrides),
    ("v2beta29", secrets),
    ("v2beta29", remote_charts),
    ("v2beta29", image_strategy),
    ("v2beta29", manifests),
];

/// Brings `document` up to the newest version.
pub(super) fn upgrade(document: &mut Node) -> Result<(), Fault> {
    let version = version_of(document)?;
    let rules = RULES.iter().filter(|(last, _)| version_named(last) >= version);
    for (_, rule) in rules {
        rule(document)?;
        if let Some(profiles) = document.at_path_mut(&["profiles"]) {
            profiles.items_mut().iter_mut().try_for_each(rule)?;
        }
    }
    if version <= version_named("v2beta29")
        && let Some(profiles) = document.at_path_mut(&["profiles"])
    {
        profiles.items_mut().iter_mut().for_each(patches);
    }
    Ok(())
}

fn version_named(name: &str) -> Version {
    version(name).expect("rules name versions that there are")
}

fn version_of(document: &Node) -> Result<Version, Fault> {
    let Some(node) = document.get("apiVersion") else {
        return Err(document.fault(Problem::MissingKey {
            key: "apiVersion",
            within: "this Skaffold configuration".to_owned(),
            example: "apiVersion: skaffold/v4beta14".to_owned(),
        }));
    };
    let text = node.as_text().unwrap_or_default();
    let known = text.strip_prefix("skaffold/").and_then(version);
    known.ok_or_else(|| node.wrong("a version from `skaffold/v1alpha1` to `skaffold/v4beta14`"))
}

fn artifacts(pipeline: &mut Node) -> &mut [Node] {
    match pipeline.at_path_mut(&["build", "artifacts"]) {
        Some(list) => list.items_mut(),
        None => &mut [],
    }
}

fn releases(pipeline: &mut Node) -> &mut [Node] {
    match pipeline.at_path_mut(&["deploy", "helm", "releases"]) {
        Some(list) => list.items_mut(),
        None => &mut [],
    }
}

/// v1alpha1: the policy is a word, manifests are lists with paths, an artifact has its Dockerfile.
fn tag_policy_and_manifests(pipeline: &mut Node) -> Result<(), Fault> {
    if let Some(policy) = pipeline.at_path_mut(&["build", "tagPolicy"])
        && let Some(name) = policy.as_text().map(str::to_owned)
    {
        let mut map = policy.map_here();
        map.put(&name, policy.map_here());
        *policy = map;
    }
    if let Some(deploy) = pipeline.at_path_mut(&["deploy"]) {
        deploy.take("name");
    }
    if let Some(manifests) = pipeline.at_path_mut(&["deploy", "kubectl", "manifests"]) {
        let paths: Vec<Node> = manifests
            .items()
            .iter()
            .flat_map(|item| match &item.kind {
                Kind::Map(_) => item.list_of("paths").to_vec(),
                _ => vec![item.clone()],
            })
            .collect();
        *manifests = manifests.list_here(paths);
    }
    for artifact in artifacts(pipeline) {
        for key in ["dockerfilePath", "buildArgs"] {
            if let Some((_, value)) = artifact.take(key) {
                artifact.put_path(&["docker", key], value);
            }
        }
    }
    Ok(())
}

/// The alphas' names; which of them had which matters to nobody any more.
fn names_of_the_alphas(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        artifact.rename("imageName", "image");
        artifact.rename("workspace", "context");
        if let Some(docker) = artifact.at_path_mut(&["docker"]) {
            docker.rename("dockerfilePath", "dockerfile");
        }
        if let Some(bazel) = artifact.at_path_mut(&["bazel"]) {
            bazel.rename("buildTarget", "target");
        }
    }
    if let Some(local) = pipeline.at_path_mut(&["build", "local"])
        && let Some((_, skip)) = local.take("skipPush")
    {
        let push = if skip.is_yes() { "false" } else { "true" };
        local.put("push", skip.text_here(push));
    }
    if let Some(build) = pipeline.at_path_mut(&["build"])
        && let Some((_, azure)) = build.take("acr")
    {
        return Err(azure.fault(Problem::Conflict {
            what: "`build.acr`, Azure's container build, is gone from Skaffold".to_owned(),
            help: "take it out".to_owned(),
        }));
    }
    for release in releases(pipeline) {
        if let Some((_, file)) = release.take("valuesFilePath") {
            let list = file.list_here(vec![file.clone()]);
            release.put("valuesFiles", list);
        }
    }
    if let Some(kustomize) = pipeline.at_path_mut(&["deploy", "kustomize"]) {
        kustomize.rename("kustomizePath", "path");
    }
    Ok(())
}

/// Up to v1beta6 kaniko was chosen for all artifacts at once.
fn kaniko(pipeline: &mut Node) -> Result<(), Fault> {
    let Some(build) = pipeline.at_path_mut(&["build"]) else { return Ok(()) };
    build.rename("kaniko", "cluster");
    Ok(())
}

/// Up to v1beta8 builders were plugins with properties.
fn plugins(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        let Some((_, plugin)) = artifact.take("plugin") else { continue };
        let Some(name @ ("docker" | "bazel")) = plugin.text_of("name") else { continue };
        let properties = plugin.get("properties").cloned();
        artifact.put(name, properties.unwrap_or_else(|| plugin.map_here()));
    }
    if let Some(build) = pipeline.at_path_mut(&["build"])
        && let Some((_, place)) = build.take("executionEnvironment")
        && let Some(name @ ("local" | "googleCloudBuild")) = place.text_of("name")
    {
        let properties = place.get("properties").cloned();
        build.put(name, properties.unwrap_or_else(|| place.map_here()));
    }
    Ok(())
}

/// What Skaffold dropped on the way to a newer version, and drops in silence.
fn gone(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        if let Some(kaniko) = artifact.at_path_mut(&["kaniko"]) {
            kaniko.take("flags");
            kaniko.take("buildContext");
        }
        if let Some(buildpacks) = artifact.at_path_mut(&["buildpacks"]) {
            buildpacks.take("forcePull");
        }
        // `auto: {}` asked for it.
        if let Some(auto) = artifact.at_path_mut(&["sync", "auto"])
            && matches!(auto.kind, Kind::Map(_))
        {
            *auto = auto.text_here("true");
        }
    }
    Ok(())
}

/// Up to v1beta9 `sync` was a map from source to destination.
fn sync_rules(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        let Some(sync) = artifact.at_path_mut(&["sync"]) else { continue };
        let Kind::Map(entries) = &sync.kind else { continue };
        let rules = entries.iter().map(|(source, destination)| {
            let mut rule = destination.map_here();
            rule.put("src", destination.text_here(source.text.replace("***", "**")));
            rule.put("dest", destination.clone());
            if let Some((strip, _)) = source.text.split_once("***") {
                rule.put("strip", destination.text_here(strip));
            }
            rule
        });
        let rules = sync.list_here(rules.collect());
        let mut new = sync.map_here();
        new.put("manual", rules);
        *sync = new;
    }
    Ok(())
}

/// Up to v1beta13 jib had a key for each build tool.
fn jib(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        artifact.rename("jibMaven", "jib");
        artifact.rename("jibGradle", "jib");
        if let Some(jib) = artifact.at_path_mut(&["jib"]) {
            jib.rename("module", "project");
            jib.rename("flags", "args");
            if let Some((_, profile)) = jib.take("profile") {
                let flag = format!("--activate-profiles={}", profile.as_text().unwrap_or_default());
                let mut args = vec![profile.text_here(flag)];
                args.extend(jib.list_of("args").iter().cloned());
                jib.put("args", profile.list_here(args));
            }
        }
    }
    Ok(())
}

fn buildpacks(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        artifact.rename("buildpack", "buildpacks");
        if let Some(jib) = artifact.at_path_mut(&["jib"]) {
            jib.rename("flags", "args");
        }
    }
    Ok(())
}

/// Up to v2beta3 a release's images were its `values`.
fn artifact_overrides(pipeline: &mut Node) -> Result<(), Fault> {
    for release in releases(pipeline) {
        release.rename("values", "artifactOverrides");
    }
    Ok(())
}

/// A single `secret` of a Docker build became a list.
fn secrets(pipeline: &mut Node) -> Result<(), Fault> {
    for artifact in artifacts(pipeline) {
        if let Some(docker) = artifact.at_path_mut(&["docker"])
            && let Some((_, secret)) = docker.take("secret")
        {
            docker.put("secrets", secret.list_here(vec![secret.clone()]));
        }
    }
    Ok(())
}

/// `remote: true` made `chartPath` the name of a chart elsewhere.
fn remote_charts(pipeline: &mut Node) -> Result<(), Fault> {
    for release in releases(pipeline) {
        let remote = release.take("remote").is_some_and(|(_, remote)| remote.is_yes());
        if remote {
            release.rename("chartPath", "remoteChart");
        }
    }
    Ok(())
}

/// `artifactOverrides` and `imageStrategy` became templates of values.
fn image_strategy(pipeline: &mut Node) -> Result<(), Fault> {
    for release in releases(pipeline) {
        let strategy = release.take("imageStrategy").map(|(_, strategy)| strategy);
        let helm = strategy.as_ref().and_then(|strategy| strategy.at_path(&["helm"]));
        // `helm: {}` and `helm:` alone both choose the convention.
        let chosen = strategy.as_ref().is_some_and(
            |strategy| matches!(&strategy.kind, Kind::Map(keys) if keys.iter().any(|(key, _)| key.text == "helm")),
        );
        let explicit = helm.and_then(|helm| helm.get("explicitRegistry")).is_some_and(Node::is_yes);
        let Some((_, overrides)) = release.take("artifactOverrides") else { continue };
        let mut flat = Vec::new();
        super::releases::flatten("", &overrides, &mut flat);
        for (key, image) in flat {
            let name = image.as_text().unwrap_or_default();
            let suffix = super::releases::variable_suffix(name);
            let mut put = |key: String, template: String| {
                let mut path = vec!["setValueTemplates"];
                path.push(&key);
                release.put_path(&path, image.text_here(template));
            };
            if !chosen {
                put(key, format!("{{{{.IMAGE_FULLY_QUALIFIED_{suffix}}}}}"));
                continue;
            }
            let repository = if explicit { "IMAGE_REPO_NO_DOMAIN" } else { "IMAGE_REPO" };
            if explicit {
                put(format!("{key}.registry"), format!("{{{{.IMAGE_DOMAIN_{suffix}}}}}"));
            }
            put(format!("{key}.repository"), format!("{{{{.{repository}_{suffix}}}}}"));
            put(
                format!("{key}.tag"),
                format!("{{{{.IMAGE_TAG_{suffix}}}}}@{{{{.IMAGE_DIGEST_{suffix}}}}}"),
            );
        }
    }
    Ok(())
}

/// Up to v2beta29 what is rendered stood under what deploys it.
fn manifests(pipeline: &mut Node) -> Result<(), Fault> {
    if let Some(kubectl) = pipeline.at_path_mut(&["deploy", "kubectl"])
        && let Some((_, files)) = kubectl.take("manifests")
    {
        pipeline.put_path(&["manifests", "rawYaml"], files);
    }
    let Some(deploy) = pipeline.at_path_mut(&["deploy"]) else { return Ok(()) };
    let is_there = matches!(&deploy.kind, Kind::Map(keys) if keys.iter().any(|(key, _)| key.text == "kustomize"));
    if !is_there {
        return Ok(());
    }
    let mut kustomize = deploy.take("kustomize").map_or_else(made_map, |(_, node)| node);
    if let Some((_, path)) = kustomize.take("path") {
        let paths = match &path.kind {
            Kind::List(_) => path,
            _ => path.list_here(vec![path.clone()]),
        };
        kustomize.put("paths", paths);
    }
    if kustomize.list_of("paths").is_empty() {
        kustomize.put("paths", kustomize.list_here(vec![kustomize.text_here(".")]));
    }
    let mut kubectl = kustomize.map_here();
    for key in ["flags", "defaultNamespace", "hooks"] {
        if let Some((_, value)) = kustomize.take(key) {
            kubectl.put(key, value);
        }
    }
    if deploy.get("kubectl").is_none() {
        deploy.put("kubectl", kubectl);
    }
    pipeline.put_path(&["manifests", "kustomize"], kustomize);
    Ok(())
}

/// Patches of older files name the places that moved.
fn patches(profile: &mut Node) {
    const MOVED: &[(&str, &str)] = &[
        ("/deploy/kubectl/manifests", "/manifests/rawYaml"),
        ("/deploy/kustomize/paths", "/manifests/kustomize/paths"),
        ("/deploy/kustomize/buildArgs", "/manifests/kustomize/buildArgs"),
    ];
    let Some(patches) = profile.at_path_mut(&["patches"]) else { return };
    for patch in patches.items_mut() {
        for key in ["path", "from"] {
            if let Some(node) = patch.at_path_mut(&[key])
                && let Some(path) = node.as_text()
            {
                let path = MOVED
                    .iter()
                    .fold(path.to_owned(), |path, (before, after)| path.replace(before, after));
                *node = node.text_here(path);
            }
        }
    }
}

#[cfg(test)]
pub(super) fn all() -> Vec<String> {
    names().map(|name| format!("skaffold/{name}")).collect()
}
