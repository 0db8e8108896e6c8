//! Which of a release's flags which command of Helm takes.

/// Flags of `helm upgrade` alone, each with the number of words that it takes.
const UPGRADE_ALONE: &[(&str, usize)] = &[
    ("--force", 1),
    ("--force-replace", 1),
    ("--force-conflicts", 1),
    ("--cleanup-on-fail", 1),
    ("--reset-values", 1),
    ("--reuse-values", 1),
    ("--reset-then-reuse-values", 1),
    ("--history-max", 2),
    ("--install", 1),
    ("-i", 1),
    ("--take-ownership", 1),
    ("--hide-secret", 1),
];

/// Flags of `helm template` alone.
const TEMPLATE_ALONE: &[(&str, usize)] = &[
    ("--kube-version", 2),
    ("--api-versions", 2),
    ("-a", 2),
    ("--is-upgrade", 1),
    ("--validate", 1),
    ("--no-validate", 1),
];

/// What of `flags` `helm upgrade` takes.
#[must_use]
pub fn upgrade_flags(flags: &[String]) -> Vec<&str> {
    without(flags, TEMPLATE_ALONE)
}

/// What of `flags` `helm template` takes.
#[must_use]
pub fn template_flags(flags: &[String]) -> Vec<&str> {
    without(flags, UPGRADE_ALONE)
}

fn without<'f>(flags: &'f [String], others: &[(&str, usize)]) -> Vec<&'f str> {
    let mut out = Vec::new();
    let mut rest = flags.iter();
    while let Some(flag) = rest.next() {
        let name = flag.split('=').next().unwrap_or_default();
        match others.iter().find(|(known, _)| *known == name) {
            Some((_, 2)) if !flag.contains('=') => {
                rest.next();
            }
            Some(_) => {}
            None => out.push(flag.as_str()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_gets_what_it_takes() {
        let flags = ["--devel", "--kube-version", "v1.31", "--api-versions=a/v1", "--history-max"];
        let flags: Vec<String> =
            flags.iter().chain(&["3", "--force"]).map(ToString::to_string).collect();
        assert_eq!(upgrade_flags(&flags), ["--devel", "--history-max", "3", "--force"]);
        let template = ["--devel", "--kube-version", "v1.31", "--api-versions=a/v1"];
        assert_eq!(template_flags(&flags), template);
    }
}
