//! Words of a Dockerfile: quotes, escapes and variables.
//!
//! Follows BuildKit's lexer rule by rule, since a path that is expanded otherwise is another
//! path: <https://github.com/moby/buildkit/blob/master/frontend/dockerfile/shell/lex.go>.

use regex::Regex;

/// What a variable is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// Set to this.
    Set(String),
    /// Certainly not set.
    Unset,
    /// Perhaps set, by a base image for example.
    Unknown,
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// BuildKit refuses it as well.
    Syntax,
    /// It depends on a variable of which nothing certain is known.
    Unknown(String),
}

/// How text is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer {
    /// `\`, or what the `escape` directive says.
    pub(super) escape: char,
    /// Quotes stay in the words.
    pub(super) raw_quotes: bool,
    /// Escapes stay in the words.
    pub(super) raw_escapes: bool,
    /// `$name` of an unset variable stays as it is.
    pub(super) keep_unset: bool,
}

impl Lexer {
    /// Reads text as instructions' arguments are read.
    pub(super) fn new(escape: char) -> Self {
        Self { escape, raw_quotes: false, raw_escapes: false, keep_unset: false }
    }

    /// `text` with quotes taken off and variables replaced.
    pub(super) fn word(
        self,
        text: &str,
        lookup: &dyn Fn(&str) -> Variable,
    ) -> Result<String, Trouble> {
        self.read(text, lookup).map(|(word, _)| word)
    }

    /// `text` split at blanks outside of quotes.
    pub(super) fn words(
        self,
        text: &str,
        lookup: &dyn Fn(&str) -> Variable,
    ) -> Result<Vec<String>, Trouble> {
        self.read(text, lookup).map(|(_, words)| words)
    }

    fn read(
        self,
        text: &str,
        lookup: &dyn Fn(&str) -> Variable,
    ) -> Result<(String, Vec<String>), Trouble> {
        let raw_escapes = self.raw_escapes;
        let chars = text.chars().collect();
        Reading { lexer: self, chars, at: 0, lookup }.until(None, raw_escapes)
    }
}

struct Reading<'a> {
    lexer: Lexer,
    chars: Vec<char>,
    at: usize,
    lookup: &'a dyn Fn(&str) -> Variable,
}

#[derive(Default)]
struct Words {
    done: Vec<String>,
    word: String,
}

impl Words {
    /// Adds text that blanks split.
    fn add(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_whitespace() {
                self.word.push(c);
            } else if !self.word.is_empty() {
                self.done.push(std::mem::take(&mut self.word));
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.done.push(self.word);
        }
        self.done
    }
}

