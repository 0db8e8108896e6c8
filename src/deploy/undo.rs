//! How a deploy will be taken back, decided before it begins.

use super::look::Found;
use super::manifest;
use super::record::{self, Part};
use super::{DeployError, Plan, set_claims};
use crate::model::{Namespace, ObjectRef, ProjectName, Release, Undo};

/// What the way back should be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UndoOptions {
    /// Claims that StatefulSets make stay.
    pub keep_data: bool,
    /// A Helm release that was there before goes back to the revision that was found. One that
    /// `run` had left standing always does, and so do its manifests.
    pub roll_back: bool,
    /// The journal says already that this release is to be taken back: a session that was cut
    /// off has made it.
    pub remembered: bool,
}

/// Lists the steps back, oldest first; they are only about what is not there yet and what an
/// earlier session made and did not mean to leave.
///
/// # Errors
///
/// [`DeployError`] when a manifest has no name.
pub fn undo_for(
    found: &Found,
    plan: &Plan,
    project: &ProjectName,
    options: UndoOptions,
) -> Result<Vec<Undo>, DeployError> {
    let stands = found.record.as_ref().is_some_and(|record| record.standing);
    let mut steps = Vec::new();
    let missing = !found.namespace_exists || found.namespace_leaving;
    if missing || (found.made_namespace && !stands) {
        steps.push(Undo::Namespace { namespace: plan.namespace.clone() });
    }
    if !stands {
        steps.push(Undo::Record {
            namespace: plan.namespace.clone(),
            name: record::name(project),
            release: plan.release.name.clone(),
        });
    }
    if plan.is_helm() {
        steps.extend(helm(found, plan, stands, options)?);
        return Ok(steps);
    }

    if goes_back(found, plan) && found.record.as_ref().is_some_and(|record| record.manifests_kept) {
        steps.push(Undo::Manifests {
            release: plan.release.name.clone(),
            namespace: plan.namespace.clone(),
            name: record::name(project),
        });
    }
    let objects = new_objects(found, plan, &[&plan.objects, &plan.crds], stands)?;
    let (namespaces, objects): (Vec<ObjectRef>, Vec<ObjectRef>) =
        objects.into_iter().partition(|object| object.kind == "Namespace");
    let namespaces = namespaces.iter().filter_map(|object| Namespace::parse(&object.name).ok());
    for namespace in namespaces {
        let step = Undo::Namespace { namespace };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    if !objects.is_empty() {
        let release = plan.release.name.clone();
        steps.push(Undo::Objects { release, objects, claims: !options.keep_data });
    }
    Ok(steps)
}

/// Whether what `run` had left standing is only worked on for a while.
fn goes_back(found: &Found, plan: &Plan) -> bool {
    found.record.as_ref().is_some_and(|record| record.standing) && !plan.standing
}

fn helm(
    found: &Found,
    plan: &Plan,
    stands: bool,
    options: UndoOptions,
) -> Result<Option<Undo>, DeployError> {
    let (release, namespace) = (plan.release.name.clone(), plan.namespace.clone());
    let recorded_as_found = found.record.as_ref().is_some_and(|record| record.found);
    let others = found.installed_by_other.is_some() && !options.remembered;
    if stands || recorded_as_found || others {
        let first = found.record.as_ref().and_then(|record| record.found_revision);
        let good = found.helm.as_ref().and_then(|helm| helm.last_good);
        let revision = if stands { good } else { first.or(good) };
        let wanted = goes_back(found, plan) || (options.roll_back && !plan.standing);
        let back = revision.filter(|_| wanted);
        return Ok(back.map(|revision| Undo::HelmRollback { release, namespace, revision }));
    }
    let extras = new_objects(found, plan, &[&plan.crds, &plan.hooks], stands)?;
    Ok(Some(Undo::HelmRelease { release, namespace, extras, claims: !options.keep_data }))
}

/// Objects that will exist only through wharf: new ones, and those that wharf recorded as made.
fn new_objects(
    found: &Found,
    plan: &Plan,
    sources: &[&Vec<serde_json::Value>],
    stands: bool,
) -> Result<Vec<ObjectRef>, DeployError> {
    let mut objects: Vec<ObjectRef> = Vec::new();
    for values in sources {
        for manifest in manifest::parse(values)? {
            let object = plan.placed(manifest.object);
            let known = found.recorded(&object);
            let is_new = match known {
                Some(recorded) => recorded.made && !stands,
                None => !found.before.keys().any(|before| same(before, &object)),
            };
            if is_new && !objects.iter().any(|other| same(other, &object)) {
                objects.push(object);
            }
        }
    }
    // What an earlier session recorded and the manifests no longer name goes as well.
    if !stands && let Some(record) = &found.record {
        let wanted = |part| !plan.is_helm() || part != Part::Object;
        for recorded in record.inventory.iter().filter(|one| one.made && wanted(one.part)) {
            if !objects.iter().any(|other| same(other, &recorded.object)) {
                objects.push(recorded.object.clone());
            }
        }
    }
    Ok(objects)
}

/// Whether both name one object: a cluster-wide one may have been given a namespace by its
/// manifest or by [`Plan::placed`].
fn same(one: &ObjectRef, other: &ObjectRef) -> bool {
    let namespaces =
        one.namespace == other.namespace || one.namespace.is_none() || other.namespace.is_none();
    one.api_version == other.api_version
        && one.kind == other.kind
        && one.name == other.name
        && namespaces
}

/// Claims that will go on the way back, with the data in them, as a person is told before they
/// are made.
///
/// # Errors
///
/// [`DeployError`] when a manifest has no name.
pub fn claims_that_go(found: &Found, plan: &Plan) -> Result<Vec<String>, DeployError> {
    let stands = found.record.as_ref().is_some_and(|record| record.standing);
    if plan.keep_data || plan.standing || (plan.is_helm() && stands) {
        return Ok(Vec::new());
    }
    let is_new = |object: &ObjectRef| match found.recorded(object) {
        Some(recorded) => recorded.made && !stands,
        None => !found.before.keys().any(|before| same(before, object)),
    };
    let stays = |value: &serde_json::Value| plan.is_helm() && manifest::is_kept_by_helm(value);
    let goes = manifest::parse(&plan.objects)?.into_iter();
    let manifests = goes.filter(|manifest| !stays(&manifest.value)).filter_map(|manifest| {
        let claims = set_claims::count(&manifest.value);
        let object = plan.placed(manifest.object);
        match object.kind.as_str() {
            "PersistentVolumeClaim" if is_new(&object) => Some(object.name),
            "StatefulSet" if is_new(&object) => match found.older_claims.get(&object) {
                Some(older) if older.len() >= claims => None,
                Some(older) => {
                    let are = if older.len() == 1 { "is" } else { "are" };
                    let older = older.join(" and ");
                    Some(format!("those of {object} but {older}, which {are} older"))
                }
                None => (claims > 0).then(|| format!("those of {object}")),
            },
            _ => None,
        }
    });
    Ok(manifests.collect())
}

/// How what runs of `release` is taken back, oldest first, where an earlier session made it and
/// did not mean to leave it: its journal may be lost, or lie on another machine.
#[must_use]
pub fn owed(
    found: &Found,
    release: &Release,
    namespace: &Namespace,
    project: &ProjectName,
    keep_data: bool,
) -> Vec<Undo> {
    let Some(record) = found.record.as_ref().filter(|record| !record.standing) else {
        return Vec::new();
    };
    let place = Undo::Namespace { namespace: namespace.clone() };
    let entry = Undo::Record {
        namespace: namespace.clone(),
        name: record::name(project),
        release: release.name.clone(),
    };
    let place = found.made_namespace.then_some(place);
    place
        .into_iter()
        .chain([entry])
        .chain(record.undo(&release.name, namespace, keep_data))
        .collect()
}

/// What will stay on the way back because it was there before, or because its chart says so, one
/// line each.
#[must_use]
pub fn kept(found: &Found, plan: &Plan) -> Vec<String> {
    let mut kept = Vec::new();
    let release = &plan.release.name;
    let stands = found.record.as_ref().is_some_and(|record| record.standing);
    let recorded_as_found = found.record.as_ref().is_some_and(|record| record.found);
    if stands || recorded_as_found || found.installed_by_other.is_some() {
        kept.push(release.to_string());
    }
    if !plan.is_helm() {
        kept.extend(found.before.keys().map(ToString::to_string));
    }
    let by_helm = kept_by_helm(plan);
    let in_namespace =
        by_helm.iter().any(|object| object.namespace.as_ref() == Some(&plan.namespace));
    if (found.namespace_exists && !found.made_namespace) || in_namespace {
        kept.push(format!("namespace {}", plan.namespace));
    }
    kept.extend(by_helm.iter().map(|object| format!("{object} by helm.sh/resource-policy")));
    kept
}

/// What Helm leaves behind because the chart says so. A hook is wharf's to remove.
fn kept_by_helm(plan: &Plan) -> Vec<ObjectRef> {
    let objects = if plan.is_helm() { plan.objects.as_slice() } else { &[] };
    // What has no name is told by the deploy.
    let manifests = manifest::parse(objects).unwrap_or_default().into_iter();
    let kept = manifests.filter(|manifest| manifest::is_kept_by_helm(&manifest.value));
    kept.map(|manifest| plan.placed(manifest.object)).collect()
}
