//! Ranges of versions, as `Chart.yaml` writes them and Helm reads them:
//! <https://github.com/Masterminds/semver#checking-version-constraints>.

/// A version: its three numbers, and what stands before the release.
type Version = ([u64; 3], Vec<Part>);

/// A part of what stands before a release; numbers come before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

/// Whether `version` lies in `range`; what cannot be read is Helm's to judge, and lies in it.
pub(super) fn holds(range: &str, version: &str) -> bool {
    let Some((version, _)) = read(version) else { return true };
    let mut is_in_one = false;
    for all in range.split("||") {
        match holds_all(all, &version) {
            Some(holds) => is_in_one |= holds,
            None => return true,
        }
    }
    is_in_one
}

/// Whether every condition holds, which are set apart by commas or blanks.
fn holds_all(conditions: &str, version: &Version) -> Option<bool> {
    if let Some((from, to)) = conditions.split_once(" - ") {
        let (from, to) = (format!(">={}", from.trim()), format!("<={}", to.trim()));
        return Some(holds_one(&from, version)? && holds_one(&to, version)?);
    }
    let mut holds = true;
    let mut operator = String::new();
    for word in conditions.split([',', ' ']).filter(|word| !word.is_empty()) {
        // `>= 1.2` is one condition.
        if word.chars().all(|c| "<>=!~^".contains(c)) {
            operator = word.to_owned();
            continue;
        }
        holds &= holds_one(&format!("{}{word}", std::mem::take(&mut operator)), version)?;
    }
    operator.is_empty().then_some(holds)
}

fn holds_one(condition: &str, version: &Version) -> Option<bool> {
    let at = condition.find(|c| !"<>=!~^".contains(c)).unwrap_or(condition.len());
    let (operator, text) = condition.split_at(at);
    let (wanted, given) = read(text)?;
    // Only who names what comes before a release means it.
    if !version.1.is_empty() && wanted.1.is_empty() {
        return Some(false);
    }
    // The first version that is no longer meant, where only the first `same` numbers must agree.
    let past = |same: usize| {
        let mut numbers = wanted.0;
        numbers[same..].fill(0);
        if same > 0 {
            numbers[same - 1] += 1;
        }
        (numbers, Vec::new())
    };
    let before = |end: Version| version.0 < end.0;
    let within =
        |same: usize| ordered(version) >= ordered(&wanted) && (same == 0 || before(past(same)));
    Some(match operator {
        "" | "=" | "==" => match given {
            3 => ordered(version) == ordered(&wanted),
            given => within(given),
        },
        "!=" => match given {
            3 => ordered(version) != ordered(&wanted),
            given => !within(given),
        },
        ">" => match given {
            3 => ordered(version) > ordered(&wanted),
            0 => false,
            given => version.0 >= past(given).0,
        },
        ">=" | "=>" => ordered(version) >= ordered(&wanted),
        "<" => ordered(version) < ordered(&wanted),
        "<=" | "=<" => match given {
            3 => ordered(version) <= ordered(&wanted),
            0 => true,
            given => before(past(given)),
        },
        "~" | "~>" => {
            ordered(version) >= ordered(&wanted) && (given == 0 || before(past(given.min(2))))
        }
        "^" => {
            let first = wanted.0[..given].iter().position(|number| *number > 0);
            let same = first.map_or(given, |first| first + 1);
            ordered(version) >= ordered(&wanted) && (same == 0 || before(past(same)))
        }
        _ => return None,
    })
}

/// A release comes after everything that stands before it.
fn ordered(version: &Version) -> (&[u64; 3], bool, &Vec<Part>) {
    (&version.0, version.1.is_empty(), &version.1)
}

/// A version, and how many of its numbers are given: `1.x` gives one.
fn read(text: &str) -> Option<(Version, usize)> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let text = text.split('+').next()?;
    let (numbers, before) = match text.split_once('-') {
        Some((numbers, before)) => (numbers, before),
        None => (text, ""),
    };
    let mut version = ([0; 3], Vec::new());
    let mut given = 0;
    for (index, number) in numbers.split('.').enumerate() {
        if matches!(number, "x" | "X" | "*") {
            break;
        }
        *version.0.get_mut(index)? = number.parse().ok()?;
        given = index + 1;
    }
    let parts = before.split('.').filter(|part| !part.is_empty());
    version.1 = parts
        .map(|part| part.parse().map_or_else(|_| Part::Word(part.into()), Part::Number))
        .collect();
    Some((version, given))
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_range_means_what_helm_makes_of_it() {
        let check = |range: &str, inside: &str, outside: &str| {
            for version in inside.split_whitespace() {
                assert!(holds(range, version), "{version} lies in `{range}`");
            }
            for version in outside.split_whitespace() {
                assert!(!holds(range, version), "{version} does not lie in `{range}`");
            }
        };
        check("1.2.3", "1.2.3 v1.2.3 1.2.3+build", "1.2.4 1.2.3-rc.1 2.2.3");
        check("1.2", "1.2.0 1.2.9", "1.3.0 1.1.9");
        check("1.x", "1.0.0 1.9.9", "2.0.0 0.9.0 1.4.0-beta");
        check("*", "0.0.1 7.1.2", "1.0.0-rc.1");
        check("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0");
        check("^0.2.3", "0.2.3 0.2.9", "0.3.0 1.0.0");
        check("^0.0.3", "0.0.3", "0.0.4");
        check("^0", "0.0.1 0.9.0", "1.0.0");
        check("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2");
        check("~1", "1.0.0 1.9.0", "2.0.0");
        check(">=1.2, <2", "1.2.0 1.99.0", "2.0.0 1.1.9");
        check(">= 1.2 < 2.0.0", "1.2.0", "2.0.0");
        check(">1.2", "1.3.0", "1.2.9");
        check("<=1.2", "1.2.9 0.1.0", "1.3.0");
        check("1.2 - 1.4.5", "1.2.0 1.4.5", "1.4.6 1.1.0");
        check("^1 || ^3", "1.5.0 3.0.1", "2.0.0");
        check("!=1.2.3", "1.2.4", "1.2.3");
        check(">=1.0.0-0", "1.0.0-rc.1 1.0.0 2.0.0", "0.9.0");
        check("1.0.0-rc.2", "1.0.0-rc.2", "1.0.0-rc.10 1.0.0");
        check("what is this", "1.0.0", "");
    }
}
