//! Which troubles were told already, so that each is told once, whoever sees it first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::observe::trouble::Trouble;

/// The troubles that were told and are not over yet, by the UID of the pod.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: Mutex<BTreeMap<String, Told>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    container: Option<String>,
    what: String,
}

impl Ledger {
    /// Whether `trouble` is news; from here on it is not.
    pub(super) fn is_news(&self, trouble: &Trouble) -> bool {
        let told = Told { container: trouble.container.clone(), what: trouble.what.clone() };
        let mut troubles = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.insert(trouble.uid.clone(), told.clone()) != Some(told)
    }

    /// Whether any trouble was told that is not over yet.
    pub(super) fn has_any(&self) -> bool {
        !self.told.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a pod that is well had a trouble that was told; from here on it has none.
    pub(super) fn is_mended(&self, uid: &str) -> Option<Option<String>> {
        let mut troubles = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.remove(uid).map(|told| told.container)
    }
}
