//! The tag that an image gets beside the one of its content: filled in, given, remembered.

mod layout;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::files::write_atomically;
use crate::model::{Artifact, ArtifactName, Builder, GitName, ImageRef, Tag, TagPart, TagPattern};
use crate::tools::{ToolError, Tools};

use super::BuildScope;

/// Git answers from its own files; a huge checkout on a slow disk takes a second or two.
const GIT_LIMIT: Duration = Duration::from_secs(20);

/// Docker's own limit.
const LONGEST: usize = 128;

/// The reference of `image` with the tag that its artifact asks for beside it; absent where it
/// asks for none.
///
/// # Errors
///
/// One line that says why there is no such tag; the image has the one of its content.
pub async fn also(
    scope: &BuildScope,
    artifact: &Artifact,
    image: &ImageRef,
) -> Result<Option<ImageRef>, String> {
    let Some(pattern) = &artifact.also_tagged else { return Ok(None) };
    let content = image.tag().map(ToString::to_string).unwrap_or_default();
    let text = filled(pattern, folder(artifact), &content, &scope.tools, &Zoned::now()).await?;
    let text = fit(&text);
    let tag = Tag::parse(&text).map_err(|error| error.to_string())?;
    Ok(Some(image.with_tag(tag)).filter(|also| also != &image.without_digest()))
}

/// Whether the tag stays what it is as long as nobody commits anything.
#[must_use]
pub fn is_steady(pattern: &TagPattern) -> bool {
    !pattern.0.iter().any(|part| matches!(part, TagPart::Time { .. }))
}

fn folder(artifact: &Artifact) -> &Path {
    match &artifact.builder {
        Builder::Docker(build) => &build.context,
        Builder::Command(build) => &build.dir,
    }
}

async fn filled(
    pattern: &TagPattern,
    folder: &Path,
    content: &str,
    tools: &Tools,
    now: &Zoned,
) -> Result<String, String> {
    let mut out = String::new();
    for part in &pattern.0 {
        match part {
            TagPart::Text(text) => out.push_str(text),
            TagPart::Content => out.push_str(content),
            TagPart::Git { name, ignore_changes } => {
                out.push_str(&fit(&name_of(*name, folder, tools).await?));
                if !ignore_changes
                    && !git(tools, folder, &["status", ".", "--porcelain"]).await?.is_empty()
                {
                    out.push_str("-dirty");
                }
            }
            TagPart::Time { layout, zone } => {
                let zone = match zone {
                    None => TimeZone::system(),
                    Some(zone) => TimeZone::get(zone).map_err(|error| error.to_string())?,
                };
                out.push_str(&layout::format(&now.with_time_zone(zone), layout));
            }
        }
    }
    Ok(out)
}

async fn name_of(name: GitName, folder: &Path, tools: &Tools) -> Result<String, String> {
    let tree = async |short: &[&str]| {
        let prefix = git(tools, folder, &["rev-parse", "--show-prefix"]).await?;
        let object = format!("HEAD:{prefix}");
        let words: Vec<&str> = [&["rev-parse"], short, &[object.as_str()]].concat();
        git(tools, folder, &words).await
    };
    match name {
        GitName::Tags => git(tools, folder, &["describe", "--tags", "--always"]).await,
        GitName::Commit => git(tools, folder, &["rev-list", "-1", "HEAD"]).await,
        GitName::ShortCommit => {
            git(tools, folder, &["rev-list", "-1", "HEAD", "--abbrev-commit"]).await
        }
        GitName::Branch => git(tools, folder, &["rev-parse", "--abbrev-ref", "HEAD"]).await,
        GitName::Tree => tree(&[]).await,
        GitName::ShortTree => tree(&["--short"]).await,
    }
}

async fn git(tools: &Tools, folder: &Path, words: &[&str]) -> Result<String, String> {
    // Somebody who commits at this moment must not find the index locked.
    let tools = tools.with_variable("GIT_OPTIONAL_LOCKS", "0");
    let run = tools.command("git").args(words).folder(folder).time_limit(GIT_LIMIT).run().await;
    match run {
        Ok(output) => Ok(output.text().trim().to_owned()),
        Err(ToolError::Missing { .. }) => Err("git is not installed".to_owned()),
        Err(error) => {
            let last = error.output_tail().last().cloned();
            Err(last.unwrap_or_else(|| error.to_string()))
        }
    }
}

