//! Which repositories have which layers, as far as this session knows: a registry gives one to
//! another repository of its own without anybody sending it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Digest;

/// How many repositories are asked for one layer.
const CANDIDATES: usize = 2;

/// Repositories by registry and layer.
type Places = BTreeMap<(String, Digest), BTreeSet<String>>;

/// Layers by registry and digest. All clones share what was learnt.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    shared: Arc<Mutex<Places>>,
}

impl Known {
    /// `repository` of `host` has these.
    pub(super) fn add(&self, host: &str, repository: &str, digests: &BTreeSet<Digest>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in digests {
            let key = (host.to_owned(), digest.clone());
            shared.entry(key).or_default().insert(repository.to_owned());
        }
    }

    /// Who else than `but` may have `digest`.
    pub(super) fn repositories(&self, host: &str, digest: &Digest, but: &str) -> Vec<String> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shared.get(&(host.to_owned(), digest.clone()));
        let others = found.into_iter().flatten().filter(|repository| *repository != but);
        others.take(CANDIDATES).cloned().collect()
    }
}
