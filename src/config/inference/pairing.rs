//! Which Dockerfile builds which image: by image name, else by folder name, else the only one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::needs::own;
use super::Question;
use super::deployable::Deployable;
use super::dockerfiles::{Candidate, references_of};
use super::listing::{Listing, name_of};
use super::objects::is_well_known;
use crate::model::ArtifactName;

/// What stands beside a guess in the answer to a question.
const PERHAPS: &str = "or another one";

/// Which Dockerfile builds which image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pairing {
    /// The Dockerfile's index by the image's name, and what shows it.
    pub(super) candidate_by_image: BTreeMap<String, (usize, String)>,
    /// Dockerfiles that nothing uses.
    pub(super) unused: Vec<usize>,
}

/// Pairs Dockerfiles with the images that `deployables` run.
pub(super) fn pair(
    listing: &Listing,
    candidates: &[Candidate],
    deployables: &[Deployable],
    questions: &mut Vec<Question>,
) -> Pairing {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for (image, file) in deployables.iter().flat_map(|deployable| &deployable.found_by_image) {
        found.entry(image).or_insert(file);
    }
    let mut pairing = Pairing::default();
    let mut free: BTreeSet<usize> = (0..candidates.len()).collect();

    let by_name = |image: &str, label: &str| name_of(image) == label;
    let by_folder = |image: &str, label: &str| name_of(image).ends_with(&format!("-{label}"));
    for fits in [&by_name as &dyn Fn(&str, &str) -> bool, &by_folder] {
        for (image, file) in &found {
            if pairing.candidate_by_image.contains_key(*image) {
                continue;
            }
            let fitting: Vec<usize> =
                free.iter().copied().filter(|at| fits(image, &candidates[*at].label)).collect();
            let Some(first) = fitting.first() else { continue };
            if fitting.len() > 1 {
                ask(image, candidates, fitting.iter().copied(), questions);
            }
            let why = format!("the image's name in {file}");
            pairing.candidate_by_image.insert((*image).to_owned(), (*first, why));
            for at in fitting {
                free.remove(&at);
            }
        }
    }
    take_bases(listing, candidates, &mut free, &mut pairing);

    let open: Vec<&str> = found
        .keys()
        .copied()
        .filter(|image| !pairing.candidate_by_image.contains_key(*image) && !is_well_known(image))
        .collect();
    match (open.as_slice(), free.iter().copied().collect::<Vec<_>>().as_slice()) {
        ([image], [only]) => {
            let why = format!("the only image without a Dockerfile in {}", found[image]);
            pairing.candidate_by_image.insert((*image).to_owned(), (*only, why));
            free.clear();
        }
        ([first, ..], [_, ..]) => {
            // An image with a registry may well be somebody else's; one without is built here.
            let mut built_here: Vec<&str> =
                open.iter().copied().filter(|image| !image.contains('/')).collect();
            if built_here.is_empty() && pairing.candidate_by_image.is_empty() {
                built_here.push(first);
            }
            if let Some(image) = built_here.first() {
                ask(image, candidates, free.iter().copied(), questions);
            }
            for (image, at) in built_here.into_iter().zip(free.clone()) {
                pairing.candidate_by_image.insert(image.to_owned(), (at, PERHAPS.to_owned()));
            }
        }
        _ => {}
    }
    if pairing.candidate_by_image.is_empty() && questions.is_empty() {
        let images: Vec<&str> = found.keys().copied().collect();
        questions.push(Question {
            text: "none of the images that are deployed here seems to be built here".to_owned(),
            candidates: candidates
                .iter()
                .map(|candidate| format!("`{}` is a Dockerfile", candidate.path))
                .chain(images.iter().map(|image| format!("`{image}` is deployed")))
                .collect(),
        });
        let label = candidates[0].label.clone();
        pairing.candidate_by_image.insert(label, (0, PERHAPS.to_owned()));
    }
    pairing.unused = free.into_iter().collect();
    pairing
}

/// Images that others are built from need no manifest that runs them.
fn take_bases(
    listing: &Listing,
    candidates: &[Candidate],
    free: &mut BTreeSet<usize>,
    pairing: &mut Pairing,
) {
    // A base may have a base in turn.
    loop {
        let mut taken = None;
        'search: for (index, _) in pairing.candidate_by_image.values() {
            let user = &candidates[*index];
            for reference in listing.text(&user.path).map(references_of).unwrap_or_default() {
                for at in free.iter().copied() {
                    let repository = reference.split([':', '@']).next().unwrap_or_default();
                    let Ok(name) = ArtifactName::parse(repository) else { continue };
                    let is_own = own(&reference, std::slice::from_ref(&name)).is_some();
                    if is_own && name_of(repository) == candidates[at].label {
                        taken = Some((at, name, user.path.clone()));
                        break 'search;
                    }
                }
            }
        }
        let Some((at, name, user)) = taken else { return };
        free.remove(&at);
        let why = format!("{user} is built from it");
        pairing.candidate_by_image.insert(name.to_string(), (at, why));
    }
}

fn ask(
    image: &str,
    candidates: &[Candidate],
    which: impl Iterator<Item = usize>,
    questions: &mut Vec<Question>,
) {
    questions.push(Question {
        text: format!("which Dockerfile builds the image `{image}`?"),
        candidates: which.map(|at| format!("`{}`", candidates[at].path)).collect(),
    });
}
