//! The files that a configuration was read from, laid end to end, so that one range of bytes says
//! which file and where in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::{ConfigError, Place, Problem, said};
use super::super::node::{Fault, Node};
use super::super::{disk, mask, node};

/// The files, in the order they were read.
pub(super) struct Sources {
    root: PathBuf,
    /// A text that is not on the disk.
    given: Option<(PathBuf, String)>,
    files: Vec<Source>,
}

struct Source {
    path: PathBuf,
    text: String,
    start: usize,
}

impl Sources {
    /// No files yet; paths are said relative to `root`.
    pub(super) fn new(root: &Path, given: Option<(&Path, &str)>) -> Self {
        let given = given.map(|(path, text)| (path.to_path_buf(), text.to_owned()));
        Self { root: root.to_path_buf(), given, files: vec![] }
    }

    /// The documents of the file at `path`.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<Node>, ConfigError> {
        let text = match &self.given {
            Some((given, text)) if given == path => text.clone(),
            _ => disk::text(path)?,
        };
        self.add(path, text)
    }

    /// The documents of `text`, which is the file at `path`.
    pub(super) fn add(&mut self, path: &Path, text: String) -> Result<Vec<Node>, ConfigError> {
        // One byte between files, so that the end of one is not the start of the next.
        let start = self.files.last().map_or(0, |last| last.start + last.text.len() + 1);
        let documents = node::documents(&text);
        self.files.push(Source { path: path.to_path_buf(), text, start });
        match documents {
            Ok(mut documents) => {
                documents.iter_mut().for_each(|document| document.shift(start));
                Ok(documents)
            }
            Err(mut fault) => {
                fault.at = fault.at.start + start..fault.at.end + start;
                if let Some(also) = &mut fault.also {
                    also.0 = also.0.start + start..also.0.end + start;
                }
                Err(self.placed(fault))
            }
        }
    }

    /// All files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    fn at(&self, at: usize) -> Option<&Source> {
        let file = self.files.iter().rev().find(|file| file.start <= at)?;
        (at <= file.start + file.text.len()).then_some(file)
    }

    /// The file and line of a place, as they are said; absent for what was made up.
    pub(super) fn line(&self, at: usize) -> Option<(String, usize)> {
        let file = self.at(at)?;
        let before = &file.text.as_bytes()[..at - file.start];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Some((said(&file.path, &self.root), line))
    }

    /// `fault` with its place drawn.
    pub(super) fn placed(&self, fault: Fault) -> ConfigError {
        let Fault { problem, at, also, profile } = fault;
        let Some(file) = self.at(at.start) else { return ConfigError::without_place(problem) };
        let local = |range: std::ops::Range<usize>| {
            range.start.saturating_sub(file.start)..range.end.saturating_sub(file.start)
        };
        let is_here = |range: &std::ops::Range<usize>| {
            self.at(range.start).is_some_and(|other| other.start == file.start)
        };
        let also = also.filter(|also| is_here(&also.0));
        let also = also.map(|also| Box::new((local(also.0), also.1)));
        let text: Arc<str> = mask::masked(&file.text).into();
        let name = PathBuf::from(said(&file.path, &self.root));
        ConfigError::at(problem, Place { file: name, text, at: local(at), also, profile })
    }

    /// An error that has no place of its own.
    pub(super) fn without_place(problem: Problem) -> ConfigError {
        ConfigError::new(problem)
    }
}
