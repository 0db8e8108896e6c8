//! From YAML nodes to typed values, with the place of each.
//!
//! The macro [`keys`] writes a struct whose fields are the keys of a map; it refuses unknown keys
//! and gives the JSON Schema of the same struct.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::model::{ContextName, Namespace, Platform};

use super::error::Problem;
use super::node::{Fault, Key, Kind, Node};

/// What can be read from a node.
pub(super) trait Read: Sized {
    fn read(node: &Node) -> Result<Self, Fault>;
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
    pub(super) profile: Option<String>,
}

impl<T> Spanned<T> {
    pub(super) fn fault(&self, problem: Problem) -> Fault {
        Fault { profile: self.profile.clone(), ..Fault::new(problem, self.at.clone()) }
    }
}

impl<T: Read> Read for Spanned<T> {
    fn read(node: &Node) -> Result<Self, Fault> {
        let value = T::read(node)?;
        Ok(Self { value, at: node.at.clone(), profile: node.profile.clone() })
    }
}

/// Declares a struct that is read from a map with exactly these keys.
macro_rules! keys {
    ($(
        $(#[$meta:meta])*
        $name:ident($within:literal) {
            $( $(#[$field_meta:meta])* $key:literal $field:ident: $type:ty, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(super) struct $name {
            $(
                $(#[$field_meta])*
                #[schemars(rename = $key)]
                pub(super) $field: Option<crate::config::read::Spanned<$type>>,
            )*
        }

        impl crate::config::read::Read for $name {
            fn read(
                node: &crate::config::node::Node,
            ) -> Result<Self, crate::config::node::Fault> {
                const KNOWN: &[&str] = &[$($key),*];
                let mut out = Self::default();
                for (key, value) in node.entries(concat!("a map with the keys of ", $within))? {
                    match key.text.as_str() {
                        $($key => out.$field = crate::config::read::optional(value)?,)*
                        _ => return Err(crate::config::read::unknown(key, value, $within, KNOWN)),
                    }
                }
                Ok(out)
            }
        }
    )*};
}
pub(super) use keys;

pub(super) fn optional<T: Read>(node: &Node) -> Result<Option<Spanned<T>>, Fault> {
    if node.kind == Kind::Null { Ok(None) } else { Spanned::read(node).map(Some) }
}

pub(super) fn unknown(
    key: &Key,
    value: &Node,
    within: &'static str,
    known: &'static [&'static str],
) -> Fault {
    let problem = Problem::UnknownKey { key: key.text.clone(), within, known };
    Fault { profile: value.profile.clone(), ..Fault::new(problem, key.at.clone()) }
}

/// Entries by name, in the file's order.
#[derive(Debug, Clone)]
pub(super) struct Named<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<T: Read> Read for Named<T> {
    fn read(node: &Node) -> Result<Self, Fault> {
        let mut out = Vec::new();
        for (key, value) in node.entries("a map by name")? {
            let name = Spanned {
                value: key.text.clone(),
                at: key.at.clone(),
                profile: value.profile.clone(),
            };
            out.push((name, T::read(value)?));
        }
        Ok(Self(out))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("NamedOf{}", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // `api:` alone is an entry with nothing but defaults.
        <BTreeMap<String, Option<T>>>::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl Read for String {
    /// Any scalar, as it is written: `1.20` is no number where a text is wanted.
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Scalar { text, .. } => Ok(text.clone()),
            _ => Err(node.wrong("a text")),
        }
    }
}

impl Read for bool {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Scalar { text, .. } if text.eq_ignore_ascii_case("true") => Ok(true),
            Kind::Scalar { text, .. } if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(node.wrong("`true` or `false`")),
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::List(items) => items.iter().map(T::read).collect(),
            _ => Err(node.wrong("a list")),
        }
    }
}

/// A text that may also be written as a number or a truth value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl Read for Text {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Null => Ok(Self(String::new())),
            _ => String::read(node).map(Self),
        }
    }
}

/// A TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Port(pub(super) u16);

impl Read for Port {
    fn read(node: &Node) -> Result<Self, Fault> {
        let Kind::Scalar { text, .. } = &node.kind else {
            return Err(node.wrong("a port number"));
        };
        port(text).map(Self).ok_or_else(|| node.wrong("a port number from 1 to 65535"))
    }
}

pub(super) fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// A length of time: `90s`, `10m`, `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl Read for Span {
    fn read(node: &Node) -> Result<Self, Fault> {
        let expected = "a length of time such as `90s`, `10m` or `1h30m`";
        let Kind::Scalar { text, .. } = &node.kind else { return Err(node.wrong(expected)) };
        span(text).map(Self).ok_or_else(|| node.wrong(expected))
    }
}

fn span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_ends = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(unit_ends);
        rest = after;
        let seconds = match unit {
            "ms" => {
                total = total.checked_add(Duration::from_millis(number))?;
                continue;
            }
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(number.checked_mul(seconds)?))?;
    }
    (total > Duration::ZERO).then_some(total)
}

/// `duration` as [`Span`] reads it.
pub(super) fn span_text(duration: Duration) -> String {
    let (whole, rest) = (duration.as_secs(), duration.subsec_millis());
    let parts = [(whole / 3600, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    let mut text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if rest > 0 {
        text.push_str(&format!("{rest}ms"));
    }
    text
}

/// Anything that YAML can say, as Helm reads it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Anything(pub(super) Value);

impl Read for Anything {
    fn read(node: &Node) -> Result<Self, Fault> {
        untyped(node).map(Self)
    }
}

fn untyped(node: &Node) -> Result<Value, Fault> {
    Ok(match &node.kind {
        Kind::Null => Value::Null,
        Kind::List(items) => Value::Array(items.iter().map(untyped).collect::<Result<_, _>>()?),
        Kind::Map(entries) => {
            let mut map = serde_json::Map::new();
            for (key, value) in entries {
                map.insert(key.text.clone(), untyped(value)?);
            }
            Value::Object(map)
        }
        Kind::Scalar { text, plain: false } => Value::String(text.clone()),
        Kind::Scalar { text, plain: true } => plain(text),
    })
}

/// A plain scalar by the rules that kubectl and Helm know (YAML 1.1: `yes` is true, `0644` octal).
fn plain(text: &str) -> Value {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Null)) => value,
        _ => Value::String(text.to_owned()),
    }
}

macro_rules! parsed {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn read(node: &Node) -> Result<Self, Fault> {
                let text = String::read(node)?;
                <$type>::parse(&text).map_err(|error| node.fault(error.into()))
            }
        }
    )*};
}
parsed! {
    ContextName, Namespace
}

impl Read for Platform {
    fn read(node: &Node) -> Result<Self, Fault> {
        Self::parse(&String::read(node)?)
            .map_err(|_| node.wrong("`os/arch` or `os/arch/variant`, such as `linux/amd64`"))
    }
}

impl From<crate::model::NameError> for Problem {
    fn from(error: crate::model::NameError) -> Self {
        Self::Name(error)
    }
}

macro_rules! schemas {
    ($($type:ident: $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}
schemas! {
    Text: { "type": ["string", "number", "boolean", "null"] };
    Port: { "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "string", "pattern": "^\\$\\{.*\\}$" }
    ] };
    Span: { "type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$|^\\$\\{.*\\}$" };
    Anything: {};
    ContextName: { "type": "string", "minLength": 1 };
    Namespace: { "type": "string" };
    Platform: { "type": "string" };
}
