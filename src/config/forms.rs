//! Keys of `wharf.yaml` that may be written in more than one way.

use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::model::Namespace;

use super::error::Problem;
use super::node::{Fault, Kind, Node};
use super::read::{Read, Spanned, port};
use super::schema::{ForwardFull, KustomizeEntry, LogEntry, ManifestEntry, SshEntry, WaitEntry};

/// `default`, or the map form.
#[derive(Debug, Clone)]
pub(super) struct SshForm {
    pub(super) id: String,
    pub(super) socket: Option<String>,
}

impl Read for SshForm {
    fn read(node: &Node) -> Result<Self, Fault> {
        if let Kind::Scalar { text, .. } = &node.kind {
            return Ok(Self { id: text.clone(), socket: None });
        }
        let full = SshEntry::read(node)?;
        let id = full.id.map_or_else(|| "default".to_owned(), |id| id.value);
        Ok(Self { id, socket: full.socket.map(|socket| socket.value) })
    }
}

/// `false`, `true`, or the map form.
#[derive(Debug, Clone)]
pub(super) enum WaitForm {
    Switch(bool),
    Full(WaitEntry),
}

impl Read for WaitForm {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Map(_) => WaitEntry::read(node).map(Self::Full),
            Kind::Scalar { .. } => bool::read(node)
                .map(Self::Switch)
                .map_err(|_| node.wrong("`true`, `false` or a map with `ready` and `timeout`")),
            _ => Err(node.wrong("`true`, `false` or a map with `ready` and `timeout`")),
        }
    }
}

/// `false`, or the map form.
#[derive(Debug, Clone)]
pub(super) enum LogForm {
    Switch(bool),
    Full(LogEntry),
}

impl Read for LogForm {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Map(_) => LogEntry::read(node).map(Self::Full),
            _ => bool::read(node)
                .map(Self::Switch)
                .map_err(|_| node.wrong("`true`, `false` or a map such as `{exclude: [NAME]}`")),
        }
    }
}

/// A list of folders, or entries by name.
#[derive(Debug, Clone)]
pub(super) enum KustomizeForm {
    List(Vec<Spanned<String>>),
    Named(Vec<(Spanned<String>, KustomizeEntry)>),
}

impl Read for KustomizeForm {
    fn read(node: &Node) -> Result<Self, Fault> {
        let Kind::Map(entries) = &node.kind else {
            return <Vec<Spanned<String>>>::read(node)
                .map(Self::List)
                .map_err(|fault| relabelled(fault, node, "a list of folders, or a map by name"));
        };
        let mut out = Vec::new();
        for (key, value) in entries {
            let entry = match &value.kind {
                Kind::Map(_) => KustomizeEntry::read(value)?,
                Kind::Scalar { .. } => {
                    KustomizeEntry { path: Some(Spanned::read(value)?), ..Default::default() }
                }
                _ => return Err(value.wrong("a folder, or a map with `path`")),
            };
            out.push((key_of(key, value), entry));
        }
        Ok(Self::Named(out))
    }
}

/// A list of globs, or entries by name.
#[derive(Debug, Clone)]
pub(super) enum ManifestForm {
    List(Spanned<Globs>),
    Named(Vec<(Spanned<String>, ManifestEntry)>),
}

impl Read for ManifestForm {
    fn read(node: &Node) -> Result<Self, Fault> {
        let Kind::Map(entries) = &node.kind else {
            return Spanned::read(node)
                .map(Self::List)
                .map_err(|fault| relabelled(fault, node, "a list of globs, or a map by name"));
        };
        let mut out = Vec::new();
        for (key, value) in entries {
            let entry = match &value.kind {
                Kind::Map(_) => ManifestEntry::read(value)?,
                _ => ManifestEntry { files: Some(Spanned::read(value)?), ..Default::default() },
            };
            out.push((key_of(key, value), entry));
        }
        Ok(Self::Named(out))
    }
}

/// One glob or several.
#[derive(Debug, Clone)]
pub(super) struct Globs(pub(super) Vec<Spanned<String>>);

