//! Go templates in values: `{{.NAME}}` out of the environment, with Sprig's functions.
//!
//! `gotmpl` is a port of Go's text/template without unsafe code; the functions are in `sprig`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gotmpl::{Template, TemplateError, Value};

use crate::tools::Tools;

use super::super::error::{Problem, closest};
use super::super::node::{Fault, Kind, Node};
use super::sprig;

/// What templates may name.
pub(super) struct Templates<'t> {
    pub(super) environment: &'t BTreeMap<String, String>,
    /// Where commands of templates run.
    dir: PathBuf,
    /// What they said: a command is run once, however often it is named.
    said: Arc<Mutex<BTreeMap<Vec<String>, String>>>,
}

/// How long a command in a template may take: it stands between a person and everything else.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

impl<'t> Templates<'t> {
    pub(super) fn new(environment: &'t BTreeMap<String, String>, dir: &Path) -> Self {
        Self { environment, dir: dir.to_path_buf(), said: Arc::default() }
    }

    /// What the command `words` says in `dir`; the reason where it fails.
    pub(super) fn run(&self, words: &[String], dir: &Path) -> Result<String, String> {
        run(&tools(self.environment), words, dir)
    }

    fn cmd(&self) -> gotmpl::ValueFunc {
        let (tools, dir) = (tools(self.environment), self.dir.clone());
        let said = Arc::clone(&self.said);
        Arc::new(move |args: &[Value]| {
            let words: Vec<String> = args.iter().map(ToString::to_string).collect();
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = said.get(&words) {
                return Ok(Value::String(known.as_str().into()));
            }
            let text = run(&tools, &words, &dir).map_err(TemplateError::Exec)?;
            said.insert(words, text.clone());
            Ok(Value::String(text.into()))
        })
    }
}

fn tools(environment: &BTreeMap<String, String>) -> Tools {
    Tools::new(environment.iter().map(|(name, value)| (name.into(), value.into())).collect())
}

fn run(tools: &Tools, words: &[String], dir: &Path) -> Result<String, String> {
    let Some((program, words)) = words.split_first() else {
        return Err("`cmd` needs a command".to_owned());
    };
    let command = tools.command(program).args(words).folder(dir).time_limit(COMMAND_LIMIT);
    match command.run_blocking() {
        Ok(output) => Ok(output.text().trim().to_owned()),
        Err(error) => {
            let last = error.output_tail().last().map(|line| format!(": {line}"));
            Err(format!("{error}{}", last.unwrap_or_default()))
        }
    }
}

impl Templates<'_> {
    /// `node` with its template replaced by what it gives.
    pub(super) fn expand(&self, node: &Node) -> Result<Node, Fault> {
        self.expand_with(node, &BTreeMap::new())
    }

    /// Like [`Self::expand`], with `more` that the template may name.
    pub(super) fn expand_with(
        &self,
        node: &Node,
        more: &BTreeMap<String, String>,
    ) -> Result<Node, Fault> {
        let Some(text) = node.as_text().filter(|text| text.contains("{{")) else {
            return Ok(node.clone());
        };
        let used = self.names_in(text);
        let full = self.text(text, more).map_err(|problem| node.fault(problem))?;
        let mut out = node.clone();
        out.kind = Kind::Scalar { text: full, plain: false };
        out.env.extend(used);
        Ok(out)
    }

    /// The variables of the environment that `template` names.
    fn names_in(&self, template: &str) -> Vec<String> {
        let names = fields_of(template);
        names.into_iter().filter(|name| self.environment.contains_key(name)).collect()
    }

    /// What the template `text` gives.
    pub(super) fn text(
        &self,
        text: &str,
        more: &BTreeMap<String, String>,
    ) -> Result<String, Problem> {
        let broken = |error: gotmpl::TemplateError| Problem::Conflict {
            what: format!("the template cannot be used: {error}"),
            help: "templates are Go's, with most of Sprig's functions and `cmd`".to_owned(),
        };
        let mut functions = sprig::functions(self.environment);
        functions.insert("cmd".to_owned(), self.cmd());
        let template = Template::new("value").funcs(functions);
        let template = template.parse(text).map_err(broken)?;
        let data: BTreeMap<Arc<str>, Value> = self
            .environment
            .iter()
            .chain(more)
            .map(|(name, value)| (Arc::from(name.as_str()), Value::String(value.as_str().into())))
            .collect();
        let full = template.execute_to_string(&Value::Map(data.into())).map_err(broken)?;
        if !full.contains("<no value>") {
            return Ok(full);
        }
        let is_missing =
            |name: &String| !self.environment.contains_key(name) && !more.contains_key(name);
        match fields_of(text).into_iter().find(is_missing) {
            Some(name) => {
                let known: Vec<&String> = self.environment.keys().chain(more.keys()).collect();
                let meant = closest(&name, &known)
                    .map_or_else(String::new, |meant| format!("did you mean `{{{{.{meant}}}}}`? "));
                Err(Problem::Conflict {
                    what: format!("the environment variable `{name}` is not set"),
                    help: format!(
                        "{meant}set `{name}`, or give a default with `{{{{default \"...\" .{name}}}}}`"
                    ),
                })
            }
            None => Ok(full),
        }
    }
}

/// The names of the fields (`.NAME`) in the actions of `template`.
fn fields_of(template: &str) -> Vec<String> {
    let mut names = Vec::new();
    for action in template.split("{{").skip(1) {
        let action = action.split("}}").next().unwrap_or_default();
        for (at, _) in action.match_indices('.') {
            let is_start = action[..at].ends_with([' ', '(', '-', '|']) || at == 0;
            let name: String =
                action[at + 1..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if is_start && !name.is_empty() {
                names.push(name);
            }
        }
    }
    names
}

/// The text of `template` for `data`, with the functions that values have, and `json`.
pub(in crate::config) fn fill(template: &str, data: &serde_json::Value) -> Result<String, String> {
    let filled = parsed(template).and_then(|template| template.execute_to_string(&of_json(data)));
    filled.map_err(|error| error.to_string())
}

/// What is wrong with a template, whatever it is filled with.
pub(in crate::config) fn check(template: &str) -> Result<(), String> {
    parsed(template).map(drop).map_err(|error| error.to_string())
}

fn parsed(template: &str) -> Result<Template, TemplateError> {
    let none = BTreeMap::new();
    let mut functions = sprig::functions(&none);
    let json: gotmpl::ValueFunc = Arc::new(|args: &[Value]| {
        let value = args.first().map(to_json).unwrap_or_default();
        Ok(Value::String(value.to_string().into()))
    });
    functions.insert("json".to_owned(), json);
    Template::new("output").funcs(functions).parse(template)
}

fn of_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Int(number.as_i64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::String(text.as_str().into()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(of_json).collect()),
        serde_json::Value::Object(map) => {
            let map = map.iter().map(|(key, value)| (Arc::from(key.as_str()), of_json(value)));
            let map: BTreeMap<Arc<str>, Value> = map.collect();
            Value::Map(map.into())
        }
    }
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => {
            map.iter().map(|(key, value)| (key.to_string(), to_json(value))).collect()
        }
        value => value.to_string().into(),
    }
}
