//! `wharf config`: every value, and where it came from.

use crate::model::Project;

use super::super::mask::{sounds_secret, without_passwords};
use super::super::provenance::Provenance;
use super::write::{Defaults, Remarks, project as written, write};

/// The effective configuration as YAML, each value with a remark on where it came from, and
/// secrets starred out.
///
/// What nobody gave and nothing showed is a `default`. Build
/// arguments and `set` values are secrets when their key, or an environment variable that went
/// into them, sounds like one; so are passwords in URLs, wherever they stand.
#[must_use]
pub fn render_effective(project: &Project, provenance: &Provenance) -> String {
    write(
        &written(project, Defaults::Shown),
        &Remarks {
            above: &|path| {
                let section = path.len() == 1 && path[0] != "name";
                if section { vec![String::new()] } else { vec![] }
            },
            behind: &|path| {
                let source = provenance.get(path);
                Some(source.map_or_else(|| "default".to_owned(), super::super::Source::text))
            },
            instead: &|path, scalar| {
                if is_secret(path, scalar, provenance) {
                    return Some("\"***\"".to_owned());
                }
                without_passwords(scalar)
            },
        },
    )
}

fn is_secret(path: &[String], scalar: &str, provenance: &Provenance) -> bool {
    // Only these hold values of the person's own; the rest are names and paths.
    let may_be_secret = matches!(path.get(2).map(String::as_str), Some("args" | "set"))
        && path.len() > 3
        && !matches!(scalar, "null" | "true" | "false");
    may_be_secret
        && (path[3..].iter().any(|part| sounds_secret(part))
            || provenance.has_secret_variable(path))
}