impl Read for Globs {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Scalar { .. } => Ok(Self(vec![Spanned::read(node)?])),
            Kind::List(_) => <Vec<Spanned<String>>>::read(node).map(Self),
            _ => Err(node.wrong("a glob or a list of globs")),
        }
    }
}

/// A forward, from any of its forms.
#[derive(Debug, Clone)]
pub(super) struct ForwardEntry {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) port: Option<String>,
    pub(super) local: Option<u16>,
    pub(super) namespace: Option<Namespace>,
    pub(super) address: Option<IpAddr>,
}

/// What a forward's target looks like.
const TARGET: &str = "a target such as `service/web` or `deployment/api`, with a port or alone";

/// What a port looks like.
const PORT: &str = "a port from 1 to 65535, or its name";

/// What a forward may lead to: how people write it, and its full name.
pub(super) const TARGETS: &[(&str, &str)] = &[
    ("service", "service"),
    ("services", "service"),
    ("svc", "service"),
    ("deployment", "deployment"),
    ("deployments", "deployment"),
    ("deploy", "deployment"),
    ("statefulset", "statefulset"),
    ("statefulsets", "statefulset"),
    ("sts", "statefulset"),
    ("daemonset", "daemonset"),
    ("daemonsets", "daemonset"),
    ("ds", "daemonset"),
    ("replicaset", "replicaset"),
    ("replicasets", "replicaset"),
    ("rs", "replicaset"),
    ("job", "job"),
    ("jobs", "job"),
    ("cronjob", "cronjob"),
    ("cronjobs", "cronjob"),
    ("cj", "cronjob"),
    ("pod", "pod"),
    ("pods", "pod"),
    ("po", "pod"),
];

impl Read for ForwardEntry {
    fn read(node: &Node) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Scalar { text, .. } => {
                let (kind, name) = target(text).ok_or_else(|| wrong_target(node))?;
                Ok(Self { kind, name, port: None, local: None, namespace: None, address: None })
            }
            Kind::Map(entries) => match entries.as_slice() {
                [(key, value)] if key.text.contains('/') => {
                    let (kind, name) = target(&key.text).ok_or_else(|| {
                        let found = format!("`{}`", key.text);
                        let problem = Problem::WrongValue { expected: TARGET.to_owned(), found };
                        Fault { at: key.at.clone(), ..node.fault(problem) }
                    })?;
                    let (local, port) = ports(value)?;
                    Ok(Self { kind, name, port, local, namespace: None, address: None })
                }
                _ => Self::full(node),
            },
            _ => Err(wrong_target(node)),
        }
    }
}

impl ForwardEntry {
    fn full(node: &Node) -> Result<Self, Fault> {
        let full = ForwardFull::read(node)?;
        let (kind, name) = match (full.service, full.workload) {
            (Some(service), None) => {
                let name = service.value.strip_prefix("service/").unwrap_or(&service.value);
                ("service".to_owned(), name.to_owned())
            }
            (None, Some(workload)) => target(&workload.value).ok_or_else(|| {
                let expected = "a workload such as `deployment/api`".to_owned();
                let found = format!("`{}`", workload.value);
                workload.fault(Problem::WrongValue { expected, found })
            })?,
            (Some(_), Some(workload)) => {
                return Err(workload.fault(Problem::Conflict {
                    what: "a forward leads to a `service` or to a `workload`, not both".to_owned(),
                    help: "take one of them out".to_owned(),
                }));
            }
            (None, None) => {
                return Err(node.fault(Problem::MissingKey {
                    key: "service",
                    within: "this forward".to_owned(),
                    example: "service: NAME".to_owned(),
                }));
            }
        };
        if let Some(port) = full.port.as_ref().filter(|port| !is_port(&port.value.0)) {
            let found = format!("`{}`", port.value.0);
            let expected = PORT.to_owned();
            return Err(port.fault(Problem::WrongValue { expected, found }));
        }
        Ok(Self {
            kind,
            name,
            port: full.port.map(|port| port.value.0),
            local: full.local.map(|local| local.value.0),
            namespace: full.namespace.map(|namespace| namespace.value),
            address: full.address.as_ref().map(address).transpose()?.flatten(),
        })
    }
}

