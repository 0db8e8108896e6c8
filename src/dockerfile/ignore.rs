//! `.dockerignore`: which files of a context a build never sees.
//!
//! The lines are read as <https://github.com/moby/patternmatcher> (ignorefile) does, and applied
//! as BuildKit's file transfer does while it walks: a folder's verdict, pattern by pattern, is
//! carried to what lies in it (`MatchesUsingParentResults`;
//! <https://github.com/tonistiigi/fsutil/blob/master/filter.go>).

use crate::files::{Filter, Keep};

use super::pattern::{BadPattern, Pattern, clean};

/// The patterns of an ignore file, in order: the last that matches decides.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a folder or one of its parents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched(Vec<bool>);

impl Patterns {
    /// Reads an ignore file: a line is a pattern, `#` begins a comment, blanks around it and a
    /// leading slash mean nothing.
    ///
    /// # Errors
    ///
    /// [`BadPattern`] for the first line that Docker refuses.
    pub fn read(text: &[u8]) -> Result<Self, BadPattern> {
        let text = String::from_utf8_lossy(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text));
        let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        Self::new(lines.filter_map(pattern_of_line))
    }

    /// Takes patterns that are not lines of a file.
    ///
    /// # Errors
    ///
    /// [`BadPattern`] for the first that Docker refuses.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, BadPattern> {
        let mut read = Vec::new();
        for text in patterns {
            read.extend(Pattern::parse(text.as_ref())?);
        }
        Ok(Self { patterns: read })
    }

    /// Whether there is no pattern at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path` matches, judged from the top as a walk would.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut carried = None;
        let mut matched = false;
        for end in path.match_indices('/').map(|(at, _)| at).chain([path.len()]) {
            let (verdict, info) = self.matches_in(&path[..end], carried.as_ref());
            matched = verdict;
            carried = Some(info);
        }
        matched
    }

    /// Whether `path` matches, given what matched its folder; `None` for a path at the top.
    #[must_use]
    pub fn matches_in(&self, path: &str, folder: Option<&Matched>) -> (bool, Matched) {
        let mut carried = Matched(vec![false; self.patterns.len()]);
        let mut matched = false;
        for (index, pattern) in self.patterns.iter().enumerate() {
            let by_folder = folder.is_some_and(|folder| folder.0.get(index) == Some(&true));
            // A pattern that cannot change the verdict is not asked, and then not carried either.
            if !by_folder && pattern.lets_in != matched {
                continue;
            }
            let matches = by_folder || pattern.matches(path);
            carried.0[index] = matches;
            if matches {
                matched = !pattern.lets_in;
            }
        }
        (matched, carried)
    }

    /// Whether something below `folder` may get the other verdict than `folder` got.
    ///
    /// Exact where it says no: then the whole folder shares the verdict.
    #[must_use]
    pub fn may_differ_below(&self, folder: &str, verdict: bool, carried: &Matched) -> bool {
        // What the folder matched, everything in it matches; only a later pattern of the other
        // sort overrules the last of those.
        let last = carried.0.iter().rposition(|&matched| matched);
        let from = last.map_or(0, |index| index + 1);
        self.patterns[from..]
            .iter()
            .any(|pattern| pattern.lets_in == verdict && pattern.may_match_below(folder))
    }
}

/// The pattern that a line of an ignore file stands for.
fn pattern_of_line(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    let (lets_in, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    if line.is_empty() {
        return lets_in.then(|| "!".to_owned());
    }
    let mut pattern = clean(line);
    if pattern.len() > 1 && pattern.starts_with('/') {
        pattern.remove(0);
    }
    Some(if lets_in { format!("!{pattern}") } else { pattern })
}

/// What a context's walk keeps: what `visible` names (everything, where there is none) and
/// `ignored` does not.
#[derive(Debug, Clone, Default)]
pub struct ContextFilter {
    /// Paths that instructions read; `None` for all.
    pub visible: Option<Patterns>,
    /// The ignore file's patterns.
    pub ignored: Patterns,
}

impl Filter for ContextFilter {
    type Folder = (Option<Matched>, Option<Matched>);

    fn root(&self) -> Self::Folder {
        (None, None)
    }

    fn judge(&self, path: &str, is_folder: bool, parent: &Self::Folder) -> (Keep, Self::Folder) {
        let (ignored, ignored_by) = self.ignored.matches_in(path, parent.1.as_ref());
        let mut keep = match ignored {
            false => Keep::Yes,
            true if is_folder && self.ignored.may_differ_below(path, true, &ignored_by) => {
                Keep::IfNeeded
            }
            true => Keep::Never,
        };
        let mut visible_by = None;
        if let Some(visible) = &self.visible
            && keep != Keep::Never
        {
            let (seen, by) = visible.matches_in(path, parent.0.as_ref());
            if !seen {
                let below = is_folder && visible.may_differ_below(path, false, &by);
                keep = if below { Keep::IfNeeded } else { Keep::Never };
            }
            visible_by = Some(by);
        }
        (keep, (visible_by, Some(ignored_by)))
    }
}
