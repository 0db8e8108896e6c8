//! What is known of variables while a stage is read from top to bottom.

use std::collections::BTreeMap;

use super::Options;
use super::lex::{Lexer, Trouble, Variable};

/// Variables of one scope.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    known: BTreeMap<String, Variable>,
    /// What a name is that is not among them.
    others: Variable,
    escape: char,
}

impl Scope {
    /// The scope before the first `FROM`: what BuildKit predefines.
    /// <https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope>
    pub(super) fn global(options: &Options<'_>, escape: char) -> Self {
        let mut known = BTreeMap::new();
        for (prefix, platform) in [("TARGET", options.platform), ("BUILD", options.build_platform)]
        {
            let variant = platform.variant.clone().unwrap_or_default();
            for (suffix, value) in [
                ("PLATFORM", platform.to_string()),
                ("OS", platform.os.clone()),
                ("ARCH", platform.arch.clone()),
                ("VARIANT", variant),
            ] {
                let name = format!("{prefix}{suffix}");
                // Newer frontends let an argument overrule it, older ones do not.
                let value = match options.args.get(&name) {
                    Some(asked) if *asked != value => Variable::Unknown,
                    _ => Variable::Set(value),
                };
                known.insert(name, value);
            }
            // Older frontends do not know it.
            known.insert(format!("{prefix}OSVERSION"), Variable::Unknown);
        }
        known.insert("TARGETSTAGE".to_owned(), Variable::Unknown);
        Self { known, others: Variable::Unset, escape }
    }

    /// The scope of a stage that begins with nothing.
    pub(super) fn of_scratch(escape: char) -> Self {
        Self::stage(Variable::Unset, escape)
    }

    /// The scope of a stage that begins with an image: anything may be set in it.
    pub(super) fn of_image(escape: char) -> Self {
        Self::stage(Variable::Unknown, escape)
    }

    fn stage(others: Variable, escape: char) -> Self {
        let known = BTreeMap::from([("PATH".to_owned(), Variable::Unknown)]);
        Self { known, others, escape }
    }

    /// `text` with its variables replaced.
    pub(super) fn expand(&self, text: &str) -> Result<String, Trouble> {
        Lexer::new(self.escape).word(text, &|name| self.get(name))
    }

    fn get(&self, name: &str) -> Variable {
        self.known.get(name).unwrap_or(&self.others).clone()
    }

    /// An `ARG` before the first `FROM`.
    pub(super) fn global_arg(&mut self, name: &str, default: Option<&str>, options: &Options<'_>) {
        let value = match (options.args.get(name), default) {
            (Some(given), _) => Variable::Set(given.clone()),
            (None, Some(default)) => self.value(default),
            (None, None) => return,
        };
        self.known.insert(name.to_owned(), value);
    }

    /// An `ARG` in a stage.
    pub(super) fn arg(
        &mut self,
        name: &str,
        default: Option<&str>,
        global: &Self,
        options: &Options<'_>,
    ) {
        let value = match (options.args.get(name), default) {
            (Some(given), _) => Variable::Set(given.clone()),
            (None, Some(default)) => self.value(default),
            (None, None) => match global.get(name) {
                Variable::Unset => return,
                value => value,
            },
        };
        // The manual says that an ENV of the same name wins, BuildKit lets the later one win.
        let value = match self.known.get(name) {
            Some(before) if *before != value => Variable::Unknown,
            _ => value,
        };
        self.known.insert(name.to_owned(), value);
    }

    /// An `ENV`: all its values see what was set before it.
    pub(super) fn env(&mut self, pairs: &[(String, String)]) {
        let before = self.clone();
        for (name, value) in pairs {
            match before.expand(name) {
                Ok(name) => {
                    self.known.insert(name, before.value(value));
                }
                // It may be any.
                Err(_) => {
                    self.known.clear();
                    self.others = Variable::Unknown;
                }
            }
        }
    }

    fn value(&self, text: &str) -> Variable {
        self.expand(text).map_or(Variable::Unknown, Variable::Set)
    }
}
