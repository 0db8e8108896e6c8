//! What nodes say, read.

use super::nodes::Node;
use super::*;
use crate::model::ImageRef;

#[test]
fn a_full_disk_is_told_from_other_trouble() {
    let node = Node { name: "n".to_owned(), id: String::new(), socket: "" };
    let image = ImageRef::parse("api:1").unwrap();
    let said = "time=x\nctr: write /var/lib/x: no space left on device\n";
    assert_eq!(import::refusal(&node, &image, said).code(), "wharf::load::no_space");
    let failure = import::refusal(&node, &image, "a\nctr: unexpected EOF\n\n").failure();
    assert_eq!(failure.what, "node `n` did not take `api:1`");
    assert_eq!(failure.why, ["ctr: unexpected EOF"]);
}

#[test]
fn a_missing_cluster_is_named_with_the_command_that_makes_it() {
    let error = LoadError::NoSuchCluster { tool: "kind", cluster: "dev".to_owned() };
    let failure = error.failure();
    assert_eq!(failure.what, "kind has no cluster named `dev` on this Docker Engine");
    assert_eq!(failure.help[0], "create it: `kind create cluster --name dev`");
}

#[test]
fn a_persons_own_names_are_not_taken_for_those_of_a_delivery() {
    let port = |name: &str| facade::port_of(&ImageRef::parse(name).unwrap());
    let random = crate::docker::random_id();
    assert_eq!(port(&format!("127.0.0.1:41234/wharf:{random}")), Some(41234));
    for name in [
        "127.0.0.1:5000/wharf:latest".to_owned(),
        "127.0.0.1:5000/wharf:0123456789abcdef".to_owned(),
        "127.0.0.1:5000/wharf".to_owned(),
        format!("127.0.0.1:5000/acme/wharf:{random}"),
        format!("localhost:5000/wharf:{random}"),
        format!("wharf:{random}"),
    ] {
        assert_eq!(port(&name), None, "{name}");
    }
}
