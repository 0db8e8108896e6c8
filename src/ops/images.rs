//! Images that `build` made, handed on to `deploy` and `render` as a file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::config;
use crate::model::{ArtifactName, ImageRef};
use crate::report::{Failure, Report};

/// The file that `build --file-output` writes: `{"images": {"api": "api:3f2a…"}}`, and the same
/// as `builds`, which is what scripts for other tools read.
#[must_use]
pub fn to_json(images: &BTreeMap<ArtifactName, ImageRef>) -> Value {
    let builds =
        images.iter().map(|(name, image)| serde_json::json!({ "imageName": name, "tag": image }));
    serde_json::json!({ "images": images, "builds": builds.collect::<Vec<_>>() })
}

/// What `build --output TEMPLATE` prints: `{{range .builds}}{{.tag}} {{end}}`.
///
/// # Errors
///
/// What is wrong with the template.
pub fn by_template(
    template: &str,
    images: &BTreeMap<ArtifactName, ImageRef>,
) -> Result<Report, Failure> {
    let data = to_json(images);
    let only = serde_json::json!({ "builds": data["builds"] });
    let text = config::fill(template, &only).map_err(bad_template)?;
    let text = if text.ends_with('\n') { text } else { format!("{text}\n") };
    Ok(Report::Data { what: "images", text, data })
}

/// Says before anything is built that [`by_template`] could not use `template`.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_template(template: &str) -> Result<(), Failure> {
    config::check_template(template).map_err(bad_template)
}

fn bad_template(why: String) -> Failure {
    Failure::request("wharf::images::bad_template", "the template cannot be used").because(why)
}

/// `NAME=IMAGE`, as `--images` takes it.
#[must_use]
pub fn pair(text: &str) -> Option<(ArtifactName, ImageRef)> {
    let (name, image) = text.split_once('=')?;
    Some((ArtifactName::parse(name).ok()?, ImageRef::parse(image).ok()?))
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
        Ok(file) => Ok(file.all()),
        // One report per line: the images are among the last that are told.
        Err(error) => text
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str::<Told>(line).ok())
            .map(|told| told.data.all())
            .ok_or_else(|| bad(amiss(text, &error))),
    }
}

/// What is wrong with a file of images, in words that do not need this program's source.
fn amiss(text: &str, error: &serde_json::Error) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return match text.trim() {
            "" => "it is empty".to_owned(),
            _ => format!("it is no JSON: {error}"),
        };
    };
    let has_neither = value.get("images").or_else(|| value.get("builds")).is_none();
    if has_neither {
        return "it has neither `images` nor `builds`".to_owned();
    }
    if let Some(images) = value.get("images").and_then(Value::as_object) {
        let wrong = images.iter().find_map(|(name, image)| {
            let image = image.as_str().unwrap_or_default();
            pair(&format!("{name}={image}")).is_none().then(|| format!("`{name}: {image}`"))
        });
        if let Some(wrong) = wrong {
            return format!("{wrong} is no name of an image with its reference");
        }
    }
    "`images` is a map of references by name, `builds` a list of `imageName` and `tag`".to_owned()
}

/// Either of the two says it all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(untagged)]
enum File {
    Images {
        images: BTreeMap<ArtifactName, ImageRef>,
        #[serde(default, rename = "builds")]
        _builds: Vec<Build>,
    },
    Builds {
        builds: Vec<Build>,
    },
}

#[derive(Deserialize)]
struct Build {
    #[serde(rename = "imageName")]
    name: ArtifactName,
    tag: ImageRef,
}

impl File {
    fn all(self) -> BTreeMap<ArtifactName, ImageRef> {
        match self {
            Self::Images { images, .. } => images,
            Self::Builds { builds } => {
                builds.into_iter().map(|build| (build.name, build.tag)).collect()
            }
        }
    }
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
    fn what_other_tools_write_can_be_read_and_written() {
        let text = r#"{"builds":[{"imageName":"api","tag":"api:1f3c"},{"imageName":"web","tag":"ghcr.io/acme/web:2"}]}"#;
        assert_eq!(parse(text, "tags.json").unwrap(), images());
        let printed = |template: &str| match by_template(template, &images()).unwrap() {
            Report::Data { text, .. } => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(printed("{{json .}}"), format!("{text}\n"));
        assert_eq!(printed("{{range .builds}}{{.tag}} {{end}}"), "api:1f3c ghcr.io/acme/web:2 \n");
        assert_eq!(pair("api=api:1").unwrap().1.to_string(), "api:1");
        assert!(pair("images.json").is_none());
    }

    #[test]
    fn anything_else_names_the_file() {
        for (text, why) in [
            ("", "it is empty"),
            ("{}", "it has neither `images` nor `builds`"),
            ("[]", "it has neither `images` nor `builds`"),
            (
                "{\"images\": {\"API\": \"api\"}}",
                "`API: api` is no name of an image with its reference",
            ),
            (
                "{\"builds\": {}}",
                "`images` is a map of references by name, `builds` a list of `imageName` and `tag`",
            ),
            ("a\nb", "it is no JSON: expected value at line 1 column 1"),
        ] {
            let failure = parse(text, "images.json").unwrap_err();
            assert_eq!(failure.what, "`images.json` is no list of images", "{text:?}");
            assert_eq!(failure.why, [why], "{text:?}");
        }
    }
}
