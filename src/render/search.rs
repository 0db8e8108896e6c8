//! Finds through which values each of the project's images gets its reference.
//!
//! Candidates (see `candidates`) are all set to marks that occur nowhere else, the chart is
//! rendered once, and where the marks come out says which value makes which part of which image.
//! A value that also makes an image that is not the project's, or images that must differ, is
//! left as it is and the rest is tried again. How rendering works is the caller's business.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::model::{ArtifactName, ImageRef};

use super::candidates::{self, Candidate, Form};
use super::error::RenderError;
use super::images::{self, FoundImage, Targets};
use super::marks::{self, Part, Token};
use super::values::{self, ValuePath};
use super::yaml::Document;

/// Renders the chart with a tree of values over the person's own files.
pub(super) type Render<'a> =
    dyn Fn(Value) -> BoxFuture<'a, Result<Vec<Document>, RenderError>> + Send + Sync + 'a;

/// What is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// All values as they are without wharf: the chart's, the files', `set`.
    pub(super) tree: &'a Value,
    /// What always lies over the files: `set`.
    pub(super) set: &'a Value,
    /// Places that templates name.
    pub(super) mentioned: &'a [Vec<String>],
    pub(super) targets: &'a Targets,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Answer {
    /// The project's images that appear.
    pub(super) uses: BTreeSet<ArtifactName>,
    /// The values that make them.
    pub(super) assignments: Vec<Assignment>,
}

/// One value to set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assignment {
    pub(super) path: ValuePath,
    pub(super) expression: Expression,
}

/// What a value is to be, once the images are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    /// `repository:tag[@digest]`, with the repository (or its end) as the chart wants it here.
    Reference { artifact: ArtifactName, repository: String },
    /// The tag, with `@digest` where there is one and nothing else takes it.
    Tag { artifact: ArtifactName, alone: bool },
    /// The digest.
    Digest(ArtifactName),
    /// A part of a repository, or nothing in place of a digest that would win over the tag.
    Fixed(String),
    /// A text in which references are replaced.
    Text(String),
}

impl Expression {
    /// The image that this value is about, where it is about one.
    pub(super) fn artifact(&self) -> Option<&ArtifactName> {
        match self {
            Self::Reference { artifact, .. } | Self::Tag { artifact, .. } => Some(artifact),
            Self::Digest(artifact) => Some(artifact),
            Self::Fixed(_) | Self::Text(_) => None,
        }
    }

    /// The value for `targets`; absent where the image is not among them.
    fn value(&self, targets: &Targets, digests: Digests) -> Option<String> {
        let pin = |image: &ImageRef| match (image.digest(), digests) {
            (Some(digest), Digests::InTags) => format!("@{digest}"),
            _ => String::new(),
        };
        let tag = |image: &ImageRef| image.tag().map(ToString::to_string).unwrap_or_default();
        match self {
            Self::Reference { artifact, repository } => {
                let image = targets.image(artifact)?;
                Some(format!("{repository}:{}{}", tag(image), pin(image)))
            }
            Self::Tag { artifact, alone: false } => {
                let image = targets.image(artifact)?;
                Some(format!("{}{}", tag(image), pin(image)))
            }
            Self::Tag { artifact, alone: true } => targets.image(artifact).map(tag),
            Self::Digest(artifact) => {
                Some(targets.image(artifact)?.digest().map(ToString::to_string).unwrap_or_default())
            }
            Self::Fixed(text) => Some(text.clone()),
            Self::Text(text) => Some(replaced(text, targets, |image| {
                let image =
                    if digests == Digests::InTags { image.clone() } else { image.without_digest() };
                image.to_string()
            })),
        }
    }
}

/// What to do with digests where the chart has no place of their own for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digests {
    /// `tag@sha256:…` as the tag.
    InTags,
    /// The tag alone.
    Dropped,
}

/// The tree of values to lay over the person's files, so that the images are those of `targets`.
pub(super) fn overlay(
    set: &Value,
    tree: &Value,
    assignments: &[Assignment],
    targets: &Targets,
    digests: Digests,
) -> Value {
    let mut overlay = set.clone();
    for Assignment { path, expression } in assignments {
        if let Some(value) = expression.value(targets, digests) {
            values::put(&mut overlay, tree, path, Value::String(value));
        }
    }
    overlay
}

