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
