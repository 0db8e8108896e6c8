//! Flags that a release may not give to Helm: they would lead it away from the cluster and the
//! namespace that wharf acts on, or change what wharf reads of its answer.

use super::super::error::Problem;
use super::super::node::Fault;
use super::super::read::Spanned;

const PINNED: &str = "Helm talks to the context that wharf was started with: `--context`";
const NAMESPACE: &str = "give the release a `namespace`";
const READ: &str = "wharf reads what Helm says";

/// Flags that have another place, and that place.
const ELSEWHERE: &[(&str, &str)] = &[
    ("--namespace", NAMESPACE),
    ("-n", NAMESPACE),
    ("--kubeconfig", "set KUBECONFIG"),
    ("--post-renderer", "put its change into the chart or its values"),
    ("--post-renderer-args", "put its change into the chart or its values"),
    ("--show-only", "wharf renders the whole chart"),
    ("-s", "wharf renders the whole chart"),
    ("--output", READ),
    ("-o", READ),
    ("--dry-run", "`wharf render` shows what would be deployed"),
];

/// Short flags of Helm that take a value, which may stand right behind them.
const SHORT_WITH_VALUE: &[char] = &['f', 'l', 'n', 'o', 's'];

/// Refuses a word of a release's `flags` that is such a flag.
pub(super) fn check(word: &Spanned<String>) -> Result<(), Fault> {
    let Some((flag, help)) = elsewhere(word.value.trim()) else { return Ok(()) };
    Err(word.fault(Problem::Conflict {
        what: format!("wharf does not give Helm the flag `{flag}`"),
        help: help.to_owned(),
    }))
}

fn elsewhere(word: &str) -> Option<(String, &'static str)> {
    let known =
        |flag: &str| ELSEWHERE.iter().find(|(name, _)| *name == flag).map(|(_, help)| *help);
    let name = word.split(['=', ' ']).next().unwrap_or_default();
    if name.starts_with("--") {
        // `--kube-context`, `--kube-token` and whatever comes to them; `--kube-version` is for the
        // templates.
        let leads = name.starts_with("--kube-") && name != "--kube-version";
        let help = if leads { Some(PINNED) } else { known(name) };
        return Some((name.to_owned(), help?));
    }
    // Several short ones may stand in one word, the last with its value: `-in shop`.
    let short = name.strip_prefix('-')?.chars().find(|c| SHORT_WITH_VALUE.contains(c))?;
    let flag = format!("-{short}");
    known(&flag).map(|help| (flag, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_helm_elsewhere_is_known_in_every_spelling() {
        for word in [
            "--namespace",
            "--namespace=x",
            "--namespace x",
            "-n",
            "-nx",
            "-in",
            "-n=x",
            "--kubeconfig=/x",
            "--kube-context",
            "--kube-apiserver=https://x",
            "--kube-token",
            "--kube-ca-file",
            "--kube-as-user",
            "--kube-as-group=x",
            "--kube-tls-server-name",
            "--kube-insecure-skip-tls-verify",
            "--dry-run",
            "--dry-run=client",
            "-o",
            "-ojson",
            "--output=yaml",
            "-s",
            "--show-only=x",
            "--post-renderer",
        ] {
            assert!(elsewhere(word).is_some(), "{word}");
        }
        for word in [
            "--devel",
            "--kube-version=1.30",
            "--set=a=b",
            "-fvalues-n.yaml",
            "-i",
            "kube-context",
            "x=-n",
            "",
        ] {
            assert_eq!(elsewhere(word), None, "{word}");
        }
    }
}
