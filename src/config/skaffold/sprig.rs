//! The functions of Sprig that people use in values: texts, lists, numbers, times.
//!
//! What each does, and for which arguments: <https://masterminds.github.io/sprig/>.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use gotmpl::{FuncMap, TemplateError, Value};
use sha2::{Digest as _, Sha256};

type Answer = Result<Value, TemplateError>;

/// The functions; `env` and `expandenv` read `environment`.
pub(super) fn functions(environment: &BTreeMap<String, String>) -> FuncMap {
    let mut map: FuncMap = TABLE
        .iter()
        .map(|(name, function)| ((*name).to_owned(), Arc::new(function) as gotmpl::ValueFunc))
        .collect();
    let variables = environment.clone();
    let variable =
        move |args: &[Value]| Ok(text(variables.get(&word(args, 0)?).map_or("", String::as_str)));
    map.insert("env".to_owned(), Arc::new(variable));
    let variables = environment.clone();
    let expand = move |args: &[Value]| {
        let mut out = word(args, 0)?;
        for (name, value) in &variables {
            out = out.replace(&format!("${{{name}}}"), value);
        }
        Ok(text(out))
    };
    map.insert("expandenv".to_owned(), Arc::new(expand));
    map
}

type Function = fn(&[Value]) -> Answer;

const TABLE: &[(&str, Function)] = &[
    // Choosing.
    ("default", |args| {
        Ok(if args.len() > 1 && args[1].is_truthy() { args[1].clone() } else { arg(args, 0)? })
    }),
    ("coalesce", |args| Ok(args.iter().find(|arg| arg.is_truthy()).cloned().unwrap_or(Value::Nil))),
    ("empty", |args| Ok(Value::Bool(!arg(args, 0)?.is_truthy()))),
    ("ternary", |args| if arg(args, 2)?.is_truthy() { arg(args, 0) } else { arg(args, 1) }),
    ("required", |args| {
        let value = arg(args, 1)?;
        if value.is_truthy() { Ok(value) } else { Err(TemplateError::Exec(word(args, 0)?)) }
    }),
    ("fail", |args| Err(TemplateError::Exec(word(args, 0)?))),
    // Texts.
    ("lower", |args| Ok(text(word(args, 0)?.to_lowercase()))),
    ("upper", |args| Ok(text(word(args, 0)?.to_uppercase()))),
    ("title", |args| {
        let words = word(args, 0)?;
        let words = words.split(' ').map(|word| {
            let mut rest = word.chars();
            rest.next().map_or_else(String::new, |c| c.to_uppercase().chain(rest).collect())
        });
        Ok(text(words.collect::<Vec<_>>().join(" ")))
    }),
    ("trim", |args| Ok(text(word(args, 0)?.trim()))),
    ("trimAll", |args| {
        let cut = word(args, 0)?;
        Ok(text(word(args, 1)?.trim_matches(|c| cut.contains(c))))
    }),
    ("trimPrefix", |args| {
        let (cut, whole) = (word(args, 0)?, word(args, 1)?);
        Ok(text(whole.strip_prefix(cut.as_str()).unwrap_or(&whole)))
    }),
    ("trimSuffix", |args| {
        let (cut, whole) = (word(args, 0)?, word(args, 1)?);
        Ok(text(whole.strip_suffix(cut.as_str()).unwrap_or(&whole)))
    }),
    ("trunc", |args| {
        let (count, whole) = (number(args, 0)?, word(args, 1)?);
        let length = i64::try_from(whole.chars().count()).unwrap_or(i64::MAX);
        let skip = if count < 0 { (length + count).max(0) } else { 0 };
        let skip = usize::try_from(skip).unwrap_or(0);
        let take = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(text(whole.chars().skip(skip).take(take).collect::<String>()))
    }),
    ("substr", |args| {
        let (start, end, whole) = (number(args, 0)?, number(args, 1)?, word(args, 2)?);
        let start = usize::try_from(start).unwrap_or(0);
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let chars = whole.chars().skip(start).take(end.saturating_sub(start));
        Ok(text(chars.collect::<String>()))
    }),
    ("replace", |args| Ok(text(word(args, 2)?.replace(&word(args, 0)?, &word(args, 1)?)))),
    ("repeat", |args| {
        let count = usize::try_from(number(args, 0)?).unwrap_or(0).min(10_000);
        Ok(text(word(args, 1)?.repeat(count)))
    }),
    ("nospace", |args| Ok(text(word(args, 0)?.split_whitespace().collect::<String>()))),
    ("contains", |args| Ok(Value::Bool(word(args, 1)?.contains(&word(args, 0)?)))),
    ("hasPrefix", |args| Ok(Value::Bool(word(args, 1)?.starts_with(&word(args, 0)?)))),
    ("hasSuffix", |args| Ok(Value::Bool(word(args, 1)?.ends_with(&word(args, 0)?)))),
    ("quote", |args| Ok(text(joined(args, |word| format!("{word:?}"))))),
    ("squote", |args| Ok(text(joined(args, |word| format!("'{word}'"))))),
    ("cat", |args| Ok(text(joined(args, |word| word)))),
    ("indent", |args| Ok(text(indented(number(args, 0)?, &word(args, 1)?)))),
    ("nindent", |args| Ok(text(format!("\n{}", indented(number(args, 0)?, &word(args, 1)?))))),
    ("kebabcase", |args| Ok(text(cased(&word(args, 0)?, '-')))),
    ("snakecase", |args| Ok(text(cased(&word(args, 0)?, '_')))),
    ("toString", |args| Ok(text(word(args, 0)?))),
    ("b64enc", |args| Ok(text(base64::engine::general_purpose::STANDARD.encode(word(args, 0)?)))),
    ("b64dec", |args| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(word(args, 0)?);
        Ok(text(bytes.map_or_else(
            |error| error.to_string(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )))
    }),
    ("sha256sum", |args| Ok(text(hex::encode(Sha256::digest(word(args, 0)?))))),
    ("regexMatch", |args| Ok(Value::Bool(pattern(args, 0)?.is_match(&word(args, 1)?)))),
    ("regexFind", |args| {
        let whole = word(args, 1)?;
        Ok(text(pattern(args, 0)?.find(&whole).map_or("", |found| found.as_str())))
    }),
    ("regexReplaceAll", |args| {
        let (whole, with) = (word(args, 1)?, word(args, 2)?);
        Ok(text(pattern(args, 0)?.replace_all(&whole, with.as_str()).into_owned()))
    }),
    // Lists.
    ("list", |args| Ok(Value::List(args.into()))),
    ("splitList", |args| {
        let (by, whole) = (word(args, 0)?, word(args, 1)?);
        Ok(Value::List(whole.split(by.as_str()).map(text).collect()))
    }),
    ("split", |args| {
        let (by, whole) = (word(args, 0)?, word(args, 1)?);
        let parts = whole.split(by.as_str()).enumerate();
        let parts: BTreeMap<Arc<str>, Value> =
            parts.map(|(index, part)| (format!("_{index}").into(), text(part))).collect();
        Ok(Value::Map(parts.into()))
    }),
    ("join", |args| {
        let words = items(args, 1)?.iter().map(written).collect::<Vec<_>>();
        Ok(text(words.join(&word(args, 0)?)))
    }),
    ("first", |args| Ok(items(args, 0)?.first().cloned().unwrap_or(Value::Nil))),
    ("last", |args| Ok(items(args, 0)?.last().cloned().unwrap_or(Value::Nil))),
    ("rest", |args| Ok(Value::List(items(args, 0)?.iter().skip(1).cloned().collect()))),
    ("has", |args| {
        let wanted = written(&arg(args, 0)?);
        Ok(Value::Bool(items(args, 1)?.iter().any(|item| written(item) == wanted)))
    }),
    // Numbers.
    ("int", |args| Ok(Value::Int(number(args, 0)?))),
    ("int64", |args| Ok(Value::Int(number(args, 0)?))),
    ("atoi", |args| Ok(Value::Int(number(args, 0)?))),
    ("add", |args| numbers(args).map(|all| Value::Int(all.into_iter().fold(0, i64::wrapping_add)))),
    ("add1", |args| Ok(Value::Int(number(args, 0)?.wrapping_add(1)))),
    ("sub", |args| Ok(Value::Int(number(args, 0)?.wrapping_sub(number(args, 1)?)))),
    ("mul", |args| numbers(args).map(|all| Value::Int(all.into_iter().fold(1, i64::wrapping_mul)))),
    ("div", |args| divided(args, i64::checked_div)),
    ("mod", |args| divided(args, i64::checked_rem)),
    ("max", |args| numbers(args).map(|all| Value::Int(all.into_iter().max().unwrap_or(0)))),
    ("min", |args| numbers(args).map(|all| Value::Int(all.into_iter().min().unwrap_or(0)))),
];

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into().into())
}

