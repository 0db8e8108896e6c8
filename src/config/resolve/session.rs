//! Forwards, logs, the cluster and the registry.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{
    ClusterChoice, Forward, ForwardPort, ImageRef, LogFilter, LogPrefix, RegistryNames,
};

use super::super::error::Problem;
use super::super::forms::{ForwardEntry, LogForm, is_port};
use super::super::node::Fault;
use super::super::provenance::Provenance;
use super::super::read::{Spanned, port};
use super::super::schema::ClusterEntry;
use super::{globs, list};

pub(super) fn logs(form: Option<Spanned<LogForm>>) -> Result<LogFilter, Fault> {
    Ok(match form.map(|form| form.value) {
        None => LogFilter::default(),
        Some(LogForm::Switch(on)) => LogFilter { off: !on, ..LogFilter::default() },
        Some(LogForm::Full(full)) => LogFilter {
            off: false,
            exclude: globs(list(full.exclude))?,
            prefix: full.prefix.as_ref().map(prefix).transpose()?.unwrap_or_default(),
            json_fields: list(full.json_fields).into_iter().map(|field| field.value).collect(),
        },
    })
}

fn prefix(text: &Spanned<String>) -> Result<LogPrefix, Fault> {
    let known = LogPrefix::ALL.iter().find(|(name, _)| *name == text.value);
    let names = LogPrefix::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
    known.map(|(_, prefix)| *prefix).ok_or_else(|| text.wrong(&format!("one of {names}")))
}

pub(super) fn cluster(entry: ClusterEntry) -> Result<ClusterChoice, Fault> {
    Ok(ClusterChoice {
        context: entry.context.map(|context| context.value),
        namespace: entry.namespace.map(|namespace| namespace.value),
        allow: globs(list(entry.allow))?,
    })
}

pub(super) fn registry(text: &Spanned<String>) -> Result<String, Fault> {
    let trimmed = text.value.trim_end_matches('/');
    match ImageRef::parse(&format!("{trimmed}/x")) {
        Ok(_) if !trimmed.is_empty() => Ok(trimmed.to_owned()),
        _ => Err(text.wrong("a registry such as `localhost:5000` or `ghcr.io/acme/dev`")),
    }
}

pub(super) fn insecure(text: &Spanned<String>) -> Result<String, Fault> {
    let host = text.value.trim_end_matches('/');
    match ImageRef::parse(&format!("{host}/x/x")) {
        Ok(image)
            if !host.contains('/') && (image.host() == host || !host.contains(['.', ':'])) =>
        {
            Ok(host.to_owned())
        }
        _ => Err(text.wrong("a registry's host, such as `registry.local:5000`")),
    }
}

pub(super) fn registry_names(text: &Spanned<String>) -> Result<RegistryNames, Fault> {
    let known = RegistryNames::ALL.iter().find(|(name, _)| *name == text.value);
    known.map(|(_, names)| *names).ok_or_else(|| text.wrong("`path`, `flat` or `whole`"))
}

pub(super) fn forwards(
    entries: Vec<Spanned<ForwardEntry>>,
    provenance: &mut Provenance,
) -> Result<Vec<Forward>, Fault> {
    let mut out: Vec<Forward> = Vec::new();
    let mut local_at: BTreeMap<u16, Range<usize>> = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let index = index.to_string();
        for key in ["service", "workload", "port", "local"] {
            provenance.alias(&["forward", &index], &["forward", &index, key]);
        }
        let port = match &entry.value.port {
            None => None,
            Some(text) if !is_port(text) => {
                return Err(entry.fault(Problem::WrongValue {
                    expected: "a port, by number or name".to_owned(),
                    found: format!("`{text}`"),
                }));
            }
            Some(text) => Some(match port(text) {
                Some(number) => ForwardPort::Number(number),
                None => ForwardPort::Name(text.clone()),
            }),
        };
        let ForwardEntry { kind, name, local, namespace, address, .. } = entry.value;
        let forward = Forward { kind, name, namespace, port, local, address };
        if let Some(local) = local_port(&forward) {
            if let Some(first) = local_at.get(&local) {
                let problem = Problem::DuplicateName {
                    what: format!("the local port {local} is given to two forwards"),
                    help: "give one of them another `local` port, such as `8081:http`".to_owned(),
                };
                let fault = Fault { profile: entry.profile, ..Fault::new(problem, entry.at) };
                return Err(fault.also(first.clone(), "first here"));
            }
            local_at.insert(local, entry.at);
        }
        out.push(forward);
    }
    Ok(out)
}

/// The local port of `forward`, where it can be known without the cluster.
pub(in crate::config) fn local_port(forward: &Forward) -> Option<u16> {
    forward.local.or(match forward.port {
        Some(ForwardPort::Number(port)) if port >= 1024 => Some(port),
        Some(ForwardPort::Number(port)) => Some(port + 8000),
        Some(ForwardPort::Name(_)) | None => None,
    })
}
