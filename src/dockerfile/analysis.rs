//! What a build of a Dockerfile can see: files of its context, images, remote sources.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::model::{ImageRef, Platform};

use super::instruction::{Copy, Instruction, Mount, Place, parse};
use super::lines::{Line, Lines, read};
use super::pattern::{clean, is_well_formed};
use super::stage::Scope;

/// What, besides its text, decides what a Dockerfile can see.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The stage to stop at; absent: the last.
    pub target: Option<&'a str>,
    /// `--build-arg`s.
    pub args: &'a BTreeMap<String, String>,
    /// What the image is built for.
    pub platform: &'a Platform,
    /// What the builder runs on.
    pub build_platform: &'a Platform,
    /// Names of further build contexts.
    pub contexts: &'a BTreeSet<String>,
    /// `ONBUILD` triggers of base images, by their reference as [`BaseImage`] has it.
    pub triggers: &'a BTreeMap<String, Vec<String>>,
}

/// What a build can see.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// All stages, in order.
    pub stages: Vec<Stage>,
    /// Images that the used stages take files from, each with every place that names it.
    pub bases: Vec<BaseImage>,
    /// Further contexts that the used stages take files from.
    pub contexts: Vec<UsedContext>,
    /// Files of the main context.
    pub visible: Visibility,
    /// Addresses that `ADD` fetches: `http`, `https` and Git.
    pub remote: BTreeSet<String>,
    /// What `ADD` fetches from addresses with variables that only the builder knows, as written.
    pub vague: BTreeSet<String>,
    /// The frontend's image.
    pub frontend: Option<Frontend>,
}

/// One `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// After `AS`, in lower case.
    pub name: Option<String>,
    /// Its image or stage, variables replaced where they are known.
    pub base: String,
    /// Whether the target needs it.
    pub is_used: bool,
}

/// An image that a build takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// As the Dockerfile names it, variables replaced.
    pub reference: String,
    /// What `--platform` says; absent: the build's.
    pub platform: Option<Platform>,
    /// Where it is named.
    pub places: Vec<Site>,
    /// It is what a used stage begins with, so that its triggers run.
    pub is_stage_base: bool,
}

/// A further context that a build takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedContext {
    /// As it was given.
    pub name: String,
    /// Where it is named.
    pub places: Vec<Site>,
    /// Which of its files, if it is a folder, the used stages take; its ignore file apart.
    pub visible: Visibility,
}

/// The image of the frontend that reads the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontend {
    /// As `# syntax=` or the argument `BUILDKIT_SYNTAX` names it.
    pub reference: String,
    /// Where it is named; empty for the argument.
    pub place: Site,
}

/// A place in the Dockerfile that names an image: a byte range per physical line. Empty where the
/// name cannot be replaced by another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site(Vec<Range<usize>>);

/// Which files of the context a build can see, `.dockerignore` apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// All of them.
    Whole {
        /// Why it cannot be told more exactly; absent where the Dockerfile copies everything.
        because: Option<String>,
    },
    /// Those that one of these names.
    Paths(BTreeSet<VisiblePath>),
}

/// A source of a `COPY`, `ADD` or mount.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VisiblePath {
    /// A pattern as in an ignore file, relative to the context, which it may be itself (`.`).
    pub pattern: String,
    /// What `--exclude` leaves out, as patterns relative to the source; only for a source without
    /// wildcards.
    pub excludes: Vec<String>,
}

/// Finds out what a build of the Dockerfile `text` can see.
///
/// Never fails: what BuildKit itself refuses is left for it to report at the right line, and
/// everything counts until it is mended.
#[must_use]
pub fn analyse(text: &[u8], options: &Options<'_>) -> Analysis {
    let Ok(text) = std::str::from_utf8(text) else {
        return Analysis::unread("the Dockerfile is no UTF-8");
    };
    let lines = read(text);
    let mut reader = Reader::new(&lines, options);
    reader.read_stages(&lines.lines);
    reader.finish(&lines)
}

impl Analysis {
    fn unread(because: &str) -> Self {
        Self {
            stages: Vec::new(),
            bases: Vec::new(),
            contexts: Vec::new(),
            visible: Visibility::Whole { because: Some(because.to_owned()) },
            remote: BTreeSet::new(),
            vague: BTreeSet::new(),
            frontend: None,
        }
    }
}

