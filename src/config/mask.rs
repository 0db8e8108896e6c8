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

/// `text` with `***` for what is secret inside of it: passwords in URLs, the values of words such
/// as `TOKEN=x`, `--password=x` and `--password x`, and what stands behind `Bearer`; `None` where
/// there is none.
pub(super) fn without_secrets(text: &str) -> Option<String> {
    let masked = without_passwords(text).unwrap_or_else(|| text.to_owned());
    let masked = with_words(&masked);
    (masked != text).then_some(masked)
}

/// Stars the values of secret words.
fn with_words(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let (word, behind) = rest.split_at(rest.find(|c: char| !is_name(c)).unwrap_or(rest.len()));
        out.push_str(word);
        rest = behind;
        let between = behind.len() - behind.trim_start_matches([' ', '\t']).len();
        let next = &behind[between..];
        let is_assigned = behind.starts_with(['=', ':']);
        let is_header = word.eq_ignore_ascii_case("authorization") && behind.starts_with(':');
        // Where the value begins: behind `=`, or as the next word.
        let value = if is_header {
            1 + behind[1..].len() - behind[1..].trim_start().len()
        } else if behind.starts_with('=') && sounds_secret(word) {
            1
        } else if between > 0
            && !is_assigned
            && !next.starts_with('-')
            && (word.eq_ignore_ascii_case("bearer")
                || word.starts_with("--") && sounds_secret(word))
        {
            between
        } else {
            continue;
        };
        let (before, behind) = behind.split_at(value);
        let end = if is_header {
            behind.find(['"', '\'']).unwrap_or(behind.len())
        } else {
            value_end(behind)
        };
        out.push_str(before);
        out.push_str(if end > 0 { "***" } else { "" });
        rest = &behind[end..];
    }
    out.push_str(rest);
    out
}

/// Where a word of a command line that begins `text` ends.
fn value_end(text: &str) -> usize {
    match text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) => text[1..].find(quote).map_or(text.len(), |end| end + 2),
        None => text.find(|c: char| c.is_whitespace() || "\"'".contains(c)).unwrap_or(text.len()),
    }
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

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn secrets_inside_of_texts_are_starred() {
        for (text, masked) in [
            ("make TOKEN=hunter2 all", "make TOKEN=*** all"),
            ("--password=hunter2,x", "--password=***"),
            ("--set auth.password=hunter2", "--set auth.password=***"),
            ("login --password hunter2 -u me", "login --password *** -u me"),
            ("DB_PASSWORD='hunter 2' run", "DB_PASSWORD=*** run"),
            ("curl -H 'Authorization: Bearer hunter2' x", "curl -H 'Authorization: ***' x"),
            ("authorization: basic hunter2", "authorization: ***"),
            ("Bearer hunter2", "Bearer ***"),
            ("psql postgres://me:hunter2@db/x", "psql postgres://me:***@db/x"),
        ] {
            assert_eq!(without_secrets(text).as_deref(), Some(masked), "{text}");
        }
        for text in [
            "make VERSION=1 all",
            "--password-stdin -u me",
            "--token",
            "a: b",
            "image: web:1",
            "http://x/?a=b",
            "",
        ] {
            assert_eq!(without_secrets(text), None, "{text}");
        }
    }
}
