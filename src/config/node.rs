//! YAML as a tree whose every value knows where it stands.
//!
//! Plain scalars keep their text: `1.20` stays `1.20` where a text is wanted. Anchors, aliases and
//! merge keys are resolved here; a value that came through an alias stands where it was defined.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::error::Problem;

/// How many nodes aliases may make of one file; guards against the "billion laughs" file.
const NODE_LIMIT: usize = 100_000;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Bytes of the file; of a list or map its first line only.
    pub(super) at: Range<usize>,
    /// The profile that gave it.
    pub(super) profile: Option<String>,
    /// Environment variables that went into it.
    pub(super) env: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    /// `plain`: not quoted, hence perhaps a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

/// A problem and the bytes that it is about.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) problem: Box<Problem>,
    pub(super) at: Range<usize>,
    pub(super) also: Option<Box<(Range<usize>, String)>>,
    pub(super) profile: Option<String>,
}

impl Fault {
    pub(super) fn new(problem: Problem, at: Range<usize>) -> Self {
        Self { problem: Box::new(problem), at, also: None, profile: None }
    }

    pub(super) fn also(mut self, at: Range<usize>, label: &str) -> Self {
        self.also = Some(Box::new((at, label.to_owned())));
        self
    }
}

impl Node {
    pub(super) fn new(kind: Kind, at: Range<usize>) -> Self {
        Self { kind, at, profile: None, env: BTreeSet::new() }
    }

    pub(super) fn fault(&self, problem: Problem) -> Fault {
        Fault { profile: self.profile.clone(), ..Fault::new(problem, self.at.clone()) }
    }

    /// What it is, in words; short values of the file are quoted.
    pub(super) fn found(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
            Kind::Scalar { text, .. } => {
                if self.env.is_empty() && text.len() <= 40 && !text.contains('\n') {
                    format!("`{text}`")
                } else {
                    "a text".to_owned()
                }
            }
        }
    }

    pub(super) fn wrong(&self, expected: impl Into<String>) -> Fault {
        self.fault(Problem::WrongValue { expected: expected.into(), found: self.found() })
    }

    /// The entries of a map; nothing counts as an empty one.
    pub(super) fn entries(&self, expected: &str) -> Result<&[(Key, Self)], Fault> {
        match &self.kind {
            Kind::Map(entries) => Ok(entries),
            Kind::Null => Ok(&[]),
            _ => Err(self.wrong(expected)),
        }
    }
}

/// Reads the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader::new(text);
    let mut document = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(..) if document.is_some() => {
                let problem = Problem::Syntax("a second document begins here".to_owned());
                return Err(Fault::new(problem, reader.range(&span)));
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            event => document = Some(reader.node(event, span)?),
        }
    }
    Ok(document.unwrap_or_else(|| Node::new(Kind::Null, 0..0)))
}

