//! A Helm release that somebody installed before wharf came: taken over, and left in place.

use crate::support::{Project, Wharf, get, kubectl, output, wait_for};

#[test]
#[ignore = "needs a cluster"]
fn a_running_release_is_taken_over_stays_and_goes_back_only_when_asked_to() {
    let project = Project::web();
    let (chart, namespace) = (project.folder().join("chart"), project.namespace().to_owned());
    let chart = chart.to_str().expect("it is text");
    let helm = |args: &[&str]| output("helm", &[args, &["-n", &namespace]].concat());
    let install = ["install", "web", chart, "--create-namespace"];
    helm(&[&install[..], &["--set", "image.repository=nginx,image.tag=1.25"]].concat());
    let running = || {
        let image = "jsonpath={.spec.template.spec.containers[0].image}";
        kubectl(&["get", "deployment", "web", "-n", &namespace, "-o", image])
    };
    let uid = || {
        let uid = "jsonpath={.metadata.uid}";
        kubectl(&["get", "service", "web", "-n", &namespace, "-o", uid])
    };
    let before = uid();

    for asked in [false, true] {
        let left = running();
        let args: &[&str] = if asked { &["dev", "--rollback"] } else { &["dev"] };
        if asked {
            project.edit("www/index.html", "first", "second");
        }
        let mut wharf = Wharf::start(&project, args);
        let port = wharf.port("service/web");
        let why = wharf.next("the deploy", |told| {
            (told["news"] == "deploying").then(|| told["why"].as_str().map(str::to_owned))?
        });
        assert_eq!(wharf.round(), 0);
        let page = project.read("www/index.html");
        wait_for("the page", || (get(port, "/")? == page).then_some(()));
        // A further revision: back means to what was there before all of them.
        project.edit("www/index.html", &page, &format!("{page}, edited"));
        assert_eq!(wharf.round(), 0);
        assert_eq!(uid(), before, "it was taken over, not made anew");
        let mine = running();
        assert_eq!(wharf.interrupt(), Some(0));
        let reports = wharf.reports();
        let stopped = reports.last().expect("it told something");
        assert_eq!(stopped["report"], "stopped");
        assert_eq!(stopped["leftovers"], serde_json::json!([]));
        let kept = stopped["kept"].to_string();
        assert!(kept.contains("\"web\""), "what stays is said: {stopped}");
        assert_eq!(uid(), before);
        if asked {
            assert_eq!(running(), left, "as it was found");
        } else {
            assert!(why.contains("installed by somebody else"), "{why}");
            assert_eq!(running(), mine, "it stays as it is");
        }
    }
    helm(&["uninstall", "web"]);
}
