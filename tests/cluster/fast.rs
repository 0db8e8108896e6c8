//! The fast way: images go into what runs at once, and Helm's history follows. Whatever comes in
//! between, both say the same in the end, and everybody else's Helm goes on working.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    HelmCount, Inventory, Project, Wharf, get, helm_4, kubectl, output, pods, wait_for,
};

#[test]
#[ignore = "needs a cluster"]
fn images_go_in_at_once_and_helm_3_follows() {
    let real = output("sh", &["-c", "command -v helm"]);
    check(Path::new(real.trim()), "Update");
}

#[test]
#[ignore = "needs a cluster"]
fn images_go_in_at_once_and_helm_4_follows() {
    check(&helm_4(), "Apply");
}

/// A project, its Helm, and a page that says which version runs.
struct Site {
    project: Project,
    helm: HelmCount,
    program: PathBuf,
    /// How Helm writes: by updates, or by server-side apply.
    operation: &'static str,
}

fn check(program: &Path, operation: &'static str) {
    let mut project = Project::web();
    let helm = HelmCount::with(&mut project, program);
    let site = Site { project, helm, program: program.to_owned(), operation };
    let before = Inventory::take(&site.project);

    let mut wharf = Wharf::start(&site.project, &["dev"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    let first = site.image();
    site.helm.take();
    site.one_save(&mut wharf, port);
    site.ten_saves(&mut wharf, port);
    site.killed_before_it_is_recorded(&mut wharf, port, "first crash");

    let mut wharf = Wharf::start(&site.project, &["dev"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    site.assert_recorded("after a crash");
    site.killed_before_it_is_recorded(&mut wharf, port, "second crash");
    let (status, told) = Wharf::run(&site.project, &["delete"]);
    assert_eq!(status.code(), Some(0), "{told:#?}");
    assert_eq!(Inventory::take(&site.project).since(&before), Vec::<String>::new());

    site.left_as_recorded(&first);
    site.through_helm_alone();
    // What was left to stay is as it was left, until somebody takes it away.
    assert_eq!(site.image(), first);
    let (status, told) = Wharf::run(&site.project, &["delete"]);
    assert_eq!(status.code(), Some(0), "{told:#?}");
    assert_eq!(Inventory::take(&site.project).since(&before), Vec::<String>::new());
}

impl Site {
    /// An edit: the pods have it before Helm is started, and Helm changes nothing afterwards.
    fn one_save(&self, wharf: &mut Wharf, port: u16) {
        self.save("second");
        next(wharf, "patched");
        assert_eq!(operations(self.helm.take()), Vec::<String>::new());
        wait_for("the edit", || get(port, "/")?.contains("second").then_some(()));
        let running = pods(&self.project);
        let recorded = next(wharf, "recorded");
        assert_eq!(recorded["revision"], 2, "{recorded}");
        assert_eq!(recorded["changed"], serde_json::json!([]), "{recorded}");
        let calls = operations(self.helm.take());
        assert!(calls.len() == 1 && calls[0].starts_with("upgrade "), "{calls:?}");
        self.assert_recorded("when saves are quiet");
        wait_for("the old pod goes", || (pods(&self.project)["web"].len() == 1).then_some(()));
        let stays = |uid: &String| running["web"].contains(uid);
        assert!(pods(&self.project)["web"].iter().all(stays), "Helm leaves the pods alone");
    }

    /// Ten saves in a hurry end in one revision.
    fn ten_saves(&self, wharf: &mut Wharf, port: u16) {
        for nth in 1..=10 {
            self.save(&format!("hurry {nth}."));
            std::thread::sleep(BETWEEN_SAVES);
        }
        wait_for("the tenth save", || get(port, "/")?.contains("hurry 10.").then_some(()));
        let recorded = next(wharf, "recorded");
        assert_eq!(recorded["revision"], 3, "{recorded}");
        let calls = operations(self.helm.take());
        assert_eq!(calls.len(), 1, "{calls:?}");
        self.assert_recorded("after ten saves");
    }

    /// The program dies when the images are in and Helm does not know.
    fn killed_before_it_is_recorded(&self, wharf: &mut Wharf, port: u16, words: &str) {
        let before = self.recorded_image();
        self.save(words);
        next(wharf, "patched");
        wharf.signal("KILL");
        wharf.wait();
        assert_eq!(get(port, "/"), None);
        assert_ne!(self.image(), before, "it runs");
        assert_eq!(self.recorded_image(), before, "and Helm does not know");
    }

    /// A release that stays is left as Helm's history says, also by who leaves in a hurry; and
    /// its owner's own upgrade works afterwards.
    fn left_as_recorded(&self, first: &str) {
        let mut wharf = Wharf::start(&self.project, &["dev", "--cleanup=false"]);
        assert_eq!(wharf.round(), 0);
        self.save("left");
        next(&mut wharf, "patched");
        assert_eq!(wharf.interrupt(), Some(0));
        self.assert_recorded("on leaving");
        let tag = first.split(':').next_back().unwrap_or_default();
        let (chart, image) = (self.project.folder().join("chart"), format!("image.tag={tag}"));
        let chart = chart.to_str().expect("it is text");
        self.helm(&["upgrade", "web", chart, "--reuse-values", "--set", &image]);
        assert_eq!(self.image(), first);
    }

    /// Who wants Helm for everything gets it.
    fn through_helm_alone(&self) {
        let mut wharf = Wharf::start(&self.project, &["dev", "--strict-helm"]);
        assert_eq!(wharf.round(), 0);
        self.helm.take();
        self.save("strict");
        next(&mut wharf, "deployed");
        self.assert_recorded("by Helm itself");
        assert_eq!(wharf.round(), 0);
        assert_eq!(wharf.told("web", "patched"), 0);
        assert_eq!(wharf.interrupt(), Some(0));
    }

    fn save(&self, words: &str) {
        let text = format!("{} {words}\n", self.project.namespace());
        self.project.write("www/index.html", &text);
    }

    fn helm(&self, args: &[&str]) -> String {
        let program = self.program.to_str().expect("it is text");
        output(program, &[args, &["-n", self.project.namespace()]].concat())
    }

    /// The image that runs.
    fn image(&self) -> String {
        let path = "jsonpath={.spec.template.spec.containers[0].image}";
        kubectl(&["get", "deployment/web", "-n", self.project.namespace(), "-o", path])
    }

    /// The image in Helm's newest revision.
    fn recorded_image(&self) -> String {
        let manifest = self.helm(&["get", "manifest", "web"]);
        let image = manifest.lines().find_map(|line| line.trim().strip_prefix("image: "));
        image.expect("there is an image").trim_matches('"').to_owned()
    }

    /// Helm's newest revision is whole and says what runs, and only Helm has written to it.
    fn assert_recorded(&self, when: &str) {
        assert_eq!(self.recorded_image(), self.image(), "{when}");
        let status = self.helm(&["status", "web", "-o", "json"]);
        let status: Value = serde_json::from_str(&status).expect("it is JSON");
        assert_eq!(status["info"]["status"], "deployed", "{when}");
        let get = ["get", "deployment/web", "--show-managed-fields", "-o", "json", "-n"];
        let live = kubectl(&[&get[..], &[self.project.namespace()]].concat());
        let live: Value = serde_json::from_str(&live).expect("it is JSON");
        let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
        let writers: Vec<String> = entries
            .filter(|entry| entry["subresource"].is_null())
            .map(|entry| format!("{}: {}", entry["manager"], entry["operation"]))
            // The controller notes down which ReplicaSet is the current one.
            .filter(|writer| !writer.contains("kube-controller-manager"))
            .collect();
        assert_eq!(writers, [format!("\"helm\": \"{}\"", self.operation)], "{when}");
    }
}

/// How far apart a hasty person's saves are.
const BETWEEN_SAVES: Duration = Duration::from_millis(150);

/// The next thing told of the release.
fn next(wharf: &mut Wharf, news: &str) -> Value {
    wharf.next(news, |told| (told["name"] == "web" && told["news"] == news).then(|| told.clone()))
}

/// What Helm did with the cluster; `template` only reads the chart, and `version` nothing.
fn operations(mut calls: Vec<String>) -> Vec<String> {
    calls.retain(|call| !call.starts_with("template ") && !call.starts_with("version "));
    calls
}
