//! Images that `build` made, handed on to `deploy` and `render` as a file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::model::{ArtifactName, ImageRef};
use crate::report::{Failure, Report};

/// The file that `build --file-output` writes: `{"images": {"api": "api:3f2a…"}}`.
#[must_use]
pub fn to_json(images: &BTreeMap<ArtifactName, ImageRef>) -> Value {
    serde_json::json!({ "images": images })
}

/// What `build` prints: one reference per line, in the order of the images' names.
#[must_use]
pub fn report(images: &BTreeMap<ArtifactName, ImageRef>) -> Report {
    let text = images.values().map(|image| format!("{image}\n")).collect();
    Report::Data { what: "images", text, data: to_json(images) }
}

/// Reads what `build --file-output` wrote, or what `build --json` printed.
///
/// # Errors
///
/// A [`Failure`] that says what is wrong with `text`, which came from `place`.
pub fn parse(text: &str, place: &str) -> Result<BTreeMap<ArtifactName, ImageRef>, Failure> {
    let bad = |why: String| {
        let what = format!("`{place}` is no list of images");
        Failure::request("wharf::images::unreadable", what)
            .because(why)
            .help(format!("write it with `wharf build --file-output {place}`"))
    };
    match serde_json::from_str::<File>(text) {
        Ok(file) => Ok(file.images),
        // One report per line: the images are among the last that are told.
        Err(error) => text
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<Told>(line).ok())
            .map(|told| told.data.images)
            .ok_or_else(|| bad(error.to_string())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    images: BTreeMap<ArtifactName, ImageRef>,
}

#[derive(Deserialize)]
struct Told {
    data: File,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> BTreeMap<ArtifactName, ImageRef> {
        let entry = |name: &str, image: &str| {
            (ArtifactName::parse(name).unwrap(), ImageRef::parse(image).unwrap())
        };
        BTreeMap::from([entry("api", "api:1f3c"), entry("web", "ghcr.io/acme/web:2")])
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = serde_json::to_string_pretty(&to_json(&images())).unwrap();
        assert_eq!(parse(&text, "images.json").unwrap(), images());
    }

    #[test]
    fn what_build_prints_as_json_can_be_read() {
        let line = serde_json::to_string(&report(&images())).unwrap();
        let text = format!("{{\"report\":\"note\",\"text\":\"x\"}}\n{line}\n");
        assert_eq!(parse(&text, "-").unwrap(), images());
        assert_eq!(parse(&format!("{line}\n"), "-").unwrap(), images());
    }

    #[test]
    fn anything_else_names_the_file() {
        for text in ["", "{}", "[]", "{\"images\": {\"API\": \"api\"}}", "a\nb"] {
            let failure = parse(text, "images.json").unwrap_err();
            assert_eq!(failure.what, "`images.json` is no list of images", "{text:?}");
        }
    }
}
