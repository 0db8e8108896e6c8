//! The loop on `examples/shop`: an edit reaches what it concerns, and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{HelmCount, Inventory, Project, Wharf, get, kubectl, pods, wait_for};

/// How far apart a hasty person's saves are: ten of them within two seconds.
const BETWEEN_SAVES: std::time::Duration = std::time::Duration::from_millis(150);

#[test]
#[ignore = "needs a cluster"]
fn an_edit_reaches_what_it_concerns_and_nothing_else() {
    let mut project = Project::shop();
    let helm = HelmCount::start(&mut project);
    let before = Inventory::take(&project);
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    let web = port(&wharf, "service/web");
    let cart = port(&wharf, "service/cart");
    let page = get(web, "/").expect("the page is served");
    assert!(page.contains("anchor: 129.00") && page.contains("In your cart: nothing"), "{page}");
    assert_eq!(get(cart, "/cart").as_deref(), Some("[]"));
    assert_eq!(operations(helm.take()).len(), 1, "one release is Helm's");

    in_the_release(&project, &mut wharf, &helm, web);
    outside_of_it(&project, &mut wharf, &helm);
    in_the_base(&project, &mut wharf, &helm);
    ten_saves(&project, &mut wharf, web);

    assert_eq!(wharf.interrupt(), Some(0));
    assert_eq!(get(web, "/"), None);
    assert_eq!(Inventory::take(&project).since(&before), Vec::<String>::new());
}

/// A service of the Helm release: it alone is built and replaced, by one upgrade.
fn in_the_release(project: &Project, wharf: &mut Wharf, helm: &HelmCount, web: u16) {
    let before = services(project);
    let told = wharf.reports().len();
    project.edit("catalog/main.go", "anchor", "kedge");
    wait_for("the edit", || get(web, "/")?.contains("kedge: 129.00").then_some(()));
    assert_eq!(wharf.round(), 0);
    assert_eq!(changed(&before, &services(project)), ["catalog"]);
    assert_eq!(built(&wharf.reports()[told..]), ["shop/catalog"]);
    let calls = operations(helm.take());
    assert!(calls.len() == 1 && calls[0].starts_with("upgrade "), "{calls:?}");
}

/// A service that kustomize deploys: Helm has nothing to do with it.
fn outside_of_it(project: &Project, wharf: &mut Wharf, helm: &HelmCount) {
    let before = services(project);
    let told = wharf.reports().len();
    project.edit("orders/app.py", "ORDER BY id", "ORDER BY id DESC");
    assert_eq!(wharf.round(), 0);
    assert_eq!(changed(&before, &services(project)), ["orders"]);
    assert_eq!(built(&wharf.reports()[told..]), ["shop/orders"]);
    assert_eq!(helm.take(), Vec::<String>::new());
}

/// The image that two others are built from: these follow, one in each kind of release.
fn in_the_base(project: &Project, wharf: &mut Wharf, helm: &HelmCount) {
    let before = services(project);
    let told = wharf.reports().len();
    let kit = project.read("base/shopkit.py");
    project.write("base/shopkit.py", &format!("{kit}\n# edited\n"));
    assert_eq!(wharf.round(), 0);
    assert_eq!(built(&wharf.reports()[told..]), ["shop/base", "shop/cart", "shop/orders"]);
    assert_eq!(changed(&before, &services(project)), ["cart", "orders"]);
    let calls = operations(helm.take());
    assert!(calls.len() == 1 && calls[0].starts_with("upgrade "), "{calls:?}");
}

/// Ten saves in a hurry: the last one counts, and what the others began ends.
fn ten_saves(project: &Project, wharf: &mut Wharf, web: u16) {
    let (told, revision) = (wharf.reports().len(), revision(project, "catalog"));
    let before = services(project);
    let original = project.read("catalog/main.go");
    let save = |nth: usize| {
        project.write("catalog/main.go", &original.replace("rope", &format!("rope-{nth}.")));
    };
    save(1);
    // A machine that is busy may see it late; then the others come while it is being built.
    wharf.next("the first build", |report| {
        (report["name"] == "shop/catalog" && report["news"] == "building").then_some(())
    });
    for nth in 2..=10 {
        save(nth);
        std::thread::sleep(BETWEEN_SAVES);
    }
    wait_for("the tenth save", || get(web, "/")?.contains("rope-10.: 9.00").then_some(()));
    assert_eq!(wharf.round(), 0);
    let reports = wharf.reports();
    let catalog = |news: &str| {
        let of_it = reports[told..].iter().filter(|report| report["name"] == "shop/catalog");
        of_it.filter(|report| report["news"] == news).count()
    };
    assert!(catalog("cancelled") >= 1, "the first build was pointless");
    let (builds, rollouts) = (catalog("built"), self::revision(project, "catalog") - revision);
    assert!((1..=builds).contains(&rollouts), "{rollouts} rollouts of {builds} builds");
    assert_eq!(changed(&before, &services(project)), ["catalog"]);
    assert!(get(web, "/").is_some_and(|page| page.contains("rope-10.: 9.00")));
}

/// The UIDs of the pods of each service; the hook's pods are none.
fn services(project: &Project) -> BTreeMap<String, Vec<String>> {
    let mut pods = pods(project);
    pods.remove("migrate");
    assert_eq!(pods.len(), 5, "{pods:?}");
    pods
}

fn changed<'a>(
    before: &'a BTreeMap<String, Vec<String>>,
    after: &BTreeMap<String, Vec<String>>,
) -> Vec<&'a str> {
    let changed = before.iter().filter(|(name, uids)| after.get(*name) != Some(uids));
    changed.map(|(name, _)| name.as_str()).collect()
}

/// Images whose build ended well.
fn built(reports: &[Value]) -> Vec<&str> {
    let built = reports.iter().filter(|report| report["news"] == "built");
    let mut built: Vec<&str> = built.filter_map(|report| report["name"].as_str()).collect();
    built.sort_unstable();
    built
}

/// What Helm did with the cluster; `template` only reads the chart, and `version` nothing.
fn operations(mut calls: Vec<String>) -> Vec<String> {
    calls.retain(|call| !call.starts_with("template ") && !call.starts_with("version "));
    calls
}

/// How often a Deployment was rolled out.
fn revision(project: &Project, deployment: &str) -> usize {
    let path = r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}";
    let args = ["get", "deployment", deployment, "-n", project.namespace(), "-o", path];
    kubectl(&args).parse().expect("it is a number")
}

/// The local port of what is forwarded, told already.
fn port(wharf: &Wharf, target: &str) -> u16 {
    let reports = wharf.reports();
    let open = reports.iter().find(|report| {
        report["report"] == "forward" && report["target"] == target && report["news"] == "open"
    });
    let local = open.and_then(|report| report["local"].as_str()).expect("it was told");
    local.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it ends with a port")
}
