//! A line of text whose parts have a tone; colour is decided when it is written out.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar as _;

/// What a part of a line expresses. Colour only repeats what the words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// A name, or what will be copied: an address, a tag, a command.
    Strong,
    Good,
    Bad,
    Careful,
    Busy,
    /// Said for completeness.
    Faint,
    /// One of many, told apart by its colour.
    Series(usize),
}

const SERIES: [AnsiColor; 10] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Green,
    AnsiColor::BrightCyan,
    AnsiColor::BrightYellow,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
    AnsiColor::BrightGreen,
];

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Good => colour(AnsiColor::Green),
            Self::Bad => colour(AnsiColor::Red).bold(),
            Self::Careful => colour(AnsiColor::Yellow),
            Self::Busy => colour(AnsiColor::Cyan),
            Self::Faint => Style::new().dimmed(),
            Self::Series(index) => colour(SERIES[index % SERIES.len()]),
        }
    }
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line {
    parts: Vec<(Tone, String)>,
}

impl Line {
    /// An empty line.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A line of one tone.
    pub(super) fn of(tone: Tone, text: impl Into<String>) -> Self {
        Self::new().with(tone, text)
    }

    /// Adds a part.
    pub(super) fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push((tone, text));
        }
        self
    }

    /// Adds a part without tone.
    pub(super) fn and(self, text: impl Into<String>) -> Self {
        self.with(Tone::Plain, text)
    }

    /// Adds a part and the blanks that fill it up to `width` columns.
    pub(super) fn column(self, tone: Tone, text: &str, width: usize) -> Self {
        let blanks = width.saturating_sub(columns(text));
        self.with(tone, text).and(" ".repeat(blanks))
    }

    /// The line with every part faint, for what is still going on.
    pub(super) fn faint(mut self) -> Self {
        for (tone, _) in &mut self.parts {
            if *tone != Tone::Strong {
                *tone = Tone::Faint;
            }
        }
        self
    }

    /// Writes the line out, with its end; blanks at the end are left off.
    pub(super) fn write(&self, colour: bool, out: &mut String) {
        let start = out.len();
        for (tone, text) in &self.parts {
            let style = tone.style();
            if colour && style != Style::new() {
                out.push_str(&format!("{style}{text}{style:#}"));
            } else {
                out.push_str(text);
            }
        }
        let end = out[start..].trim_end_matches(' ').len();
        out.truncate(start + end);
        out.push('\n');
    }

    /// How many columns of a terminal it takes.
    pub(super) fn columns(&self) -> usize {
        self.parts.iter().map(|(_, text)| columns(text)).sum()
    }

    /// The line, cut so that it fits into `width` columns of a terminal.
    pub(super) fn cut(mut self, width: usize) -> Self {
        let mut left = width;
        for (index, (_, text)) in self.parts.iter_mut().enumerate() {
            let taken = columns(text);
            if taken <= left {
                left -= taken;
                continue;
            }
            *text = cut(text, left);
            self.parts.truncate(index + 1);
            break;
        }
        self
    }
}

/// How many columns of a terminal `text` takes.
pub(super) fn columns(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

fn cut(text: &str, width: usize) -> String {
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}