/// A local address; that of the loopback is the default.
fn address(text: &Spanned<String>) -> Result<Option<IpAddr>, Fault> {
    if matches!(text.value.as_str(), "localhost" | "127.0.0.1") {
        return Ok(None);
    }
    let expected = "an IP address such as `0.0.0.0`, or `localhost`";
    text.value.parse().map(Some).map_err(|_| text.wrong(expected))
}

/// `svc/web` as `("service", "web")`.
fn target(text: &str) -> Option<(String, String)> {
    let (kind, name) = text.split_once('/')?;
    let kind = kind.to_lowercase();
    let (_, full) = TARGETS.iter().find(|(short, _)| *short == kind)?;
    (!name.is_empty() && !name.contains('/')).then(|| ((*full).to_owned(), name.to_owned()))
}

fn wrong_target(node: &Node) -> Fault {
    node.wrong(TARGET)
}

/// `8080`, `http` or `8080:http`: the local port, where one is given, and the remote one.
fn ports(node: &Node) -> Result<(Option<u16>, Option<String>), Fault> {
    let expected = "a port such as `8080`, or local and remote port such as `8080:http`";
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Kind::Scalar { text, .. } = &node.kind
        && text.split(':').any(|part| is_number(part) && port(part).is_none())
    {
        return Err(node.wrong(PORT));
    }
    match &node.kind {
        Kind::Null => Ok((None, None)),
        Kind::Scalar { text, .. } => {
            let (local, remote) = match text.split_once(':') {
                Some((local, remote)) => {
                    let Some(local) = port(local) else { return Err(node.wrong(expected)) };
                    (Some(local), remote)
                }
                None => (None, text.as_str()),
            };
            if !is_port(remote) {
                return Err(node.wrong(expected));
            }
            Ok((local, Some(remote.to_owned())))
        }
        _ => Err(node.wrong(expected)),
    }
}

/// Whether `text` is the number or the name of a port (IANA service name, as Kubernetes has it).
pub(super) fn is_port(text: &str) -> bool {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return port(text).is_some();
    }
    text.len() <= 63
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn key_of(key: &super::node::Key, value: &Node) -> Spanned<String> {
    Spanned { value: key.text.clone(), at: key.at.clone(), profile: value.profile.clone() }
}

/// A fault about `node` itself, told with what it may be in all.
fn relabelled(fault: Fault, node: &Node, expected: &str) -> Fault {
    if fault.at == node.at { node.wrong(expected) } else { fault }
}

macro_rules! forms {
    ($($type:ident => |$generator:ident| $schema:expr;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}
forms! {
    SshForm => |generator| json_schema!({
        "anyOf": [{ "type": "string" }, generator.subschema_for::<SshEntry>()]
    });
    WaitForm => |generator| json_schema!({
        "anyOf": [{ "type": "boolean" }, generator.subschema_for::<WaitEntry>()]
    });
    LogForm => |generator| json_schema!({
        "anyOf": [{ "type": "boolean" }, generator.subschema_for::<LogEntry>()]
    });
    KustomizeForm => |generator| json_schema!({
        "anyOf": [
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": {
                "anyOf": [{ "type": "string" }, generator.subschema_for::<KustomizeEntry>()]
            } }
        ]
    });
    ManifestForm => |generator| json_schema!({
        "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
            { "type": "object", "additionalProperties": {
                "anyOf": [
                    { "type": "string" },
                    { "type": "array", "items": { "type": "string" } },
                    generator.subschema_for::<ManifestEntry>()
                ]
            } }
        ]
    });
    Globs => |_generator| json_schema!({
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
    });
    ForwardEntry => |generator| json_schema!({
        "anyOf": [
            { "type": "string", "pattern": "^[a-zA-Z]+/[^/]+$" },
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "patternProperties": { "^[a-zA-Z]+/[^/]+$": { "type": ["string", "integer", "null"] } },
                "additionalProperties": false
            },
            generator.subschema_for::<ForwardFull>()
        ]
    });
}
