//! Deletes what an earlier deploy made and the manifests no longer name.

use std::collections::BTreeSet;

use super::look::Found;
use super::record::{Part, ProjectRecord};
use super::{DeployError, DeployScope, Plan, Removal, order, record, remove};
use crate::model::ObjectRef;

/// Which recorded objects are to go: made by wharf, not named any more, and not moved to another
/// release of the project.
pub(super) fn surplus(
    found: &Found,
    project: &ProjectRecord,
    plan: &Plan,
    wanted: &BTreeSet<ObjectRef>,
) -> Vec<(ObjectRef, String)> {
    let moved = |object: &ObjectRef| {
        project.releases.iter().any(|(release, record)| {
            *release != plan.release.name
                && record.inventory.iter().any(|recorded| recorded.object == *object)
        })
    };
    let inventory = found.record.iter().flat_map(|record| &record.inventory);
    let mut surplus: Vec<(ObjectRef, String)> = inventory
        .filter(|recorded| recorded.made && recorded.part == Part::Object)
        .filter(|recorded| !recorded.uid.is_empty())
        .filter(|recorded| !wanted.contains(&recorded.object) && !moved(&recorded.object))
        .map(|recorded| (recorded.object.clone(), recorded.uid.clone()))
        .collect();
    surplus.sort_by_key(|(object, _)| std::cmp::Reverse(order::rank(object)));
    surplus
}

/// Deletes the surplus, what came last first, and tells what went.
pub(super) async fn prune(
    scope: &DeployScope,
    plan: &Plan,
    found: &Found,
    wanted: &BTreeSet<ObjectRef>,
) -> Result<Vec<ObjectRef>, DeployError> {
    if found.record.is_none() {
        return Ok(Vec::new());
    }
    let project = record::read(scope, &plan.namespace).await?;
    let mut pruned = Vec::new();
    for (object, uid) in surplus(found, &project, plan, wanted) {
        remove(&scope.cluster, &object, &Removal { uid: Some(uid), ..Removal::default() }).await?;
        pruned.push(object);
    }
    Ok(pruned)
}
