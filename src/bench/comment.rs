//! An edit that changes nothing but the file: what it builds or runs stays the same.

use std::path::Path;

/// `original` with its `nth` edit: a comment at the end where the file's name says what a comment
/// looks like, and otherwise as many empty lines, which nearly every text bears. `None` for what is
/// no text.
pub(super) fn edited(original: &[u8], path: &Path, nth: usize) -> Option<Vec<u8>> {
    if original.contains(&0) || std::str::from_utf8(original).is_err() {
        return None;
    }
    // A file with lines that end in CR LF keeps to it.
    let end = if original.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
    let mut text = original.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.extend(end.as_bytes());
    }
    match marks(path) {
        Some((open, close)) => {
            text.extend(format!("{open} wharf bench: edit {nth}{close}{end}").as_bytes());
        }
        None => text.extend(end.repeat(nth).as_bytes()),
    }
    Some(text)
}

/// How a comment on a line of its own begins and ends.
fn marks(path: &Path) -> Option<(&'static str, &'static str)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    if name == "dockerfile" || name.starts_with("dockerfile.") || name == "makefile" {
        return Some(("#", ""));
    }
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension {
        "py" | "rb" | "sh" | "bash" | "yaml" | "yml" | "toml" | "pl" | "r" | "ex" | "exs"
        | "dockerfile" | "properties" | "tf" | "conf" | "mk" | "nim" | "jl" => ("#", ""),
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" | "go" | "rs" | "java"
        | "kt" | "kts" | "scala" | "c" | "h" | "cc" | "cpp" | "hpp" | "cs" | "swift" | "dart"
        | "zig" | "proto" | "groovy" | "gradle" | "scss" | "less" => ("//", ""),
        "css" => ("/*", " */"),
        "sql" | "lua" | "hs" | "elm" => ("--", ""),
        "html" | "htm" | "xml" | "svg" | "vue" | "svelte" | "md" => ("<!--", " -->"),
        "clj" | "cljs" | "lisp" => (";;", ""),
        "erl" => ("%", ""),
        _ => return None,
    })
}
