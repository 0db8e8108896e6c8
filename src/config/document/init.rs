//! `wharf init`: a commented `wharf.yaml` of what was inferred.

use crate::model::Project;

use super::super::provenance::{Provenance, Source};
use super::write::{Defaults, Remarks, project as written, write};

/// A `wharf.yaml` that describes `project`, with comments that say what each part is for and what
/// it was inferred from. It reads back as an equal project.
#[must_use]
pub fn init(project: &Project, provenance: &Provenance) -> String {
    let body = write(
        &written(project, Defaults::Hidden),
        &Remarks {
            above: &|path| match path {
                [section] => about(section),
                _ => vec![],
            },
            behind: &|path| match provenance.get(path) {
                Some(Source::Inferred(from)) => Some(from.clone()),
                _ => None,
            },
            instead: &|_, _| None,
        },
    );
    let head = "# What wharf builds, installs and forwards. Every key: `wharf schema`.\n";
    format!("{head}{body}")
}

/// What a section is for.
fn about(section: &str) -> Vec<String> {
    let text = match section {
        "images" => "Images, by the name that manifests and values call them.",
        "releases" => "Helm releases, by name.",
        "kustomize" => "Kustomizations, by name.",
        "manifests" => "Manifests that are applied as they are.",
        "forward" => "Local ports: `service/NAME: PORT`, or `LOCAL:PORT`.",
        "logs" => "Which containers' logs are shown.",
        "cluster" => "Which cluster is meant.",
        "registry" => "Where images are pushed; without it they are loaded into the nodes.",
        "insecureRegistries" => "Registries whose certificates are not checked.",
        _ => return vec![],
    };
    vec![String::new(), text.to_owned()]
}