/// Reads all documents of `text`.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Fault> {
    let mut reader = Reader::new(text);
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            // Anchors are known in their own document alone.
            Event::DocumentStart(..) => reader.by_anchor.clear(),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => documents.push(reader.node(event, span)?),
        }
    }
    Ok(documents)
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    by_anchor: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let parser = Parser::new_from_str(text);
        Self { text, parser, by_anchor: BTreeMap::new(), nodes: 0 }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fault> {
        loop {
            match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok((Event::Comment(..) | Event::Anchor(..), _))) => {}
                Some(Ok(next)) => return Ok(Some(next)),
                Some(Err(error)) => return Err(self.syntax(&error)),
            }
        }
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        let start = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let rest = self.text[start..].find('\n').map_or(self.text.len(), |end| start + end);
        Fault::new(Problem::Syntax(error.info()), start..rest.min(start + 1))
    }

    fn range(&self, span: &Span) -> Range<usize> {
        span.byte_range().unwrap_or(0..self.text.len())
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Fault> {
        let at = self.range(&span);
        self.nodes += 1;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = if plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
                {
                    Kind::Null
                } else {
                    Kind::Scalar { text: text.into_owned(), plain }
                };
                // A block scalar's range may be long; its first line is where one looks.
                (Node::new(kind, self.first_line(at)), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.some()? {
                        (Event::SequenceEnd, span) => break self.range(&span).end,
                        (event, span) => items.push(self.node(event, span)?),
                    }
                };
                let at = self.first_line(at.start..end);
                (Node::new(Kind::List(items), at), anchor)
            }
            Event::MappingStart(_, anchor, _) => self.map(at, anchor)?,
            Event::Alias(anchor) => {
                let Some(node) = self.by_anchor.get(&anchor).cloned() else {
                    let problem = Problem::Syntax("an alias inside its own anchor".to_owned());
                    return Err(Fault::new(problem, at));
                };
                self.nodes += count(&node);
                if self.nodes > NODE_LIMIT {
                    let problem = Problem::Syntax("aliases make this file too large".to_owned());
                    return Err(Fault::new(problem, at));
                }
                (node, 0)
            }
            event => {
                let problem = Problem::Syntax(format!("unexpected {event:?}"));
                return Err(Fault::new(problem, at));
            }
        };
        if anchor > 0 {
            self.by_anchor.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn map(&mut self, at: Range<usize>, anchor: usize) -> Result<(Node, usize), Fault> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged: Vec<(Key, Node)> = Vec::new();
        let end = loop {
            let (event, span) = self.some()?;
            if event == Event::MappingEnd {
                break self.range(&span).end;
            }
            let key_at = self.range(&span);
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = match self.node(event, span)?.kind {
                Kind::Scalar { text, .. } => Key { text, at: key_at },
                Kind::Null => Key { text: "null".to_owned(), at: key_at },
                Kind::List(_) | Kind::Map(_) => {
                    let problem = Problem::WrongValue {
                        expected: "a text as key".to_owned(),
                        found: "a list or map".to_owned(),
                    };
                    return Err(Fault::new(problem, self.first_line(key_at)));
                }
            };
            let (event, span) = self.some()?;
            let value = self.node(event, span)?;
            if is_merge {
                merged.extend(merge_sources(&value)?);
            } else if let Some((first, _)) =
                entries.iter().find(|(other, _)| other.text == key.text)
            {
                let first = first.at.clone();
                let fault = Fault::new(Problem::DuplicateKey(key.text), key.at);
                return Err(fault.also(first, "first here"));
            } else {
                entries.push((key, value));
            }
        };
        for (key, value) in merged {
            if !entries.iter().any(|(other, _)| other.text == key.text) {
                entries.push((key, value));
            }
        }
        let at = self.first_line(at.start..end);
        Ok((Node::new(Kind::Map(entries), at), anchor))
    }

    fn some(&mut self) -> Result<(Event<'t>, Span), Fault> {
        self.next()?.ok_or_else(|| {
            let end = self.text.len();
            Fault::new(Problem::Syntax("the file ends too early".to_owned()), end..end)
        })
    }

    fn first_line(&self, at: Range<usize>) -> Range<usize> {
        let start = at.start.min(self.text.len());
        let end = at.end.clamp(start, self.text.len());
        let line = self.text[start..end].split('\n').next().unwrap_or_default().trim_end();
        start..start + line.len()
    }
}

fn merge_sources(value: &Node) -> Result<Vec<(Key, Node)>, Fault> {
    match &value.kind {
        Kind::Map(entries) => Ok(entries.clone()),
        Kind::List(items) => {
            let mut all: Vec<(Key, Node)> = Vec::new();
            for item in items {
                let Kind::Map(entries) = &item.kind else {
                    return Err(item.wrong("a map to merge"));
                };
                for (key, value) in entries {
                    if !all.iter().any(|(other, _)| other.text == key.text) {
                        all.push((key.clone(), value.clone()));
                    }
                }
            }
            Ok(all)
        }
        _ => Err(value.wrong("a map to merge")),
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Null | Kind::Scalar { .. } => 0,
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
    }
}