impl Site {
    /// Whether another name can be put here.
    #[must_use]
    pub fn is_replaceable(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The text with other names at some places; every line stays where it was.
#[must_use]
pub fn rewrite(text: &[u8], names: &[(&Site, &str)]) -> Vec<u8> {
    let mut edits: Vec<(&Range<usize>, &str)> = Vec::new();
    for (site, name) in names {
        for (index, range) in site.0.iter().enumerate() {
            edits.push((range, if index == 0 { name } else { "" }));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut rewritten = Vec::with_capacity(text.len() + 64 * names.len());
    let mut at = 0;
    for (range, name) in edits {
        if range.start < at || range.end > text.len() {
            continue;
        }
        rewritten.extend_from_slice(&text[at..range.start]);
        rewritten.extend_from_slice(name.as_bytes());
        at = range.end;
    }
    rewritten.extend_from_slice(&text[at..]);
    rewritten
}

/// A stage while it is read.
struct Draft {
    name: Option<String>,
    base: String,
    origin: Origin,
    platform: Option<Platform>,
    instructions: Vec<(Line, Instruction)>,
    place: Site,
}

/// What a stage, `COPY --from` or mount takes its files from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Scratch,
    Stage(usize),
    Context(String),
    Image(String),
    /// It cannot be told.
    Unclear,
}

/// What a used stage sees.
#[derive(Default)]
struct Seen {
    paths: BTreeSet<VisiblePath>,
    whole: bool,
    remote: BTreeSet<String>,
    vague: BTreeSet<String>,
    needs: BTreeSet<usize>,
    images: Vec<(String, Option<Platform>, Site, bool)>,
    contexts: Vec<(String, Site, Taken)>,
}

/// What is taken from a further context; `None`: all of it.
type Taken = Option<BTreeSet<VisiblePath>>;

struct Reader<'a> {
    options: &'a Options<'a>,
    escape: char,
    global: Scope,
    stages: Vec<Draft>,
    trouble: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(lines: &Lines, options: &'a Options<'a>) -> Self {
        let global = Scope::global(options, lines.escape);
        let trouble = lines.trouble.clone();
        Self { options, escape: lines.escape, global, stages: Vec::new(), trouble }
    }

    fn doubt(&mut self, because: impl Into<String>) {
        self.trouble.get_or_insert_with(|| because.into());
    }

    fn read_stages(&mut self, lines: &[Line]) {
        for line in lines {
            let instruction = match parse(line, self.escape) {
                Ok(instruction) => instruction,
                Err(trouble) => {
                    self.doubt(trouble);
                    continue;
                }
            };
            match (instruction, self.stages.last_mut()) {
                (Instruction::From { image, name, platform }, _) => {
                    self.from(line, image, name, platform);
                }
                (instruction, Some(stage)) => stage.instructions.push((line.clone(), instruction)),
                (Instruction::Arg(args), None) => {
                    for (name, default) in args {
                        self.global.global_arg(&name, default.as_deref(), self.options);
                    }
                }
                (_, None) => self.doubt(format!("line {}: FROM must come first", line.number)),
            }
        }
    }

    fn from(&mut self, line: &Line, image: Place, name: Option<String>, platform: Option<String>) {
        let (base, origin) = match self.global.expand(&image.text) {
            Ok(base) if base.is_empty() => {
                self.doubt(format!("line {}: the image's name is empty", line.number));
                (image.text, Origin::Unclear)
            }
            Ok(base) => {
                let origin = self.origin(&base, self.stages.len());
                (base, origin)
            }
            Err(_) => {
                self.doubt(format!("line {}: `{}` is not known", line.number, image.text));
                (image.text, Origin::Unclear)
            }
        };
        let platform = platform.and_then(|text| {
            let known = self.global.expand(&text).ok().and_then(|text| Platform::parse(&text).ok());
            if known.is_none() {
                self.doubt(format!("line {}: platform `{text}` is not known", line.number));
            }
            known
        });
        // A context of the stage's own name takes the place of the whole stage.
        let origin = match name.as_deref().and_then(|name| self.context(name)) {
            Some(context) => Origin::Context(context),
            None => origin,
        };
        let place = Site(image.ranges);
        self.stages.push(Draft { name, base, origin, platform, instructions: Vec::new(), place });
    }

    /// What `name` means where the stages before `before` may be meant.
    fn origin(&self, name: &str, before: usize) -> Origin {
        let lower = name.to_lowercase();
        let mut earlier = self.stages[..before].iter();
        if let Some(index) = earlier.rposition(|stage| stage.name.as_ref() == Some(&lower)) {
            return Origin::Stage(index);
        }
        match self.context(name) {
            Some(context) => Origin::Context(context),
            None if name == "scratch" => Origin::Scratch,
            None => Origin::Image(name.to_owned()),
        }
    }

    /// The further context that `name` means, if one does: names are compared as image
    /// references are.
    fn context(&self, name: &str) -> Option<String> {
        if let Some(context) = self.options.contexts.get(name) {
            return Some(context.clone());
        }
        let full = ImageRef::parse(name).ok()?.full();
        let mut contexts = self.options.contexts.iter();
        contexts
            .find(|context| ImageRef::parse(context).is_ok_and(|one| one.full() == full))
            .cloned()
    }

    fn target(&mut self) -> Option<usize> {
        let last = self.stages.len().checked_sub(1)?;
        let Some(target) = self.options.target else { return Some(last) };
        let lower = target.to_lowercase();
        let named = self.stages.iter().rposition(|stage| stage.name.as_ref() == Some(&lower));
        let numbered = target.parse().ok().filter(|&index: &usize| index <= last);
        if named.or(numbered).is_none() {
            self.doubt(format!("there is no stage `{target}`"));
        }
        named.or(numbered).or(Some(last))
    }

    fn finish(mut self, lines: &Lines) -> Analysis {
        let target = self.target();
        if target.is_none() {
            self.doubt("it has no FROM");
        }
        let mut seen_by_stage: BTreeMap<usize, Seen> = BTreeMap::new();
        let mut scopes: Vec<Scope> = Vec::new();
        for index in 0..self.stages.len() {
            let (seen, scope) = self.stage(index, &scopes);
            seen_by_stage.insert(index, seen);
            scopes.push(scope);
        }
        let mut used = BTreeSet::new();
        let mut next: Vec<usize> = target.into_iter().collect();
        while let Some(index) = next.pop() {
            if used.insert(index) {
                next.extend(&seen_by_stage[&index].needs);
            }
        }
        let mut analysis = Analysis::unread("");
        analysis.visible = self.visible(used.iter().map(|index| &seen_by_stage[index]));
        for index in &used {
            let seen = &seen_by_stage[index];
            analysis.remote.extend(seen.remote.iter().cloned());
            analysis.vague.extend(seen.vague.iter().cloned());
            for (reference, platform, place, is_stage_base) in &seen.images {
                analysis.add_base(reference, platform.as_ref(), place, *is_stage_base);
            }
            for (name, place, taken) in &seen.contexts {
                // What cannot be read exactly may take anything.
                let taken = taken.as_ref().filter(|_| self.trouble.is_none());
                analysis.add_context(name, place, taken);
            }
        }
        for (index, draft) in self.stages.into_iter().enumerate() {
            let is_used = used.contains(&index);
            analysis.stages.push(Stage { name: draft.name, base: draft.base, is_used });
        }
        analysis.frontend = match (self.options.args.get("BUILDKIT_SYNTAX"), &lines.syntax) {
            (Some(asked), _) => {
                let reference = asked.split(' ').next().unwrap_or_default().to_owned();
                Some(Frontend { reference, place: Site::default() })
            }
            (None, Some((reference, range))) => {
                let place = Site(vec![range.clone()]);
                Some(Frontend { reference: reference.clone(), place })
            }
            (None, None) => None,
        };
        analysis
    }

    fn visible<'s>(&self, seen: impl Iterator<Item = &'s Seen> + Clone) -> Visibility {
        if let Some(because) = &self.trouble {
            return Visibility::Whole { because: Some(because.clone()) };
        }
        if seen.clone().any(|seen| seen.whole) {
            return Visibility::Whole { because: None };
        }
        Visibility::Paths(seen.flat_map(|seen| seen.paths.iter().cloned()).collect())
    }

    /// Reads one stage from top to bottom; what it sees, and its variables at the end.
    fn stage(&mut self, index: usize, scopes: &[Scope]) -> (Seen, Scope) {
        let mut seen = Seen::default();
        let draft = &self.stages[index];
        let (platform, place) = (draft.platform.clone(), draft.place.clone());
        let mut triggers: Vec<Line> = Vec::new();
        let mut scope = match &draft.origin {
            Origin::Scratch => Scope::of_scratch(self.escape),
            Origin::Unclear => Scope::of_image(self.escape),
            Origin::Context(name) => {
                let stands_for_stage = draft.name.as_deref().and_then(|name| self.context(name));
                if stands_for_stage.as_ref() == Some(name) {
                    // Its instructions are not run: the context is all there is of it. Another
                    // image's name after FROM would not say that.
                    seen.contexts.push((name.clone(), Site::default(), None));
                    return (seen, Scope::of_image(self.escape));
                }
                seen.contexts.push((name.clone(), place, None));
                Scope::of_image(self.escape)
            }
            Origin::Stage(base) => {
                seen.needs.insert(*base);
                for (line, instruction) in &self.stages[*base].instructions {
                    if let Instruction::Onbuild(text) = instruction {
                        triggers.push(put_off(text, &line.heredocs));
                    }
                }
                scopes[*base].clone()
            }
            Origin::Image(reference) => {
                let texts = self.options.triggers.get(reference).into_iter().flatten();
                triggers.extend(texts.map(|text| put_off(text, &[])));
                seen.images.push((reference.clone(), platform, place, true));
                Scope::of_image(self.escape)
            }
        };
        let mut steps = Vec::new();
        for line in triggers {
            match parse(&line, self.escape) {
                Ok(instruction) => steps.push((line, instruction)),
                Err(trouble) => self.doubt(trouble),
            }
        }
        steps.extend(self.stages[index].instructions.clone());
        for (line, instruction) in steps {
            match instruction {
                Instruction::Arg(args) => {
                    for (name, default) in args {
                        scope.arg(&name, default.as_deref(), &self.global, self.options);
                    }
                }
                Instruction::Env(pairs) => scope.env(&pairs),
                Instruction::Copy(copy) => self.copy(&line, copy, &scope, &mut seen),
                Instruction::Run(mounts) => {
                    for mount in mounts {
                        self.mount(&line, mount, &scope, &mut seen);
                    }
                }
                Instruction::From { .. } | Instruction::Onbuild(_) | Instruction::Other => {}
            }
        }
        (seen, scope)
    }

    fn copy(&mut self, line: &Line, copy: Copy, scope: &Scope, seen: &mut Seen) {
        if let Some(from) = copy.from {
            let origin = match from.text.parse::<usize>() {
                Ok(index) if index < self.stages.len() => Origin::Stage(index),
                Ok(_) => Origin::Unclear,
                Err(_) => self.origin(&from.text, self.stages.len()),
            };
            let taken = taken(&copy.sources, scope);
            self.take_from(line, origin, from, taken, seen);
            return;
        }
        for source in copy.sources {
            let Ok(source) = scope.expand(&source) else {
                self.doubt(format!("line {}: `{source}` is not known", line.number));
                if copy.is_add && is_remote(&source) {
                    seen.vague.insert(source);
                }
                continue;
            };
            if copy.is_add && is_remote(&source) {
                seen.remote.insert(source);
                continue;
            }
            // Excludes are relative to a folder that is copied; what they mean next to wildcards
            // and kept parents is left to the builder.
            let is_plain = !source.contains(['*', '?', '[', '\\']) && !copy.parents;
            let excludes = if is_plain {
                copy.excludes.iter().map(|exclude| scope.expand(exclude)).collect::<Result<_, _>>()
            } else {
                Ok(Vec::new())
            };
            self.see(line, &source, excludes.unwrap_or_default(), seen);
        }
    }

    fn mount(&mut self, line: &Line, mount: Mount, scope: &Scope, seen: &mut Seen) {
        let Ok(kind) = scope.expand(&mount.kind) else {
            self.doubt(format!("line {}: the mount's type is not known", line.number));
            return;
        };
        match (kind.as_str(), mount.from) {
            ("secret" | "ssh" | "tmpfs", _) | ("cache", None) => {}
            (_, Some(from)) => {
                let origin = self.origin(&from.text, self.stages.len());
                let taken = taken(std::slice::from_ref(&mount.source), scope);
                self.take_from(line, origin, from, taken, seen);
            }
            ("bind", None) => match scope.expand(&mount.source) {
                Ok(source) => self.see(line, &source, Vec::new(), seen),
                Err(_) => {
                    self.doubt(format!("line {}: `{}` is not known", line.number, mount.source));
                }
            },
            (other, None) => self.doubt(format!("line {}: mount type `{other}`", line.number)),
        }
    }

    fn take_from(
        &mut self,
        line: &Line,
        origin: Origin,
        place: Place,
        taken: Taken,
        seen: &mut Seen,
    ) {
        match origin {
            Origin::Scratch => {}
            Origin::Stage(index) => {
                seen.needs.insert(index);
            }
            Origin::Context(name) => seen.contexts.push((name, Site(place.ranges), taken)),
            Origin::Image(reference) => {
                seen.images.push((reference, None, Site(place.ranges), false));
            }
            Origin::Unclear => {
                self.doubt(format!("line {}: there is no stage `{}`", line.number, place.text));
            }
        }
    }

    /// Makes `source` of the main context visible.
    fn see(&mut self, line: &Line, source: &str, excludes: Vec<String>, seen: &mut Seen) {
        let cleaned = clean(&format!("/{source}"));
        let pattern = cleaned.trim_start_matches('/');
        if pattern.starts_with('!') || !is_well_formed(pattern) {
            self.doubt(format!("line {}: `{source}` cannot be read", line.number));
            return;
        }
        if pattern.is_empty() && excludes.is_empty() {
            seen.whole = true;
            return;
        }
        let pattern = if pattern.is_empty() { "." } else { pattern };
        let excludes = if excludes.iter().all(|exclude| is_well_formed(exclude)) {
            excludes
        } else {
            Vec::new()
        };
        seen.paths.insert(VisiblePath { pattern: pattern.to_owned(), excludes });
    }
}

impl Analysis {
    fn add_base(
        &mut self,
        reference: &str,
        platform: Option<&Platform>,
        place: &Site,
        is_stage_base: bool,
    ) {
        let known = self
            .bases
            .iter_mut()
            .find(|base| base.reference == reference && base.platform.as_ref() == platform);
        match known {
            Some(base) => {
                base.places.push(place.clone());
                base.is_stage_base |= is_stage_base;
            }
            None => self.bases.push(BaseImage {
                reference: reference.to_owned(),
                platform: platform.cloned(),
                places: vec![place.clone()],
                is_stage_base,
            }),
        }
    }

