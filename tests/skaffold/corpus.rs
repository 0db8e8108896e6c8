//! Runs every case of the tables.

use super::{Case, cases, folder};

const TABLES: &[(&str, &str)] = &[
    ("build.txt", include_str!("build.txt")),
    ("deploy.txt", include_str!("deploy.txt")),
    ("modules.txt", include_str!("modules.txt")),
    ("templates.txt", include_str!("templates.txt")),
    ("versions.txt", include_str!("versions.txt")),
    ("lenient.txt", include_str!("lenient.txt")),
    ("errors.txt", include_str!("errors.txt")),
];

pub(super) fn all() -> Vec<(&'static str, Case)> {
    let tables = TABLES.iter();
    tables
        .flat_map(|(table, text)| cases(text).into_iter().map(move |case| (*table, case)))
        .collect()
}

#[test]
fn each_configuration_amounts_to_what_its_case_says() {
    let folder = folder();
    let all = all();
    assert!(all.len() >= 120, "there are {} cases", all.len());
    let mut wrong = Vec::new();
    for (table, case) in &all {
        for difference in case.differs(&case.run(folder.path(), true)) {
            wrong.push(format!("{table}: {}: {difference}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

#[test]
fn each_case_notices_when_its_field_is_ignored() {
    let folder = folder();
    let blind: Vec<String> = all()
        .iter()
        .filter(|(_, case)| case.body.contains("#<"))
        .filter(|(_, case)| case.differs(&case.run(folder.path(), false)).is_empty())
        .map(|(table, case)| format!("{table}: {}", case.name))
        .collect();
    assert!(blind.is_empty(), "pass without the field that they are about:\n{}", blind.join("\n"));
}
