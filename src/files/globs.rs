//! Globs of a configuration: which files below a folder are meant.

use super::{Filter, Keep};

/// Which paths below a folder some globs select.
#[derive(Debug, Clone)]
pub struct Globs {
    /// `None`: everything but what lies in `.git`.
    inputs: Option<globset::GlobSet>,
    ignore: globset::GlobSet,
}

impl Globs {
    /// Globs below a folder; one that names a folder selects what is in it.
    ///
    /// # Errors
    ///
    /// The glob that cannot be read.
    pub fn new(inputs: &[String], ignore: &[String]) -> Result<Self, (String, globset::Error)> {
        let set = |globs: &[String]| {
            let mut set = globset::GlobSetBuilder::new();
            for text in globs {
                let bad = |error| (text.clone(), error);
                let trimmed = text.trim_start_matches("./").trim_end_matches('/');
                for text in [trimmed.to_owned(), format!("{trimmed}/**")] {
                    let glob = globset::GlobBuilder::new(&text).literal_separator(true).build();
                    set.add(glob.map_err(bad)?);
                }
            }
            set.build().map_err(|error| (globs.join(" "), error))
        };
        let inputs = if inputs.is_empty() { None } else { Some(set(inputs)?) };
        Ok(Self { inputs, ignore: set(ignore)? })
    }
}

impl Filter for Globs {
    type Folder = ();

    fn root(&self) {}

    fn judge(&self, path: &str, is_folder: bool, (): &()) -> (Keep, ()) {
        let keep = match &self.inputs {
            _ if self.ignore.is_match(path) => Keep::Never,
            None if path == ".git" => Keep::Never,
            None => Keep::Yes,
            Some(inputs) if !is_folder && inputs.is_match(path) => Keep::Yes,
            Some(_) if is_folder && !path.ends_with(".git") => Keep::IfNeeded,
            Some(_) => Keep::Never,
        };
        (keep, ())
    }
}
