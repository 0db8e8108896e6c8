//! Hooks around builds and deploys.

use std::path::Path;

use super::super::error::Problem;
use super::super::node::{Fault, Node};
use super::super::resolve::absolute;
use super::tree::made_map;

/// The systems by the names that Go has for them.
const SYSTEM: &str = if cfg!(target_os = "macos") {
    "darwin"
} else if cfg!(target_os = "windows") {
    "windows"
} else {
    "linux"
};

/// `hooks` of something, as an entry of `wharf.yaml` has them; nothing where none is for here.
///
/// A hook without a folder of its own runs in `usual`; folders are relative to `dir`.
pub(super) fn hooks(node: &Node, dir: &Path, usual: &Path) -> Result<Node, Fault> {
    let mut out = made_map();
    for key in ["before", "after"] {
        let mut hooks = Vec::new();
        for item in node.list_of(key) {
            hooks.extend(one(item, dir, usual)?);
        }
        if let (Some(list), false) = (node.get(key), hooks.is_empty()) {
            out.put(key, list.list_here(hooks));
        }
    }
    Ok(out)
}

fn one(item: &Node, dir: &Path, usual: &Path) -> Result<Option<Node>, Fault> {
    let mut out = item.map_here();
    let missing = |node: &Node| {
        node.fault(Problem::MissingKey {
            key: "command",
            within: "this hook".to_owned(),
            example: "command: [sh, -c, COMMAND]".to_owned(),
        })
    };
    let command = |node: &Node| {
        node.get("command")
            .filter(|command| !command.is_vacant())
            .cloned()
            .ok_or_else(|| missing(node))
    };
    if let Some(container) = item.get("container") {
        out.put("command", command(container)?);
        for (key, own) in [("podName", "pod"), ("containerName", "container")] {
            let all = container.text_here("*");
            let glob = container.get(key).filter(|glob| !glob.is_vacant());
            if key == "podName" || glob.is_some() {
                out.put(own, glob.unwrap_or(&all).clone());
            }
        }
        return Ok(Some(out));
    }
    // Around builds a hook is written without `host:`.
    let host = item.get("host").unwrap_or(item);
    let systems = host.list_of("os");
    if !systems.is_empty() && !systems.iter().any(|system| system.as_text() == Some(SYSTEM)) {
        return Ok(None);
    }
    out.put("command", command(host)?);
    let folder = match host.get("dir").filter(|folder| !folder.is_vacant()) {
        Some(folder) => {
            let path = absolute(dir, Path::new(folder.as_text().unwrap_or_default()));
            folder.text_here(path.display().to_string())
        }
        None => host.text_here(usual.display().to_string()),
    };
    out.put("dir", folder);
    Ok(Some(out))
}

/// Lays the hooks of a deployer around all that it deploys: what is before comes before the first
/// of `entries`, what is after behind the last.
pub(super) fn around(hooks: &Node, entries: &mut [(Node, Node)]) {
    let has = |key: &str| hooks.get(key).is_some_and(|hooks| !hooks.is_vacant());
    let names: Vec<Node> = entries.iter().map(|(name, _)| name.clone()).collect();
    let last = names.len().saturating_sub(1);
    for (index, (_, entry)) in entries.iter_mut().enumerate() {
        for (key, place) in [("before", 0), ("after", last)] {
            if let (true, true, Some(list)) = (has(key), index == place, hooks.get(key)) {
                entry.put_path(&["hooks", key], list.clone());
            }
        }
        let mut after = entry.list_of("after").to_vec();
        if has("before") && index > 0 {
            after.push(names[0].clone());
        }
        if has("after") && index == last {
            after.extend(names[..last].iter().cloned());
        }
        if !after.is_empty() {
            let mut seen = std::collections::BTreeSet::new();
            after.retain(|name| seen.insert(name.as_text().unwrap_or_default().to_owned()));
            let list = entry.list_here(after);
            entry.put("after", list);
        }
    }
}
