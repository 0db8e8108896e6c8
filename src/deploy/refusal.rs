//! Why the API server refuses an object, in words that lead to the field.

use std::sync::LazyLock;

use regex::Regex;

/// What Go says of a value whose type does not fit.
static GO_TYPE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"cannot unmarshal (\w+) into Go struct field [A-Za-z]+\.([\w.]+) of type (\S+)")
        .expect("the pattern is valid")
});

/// What server-side apply says of the same.
static SCHEMA_TYPE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"expected (\w+), got &value\.valueUnstructured\{Value:(.*)\}")
        .expect("the pattern is valid")
});

/// The rule for names, with the pattern that it was made from.
static RULE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\(e\.g\. ('[^']*').*?, regex used for validation is '.*'\)")
        .expect("the pattern is valid")
});

const NO_FIELD: &str = "field not declared in schema";

/// The server's words about one field, as a person says them.
pub(super) fn plain(reason: &str) -> String {
    if let Some(found) = GO_TYPE.captures(reason) {
        return format!(
            "{}: expected {}, got {}",
            &found[2],
            go_type(&found[3]),
            go_type(&found[1])
        );
    }
    let reason = SCHEMA_TYPE.replace(reason, "expected $1, got $2");
    let reason = RULE.replace(&reason, "(such as $1)");
    reason.replace(NO_FIELD, "there is no such field")
}

/// What to do about one reason that [`plain`] has made, for the object `what`.
pub(super) fn help(what: &str, reason: &str) -> Option<String> {
    let (path, said) = reason.split_once(": ")?;
    if said.starts_with("expected string, got ") {
        return Some(format!("write it in quotes: `{}: \"…\"`", path.rsplit('.').next()?));
    }
    // A rule that is broken is said; what would keep to it is not.
    if !["there is no such field", "expected ", "Required value"]
        .iter()
        .any(|start| said.starts_with(start))
    {
        return None;
    }
    let kind = what.split_once('/').map_or(what, |(kind, _)| kind);
    if kind.contains(' ') {
        return None;
    }
    let mut steps: Vec<&str> =
        path.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect();
    if said.starts_with("there is no such field") {
        steps.pop();
    }
    let steps: String = steps.iter().map(|step| format!(".{step}")).collect();
    Some(format!("see what belongs there: `kubectl explain {kind}{steps}`"))
}

/// A type of Go as a person says it.
fn go_type(name: &str) -> String {
    let name = name.rsplit('.').next().unwrap_or(name);
    match name {
        "string" | "number" => format!("a {name}"),
        "bool" => "true or false".to_owned(),
        "object" | "array" => format!("an {name}"),
        _ if name.starts_with("int") || name.starts_with("float") => "a number".to_owned(),
        name => format!("what makes a {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: &str, reason: &str, told: &str) {
        let reason = plain(reason);
        let help = help(what, &reason).unwrap_or_default();
        assert_eq!(format!("{reason} | {help}"), told);
    }

    #[test]
    fn a_reason_names_the_field_and_what_belongs_there() {
        check(
            "deployment/web",
            "patch: Invalid value: \"{…}\": json: cannot unmarshal string into Go struct field \
             ContainerPort.spec.template.spec.containers.ports.containerPort of type int32",
            "spec.template.spec.containers.ports.containerPort: expected a number, got a string | \
             see what belongs there: `kubectl explain \
             deployment.spec.template.spec.containers.ports.containerPort`",
        );
        check(
            "configmap/a",
            "data.key: expected string, got &value.valueUnstructured{Value:12}",
            "data.key: expected string, got 12 | write it in quotes: `key: \"…\"`",
        );
        check(
            "service/a",
            "spec.prots: field not declared in schema",
            "spec.prots: there is no such field | \
             see what belongs there: `kubectl explain service.spec`",
        );
        check(
            "service/a",
            "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of \
             lower case alphanumeric characters, '-' or '.' (e.g. 'example.com', regex used for \
             validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9])*')",
            "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of \
             lower case alphanumeric characters, '-' or '.' (such as 'example.com') | ",
        );
        check(
            "deployment/a",
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 808080: must \
             be between 1 and 65535, inclusive",
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 808080: must \
             be between 1 and 65535, inclusive | ",
        );
    }
}
