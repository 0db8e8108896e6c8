//! Image references, content hashes and digests.
//!
//! The grammar is the distribution project's reference grammar, without uppercase hosts:
//! <https://github.com/distribution/reference/blob/main/reference.go>.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {rule}")]
pub struct ImageError {
    /// What was given.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// SHA-256 over everything that can change an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Takes a finished SHA-256.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The tag that images of this content get: the first 16 hexadecimal digits.
    #[must_use]
    pub fn tag(&self) -> Tag {
        Tag(hex::encode(&self.0[..8]))
    }

    /// All 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex::encode(&self.0[..8]))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// A tag of an image: at most 128 of `[A-Za-z0-9_.-]`, not beginning with `.` or `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// Checks `text` and takes it as a tag.
    ///
    /// # Errors
    ///
    /// [`ImageError`] when the text has other characters or is too long.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let fits = (1..=128).contains(&text.len())
            && text.chars().all(inner)
            && !text.starts_with(['.', '-']);
        if !fits {
            return Err(ImageError {
                text: text.to_owned(),
                rule: "a tag has 1 to 128 letters, digits, `_`, `.` and `-`, and begins with no `.` or `-`",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Tag {
    type Error = ImageError;
    fn try_from(text: String) -> Result<Self, ImageError> {
        Self::parse(&text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A digest such as `sha256:4bcf…`, lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Checks `text` and takes it as a digest.
    ///
    /// # Errors
    ///
    /// [`ImageError`] when it is not an algorithm, a colon and at least 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let fits = text.split_once(':').is_some_and(|(algorithm, hex)| {
            !algorithm.is_empty()
                && algorithm.chars().all(|c| c.is_ascii_alphanumeric() || "+._-".contains(c))
                && hex.len() >= 32
                && hex.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
        });
        if !fits {
            return Err(ImageError {
                text: text.to_owned(),
                rule: "a digest is an algorithm, `:` and at least 32 lower case hexadecimal digits",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes))))
    }

    /// The digest's text, algorithm included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = ImageError;
    fn try_from(text: String) -> Result<Self, ImageError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `repository[:tag][@digest]`, as a person or a manifest writes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    repository: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Reads a reference; a host, path components, a tag and a digest.
    ///
    /// # Errors
    ///
    /// [`ImageError`] names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let fail = |rule| ImageError { text: text.to_owned(), rule };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // A colon after the last slash begins a tag; one before it belongs to a port.
        let name_starts = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match rest[name_starts..].find(':') {
            Some(colon) => {
                let at = name_starts + colon;
                (&rest[..at], Some(Tag::parse(&rest[at + 1..])?))
            }
            None => (rest, None),
        };
        if repository.is_empty() {
            return Err(fail("the repository is missing"));
        }
        if repository.len() > 255 {
            return Err(fail("the repository is longer than 255 characters"));
        }
        let (host, path) = split_host(repository);
        if host.is_some_and(|host| !is_host(host)) {
            return Err(fail(
                "the registry's host has other characters than letters, digits, `.`, `-` and a port",
            ));
        }
        if !path.split('/').all(is_component) {
            return Err(fail(
                "each part of the repository is lower case letters and digits, separated by `.`, `_`, `__` or `-`",
            ));
        }
        Ok(Self { repository: repository.to_owned(), tag, digest })
    }

    /// The repository as written, host included where one was given.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, where one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository with `tag` alone.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Self {
        Self { repository: self.repository.clone(), tag: Some(tag), digest: None }
    }

    /// The same reference, pinned by `digest`.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The same reference without its digest.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    /// The registry's host, `docker.io` where none is written.
    #[must_use]
    pub fn host(&self) -> &str {
        split_host(&self.repository).0.unwrap_or("docker.io")
    }

    /// The full repository as container runtimes store it: `api` is `docker.io/library/api`.
    #[must_use]
    pub fn full_repository(&self) -> String {
        match split_host(&self.repository) {
            (Some("index.docker.io" | "docker.io"), path) | (None, path) if !path.contains('/') => {
                format!("docker.io/library/{path}")
            }
            (Some("index.docker.io" | "docker.io") | None, path) => format!("docker.io/{path}"),
            (Some(host), path) => format!("{host}/{path}"),
        }
    }

    /// The whole reference as container runtimes store it, `latest` where neither tag nor digest
    /// is written.
    #[must_use]
    pub fn full(&self) -> String {
        let mut text = self.full_repository();
        if let Some(tag) = &self.tag {
            text = format!("{text}:{tag}");
        } else if self.digest.is_none() {
            text.push_str(":latest");
        }
        if let Some(digest) = &self.digest {
            text = format!("{text}@{digest}");
        }
        text
    }

    /// Whether a manifest in which this reference stands runs `wanted`. Not every chart can bear a
    /// digest; where it does not, the tag decides.
    #[must_use]
    pub fn runs(&self, wanted: &Self) -> bool {
        match self.digest {
            Some(_) => self == wanted,
            None => *self == wanted.without_digest(),
        }
    }

    /// Whether both mean the same repository (`api` and `docker.io/library/api` do).
    #[must_use]
    pub fn same_repository(&self, other: &Self) -> bool {
        self.full_repository() == other.full_repository()
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ImageError;
    fn try_from(text: String) -> Result<Self, ImageError> {
        Self::parse(&text)
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// An operating system and processor, such as `linux/amd64` or `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// `linux`, `windows` …
    pub os: String,
    /// Go's name of the processor: `amd64`, `arm64` …
    pub arch: String,
    /// `v7` of `linux/arm/v7`.
    pub variant: Option<String>,
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a platform: `os/arch` or `os/arch/variant` is one, such as `linux/amd64`")]
pub struct PlatformError {
    /// What was given.
    pub text: String,
}

impl Platform {
    /// Reads `os/arch[/variant]`.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] when a part is missing or there are more than three.
    pub fn parse(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let fits = (2..=3).contains(&parts.len())
            && parts.iter().all(|part| {
                !part.is_empty()
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            });
        if !fits {
            return Err(PlatformError { text: text.to_owned() });
        }
        Ok(Self {
            os: parts[0].to_owned(),
            arch: parts[1].to_owned(),
            variant: parts.get(2).map(|&variant| variant.to_owned()),
        })
    }
}

impl TryFrom<String> for Platform {
    type Error = PlatformError;
    fn try_from(text: String) -> Result<Self, PlatformError> {
        Self::parse(&text)
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// Splits `host/path`; the first part is a host when it has a dot or a port, or is `localhost`.
fn split_host(repository: &str) -> (Option<&str>, &str) {
    match repository.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, repository),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-[]:".contains(c))
        && port.is_none_or(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()))
}

fn is_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_fit = part.split(alphanumeric).all(|between| {
        matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-')
    });
    !part.is_empty()
        && part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && separators_fit
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
