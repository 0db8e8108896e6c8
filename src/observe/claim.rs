//! Whether a PersistentVolumeClaim is bound, or need not be yet.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use crate::observe::pod::one_line;
use crate::observe::scene::Seen;
use crate::observe::trouble::{Nature, Trouble};
use crate::observe::verdict::{Verdict, Wait};

/// Judges a claim of its own.
///
/// One that no pod uses and whose class binds on use is not waited for: its time never comes.
pub(super) fn judge(claim: &PersistentVolumeClaim, seen: &Seen) -> Verdict {
    match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some("Bound") => return Verdict::Ready,
        Some("Lost") => {
            let what = format!("claim `{}` has lost its volume", claim.name_any());
            let trouble =
                Trouble::new(Nature::Final, claim.uid().unwrap_or_default(), what.clone());
            return Verdict::Waiting(vec![Wait::of_trouble(what, trouble)]);
        }
        _ => {}
    }
    if binds_on_use(claim, seen) && !is_used(claim, seen) {
        return Verdict::Ready;
    }
    match why_stuck(claim, seen) {
        Some((why, nature)) => {
            let what = format!("claim `{}` is unbound: {why}", claim.name_any());
            let mut trouble = Trouble::new(nature, claim.uid().unwrap_or_default(), what);
            trouble.help = help(claim, &why);
            Verdict::Waiting(vec![Wait::of_trouble(format!("is unbound: {why}"), trouble)])
        }
        None => Verdict::Waiting(vec![Wait::ordinary("waits for a volume")]),
    }
}

/// Why `claim` gets no volume, once somebody has complained.
pub(super) fn why_stuck(claim: &PersistentVolumeClaim, seen: &Seen) -> Option<(String, Nature)> {
    if claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound") {
        return None;
    }
    let uid = claim.metadata.uid.as_deref();
    let event = seen.last_event(uid, &["ProvisioningFailed", "FailedBinding"])?;
    let why = one_line(event.message.as_deref().unwrap_or("no reason given"));
    let is_missing_class = why.contains("storageclass") && why.contains("not found");
    Some((why, if is_missing_class { Nature::Final } else { Nature::Missing }))
}

/// What to do about it.
pub(super) fn help(claim: &PersistentVolumeClaim, why: &str) -> Vec<String> {
    let about_classes = why.contains("torage class") || why.contains("storageclass");
    if !about_classes {
        return vec![];
    }
    vec![format!(
        "name an existing class in `spec.storageClassName` of claim `{}`: `kubectl get storageclass`",
        claim.name_any()
    )]
}

fn binds_on_use(claim: &PersistentVolumeClaim, seen: &Seen) -> bool {
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_ref());
    class.is_some_and(|class| seen.binds_on_use.contains(class))
        || seen.last_event(claim.metadata.uid.as_deref(), &["WaitForFirstConsumer"]).is_some()
}

fn is_used(claim: &PersistentVolumeClaim, seen: &Seen) -> bool {
    let name = claim.name_any();
    seen.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).any(|pod| {
        let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
        volumes.into_iter().flatten().any(|volume| {
            volume.persistent_volume_claim.as_ref().is_some_and(|used| used.claim_name == name)
        })
    })
}
