//! `tagPolicy`: how images are also called, in the words of `wharf.yaml`.

use std::collections::BTreeMap;

use super::super::node::{Fault, Node};
use super::modules::Module;
use super::translate::Translator;

/// Skaffold's own layout of the time.
const LAYOUT: &str = "2006-01-02_15-04-05.999_MST";

/// Variants of `gitCommit`, and what `wharf.yaml` calls them.
const VARIANTS: &[(&str, &str)] = &[
    ("", "git"),
    ("tags", "git"),
    ("commitsha", "git:commit"),
    ("abbrevcommitsha", "git:short-commit"),
    ("treesha", "git:tree"),
    ("abbrevtreesha", "git:short-tree"),
    ("branches", "git:branch"),
];

impl Translator<'_> {
    /// The further tag of the artifact that is written as `image` and called `name`; absent where
    /// the tag of its content is the policy's.
    pub(super) fn tag(
        &mut self,
        module: &Module,
        image: &Node,
        name: &str,
    ) -> Result<Option<Node>, Fault> {
        let asked = self.templates.environment.get("SKAFFOLD_TAG").filter(|tag| !tag.is_empty());
        if let Some(tag) = asked {
            let mut node = image.text_here(literal(tag));
            node.env.insert("SKAFFOLD_TAG".to_owned());
            return Ok(Some(node));
        }
        let build = module.document.get("build");
        match build.and_then(|build| build.get("tagPolicy")).filter(|policy| !policy.is_vacant()) {
            Some(policy) => {
                let text = self.policy(policy, image, name)?;
                Ok(text.map(|text| policy.text_here(text)))
            }
            // The usual one is git's, where there is git.
            None => {
                let has_git = module.dir.ancestors().any(|folder| folder.join(".git").exists());
                Ok(has_git.then(|| image.text_here("{git}")))
            }
        }
    }

    fn policy(&mut self, policy: &Node, image: &Node, name: &str) -> Result<Option<String>, Fault> {
        // `sha256:` alone chooses it as well as `sha256: {}`.
        if policy.has("inputDigest") {
            return Ok(None);
        }
        if policy.has("sha256") {
            let text = image.as_text().unwrap_or_default();
            let tag = text.split('@').next().and_then(|text| text.rsplit_once(':'));
            let tag = tag.map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
            return Ok(Some(literal(tag.unwrap_or("latest"))));
        }
        if policy.has("gitCommit") {
            return git(policy.get("gitCommit")).map(Some);
        }
        if policy.has("dateTime") {
            return Ok(Some(time(policy.get("dateTime"))));
        }
        if let Some(template) = policy.at_path(&["envTemplate", "template"]) {
            let more = BTreeMap::from([("IMAGE_NAME".to_owned(), name.to_owned())]);
            // Older files have the whole reference here, or the name and the tag.
            let tag = |text: String| match text.rsplit_once(':') {
                Some((_, tag)) if !tag.contains('/') => tag.to_owned(),
                _ => text,
            };
            return Ok(self.filled(template, &more).map(|text| literal(&tag(text))));
        }
        if let Some(custom) = policy.get("customTemplate") {
            return self.template_of_parts(custom, image, name);
        }
        Ok(None)
    }

    fn template_of_parts(
        &mut self,
        custom: &Node,
        image: &Node,
        name: &str,
    ) -> Result<Option<String>, Fault> {
        let mut parts = BTreeMap::from([
            ("GIT".to_owned(), "{git}".to_owned()),
            ("DATE".to_owned(), time(None)),
            ("SHA".to_owned(), "latest".to_owned()),
        ]);
        for component in custom.list_of("components") {
            let name_of = component.text_of("name").unwrap_or_default().to_owned();
            let part = if component.has("inputDigest") {
                Some("{content}".to_owned())
            } else {
                self.policy(component, image, name)?
            };
            parts.insert(name_of, part.unwrap_or_default());
        }
        let Some(template) = custom.get("template") else { return Ok(None) };
        Ok(self.filled(template, &parts))
    }

    /// The template's text; one that cannot be filled in is told of, as tags are names, and what
    /// runs does not depend on them.
    fn filled(&mut self, template: &Node, more: &BTreeMap<String, String>) -> Option<String> {
        match self.templates.expand_with(template, more) {
            Ok(node) => {
                let text = node.as_text().unwrap_or_default();
                Some(text.to_owned()).filter(|text| !text.is_empty())
            }
            Err(fault) => {
                let why =
                    format!("images are called by their content alone, since {}", fault.problem);
                self.remark(template, "build.tagPolicy", &why);
                None
            }
        }
    }
}

fn git(node: Option<&Node>) -> Result<String, Fault> {
    let Some(node) = node else { return Ok("{git}".to_owned()) };
    let variant = node.text_of("variant").unwrap_or_default().to_lowercase();
    let Some((_, known)) = VARIANTS.iter().find(|(known, _)| *known == variant) else {
        return Err(node.get("variant").unwrap_or(node).wrong(
            "`Tags`, `CommitSha`, `AbbrevCommitSha`, `TreeSha`, `AbbrevTreeSha` or `Branches`",
        ));
    };
    let mark = if node.get("ignoreChanges").is_some_and(Node::is_yes) { "!" } else { "" };
    Ok(format!("{}{{{known}{mark}}}", literal(node.text_of("prefix").unwrap_or_default())))
}

fn time(node: Option<&Node>) -> String {
    let given = |key: &str| node.and_then(|node| node.text_of(key));
    let layout = given("format").unwrap_or(LAYOUT);
    match given("timezone").filter(|zone| *zone != "Local") {
        Some(zone) => format!("{{time:{layout}@{zone}}}"),
        None => format!("{{time:{layout}}}"),
    }
}

/// `text` without what would be a part that is filled in.
fn literal(text: &str) -> String {
    text.replace(['{', '}'], "_")
}
