//! What was told of pods, so that no fact is told twice: a pod's trouble is told at once, and what
//! its release waits or has failed for is the same. Either may be heard of first.

use std::collections::BTreeMap;

use crate::report::Failure;

/// The troubles that were told and are not over, by workload and container.
#[derive(Debug, Default)]
pub(super) struct Told {
    troubles: BTreeMap<(String, Option<String>), Trouble>,
    /// What releases have failed for.
    failures: Vec<String>,
    /// What images have failed for in this round, by the first of them.
    images: Vec<(String, Failure)>,
}

#[derive(Debug)]
struct Trouble {
    what: String,
    last_lines: Vec<String>,
}

impl Trouble {
    /// What a wait says of it in other words, without these.
    fn details(&self) -> &str {
        self.what.split_once(": ").map_or(self.what.as_str(), |(_, details)| details)
    }
}

impl Told {
    /// Takes note of a pod's trouble. Returns whether it is news: replicas share theirs.
    pub(super) fn trouble(
        &mut self,
        workload: String,
        container: Option<&String>,
        what: &str,
        last_lines: &[String],
    ) -> bool {
        let trouble = Trouble { what: what.to_owned(), last_lines: last_lines.to_vec() };
        let begin = format!("{workload}: ");
        let is_known =
            self.failures.iter().any(|line| line.starts_with(&begin) && line.ends_with(what));
        let before = self.troubles.insert((workload, container.cloned()), trouble);
        !is_known && before.is_none_or(|before| before.what != what)
    }

    /// The trouble of a workload is over.
    pub(super) fn mended(&mut self, workload: &str) {
        self.troubles.retain(|(of, _), _| of != workload);
        self.failures.retain(|line| !line.starts_with(&format!("{workload}: ")));
    }

    /// Something is deployed anew: that it has the same trouble as before is news.
    pub(super) fn forget(&mut self) {
        self.troubles.clear();
        self.failures.clear();
    }

    /// What `failure` of the image `name` comes to where another one has failed of the very same, as
    /// all do while Docker is away; `None` for the first of them.
    pub(super) fn same_as(&mut self, name: &str, failure: &Failure) -> Option<Failure> {
        let same = |(other, told): &&(String, Failure)| told == failure && other != name;
        if let Some((first, told)) = self.images.iter().find(same) {
            let what = format!("as `{first}`");
            let short = Failure { what, why: vec![], help: vec![], ..told.clone() };
            return Some(Failure { snippet: String::new(), ..short });
        }
        self.images.push((name.to_owned(), failure.clone()));
        None
    }

    /// A round is over: that the next one fails of the same is news.
    pub(super) fn forget_images(&mut self) {
        self.images.clear();
    }

    /// Whether all that is waited for follows from what was told.
    pub(super) fn explains(&self, waits: &[String]) -> bool {
        waits.iter().all(|wait| {
            self.troubles.iter().any(|((workload, _), trouble)| {
                wait.starts_with(&format!("{workload}: ")) && wait.contains(trouble.details())
            })
        })
    }

    /// `failure` without the details that were told, and without the program's own last lines.
    pub(super) fn shorten(&mut self, failure: &Failure) -> Failure {
        self.failures.extend([&failure.what].into_iter().chain(&failure.why).cloned());
        let mut short = failure.clone();
        short.what = self.shortened(&failure.what);
        short.why.retain(|line| !self.troubles.values().any(|told| told.last_lines.contains(line)));
        for line in &mut short.why {
            *line = self.shortened(line);
        }
        short
    }

    /// "deployment/api: container `api`: WHAT: DETAILS", without the details.
    fn shortened(&self, line: &str) -> String {
        let short = self.troubles.iter().find_map(|((workload, _), trouble)| {
            let begin = line.strip_suffix(&trouble.what)?;
            let (what, _) = trouble.what.split_once(": ")?;
            let is_its = begin.starts_with(&format!("{workload}: "));
            is_its.then(|| format!("{begin}{what}, as told above"))
        });
        short.unwrap_or_else(|| line.to_owned())
    }
}
