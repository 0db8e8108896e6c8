//! Durations, sizes and counts as a person reads them.

use std::time::Duration;

/// `0.31s`, `3.1s`, `48s`, `2m05s`.
pub(super) fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    // Limits lie where the rounded text would need the next form.
    if seconds < 0.995 {
        format!("{seconds:.2}s")
    } else if seconds < 9.95 {
        format!("{seconds:.1}s")
    } else if seconds < 59.5 {
        format!("{seconds:.0}s")
    } else {
        let whole = seconds.round() as u64;
        format!("{}m{:02}s", whole / 60, whole % 60)
    }
}

/// `812 B`, `12 KB`, `1.4 MB`, `212 MB`: powers of ten, as Docker counts.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" || value >= 9.95 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `1,214`.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 image`, `4 images`.
pub(super) fn several(number: usize, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}
