//! `wharf dev NAME`: what is named and what it needs, nothing else.

use std::collections::BTreeSet;

use crate::support::{Project, Wharf, kubectl};

fn workload(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      \
         containers: [{{name: {name}, image: {image}, command: [sleep, \"10000\"]}}]\n"
    )
}

#[test]
#[ignore = "needs a cluster"]
fn a_named_image_comes_with_what_it_needs_and_nothing_else() {
    let project = Project::of(
        "parts",
        &[
            (
                "wharf.yaml",
                "images: {base: {context: base}, api: {context: api}, web: {context: web}}\n\
                 manifests:\n  db: db.yaml\n  api: {files: api.yaml, after: [db]}\n  web: web.yaml\n",
            ),
            ("base/Dockerfile", "FROM busybox:1.36\nCOPY base.txt /\n"),
            ("api/Dockerfile", "FROM base\nCOPY api.txt /\n"),
            ("web/Dockerfile", "FROM base\nCOPY web.txt /\n"),
            ("db.yaml", &workload("db", "\"busybox:1.36\"")),
            ("api.yaml", &workload("api", "api")),
            ("web.yaml", &workload("web", "web")),
        ],
    );
    for name in ["base", "api", "web"] {
        project.write(&format!("{name}/{name}.txt"), project.namespace());
    }
    let names = |wharf: &Wharf, report: &str, news: &str| -> BTreeSet<String> {
        let reports = wharf.reports();
        let told = reports.iter().filter(|told| told["report"] == report && told["news"] == news);
        told.filter_map(|told| told["name"].as_str().map(str::to_owned)).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let mut wharf = Wharf::start(&project, &["dev", "api"]);
    assert_eq!(wharf.round(), 0);
    assert_eq!(names(&wharf, "artifact", "built"), set(&["base", "api"]));
    assert_eq!(names(&wharf, "release", "live"), set(&["db", "api"]));

    // A save of what was not asked for leads to nothing; one of the base to what was.
    project.write("web/web.txt", "of no interest");
    project.write("base/base.txt", &format!("{} again", project.namespace()));
    assert_eq!(wharf.round(), 0);
    assert_eq!(names(&wharf, "artifact", "built"), set(&["base", "api"]));
    assert_eq!((wharf.told("base", "built"), wharf.told("api", "built")), (2, 2));
    let running = ["get", "deployments", "-n", project.namespace(), "-o", "name"];
    assert_eq!(kubectl(&running).replace("deployment.apps/", ""), "api\ndb\n");
    assert_eq!(wharf.interrupt(), Some(0));

    // A release by its name.
    let (ended, reports) = Wharf::run(&project, &["run", "db"]);
    assert!(ended.success());
    let touched = reports.iter().filter(|told| told["report"] == "artifact").count();
    assert_eq!(touched, 0, "it uses no image of the project: {reports:?}");
    let (ended, _) = Wharf::run(&project, &["delete"]);
    assert!(ended.success());
}