fn arg(args: &[Value], index: usize) -> Answer {
    let missing = || TemplateError::Exec("too few arguments".to_owned());
    args.get(index).cloned().ok_or_else(missing)
}

fn word(args: &[Value], index: usize) -> Result<String, TemplateError> {
    arg(args, index).map(|value| written(&value))
}

fn written(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        value => value.to_string(),
    }
}

/// A number, also out of a text; what is none counts as 0, as Sprig has it.
fn number(args: &[Value], index: usize) -> Result<i64, TemplateError> {
    let value = arg(args, index)?;
    Ok(value.as_int().unwrap_or_else(|| written(&value).trim().parse().unwrap_or(0)))
}

fn numbers(args: &[Value]) -> Result<Vec<i64>, TemplateError> {
    (0..args.len()).map(|index| number(args, index)).collect()
}

fn divided(args: &[Value], by: fn(i64, i64) -> Option<i64>) -> Answer {
    let divided = by(number(args, 0)?, number(args, 1)?);
    divided.map(Value::Int).ok_or_else(|| TemplateError::Exec("division by zero".to_owned()))
}

fn items(args: &[Value], index: usize) -> Result<Vec<Value>, TemplateError> {
    match arg(args, index)? {
        Value::List(items) => Ok(items.to_vec()),
        value => Ok(vec![value]),
    }
}

fn joined(args: &[Value], each: fn(String) -> String) -> String {
    let filled = args.iter().filter(|arg| !matches!(arg, Value::Nil));
    filled.map(|arg| each(written(arg))).collect::<Vec<_>>().join(" ")
}

fn indented(by: i64, text: &str) -> String {
    let pad = " ".repeat(usize::try_from(by).unwrap_or(0).min(1000));
    text.split('\n').map(|line| format!("{pad}{line}")).collect::<Vec<_>>().join("\n")
}

fn cased(text: &str, by: char) -> String {
    let mut out = String::new();
    let mut was_lower = false;
    for c in text.chars() {
        if matches!(c, ' ' | '-' | '_' | '.') {
            out.push(by);
        } else {
            if c.is_uppercase() && was_lower {
                out.push(by);
            }
            out.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    out
}

fn pattern(args: &[Value], index: usize) -> Result<regex::Regex, TemplateError> {
    regex::Regex::new(&word(args, index)?).map_err(|error| TemplateError::Exec(error.to_string()))
}
