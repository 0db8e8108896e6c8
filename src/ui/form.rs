//! Which form the output takes and whether it has colour: decided once, from flags and streams.

/// How reports are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a person: progress is redrawn, results stay.
    Terminal,
    /// For a log: every line stays.
    Plain,
    /// For a program: one JSON object per report on stdout.
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// Where a person sees it and nothing speaks against it.
    #[default]
    Auto,
    /// Even into a pipe.
    Always,
    /// Not at all.
    Never,
}

/// What the environment says about output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `NO_COLOR` is set and not empty: <https://no-color.org>.
    pub no_colour: bool,
    /// `CLICOLOR=0`: <https://bixense.com/clicolors/>.
    pub clicolour_off: bool,
    /// `CLICOLOR_FORCE` is set and not 0.
    pub clicolour_force: bool,
    /// `TERM=dumb`: no colour, nothing is redrawn.
    pub dumb: bool,
}

impl Wishes {
    /// Whether a stream gets colour; the flag beats the environment.
    #[must_use]
    pub fn colour(self, flag: Colour, is_terminal: bool) -> bool {
        match flag {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto if self.no_colour => false,
            Colour::Auto if self.clicolour_force => true,
            Colour::Auto => is_terminal && !self.clicolour_off && !self.dumb,
        }
    }

    /// The form of the output, given whether stderr is a terminal.
    #[must_use]
    pub fn form(self, json: bool, is_terminal: bool) -> Form {
        match (json, is_terminal && !self.dumb) {
            (true, _) => Form::Json,
            (false, true) => Form::Terminal,
            (false, false) => Form::Plain,
        }
    }
}
