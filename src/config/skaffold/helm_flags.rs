//! Flags for Helm: those that have a key of `wharf.yaml` are read, those that wharf sets itself are
//! left out, the others go to Helm as they are, unless a release may not have them.

use std::path::Path;

use super::super::node::{Fault, Node};
use super::super::resolve::absolute;

/// What wharf does by itself.
const OWN: &[&str] = &[
    "--install",
    "-i",
    "--create-namespace",
    "--wait",
    "--wait-for-jobs",
    "--debug",
    "--dependency-update",
    "--skip-refresh",
    "--reset-values",
    "--history-max",
    "--cleanup-on-fail",
    "--include-crds",
    "--skip-tests",
    "--replace",
    "--generate-name",
    "-g",
    "--name-template",
    "--release-name",
    "--output-dir",
];

/// Flags that take a value in a word of its own.
const WITH_VALUE: &[&str] = &[
    "--set",
    "--set-string",
    "--set-json",
    "--set-literal",
    "--set-file",
    "--values",
    "-f",
    "--timeout",
    "--history-max",
    "--username",
    "--password",
    "--ca-file",
    "--cert-file",
    "--key-file",
    "--keyring",
    "--registry-config",
    "--repository-cache",
    "--repository-config",
    "--description",
    "--labels",
    "-l",
    "--burst-limit",
    "--qps",
    "--repo",
    "--version",
    "--namespace",
    "-n",
    "--name-template",
    "--output-dir",
    "--kube-version",
    "--api-versions",
    "-a",
    "--show-only",
    "-s",
];

/// Reads the flags of `helm` into `out`; `dir` is what paths are relative to.
pub(super) fn helm_flags(out: &mut Node, helm: &Node, dir: &Path) -> Result<(), Fault> {
    let Some(flags) = helm.get("flags") else { return Ok(()) };
    let mut passed: Vec<Node> = Vec::new();
    for section in ["global", "install", "upgrade", "template"] {
        let mut items = flags.list_of(section).iter();
        while let Some(item) = items.next() {
            let text = item.as_text().unwrap_or_default().trim();
            let (flag, mut value) = match text.split_once(['=', ' ']) {
                Some((flag, value)) if flag.starts_with('-') => (flag, Some(value.to_owned())),
                _ => (text, None),
            };
            if value.is_none() && WITH_VALUE.contains(&flag) {
                value = items.next().and_then(Node::as_text).map(str::to_owned);
            }
            match flag {
                "" => {}
                "--atomic" | "--rollback-on-failure" => {
                    let on = value.as_deref() != Some("false");
                    out.put("rollbackOnFailure", item.text_here(on.to_string()));
                }
                "--namespace" | "-n" => {
                    if out.get("namespace").is_none() {
                        let namespace = value.unwrap_or_default();
                        out.put("namespace", item.text_here(namespace));
                    }
                }
                "--skip-crds" => out.put("skipCrds", item.text_here("true")),
                "--timeout" => {
                    let limit = value.unwrap_or_default();
                    out.put_path(&["wait", "timeout"], item.text_here(limit));
                }
                "-f" | "--values" => {
                    let path = absolute(dir, Path::new(value.as_deref().unwrap_or_default()));
                    let mut files = out.list_of("values").to_vec();
                    files.push(item.text_here(path.display().to_string()));
                    out.put("values", item.list_here(files));
                }
                flag if OWN.contains(&flag) => {}
                flag => {
                    let words = std::iter::once(flag.to_owned()).chain(value);
                    let words: Vec<String> = words.collect();
                    let is_there = passed.windows(words.len()).any(|window| {
                        window.iter().map(Node::as_text).eq(words.iter().map(|w| Some(w.as_str())))
                    });
                    if !is_there {
                        passed.extend(words.into_iter().map(|word| item.text_here(word)));
                    }
                }
            }
        }
    }
    if !passed.is_empty() {
        out.put("flags", flags.list_here(passed));
    }
    Ok(())
}
