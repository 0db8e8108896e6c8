//! Stars out what a build was trusted with, wherever its own programs print it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter words are also words of something else.
const SHORTEST: usize = 6;

/// Words that are not shown; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden(Arc<Mutex<BTreeSet<String>>>);

impl Hidden {
    /// Hides each line of `secret`.
    pub(super) fn add(&self, secret: &str) {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST);
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(lines.map(ToOwned::to_owned));
    }

    /// `text` with `***` for each hidden word.
    pub(super) fn strike<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<&String> =
            words.iter().filter(|word| text.contains(word.as_str())).collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // A word may be part of another.
        found.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Cow::Owned(found.iter().fold(text.to_owned(), |text, word| text.replace(*word, "***")))
    }
}

#[cfg(test)]
mod tests {
    use super::Hidden;

    #[test]
    fn whole_words_are_hidden_the_longest_first() {
        let hidden = Hidden::default();
        hidden.add("hunter22\n\n  line two of it \n");
        hidden.add("hunter22-and-more");
        hidden.add("dev");
        let check = |text: &str, expected: &str| assert_eq!(hidden.strike(text), expected);
        check("RUN login hunter22 && hunter22-and-more", "RUN login *** && ***");
        check("> line two of it", "> ***");
        check("make dev", "make dev");
    }
}
