//! Times in the layouts of Go's `time` package: the reference time, written as one wants it.
//!
//! <https://pkg.go.dev/time#Layout>. `jiff` has strftime's directives, hence the few lines.

use jiff::Zoned;

/// `time` as `layout` writes Mon Jan 2 15:04:05 MST 2006.
pub(super) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        if let Some((text, length)) = fraction(time, rest) {
            out.push_str(&text);
            rest = &rest[length..];
            continue;
        }
        match ELEMENTS.iter().find(|(element, _)| fits(rest, element)) {
            Some((element, directive)) => {
                out.push_str(&time.strftime(directive).to_string());
                rest = &rest[element.len()..];
            }
            None => {
                let c = rest.chars().next().unwrap_or_default();
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// Elements of a layout with what they are to strftime; longer ones before those they begin with.
const ELEMENTS: &[(&str, &str)] = &[
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("2006", "%Y"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("1", "%-m"),
    ("_2006", "_%Y"),
    ("_2", "%e"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("Z07:00", "%:z"),
    ("Z0700", "%z"),
];

fn fits(rest: &str, element: &str) -> bool {
    // `Janet` and `Month` are words, not names of a month and a day.
    let is_word = matches!(element, "Jan" | "Mon")
        && rest[element.len().min(rest.len())..].starts_with(|c: char| c.is_ascii_lowercase());
    rest.starts_with(element) && !is_word
}

/// `.000` is a fraction of so many digits, `.999` one without the zeros at its end.
fn fraction(time: &Zoned, rest: &str) -> Option<(String, usize)> {
    let mark = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    if rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{:09}", time.subsec_nanosecond());
    let mut text: String = nanoseconds.chars().take(digits).collect();
    if digit == '9' {
        text.truncate(text.trim_end_matches('0').len());
        if text.is_empty() {
            return Some((text, 1 + digits));
        }
    }
    Some((format!("{mark}{text}"), 1 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_the_reference_time_as_one_wants_it() {
        let time: Zoned = "2024-03-07T09:05:03.120+01:00[Europe/Berlin]".parse().unwrap();
        let check = |layout, expected| assert_eq!(format(&time, layout), expected, "{layout}");
        check("2006-01-02_15-04-05.999_MST", "2024-03-07_09-05-03.12_CET");
        check("2006-01-02_15-04-05.000", "2024-03-07_09-05-03.120");
        check("20060102.1504", "20240307.0905");
        check("Mon Jan _2 3:4:5PM 06", "Thu Mar  7 9:5:3AM 24");
        check("Monday January 2 -0700 -07:00", "Thursday March 7 +0100 +01:00");
        check("v1-2", "v3-7");
        check("Month", "Month");
        check("", "");
        let whole: Zoned = "2024-03-07T21:05:03+00:00[UTC]".parse().unwrap();
        assert_eq!(format(&whole, "03.999pm"), "09pm");
    }
}
