//! What configurations render to, compared with the objects that are expected.
//!
//! The cases stand in `render.txt`: as those of the other tables, with `--- file PATH` for what
//! lies beside the configuration, and `--- yaml` or `--- error` for what must come out. Every image
//! gets the tag `t1`. Each case runs once more without its marked lines, and must differ then.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use wharf::config::load;
use wharf::graph::Graph;
use wharf::model::{Delivery, Namespace, Project, Tag};
use wharf::render::{RenderScope, render, uses};
use wharf::tools::Tools;

use super::request;

const TABLE: &str = include_str!("render.txt");

#[derive(Debug, Default)]
struct Case {
    name: String,
    flags: Vec<String>,
    /// The configuration and what lies beside it, marked lines included.
    files: Vec<(String, String)>,
    yaml: Option<String>,
    error: Option<String>,
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for text in TABLE.split("\n=== ").skip(1) {
        let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut case = Case { name: name.trim().to_owned(), ..Case::default() };
        let mut section = "file skaffold.yaml".to_owned();
        for line in rest.lines() {
            if let Some(next) = line.strip_prefix("--- ") {
                section = next.trim().to_owned();
                continue;
            }
            let line = format!("{line}\n");
            match section.split_once(' ') {
                Some((_, "skaffold.yaml")) if line.starts_with("$ ") => {
                    case.flags.push(line[2..].trim().to_owned());
                }
                Some(("file", path)) => match case.files.last_mut() {
                    Some((last, text)) if last == path => text.push_str(&line),
                    _ => case.files.push((path.to_owned(), line)),
                },
                _ if section == "yaml" => case.yaml.get_or_insert_default().push_str(&line),
                _ if section == "error" => case.error.get_or_insert_default().push_str(&line),
                _ => panic!("`{}` has a section `{section}`", case.name),
            }
        }
        all.push(case);
    }
    all
}

impl Case {
    /// Whether another program renders it.
    fn needs_tools(&self) -> bool {
        let text = &self.files[0].1;
        text.contains("helm:") || text.contains("kustomize:")
    }

    async fn run(&self, with: bool) -> Result<Vec<Value>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let lines = text.lines().filter(|line| with || !line.ends_with("#<"));
            let lines = lines.map(|line| line.trim_end_matches("#<").trim_end());
            let mut text: String = lines.map(|line| format!("{line}\n")).collect();
            if path == "skaffold.yaml" {
                text = format!("apiVersion: skaffold/v4beta14\nkind: Config\n{text}");
            }
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut request = request(folder.path());
        for flag in &self.flags {
            let (name, value) = flag.split_once('=').unwrap();
            request.environment.insert(name.to_owned(), value.to_owned());
        }
        let loaded = load(&request).map_err(|error| {
            let failure = error.failure();
            [vec![failure.what], failure.why, failure.help].concat().join("\n")
        })?;
        rendered(&loaded.project, folder.path()).await
    }

    fn fits(&self, outcome: &Result<Vec<Value>, String>) -> Result<(), String> {
        match (outcome, &self.yaml, &self.error) {
            (Ok(objects), Some(yaml), None) => {
                let expected = sorted(documents(yaml));
                if *objects == expected {
                    return Ok(());
                }
                let text = |objects: &[Value]| wharf::render::to_yaml(objects);
                Err(format!("expected\n{}\nbut there is\n{}", text(&expected), text(objects)))
            }
            (Err(said), None, Some(error)) => {
                let missing = error.lines().find(|part| !said.contains(part.trim()));
                missing.map_or(Ok(()), |part| Err(format!("`{part}` is not in\n{said}")))
            }
            (Err(said), ..) => Err(format!("it is refused:\n{said}")),
            (Ok(objects), ..) => {
                Err(format!("it is not refused:\n{}", wharf::render::to_yaml(objects)))
            }
        }
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    let parts = format!("\n{yaml}");
    let parts = parts.split("\n---\n").filter(|part| !part.trim().is_empty());
    parts
        .map(|part| serde_saphyr::from_str(part).unwrap_or_else(|e| panic!("{e}\n{part}")))
        .collect()
}

fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    objects
}

async fn rendered(project: &Project, folder: &Path) -> Result<Vec<Value>, String> {
    let tools = Tools::new(std::env::vars_os().collect());
    let namespace = Namespace::parse("default").unwrap();
    let scope = RenderScope::new(tools, namespace, Delivery::Load, folder.to_path_buf());
    let tag = Tag::parse("t1").unwrap();
    let images: BTreeMap<_, _> = project
        .artifacts
        .keys()
        .map(|name| (name.clone(), project.image(name, tag.clone())))
        .collect();
    Graph::new(project).map_err(|error| error.failure().what)?;
    let mut objects = Vec::new();
    for release in project.releases.values() {
        let said = |error: wharf::render::RenderError| {
            let failure = error.failure();
            [vec![failure.what], failure.why, failure.help].concat().join("\n")
        };
        let shape = uses(&scope, release, &images).await.map_err(said)?;
        let made = render(&scope, release, &shape, &images).await.map_err(said)?;
        objects.extend(made.objects);
        objects.extend(made.hooks);
    }
    Ok(sorted(objects))
}

async fn check(cases: impl Iterator<Item = Case>) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for case in cases {
        count += 1;
        if let Err(difference) = case.fits(&case.run(true).await) {
            wrong.push(format!("{}: {difference}", case.name));
        }
        let is_marked = case.files.iter().any(|(_, text)| text.lines().any(|l| l.ends_with("#<")));
        if is_marked && case.fits(&case.run(false).await).is_ok() {
            wrong.push(format!("{}: the same without the field that it is about", case.name));
        }
    }
    assert!(count > 0);
    assert!(wrong.is_empty(), "{} of {count}:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn plain_manifests_render_as_expected() {
    check(cases().into_iter().filter(|case| !case.needs_tools())).await;
}

#[tokio::test]
#[ignore = "needs helm and kubectl"]
async fn charts_and_kustomizations_render_as_expected() {
    check(cases().into_iter().filter(Case::needs_tools)).await;
}