/// Searches the values that make the project's images.
///
/// `plain` is the chart as it renders without wharf. A chart that does not render so may still
/// render once its images are given (`required`), so its failure counts only when probing fails.
pub(super) async fn search(
    question: Question<'_>,
    plain: Result<&[Document], RenderError>,
    render: &Render<'_>,
) -> Result<Answer, RenderError> {
    let mut known = Known::default();
    let failure = match plain {
        Ok(documents) => {
            known = Known::of(documents, question.targets);
            if known.artifact_by_place.is_empty() {
                return Ok(Answer::default());
            }
            None
        }
        Err(error) => Some(error),
    };
    let Question { tree, mentioned, targets, .. } = question;
    let candidates = candidates::find(tree, mentioned, targets, &known.tags, &known.digests);
    let prober = Prober { question, known: &known, candidates: &candidates, render };

    let pick = |blank: Blank, guesses: bool| -> BTreeSet<usize> {
        let all = candidates.iter().enumerate();
        let fits = |candidate: &Candidate| match candidate.form {
            Form::Digest => candidate.sure || blank == Blank::Nothing,
            _ => candidate.sure || guesses,
        };
        all.filter(|(_, candidate)| fits(candidate)).map(|(index, _)| index).collect()
    };
    let mut tried = vec![(pick(Blank::Digests, false), Blank::Digests)];
    let mut best = match prober.settle(tried[0].0.clone(), Blank::Digests).await {
        Ok(reading) => reading,
        // Not wharf's values are at fault, but what the person gave.
        Err(error) => return Err(failure.unwrap_or(error)),
    };
    let more = [(Blank::Digests, true), (Blank::Nothing, false), (Blank::Nothing, true)];
    for (blank, guesses) in more {
        let pass = (pick(blank, guesses), blank);
        let has_digests = pass.0.iter().any(|index| candidates[*index].form == Form::Digest);
        let adds = !tried.contains(&pass) && (blank == Blank::Digests || has_digests);
        if best.unsolved == 0 || !adds {
            continue;
        }
        if let Ok(reading) = prober.settle(pass.0.clone(), blank).await
            && reading.unsolved < best.unsolved
        {
            best = reading;
        }
        tried.push(pass);
    }
    let mut uses = best.uses;
    uses.extend(known.artifact_by_place.values().cloned());
    let mut assignments: Vec<Assignment> = best
        .expression_by_candidate
        .into_iter()
        .map(|(index, expression)| Assignment { path: candidates[index].path.clone(), expression })
        .filter(|assignment| {
            // What stands there already need not be said again.
            let Expression::Fixed(text) = &assignment.expression else { return true };
            assignment.path.get(tree).and_then(Value::as_str).unwrap_or_default() != text
        })
        .collect();
    assignments.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Answer { uses, assignments })
}

/// What is known of the images as the chart renders them without wharf.
#[derive(Debug, Default)]
struct Known {
    /// Object and path in it → artifact.
    artifact_by_place: BTreeMap<(String, String), ArtifactName>,
    tags: BTreeSet<String>,
    digests: BTreeSet<String>,
    /// How many objects of each kind each template makes; absent where the chart did not render.
    counts: Option<Counts>,
}

/// Template and kind → number of objects.
type Counts = BTreeMap<(Option<String>, String), usize>;

fn group(document: &Document) -> (Option<String>, String) {
    let kind = document.value.get("kind").and_then(Value::as_str).unwrap_or_default();
    (document.source.clone(), kind.to_owned())
}

fn counts(documents: &[Document]) -> Counts {
    let mut counts = Counts::new();
    for document in documents {
        *counts.entry(group(document)).or_default() += 1;
    }
    counts
}

impl Known {
    fn of(documents: &[Document], targets: &Targets) -> Self {
        let mut known = Self { counts: Some(counts(documents)), ..Self::default() };
        for FoundImage { object, path, image, .. } in
            documents.iter().flat_map(|document| targets.found_in(&document.value))
        {
            let Some(artifact) = targets.artifact_of(&image) else { continue };
            let (_, tag, digest) = images::split(&image);
            known.tags.extend(tag.map(str::to_owned));
            known.digests.extend(digest.map(str::to_owned));
            known.artifact_by_place.insert((object, path), artifact.clone());
        }
        known
    }
}

/// What digests that the values name already are set to while probing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blank {
    /// Nothing, so that tags come out.
    Digests,
    /// Marks, as everything else.
    Nothing,
}

struct Prober<'a, 'r> {
    question: Question<'a>,
    known: &'a Known,
    candidates: &'a [Candidate],
    render: &'a Render<'r>,
}

/// What one probing render says.
#[derive(Debug, Default)]
struct Reading {
    uses: BTreeSet<ArtifactName>,
    expression_by_candidate: BTreeMap<usize, Expression>,
    /// Candidates that must stay as they are.
    refused: BTreeSet<usize>,
    /// Images of the project that no value makes.
    unsolved: usize,
}

