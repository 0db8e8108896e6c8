//! A bulk `git checkout` there and back: no save is lost, no build starts half-way, and what was
//! built before is found again.

use std::process::Command;

use sha2::Digest as _;

use crate::support::{Project, Wharf, get, output, wait_for};

const FILES: usize = 2000;

/// Tells a hash over everything that its image holds below `data`.
const APP: &str = r#"import hashlib, http.server, os
total = hashlib.sha256()
for folder, folders, files in sorted(os.walk("data")):
    for name in sorted(files):
        total.update(open(os.path.join(folder, name), "rb").read())
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(total.hexdigest().encode())
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"#;

fn git(project: &Project, args: &[&str]) {
    let folder = project.folder();
    let place = folder.to_str().expect("it is text");
    let own = ["-C", place, "-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0"];
    output("git", &[&own[..], args].concat());
}

/// The data of a branch; what the app makes of it.
fn plant(project: &Project, branch: &str) -> String {
    let mut total = sha2::Sha256::new();
    let mut names: Vec<(String, String)> =
        (0..FILES).map(|n| (format!("d{:02}", n % 40), format!("f{n:04}"))).collect();
    names.sort();
    for (folder, name) in names {
        let text = format!("{} {branch} {name}", project.namespace());
        project.write(&format!("data/{folder}/{name}"), &text);
        total.update(text);
    }
    let digest = total.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "needs a cluster"]
fn two_thousand_files_there_and_back() {
    let project = Project::web();
    let image = "FROM python:3.11-slim\nWORKDIR /app\nCOPY app.py .\nCOPY data data\n\
                 CMD [\"python\", \"app.py\"]\n";
    project.write("Dockerfile", image);
    project.write("app.py", APP);
    // Forty files take a twentieth of a second each: the checkout lasts for many quiet windows.
    project.write(".gitattributes", "data/*/f000? filter=slow\ndata/*/f001? filter=slow\n");
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["config", "filter.slow.smudge", "sleep 0.05; cat"]);
    let main = plant(&project, "main");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "one"]);
    git(&project, &["checkout", "-qb", "other"]);
    let other = plant(&project, "other");
    git(&project, &["commit", "-qam", "two"]);
    git(&project, &["checkout", "-q", "main"]);

    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    let serves = |hash: &str| {
        wait_for("the branch", || (get(port, "/")? == hash).then_some(()));
    };
    serves(&main);
    let built = |wharf: &Wharf| {
        let counts = ["building", "built", "cancelled"].map(|news| wharf.told("web", news));
        (counts[0], counts[1], counts[2])
    };
    assert_eq!(built(&wharf), (1, 1, 0));

    git(&project, &["checkout", "-q", "other"]);
    assert_eq!(wharf.round(), 0);
    serves(&other);
    assert_eq!(built(&wharf), (2, 2, 0), "one build, begun when the checkout had ended");

    git(&project, &["checkout", "-q", "main"]);
    assert_eq!(wharf.round(), 0);
    serves(&main);
    assert_eq!(built(&wharf), (2, 2, 0), "the image of before is still there");
    assert_eq!(wharf.interrupt(), Some(0));

    // From another path and without any state: the same tag, hence no build.
    let elsewhere = Project::of("web", &[]);
    let from = project.folder();
    let to = elsewhere.folder();
    let cloned = Command::new("git").arg("clone").arg("-q").arg(&from).arg(&to).status();
    assert!(cloned.expect("git starts").success());
    let (ended, reports) = Wharf::run(&elsewhere, &["build"]);
    assert!(ended.success());
    let news: Vec<&str> = reports
        .iter()
        .filter(|report| report["report"] == "artifact")
        .filter_map(|report| report["news"].as_str())
        .collect();
    assert_eq!(news, ["unchanged"]);
}
