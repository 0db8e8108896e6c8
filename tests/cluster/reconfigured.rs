//! A configuration that changes while `dev` runs is applied as the difference, also where a release
//! goes elsewhere, is made of something else, or its logs are shown differently.

use crate::support::{Inventory, Project, Wharf, get, output, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn a_release_that_moves_leaves_nothing_where_it_was() {
    let project = Project::web();
    let own = project.namespace();
    let other = format!("{own}-b-{}", std::process::id());
    let config = |logs: &str, release: &str| {
        let text = format!("images: {{web: {{context: .}}}}\nlogs: {logs}\n{release}\n");
        project.write("wharf.yaml", &text);
    };
    let dockerfile = project.read("Dockerfile");
    let base = dockerfile.split("CMD").next().expect("it has a command");
    let command = "CMD [\"sh\", \"-c\", \"echo begins; exec httpd -f -p 8080 -h /www\"]\n";
    project.write("Dockerfile", &format!("{base}{command}"));
    project.write(".dockerignore", "*\n!www\n");
    let manifest = project.read("chart/templates/web.yaml");
    let values = project.read("chart/values.yaml");
    let number = values.lines().next().and_then(|line| line.strip_prefix("port: "));
    let manifest = manifest
        .replace("{{ .Values.image.repository }}:{{ .Values.image.tag }}", "web")
        .replace("{{ .Values.port }}", number.expect("it is the first value"));
    project.write("k8s/web.yaml", &manifest);
    let chart = "releases: {web: {chart: chart}}\nforward: [service/web]";
    config("{exclude: [web]}", chart);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    let text = format!("{own} first");
    wait_for("the page", || (get(port, "/")? == text).then_some(()));

    // Its logs were left out, and are shown from the beginning once they are not.
    let lines =
        |wharf: &Wharf| wharf.reports().iter().filter(|told| told["text"] == "begins").count();
    assert_eq!(lines(&wharf), 0);
    config("{}", chart);
    assert_eq!(wharf.round(), 0);
    wait_for("the log", || (lines(&wharf) == 1).then_some(()));

    let installed =
        |namespace: &str| output("helm", &["list", "-q", "-n", namespace]).trim().to_owned();
    config("{}", &format!("releases: {{web: {{chart: chart, namespace: {other}}}}}"));
    assert_eq!(wharf.round(), 0);
    assert_eq!((installed(own).as_str(), installed(&other).as_str()), ("", "web"));

    config("{}", &format!("manifests: {{web: {{files: [k8s/*.yaml], namespace: {other}}}}}"));
    assert_eq!(wharf.round(), 0);
    assert_eq!(installed(&other), "");
    let deployment = ["get", "deployment", "web", "-n", &other, "-o", "name"];
    assert_eq!(output("kubectl", &deployment).trim(), "deployment.apps/web");
    assert_eq!(wharf.interrupt(), Some(0));
    let namespace = ["get", "namespace", &other, "--ignore-not-found", "-o", "name"];
    assert_eq!(output("kubectl", &namespace), "");
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}
