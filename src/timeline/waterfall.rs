//! Rounds and their medians as text, for a terminal of any width or none.

use std::time::Duration;

use super::{Round, Span, Stage, Summary};

/// The column of names takes no more than this, whatever they are.
const LONGEST_NAME: usize = 40;
/// The shortest bars that still show something.
const SHORTEST_BARS: usize = 12;
/// Columns of a time.
const TIME: usize = 7;

/// One round: a head, then a row per stage with a bar where it lies between the save and the end.
#[must_use]
pub fn waterfall(round: &Round, columns: usize) -> String {
    let mut text = head(round);
    let mut spans: Vec<&Span> = round.spans.iter().collect();
    // Steps stand below their build.
    let key = |span: &&Span| {
        let build = round.spans.iter().find(|build| {
            span.stage == Stage::Step && build.stage == Stage::Build && build.name == span.name
        });
        let (from, stage) =
            build.map_or((span.from, span.stage), |build| (build.from, build.stage));
        (from, stage, span.name.clone(), span.stage == Stage::Step, span.from)
    };
    spans.sort_by_key(key);
    let labels: Vec<String> = spans.iter().map(|span| label(span)).collect();
    let widest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let room = columns.saturating_sub(TIME + SHORTEST_BARS + 5).max(12);
    let name = widest.min(LONGEST_NAME.max(columns / 4)).min(room);
    let bars = columns.saturating_sub(name + TIME + 5).max(SHORTEST_BARS);
    let whole = spans.iter().map(|span| span.to).chain([round.took]).max().unwrap_or_default();
    for (span, label) in spans.iter().zip(labels) {
        let label = cut(&label, name);
        let blanks = " ".repeat(name.saturating_sub(width(&label)));
        let bar = bar(span, whole, bars);
        text.push_str(&format!("  {label}{blanks} {:>TIME$}  {bar}\n", seconds(span.took())));
    }
    text
}

/// What is usual, as a table.
#[must_use]
pub fn table(summaries: &[Summary], with_min: bool) -> String {
    let min = |text: &str| if with_min { format!("{text:>9}") } else { String::new() };
    let p50 = if with_min { "median" } else { "p50" };
    let mut text = format!("  {:10}{}{p50:>9}{:>9}\n", "stage", min("min"), "p95");
    for summary in summaries {
        let shortest = min(&seconds(summary.min));
        let (p50, p95) = (seconds(summary.p50), seconds(summary.p95));
        text.push_str(&format!("  {:10}{shortest}{p50:>9}{p95:>9}\n", summary.name));
    }
    text
}

/// `15:07:21  app.py   total 2.16s (live 1.73s, ready 2.16s)`
fn head(round: &Round) -> String {
    let shown = round.paths.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = round.count.saturating_sub(round.paths.len().min(2));
    let what = match (shown.is_empty(), more) {
        (true, _) => "asked for".to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown} and {more} more"),
    };
    let moments = [("live", round.live), ("ready", round.ready)];
    let moments = moments.into_iter().filter_map(|(word, at)| Some((word, at?)));
    let moments: Vec<String> =
        moments.map(|(word, at)| format!("{word} {}", seconds(at))).collect();
    let moments =
        if moments.is_empty() { String::new() } else { format!(" ({})", moments.join(", ")) };
    let failed = match round.failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let total = seconds(round.took);
    format!("{}  {what}   total {total}{moments}{failed}\n", clock(&round.at))
}

/// Date and time to the second, on the clock of whoever looks.
fn clock(at: &str) -> String {
    let Ok(at) = at.parse::<jiff::Timestamp>() else { return at.to_owned() };
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn label(span: &Span) -> String {
    match &span.step {
        Some(step) => format!("  {step}"),
        None if span.name.is_empty() => span.stage.as_str().to_owned(),
        None => format!("{:9} {}", span.stage.as_str(), span.name),
    }
}

/// Where the stage lies, to a column; a short one takes a thin bar, so that none is invisible.
fn bar(span: &Span, whole: Duration, columns: usize) -> String {
    let place = |at: Duration| {
        let part = if whole.is_zero() { 0.0 } else { at.as_secs_f64() / whole.as_secs_f64() };
        ((part * columns as f64).round() as usize).min(columns)
    };
    let (from, to) = (place(span.from), place(span.to));
    let from = from.min(columns.saturating_sub(1));
    let length = to.saturating_sub(from);
    let full = if span.stage == Stage::Step { "▒" } else { "█" };
    let bar = if length == 0 { "▏".to_owned() } else { full.repeat(length) };
    format!("{}{bar}", " ".repeat(from))
}

fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 0.0995 {
        format!("{seconds:.3}s")
    } else if seconds < 99.95 {
        format!("{seconds:.2}s")
    } else {
        format!("{seconds:.0}s")
    }
}

fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if width(&kept) + unicode_width::UnicodeWidthChar::width(letter).unwrap_or(0) >= columns {
            break;
        }
        kept.push(letter);
    }
    format!("{kept}…")
}