impl Prober<'_, '_> {
    /// Probes `active`, without those that turn out to steer something else.
    async fn settle(
        &self,
        mut active: BTreeSet<usize>,
        blank: Blank,
    ) -> Result<Reading, RenderError> {
        // Each round but the last takes at least one candidate away.
        loop {
            let documents = match self.probe(&active, blank).await {
                Ok(documents) => documents,
                Err(error) => {
                    let working = self.working(&active, blank).await;
                    if working.len() == active.len() || working.is_empty() {
                        return Err(error);
                    }
                    active = working;
                    continue;
                }
            };
            let mut reading = self.read(&documents);
            let refused: Vec<usize> = reading.refused.intersection(&active).copied().collect();
            if refused.is_empty() {
                if blank == Blank::Digests {
                    for &index in &active {
                        if self.is_blanked(index) {
                            let nothing = Expression::Fixed(String::new());
                            reading.expression_by_candidate.entry(index).or_insert(nothing);
                        }
                    }
                }
                return Ok(reading);
            }
            for index in refused {
                active.remove(&index);
            }
        }
    }

    fn is_blanked(&self, index: usize) -> bool {
        let candidate = &self.candidates[index];
        candidate.form == Form::Digest && !candidate.before.is_empty()
    }

    async fn probe(
        &self,
        active: &BTreeSet<usize>,
        blank: Blank,
    ) -> Result<Vec<Document>, RenderError> {
        let Question { tree, set, targets, .. } = self.question;
        let mut overlay = set.clone();
        for &index in active {
            let Candidate { path, form, before, .. } = &self.candidates[index];
            let mark = match form {
                Form::Repository => marks::repository(index),
                Form::Reference => marks::reference(index),
                Form::Tag => marks::tag(index),
                Form::Digest if blank == Blank::Digests && before.is_empty() => continue,
                Form::Digest if blank == Blank::Digests => String::new(),
                Form::Digest => marks::digest(index),
                Form::Text => replaced(before, targets, |_| marks::reference(index)),
            };
            values::put(&mut overlay, tree, path, Value::String(mark));
        }
        (self.render)(overlay).await
    }

    /// Those of `active` that the chart still renders with.
    async fn working(&self, active: &BTreeSet<usize>, blank: Blank) -> BTreeSet<usize> {
        let mut working = BTreeSet::new();
        let mut parts: Vec<Vec<usize>> = vec![active.iter().copied().collect()];
        // The whole is known to fail.
        let mut first = true;
        while let Some(part) = parts.pop() {
            let mut tried = working.clone();
            tried.extend(&part);
            if !std::mem::take(&mut first) && self.probe(&tried, blank).await.is_ok() {
                working = tried;
            } else if part.len() > 1 {
                let (one, other) = part.split_at(part.len() / 2);
                parts.push(other.to_vec());
                parts.push(one.to_vec());
            }
        }
        working
    }

    fn read(&self, documents: &[Document]) -> Reading {
        let mut reading = Reading::default();
        let mut told = Vec::new();
        let appeared = self.appeared(documents);
        for document in documents {
            let is_new = appeared.contains(&group(document));
            for found in self.question.targets.found_in(&document.value) {
                let tokens = marks::tokens(&found.image);
                if is_new {
                    // A value that was empty turns something on: it is no place for a tag.
                    reading.refused.extend(
                        marks::indices(&tokens)
                            .filter(|index| self.candidates[*index].before.is_empty()),
                    );
                }
                let before = self.before(&found.image);
                let place = (self.before(&found.object), found.path.clone());
                let artifact = self
                    .question
                    .targets
                    .artifact_of(&before)
                    .or_else(|| self.known.artifact_by_place.get(&place));
                let Some(artifact) = artifact else {
                    reading.refused.extend(marks::indices(&tokens));
                    continue;
                };
                reading.uses.insert(artifact.clone());
                match self.solve(&tokens, &before, artifact) {
                    Some(solution) => told.extend(solution),
                    None => reading.unsolved += 1,
                }
            }
        }
        for (index, expression) in told {
            if let Some(other) = reading.expression_by_candidate.get(&index)
                && *other != expression
            {
                reading.refused.insert(index);
            }
            reading.expression_by_candidate.insert(index, expression);
        }
        let steering = marks::steering(documents.iter().map(|document| &document.value));
        for (&index, expression) in &reading.expression_by_candidate {
            let candidate = &self.candidates[index];
            let changes = match expression {
                Expression::Fixed(text) => *text != candidate.before,
                Expression::Reference { repository, .. } => {
                    repository != images::split(&candidate.before).0
                }
                _ => !candidate.sure,
            };
            if changes && steering.contains(&index) {
                reading.refused.insert(index);
            }
        }
        reading
    }

    /// Templates and kinds that make more objects with marks than without.
    fn appeared(&self, documents: &[Document]) -> BTreeSet<(Option<String>, String)> {
        let Some(before) = &self.known.counts else { return BTreeSet::new() };
        let more = counts(documents).into_iter();
        more.filter(|(group, count)| before.get(group).is_none_or(|before| count > before))
            .map(|(group, _)| group)
            .collect()
    }

