//! Images that go through a registry: pushed with the user's login, deployed by digest.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;

use crate::support::{Project, Wharf, get, kubectl, output, part, wait_for};

/// A project whose images go to `registry`.
fn project(registry: &str) -> Project {
    let project = Project::web();
    let text = format!(
        "images: {{web: {{}}}}\nreleases: {{web: {{chart: chart}}}}\nforward: [service/web]\n\
         registry: {registry}/acme\n"
    );
    project.write("wharf.yaml", &text);
    project.write(".dockerignore", "*\n!www\n");
    project
}

/// The image of the page's deployment.
const IMAGE: &str = "jsonpath={.spec.template.spec.containers[0].image}";

/// What wharf keeps of the project in the cluster.
fn record(project: &Project) -> String {
    let data = "jsonpath={.data.record}";
    let data = kubectl(&["get", "secret", "wharf.web", "-n", project.namespace(), "-o", data]);
    let packed = base64::engine::general_purpose::STANDARD.decode(data).expect("it is base64");
    let mut text = String::new();
    let mut unpacked = flate2::read::GzDecoder::new(packed.as_slice());
    unpacked.read_to_string(&mut text).expect("it is packed text");
    text
}

/// Waits until the page is served by pods whose image is named by digest.
fn runs_by_digest(project: &Project, port: u16, registry: &str) {
    let page = project.read("www/index.html");
    wait_for("the page", || (get(port, "/")? == page).then_some(()));
    let image = kubectl(&["get", "deployment", "web", "-n", project.namespace(), "-o", IMAGE]);
    let start = format!("{registry}/acme/web:");
    assert!(image.starts_with(&start) && image.contains("@sha256:"), "{image}");
}

#[test]
#[ignore = "needs a cluster"]
fn an_image_is_pushed_and_deployed_by_digest() {
    let registry = part("registry").remove("WHARF_REGISTRY").expect("it is exported");
    let project = project(&registry);
    let mut wharf = Wharf::start(&project, &["dev"]);
    let how = wharf.next("the delivery", |told| {
        (told["news"] == "delivered").then(|| told["how"].as_str().map(str::to_owned))?
    });
    assert_eq!(how, "pushed");
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    runs_by_digest(&project, port, &registry);
    project.edit("www/index.html", "first", "second");
    assert_eq!(wharf.round(), 0);
    runs_by_digest(&project, port, &registry);
    assert_eq!(wharf.interrupt(), Some(0));

    // The registry has it: another machine, without the image and without state, builds nothing.
    let (ended, _) = Wharf::run(&project, &["build"]);
    assert!(ended.success());
    let tags = format!("{registry}/acme/web");
    let images = output("docker", &["images", "-q", "--filter", &format!("reference={tags}")]);
    let mut remove = vec!["rmi", "-f"];
    remove.extend(images.lines());
    output("docker", &remove);
    std::fs::remove_dir_all(project.home().join("state")).expect("there was some");
    let (ended, reports) = Wharf::run(&project, &["build"]);
    assert!(ended.success());
    let found = reports.iter().find(|told| told["news"] == "unchanged").map(|told| &told["found"]);
    assert_eq!(found, Some(&serde_json::json!("registry")), "{reports:?}");

    // A chart that does more with the tag than name an image with it cannot bear a digest.
    let label = "labels: {app: web, version: \"{{ .Values.image.tag }}\"}}";
    project.edit(
        "chart/templates/web.yaml",
        "{labels: {app: web}}\n    spec",
        &format!("{{{label}\n    spec"),
    );
    let run = |news: &str| {
        let (ended, reports) = Wharf::run(&project, &["run"]);
        let told = |wanted: &str| {
            reports.iter().any(|told| told["name"] == "web" && told["news"] == wanted)
        };
        assert!(ended.success() && told(news), "{reports:?}");
        reports.iter().filter(|told| told["news"] == "deploying").count()
    };
    assert_eq!(run("deployed"), 1);
    let image = kubectl(&["get", "deployment", "web", "-n", project.namespace(), "-o", IMAGE]);
    assert!(!image.contains('@'), "{image}");
    let record = record(&project);
    assert!(record.contains(&format!("\"{image}\"")), "what was rendered is recorded: {record}");
    assert_eq!(run("unchanged"), 0, "what runs is what is wanted");
}

#[test]
#[ignore = "needs a cluster"]
fn a_wrong_login_is_named_and_the_right_one_mends_the_session() {
    let exports = part("registry-login");
    let of = |name: &str| exports.get(name).expect("it is exported").clone();
    let registry = of("WHARF_REGISTRY_LOGIN");
    let (user, password) = (of("WHARF_REGISTRY_USER"), of("WHARF_REGISTRY_PASSWORD"));
    let mut project = project(&registry);
    let folder = project.home().join("docker");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let log_in = |password: &str| {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let entry = BTreeMap::from([(registry.as_str(), serde_json::json!({"auth": auth}))]);
        let text = serde_json::json!({ "auths": entry }).to_string();
        std::fs::write(folder.join("config.json"), text).expect("a file can be written");
    };
    log_in("wrong");
    project.set_variable("DOCKER_CONFIG", folder.to_str().expect("it is text"));

    // Pods pull with a secret of the namespace, as on any cluster.
    let namespace = project.namespace().to_owned();
    kubectl(&["create", "namespace", &namespace]);
    project.edit(
        "chart/templates/web.yaml",
        "      containers:",
        "      imagePullSecrets: [{name: login}]\n      containers:",
    );
    let secret = ["create", "secret", "docker-registry", "login", "-n", &namespace];
    let login = [
        format!("--docker-server={registry}"),
        format!("--docker-username={user}"),
        format!("--docker-password={password}"),
    ];
    let login: Vec<&str> = login.iter().map(String::as_str).collect();
    kubectl(&[&secret[..], &login[..]].concat());

    let mut wharf = Wharf::start_in_terminal(&project, &["dev"]);
    let failure = wharf.next("the refusal", |told| {
        (told["report"] == "artifact" && told["news"] == "failed").then(|| told.clone())
    });
    assert_eq!(failure["help"][0], format!("log in: `docker login {registry}`"));
    assert!(failure["what"].as_str().is_some_and(|what| what.contains(&registry)), "{failure}");
    assert_eq!(wharf.round(), 1);

    // The login alone mends it, without a key or a save.
    log_in(&password);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    assert_eq!(wharf.told("web", "failed"), 1, "{:?}", wharf.reports());
    runs_by_digest(&project, port, &registry);
    wharf.press(b"\x03");
    assert_eq!(wharf.wait().code(), Some(0));
    let said = serde_json::to_string(&wharf.reports()).expect("it is JSON");
    assert!(!said.contains(&password), "a password is never told");
    kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}
