//! `.helmignore`: which files of a folder belong to the chart.
//!
//! Helm's own rules (`pkg/ignore`), which are not Git's: the first matching rule decides, a rule
//! with a slash matches the whole path, one without the name, and a negated rule ignores
//! everything that it does not match.

use globset::{GlobBuilder, GlobMatcher};

/// The rules of one chart.
#[derive(Debug, Clone, Default)]
pub(super) struct IgnoreRules(Vec<IgnoreRule>);

#[derive(Debug, Clone)]
struct IgnoreRule {
    matcher: GlobMatcher,
    whole_path: bool,
    folders_only: bool,
    negated: bool,
}

impl IgnoreRules {
    /// Reads the text of a `.helmignore`, with Helm's default rule added. A rule that Helm refuses
    /// counts as absent: Helm will say so itself.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self(text.lines().chain(["templates/.?*"]).filter_map(rule).collect())
    }

    /// Whether the file or folder at `path` (relative, with `/`) is left out.
    pub(super) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        for rule in &self.0 {
            let matches = rule.matcher.is_match(if rule.whole_path { path } else { name });
            if rule.negated {
                if (rule.folders_only && !is_folder) || !matches {
                    return true;
                }
            } else if matches && (is_folder || !rule.folders_only) {
                return true;
            }
        }
        false
    }
}

fn rule(line: &str) -> Option<IgnoreRule> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') || line.contains("**") {
        return None;
    }
    let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (folders_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
    let whole_path = line.contains('/');
    // Go's patterns know no alternatives.
    let pattern = line.strip_prefix('/').unwrap_or(line).replace('{', "[{]").replace('}', "[}]");
    let matcher =
        GlobBuilder::new(&pattern).literal_separator(true).build().ok()?.compile_matcher();
    Some(IgnoreRule { matcher, whole_path, folders_only, negated })
}
