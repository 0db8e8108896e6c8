//! Texts with parts that are known only later: tags, and values made of image references.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ArtifactName, ImageRef};

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{part}}}` is none of {known}")]
pub struct PatternError {
    /// What stands between the braces.
    pub part: String,
    /// What may stand there.
    pub known: &'static str,
}

/// What `git` calls the state of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GitName {
    /// `git describe --tags --always`.
    Tags,
    /// The whole hash of the commit.
    Commit,
    /// Its abbreviation.
    ShortCommit,
    /// The whole hash of the folder's tree.
    Tree,
    /// Its abbreviation.
    ShortTree,
    /// The branch.
    Branch,
}

const GIT_NAMES: &[(&str, GitName)] = &[
    ("git", GitName::Tags),
    ("git:commit", GitName::Commit),
    ("git:short-commit", GitName::ShortCommit),
    ("git:tree", GitName::Tree),
    ("git:short-tree", GitName::ShortTree),
    ("git:branch", GitName::Branch),
];

/// A piece of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagPart {
    /// As it is.
    Text(String),
    /// What git says about the artifact's folder; with `-dirty` behind it where something is not
    /// committed.
    Git {
        /// Which name.
        name: GitName,
        /// Whether `-dirty` is left out.
        ignore_changes: bool,
    },
    /// The time of the build.
    Time {
        /// As Go writes its reference time, such as `2006-01-02_15-04-05`.
        layout: String,
        /// Such as `Europe/Berlin`; absent: the machine's.
        zone: Option<String>,
    },
    /// The tag that follows from the content.
    Content,
}

/// A tag that an image gets beside the one that follows from its content, such as `{git}-dev`.
///
/// Between braces stand `git`, `git:commit`, `git:short-commit`, `git:tree`, `git:short-tree` and
/// `git:branch`, each with `!` behind it for "whether or not all is committed"; `time:LAYOUT` or
/// `time:LAYOUT@ZONE`; `content`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagPattern(pub Vec<TagPart>);

impl TagPattern {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// [`PatternError`] names what stands between braces and is not known.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let parts = pieces(text).into_iter().map(|piece| match piece {
            Piece::Text(text) => Ok(TagPart::Text(text.to_owned())),
            Piece::Part(part) => part_of_tag(part),
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}

fn part_of_tag(part: &str) -> Result<TagPart, PatternError> {
    if part == "content" {
        return Ok(TagPart::Content);
    }
    if let Some(rest) = part.strip_prefix("time:") {
        let (layout, zone) = match rest.rsplit_once('@') {
            Some((layout, zone)) => (layout, Some(zone.to_owned())),
            None => (rest, None),
        };
        return Ok(TagPart::Time { layout: layout.to_owned(), zone });
    }
    let (name, ignore_changes) = match part.strip_suffix('!') {
        Some(name) => (name, true),
        None => (part, false),
    };
    match GIT_NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, name)) => Ok(TagPart::Git { name: *name, ignore_changes }),
        None => Err(PatternError {
            part: part.to_owned(),
            known: "`{git}`, `{git:commit}`, `{git:short-commit}`, `{git:tree}`, \
                    `{git:short-tree}`, `{git:branch}`, `{time:LAYOUT}`, `{content}`",
        }),
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                TagPart::Text(text) => f.write_str(text)?,
                TagPart::Content => f.write_str("{content}")?,
                TagPart::Time { layout, zone: None } => write!(f, "{{time:{layout}}}")?,
                TagPart::Time { layout, zone: Some(zone) } => {
                    write!(f, "{{time:{layout}@{zone}}}")?;
                }
                TagPart::Git { name, ignore_changes } => {
                    let known = GIT_NAMES.iter().find(|(_, other)| other == name);
                    let mark = if *ignore_changes { "!" } else { "" };
                    write!(f, "{{{}{mark}}}", known.map_or("git", |(text, _)| text))?;
                }
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for TagPattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<TagPattern> for String {
    fn from(pattern: TagPattern) -> Self {
        pattern.to_string()
    }
}

/// What of an image's reference is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImagePart {
    /// All of it.
    Image,
    /// Host and path.
    Repository,
    /// The host, where it is written.
    Domain,
    /// The repository without that host.
    Path,
    /// The tag.
    Tag,
    /// The digest; empty where the image has none.
    Digest,
}

const IMAGE_PARTS: &[(&str, ImagePart)] = &[
    ("image", ImagePart::Image),
    ("repository", ImagePart::Repository),
    ("domain", ImagePart::Domain),
    ("path", ImagePart::Path),
    ("tag", ImagePart::Tag),
    ("digest", ImagePart::Digest),
];

impl ImagePart {
    /// What it is of `image`, whose artifact is called `name`.
    #[must_use]
    pub fn of(self, image: &ImageRef) -> String {
        let repository = image.repository();
        let domain = repository.strip_prefix(image.host()).filter(|rest| rest.starts_with('/'));
        match self {
            Self::Image => image.to_string(),
            Self::Repository => repository.to_owned(),
            Self::Domain => domain.map_or_else(String::new, |_| image.host().to_owned()),
            Self::Path => domain.map_or(repository, |rest| &rest[1..]).to_owned(),
            Self::Tag => image.tag().map(ToString::to_string).unwrap_or_default(),
            Self::Digest => image.digest().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// A text with parts of images' references in it, such as `{tag:api}` or `{repository:api}`.
///
/// Between braces stand `image`, `repository`, `domain`, `path`, `tag` or `digest`, a colon and the
/// image's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ImageText(Vec<TextPart>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum TextPart {
    Text(String),
    Image(ImagePart, ArtifactName),
}

impl ImageText {
    /// Reads `text`. What stands between braces and is no part of an image is left as it is.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parts = pieces(text).into_iter().map(|piece| match piece {
            Piece::Text(text) => TextPart::Text(text.to_owned()),
            Piece::Part(part) => image_part(part).map_or_else(
                || TextPart::Text(format!("{{{part}}}")),
                |(p, n)| TextPart::Image(p, n),
            ),
        });
        Self(parts.collect())
    }

    /// The images that it names.
    pub fn images(&self) -> impl Iterator<Item = &ArtifactName> {
        self.0.iter().filter_map(|part| match part {
            TextPart::Text(_) => None,
            TextPart::Image(_, name) => Some(name),
        })
    }

    /// The text with `image_of` each name in it; `@` at its end, where a digest is missing, goes.
    #[must_use]
    pub fn filled(&self, image_of: impl Fn(&ArtifactName) -> Option<ImageRef>) -> String {
        let text: String = self
            .0
            .iter()
            .map(|part| match part {
                TextPart::Text(text) => text.clone(),
                TextPart::Image(part, name) => {
                    image_of(name).map_or_else(String::new, |image| part.of(&image))
                }
            })
            .collect();
        text.trim_end_matches('@').to_owned()
    }
}

fn image_part(part: &str) -> Option<(ImagePart, ArtifactName)> {
    let (part, name) = part.split_once(':')?;
    let (_, part) = IMAGE_PARTS.iter().find(|(known, _)| *known == part)?;
    Some((*part, ArtifactName::parse(name).ok()?))
}

impl fmt::Display for ImageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                TextPart::Text(text) => f.write_str(text)?,
                TextPart::Image(part, name) => {
                    let known = IMAGE_PARTS.iter().find(|(_, other)| other == part);
                    write!(f, "{{{}:{name}}}", known.map_or("image", |(text, _)| text))?;
                }
            }
        }
        Ok(())
    }
}

impl From<String> for ImageText {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<ImageText> for String {
    fn from(text: ImageText) -> Self {
        text.to_string()
    }
}

enum Piece<'t> {
    Text(&'t str),
    Part(&'t str),
}

/// `text` taken apart at what stands between braces.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((part, behind)) = after.split_once('}').filter(|(part, _)| !part.contains('{'))
        else {
            let end = before.len() + 1;
            pieces.push(Piece::Text(&rest[..end]));
            rest = &rest[end..];
            continue;
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Part(part));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_text_and_parts() {
        for text in ["v1", "{git}", "{git:short-tree!}-x", "{time:2006-01-02@UTC}_{content}"] {
            assert_eq!(TagPattern::parse(text).unwrap().to_string(), text);
        }
        let error = TagPattern::parse("{gti}").unwrap_err();
        assert!(error.to_string().starts_with("`{gti}` is none of `{git}`"), "{error}");
    }

    #[test]
    fn parts_of_an_image_are_filled_in_and_other_braces_stay() {
        let api = |name: &ArtifactName| {
            (name.as_str() == "api").then(|| ImageRef::parse("gcr.io/p/api:v1").unwrap())
        };
        let filled = |text: &str| ImageText::parse(text).filled(api);
        assert_eq!(filled("{repository:api}:{tag:api}@{digest:api}"), "gcr.io/p/api:v1");
        assert_eq!(filled("{domain:api} {path:api}"), "gcr.io p/api");
        assert_eq!(filled("{a: {b}} {tag:web}"), "{a: {b}} ");
        assert_eq!(ImageText::parse("x{tag:api}").to_string(), "x{tag:api}");
    }
}
