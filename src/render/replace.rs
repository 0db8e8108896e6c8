//! Puts images into manifests: into a text, changing nothing else of it, or into objects.

use std::ops::Range;

use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Parser};

use super::images::{self, Rule, Targets};
use super::yaml::{self, YamlProblem};

/// Replaces in `text` each image that is not what `targets` wants.
///
/// Everything else stays as it is, byte for byte.
pub(super) fn in_text(text: &str, targets: &Targets) -> Result<String, YamlProblem> {
    let mut result = String::with_capacity(text.len());
    for (line, part) in yaml::split(text) {
        let edits = edits(part, targets)
            .map_err(|problem| YamlProblem { line: problem.line + line - 1, ..problem })?;
        let mut from = 0;
        for (range, image) in edits {
            result.push_str(&part[from..range.start]);
            result.push_str(&image);
            from = range.end;
        }
        result.push_str(&part[from..]);
    }
    Ok(result)
}

/// Replaces in `object` each image that is not what `targets` wants.
pub(super) fn in_object(object: &mut Value, targets: &Targets) {
    if let Some(paths) = targets.paths_in(object).map(<[String]>::to_vec) {
        at_paths(object, "", &paths, targets);
    } else if let Some(rule) = Rule::of(object) {
        in_value(object, "", rule, targets);
    }
}

fn at_paths(value: &mut Value, path: &str, paths: &[String], targets: &Targets) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                at_paths(value, &here, paths, targets);
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| at_paths(item, path, paths, targets));
        }
        Value::String(image) if images::is_at(path, paths) => {
            if let Some(wanted) = targets.correction(image) {
                *image = wanted.to_string();
            }
        }
        _ => {}
    }
}

fn in_value(value: &mut Value, parent: &str, rule: Rule, targets: &Targets) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    _ if Rule::skips(key) => {}
                    Value::String(image) if rule.fits(parent, key) => {
                        if let Some(wanted) = targets.correction(image) {
                            *image = wanted.to_string();
                        }
                    }
                    value => in_value(value, key, rule, targets),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                in_value(item, "", rule, targets);
            }
        }
        _ => {}
    }
}

/// Where the walk is: in a mapping, before a key or before its value, or in a sequence.
enum Level {
    Mapping { key: Option<String>, name: String },
    Sequence,
}

/// Where images of one document stand, and what they are to be.
fn edits(text: &str, targets: &Targets) -> Result<Vec<(Range<usize>, String)>, YamlProblem> {
    let mut walk = Walk::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| YamlProblem {
            message: error.info().clone(),
            line: error.marker().line(),
            column: error.marker().col() + 1,
        })?;
        walk.take(&event, span.byte_range());
    }
    let found = walk.found.into_iter().filter_map(|(kind, parent, key, image, range)| {
        let rule = Rule::of_kind(kind.as_deref()?)?;
        let wanted = rule.fits(&parent, &key).then(|| targets.correction(&image))??;
        Some((range, Value::String(wanted.to_string()).to_string()))
    });
    Ok(found.collect())
}

/// Kind of the object, key around, key, value, place of the value.
type FoundScalar = (Option<String>, String, String, String, Range<usize>);

#[derive(Default)]
struct Walk {
    levels: Vec<Level>,
    /// How many levels deep the walk is in something that is not searched.
    skipped: usize,
    found: Vec<FoundScalar>,
    /// Per object around (a document, or an item of a List): its first entry in `found` and kind.
    objects: Vec<(usize, usize, Option<String>)>,
}

impl Walk {
    fn take(&mut self, event: &Event<'_>, range: Option<Range<usize>>) {
        match event {
            Event::MappingStart(..) => self.open(true),
            Event::SequenceStart(..) => self.open(false),
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            Event::Scalar(text, ..) => self.scalar(text, range),
            Event::Alias(..) | Event::UnresolvedAlias(..) => self.value_done(),
            _ => {}
        }
    }

    fn open(&mut self, mapping: bool) {
        let key = match self.levels.last() {
            Some(Level::Mapping { key, .. }) => key.clone().unwrap_or_default(),
            _ => String::new(),
        };
        if self.skipped > 0 || Rule::skips(&key) {
            self.skipped += 1;
        } else if mapping {
            let of_list = matches!(self.levels.last(), Some(Level::Sequence))
                && self.levels.len() == 2
                && matches!(&self.levels[0], Level::Mapping { key: Some(key), .. } if key == "items");
            if self.levels.is_empty() || of_list {
                self.objects.push((self.found.len(), self.levels.len(), None));
            }
            self.levels.push(Level::Mapping { key: None, name: key });
        } else {
            self.levels.push(Level::Sequence);
        }
    }

    fn close(&mut self) {
        if self.skipped > 0 {
            self.skipped -= 1;
            if self.skipped == 0 {
                self.value_done();
            }
            return;
        }
        self.levels.pop();
        if let Some((first, depth, kind)) = self.objects.last()
            && *depth == self.levels.len()
        {
            for found in &mut self.found[*first..] {
                if found.0.is_none() {
                    found.0.clone_from(kind);
                }
            }
            self.objects.pop();
        }
        self.value_done();
    }

    fn value_done(&mut self) {
        if self.skipped == 0
            && let Some(Level::Mapping { key, .. }) = self.levels.last_mut()
        {
            *key = None;
        }
    }

    fn scalar(&mut self, text: &str, range: Option<Range<usize>>) {
        if self.skipped > 0 {
            return;
        }
        let depth = self.levels.len();
        let Some(Level::Mapping { key, name }) = self.levels.last_mut() else { return };
        let Some(key) = key.take() else {
            *key = Some(text.to_owned());
            return;
        };
        if key == "kind"
            && let Some((_, around, kind)) = self.objects.last_mut()
            && *around + 1 == depth
        {
            *kind = Some(text.to_owned());
        }
        if let Some(range) = range.filter(|range| !range.is_empty()) {
            self.found.push((None, name.clone(), key, text.to_owned(), range));
        }
    }
}
