//! The whole loop on `examples/hello`: up, an edit, Ctrl+C.

use crate::support::{Inventory, Project, Wharf, get, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn hello_comes_up_follows_an_edit_and_leaves_nothing() {
    let project = Project::example("hello");
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/hello");
    assert_eq!(wharf.round(), 0);
    assert_eq!(get(port, "/").as_deref(), Some("hello from wharf"));

    project.edit("app.py", "hello from wharf", "hello again");
    wait_for("the edit", || {
        let now = get(port, "/").expect("the port answers all the time");
        assert!(["hello from wharf", "hello again"].contains(&now.as_str()), "{now}");
        (now == "hello again").then_some(())
    });
    assert_eq!(wharf.round(), 0);
    assert!(
        wharf
            .reports()
            .iter()
            .any(|report| { report["report"] == "log" && report["text"] == "listening on 8080" })
    );

    assert_eq!(wharf.interrupt(), Some(0));
    assert_eq!(get(port, "/"), None);
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}
