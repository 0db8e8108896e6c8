//! Which part of what is deployed a name means.

use super::*;
use crate::deploy::Recorded;
use crate::model::{ArtifactName, ObjectRef};

fn part(names: &[&str]) -> Part {
    let mut part = Part::default();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    for (name, images, workloads) in [
        (
            "shop",
            &[("ghcr.io/acme/api", "ghcr.io/acme/api:1f"), ("web", "web:2e")][..],
            &["api", "web"][..],
        ),
        ("db", &[], &["db"]),
    ] {
        let release = release(images, workloads);
        part.take(&namespace(), &ReleaseName::parse(name).unwrap(), &release, &names);
    }
    part
}

fn namespace() -> Namespace {
    Namespace::parse("dev").unwrap()
}

fn release(images: &[(&str, &str)], workloads: &[&str]) -> ReleaseRecord {
    let image = |(name, image): &(&str, &str)| {
        (ArtifactName::parse(name).unwrap(), ImageRef::parse(image).unwrap())
    };
    let object = |kind: &str, version: &str, name: &str| Recorded {
        object: ObjectRef {
            api_version: version.into(),
            kind: kind.into(),
            namespace: Some(namespace()),
            name: name.into(),
        },
        part: Default::default(),
        made: true,
        uid: String::new(),
        generation: None,
        replicas: None,
        content: String::new(),
        passing: false,
    };
    let inventory = workloads
        .iter()
        .flat_map(|name| [object("Deployment", "apps/v1", name), object("Service", "v1", name)]);
    ReleaseRecord {
        images: images.iter().map(image).collect(),
        inventory: inventory.collect(),
        ..ReleaseRecord::default()
    }
}

/// The workloads that are included, each running the image of its name.
fn included(part: &Part) -> String {
    let image = |name: &str| match name {
        "api" => "ghcr.io/acme/api:1f".to_owned(),
        name => format!("docker.io/library/{name}:0"),
    };
    let included =
        part.workloads.iter().filter(|workload| part.includes(workload, &[image(&workload.name)]));
    included.map(|workload| workload.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_name_means_everything() {
    assert_eq!(included(&part(&[])), "api db web");
}

#[test]
fn a_release_means_its_workloads() {
    assert_eq!(included(&part(&["shop"])), "api web");
    assert_eq!(included(&part(&["db"])), "db");
}

#[test]
fn an_image_means_the_workloads_that_run_it() {
    assert_eq!(included(&part(&["api"])), "api");
    assert_eq!(included(&part(&["ghcr.io/acme/api"])), "api");
    assert_eq!(included(&part(&["web", "db"])), "db web");
}

#[test]
fn services_are_no_workloads() {
    assert_eq!(part(&[]).workloads.len(), 3);
}
