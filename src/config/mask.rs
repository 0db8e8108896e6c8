//! Hides what should not be shown: values under keys that sound like secrets.

/// Whether a key, an argument or a variable of this name is likely to hold a secret.
#[must_use]
pub fn sounds_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let folded: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    let inside = ["password", "passwd", "token", "secret", "credential", "apikey", "privatekey"];
    let ends = ["key", "pass", "pwd", "dsn"];
    // These name a thing of the project, not its content.
    let harmless = ["secrets", "publickey", "secretname", "existingsecret", "pullsecrets"];
    !harmless.iter().any(|word| folded.ends_with(word))
        && (inside.iter().any(|word| folded.contains(word))
            || ends.iter().any(|word| folded.ends_with(word)))
}

/// The text of a file with secrets starred out, byte for byte as long as before.
///
/// Works on lines, so that it also serves files that are no YAML: what stands after
/// `password:` on its line goes, and so do the more indented lines below.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hidden_below: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if let Some(outer) = hidden_below {
            if line.trim().is_empty() || indent > outer {
                out.push_str(&starred(line));
                continue;
            }
            hidden_below = None;
        }
        let mut shown = String::new();
        let mut rest = line;
        while let Some(colon) = rest.find(':') {
            let (before, after) = rest.split_at(colon + 1);
            shown.push_str(before);
            rest = after;
            let key = before[..colon]
                .rsplit(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)))
                .find(|word| !word.is_empty())
                .unwrap_or_default();
            let is_value = after.starts_with([' ', '\n', '\r']) || after.is_empty();
            if is_value && sounds_secret(key) {
                let flow = line[..line.len() - rest.len()].contains(['{', '[']);
                let end = if flow { flow_end(rest) } else { rest.len() };
                shown.push_str(&starred(&rest[..end]));
                rest = &rest[end..];
                if !flow {
                    hidden_below = Some(indent);
                }
            }
        }
        out.push_str(&shown);
        out.push_str(rest);
    }
    with_passwords(&out, starred).unwrap_or(out)
}

/// `text` with `***` for each password in a URL; `None` where there is none.
pub(super) fn without_passwords(text: &str) -> Option<String> {
    with_passwords(text, |_| "***".to_owned())
}

/// Replaces the password of each `scheme://user:password@host`.
fn with_passwords(text: &str, instead: impl Fn(&str) -> String) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c));
        let authority = &after[..end.unwrap_or(after.len())];
        if let Some((login, _)) = authority.rsplit_once('@')
            && let Some((user, password)) = login.split_once(':')
        {
            out.push_str(user);
            out.push(':');
            out.push_str(&instead(password));
            rest = &after[login.len()..];
        } else {
            rest = after;
        }
    }
    let is_changed = rest.len() != text.len() && !out.is_empty();
    out.push_str(rest);
    (is_changed && out != text).then_some(out)
}

/// Where the value that begins `rest` ends in a flow map: at a comma or bracket outside quotes.
fn flow_end(rest: &str) -> usize {
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if matches!(c, ',' | '}' | ']') => return at,
            None => {}
        }
    }
    rest.len()
}

fn starred(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) })
        .collect()
}
