//! Go templates in values: `{{.NAME}}` out of the environment, with Sprig's functions.
//!
//! `gotmpl` is a port of Go's text/template without unsafe code; the functions are in `sprig`.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{Template, Value};

use super::super::error::{Problem, closest};
use super::super::node::{Fault, Kind, Node};
use super::sprig;

/// What templates may name.
pub(super) struct Templates<'t> {
    pub(super) environment: &'t BTreeMap<String, String>,
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
            help: "templates are Go's, with most of Sprig's functions; `cmd` is not among them: \
                   set an environment variable and name it as `{{.NAME}}`"
                .to_owned(),
        };
        let template = Template::new("value").funcs(sprig::functions(self.environment));
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
