//! `test`, `verify` and `customActions`: what is run to its end beside the loop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Action, ActionContainer, ActionPlace, Checks, ImageTest};

use super::super::disk;
use super::super::error::{ConfigError, Problem};
use super::super::node::{Fault, Node};
use super::super::resolve::{absolute, is_glob};
use super::builders::{with_tool, word};
use super::images::repository;
use super::modules::Module;
use super::templates::Templates;
use super::{ConfigRequest, reading};

/// Reads them of all modules.
pub(in crate::config) fn checks(
    path: &Path,
    request: &ConfigRequest,
) -> Result<Checks, ConfigError> {
    let reading = reading(path, request)?;
    let templates = Templates::new(&reading.environment, &request.dir);
    let mut out = Checks::default();
    let read = || -> Result<Checks, Fault> {
        for module in &reading.modules {
            out.tests.extend(tests(&templates, module)?);
            for entry in module.document.list_of("verify") {
                let containers = vec![container(entry.get("container").unwrap_or(entry))?];
                out.verify.push(action(module, entry, containers)?);
            }
            for entry in module.document.list_of("customActions") {
                let containers =
                    entry.list_of("containers").iter().map(container).collect::<Result<_, _>>()?;
                out.actions.push(action(module, entry, containers)?);
            }
        }
        Ok(out)
    };
    read().map_err(|fault| reading.sources.placed(fault))
}

/// The tests of a module, each as a command of a shell with the image as `$IMAGE`.
pub(super) fn tests(templates: &Templates<'_>, module: &Module) -> Result<Vec<ImageTest>, Fault> {
    let mut out = Vec::new();
    for entry in module.document.list_of("test") {
        let image = needed(entry, "image", "this test", "image: NAME")?;
        let image = repository(image.as_text().unwrap_or_default()).to_owned();
        let context = entry.text_of("context").unwrap_or(".");
        let dir = absolute(&module.dir, Path::new(context));
        let one = |command: String, limit| ImageTest {
            image: image.clone(),
            command,
            dir: dir.clone(),
            limit,
        };
        for custom in entry.list_of("custom") {
            let command = needed(custom, "command", "this test", "command: ./test.sh")?;
            let command = templates.expand(command)?.as_text().unwrap_or_default().to_owned();
            out.push(one(command, limit(custom, "timeoutSeconds")));
        }
        let mut files = Vec::new();
        for file in entry.list_of("structureTests") {
            let text = file.as_text().unwrap_or_default();
            let path = absolute(&dir, Path::new(text));
            let found = found(&path, is_glob(text));
            if found.is_empty() {
                return Err(file.fault(Problem::MissingPath {
                    sort: "structure test",
                    path: text.to_owned(),
                    suggestion: None,
                    help: "the path is relative to the `context` of the test".to_owned(),
                }));
            }
            files.extend(found);
        }
        if !files.is_empty() {
            let args = entry.list_of("structureTestsArgs").iter().filter_map(Node::as_text);
            let args: String = args.map(|arg| format!(" {}", word(arg))).collect();
            let files: String = files
                .iter()
                .map(|file| format!(" --config {}", word(&file.display().to_string())))
                .collect();
            let command =
                format!("container-structure-test test -v warn --image \"$IMAGE\"{files}{args}");
            let home = "https://github.com/GoogleContainerTools/container-structure-test";
            let command = with_tool("container-structure-test", "structure tests", home, &command);
            // What checks images tells their failure by what it prints.
            out.push(one(command.replace("which builds", "which runs"), None));
        }
    }
    Ok(out)
}

fn found(path: &Path, is_glob: bool) -> Vec<PathBuf> {
    match is_glob {
        true => disk::files_matching(path),
        false => Some(path.to_path_buf()).filter(|path| path.is_file()).into_iter().collect(),
    }
}

fn action(
    module: &Module,
    entry: &Node,
    containers: Vec<ActionContainer>,
) -> Result<Action, Fault> {
    let name = needed(entry, "name", "this entry", "name: NAME")?;
    let name = name.as_text().unwrap_or_default().to_owned();
    let mode = entry.get("executionMode");
    let place = match mode.filter(|mode| mode.has("kubernetesCluster")) {
        None => ActionPlace::Local,
        Some(mode) => {
            let nothing = mode.map_here();
            let cluster = mode.get("kubernetesCluster").unwrap_or(&nothing);
            ActionPlace::Cluster { job: job(module, cluster)?, overrides: overrides(cluster)? }
        }
    };
    let fail_fast = entry.get("failFast").and_then(Node::truth).unwrap_or(true);
    Ok(Action { name, containers, fail_fast, limit: limit(entry, "timeout"), place })
}

fn job(module: &Module, cluster: &Node) -> Result<Option<serde_json::Value>, Fault> {
    let Some(node) = cluster.get("jobManifestPath").filter(|node| !node.is_vacant()) else {
        return Ok(None);
    };
    let text = node.as_text().unwrap_or_default();
    let path = absolute(&module.dir, Path::new(text));
    let refuse = |what: String| {
        Err(node.fault(Problem::Conflict { what, help: "it names a file with a Job".to_owned() }))
    };
    let Ok(manifest) = disk::text(&path) else {
        return refuse(format!("`{text}` cannot be read"));
    };
    match serde_saphyr::from_str::<serde_json::Value>(&manifest) {
        Ok(job) if job["kind"] == "Job" => Ok(Some(job)),
        Ok(_) => refuse(format!("`{text}` is no Job")),
        Err(error) => refuse(format!("`{text}` is no YAML: {error}")),
    }
}

fn overrides(cluster: &Node) -> Result<Option<serde_json::Value>, Fault> {
    let Some(node) = cluster.get("overrides").filter(|node| !node.is_vacant()) else {
        return Ok(None);
    };
    let text = node.as_text().unwrap_or_default();
    match serde_saphyr::from_str::<serde_json::Value>(text) {
        Ok(value) if value.is_object() => Ok(Some(value)),
        _ => Err(node.wrong("a JSON object, such as `{\"spec\": {\"nodeSelector\": {}}}`")),
    }
}

fn container(node: &Node) -> Result<ActionContainer, Fault> {
    let texts = |key: &str| -> Vec<String> {
        node.list_of(key).iter().filter_map(Node::as_text).map(str::to_owned).collect()
    };
    let image = needed(node, "image", "this container", "image: NAME")?;
    let image = image.as_text().unwrap_or_default().to_owned();
    let name = needed(node, "name", "this container", "name: NAME")?;
    let mut env = Vec::new();
    for variable in node.list_of("env") {
        let name = needed(variable, "name", "this variable", "name: NAME")?;
        let value = variable.text_of("value").unwrap_or_default().to_owned();
        env.push((name.as_text().unwrap_or_default().to_owned(), value));
    }
    Ok(ActionContainer {
        name: name.as_text().unwrap_or_default().to_owned(),
        image,
        command: texts("command"),
        args: texts("args"),
        env,
    })
}

fn needed<'n>(
    node: &'n Node,
    key: &'static str,
    within: &str,
    example: &str,
) -> Result<&'n Node, Fault> {
    node.get(key).filter(|value| !value.is_vacant()).ok_or_else(|| {
        let (within, example) = (within.to_owned(), example.to_owned());
        node.fault(Problem::MissingKey { key, within, example })
    })
}

fn limit(node: &Node, key: &str) -> Option<Duration> {
    let seconds = node.text_of(key)?.parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
