//! `skaffold.env`: variables beside those of the environment, which win.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file's name; it lies in the folder that the command is started in.
const NAME: &str = "skaffold.env";

/// The file, where there is one.
pub(super) fn file(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(NAME)).filter(|path| path.is_file())
}

/// `environment`, with what it lacks out of the file.
pub(super) fn with_file(
    dir: &Path,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let text = file(dir).and_then(|path| super::disk::text(&path).ok()).unwrap_or_default();
    let mut out = variables(&text);
    out.extend(environment.clone());
    out
}

pub(super) fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').or_else(|| line.split_once(": "))?;
        Some((name.trim().to_owned(), unquoted(value.trim())))
    });
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote))
        {
            return if quote == '"' { inner.replace("\\n", "\n") } else { inner.to_owned() };
        }
    }
    // Without quotes a `#` after a space begins a remark.
    value.split(" #").next().unwrap_or_default().trim_end().to_owned()
}