    fn add_context(&mut self, name: &str, place: &Site, taken: Option<&BTreeSet<VisiblePath>>) {
        let known = self.contexts.iter().position(|context| context.name == name);
        let context = match known {
            Some(index) => &mut self.contexts[index],
            None => {
                let visible = Visibility::Paths(BTreeSet::new());
                let context = UsedContext { name: name.to_owned(), places: Vec::new(), visible };
                self.contexts.push(context);
                let last = self.contexts.len() - 1;
                &mut self.contexts[last]
            }
        };
        context.places.push(place.clone());
        match (&mut context.visible, taken) {
            (Visibility::Paths(paths), Some(taken)) => paths.extend(taken.iter().cloned()),
            (visible, _) => *visible = Visibility::Whole { because: None },
        }
    }
}

/// What these sources name of a further context; all of it where that is not certain.
fn taken(sources: &[String], scope: &Scope) -> Taken {
    let one = |source: &String| {
        let source = scope.expand(source).ok()?;
        let cleaned = clean(&format!("/{source}"));
        let pattern = cleaned.trim_start_matches('/');
        let is_whole = pattern.is_empty() || pattern.starts_with('!') || !is_well_formed(pattern);
        (!is_whole).then(|| VisiblePath { pattern: pattern.to_owned(), excludes: Vec::new() })
    };
    sources.iter().map(one).collect()
}

/// An instruction that was put off by `ONBUILD`.
fn put_off(text: &str, heredocs: &[String]) -> Line {
    Line { text: text.to_owned(), heredocs: heredocs.to_vec(), ..Line::default() }
}

/// Whether `ADD` fetches `source` instead of copying it. `user@host:path` is a repository, as it
/// is for BuildKit:
/// <https://github.com/moby/buildkit/blob/master/util/sshutil/scpurl.go>
fn is_remote(source: &str) -> bool {
    const SCHEMES: [&str; 4] = ["http://", "https://", "git://", "ssh://"];
    let is_word = |text: &str, more: &[char]| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(&c);
        !text.is_empty() && text.chars().all(fits)
    };
    let is_repository = source.split_once('@').is_some_and(|(user, rest)| {
        let host = rest.split_once(':').map(|(host, _)| host);
        is_word(user, &['-', '_']) && host.is_some_and(|host| is_word(host, &['-', '.']))
    });
    is_repository || SCHEMES.iter().any(|scheme| source.starts_with(scheme))
}
