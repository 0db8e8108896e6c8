//! Takes the records of older images off a node, so that its disk does not fill up.

use std::collections::{BTreeSet, HashMap};

use tonic::Status;

use crate::model::ImageRef;

use super::containerd::{Containerd, Image};
use super::delta::MINE;

/// How many images of one repository stay, so that going back is quick.
const KEPT: usize = 8;

/// Removes what wharf had loaded of `image`'s repository, but for the newest and what containers
/// were made of. `image` itself stays.
pub(super) async fn tidy(node: &Containerd, image: &ImageRef) -> Result<(), Status> {
    let name = image.without_digest().full();
    let Some((repository, _)) = name.rsplit_once(':') else { return Ok(()) };
    let (label, value) = MINE;
    let of_repository = format!("name~=\"^{}:\"", regex::escape(repository).replace('\\', "\\\\"));
    let filter = format!("{of_repository},labels.\"{label}\"==\"{value}\"");
    let mine = node.images(vec![filter]).await?;
    if mine.len() <= KEPT {
        return Ok(());
    }
    let in_use: BTreeSet<String> = node.images_in_use().await?.into_iter().collect();
    let removed = superfluous(mine, &name, &in_use);
    if removed.is_empty() {
        return Ok(());
    }
    // CRI keeps a record of its own under each image's ID.
    let all = node.images(Vec::new()).await?;
    for old in removed {
        tracing::debug!(image = old.name, "an old image leaves the node");
        node.delete_image(&old.name).await?;
        for id in orphans(&all, &old) {
            node.delete_image(&id).await?;
        }
    }
    Ok(())
}

/// The records to be removed of those that are wharf's, newest first kept.
fn superfluous(mut mine: Vec<Image>, name: &str, in_use: &BTreeSet<String>) -> Vec<Image> {
    let stamp = |image: &Image| {
        image.updated_at.as_ref().map_or((0, 0), |stamp| (stamp.seconds, stamp.nanos))
    };
    mine.sort_by_key(|image| std::cmp::Reverse(stamp(image)));
    let is_old = |image: &Image| image.name != name && !in_use.contains(&image.name);
    mine.into_iter().skip(KEPT).filter(is_old).collect()
}

/// Names of records under an ID that nothing but `old` gave a name.
fn orphans(all: &[Image], old: &Image) -> Vec<String> {
    let digest = |image: &Image| image.target.as_ref().map(|target| target.digest.clone());
    let mut by_sort: HashMap<bool, Vec<&Image>> = HashMap::new();
    for image in all.iter().filter(|image| digest(image) == digest(old) && image.name != old.name) {
        by_sort.entry(image.name.starts_with("sha256:")).or_default().push(image);
    }
    if by_sort.contains_key(&false) {
        return Vec::new();
    }
    let ids = by_sort.remove(&true).unwrap_or_default();
    ids.into_iter().map(|image| image.name.clone()).collect()
}

#[cfg(test)]
#[path = "tidy_tests.rs"]
mod tests;