    /// `text` with each mark replaced by what stands in its place without wharf.
    fn before(&self, text: &str) -> String {
        let part = |token: Token| match token {
            Token::Text(text) => text,
            Token::Mark(index, part) => {
                let before = self.candidates.get(index).map_or("", |c| c.before.as_str());
                match part {
                    Part::Repository => images::split(before).0.to_owned(),
                    Part::Reference | Part::Digest => before.to_owned(),
                    Part::Tag => match self.candidates.get(index).map(|c| c.form) {
                        Some(Form::Reference) => {
                            images::split(before).1.unwrap_or_default().to_owned()
                        }
                        _ => before.to_owned(),
                    },
                }
            }
        };
        let text: String = marks::tokens(text).into_iter().map(part).collect();
        text.trim_start_matches('/').to_owned()
    }

    /// The values that make an image with these tokens `artifact`'s; absent where none do.
    fn solve(
        &self,
        tokens: &[Token],
        before: &str,
        artifact: &ArtifactName,
    ) -> Option<Vec<(usize, Expression)>> {
        let target = self.question.targets.image(artifact)?;
        let (repository, tag, digest) = marks::split(tokens);
        let artifact = artifact.clone();
        let mut solution = Vec::new();
        let moves = {
            let (before, _, _) = images::split(before);
            images::full_repository(before) != target.full_repository()
        };
        match (tag.as_deref(), digest.as_deref()) {
            (None, None) => {
                let Some(Token::Mark(index, Part::Reference | Part::Repository)) =
                    repository.last()
                else {
                    return None;
                };
                let candidate = &self.candidates[*index];
                if candidate.form == Form::Text {
                    let whole = Expression::Text(candidate.before.clone());
                    return (repository.len() == 1).then(|| vec![(*index, whole)]);
                }
                let own = images::split(&candidate.before).0;
                if moves || own.is_empty() {
                    for (part, text) in self.parts(&repository, target.repository())? {
                        let artifact = artifact.clone();
                        let expression = if part == *index {
                            Expression::Reference { artifact, repository: text }
                        } else {
                            Expression::Fixed(text)
                        };
                        solution.push((part, expression));
                    }
                } else {
                    let repository = own.to_owned();
                    solution.push((*index, Expression::Reference { artifact, repository }));
                }
                return Some(solution);
            }
            (Some([Token::Mark(index, Part::Tag)]), None) => {
                solution.push((*index, Expression::Tag { artifact, alone: false }));
            }
            (Some([Token::Mark(tag, Part::Tag)]), Some([Token::Mark(digest, Part::Digest)])) => {
                solution.push((*tag, Expression::Tag { artifact: artifact.clone(), alone: true }));
                solution.push((*digest, Expression::Digest(artifact)));
            }
            (None, Some([Token::Mark(index, Part::Digest)])) => {
                solution.push((*index, Expression::Digest(artifact)));
            }
            _ => return None,
        }
        // A reference that is taken apart keeps its own tag: it is set as a whole, elsewhere.
        let is_apart = |index: usize| self.candidates[index].form == Form::Reference;
        if solution.iter().any(|(index, _)| is_apart(*index)) {
            let Some(Token::Mark(index, _)) = repository.last() else { return None };
            let Expression::Tag { artifact, .. } = &solution[0].1 else { return None };
            let own = images::split(&self.candidates[*index].before).0.to_owned();
            let whole = Expression::Reference { artifact: artifact.clone(), repository: own };
            let same = solution.len() == 1 && solution[0].0 == *index && !moves;
            return same.then(|| vec![(*index, whole)]);
        }
        if moves {
            let parts = self.parts(&repository, target.repository())?;
            solution
                .extend(parts.into_iter().map(|(index, text)| (index, Expression::Fixed(text))));
        }
        Some(solution)
    }

    /// What each mark in `tokens` must be for them to say `target`.
    fn parts(&self, tokens: &[Token], target: &str) -> Option<Vec<(usize, String)>> {
        let before = |index: usize| images::split(&self.candidates[index].before).0;
        marks::match_parts(tokens, target, &before)
    }
}

/// `text` with each reference to an image of `targets` replaced.
fn replaced(text: &str, targets: &Targets, with: impl Fn(&ImageRef) -> String) -> String {
    let mut result = String::new();
    let mut from = 0;
    for (range, artifact) in candidates::references_in(text, targets) {
        let Some(image) = targets.image(&artifact) else { continue };
        result.push_str(&text[from..range.start]);
        result.push_str(&with(image));
        from = range.end;
    }
    result + &text[from..]
}
