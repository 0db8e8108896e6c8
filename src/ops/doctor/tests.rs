//! What facts mean, without asking for any.

use super::*;
use crate::cluster::{Choice, Node};
use crate::model::Platform;
use crate::tools::ToolError;

fn check(check: &Check, expected: &str) {
    let state = match check.state {
        CheckState::Ok => "ok",
        CheckState::Warn => "warn",
        CheckState::Fail => "fail",
    };
    assert_eq!(format!("{state}: {}", check.what), expected);
    assert_eq!(check.state == CheckState::Ok, check.help.is_empty(), "help where it is needed");
}

#[test]
fn disk_is_judged_by_bytes_and_by_share() {
    let room = |free, all| machine::room("disk", "/", free, all, "make room");
    check(&room(60_000_000_000, 100_000_000_000), "ok: 60.0 GB (60 %) free at /");
    check(
        &room(10_000_000_000, 100_000_000_000),
        "warn: 10.0 GB (10 %) free at /; below 15 % Kubernetes deletes images",
    );
    check(&room(900_000_000, 1_000_000_000), "fail: 0.9 GB (90 %) free at /");
}

#[test]
fn low_limits_of_inotify_come_with_the_command() {
    check(&machine::inotify_limits(524_288, 512), "ok: 524288 watches, 512 instances");
    let low = machine::inotify_limits(8192, 128);
    check(&low, "warn: 8192 watches, 128 instances");
    assert_eq!(
        low.help,
        [
            "sudo sysctl fs.inotify.max_user_watches=524288",
            "sudo sysctl fs.inotify.max_user_instances=512"
        ]
    );
}

#[test]
fn helm_must_be_there() {
    check(&programs::helm_check(Ok("v3.19.0")), "ok: v3.19.0");
    check(&programs::helm_check(Ok("v2.17.0")), "warn: `v2.17.0` is not a version wharf knows");
    let missing = ToolError::Missing { program: "helm".into() };
    check(
        &programs::helm_check(Err(&missing)),
        "fail: it is not on the PATH; charts cannot be installed",
    );
}

#[test]
fn contexts_say_what_the_guard_makes_of_them() {
    let choice =
        |name: &str, is_current, is_free| Choice { name: name.into(), is_current, is_free };
    let all = [choice("prod", true, false), choice("kind-dev", false, true)];
    let said = cluster::contexts(&all).unwrap();
    check(&said, "ok: prod (current, only with --context, or allowed), kind-dev");
    assert_eq!(cluster::contexts(&[]), None);
}

#[test]
fn clocks_that_differ_are_told_apart_by_how_much() {
    check(&cluster::skew(1), "ok: this machine and the API server agree");
    check(&cluster::skew(-20), "warn: the API server is 20 s behind this machine");
    check(&cluster::skew(600), "fail: the API server is 600 s ahead of this machine");
}

#[test]
fn one_node_that_is_not_ready_is_a_warning_and_all_are_a_failure() {
    let node = |name: &str, ready| {
        let platform = Platform::parse("linux/amd64").unwrap();
        Node { name: name.into(), platform, ready, machine_id: String::new() }
    };
    check(&cluster::nodes(&[node("a", true), node("b", true)]), "ok: 2 ready (linux/amd64)");
    check(&cluster::nodes(&[node("a", true), node("b", false)]), "warn: 1 of 2 not ready: b");
    check(&cluster::nodes(&[node("a", false)]), "fail: 1 of 1 not ready: a");
    check(&cluster::nodes(&[]), "fail: there are none");
}
