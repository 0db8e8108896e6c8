//! The journal on disk, and what may be undone side by side.

use std::io::Write as _;

use super::Journal;
use super::unwind::independent;
use crate::model::{Namespace, ObjectRef, ReleaseName, Undo};

fn namespace(name: &str) -> Namespace {
    Namespace::parse(name).unwrap()
}

fn release(name: &str) -> ReleaseName {
    ReleaseName::parse(name).unwrap()
}

fn object(name: &str, place: Option<&str>) -> ObjectRef {
    ObjectRef {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: place.map(namespace),
        name: name.to_owned(),
    }
}

fn objects(owner: &str, objects: Vec<ObjectRef>) -> Undo {
    Undo::Objects { release: release(owner), objects, claims: true }
}

fn place(name: &str) -> Undo {
    Undo::Namespace { namespace: namespace(name) }
}

#[test]
fn what_is_remembered_survives_a_restart_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let steps = [place("a"), objects("one", vec![object("x", Some("a"))]), place("b")];
    let journal = Journal::open_at(&path).unwrap();
    journal.remember(&steps).unwrap();
    journal.forget(&place("a")).unwrap();
    assert_eq!(Journal::open_at(&path).unwrap().steps(), steps[1..]);
    for step in &steps {
        journal.forget(step).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"", "nothing is left to undo");
}

#[test]
fn a_line_that_a_crash_cut_short_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    Journal::open_at(&path).unwrap().remember(&[place("a")]).unwrap();
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"remember\": {\"undo\": \"namesp").unwrap();

    let journal = Journal::open_at(&path).unwrap();
    assert_eq!(journal.steps(), [place("a")]);
    journal.remember(&[place("b")]).unwrap();
    assert_eq!(Journal::open_at(&path).unwrap().steps(), [place("a"), place("b")]);
}

#[test]
fn steps_about_the_same_release_become_one() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open_at(&folder.path().join("journal.jsonl")).unwrap();
    let (x, y) = (object("x", Some("a")), object("y", Some("a")));
    journal.remember(&[objects("one", vec![x.clone()]), place("a")]).unwrap();
    journal.remember(&[objects("one", vec![y.clone(), x.clone()])]).unwrap();
    assert_eq!(journal.steps(), [objects("one", vec![x, y.clone()]), place("a")]);
    journal.forget(&objects("one", vec![y])).unwrap();
    assert_eq!(journal.steps(), [place("a")]);
}

#[test]
fn the_journal_does_not_grow_with_the_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let journal = Journal::open_at(&path).unwrap();
    journal.remember(&[place("kept")]).unwrap();
    for round in 0..100 {
        let step = place(&format!("n{round}"));
        journal.remember(std::slice::from_ref(&step)).unwrap();
        journal.forget(&step).unwrap();
    }
    let lines = std::fs::read_to_string(&path).unwrap().lines().count();
    assert!(lines < 20, "{lines}");
    assert_eq!(Journal::open_at(&path).unwrap().steps(), [place("kept")]);
}

#[test]
fn namespaces_are_independent_until_something_spans_them() {
    let check = |steps: Vec<Undo>, expected: &[usize]| {
        let count = steps.len();
        let groups = independent(steps);
        let mut sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, expected);
        assert_eq!(sizes.iter().sum::<usize>(), count);
    };
    check(vec![place("a"), place("b"), place("a")], &[1, 2]);
    let both = objects("one", vec![object("x", Some("a")), object("y", Some("b"))]);
    check(vec![place("a"), place("b"), both], &[3]);
    let wide = objects("one", vec![object("x", None)]);
    check(vec![place("a"), place("b"), wide], &[3]);
}

#[test]
fn a_group_keeps_its_order() {
    let one = objects("one", vec![object("x", Some("a"))]);
    let span = objects("two", vec![object("x", Some("a")), object("y", Some("b"))]);
    let steps = vec![place("a"), place("b"), one, span];
    assert_eq!(independent(steps.clone()), [steps]);
}
