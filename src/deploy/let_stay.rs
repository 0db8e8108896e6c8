//! What a session had made for itself, and somebody now wants to stay: only the record says so.

use super::look::Found;
use super::record::{self, Part, ReleaseRecord};
use super::{DeployError, DeployScope, Deployed, Plan, left};

/// Whether what runs is what `plan` wants, but for that it stays after the session.
#[must_use]
pub fn has_only_to_stay(found: &Found, plan: &Plan) -> bool {
    runs_as_wanted(found, plan).is_some()
}

/// Records that a release stays which already runs as `plan` wants it, and changes nothing else;
/// `None` where more is to be done.
///
/// # Errors
///
/// [`DeployError`] when the server does not answer or Secrets may not be written.
pub async fn let_stay(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
) -> Result<Option<Deployed>, DeployError> {
    let Some(record) = runs_as_wanted(found, plan) else { return Ok(None) };
    let manifests_kept = !plan.is_helm() && left::keep(scope, plan).await?;
    let stays = ReleaseRecord {
        standing: true,
        manifests_kept,
        keep_data: plan.keep_data,
        ..record.clone()
    };
    record::update(scope, &plan.namespace, |project| {
        project.releases.insert(plan.release.name.clone(), stays.clone());
    })
    .await?;
    let objects = record.inventory.iter().filter(|one| one.part != Part::Hook);
    Ok(Some(Deployed {
        revision: record.revision,
        inventory: objects.cloned().collect(),
        too_large_to_keep: !plan.is_helm() && !manifests_kept,
        ..Deployed::default()
    }))
}

fn runs_as_wanted<'f>(found: &'f Found, plan: &Plan) -> Option<&'f ReleaseRecord> {
    let record = found.record.as_ref()?;
    let runs = plan
        .images
        .iter()
        .all(|(name, image)| record.images.get(name).is_some_and(|recorded| recorded.runs(image)));
    let is_wanted = runs && record.images.len() == plan.images.len();
    let is_pending = record.lagging.is_some() || found.namespace_leaving;
    let only = plan.standing && !record.standing && !is_pending;
    (only && is_wanted && found.is_current(&plan.fingerprint)).then_some(record)
}