impl Reading<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), Trouble> {
        let outer = std::mem::replace(&mut self.lexer.raw_escapes, raw_escapes);
        let result = self.until_stop(stop);
        self.lexer.raw_escapes = outer;
        result
    }

    fn until_stop(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), Trouble> {
        let mut result = String::new();
        let mut words = Words::default();
        while let Some(c) = self.next() {
            match c {
                _ if Some(c) == stop => return Ok((result, words.finish())),
                '\'' | '"' => {
                    let text = if c == '"' { self.double_quoted()? } else { self.single_quoted()? };
                    result.push_str(&text);
                    words.word.push_str(&text);
                }
                '$' => {
                    let text = self.dollar()?;
                    result.push_str(&text);
                    words.add(&text);
                }
                _ if c == self.lexer.escape => {
                    if self.lexer.raw_escapes {
                        words.word.push(c);
                        result.push(c);
                    }
                    let Some(c) = self.next() else { break };
                    words.word.push(c);
                    result.push(c);
                }
                _ => {
                    words.add(c.encode_utf8(&mut [0; 4]));
                    result.push(c);
                }
            }
        }
        if stop.is_some() { Err(Trouble::Syntax) } else { Ok((result, words.finish())) }
    }

    fn single_quoted(&mut self) -> Result<String, Trouble> {
        let mut result = String::new();
        loop {
            match self.next().ok_or(Trouble::Syntax)? {
                '\'' => break,
                c => result.push(c),
            }
        }
        Ok(if self.lexer.raw_quotes { format!("'{result}'") } else { result })
    }

    fn double_quoted(&mut self) -> Result<String, Trouble> {
        let mut result = String::new();
        loop {
            match self.next().ok_or(Trouble::Syntax)? {
                '"' => break,
                '$' => {
                    let text = self.dollar()?;
                    result.push_str(&text);
                }
                c if c == self.lexer.escape => {
                    if self.lexer.raw_escapes {
                        result.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(next) if next == '"' || next == '$' || next == self.lexer.escape => {
                            self.at += 1;
                            result.push(next);
                        }
                        Some(_) => result.push(c),
                    }
                }
                c => result.push(c),
            }
        }
        Ok(if self.lexer.raw_quotes { format!("\"{result}\"") } else { result })
    }

    /// What stands after a `$` that was read.
    fn dollar(&mut self) -> Result<String, Trouble> {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return match self.variable(&name)? {
                Some(value) => Ok(value),
                None if self.lexer.keep_unset => Ok(format!("${name}")),
                None => Ok(String::new()),
            };
        }
        self.at += 1;
        if matches!(self.peek(), None | Some('{' | '}' | ':')) {
            return Err(Trouble::Syntax);
        }
        let name = self.name();
        let mut modifier = self.next().ok_or(Trouble::Syntax)?;
        if modifier == '}' {
            return match self.variable(&name)? {
                Some(value) => Ok(value),
                None if self.lexer.keep_unset => Ok(format!("${{{name}}}")),
                None => Ok(String::new()),
            };
        }
        if modifier == '/' {
            return self.replaced(&name);
        }
        let empty_is_unset = modifier == ':';
        if empty_is_unset {
            modifier = self.next().ok_or(Trouble::Syntax)?;
        }
        if !matches!(modifier, '+' | '-' | '?' | '#' | '%') {
            return Err(Trouble::Syntax);
        }
        let (mut word, _) = self.until(Some('}'), matches!(modifier, '#' | '%'))?;
        let value = self.variable(&name)?;
        if value.is_none() && self.lexer.keep_unset {
            let colon = if empty_is_unset { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let filled = value.clone().filter(|value| !(empty_is_unset && value.is_empty()));
        match modifier {
            '-' => Ok(filled.unwrap_or(word)),
            '+' => Ok(if filled.is_some() { word } else { String::new() }),
            '?' => filled.ok_or(Trouble::Syntax),
            _ => {
                let greedy = word.starts_with(modifier);
                if greedy {
                    word.remove(0);
                }
                let value = value.unwrap_or_default();
                trimmed(&value, &word, greedy, modifier == '%')
            }
        }
    }

    /// `${name/pattern/text}`, read up to the first slash.
    fn replaced(&mut self, name: &str) -> Result<String, Trouble> {
        let all = self.peek() == Some('/');
        if all {
            self.at += 1;
        }
        let (pattern, _) = self.until(Some('/'), true)?;
        let (text, _) = self.until(Some('}'), true)?;
        let Some(value) = self.variable(name)? else {
            return Ok(if self.lexer.keep_unset {
                format!("${{{name}/{pattern}/{text}}}")
            } else {
                String::new()
            });
        };
        // The two engines read a `$` in the replacement differently.
        if text.contains('$') {
            return Err(Trouble::Unknown(name.to_owned()));
        }
        let regex = shell_pattern(&pattern, true, false)?;
        Ok(if all {
            regex.replace_all(&value, regex::NoExpand(&text)).into_owned()
        } else {
            regex.replace(&value, regex::NoExpand(&text)).into_owned()
        })
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                name.push(c);
                self.at += 1;
            }
            return name;
        }
        if let Some(c) = self.peek().filter(|&c| "@*#?-$!".contains(c)) {
            self.at += 1;
            return c.to_string();
        }
        while let Some(c) = self.peek().filter(|&c| c.is_alphanumeric() || c == '_') {
            name.push(c);
            self.at += 1;
        }
        name
    }

    fn variable(&self, name: &str) -> Result<Option<String>, Trouble> {
        match (self.lookup)(name) {
            Variable::Set(value) => Ok(Some(value)),
            Variable::Unset => Ok(None),
            Variable::Unknown => Err(Trouble::Unknown(name.to_owned())),
        }
    }
}

/// `value` without the shortest (or longest) start or end that `pattern` matches.
fn trimmed(value: &str, pattern: &str, greedy: bool, at_end: bool) -> Result<String, Trouble> {
    if !at_end {
        let regex = shell_pattern(pattern, greedy, true)?;
        return Ok(value[regex.find(value).map_or(0, |found| found.end())..].to_owned());
    }
    let regex = shell_pattern(&reversed_pattern(pattern), greedy, true)?;
    let backwards: String = value.chars().rev().collect();
    let kept = &backwards[regex.find(&backwards).map_or(0, |found| found.end())..];
    Ok(kept.chars().rev().collect())
}

/// A pattern back to front, an escape still before what it escapes.
fn reversed_pattern(pattern: &str) -> String {
    let mut units: Vec<String> = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        let mut unit = c.to_string();
        if c == '\\' {
            unit.extend(rest.next());
        }
        units.push(unit);
    }
    units.reverse();
    units.concat()
}

fn shell_pattern(pattern: &str, greedy: bool, anchored: bool) -> Result<Regex, Trouble> {
    let mut regex = String::from(if anchored { "^" } else { "" });
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => regex.push_str(if greedy { ".*" } else { ".*?" }),
            '?' => regex.push('.'),
            '\\' if matches!(rest.peek(), Some('}' | '/')) => {}
            '\\' => match rest.next() {
                Some(next @ ('*' | '?' | '\\')) => {
                    regex.push('\\');
                    regex.push(next);
                }
                _ => return Err(Trouble::Syntax),
            },
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Regex::new(&regex).map_err(|_| Trouble::Syntax)
}