/// `text` with what no tag may have replaced by `_`, and not longer than a tag may be.
fn fit(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let text: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    let rest = text.trim_start_matches(['-', '.']);
    let text = format!("{}{rest}", "_".repeat(text.len() - rest.len()));
    text.chars().take(LONGEST).collect()
}

/// Remembers under which further tag the image of this content was pushed, so that what runs is
/// called the same as long as it is the same.
pub fn remember(scope: &BuildScope, artifact: &ArtifactName, image: &ImageRef, also: &ImageRef) {
    let path = path(scope, artifact);
    let text = format!("{}\n{}\n", image.without_digest(), also.without_digest());
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder
        .map_err(|error| error.to_string())
        .and_then(|()| write_atomically(&path, text.as_bytes(), 0o600).map_err(|e| e.to_string()));
    if let Err(error) = written {
        tracing::warn!(%error, "the further tag is not remembered");
    }
}

/// Under which further tag `image` was pushed.
#[must_use]
pub fn remembered(
    scope: &BuildScope,
    artifact: &ArtifactName,
    image: &ImageRef,
) -> Option<ImageRef> {
    let text = std::fs::read_to_string(path(scope, artifact)).ok()?;
    let (of, also) = text.split_once('\n')?;
    let also = ImageRef::parse(also.trim()).ok()?;
    (of == image.without_digest().to_string()).then_some(also)
}

fn path(scope: &BuildScope, artifact: &ArtifactName) -> PathBuf {
    let name = artifact.as_str().replace('/', "%2f").replace(':', "%3a");
    scope.state_dir.join("tags").join(format!("{name}.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_tag_may_have_is_replaced() {
        assert_eq!(fit("feature/a+b"), "feature_a_b");
        assert_eq!(fit("-.x"), "__x");
        assert_eq!(fit(&"a".repeat(200)).len(), 128);
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "git must be found")]
    async fn git_says_what_a_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::new(std::env::vars_os().collect());
        let run = async |words: &[&str]| {
            let who =
                ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "tag.gpgSign=false"];
            let words: Vec<&str> = [&who[..], words].concat();
            git(&tools, folder.path(), &words).await.unwrap()
        };
        run(&["init", "-q", "-b", "feature/x"]).await;
        std::fs::create_dir(folder.path().join("app")).unwrap();
        std::fs::write(folder.path().join("app/a"), "1").unwrap();
        run(&["add", "."]).await;
        run(&["commit", "-q", "-m", "one"]).await;
        run(&["tag", "v1"]).await;
        let tag = async |text: &str| {
            let pattern = TagPattern::parse(text).unwrap();
            let app = folder.path().join("app");
            filled(&pattern, &app, "c0ffee", &tools, &Zoned::now()).await.unwrap()
        };
        assert_eq!(tag("{git}-{content}").await, "v1-c0ffee");
        assert_eq!(tag("{git:commit}").await, run(&["rev-parse", "HEAD"]).await);
        assert_eq!(tag("{git:short-commit}").await, run(&["rev-parse", "--short", "HEAD"]).await);
        assert_eq!(tag("{git:tree}").await, run(&["rev-parse", "HEAD:app"]).await);
        assert!(run(&["rev-parse", "HEAD:app"]).await.starts_with(&tag("{git:short-tree}").await));
        assert_eq!(tag("{git:branch}").await, "feature_x");
        std::fs::write(folder.path().join("app/a"), "2").unwrap();
        assert_eq!(tag("{git}").await, "v1-dirty");
        assert_eq!(tag("{git!}").await, "v1");
        let elsewhere = tempfile::tempdir().unwrap();
        let pattern = TagPattern::parse("{git}").unwrap();
        let error =
            filled(&pattern, elsewhere.path(), "", &tools, &Zoned::now()).await.unwrap_err();
        assert!(error.contains("not a git repository"), "{error}");
    }
}
